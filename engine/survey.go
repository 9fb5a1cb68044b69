package engine

import (
	"context"
	"time"

	"yore/engine/internal/locate"
	"yore/engine/trace"
)

// Survey calls fn for the events from number `from` on, in order, until fn returns
// false. The event is valid until fn returns.
func (s *Session) Survey(ctx context.Context, from int64, fn func(i int64, e *trace.Event) bool) error {
	return s.do(ctx, func() error {
		err := s.log.Scan(from, s.log.Len(), trace.Filter{}, func(i int64, e *trace.Event) bool { return ctx.Err() == nil && fn(i, e) })
		if err == nil {
			err = ctx.Err()
		}
		return err
	})
}

// ImageTimes returns the times of a recording's images, none of a live session.
func (s *Session) ImageTimes() []time.Duration {
	if s.disk == nil {
		return nil
	}
	var out []time.Duration
	for _, e := range s.disk.images {
		out = append(out, time.Duration(e.Time))
	}
	return out
}

// PresentTime is about when the present was: the time of the newest point not
// after it that has one, of an event or of a checkpoint inside the slice.
func (s *Session) PresentTime() (t time.Duration) {
	s.do(context.Background(), func() error {
		p := s.here
		t = s.eventTime(p.event)
		switch {
		case p.frontier && len(s.cps) > 0 && s.pacing.fresh:
			t = max(t, s.cps[len(s.cps)-1].time)
		case p.base != nil && p.base.event == p.event && !p.base.start:
			t = max(t, p.base.time)
		}
		return nil
	})
	return t
}

// Fraction returns which part of its slice lies before the present, by how often
// the addresses at which the slice spends its time have been executed. ok is false
// where that cannot be told: in a slice that has not ended, or too short to tell.
func (s *Session) Fraction(ctx context.Context) (f float64, ok bool, err error) {
	err = s.do(ctx, func() error {
		if s.here.frontier || s.here.event >= s.log.Len()-1 {
			return nil
		}
		if s.here.atStart() {
			f, ok = 0, true
			return nil
		}
		if _, err := s.proc(); err != nil {
			return err
		}
		p := s.here
		pos, err := s.position(ctx, &p)
		if err != nil {
			return err
		}
		if pos.Count == 0 {
			f, ok = 0, true
			return nil
		}
		c, err := s.sliceStart(ctx, pos.Event)
		if err != nil {
			return err
		}
		const limit, steps = 50 * time.Millisecond, 48
		last := locate.End{Event: pos.Event, Last: true}
		here := locate.End{Event: pos.Event, At: locate.Coord{Addr: pos.Addr, Count: pos.Count}}
		pcs, err := s.sample(ctx, c.r, here, limit, steps)
		if err != nil || len(pcs) == 0 {
			return err
		}
		all, err := s.loc.Counts(ctx, c.r, last, pcs)
		if err != nil {
			return err
		}
		best := 0
		for i, n := range all {
			if n > all[best] {
				best = i
			}
		}
		const enough = 8
		if all[best] < enough {
			return nil
		}
		part, err := s.loc.Counts(ctx, c.r, here, pcs[best:best+1])
		if err != nil {
			return err
		}
		f, ok = min(1, float64(part[0])/float64(all[best])), true
		return nil
	})
	return f, ok, err
}
