package debugger

import (
	"context"
	"sort"
	"time"
)

// What happened when, for front-ends that draw history.

// Surveyor is a Timeline that tells what happened in all of history.
type Surveyor interface {
	// Survey calls fn for the events from number `from` on, in order, until fn
	// returns false.
	Survey(ctx context.Context, from int64, fn func(Happening) bool) error
	// ImageTimes are the times of the points that are kept on disk.
	ImageTimes() []time.Duration
	// PresentTime is about when the present was: not after it.
	PresentTime() time.Duration
	// Fraction returns which part of the present's slice lies before it. It may
	// run the slice. ok is false where that cannot be told.
	Fraction(ctx context.Context) (f float64, ok bool, err error)
}

// Happening is an event as far as it is drawn.
type Happening struct {
	Event  int64
	Time   time.Duration // since the recording began
	Thread int           // recorded thread id; it ran since the event before
	Kind   HappeningKind
	Signal int    // for Signalled and ProgramEnd
	Child  int    // for ThreadStart
	Output []byte // what it wrote to standard output or error, as far as kept
}

// HappeningKind is what kind of event it was.
type HappeningKind uint8

const (
	Happened    HappeningKind = iota // nothing special
	Signalled                        // a signal was delivered
	ThreadStart                      // Child was made
	ThreadEnd                        // Thread ended
	Executed                         // another program took the place of this one
	ProgramEnd
)

// Survey is Surveyor's, for front-ends. Without one history is empty.
func (d *Debugger) Survey(ctx context.Context, from int64, fn func(Happening) bool) error {
	if s, ok := d.tl.(Surveyor); ok {
		return s.Survey(ctx, from, fn)
	}
	return nil
}

// Pin is a point of history that somebody or something marked.
type Pin struct {
	Kind  PinKind
	Time  time.Duration
	Event int64
	Label string // "" for none
}

// PinKind is what a Pin stands for.
type PinKind uint8

const (
	PinImage      PinKind = iota // kept on disk
	PinAuto                      // a checkpoint that the engine keeps
	PinStop                      // a stop of the history of motions
	PinCheckpoint                // a checkpoint that was asked for
	PinBookmark
)

// Pins returns the marked points of history, in the order of time.
func (d *Debugger) Pins() []Pin {
	var out []Pin
	if s, ok := d.tl.(Surveyor); ok {
		for _, t := range s.ImageTimes() {
			out = append(out, Pin{Kind: PinImage, Time: t, Event: -1})
		}
	}
	for _, c := range d.tl.Checkpoints() {
		p := Pin{Kind: PinCheckpoint, Time: c.Time, Event: c.Event, Label: checkpointName(c)}
		if c.Auto {
			p.Kind, p.Label = PinAuto, ""
		}
		out = append(out, p)
	}
	for _, v := range d.history.stops {
		out = append(out, Pin{Kind: PinStop, Time: v.time, Event: v.event, Label: v.command})
	}
	for name, b := range d.bookmarks {
		out = append(out, Pin{Kind: PinBookmark, Time: b.time, Event: b.event, Label: name})
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Time != out[j].Time {
			return out[i].Time < out[j].Time
		}
		return out[i].Label < out[j].Label
	})
	return out
}

// guess is what is known of the present's time beside its slice: it was found
// there, or moved only within the slice since.
type guess struct {
	event int64
	time  time.Duration
	valid bool
}

// presentTime is about when the present was.
func (d *Debugger) presentTime() time.Duration {
	event := d.tl.Event()
	t := d.tl.EventTime(event)
	if s, ok := d.tl.(Surveyor); ok {
		t = s.PresentTime()
	}
	if d.guess.valid && d.guess.event == event && !d.tl.AtFrontier() {
		return max(t, d.guess.time)
	}
	return t
}

// Place finds out when the present was, inside a slice, where Look tells no more
// than a guess. It may take as long as the slice took.
func (d *Debugger) Place(ctx context.Context) (time.Duration, error) {
	event := d.tl.Event()
	s, ok := d.tl.(Surveyor)
	if !ok || event >= d.tl.Events() {
		return d.presentTime(), nil
	}
	f, ok, err := s.Fraction(ctx)
	if err != nil || !ok {
		return d.presentTime(), err
	}
	from, to := d.tl.EventTime(event), d.tl.EventTime(event+1)
	d.guess = guess{event, from + time.Duration(f*float64(to-from)), true}
	return d.guess.time, nil
}
