package locate

import (
	"context"
	"errors"
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Countable returns those of addrs that can be counted together, up to a point
// at address end, at the cost of a stub each: of addresses that lie too close the
// first.
func (l *Locator) Countable(r *replay.Runner, end uint64, addrs []uint64) ([]uint64, error) {
	text, maps, err := l.text(r)
	if err != nil {
		return nil, err
	}
	plan := newPlan(r, text, maps, []uint64{r.Regs().Rip})
	if _, err := plan.Add(end, patch.Spec{}); err != nil {
		const longest = 15 // bytes of an instruction
		plan.Protect(end-longest, end+longest)
	}
	var out []uint64
	for _, a := range addrs {
		if a == end {
			continue
		}
		switch _, err := plan.Add(a, patch.Spec{}); {
		case err == nil:
			out = append(out, a)
		case !errors.Is(err, patch.ErrUnpatchable):
			return nil, err
		}
	}
	return out, nil
}

// Counts returns how often each of addrs is executed from from on, its own point
// included, and strictly before end, which must lie in the same slice.
func (l *Locator) Counts(ctx context.Context, from *replay.Runner, end End, addrs []uint64) ([]uint64, error) {
	r, err := from.Fork()
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
	if c.end.Last {
		if to, err := r.BreakAhead(); err != nil {
			return nil, fmt.Errorf("counts: %w", err)
		} else if to != nil {
			c.end.Last = false
			if c.end.At, err = l.Find(ctx, r, to); err != nil {
				return nil, fmt.Errorf("counts: %w", err)
			}
		}
	}
	var stop *point
	if !c.end.Last && !c.end.At.AtBase() {
		stop = c.g.point(c.end.At.Addr)
		stop.limit = c.end.At.Count
		stop.few = stop.limit < fewHits
	}
	for _, a := range addrs {
		c.g.point(a)
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
