package engine

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"yore/engine/gdbserver"
	"yore/engine/timeline"
	"yore/testprogs"
)

// What happens at the frontier itself: signals that are pending there, and what
// the debugger writes there.

// frontier starts a walker in a program.
func frontier(t *testing.T, prog string, args ...string) *walker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	exe := testprogs.Build(t, prog, "-O0")
	s := session(t, append([]string{exe}, args...)...)
	return &walker{t: t, ctx: ctx, s: s, code: codeOf(t, s, exe), hashes: map[timeline.Position]uint64{}}
}

func (w *walker) pc() uint64 {
	w.t.Helper()
	x, _, err := w.s.Registers(w.s.Current())
	w.check(err)
	return x.Rip
}

// want checks a stop.
func (w *walker) want(st timeline.Stop, reason timeline.Reason) {
	w.t.Helper()
	if st.Reason != reason {
		w.t.Fatalf("stopped by %v, want %v: %s", st.Reason, reason, w.where())
	}
}

func (w *walker) back(mode gdbserver.Mode) timeline.Stop {
	w.t.Helper()
	return w.resume(gdbserver.Resume{Dir: timeline.Backward, Mode: mode})
}

// TestPendingSignal goes away from a signal that is pending at the frontier, and
// comes back to it: it is shown again, and delivered in the end.
func TestPendingSignal(t *testing.T) {
	const sigusr1 = 10
	for _, back := range []int{1, 7} {
		for _, how := range []gdbserver.Mode{gdbserver.Step, gdbserver.Continue} {
			w := frontier(t, "walk", "1")
			st := w.resume(gdbserver.Resume{})
			w.want(st, timeline.Signal)
			if st.Signal != sigusr1 {
				t.Fatalf("signal %d", st.Signal)
			}
			at := w.state()
			for range back {
				w.want(w.back(gdbserver.Step), timeline.Step)
			}
			w.signal = 0
			for i := 0; ; i++ {
				if st = w.resume(gdbserver.Resume{Mode: how}); st.Reason == timeline.Signal {
					break
				}
				w.want(st, timeline.Step)
				if how == gdbserver.Continue || i > back {
					t.Fatalf("the signal is not shown: %v, %s", st, w.where())
				}
			}
			if now := w.state(); now.hash != at.hash {
				t.Fatalf("shown at %s, before at %s: %s", now.where, at.where, w.differ(at, now))
			}
			w.stops = w.code.places(t, find(t, "walk"), "handler")
			w.setBreakpoints(true)
			w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
			w.setBreakpoints(false)
			w.want(w.resume(gdbserver.Resume{}), timeline.HistoryEnd)
			if e := w.s.Ended(); e == nil || e.Signaled || e.Code != 0 {
				t.Errorf("ended %+v", e)
			}
		}
	}
}

func find(t *testing.T, prog string) *testprogs.Program {
	t.Helper()
	p, err := testprogs.Find(prog)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPoke writes to memory in the middle of a computation, at the frontier. That
// is part of history: going back and forth over it meets the same states, and
// breakpoints and watchpoints behind and before it are met as they were.
func TestPoke(t *testing.T) {
	w := frontier(t, "walk", "1")
	state := w.code.data["state"]
	p := find(t, "walk")
	once := w.code.places(t, p, "once")[0]
	loop := w.code.places(t, p, "loop")[0]
	w.stops = []uint64{once}
	w.setBreakpoints(true)
	w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
	w.setBreakpoints(false)
	w.stops = []uint64{loop}
	w.setBreakpoints(true)
	for range 5 {
		w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
		w.setBreakpoints(false)
		for range 3 {
			w.want(w.stepForward(), timeline.Step)
		}
		w.setBreakpoints(true)
	}
	read := func() uint64 {
		var b [8]byte
		if n, err := w.s.ReadMemory(state, b[:]); n != 8 || err != nil {
			t.Fatal(n, err)
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	var track []state2
	see := func() { track = append(track, state2{w.state(), read(), w.pc()}) }
	see() // before the write
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], 12345)
	w.check(w.s.WriteMemory(state, b[:]))
	for range 5 {
		w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
		see()
	}
	// Back over the breakpoint's hits, to the one before the write.
	for i := len(track) - 2; i > 0; i-- {
		w.want(w.back(gdbserver.Continue), timeline.Breakpoint)
		if now := w.state(); now.hash != track[i].hash {
			t.Fatalf("hit %d backwards: %s, was %s: %s", i, now.where, track[i].where, w.differ(track[i].state, now))
		}
	}
	for i := range 5 {
		w.want(w.back(gdbserver.Continue), timeline.Breakpoint)
		if w.pc() != loop || read() == 12345 {
			t.Fatalf("hit %d before the write: state %d, %s", i, read(), w.where())
		}
	}
	w.want(w.back(gdbserver.Continue), timeline.HistoryBegin)
	// And forwards again.
	for range 5 {
		w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
	}
	for i := 1; i < len(track); i++ {
		w.want(w.resume(gdbserver.Resume{}), timeline.Breakpoint)
		if now := w.state(); now.hash != track[i].hash {
			t.Fatalf("hit %d forwards: %s, was %s: %s", i, now.where, track[i].where, w.differ(track[i].state, now))
		}
	}
	// Instruction by instruction over the write, both ways.
	w.setBreakpoints(false)
	_, err := w.s.SeekMark(w.ctx, track[1].m)
	w.check(err)
	w.thereAndBack(60, timeline.Backward)
	met := false
	for range 60 {
		w.want(w.stepBack(), timeline.Step)
		met = met || w.hash() == track[0].hash
	}
	if !met {
		t.Error("the state before the write was not met going back")
	}
	w.thereAndBack(60, timeline.Forward)
	pos, err := w.s.MarkPosition(w.ctx, track[0].m)
	w.check(err)
	_, err = w.s.SeekPosition(w.ctx, pos)
	w.check(err)
	if w.hash() != track[0].hash {
		t.Errorf("the state at %v is another", pos)
	}
	// The write is the latest change of a watched word before the next store.
	w.check(w.s.InsertWatchpoint(gdbserver.Watchpoint{Addr: state, Len: 8}))
	_, err = w.s.SeekMark(w.ctx, track[1].m)
	w.check(err)
	for i := range 6 {
		st := w.back(gdbserver.Continue)
		w.want(st, timeline.Watchpoint)
		if v := read(); i == 0 && v != 12345 || i == 1 && v != track[0].value {
			t.Errorf("change %d backwards: before it %d", i, v)
		}
	}
}

type state2 struct {
	state
	value, pc uint64
}

// TestPendingFault keeps a checkpoint at each fault that is pending at the
// frontier, for which the program executes system calls of ours: the handler gets
// the fault all the same.
func TestPendingFault(t *testing.T) {
	const sigsegv = 11
	w := frontier(t, "sig_segv")
	for i := range 6 {
		st := w.resume(gdbserver.Resume{})
		w.want(st, timeline.Signal)
		if st.Signal != sigsegv {
			t.Fatalf("signal %d at fault %d", st.Signal, i)
		}
		w.state()
	}
	w.want(w.resume(gdbserver.Resume{}), timeline.HistoryEnd)
	if e := w.s.Ended(); e == nil || e.Signaled || e.Code != 0 {
		t.Errorf("ended %+v", e)
	}
}

// TestNoRoomForFrame goes back from, and again to, the death of a program whose
// handler the kernel cannot call.
func TestNoRoomForFrame(t *testing.T) {
	w := frontier(t, "sig_noroom")
	w.want(w.resume(gdbserver.Resume{}), timeline.Signal)
	at := w.state()
	for range 2 {
		w.want(w.resume(gdbserver.Resume{}), timeline.HistoryEnd)
		if e := w.s.Ended(); e == nil || !e.Signaled || e.Code != 11 {
			t.Fatalf("ended %+v", e)
		}
		w.want(w.back(gdbserver.Continue), timeline.HistoryBegin)
		w.want(w.resume(gdbserver.Resume{}), timeline.Signal)
		if now := w.state(); now.hash != at.hash {
			t.Fatalf("shown at %s, before at %s: %s", now.where, at.where, w.differ(at, now))
		}
	}
}

// TestReturnToSignal returns to marks made at stops that showed a signal, in the past
// and at the frontier. There the signal has been shown: who goes on meets the next.
func TestReturnToSignal(t *testing.T) {
	w := frontier(t, "sig_segv")
	var faults []state
	fault := func(i int) {
		t.Helper()
		w.signal = 0 // an arrival tells a debugger of none
		w.want(w.resume(gdbserver.Resume{}), timeline.Signal)
		if now := w.state(); i < len(faults) && now.hash != faults[i].hash {
			t.Fatalf("not fault %d: %s", i, now.where)
		} else if i == len(faults) {
			faults = append(faults, now)
		}
	}
	fault(0)
	for i := range 3 {
		w.want(w.back(gdbserver.Step), timeline.Step)
		_, err := w.s.SeekMark(w.ctx, faults[i].m) // the frontier
		w.check(err)
		fault(i + 1)
	}
	for i := 2; i >= 0; i-- {
		_, err := w.s.SeekMark(w.ctx, faults[i].m)
		w.check(err)
		fault(i + 1)
	}
}
