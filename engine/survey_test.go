package engine

import (
	"context"
	"math"
	"testing"
	"time"

	"yore/engine/timeline"
	"yore/engine/trace"
	"yore/testprogs"
)

// TestFraction: points that halving finds inside a slice are at about the part of
// it that halving says, in order.
func TestFraction(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	s := session(t, testprogs.Build(t, "bench/w7"), "3000000")
	toEnd(t, ctx, s)
	n, last := int64(0), time.Duration(0)
	if err := s.Survey(ctx, 0, func(i int64, e *trace.Event) bool {
		if i != n || time.Duration(e.Time) < last {
			t.Errorf("event %d at %v comes as number %d after %v", i, time.Duration(e.Time), n, last)
		}
		n, last = n+1, time.Duration(e.Time)
		return true
	}); err != nil || n != s.Events()+1 {
		t.Errorf("%d events of %d, %v", n, s.Events()+1, err)
	}
	long := int64(0)
	for e := range s.Events() - 1 {
		if s.EventTime(e+1)-s.EventTime(e) > s.EventTime(long+1)-s.EventTime(long) {
			long = e
		}
	}
	mark := func(e int64) *Mark {
		t.Helper()
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
	for _, want := range []float64{0.5, 0.25, 0.125, 0.0625} {
		m, ok, err := s.Between(ctx, a, b)
		if err != nil || !ok {
			t.Fatalf("no point at %.4f: %v", want, err)
		}
		if _, err := s.SeekMark(ctx, m); err != nil {
			t.Fatal(err)
		}
		f, ok, err := s.Fraction(ctx)
		if err != nil || !ok || math.Abs(f-want) > want/4 {
			t.Errorf("at about %.4f of its slice the present is told to be at %.4f (%v, %v)", want, f, ok, err)
		}
		b = m
	}
	if _, err := s.SeekMark(ctx, a); err != nil {
		t.Fatal(err)
	}
	if f, ok, err := s.Fraction(ctx); f != 0 || !ok || err != nil {
		t.Errorf("at the start of the slice: %v, %v, %v", f, ok, err)
	}
}
