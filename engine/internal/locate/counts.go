package locate

import (
	"context"
	"fmt"
	"math"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Countable returns those of addrs whose executions can be counted at the cost
// of a stub.
func (l *Locator) Countable(r *replay.Runner, addrs []uint64) ([]uint64, error) {
	text, maps, err := l.text(r)
	if err != nil {
		return nil, err
	}
	plan := patch.NewPlan(text, maps, []uint64{r.Regs().Rip})
	var out []uint64
	for _, a := range addrs {
		if plan.Patchable(a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// Counts returns how often each of addrs is executed from from on, its own point
// included, and strictly before end, which must lie in the same slice.
func (l *Locator) Counts(ctx context.Context, from *replay.Runner, end End, addrs []uint64) ([]uint64, error) {
	r, err := forkOf(from)
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	defer r.Kill()
	if err := enter(r); err != nil {
		return nil, err
	}
	clean(r)
	c := &chase{l: l, g: l.newRig(r), end: end, leg: leg{slice: r.Next - 1, first: true}}
	if err := c.last(); err != nil {
		return nil, err
	}
	for _, a := range addrs {
		c.g.point(a)
	}
	var stop *point
	if !c.end.Last && !c.end.At.AtBase() {
		stop = c.g.point(c.end.At.Addr)
		stop.limit = min(c.end.At.Count, math.MaxUint64)
	}
	if err := c.g.arm(); err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	for !c.end.At.AtBase() || c.end.Last {
		p, _, err := c.g.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("counts: %w", err)
		}
		if err := stopped(ctx); err != nil {
			return nil, err
		}
		if p == nil { // the slice is over
			if stop != nil {
				return nil, ErrNotFound
			}
			break
		}
		if n, err := c.g.count(p); err != nil || p == stop && n == stop.limit {
			if err != nil {
				return nil, err
			}
			break
		}
	}
	out := make([]uint64, len(addrs))
	for i, a := range addrs {
		if out[i], err = c.g.count(c.g.at[a]); err != nil {
			return nil, err
		}
		if stop != nil && a == stop.addr {
			out[i]--
		}
	}
	return out, nil
}
