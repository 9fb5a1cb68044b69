package engine

import (
	"context"
	"debug/elf"
	"testing"
	"time"

	"yore/engine/gdbserver"
	"yore/engine/timeline"
	"yore/testprogs"
)

// TestBackThroughPreemptions goes back over preemptions that were counted in code
// which the searches count in, too, with a breakpoint in place while the program
// ran. Each stop is reached again by its position, and stepping back and forth
// from it comes to the same state.
func TestBackThroughPreemptions(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	exe := testprogs.Build(t, "thr_nested", "-no-pie", "-O1")
	s := session(t, exe, "60000")
	rare := symbol(t, exe, "rare")
	elsewhere := symbol(t, exe, "main")
	if err := s.InsertBreakpoint(gdbserver.Breakpoint{Addr: elsewhere}); err != nil {
		t.Fatal(err)
	}
	toEnd(t, ctx, s)
	if s.rec.Stats.Preempts == 0 {
		t.Fatal("nothing was preempted")
	}
	t.Logf("%d events, %+v", s.Events(), s.rec.Stats)
	if err := s.InsertBreakpoint(gdbserver.Breakpoint{Addr: rare}); err != nil {
		t.Fatal(err)
	}
	back := gdbserver.Resume{Dir: timeline.Backward, Mode: gdbserver.Continue}
	for n := range 12 { // 3 calls in each of 4 threads
		st, err := s.Resume(ctx, back)
		if err != nil || st.Reason != timeline.Breakpoint || st.Addr != rare {
			t.Fatalf("hit %d: %+v, %v", n, st, err)
		}
		if n%4 != 0 {
			continue
		}
		want, err := s.Hash(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pos, err := s.Position(ctx)
		if err != nil {
			t.Fatal(err)
		}
		const steps = 40
		for _, q := range []gdbserver.Resume{{Dir: timeline.Backward, Mode: gdbserver.Step}, {Mode: gdbserver.Step}} {
			for range steps {
				if st, err := s.Resume(ctx, q); err != nil || st.Reason != timeline.Step && st.Reason != timeline.Breakpoint {
					t.Fatalf("step of hit %d: %+v, %v", n, st, err)
				}
			}
		}
		if got, err := s.Hash(ctx); got != want || err != nil {
			t.Errorf("hit %d at %v: another state after %d steps back and forth (%v)", n, pos, steps, err)
		}
		if _, err := s.SeekPosition(ctx, pos); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Hash(ctx); got != want || err != nil {
			t.Errorf("hit %d: another state at %v (%v)", n, pos, err)
		}
	}
	if st, err := s.Resume(ctx, back); err != nil || st.Reason != timeline.Breakpoint || st.Addr != elsewhere {
		t.Errorf("before the first hit: %+v, %v", st, err)
	}
}

// symbol returns the address of a function of an executable that is not relocated.
func symbol(t *testing.T, exe, name string) uint64 {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		if x.Name == name {
			return x.Value
		}
	}
	t.Fatalf("%s has no %s", exe, name)
	return 0
}
