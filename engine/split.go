package engine

import (
	"context"
	"errors"
	"time"

	"yore/engine/internal/locate"
	"yore/engine/internal/replay"
)

// Between returns a mark strictly between two others, of which a is the earlier,
// about halfway by execution. ok is false when they are too close for that: some
// thousand instructions.
//
//  1. With events between them the start of the slice that lies in the middle by
//     the clock is taken.
//  2. Inside a slice the program is run from a for a while and stepped a little,
//     to see where it spends its time. The executions of those addresses between
//     a and b are counted in one run.
//  3. The new mark is half of the executions of the address that serves best. It
//     remembers its coordinate since a: that is all that later splits need.
func (s *Session) Between(ctx context.Context, a, b *Mark) (m *Mark, ok bool, err error) {
	err = s.do(ctx, func() (err error) {
		m, err = s.between(ctx, a, b)
		ok = m != nil
		return err
	})
	return m, ok, err
}

// runner returns the frozen process of a mark.
func (m *Mark) runner() *replay.Runner {
	if m.p.r != nil {
		return m.p.r
	}
	return m.p.base.r
}

func (s *Session) between(ctx context.Context, a, b *Mark) (*Mark, error) {
	last := b.p.event
	if b.p.atStart() {
		last--
	}
	if last > a.p.event {
		mid := (s.eventTime(a.p.event) + s.eventTime(b.p.event)) / 2
		e := max(a.p.event+1, min(last, s.eventAtTime(mid)))
		c, err := s.sliceStart(ctx, e)
		if err != nil {
			return nil, err
		}
		r, err := c.r.Fork()
		if err != nil {
			return nil, err
		}
		c.users++
		return &Mark{s: s, p: place{event: e, thread: r.Active, base: c, known: true, r: r}}, nil
	}
	end := locate.End{Event: a.p.event, Last: true}
	if b.p.event == a.p.event {
		at, err := s.since(ctx, a, b)
		if err != nil || at.AtBase() {
			return nil, err
		}
		end = locate.End{Event: a.p.event, At: at}
	}
	from := a.runner()
	limit := 100 * time.Millisecond
	if b.span > 0 {
		limit = min(limit, b.span)
	}
	// Between two timed samples there may be a whole loop: then a longer walk
	// from a meets it.
	const few, many, enough = 48, 2000, 8
	var pcs []uint64
	var counts []uint64
	best := 0
	t0 := time.Now()
	for _, steps := range []int{few, many} {
		var err error
		if pcs, err = s.sample(ctx, from, end, limit, steps); err != nil || len(pcs) == 0 {
			return nil, err
		}
		t0 = time.Now()
		if counts, err = s.loc.Counts(ctx, from, end, pcs); err != nil {
			return nil, err
		}
		// The most executed address splits best; a few executions do not split.
		best = 0
		for i, n := range counts {
			if n > counts[best] {
				best = i
			}
		}
		if counts[best] >= enough {
			break
		}
		limit = 0
	}
	b.span = time.Since(t0) / 2
	if counts[best] < enough {
		return nil, nil
	}
	at := locate.Coord{Addr: pcs[best], Count: counts[best]/2 + 1}
	r, err := s.loc.Seek(ctx, from, at)
	if err != nil {
		return nil, err
	}
	p := place{event: a.p.event, thread: r.Active, base: a.p.base, r: r}
	if p.base != nil {
		p.base.users++
	}
	return &Mark{s: s, p: p, from: a, at: at, span: b.span}, nil
}

// since returns b's coordinate since a, which is of the same slice. Where both
// are known since a third mark, a's executions are subtracted from b's.
func (s *Session) since(ctx context.Context, a, b *Mark) (locate.Coord, error) {
	z := b.from
	if z == a {
		return b.at, nil
	}
	if z == nil || z.released || a.from != z {
		at, err := s.loc.Find(ctx, a.runner(), b.runner().Copy)
		if err == nil {
			b.from, b.at = a, at
		}
		return at, err
	}
	n, err := s.loc.Counts(ctx, z.runner(), locate.End{Event: z.p.event, At: a.at}, []uint64{b.at.Addr})
	if err != nil {
		return locate.Coord{}, err
	}
	b.from, b.at = a, locate.Coord{Addr: b.at.Addr, Count: b.at.Count - n[0]}
	return b.at, nil
}

// sample returns addresses at which the program can be counted and spends its
// time from from on: those met in a few steps from there, and from where it is
// after some short times, up to limit.
func (s *Session) sample(ctx context.Context, from *replay.Runner, end locate.End, limit time.Duration, steps int) ([]uint64, error) {
	seen := map[uint64]bool{}
	var pcs []uint64
	over := false
	for wait := time.Duration(0); !over && wait <= limit; wait = max(5*wait, 20*time.Microsecond) {
		r, err := from.Fork()
		if err != nil {
			return nil, err
		}
		if wait > 0 {
			// Beyond end does not matter: what is only executed there counts 0.
			stop, err := r.RunFor(wait)
			if err != nil || ctx.Err() != nil {
				r.Kill()
				return nil, errors.Join(err, ctx.Err())
			}
			over = stop != replay.Interrupted
		}
		for i := 0; i < steps && !over; i++ {
			if pc := r.Regs().Rip; !seen[pc] {
				seen[pc] = true
				pcs = append(pcs, pc)
			}
			st, err := r.Step(ctx)
			if err != nil {
				r.Kill()
				return nil, err
			}
			over = st != replay.Trap
		}
		r.Kill()
	}
	return s.loc.Countable(from, end.At.Addr, pcs)
}

// Stride returns how many instructions lie between two marks, of which a is the
// earlier: the number of steps from a to b. ok is false when they are more than
// most, or not in one slice.
func (s *Session) Stride(ctx context.Context, a, b *Mark, most int) (n int, ok bool, err error) {
	err = s.do(ctx, func() error {
		toEnd := b.p.atStart() && b.p.event == a.p.event+1
		if b.p.event != a.p.event && !toEnd {
			return nil
		}
		var at locate.Coord
		if !toEnd {
			if at, err = s.since(ctx, a, b); err != nil {
				return err
			}
			if at.AtBase() {
				return nil
			}
		}
		r, err := a.runner().Fork()
		if err != nil {
			return err
		}
		defer r.Kill()
		seen := uint64(0)
		for n = 0; n <= most; n++ {
			if !toEnd && r.Regs().Rip == at.Addr {
				if seen++; seen == at.Count {
					ok = true
					return nil
				}
			}
			st, err := r.Step(ctx)
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if st != replay.Trap {
				n++ // the event itself is the last step
				ok = toEnd
				return nil
			}
		}
		return nil
	})
	return n, ok, err
}

// Ahead returns a mark n instructions after a, in the same slice.
func (s *Session) Ahead(ctx context.Context, a *Mark, n int) (m *Mark, err error) {
	err = s.do(ctx, func() error {
		r, err := a.runner().Fork()
		if err != nil {
			return err
		}
		seen := map[uint64]uint64{}
		for range n {
			seen[r.Regs().Rip]++
			st, err := r.Step(ctx)
			if err == nil && st != replay.Trap {
				err = errors.New("the slice ends before that")
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				r.Kill()
				return err
			}
		}
		pc := r.Regs().Rip
		p := place{event: a.p.event, thread: r.Active, base: a.p.base, r: r}
		if p.base != nil {
			p.base.users++
		}
		m = &Mark{s: s, p: p, from: a, at: locate.Coord{Addr: pc, Count: seen[pc] + 1}}
		return nil
	})
	return m, err
}
