package main

import (
	"context"
	"fmt"
	"time"

	"yore/gdbmi"
)

// script is a session up to the operations that are timed: the program is run
// to its end or crash, breakpoints are set, then op is repeated. Before each op
// the moves of reset are made, untimed.
type script struct {
	workload workload
	breaks   []string // inserted when the program has ended
	before   []string // moves made once
	reset    []string // moves made before each op
	op       string
	// want is the reason that every stop of op must have; "" for any.
	want string
}

// operation is the median and the worst time of an operation.
func operation(u unit, sc script) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		t, err := b.times(ctx, u, sc, b.ops)
		if err != nil {
			return nil, err
		}
		return []float64{median(t), worst(t)}, nil
	}
}

// typical is the median time of an operation alone.
func typical(u unit, sc script) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		t, err := b.times(ctx, u, sc, min(b.ops, 20))
		if err != nil {
			return nil, err
		}
		return []float64{median(t)}, nil
	}
}

func (b *bench) times(ctx context.Context, u unit, sc script, n int) ([]float64, error) {
	s, err := b.openAtEnd(ctx, sc.workload)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for _, at := range sc.breaks {
		if err := s.send(ctx, "-break-insert "+at); err != nil {
			return nil, err
		}
	}
	if err := s.moves(ctx, sc.before...); err != nil {
		return nil, err
	}
	var t []float64
	for range n {
		if err := s.moves(ctx, sc.reset...); err != nil {
			return nil, err
		}
		stop, took, err := s.move(ctx, sc.op)
		if err != nil {
			return nil, err
		}
		if got := stop.Text("reason"); sc.want != "" && got != sc.want {
			return nil, fmt.Errorf("%s stopped by %q, want %q", sc.op, got, sc.want)
		}
		t = append(t, u.in(took))
	}
	return t, nil
}

// openAtEnd runs a workload to its end, or the signal that ends it.
func (b *bench) openAtEnd(ctx context.Context, w workload) (*session, error) {
	argv, err := b.command(ctx, w)
	if err != nil {
		return nil, err
	}
	s, err := b.open(ctx, argv)
	if err != nil {
		return nil, err
	}
	if err := s.moves(ctx, "-exec-continue"); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// culprit is the time from w7's abort to the statement that broke its list: a
// watchpoint on the length and reverse-continue, until the length was 10.
func culprit(ops string) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		var t []float64
		for range max(1, b.runs/2) {
			s, err := b.openAtEnd(ctx, workload{source: "w7.c", args: []string{ops, "42"}})
			if err != nil {
				return nil, err
			}
			took, err := s.findCulprit(ctx)
			s.close()
			if err != nil {
				return nil, err
			}
			t = append(t, took.Seconds())
		}
		return []float64{median(t)}, nil
	}
}

func (s *session) findCulprit(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := s.send(ctx, "-break-watch len_cached"); err != nil {
		return 0, err
	}
	for range 5 {
		stop, _, err := s.move(ctx, "-exec-continue --reverse")
		if err != nil {
			return 0, err
		}
		if r := stop.Text("reason"); r != "watchpoint-trigger" {
			return 0, fmt.Errorf("reverse-continue stopped by %q, not at the watchpoint", r)
		}
		if stop.Text("value", "new") == "10" {
			return time.Since(began), nil
		}
	}
	return 0, fmt.Errorf("the length did not become 10 in five reverse-continues")
}

// falseCondition is the cost of a hit of a breakpoint whose condition is false,
// in µs, forward; and the backward cost over the forward one. The condition is
// on w7's step, which runs ops/2+1 times.
func falseCondition(ctx context.Context, b *bench) ([]float64, error) {
	const ops, hits = "200000", 100001
	s, err := b.openAtEnd(ctx, workload{source: "w7.c", args: []string{ops, "42"}})
	if err != nil {
		return nil, err
	}
	defer s.close()
	there := func(dir string) (float64, error) {
		stop, took, err := s.move(ctx, "-exec-continue"+dir)
		if err != nil {
			return 0, err
		}
		if r := stop.Text("reason"); r == "breakpoint-hit" {
			return 0, fmt.Errorf("the breakpoint was hit although its condition is false")
		}
		return took.Seconds(), nil
	}
	if _, err := there(" --reverse"); err != nil { // to the start
		return nil, err
	}
	plain, err := there("")
	if err != nil {
		return nil, err
	}
	if err := s.send(ctx, "-break-insert -c "+gdbmi.Quote("op == -5")+" step"); err != nil {
		return nil, err
	}
	back, err := there(" --reverse")
	if err != nil {
		return nil, err
	}
	forth, err := there("")
	if err != nil {
		return nil, err
	}
	return []float64{max(0, forth-plain) / hits * 1e6, back / forth}, nil
}
