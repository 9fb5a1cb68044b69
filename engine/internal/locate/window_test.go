package locate

import (
	"bytes"
	"context"
	"math/rand"
	"testing"
	"time"

	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// checkWindow holds a window's table against a fork that is stepped through it,
// comparing registers at each step and memory at some.
func checkWindow(t *testing.T, l *Locator, w *Window) {
	t.Helper()
	ctx := context.Background()
	r, err := l.Seek(ctx, w.from.r, w.at)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Kill()
	rnd := rand.New(rand.NewSource(int64(w.Len())))
	for k := range w.Len() + 1 {
		regs := w.Registers(k)
		if x, y := normal(&regs), normal(r.Regs()); x != y {
			t.Fatalf("step %d: registers\n%+v, not\n%+v", k, x, y)
		}
		if tracee.DifferingXState(w.XState(k), r.XState()) >= 0 {
			t.Fatalf("step %d: extended state differs", k)
		}
		if rnd.Intn(20) == 0 || k == w.Len() {
			m, err := w.Materialise(k)
			if err != nil {
				t.Fatal(err)
			}
			sameState(t, "materialised", m, r)
			m.Kill()
		}
		for _, a := range []uint64{regs.Rsp - 256, regs.Rsi, regs.Rdi, regs.Rax} {
			x, y := make([]byte, 512), make([]byte, 512)
			i, j := w.ReadMemory(k, a, x), r.Space.Read(a, y)
			if i != j || !bytes.Equal(x[:i], y[:j]) {
				t.Fatalf("step %d: memory at %#x differs", k, a)
			}
		}
		if k < w.Len() {
			if stop, err := stepOne(ctx, r); err != nil || stop != replay.Trap {
				t.Fatalf("step %d: %v %v", k, stop, err)
			}
		}
	}
}

func TestWindow(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			tp := record(t, build(t, kinds, append(v.flags, "-DLONG=2000000", "-lm")...))
			rnd := rand.New(rand.NewSource(2))
			l, ctx, base := New(), context.Background(), tp.marks[1]
			n := 0
			for name, target := range spots(t, tp, rnd, base, 4) {
				if n++; n > 9 { // of some fifty, others each time
					break
				}
				c, err := l.Find(ctx, base, target.Copy)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				t0 := time.Now()
				w, err := l.Window(ctx, base, c)
				if err != nil {
					t.Errorf("%s: window before %v: %v", name, c, err)
					continue
				}
				t1 := time.Now()
				sameState(t, name+": end of window", w.end, target)
				checkWindow(t, l, w)
				steps := w.Len()
				t2 := time.Now()
				for range 2 {
					b, err := w.Before(ctx)
					if err == ErrAtBase {
						break
					}
					if err != nil {
						t.Errorf("%s: window before the window of %v: %v", name, c, err)
						break
					}
					s, err := w.Materialise(0)
					if err != nil {
						t.Fatal(err)
					}
					sameState(t, name+": joint of windows", s, b.end)
					s.Kill()
					w.Close()
					w = b
					steps += w.Len()
				}
				checkWindow(t, l, w)
				w.Close()
				t.Logf("%-16s %-24v %5d steps; first %7.2f ms, others %7.2f", name, c, steps, ms(t1.Sub(t0)), ms(time.Since(t2)))
			}
		})
	}
}

// TestSlices walks all slices of a recording and checks the last point of each,
// and what precedes it.
func TestSlices(t *testing.T) {
	tp := record(t, build(t, kinds, "-O1", "-DLONG=1000", "-lm"))
	l, ctx := New(), context.Background()
	r, err := tp.marks[1].Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { r.Kill() }()
	faults := 0
	for r.Next < tp.Len() {
		e := tp.events[r.Next]
		end, c, err := l.EndOf(ctx, r)
		if err != nil {
			t.Fatalf("end of slice %d: %v", r.Next-1, err)
		}
		if !c.AtBase() {
			s, err := l.Seek(ctx, r, c)
			if err != nil {
				t.Fatalf("slice %d: seek its end %v: %v", r.Next-1, c, err)
			}
			sameState(t, "seek the end", s, end)
			p, err := l.Predecessor(ctx, r, c)
			if err != nil {
				t.Fatalf("slice %d: before its end %v: %v", r.Next-1, c, err)
			}
			if stop, err := stepOne(ctx, p); err != nil || stop != replay.Trap {
				t.Fatalf("slice %d: to its end: %v %v", r.Next-1, stop, err)
			}
			clean(p)
			sameState(t, "step to the end", p, end)
			if stop, err := stepOne(ctx, p); err != nil || stop != replay.AtEvent {
				t.Fatalf("slice %d: from its end: %v %v", r.Next-1, stop, err)
			}
			p.Kill()
			s.Kill()
		}
		end.Kill()
		if e.Sig != 0 {
			faults++
		}
		if r.Next == tp.Len()-1 {
			break
		}
		if err := r.Advance(ctx, r.Next+1); err != nil {
			t.Fatal(err)
		}
	}
	if faults != 1 {
		t.Errorf("%d faults, want 1", faults)
	}
}
