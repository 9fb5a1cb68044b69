package debugger

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"yore/engine/timeline"
	"yore/engine/trace"
)

// seek moves the timeline; it is called while the backend waits for the answer
// to a resume.
type seek func(context.Context) (timeline.Stop, error)

// destination finds where the argument of `goto` points to.
func (d *Debugger) destination(arg string) (seek, error) {
	switch arg {
	case "":
		return nil, fmt.Errorf("goto needs a place: a position as `when` prints it, a bookmark, start, end, 37%%, 12.5s, output REGEX")
	case "start":
		return d.toPosition(timeline.Start), nil
	case "end":
		return d.toEnd(), nil
	}
	if b, ok := d.bookmarks[arg]; ok {
		return d.toMark(b.mark), nil
	}
	if pattern, ok := strings.CutPrefix(arg, "output "); ok {
		return d.toOutput(strings.TrimSpace(pattern))
	}
	if s, ok := strings.CutSuffix(arg, "%"); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || f < 0 || f > 100 {
			return nil, fmt.Errorf("goto %s: want a percentage between 0%% and 100%%", arg)
		}
		return d.toPart(f / 100), nil
	}
	for _, c := range d.tl.Checkpoints() {
		if c.Name == arg {
			return d.toCheckpoint(c.ID), nil
		}
	}
	if arg[0] < '0' || arg[0] > '9' {
		return nil, fmt.Errorf("there is no bookmark or checkpoint named %s", arg)
	}
	if t, err := time.ParseDuration(strings.ReplaceAll(arg, " ", "")); err == nil && arg != "0" {
		return d.toTime(t), nil
	}
	p, err := timeline.Parse(arg)
	if err != nil {
		return nil, err
	}
	if p.Event > d.tl.Events() {
		return nil, fmt.Errorf("history ends with event %d; there is no event %d", d.tl.Events(), p.Event)
	}
	return d.toPosition(p), nil
}

func (d *Debugger) toPosition(p timeline.Position) seek {
	return func(ctx context.Context) (timeline.Stop, error) { return d.tl.SeekPosition(ctx, p) }
}

func (d *Debugger) toMark(m Mark) seek {
	if f, ok := m.(fixed); ok {
		return d.toPosition(f.Position)
	}
	return func(ctx context.Context) (timeline.Stop, error) { return d.tl.SeekMark(ctx, m) }
}

func (d *Debugger) toCheckpoint(id int) seek {
	return func(ctx context.Context) (timeline.Stop, error) { return d.tl.SeekCheckpoint(ctx, id) }
}

// toEnd goes to the newest point that the program was stopped at, which is the
// newest of history: only commands move the frontier.
func (d *Debugger) toEnd() seek {
	if d.newest == nil {
		return d.toPosition(timeline.Position{Event: d.tl.Events()})
	}
	return d.toMark(d.newest)
}

// toOutput goes to just after the program wrote the first line of its output that
// matches.
func (d *Debugger) toOutput(pattern string) (seek, error) {
	w, ok := d.tl.(Scribe)
	if !ok {
		return nil, errNoOutput
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("goto output: %w", err)
	}
	return func(ctx context.Context) (timeline.Stop, error) {
		event := int64(-1)
		if err := w.OutputLines(ctx, re, func(o trace.OutputLine) bool {
			event = o.Last
			return false
		}); err != nil {
			return timeline.Stop{}, err
		}
		if event < 0 {
			return timeline.Stop{}, fmt.Errorf("no line of the program's output matches %s", pattern)
		}
		return d.tl.SeekPosition(ctx, timeline.Position{Event: event})
	}, nil
}

// toPart goes to a part of history, from 0 to 1, by time; by events when all of
// it happened at once.
func (d *Debugger) toPart(f float64) seek {
	if f == 1 {
		return d.toEnd()
	}
	last := d.tl.Events()
	if total := d.tl.EventTime(last); total > 0 {
		return d.toTime(time.Duration(f * float64(total)))
	}
	return d.toPosition(timeline.Position{Event: int64(f * float64(last))})
}

// toTime goes to the last event or checkpoint that is not after t.
func (d *Debugger) toTime(t time.Duration) seek {
	event := d.tl.EventAtTime(t)
	best, id := d.tl.EventTime(event), 0
	for _, c := range d.tl.Checkpoints() {
		if c.Time <= t && c.Time > best {
			best, id = c.Time, c.ID
		}
	}
	if id != 0 {
		return d.toCheckpoint(id)
	}
	return d.toPosition(timeline.Position{Event: event})
}

// when says where in time the program is.
func (d *Debugger) when(ctx context.Context) error {
	p, err := d.tl.Position(ctx)
	if err != nil {
		return err
	}
	cur, last := d.tl.Event(), d.tl.Events()
	now, total := d.tl.EventTime(cur), d.tl.EventTime(last)
	d.printf("position: %v\n", p)
	d.printf("elapsed:  %s of %s (%s), event %d of %d\n",
		seconds(now), seconds(total), percent(d.part(cur, now)), cur, last)
	if c, ok := d.tl.(Calendar); ok {
		d.printf("clock:    %s\n", c.Clock(now).Format("2006-01-02 15:04:05.000"))
	}
	return nil
}

// part is which part of history a point is at: by time where that tells.
func (d *Debugger) part(event int64, at time.Duration) float64 {
	last := d.tl.Events()
	if total := d.tl.EventTime(last); total > 0 {
		return min(1, float64(at)/float64(total))
	}
	if last > 0 {
		return min(1, float64(event)/float64(last))
	}
	return 0
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func percent(f float64) string { return fmt.Sprintf("%.1f%%", 100*f) }

// size prints a number of bytes for people.
func size(n int64) string {
	const k = 1 << 10
	switch {
	case n >= k*k*k:
		return fmt.Sprintf("%.1f GB", float64(n)/(k*k*k))
	case n >= k*k:
		return fmt.Sprintf("%.1f MB", float64(n)/(k*k))
	case n >= k:
		return fmt.Sprintf("%.1f KB", float64(n)/k)
	}
	return fmt.Sprintf("%d B", n)
}

// timeline draws history.
func (d *Debugger) timeline() error {
	var pins []pin
	n := 0
	for _, c := range d.tl.Checkpoints() {
		p := pin{at: d.part(c.Event, c.Time), sign: signCheckpoint, label: c.Name}
		if c.Auto {
			p.sign, p.label = signAuto, ""
		} else if p.label == "" {
			p.label = strconv.Itoa(c.ID)
		}
		n++
		pins = append(pins, p)
	}
	for name, b := range d.bookmarks {
		pins = append(pins, pin{at: d.part(b.event, d.tl.EventTime(b.event)), sign: signBookmark, label: name})
	}
	cur, last := d.tl.Event(), d.tl.Events()
	at := d.part(cur, d.tl.EventTime(cur))
	if d.tl.AtFrontier() {
		at = 1
	}
	pins = append(pins, pin{at: at, sign: signPresent})
	d.print(drawTimeline(min(d.ui.Width(), 120), pins))
	d.printf("%d events in %s, %d checkpoints; now at %s%s\n", last, seconds(d.tl.EventTime(last)), n, percent(at), d.frontierText())
	d.print("V present, B bookmark, C checkpoint, + checkpoint kept by yore, = what lies behind the present\n")
	return nil
}

// frontierText says what the end of history is.
func (d *Debugger) frontierText() string {
	switch {
	case d.tl.Ended() != nil:
		return "; at the end " + endingText(d.tl.Ended())
	case d.tl.AtFrontier():
		return ", the frontier"
	}
	return "; the frontier waits at the end"
}
