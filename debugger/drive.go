package debugger

// What front-ends that draw use beside Execute: motions and evaluations as
// values, and where in time the program is.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yore/engine/timeline"
)

// Backend returns the backend, for what it can do as a Viewer, a Breakpointer
// or a Machine. Nothing that moves the program may be asked of it.
func (d *Debugger) Backend() Backend { return d.back }

// Moves counts the commands that have moved the program, undo and redo among
// them, and returns what the latest did.
func (d *Debugger) Moves() (n int64, last Outcome) { return d.moves, d.last }

// Run makes a motion as the prompt's command of that name does: it is a stop to
// undo. Where it ended is not shown.
func (d *Debugger) Run(ctx context.Context, r Run) (Outcome, error) {
	moves := d.moves
	err := d.top(ctx, r.Command(), func(ctx context.Context) (Outcome, error) {
		if b, ok := d.back.(Runner); ok {
			return b.Run(ctx, r)
		}
		return d.back.Console(ctx, r.Command())
	})
	if d.moves == moves {
		return Outcome{}, err
	}
	return d.last, err
}

// moved takes note of a motion.
func (d *Debugger) moved(out Outcome) {
	d.moves++
	d.last = out
}

// errNoValues says that a backend gives no values.
var errNoValues = errors.New("this backend shows text only")

// Evaluate returns the value of an expression in a frame. Whatever it called or
// wrote in the past is forgotten, unless the person has changed the past and
// looks at that.
func (d *Debugger) Evaluate(ctx context.Context, f FrameID, expr string) (Value, error) {
	b, ok := d.back.(Viewer)
	if !ok {
		return Value{}, errNoValues
	}
	v, err := b.Value(ctx, f, expr)
	if !d.edited && !d.inCall {
		if serr := d.settle(ctx); err == nil {
			err = serr
		}
	}
	return v, err
}

// Assign sets a part of a scope or value; with of 0 name is an expression in
// frame f. In the past the change lasts until the next command.
func (d *Debugger) Assign(ctx context.Context, f FrameID, of Ref, name, value string) (Value, error) {
	b, ok := d.back.(Viewer)
	if !ok {
		return Value{}, errNoValues
	}
	d.edited = true
	if of == 0 {
		return b.AssignTo(ctx, f, name, value)
	}
	return b.Assign(ctx, of, name, value)
}

// WriteMemory changes memory. In the past the change lasts until the next command.
func (d *Debugger) WriteMemory(ctx context.Context, addr uint64, p []byte) error {
	b, ok := d.back.(Machine)
	if !ok {
		return errNoValues
	}
	d.edited = true
	return b.WriteMemory(ctx, addr, p)
}

// EdgeText says at which edge of history the program is, as a phrase.
func (d *Debugger) EdgeText() string {
	switch {
	case !d.tl.AtFrontier():
		return "start of history"
	case d.tl.Ended() != nil:
		return "end of history: " + endingText(d.tl.Ended())
	}
	return "end of history"
}

// EndText says how the program ended, as the rest of a sentence; "" when history
// has not come so far.
func (d *Debugger) EndText() string {
	if d.tl.Ended() == nil {
		return ""
	}
	return endingText(d.tl.Ended())
}

// Ended says how the program ended, nil when history has not come so far.
func (d *Debugger) Ended() *timeline.Ending { return d.tl.Ended() }

// Moment is a point in time.
type Moment struct {
	Position      timeline.Position
	Event, Events int64         // of the slice, and the newest
	Elapsed, All  time.Duration // since the recording began
	Part          float64       // of history, from 0 to 1
	Clock         time.Time     // zero when it is not known
	Frontier      bool
}

// Now returns where in time the program is.
func (d *Debugger) Now(ctx context.Context) (Moment, error) {
	p, err := d.tl.Position(ctx)
	if err != nil {
		return Moment{}, err
	}
	m := Moment{Position: p, Event: d.tl.Event(), Events: d.tl.Events(), Frontier: d.tl.AtFrontier()}
	m.Elapsed, m.All = d.tl.EventTime(m.Event), d.tl.EventTime(m.Events)
	m.Part = d.part(m.Event, m.Elapsed)
	if c, ok := d.tl.(Calendar); ok {
		m.Clock = c.Clock(m.Elapsed)
	}
	return m, nil
}

// Landmark is a point of history that has a name, or is fast to go to.
type Landmark struct {
	Kind  string // checkpoint, bookmark
	Name  string // what `goto` or `restart` takes; "" for a checkpoint of yore's own
	ID    int    // of a checkpoint
	Auto  bool
	Event int64
	Time  time.Duration
	Part  float64
	Text  string // where it is in the program, when that is known
}

// Landmarks returns the checkpoints and bookmarks, checkpoints first.
func (d *Debugger) Landmarks() []Landmark {
	var out []Landmark
	for _, c := range d.tl.Checkpoints() {
		out = append(out, Landmark{Kind: "checkpoint", Name: c.Name, ID: c.ID, Auto: c.Auto,
			Event: c.Event, Time: c.Time, Part: d.part(c.Event, c.Time)})
	}
	for _, name := range sortedKeys(d.bookmarks) {
		b := d.bookmarks[name]
		t := d.tl.EventTime(b.event)
		out = append(out, Landmark{Kind: "bookmark", Name: name, Event: b.event, Time: t, Part: d.part(b.event, t), Text: b.what})
	}
	return out
}

// ReverseWatch is the command of that name with its answer as a value: nothing
// is shown. The error is an *UnchangedError when the value never changed.
func (d *Debugger) ReverseWatch(ctx context.Context, expr string) (Change, error) {
	var c Change
	err := d.top(ctx, fmt.Sprintf("reverse-watch %s", expr), func(ctx context.Context) (Outcome, error) {
		bound, err := d.back.Bind(ctx, expr)
		if err != nil {
			return Outcome{}, err
		}
		var left bool
		if c, left, err = d.findChange(ctx, &hunt{d: d, bound: bound}); err != nil {
			return Outcome{Moved: left}, err
		}
		err = d.describe(ctx, &c)
		return Outcome{Moved: true, At: Place{Location: c.Location, Thread: c.Thread.Number}}, err
	})
	return c, err
}
