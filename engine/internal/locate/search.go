package locate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"yore/engine/internal/replay"
)

var (
	le          = binary.LittleEndian
	errStubData = errors.New("stub data cannot be read")
)

// Hit is a point at which a probe was hit.
type Hit struct {
	// Runner stands at the hit, with nothing of ours in its memory.
	Runner *replay.Runner
	Probe  int // index
	// Event is the slice's event and At the point in it. Relative is set when the
	// slice is the one in which the search began: At then counts from there.
	Event    int64
	At       Coord
	Relative bool
}

// Search returns the last hit of any probe at or after from and strictly before
// end, nil when there is none. from stays where it is.
func (l *Locator) Search(ctx context.Context, from *replay.Runner, end End, probes []Probe) (*Hit, error) {
	h, err := l.search(ctx, from, end, probes)
	switch {
	case err != nil && stopped(ctx) != nil:
		err = stopped(ctx)
	case err != nil:
		err = fmt.Errorf("search: %w", err)
	}
	return h, err
}

func (l *Locator) search(ctx context.Context, from *replay.Runner, end End, probes []Probe) (*Hit, error) {
	r, err := from.Fork()
	if err != nil {
		return nil, err
	}
	defer func() { r.Kill() }()
	c, err := l.newChase(r, probes, end, 0)
	if err != nil {
		return nil, err
	}
	t := newTrail(func(*rig) any {
		c.progress()
		return c.leg
	})
	c.g.trail = t
	defer t.kill()
	asked, group, err := c.count(ctx)
	r = c.g.r // an Exec replaces it
	if err != nil {
		return nil, err
	}
	if group > 0 {
		return l.nth(ctx, from, t, probes, group)
	}
	if asked == nil {
		return nil, nil
	}
	asked.Runner, err = l.reach(ctx, from, *asked)
	return asked, err
}

// count runs to the end. It returns the last hit of the probes that are asked,
// when that is the last of all, or else the number of hits of the others.
func (c *chase) count(ctx context.Context) (asked *Hit, group uint64, err error) {
	var hits []Hit // the last two
	var before uint64
	done, err := c.begin(ctx)
	for !done && err == nil {
		p, i, why, err := c.next(ctx)
		switch {
		case err != nil:
			return nil, 0, err
		case why == Cancelled:
			return nil, 0, context.Cause(ctx)
		case why == AtHit:
			h, err := c.where(p, i)
			if err != nil {
				return nil, 0, err
			}
			if before, err = c.g.groupCount(); err != nil {
				return nil, 0, err
			}
			if hits = append(hits, h); len(hits) > 2 {
				hits = slices.Delete(hits, 0, 1)
			}
			continue
		}
		done = true
	}
	if err != nil {
		return nil, 0, err
	}
	if group, err = c.g.groupCount(); err != nil {
		return nil, 0, err
	}
	if p := c.g.at[c.g.r.Regs().Rip]; p != nil && c.end.Last && !c.end.Open {
		// The end itself was executed, up to its fault: it is no hit.
		h, err := c.where(p, 0)
		if err != nil {
			return nil, 0, err
		}
		switch n := len(hits); {
		case p.group && (p.cond == nil || holds(p.cond, c.g.r)):
			group--
		case n > 0 && hits[n-1].Event == h.Event && hits[n-1].At == h.At:
			hits = hits[:n-1]
		}
	}
	if n := len(hits); n > 0 && group <= before {
		return &hits[n-1], 0, nil
	}
	return nil, group, nil
}

// nth returns the n-th hit of the probes that are counted together, going on from
// the newest fork of a trail that has fewer behind it.
func (l *Locator) nth(ctx context.Context, from *replay.Runner, t *trail, probes []Probe, n uint64) (*Hit, error) {
	m, err := t.latest(func(m mark) (bool, error) {
		k, err := m.g.groupCount()
		return k < n, err
	})
	if err != nil {
		return nil, err
	}
	var c *chase
	if m != nil {
		c = &chase{l: l, g: m.g, probes: probes, end: End{Open: true}, leg: m.note.(leg)}
		c.resume()
		err = m.g.setGoal(n)
	} else {
		r, ferr := from.Fork()
		if ferr != nil {
			return nil, ferr
		}
		if c, err = l.newChase(r, probes, End{Open: true}, n); err != nil {
			r.Kill()
			return nil, err
		}
		_, err = c.begin(ctx)
	}
	c.asked = nil // what they say is known
	h, err := c.nth(ctx, err)
	if err != nil {
		c.g.r.Kill()
		return nil, err
	}
	return h, nil
}

func (c *chase) nth(ctx context.Context, err error) (*Hit, error) {
	if err != nil {
		return nil, err
	}
	p, i, why, err := c.next(ctx)
	switch {
	case err != nil:
		return nil, err
	case why == Cancelled:
		return nil, context.Cause(ctx)
	case why != AtHit:
		return nil, errors.New("a hit that was counted did not come again")
	}
	h, err := c.where(p, i)
	if err == nil {
		err = c.g.strip()
	}
	h.Runner = c.g.r
	return &h, err
}

// reach returns a new runner at h.
func (l *Locator) reach(ctx context.Context, from *replay.Runner, h Hit) (*replay.Runner, error) {
	if h.Relative {
		return l.Seek(ctx, from, h.At)
	}
	r, err := from.Fork()
	if err != nil {
		return nil, err
	}
	err = r.Advance(ctx, h.Event+1)
	if err == nil {
		err = enter(r)
	}
	if err == nil {
		clean(r)
		err = l.advance(ctx, r, h.At)
	}
	if err == nil {
		err = stopped(ctx)
	}
	if err != nil {
		r.Kill()
		return nil, err
	}
	return r, nil
}

// Run moves r forwards to the first hit of a probe strictly after where it
// stands, or to end, or to the end of the log. Of a hit the Runner is r itself.
// Whatever the outcome r is left with nothing of ours in its memory; when
// cancelled it stands wherever it had come to.
func (l *Locator) Run(ctx context.Context, r *replay.Runner, end End, probes []Probe) (*Hit, Reason, error) {
	h, why, err := l.run(ctx, r, end, probes)
	if err != nil {
		err = fmt.Errorf("run: %w", err)
	}
	return h, why, err
}

func (l *Locator) run(ctx context.Context, r *replay.Runner, end End, probes []Probe) (*Hit, Reason, error) {
	fresh := r.AtEventStart() // r's own point will not be executed again
	c, err := l.newChase(r, probes, end, 1)
	if err != nil {
		return nil, 0, err
	}
	here := r.Regs().Rip
	done, err := c.begin(ctx)
	if done || err != nil {
		return nil, AtEndPoint, errors.Join(err, c.g.strip())
	}
	for {
		p, i, why, err := c.next(ctx)
		if err == nil && why == AtHit && !fresh && c.leg.first && p.addr == here {
			if n, cerr := c.g.count(p); n == 1 || cerr != nil {
				// The instruction that r stands at is no hit.
				fresh = true
				if p.group {
					cerr = errors.Join(cerr, c.g.setGoal(c.g.goal+1))
				}
				if cerr == nil {
					continue
				}
				err = cerr
			}
		}
		var h *Hit
		if err == nil && why == AtHit {
			var w Hit
			w, err = c.where(p, i)
			w.Runner = r
			h = &w
		}
		if err = errors.Join(err, c.g.strip()); err == nil && why == Cancelled {
			c.g.torn = true
			err = c.g.mend()
		}
		return h, why, err
	}
}
