package debugger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yore/engine/timeline"
)

// Sample is the value that an expression had somewhere.
type Sample struct {
	Time  time.Duration
	Value string
	Known bool // false: it had none there
}

// Samples evaluates an expression, as it is bound at present, at points near the
// times given, at most off away from them where there are such, and calls fn for
// each. The program returns to where it was, also when ctx is cancelled.
func (d *Debugger) Samples(ctx context.Context, expr string, times []time.Duration, off time.Duration, fn func(Sample)) (err error) {
	if d.inCall {
		return errInCall
	}
	d.tl.EndDiversion()
	bound, err := d.back.Bind(ctx, expr)
	if err != nil {
		return err
	}
	home, err := d.tl.Mark(ctx)
	if err != nil {
		return err
	}
	defer home.Release()
	was := d.guess
	defer func() {
		if _, e := d.arrive(context.WithoutCancel(ctx), d.toMark(home)); e != nil {
			err = errors.Join(err, fmt.Errorf("return from sampling: %w", e))
		}
		d.guess = was
	}()
	return d.back.Quietly(ctx, func(ctx context.Context) error {
		for i, t := range times {
			d.ui.Progress("looking at "+expr, float64(i)/float64(len(times)))
			var at time.Duration
			_, err := d.arrive(context.WithoutCancel(ctx), func(served context.Context) (timeline.Stop, error) {
				return cancellable(ctx, served, func(ctx context.Context) (timeline.Stop, error) {
					w, err := d.near(ctx, t, off)
					at = w.time
					if err != nil {
						return timeline.Stop{}, err
					}
					return d.seekWaypoint(ctx, w)
				})
			})
			if err != nil {
				return err
			}
			value, err := d.back.Evaluate(ctx, bound)
			if err := fatal(ctx, err); err != nil {
				return err
			}
			fn(Sample{Time: at, Value: value, Known: err == nil})
		}
		return nil
	})
}
