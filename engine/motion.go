package engine

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver"
	"yore/engine/internal/locate"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// ArmNext has the next Resume answered by f instead of by running the program,
// so that a debugger learns the natural way that the program has moved. nil
// disarms.
func (s *Session) ArmNext(f func(context.Context) (timeline.Stop, error)) { s.armed = f }

// Resume moves the program and returns where and why it stopped.
func (s *Session) Resume(ctx context.Context, q gdbserver.Resume) (timeline.Stop, error) {
	if f := s.armed; f != nil {
		s.armed = nil
		stop, err := f(ctx)
		if err != nil { // the program is where it was
			stop = timeline.Stop{Reason: timeline.Interrupted, Thread: s.Current()}
		}
		return stop, nil
	}
	var stop timeline.Stop
	err := s.do(ctx, func() (err error) {
		stop, err = s.resume(ctx, q)
		return err
	})
	return stop, err
}

func (s *Session) resume(ctx context.Context, q gdbserver.Resume) (timeline.Stop, error) {
	if s.isCall() {
		return s.runDiversion(ctx, q.Thread)
	}
	if err := s.settle(); err != nil {
		return timeline.Stop{}, err
	}
	if q.Dir == timeline.Backward {
		if q.Mode == gdbserver.Continue {
			return s.reverseContinue(ctx)
		}
		return s.reverseStep(ctx, q.Thread)
	}
	switch q.Mode {
	case gdbserver.Step:
		return s.step(ctx, q)
	case gdbserver.Range:
		for {
			stop, err := s.step(ctx, q)
			if err != nil || stop.Reason != timeline.Step || q.Thread != 0 && stop.Thread != q.Thread {
				return stop, err
			}
			pc, err := s.pc()
			if err != nil || pc < q.Lo || pc >= q.Hi {
				return stop, err
			}
			if s.breakpointAt(pc) {
				stop.Reason, stop.Addr = timeline.Breakpoint, pc
				return stop, nil
			}
			if ctx.Err() != nil {
				stop.Reason = timeline.Interrupted
				return stop, nil
			}
		}
	}
	return s.forward(ctx, q)
}

// pc returns the program counter of the present's thread.
func (s *Session) pc() (uint64, error) {
	regs, _, err := s.registersOnly(s.here.thread)
	return regs.Rip, err
}

func (s *Session) registersOnly(tid int) (regs unix.PtraceRegs, _ []byte, err error) {
	if s.here.frontier {
		regs, err = s.rec.Regs(tid)
		return regs, nil, err
	}
	if s.inWindow(tid) {
		return s.here.win.Registers(s.here.k), nil, nil
	}
	r, err := s.proc()
	if err != nil {
		return regs, nil, err
	}
	regs, err = r.ThreadRegs(tid)
	return regs, nil, err
}

// inWindow reports whether a thread's state is to be had from the window.
func (s *Session) inWindow(tid int) bool {
	return s.here.r == nil && s.here.win != nil && tid == s.here.thread
}

func (s *Session) breakpointAt(pc uint64) bool {
	b := s.breakpoints[pc]
	if b == nil {
		return false
	}
	if len(b.cond) == 0 {
		return true
	}
	if !s.here.frontier {
		if _, err := s.proc(); err != nil {
			return true
		}
	}
	regs, _, err := s.registersOnly(s.here.thread)
	return err == nil && holds(b.cond, s.space(), &regs, s.unpatch)
}

// forward continues: through recorded history first, then live.
func (s *Session) forward(ctx context.Context, q gdbserver.Resume) (timeline.Stop, error) {
	if !s.here.frontier {
		stop, live, err := s.replayForward(ctx, 0)
		if err != nil || !live {
			return stop, err
		}
		if s.rec.Pending() != nil {
			return s.pendingStop(), nil
		}
		if s.breakpointAt(s.mustPC()) {
			return timeline.Stop{Reason: timeline.Breakpoint, Thread: s.here.thread, Addr: s.mustPC()}, nil
		}
	}
	return s.live(ctx, q.Signal, 0)
}

func (s *Session) mustPC() uint64 {
	pc, _ := s.pc()
	return pc
}

// passed, in what liveRun returns, says that the turn has passed to or from the
// thread that is to step.
const passed = timeline.Arrived

// endOfHistory returns the end of recorded history as a replay's end, and keeps
// a checkpoint there.
func (s *Session) endOfHistory(ctx context.Context) (locate.End, error) {
	last := s.log.Len() - 1
	if s.wholeSlices() {
		return locate.End{Event: last}, nil
	}
	c, err := s.newestPoint()
	if err != nil {
		return locate.End{}, err
	}
	b, err := s.sliceStart(ctx, last)
	if err != nil {
		return locate.End{}, err
	}
	at, err := s.coordOf(ctx, b, c)
	return locate.End{Event: last, At: at}, err
}

// signalAhead returns the first event behind the present that delivers a signal
// the debugger wants to see, 0 when there is none.
func (s *Session) signalAhead(from int64) (int64, error) {
	for i := from; i < s.log.Len(); i++ {
		e, err := s.log.At(i)
		if err != nil {
			return 0, err
		}
		if s.announced(i, e) {
			return i, nil
		}
	}
	return 0, nil
}

// announced reports whether event i, which is e, delivers a signal that the debugger
// wants to see. A fault that ends the program is two events, and one signal.
func (s *Session) announced(i int64, e *trace.Event) bool {
	switch e.Kind {
	case trace.Signal, trace.Fault:
	case trace.End:
		if before, err := s.log.At(i - 1); err == nil && before.Kind == trace.Fault {
			return false
		}
	default:
		return false
	}
	return e.Sig != 0 && s.stopFor(int(e.Sig))
}

// replayForward continues through recorded history, to the start of slice upto if
// that is not 0 (Arrived). live reports that it has reached the frontier, at which
// the session then stands.
func (s *Session) replayForward(ctx context.Context, upto int64) (stop timeline.Stop, live bool, err error) {
	r, err := s.proc()
	if err != nil {
		return stop, false, err
	}
	from := r.Next
	if at, ok := s.atSignal(); ok {
		from = at + 1
	}
	sig, err := s.signalAhead(from)
	if err != nil {
		return stop, false, err
	}
	var end locate.End
	if upto > 0 && sig > upto {
		sig = 0
	}
	if sig > 0 {
		end = locate.End{Event: sig - 1, Last: true}
	} else if upto > 0 {
		end = locate.End{Event: upto}
	} else if end, err = s.endOfHistory(ctx); err != nil {
		return stop, false, err
	}
	if _, ok := s.atSignal(); ok {
		if err := s.cross(); err != nil {
			return stop, false, err
		}
	}
	stop, why, err := s.chase(ctx, r, end)
	if err != nil || why == locate.AtHit || why == locate.Cancelled {
		return stop, false, err
	}
	if sig > 0 {
		e, err := s.log.At(sig)
		if err != nil {
			return stop, false, err
		}
		s.moved(place{event: sig - 1, thread: int(e.TID), r: r, known: r.AtEventStart() && r.Next-1 == sig-1 && replay.Immediate(e)})
		s.here.signal = sig
		return timeline.Stop{Reason: timeline.Signal, Thread: int(e.TID), Signal: int(e.Sig)}, false, nil
	}
	if s.rec == nil && upto == 0 {
		s.here.known = true // the start of the last slice
		if s.diskEnd != nil {
			s.here.base, s.here.at = s.diskEnd, locate.Coord{}
		}
		return s.historyEnd(), false, nil
	}
	if upto > 0 {
		s.moved(place{event: upto, thread: r.Active, known: true, r: r})
		return timeline.Stop{Reason: timeline.Arrived, Thread: r.Active}, false, nil
	}
	s.toFrontier()
	return timeline.Stop{Reason: timeline.Arrived, Thread: s.here.thread}, true, nil
}

// toFrontier makes the frontier the present.
func (s *Session) toFrontier() {
	told := s.here.frontier && s.here.told
	s.moved(place{event: s.log.Len() - 1, frontier: true, thread: s.liveThread(), known: s.rec.Boundary(), told: told})
}

// moved makes p the present.
func (s *Session) moved(p place) {
	if old := s.here.r; old != nil && old != p.r {
		old.Kill()
	}
	if old := s.here.win; old != nil && old != p.win {
		old.close()
	}
	s.here = p
}

// step executes one instruction of a thread, forwards. What other threads do
// before it can is done on the way.
func (s *Session) step(ctx context.Context, q gdbserver.Resume) (timeline.Stop, error) {
	tid := q.Thread
	if tid <= 0 {
		tid = s.here.thread
	}
	for {
		if s.here.frontier {
			return s.live(ctx, q.Signal, tid)
		}
		end, err := s.isEnd(ctx)
		switch {
		case err != nil:
			return timeline.Stop{}, err
		case end && s.rec == nil:
			return s.historyEnd(), nil
		case end:
			if stop, shown := s.onToFrontier(); shown {
				return stop, nil
			}
			continue
		}
		stop, done, err := s.stepPast(ctx, tid)
		if done || err != nil {
			return stop, err
		}
	}
}

// stepPast goes on by what there is before the next step of thread tid; done means
// that this was the step, or that there is another reason to stop.
func (s *Session) stepPast(ctx context.Context, tid int) (stop timeline.Stop, done bool, err error) {
	next, turn := s.nextEventOf(s.here.event, tid)
	runs := tid
	if e, err := s.nextEvent(s.here.event); err != nil {
		return stop, false, err
	} else if e != nil {
		runs = int(e.TID)
	} else if t := s.running(); t != nil {
		runs = t.ID
	}
	if runs != tid {
		if !turn { // not in recorded history
			next = 0
		}
		stop, live, err := s.replayForward(ctx, next)
		if err == nil && live && s.rec.Pending() != nil {
			return s.pendingStop(), true, nil
		}
		return stop, !live && stop.Reason != timeline.Arrived, err
	}
	r, err := s.proc()
	if err != nil {
		return stop, false, err
	}
	values := s.watchValues(r.Space)
	st, err := r.Step(ctx)
	if err != nil {
		return stop, false, err
	}
	p := s.here
	p.known, p.signal, p.win = false, 0, nil
	stop, done = timeline.Stop{Reason: timeline.Step}, true
	switch st {
	case replay.AtEvent:
		e, err := r.Event()
		if err != nil {
			return stop, false, err
		}
		if s.announced(r.Next, e) && s.here.signal != r.Next {
			p.thread, p.signal = int(e.TID), r.Next
			s.moved(p)
			return timeline.Stop{Reason: timeline.Signal, Thread: p.thread, Signal: int(e.Sig)}, true, nil
		}
		if err := r.Apply(); err != nil {
			return stop, false, err
		}
		p = place{event: r.Next - 1, thread: tid, known: true, r: r}
		switch {
		case e.Kind == trace.Exit: // there is nothing left of the thread to show
			if e, err := s.nextEvent(p.event); err == nil && e != nil {
				p.thread = int(e.TID)
			}
		case !replay.Completes(e.Kind):
			done = false
		}
	case replay.Interrupted:
		stop.Reason = timeline.Interrupted
	case replay.AtEnd:
		return stop, false, fmt.Errorf("event %d: replay has come to a point behind the newest of history", s.here.event)
	default:
		p.thread = r.Active
	}
	p.r = r
	s.moved(p)
	stop.Thread = p.thread
	if w := s.changedWatch(r.Space, values); w != nil {
		stop.Reason, stop.Addr, stop.Watch, done = timeline.Watchpoint, w.Addr, w.Kind, true
	}
	return stop, done, nil
}

// nextEventOf returns the number of the slice after i that thread tid runs next;
// ok is false when recorded history has none.
func (s *Session) nextEventOf(i int64, tid int) (slice int64, ok bool) {
	for i++; i < s.log.Len(); i++ {
		e, err := s.log.At(i)
		if err != nil {
			return 0, false
		}
		if int(e.TID) == tid && e.Kind != trace.Cut {
			return i - 1, true
		}
	}
	return 0, false
}

// onToFrontier makes the frontier, which the present has come to, the present. A
// signal that is pending there is shown once more: the debugger has been elsewhere.
func (s *Session) onToFrontier() (stop timeline.Stop, shown bool) {
	s.toFrontier()
	if s.rec.Pending() == nil {
		return stop, false
	}
	return s.pendingStop(), true
}

// isEnd reports whether the present, in the past, is the same point as the
// frontier.
func (s *Session) isEnd(ctx context.Context) (bool, error) {
	last := s.log.Len() - 1
	if s.here.event < last {
		return false, nil
	}
	if s.wholeSlices() {
		return true, nil
	}
	pc, err := s.pc()
	if err != nil {
		return false, err
	}
	var newest *ptrace.Regs
	if s.rec == nil {
		newest = s.diskEnd.r.Regs()
	} else if t := s.rec.Current(); t != nil {
		newest = t.Regs()
	}
	if newest == nil || newest.Rip != pc {
		return false, nil
	}
	r, err := s.proc()
	if err != nil || newest.Rsp != r.Regs().Rsp {
		return false, err
	}
	c, err := s.newestPoint()
	if err != nil {
		return false, err
	}
	return same(r.Copy, c.r.Copy)
}

func (s *Session) note(what string, f float64) {
	if s.progress != nil {
		s.progress(what, f)
	}
}

// atSignal returns the event whose signal the present stop shows.
func (s *Session) atSignal() (int64, bool) { return s.here.signal, s.here.signal > 0 }

// cross takes the effect of the signal event that the present stop shows.
func (s *Session) cross() error {
	r, err := s.proc()
	if err != nil {
		return err
	}
	if !r.AtEventStart() {
		st, err := r.RunSlice(s.ctx)
		if err != nil {
			return err
		}
		if st != replay.AtEvent {
			return fmt.Errorf("event %d: its signal did not come", s.here.signal)
		}
	}
	if err := r.Apply(); err != nil {
		return err
	}
	s.moved(place{event: r.Next - 1, thread: r.Active, known: true, r: r})
	return nil
}

// chase runs r forwards to a breakpoint, a watchpoint or end.
func (s *Session) chase(ctx context.Context, r *replay.Runner, end locate.End) (timeline.Stop, locate.Reason, error) {
	// The end counts from its slice's start; in the present slice locate wants
	// it from where the run begins.
	if end.Event == r.Next-1 && !end.Last && !end.Open && !end.At.AtBase() && !s.here.atStart() {
		c, err := s.newestPoint()
		if err != nil {
			return timeline.Stop{}, 0, err
		}
		from, err := r.Fork()
		if err != nil {
			return timeline.Stop{}, 0, err
		}
		at, err := s.loc.Find(ctx, from, c.r.Copy)
		from.Kill()
		if err != nil {
			return timeline.Stop{}, 0, err
		}
		end.At = at
	}
	if len(s.watches) > 0 {
		return s.chaseWatched(ctx, r, end)
	}
	h, why, err := s.loc.Run(ctx, r, end, s.probes())
	if err != nil {
		return timeline.Stop{}, why, err
	}
	return s.arrived(r, h, why), why, nil
}

// chaseWatched is chase with watchpoints: a fork finds the breakpoint that would
// be hit, and the run up to there is watched.
func (s *Session) chaseWatched(ctx context.Context, r *replay.Runner, end locate.End) (timeline.Stop, locate.Reason, error) {
	why := locate.AtEndPoint
	var h *locate.Hit
	if len(s.breakpoints) > 0 {
		f, err := r.Fork()
		if err != nil {
			return timeline.Stop{}, 0, err
		}
		h, why, err = s.loc.Run(ctx, f, end, s.probes())
		f.Kill()
		if err != nil || why == locate.Cancelled {
			return s.arrived(r, nil, why), why, err
		}
		if why == locate.AtHit {
			end = locate.End{Event: h.Event, At: h.At}
		}
	}
	c, got, err := s.loc.RunWatched(ctx, r, end, s.watchWords(), 1, math.MaxInt)
	if err != nil {
		return timeline.Stop{}, got, err
	}
	if got != locate.AtHit {
		if got == locate.AtEndPoint {
			got = why
		}
		return s.arrived(r, h, got), got, nil
	}
	w := s.watchOf(s.watchWords()[c.Watch].Addr)
	s.moved(place{event: r.Next - 1, thread: r.Active, r: r, known: c.Kernel})
	return timeline.Stop{Reason: timeline.Watchpoint, Thread: r.Active, Addr: w.Addr, Watch: w.Kind}, got, nil
}

// arrived makes where r stands after a run the present, and says why.
func (s *Session) arrived(r *replay.Runner, h *locate.Hit, why locate.Reason) timeline.Stop {
	stop := timeline.Stop{Thread: r.Active}
	p := place{event: r.Next - 1, thread: r.Active, r: r}
	switch why {
	case locate.AtHit:
		stop.Reason, stop.Addr = timeline.Breakpoint, r.Regs().Rip
		if !h.Relative {
			p.at, p.known = h.At, true
		}
	case locate.Cancelled:
		stop.Reason = timeline.Interrupted
	}
	s.moved(p)
	return stop
}
