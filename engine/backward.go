package engine

import (
	"context"
	"errors"
	"fmt"

	"yore/engine/internal/locate"
	"yore/engine/internal/replay"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// leaveFrontier makes the present a point of the past that is the same state.
func (s *Session) leaveFrontier() error {
	if !s.here.frontier {
		return nil
	}
	p, err := s.keep()
	if err != nil {
		return err
	}
	s.here = p
	return nil
}

func (s *Session) begin() timeline.Stop {
	return timeline.Stop{Reason: timeline.HistoryBegin, Thread: s.here.thread}
}

// reverseStep goes back one instruction of thread tid.
func (s *Session) reverseStep(ctx context.Context, tid int) (timeline.Stop, error) {
	if err := s.leaveFrontier(); err != nil {
		return timeline.Stop{}, err
	}
	if tid == 0 {
		tid = s.here.thread
	}
	if h := &s.here; h.win != nil && h.k > 0 && tid == h.thread {
		// The table has it.
		if h.r != nil {
			h.r.Kill()
			h.r = nil
		}
		h.k--
		h.known = false
		return timeline.Stop{Reason: timeline.Step, Thread: tid}, nil
	}
	p, err := s.before(ctx, s.here, tid)
	if err != nil {
		if ctx.Err() != nil {
			return timeline.Stop{Reason: timeline.Interrupted, Thread: s.here.thread}, nil
		}
		return timeline.Stop{}, err
	}
	if p == nil {
		return s.begin(), nil
	}
	s.moved(*p)
	return timeline.Stop{Reason: timeline.Step, Thread: p.thread}, nil
}

// newWindow makes a place of the last step of a new window.
func newWindow(w *locate.Window, base *checkpoint, event int64, tid int) *place {
	base.users++
	return &place{event: event, thread: tid, base: base, win: &window{w, base}, k: w.Len() - 1}
}

// before returns the place one instruction of thread tid before p, nil at the
// beginning of history.
func (s *Session) before(ctx context.Context, p place, tid int) (*place, error) {
	if p.win != nil && p.k == 0 && tid == p.thread {
		w, err := p.win.Before(ctx)
		if err == nil {
			return newWindow(w, p.win.base, p.event, tid), nil
		}
		if !errors.Is(err, locate.ErrAtBase) {
			return nil, err
		}
		p = place{event: p.event, thread: p.thread, base: p.win.base, known: true, r: p.win.base.r}
	}
	base, err := s.baseOf(ctx, &p)
	if err != nil {
		return nil, err
	}
	if !p.known && p.r == nil {
		if p.r, err = s.proc(); err != nil {
			return nil, err
		}
	}
	if err := s.locate(ctx, &p); err != nil {
		return nil, err
	}
	mine := true // tid runs in p's slice
	if e, err := s.nextEvent(p.event); err != nil {
		return nil, err
	} else if e != nil {
		mine = int(e.TID) == tid
	} else if t := s.running(); t != nil {
		mine = t.ID == tid
	}
	at := p.at
	for mine {
		if !at.AtBase() {
			w, err := s.loc.Window(ctx, base.r, at)
			if err == nil {
				return newWindow(w, base, p.event, tid), nil
			}
			if !errors.Is(err, locate.ErrAtBase) {
				return nil, err
			}
			// The first arrival at the base's own address is the base, too: a
			// breakpoint there gives this coordinate.
		}
		if base.start {
			break
		}
		// The base itself: count from an earlier one of the slice.
		i := s.index(base)
		var prev *checkpoint
		if i > 0 && s.cps[i-1].event == p.event {
			prev = s.cps[i-1]
		} else if prev, err = s.sliceStart(ctx, p.event); err != nil {
			return nil, err
		}
		if at, err = s.coordOf(ctx, prev, base); err != nil {
			return nil, err
		}
		base = prev
	}
	return s.beforeEvent(ctx, p.event, tid)
}

// beforeEvent returns the last point at which thread tid stood before event e or
// an earlier event of its own.
func (s *Session) beforeEvent(ctx context.Context, e int64, tid int) (*place, error) {
	for first := s.first(); e > first; e-- {
		ev, err := s.log.At(e)
		if err != nil {
			return nil, err
		}
		switch {
		case int(ev.TID) != tid || ev.Kind == trace.Leave || ev.Kind == trace.Cut || ev.Kind == trace.Stubs:
			continue
		case ev.Kind == trace.Exec:
			return nil, fmt.Errorf("event %d is an execve: history before it belongs to another program; use goto", e)
		}
		c, err := s.sliceStart(ctx, e-1)
		if err != nil {
			return nil, err
		}
		if ev.Kind == trace.Signal && c.r.Threads[tid] != nil && c.r.Threads[tid].InCall {
			continue // it broke off a system call: the step began before that
		}
		if c.r.Ends(ev) {
			continue // the step is the call, which began before that
		}
		if ev.Kind == trace.Preempt {
			// Not a step: what precedes it is the instruction before.
			r, at, err := s.loc.EndOf(ctx, c.r)
			if err != nil {
				return nil, err
			}
			r.Kill()
			if at.AtBase() {
				continue
			}
			w, err := s.loc.Window(ctx, c.r, at)
			if err != nil {
				return nil, err
			}
			return newWindow(w, c, e-1, tid), nil
		}
		if c.r.Immediate(ev) && !replay.Breaks(ev) {
			r, err := c.r.Fork()
			if err != nil {
				return nil, err
			}
			if err := r.Switch(tid); err != nil {
				r.Kill()
				return nil, err
			}
			return &place{event: e - 1, thread: tid, base: c, known: true, r: r}, nil
		}
		r, at, err := s.loc.EndOf(ctx, c.r)
		if err != nil {
			return nil, err
		}
		return &place{event: e - 1, thread: tid, base: c, at: at, known: true, r: r}, nil
	}
	return nil, nil
}

// nextEvent returns the event that ends slice i, nil when there is none.
func (s *Session) nextEvent(i int64) (*trace.Event, error) {
	for i++; i < s.log.Len(); i++ {
		e, err := s.log.At(i)
		if err != nil || e.Kind != trace.Cut {
			return e, err
		}
	}
	return nil, nil
}

// reverseContinue goes back to the latest hit of a breakpoint or watchpoint
// strictly before the present.
func (s *Session) reverseContinue(ctx context.Context) (timeline.Stop, error) {
	stop := timeline.Stop{Thread: s.here.thread}
	if err := s.leaveFrontier(); err != nil {
		return stop, err
	}
	cancelled := func(err error) (timeline.Stop, error) {
		if ctx.Err() != nil {
			stop.Reason = timeline.Interrupted
			return stop, nil
		}
		return stop, err
	}
	// Intervals between checkpoints, newest first; each search has the
	// interval's end armed.
	if _, err := s.proc(); err != nil {
		return stop, err
	}
	to := s.here
	if _, err := s.baseOf(ctx, &to); err != nil {
		return cancelled(err)
	}
	if err := s.locate(ctx, &to); err != nil {
		return cancelled(err)
	}
	from := to.base
	at := s.here.r
	total := max(to.event, 1)
	for {
		end := locate.End{Event: to.event, At: to.at}
		if !(from == to.base && to.at.AtBase()) {
			found, st, err := s.lastHit(ctx, from, at, end)
			if err != nil {
				return cancelled(err)
			}
			if found != nil {
				s.moved(*found)
				return st, nil
			}
		}
		s.note("searching backwards", 1-float64(from.event)/float64(total))
		if err := s.bring(0, from); err != nil {
			return cancelled(err)
		}
		i := s.index(from)
		if i <= 0 {
			break
		}
		prev := s.cps[i-1]
		at = from.r
		to = place{event: from.event, base: from, known: true}
		if !from.start && prev.event == from.event {
			c, err := s.coordOf(ctx, prev, from)
			if err != nil {
				return cancelled(err)
			}
			to.base, to.at = prev, c
		} else if !from.start {
			c, err := s.sliceStart(ctx, from.event)
			if err != nil {
				return cancelled(err)
			}
			rel, err := s.coordOf(ctx, c, from)
			if err != nil {
				return cancelled(err)
			}
			prev, to.base, to.at = c, c, rel
		}
		from = prev
	}
	if first := s.first(); len(s.cps) > 0 && s.cps[0].event == first && s.cps[0].start {
		r, err := s.cps[0].r.Fork()
		if err != nil {
			return stop, err
		}
		s.moved(place{event: first, thread: r.Active, base: s.cps[0], known: true, r: r})
	}
	return s.begin(), nil
}

// lastHit searches one interval, from checkpoint from to end (place to, at which
// process at stands), and returns the place of the last hit with its stop, nil
// when there is none.
func (s *Session) lastHit(ctx context.Context, from *checkpoint, at *replay.Runner, end locate.End) (*place, timeline.Stop, error) {
	start, base := from.r, from
	var watched *place
	var wstop timeline.Stop
	if len(s.watches) > 0 {
		after, p, st, err := s.lastWatched(ctx, from, end)
		if after != nil {
			defer after.Kill()
		}
		if err != nil {
			return nil, st, err
		}
		if p != nil {
			// Only a breakpoint behind the change is nearer.
			watched, wstop, start, base = p, st, after, nil
			if after.Next-1 == end.Event {
				if end.At, err = s.loc.Find(ctx, after, at.Copy); err != nil {
					return nil, st, err
				}
			}
		}
	}
	if len(s.breakpoints) == 0 || watched != nil && start.Next-1 == end.Event && end.At.AtBase() {
		return watched, wstop, nil
	}
	h, err := s.loc.Search(ctx, start, end, s.probes())
	if err != nil || h == nil {
		return watched, wstop, err
	}
	p := &place{event: h.Event, thread: h.Runner.Active, at: h.At, known: true, r: h.Runner}
	if h.Relative {
		p.base = base
		p.known = base != nil
	}
	stop := timeline.Stop{Reason: timeline.Breakpoint, Thread: p.thread, Addr: h.Runner.Regs().Rip}
	return p, stop, nil
}
