package locate

import (
	"context"
	"fmt"

	"yore/engine/internal/replay"
)

// Probe is a breakpoint: an address and, when Cond is set, a condition that is
// evaluated at each execution of it. The runner that Cond gets stands at the
// probe; its memory can carry patches of ours in the program's code. Cond must
// not move it or write to it.
type Probe struct {
	Addr uint64
	Cond func(*replay.Runner) (bool, error)
}

// End is where a search or a run ends: a point of slice Event. When the search
// begins in that very slice, At counts from where it begins, else from the
// slice's start. Last means the slice's last point instead of At; Open that
// there is no end but that of the log.
type End struct {
	Event int64
	At    Coord
	Last  bool
	Open  bool
}

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

// Reason says why Run came to its end.
type Reason uint8

const (
	AtHit Reason = iota
	AtEndPoint
	AtLogEnd
	Cancelled
)

// chase is a run over events with probes and an armed end.
type chase struct {
	l      *Locator
	g      *rig
	probes []Probe
	byAddr map[uint64][]int
	end    End
	stop   *point // the end, once its slice has been entered
	slice  int64  // event whose slice this is
	first  bool   // still in the slice of the beginning
	starts map[*point]uint64
}

func (l *Locator) newChase(r *replay.Runner, probes []Probe, end End) (*chase, error) {
	c := &chase{l: l, g: newRig(r), probes: probes, byAddr: map[uint64][]int{}, end: end,
		slice: r.Next - 1, first: true, starts: map[*point]uint64{}}
	for i, p := range probes {
		c.byAddr[p.Addr] = append(c.byAddr[p.Addr], i)
		c.g.point(p.Addr).every = true
	}
	if !end.Open && !end.Last && !end.At.AtBase() {
		c.g.point(end.At.Addr)
	}
	if err := enter(r); err != nil {
		return nil, err
	}
	return c, c.g.arm()
}

// begin notes that a slice begins. done means that the end lies right here.
func (c *chase) begin() (done bool) {
	for _, p := range c.g.points {
		c.starts[p] = p.count
	}
	if c.end.Open || c.slice < c.end.Event && c.g.r.Next-1 < c.end.Event {
		return false
	}
	if c.end.Last {
		return false
	}
	if c.end.At.AtBase() {
		return true
	}
	c.stop = c.g.point(c.end.At.Addr)
	c.stop.limit = c.stop.count + c.end.At.Count
	return false
}

// next goes on to the next hit, whose probe's index it returns, or to the end.
func (c *chase) next(ctx context.Context) (probe int, why Reason, err error) {
	for {
		p, stop, err := c.g.run(ctx)
		switch {
		case err != nil:
			return 0, 0, err
		case ctx.Err() != nil || stop == replay.Interrupted:
			return 0, Cancelled, nil
		case p != nil && p == c.stop && p.count == p.limit:
			return 0, AtEndPoint, nil
		case p != nil:
			for _, i := range c.byAddr[p.addr] {
				if c.probes[i].Cond == nil {
					return i, AtHit, nil
				}
				ok, err := c.probes[i].Cond(c.g.r)
				if err != nil {
					return 0, 0, err
				}
				if ok {
					return i, AtHit, nil
				}
			}
			continue
		case stop == replay.AtEnd:
			return 0, AtLogEnd, nil
		}
		if c.last() {
			return 0, AtEndPoint, nil
		}
		if c.stop != nil {
			return 0, 0, ErrNotFound // the end was passed: it is no point of its slice
		}
		if err := c.apply(); err != nil {
			return 0, 0, err
		}
		if c.begin() {
			return 0, AtEndPoint, nil
		}
		if c.l.Progress != nil {
			c.l.Progress(c.slice)
		}
	}
}

// last reports whether the slice that has ended is the one at whose last point
// the run is to end.
func (c *chase) last() bool {
	return c.end.Last && !c.end.Open && (c.slice >= c.end.Event || c.g.r.Next-1 >= c.end.Event)
}

// apply takes the next event's effect and enters its slice.
func (c *chase) apply() error {
	if err := c.g.r.Apply(); err != nil {
		return err
	}
	c.slice, c.first = c.g.r.Next-1, false
	if err := enter(c.g.r); err != nil {
		return err
	}
	return c.g.arm()
}

// where returns the point of the last hit.
func (c *chase) where(probe int) Hit {
	p := c.g.point(c.probes[probe].Addr)
	return Hit{Probe: probe, Event: c.slice, At: Coord{p.addr, p.count - c.starts[p]}, Relative: c.first}
}

// Search returns the last hit of any probe at or after from and strictly before
// end, nil when there is none. from stays where it is.
func (l *Locator) Search(ctx context.Context, from *replay.Runner, end End, probes []Probe) (*Hit, error) {
	r, err := from.Fork()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	last, err := l.lastHit(ctx, r, end, probes)
	r.Kill()
	if err != nil || last == nil {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("search: %w", err)
		}
		return nil, err
	}
	if last.Runner, err = l.reach(ctx, from, *last); err != nil {
		return nil, err
	}
	return last, nil
}

func (l *Locator) lastHit(ctx context.Context, r *replay.Runner, end End, probes []Probe) (*Hit, error) {
	c, err := l.newChase(r, probes, end)
	if err != nil {
		return nil, err
	}
	var last *Hit
	if c.begin() {
		return nil, nil
	}
	for {
		i, why, err := c.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case why == Cancelled:
			return nil, context.Cause(ctx)
		case why != AtHit:
			return last, nil
		}
		h := c.where(i)
		last = &h
	}
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
	c, err := l.newChase(r, probes, end)
	if err != nil {
		return nil, 0, fmt.Errorf("run: %w", err)
	}
	if c.begin() {
		return nil, AtEndPoint, c.g.strip()
	}
	here := r.Regs().Rip
	fresh := r.AtEventStart()
	for {
		i, why, err := c.next(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("run: %w", err)
		}
		if why == AtHit && !fresh {
			// The instruction that r stands at is no hit.
			fresh = true
			if p := c.g.point(c.probes[i].Addr); c.first && p.addr == here && p.count == 1 {
				continue
			}
		}
		if err := c.g.strip(); err != nil {
			return nil, 0, fmt.Errorf("run: %w", err)
		}
		if why != AtHit {
			return nil, why, nil
		}
		h := c.where(i)
		h.Runner = r
		return &h, AtHit, nil
	}
}
