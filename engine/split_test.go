package engine

import (
	"context"
	"os"
	"testing"
	"time"

	"yore/engine/gdbserver"
	"yore/engine/timeline"
	"yore/testprogs"
)

// session launches a sample program, whose terminal output is thrown away.
func session(t *testing.T, args ...string) *Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Launch(ctx, Options{Path: args[0], Args: args, Env: os.Environ(), Stdin: null, Stdout: null, Stderr: null})
	null.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// toEnd runs the program to its end.
func toEnd(t *testing.T, ctx context.Context, s *Session) {
	t.Helper()
	for sig := 0; ; {
		st, err := s.Resume(ctx, gdbserver.Resume{Signal: sig})
		if err != nil {
			t.Fatal(err)
		}
		if st.Reason == timeline.HistoryEnd {
			return
		}
		sig = st.Signal
		if st.Reason == timeline.Interrupted {
			t.Fatal("the program did not end in time")
		}
	}
}

// TestBetween splits the longest part of a run until it is a few thousand
// instructions, and checks that each mark lies strictly inside.
func TestBetween(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	s := session(t, testprogs.Build(t, "bench/w7"), "3000000")
	toEnd(t, ctx, s)
	long := int64(0)
	for e := range s.Events() - 1 {
		if s.EventTime(e+1)-s.EventTime(e) > s.EventTime(long+1)-s.EventTime(long) {
			long = e
		}
	}
	mark := func(e int64) *Mark {
		if _, err := s.SeekPosition(ctx, timeline.Position{Event: e}); err != nil {
			t.Fatal(err)
		}
		m, err := s.Mark(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := mark(long), mark(long+1)
	t.Logf("slice %d takes %v", long, s.EventTime(long+1)-s.EventTime(long))
	for n := range 40 {
		t0 := time.Now()
		m, ok, err := s.Between(ctx, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Logf("split %d times", n)
			if n < 8 {
				t.Errorf("split only %d times", n)
			}
			return
		}
		t.Logf("event %d, %v after %v, in %v", m.p.event, m.at, a.at, time.Since(t0))
		if n%2 == 0 {
			a = m
		} else {
			b = m
		}
	}
	t.Error("splitting does not come to an end")
}
