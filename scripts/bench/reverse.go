package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"yore/gdbmi"
	"yore/testprogs"
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
	argv, err := w.argv()
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
			s, err := b.openAtEnd(ctx, workload{program: "bench/w7", args: []string{ops, "42"}})
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
	s, err := b.openAtEnd(ctx, workload{program: "bench/w7", args: []string{ops, "42"}})
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

// checkpoints is the median time of a checkpoint, asked for at the prompt, of a
// program of some size. The program runs between two.
func checkpoints(mb, threads string) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		argv, err := workload{program: "bench/resident", args: []string{mb, threads, "1000"}}.argv()
		if err != nil {
			return nil, err
		}
		s, err := b.open(ctx, argv)
		if err != nil {
			return nil, err
		}
		defer s.close()
		if err := s.send(ctx, "-break-insert here"); err != nil {
			return nil, err
		}
		var t []float64
		for i := range min(b.ops, 20) {
			stop, _, err := s.move(ctx, forth)
			if err != nil {
				return nil, err
			}
			if r := stop.Text("reason"); r != "breakpoint-hit" {
				return nil, fmt.Errorf("stopped by %q, want the breakpoint", r)
			}
			took, err := s.console(ctx, fmt.Sprintf("checkpoint c%d", i))
			if err != nil {
				return nil, err
			}
			t = append(t, millis.in(took))
		}
		return []float64{median(t)}, nil
	}
}

// coldSteps is reverse-stepi at points that are executed once, right after a call
// of long: the median and the worst. For each step the session is new to the place:
// it comes from the end of history.
func coldSteps(ctx context.Context, b *bench) ([]float64, error) {
	p, err := testprogs.Find("bench/cold")
	if err != nil {
		return nil, err
	}
	var t []float64
	// A session of its own for each round, so that nothing is known beforehand.
	for len(t) < b.ops {
		s, err := b.openAtEnd(ctx, workload{program: "bench/cold", args: []string{"2500"}})
		if err != nil {
			return nil, err
		}
		for _, mark := range []string{"plain", "rep", "library", "handler", "thread"} {
			line, err := p.Line(mark)
			if err == nil {
				err = s.send(ctx, fmt.Sprintf("-break-insert -t %s:%d", filepath.Base(p.Path), line))
			}
			if err == nil {
				_, err = s.console(ctx, "goto end")
			}
			var stop gdbmi.Tuple
			if err == nil {
				stop, _, err = s.move(ctx, back)
			}
			if r := stop.Text("reason"); err == nil && r != "breakpoint-hit" {
				err = fmt.Errorf("%s: stopped by %q, want the breakpoint", mark, r)
			}
			var took time.Duration
			if err == nil {
				_, took, err = s.move(ctx, "-exec-step-instruction --reverse")
			}
			if err != nil {
				s.close()
				return nil, err
			}
			t = append(t, took.Seconds())
		}
		s.close()
	}
	return []float64{median(t), worst(t)}, nil
}

// invariant is the time of a reverse-watch of list_len(head) <= 10 from w7's abort
// to the culprit.
func invariant(ops string) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		var t []float64
		for range max(1, b.runs/2) {
			s, err := b.openAtEnd(ctx, workload{program: "bench/w7", args: []string{ops, "42"}})
			if err != nil {
				return nil, err
			}
			took, err := s.console(ctx, "reverse-watch list_len(head) <= 10")
			s.close()
			if err != nil {
				return nil, err
			}
			t = append(t, took.Seconds())
		}
		return []float64{median(t)}, nil
	}
}
