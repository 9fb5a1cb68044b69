package engine

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver"
	"yore/engine/internal/locate"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/record"
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
		stop, live, err := s.replayForward(ctx)
		if err != nil || !live {
			return stop, err
		}
		if s.breakpointAt(s.mustPC()) {
			return timeline.Stop{Reason: timeline.Breakpoint, Thread: s.here.thread, Addr: s.mustPC()}, nil
		}
	}
	return s.live(ctx, q.Signal, false)
}

func (s *Session) mustPC() uint64 {
	pc, _ := s.pc()
	return pc
}

// live runs the frontier; with step one instruction of it.
func (s *Session) live(ctx context.Context, sig int, step bool) (timeline.Stop, error) {
	defer func() {
		s.here = place{event: s.log.Len() - 1, frontier: true, thread: s.liveThread(), known: s.rec.Boundary()}
	}()
	if e := s.Ended(); e != nil {
		return timeline.Stop{Reason: timeline.HistoryEnd, Thread: s.here.thread, Ended: e}, nil
	}
	if s.rec.Pending() != nil {
		s.rec.SetDelivery(sig)
	}
	s.pacing.fresh = false
	s.watchHit = nil
	values := s.watchValues(s.rec.Space())
	if !step {
		// Off the breakpoint that the thread stands at.
		if t := s.rec.Current(); t != nil && s.breakpoints[t.Regs().Rip] != nil && s.rec.Pending() == nil && !t.InCall() {
			stop, err := s.liveRun(ctx, true, values)
			if err != nil || stop.Reason != timeline.Step {
				return stop, err
			}
		}
	}
	for {
		stop, err := s.liveRun(ctx, step, values)
		if err != nil {
			return stop, err
		}
		if stop.Reason == timeline.Breakpoint {
			t := s.rec.Current()
			b := s.breakpoints[stop.Addr]
			if b != nil && !holds(b.cond, s.rec.Space(), t.Regs(), s.unpatch) {
				if stop, err = s.liveRun(ctx, true, values); err != nil || stop.Reason != timeline.Step {
					return stop, err
				}
				continue
			}
		}
		return stop, nil
	}
}

func (s *Session) liveThread() int {
	if t := s.rec.Current(); t != nil {
		return t.ID
	}
	return s.here.thread
}

// liveRun is one run of the recorder, with breakpoints in place unless stepping.
func (s *Session) liveRun(ctx context.Context, step bool, values [][]byte) (timeline.Stop, error) {
	if !step {
		if err := s.insert(); err != nil {
			return timeline.Stop{}, err
		}
	}
	s.rec.SetDebug(debugWords(s.watches))
	var st record.Stop
	var err error
	for {
		st, err = s.rec.Run(ctx, step)
		if err != nil || st.Reason != record.Trap || step {
			break
		}
		// A debug register that fired without a change of value goes on.
		if s.breakpoints[st.Thread.Regs().Rip-1] != nil || s.changedWatch(s.rec.Space(), values) != nil || len(s.watches) == 0 {
			break
		}
	}
	if lerr := s.lift(); err == nil {
		err = lerr
	}
	stop := timeline.Stop{Thread: s.liveThread()}
	if err != nil {
		return stop, err
	}
	if w := s.changedWatch(s.rec.Space(), values); w != nil {
		stop.Reason, stop.Addr, stop.Watch = timeline.Watchpoint, w.Addr, w.Kind
		if st.Reason == record.Trap || st.Reason == record.Stepped || st.Reason == record.Attention {
			return stop, nil
		}
	}
	switch st.Reason {
	case record.Trap:
		stop.Reason = timeline.Step
		x := *st.Thread.Regs()
		if b := s.breakpoints[x.Rip-1]; b != nil && !step {
			x.Rip--
			st.Thread.SetRegs(x)
			stop.Reason, stop.Addr = timeline.Breakpoint, x.Rip
		}
	case record.Stepped, record.Attention:
		stop.Reason = timeline.Step
	case record.SignalStop:
		stop.Reason, stop.Signal = timeline.Signal, st.Signal.No
	case record.Interrupted:
		stop.Reason = timeline.Interrupted
	case record.Ended:
		stop.Reason, stop.Ended = timeline.HistoryEnd, s.Ended()
	}
	return stop, nil
}

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
		switch e.Kind {
		case trace.Signal, trace.Fault, trace.End:
			if e.Sig != 0 && s.stopFor(int(e.Sig)) {
				return i, nil
			}
		}
	}
	return 0, nil
}

// replayForward continues through recorded history. live reports that it has
// reached the frontier, at which the session then stands.
func (s *Session) replayForward(ctx context.Context) (stop timeline.Stop, live bool, err error) {
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
	if sig > 0 {
		end = locate.End{Event: sig - 1, Last: true}
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
	if s.rec == nil {
		s.here.known = true // the start of the last slice
		if s.diskEnd != nil {
			s.here.base, s.here.at = s.diskEnd, locate.Coord{}
		}
		return s.historyEnd(), false, nil
	}
	s.toFrontier()
	return timeline.Stop{Reason: timeline.Arrived, Thread: s.here.thread}, true, nil
}

// toFrontier makes the frontier the present.
func (s *Session) toFrontier() {
	s.moved(place{event: s.log.Len() - 1, frontier: true, thread: s.liveThread(), known: s.rec.Boundary()})
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

// step executes one instruction forwards.
func (s *Session) step(ctx context.Context, q gdbserver.Resume) (timeline.Stop, error) {
	if s.here.frontier {
		return s.live(ctx, q.Signal, true)
	}
	if end, err := s.isEnd(ctx); err != nil {
		return timeline.Stop{}, err
	} else if end && s.rec == nil {
		return s.historyEnd(), nil
	} else if end {
		s.toFrontier()
		return s.live(ctx, q.Signal, true)
	}
	r, err := s.proc()
	if err != nil {
		return timeline.Stop{}, err
	}
	values := s.watchValues(r.Space)
	st, err := r.Step(ctx)
	if err != nil {
		return timeline.Stop{}, err
	}
	p := s.here
	p.known, p.signal, p.win = false, 0, nil
	stop := timeline.Stop{Reason: timeline.Step}
	switch st {
	case replay.AtEvent:
		e, err := r.Event()
		if err != nil {
			return stop, err
		}
		if e.Sig != 0 && s.stopFor(int(e.Sig)) && s.here.signal != r.Next {
			p.thread, p.signal = int(e.TID), r.Next
			s.here = p
			return timeline.Stop{Reason: timeline.Signal, Thread: p.thread, Signal: int(e.Sig)}, nil
		}
		if err := r.Apply(); err != nil {
			return stop, err
		}
		p = place{event: r.Next - 1, known: true, r: r}
		p.thread = int(e.TID)
	case replay.Interrupted:
		stop.Reason = timeline.Interrupted
	case replay.AtEnd:
		if s.rec == nil {
			return s.historyEnd(), nil
		}
		s.toFrontier()
		return s.live(ctx, q.Signal, true)
	default:
		p.thread = r.Active
	}
	p.r = r
	s.moved(p)
	stop.Thread = p.thread
	if w := s.changedWatch(r.Space, values); w != nil {
		stop.Reason, stop.Addr, stop.Watch = timeline.Watchpoint, w.Addr, w.Kind
	}
	return stop, nil
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
