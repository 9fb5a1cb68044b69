package locate

import (
	"context"
	"testing"
)

// TestEveryInstruction counts each instruction of a loop from bases at each other
// instruction of it, most of which stand in the middle of a basic block.
func TestEveryInstruction(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			tp := record(t, build(t, kinds, append(v.flags, "-DLONG=300", "-lm")...))
			l, ctx := New(), context.Background()
			text, _, err := l.text(tp.marks[1])
			if err != nil {
				t.Fatal(err)
			}
			lo, hi, ok := text.Func(tp.names["longcall"])
			if !ok {
				t.Fatal("no function")
			}
			blocks, err := text.Blocks(lo, hi)
			if err != nil {
				t.Fatal(err)
			}
			var pcs []uint64
			for _, b := range blocks {
				for _, in := range b.Insts {
					pcs = append(pcs, in.PC)
				}
			}
			const n = 60 // more than fewHits
			start := at(t, tp.marks[1], lo, 1)
			carried := 0
			for i, from := range pcs {
				base := start
				if from != lo {
					f, err := fork(start)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { f.Kill() })
					if err := l.advance(ctx, f, Coord{from, 1}); err != nil {
						continue
					}
					base = f
				}
				for k := range 4 {
					pc := pcs[(i+k*5)%len(pcs)]
					c := Coord{pc, n}
					s, err := l.Seek(ctx, base, c)
					if err == ErrNotFound {
						continue // it is not in the loop
					}
					if err != nil {
						t.Fatalf("from %#x to %v: %v", from, c, err)
					}
					want := at(t, base, pc, n)
					sameState(t, c.String(), s, want)
					f, err := l.Find(ctx, base, want.Copy)
					if err != nil || f != c {
						t.Fatalf("from %#x: found %v at %v: %v", from, c, f, err)
					}
					p, err := l.Predecessor(ctx, base, c)
					if err != nil {
						t.Fatalf("from %#x: before %v: %v", from, c, err)
					}
					if _, err := stepOne(ctx, p); err != nil {
						t.Fatal(err)
					}
					sameState(t, "step to "+c.String(), p, want)
					g := l.newRig(s)
					g.point(pc).limit = n
					if err := g.arm(); err != nil {
						t.Fatal(err)
					}
					if g.points[0].carried {
						carried++
					}
					s.Kill()
					p.Kill()
				}
			}
			t.Logf("%d of the points were carried", carried)
			if carried == 0 && v.name != "O0" {
				t.Error("no carrier was tried")
			}
		})
	}
}
