package delve

import (
	"context"
	"errors"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
)

// Stops at a place that the person sees nothing of: debugger.Logger.

var _ debugger.Logger = (*Backend)(nil)

// BreakAt is part of debugger.Logger. The breakpoints have numbers while they live,
// which later ones of the person's get again.
func (b *Backend) BreakAt(ctx context.Context, place string) (remove func(context.Context) error, err error) {
	var made []*proc.LogicalBreakpoint
	next := b.breaks.next
	clear := func() (err error) {
		for _, lbp := range made {
			err = errors.Join(err, b.remove(lbp))
		}
		b.breaks.next = next
		return err
	}
	err = b.do(ctx, func() error {
		locs, err := b.locate(place)
		if err != nil {
			return err
		}
		for _, l := range locs {
			lbp, err := b.set(l, plan{quiet: true})
			if err != nil {
				return errors.Join(err, clear())
			}
			made = append(made, lbp)
		}
		return nil
	})
	return func(ctx context.Context) error { return b.do(ctx, clear) }, err
}

// toBreak goes forwards to a breakpoint of BreakAt's. Delve's own, at failures, are
// passed.
func (b *Backend) toBreak() (out debugger.Outcome, err error) {
	for b.p.ctx.Err() == nil {
		var o debugger.Outcome
		o, err = b.motion(proc.Forward, func() error { return b.grp.Continue() })
		o.Moved = o.Moved || out.Moved
		out = o
		lbp := b.hit()
		if err != nil || out.Edge || lbp == nil || lbp.LogicalID > 0 {
			break
		}
	}
	if lbp := b.hit(); lbp != nil && !out.Edge {
		out.Why = "breakpoint-hit"
	}
	return out, err
}
