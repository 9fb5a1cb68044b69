package engine

// Running live: the program executes what has not been executed before, and the
// recorder logs it.

import (
	"context"
	"slices"

	"yore/engine/internal/record"
	"yore/engine/internal/replay"
	"yore/engine/timeline"
)

// live runs the frontier; one instruction of thread tid when that is not 0.
func (s *Session) live(ctx context.Context, sig, tid int) (stop timeline.Stop, err error) {
	told := s.here.told
	defer func() {
		s.here = place{event: s.log.Len() - 1, frontier: true, thread: s.liveThread(), known: s.rec.Boundary(), told: stop.Reason == timeline.Signal}
	}()
	if e := s.Ended(); e != nil {
		return timeline.Stop{Reason: timeline.HistoryEnd, Thread: s.here.thread, Ended: e}, nil
	}
	if s.rec.Pending() != nil && (sig != 0 || told) {
		s.rec.SetDelivery(sig)
	}
	s.pacing.fresh = false
	s.watchHit = nil
	values := s.watchValues(s.rec.Space())
	if tid > 0 {
		return s.liveStep(ctx, tid, values)
	}
	// Off the breakpoint that the thread stands at.
	if t := s.rec.Current(); t != nil && s.breakpoints[t.Regs().Rip] != nil && s.rec.Pending() == nil && !t.InCall() {
		stop, err := s.liveRun(ctx, true, 0, values)
		if err != nil || stop.Reason != timeline.Step && stop.Reason != passed {
			return stop, err
		}
	}
	for {
		stop, err := s.liveRun(ctx, false, 0, values)
		if err != nil {
			return stop, err
		}
		if stop.Reason == timeline.Breakpoint {
			t := s.rec.Current()
			b := s.breakpoints[stop.Addr]
			if b != nil && !holds(b.cond, s.rec.Space(), t.Regs(), s.unpatch) {
				if stop, err = s.liveRun(ctx, true, 0, values); err != nil || stop.Reason != timeline.Step && stop.Reason != passed {
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

// liveStep executes one instruction of thread tid. Others run where it must wait
// for them or for its turn, and can meet breakpoints.
func (s *Session) liveStep(ctx context.Context, tid int, values [][]byte) (timeline.Stop, error) {
	from := s.log.Len()
	for {
		if t := s.rec.Current(); t != nil && t.ID == tid {
			stop, err := s.liveRun(ctx, true, 0, values)
			if err != nil || stop.Reason != passed {
				return stop, err
			}
		}
		until, gone := tid, !slices.Contains(s.rec.ThreadIDs(), tid)
		if gone { // which was its last step
			until = record.AnyThread
		}
		stop, err := s.liveRun(ctx, false, until, values)
		if err != nil || stop.Reason != passed {
			return stop, err
		}
		if gone {
			tid = stop.Thread
		}
		if done, err := s.completed(tid, from); gone || done || err != nil {
			return timeline.Stop{Reason: timeline.Step, Thread: tid}, err
		}
	}
}

// completed reports whether one of the events from number from on is a step of
// thread tid.
func (s *Session) completed(tid int, from int64) (bool, error) {
	for ; from < s.log.Len(); from++ {
		e, err := s.log.At(from)
		if err != nil || int(e.TID) == tid && replay.Completes(e.Kind) {
			return err == nil, err
		}
	}
	return false, nil
}

// liveRun is one run of the recorder, with breakpoints in place unless stepping.
// With until it also returns when that thread is about to run.
func (s *Session) liveRun(ctx context.Context, step bool, until int, values [][]byte) (timeline.Stop, error) {
	if !step {
		if err := s.insert(); err != nil {
			return timeline.Stop{}, err
		}
	}
	s.rec.SetDebug(debugWords(s.watches))
	var st record.Stop
	var err error
	for {
		if until != 0 {
			st, err = s.rec.RunUntil(ctx, until)
		} else {
			st, err = s.rec.Run(ctx, step)
		}
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
		switch st.Reason {
		case record.Trap, record.Stepped, record.Attention, record.Passed, record.Turn:
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
	case record.Passed, record.Turn:
		stop.Reason = passed
	case record.SignalStop:
		stop.Reason, stop.Signal = timeline.Signal, st.Signal.No
	case record.Interrupted:
		stop.Reason = timeline.Interrupted
	case record.Ended:
		stop.Reason, stop.Ended = timeline.HistoryEnd, s.Ended()
	}
	return stop, nil
}

func (s *Session) pendingStop() timeline.Stop {
	s.here.told = true
	return timeline.Stop{Reason: timeline.Signal, Thread: s.here.thread, Signal: s.rec.Pending().No}
}
