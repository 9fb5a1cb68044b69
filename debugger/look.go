package debugger

import (
	"context"
	"errors"
	"time"

	"yore/engine/timeline"
)

// Look is what there is to see of the program where it stands.
type Look struct {
	Event, Events int64         // the present's, and the newest
	Time, Total   time.Duration // since the recording began: of the present, of the newest event
	From, To      time.Duration // of the present's slice; To is 0 at the newest event
	Frontier      bool          // the present is the newest point of history
	Ended         *timeline.Ending

	Threads   []Thread
	Frames    []Frame // of the selected thread
	Level     int     // of the selected frame
	Shown     int     // of the frame whose source and variables are shown
	Variables []Variable
	Watched   []Watched // in the order asked for
	Breaks    []Breakpoint
}

// Watched is an expression and its value.
type Watched struct {
	Expr  string
	Value string
	Err   error // why it has none
}

// LookOptions say what to look at.
type LookOptions struct {
	Frames int // of the stack at most, 0 for all
	Watch  []string
	// HasSource, when set, says whether there is a source to show for a place. Of
	// a stop in a library without one, the caller that has one is shown.
	HasSource func(Location) bool
}

// Look returns what there is to see. Nothing is printed and nothing moves.
// What the backend cannot tell is left out.
func (d *Debugger) Look(ctx context.Context, o LookOptions) (Look, error) {
	l := Look{
		Event: d.tl.Event(), Events: d.tl.Events(), Time: d.presentTime(),
		Frontier: d.tl.AtFrontier(), Ended: d.tl.Ended(), Breaks: d.Breakpoints(),
	}
	l.Total = max(d.tl.EventTime(l.Events), l.Time)
	l.From = d.tl.EventTime(l.Event)
	if l.Event < l.Events {
		l.To = d.tl.EventTime(l.Event + 1)
	}
	var err error
	if l.Threads, err = d.back.Threads(ctx); err != nil {
		return l, err
	}
	if l.Frames, err = d.back.Backtrace(ctx, o.Frames); err != nil {
		if err := fatal(ctx, err); err != nil {
			return l, err
		}
	}
	if i, ok := d.back.(Inspector); ok && len(l.Frames) > 0 {
		var thread int
		if thread, l.Level, err = i.Selected(ctx); err == nil {
			l.Shown = l.shown(o.HasSource)
			l.Variables, err = i.Variables(ctx, thread, l.Shown)
		}
		if err := fatal(ctx, err); err != nil {
			return l, err
		}
	}
	if len(o.Watch) > 0 {
		l.Watched, err = d.watched(ctx, o.Watch, l.Level, l.Shown)
	}
	return l, err
}

// shown is the innermost frame, from the selected one on, that has a source; the
// selected one when none has.
func (l *Look) shown(has func(Location) bool) int {
	if has != nil && l.Level == 0 {
		for _, f := range l.Frames {
			if f.Line > 0 && has(f.Location) {
				return f.Level
			}
		}
	}
	return l.Level
}

// fatal keeps the errors after which looking further makes no sense.
func fatal(ctx context.Context, err error) error {
	if errors.Is(err, ErrBackendGone) {
		return err
	}
	return ctx.Err()
}

// watched evaluates expressions in the frame shown.
func (d *Debugger) watched(ctx context.Context, exprs []string, level, shown int) ([]Watched, error) {
	out := make([]Watched, len(exprs))
	err := d.back.Quietly(ctx, func(ctx context.Context) error {
		for i, text := range exprs {
			out[i].Expr = text
			out[i].Value, out[i].Err = d.valueIn(ctx, text, level, shown)
			if err := fatal(ctx, out[i].Err); err != nil {
				return err
			}
		}
		return nil
	})
	// What they called happened in a diversion.
	if !d.edited && !d.inCall {
		d.tl.EndDiversion()
	}
	return out, err
}

// valueIn evaluates an expression in the frame shown, which need not be the one
// selected.
func (d *Debugger) valueIn(ctx context.Context, expr string, level, shown int) (string, error) {
	if v, ok := d.back.(Viewer); ok && shown != level {
		value, err := v.Value(ctx, FrameID{Level: shown}, expr)
		return value.Text, err
	}
	e, err := d.back.Bind(ctx, expr)
	if err != nil {
		return "", err
	}
	return d.back.Evaluate(ctx, e)
}
