package debugger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"yore/engine/timeline"
)

// coarse is a tape whose events are several states apart, so that points inside
// a slice have to be found by other means than their number.
type coarse struct {
	*tape
	per int
}

func (c coarse) where(pos int) timeline.Position {
	return timeline.Position{Event: int64(pos / c.per), Count: uint64(pos % c.per), Addr: 1}
}

func (c coarse) Position(context.Context) (timeline.Position, error) { return c.where(c.pos), nil }
func (c coarse) MarkPosition(_ context.Context, m Mark) (timeline.Position, error) {
	return c.where(m.(*tapeMark).pos), nil
}
func (c coarse) SeekPosition(ctx context.Context, p timeline.Position) (timeline.Stop, error) {
	return c.tape.SeekPosition(ctx, at(int(p.Event)*c.per+int(p.Count)))
}
func (c coarse) Events() int64 { return int64(c.end() / c.per) }
func (c coarse) Event() int64  { return int64(c.pos / c.per) }
func (c coarse) Compare(_ context.Context, a, b timeline.Position) (int, error) {
	return (int(a.Event)*c.per + int(a.Count)) - (int(b.Event)*c.per + int(b.Count)), nil
}
func (c coarse) Checkpoints() []CheckpointInfo {
	out := c.tape.Checkpoints()
	for i := range out {
		out[i].Event /= int64(c.per)
	}
	return out
}

// splitting is a Timeline that finds points between others.
type splitting struct{ coarse }

func (s splitting) Between(_ context.Context, a, b Mark) (Mark, bool, error) {
	lo, hi := a.(*tapeMark).pos, b.(*tapeMark).pos
	if hi-lo < 40 {
		return nil, false, nil
	}
	s.marks++
	return &tapeMark{t: s.tape, pos: (lo + hi) / 2}, true, nil
}

// stepping is a Timeline that steps back by itself.
type stepping struct{ splitting }

func (s stepping) StepBack(_ context.Context, n int) (timeline.Stop, error) {
	if n > s.pos {
		s.pos = 0
		return timeline.Stop{Reason: timeline.HistoryBegin}, nil
	}
	s.pos -= n
	return timeline.Stop{Reason: timeline.Arrived}, nil
}

// TestSearchRandom looks for the change of a variable on random tapes, with and
// without the abilities that a Timeline may have. What is found must be a change
// to the present value; and one must be found when the oldest value differs, or
// when there is but one change.
func TestSearchRandom(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := 20 + rnd.IntN(3000)
		tp := &tape{ended: &timeline.Ending{}, noWatch: true}
		value, changes := 0, 0
		knownFrom := 0
		if rnd.IntN(3) == 0 {
			knownFrom = rnd.IntN(n)
		}
		rate := 1 + rnd.IntN(2*n)
		gaps := rnd.IntN(3) == 0
		for i := range n {
			vars := map[string]int{}
			if i > knownFrom && rnd.IntN(rate) == 0 {
				value++
				if rnd.IntN(2) == 0 {
					value = rnd.IntN(3)
				}
			}
			if i >= knownFrom && (!gaps || i == n-1 || rnd.IntN(20) > 0) {
				vars["v"] = value
			}
			tp.states = append(tp.states, state{"main", 1, vars})
		}
		now := value
		last, prev := -1, now
		for i := knownFrom; i < n; i++ {
			v, ok := tp.states[i].vars["v"]
			if !ok {
				continue
			}
			if i > knownFrom && v != prev {
				changes++
				last = i
			}
			prev = v
		}
		for range rnd.IntN(10) {
			tp.add("", rnd.IntN(n), true)
		}
		tp.pos = n - 1
		c := coarse{tp, 1 + rnd.IntN(200)}
		lines := map[string]Timeline{"plain": c, "splitting": splitting{c}, "stepping": stepping{splitting{c}}}
		for name, tl := range lines {
			t.Run(fmt.Sprintf("%d %s", seed, name), func(t *testing.T) {
				tp.pos = n - 1
				tp.evals = 0
				d, err := New(t.Context(), tp, tl, tapeUI{tp}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				err = d.Execute(t.Context(), "reverse-watch v")
				if err != nil {
					if changes == 1 && !gaps || changes > 0 && knownFrom == 0 && !gaps && tp.states[0].vars["v"] != now {
						t.Fatalf("%v, but there are %d changes, the last at %d", err, changes, last)
					}
					if tp.pos != n-1 {
						t.Fatalf("not back in the present, but at %d", tp.pos)
					}
					return
				}
				before, ok := tp.states[tp.pos].vars["v"]
				if !ok || before == now {
					t.Fatalf("at %d it is %d, %v; now it is %d", tp.pos, before, ok, now)
				}
				next := tp.pos + 1
				for ; next < n; next++ {
					if v, ok := tp.states[next].vars["v"]; ok {
						if v != now {
							t.Fatalf("at %d it changes to %d, now it is %d", next, v, now)
						}
						break
					}
				}
				if limit := 150 + next - tp.pos; name != "plain" && !gaps && tp.evals > limit+firstBlock {
					t.Errorf("%d evaluations", tp.evals)
				}
			})
		}
		if tp.marks != 0 {
			t.Fatalf("seed %d: %d marks were not released", seed, tp.marks)
		}
	}
}

// TestEndlessStatement stands before the instruction when the beginning of its
// statement is too far to step to.
func TestEndlessStatement(t *testing.T) {
	defer func(d time.Duration) { statementTime = d }(statementTime)
	statementTime = 10 * time.Millisecond
	tp := counting(20)
	tp.endless = true
	tp.pos = tp.end()
	d, err := New(t.Context(), tp, tp, tapeUI{tp}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Execute(t.Context(), "reverse-watch total"); err != nil {
		t.Fatal(err)
	}
	if at, next := tp.states[tp.pos], tp.states[tp.pos+1]; at.vars["total"] != 171 || next.vars["total"] != 190 {
		t.Errorf("stands at %d, line %d, total %d", tp.pos, at.line, at.vars["total"])
	}
	d.Close()
	if tp.marks != 0 {
		t.Errorf("%d marks were not released", tp.marks)
	}
}
