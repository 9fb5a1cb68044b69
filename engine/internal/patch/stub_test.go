package patch

import (
	"encoding/binary"
	"math/rand"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// arrivals runs the unpatched program and returns its registers each time it is
// about to execute addr, at most n times. Between f, if given, looks at memory.
func arrivals(x *proc, addr uint64, n int, look func(r unix.PtraceRegs)) (out []unix.PtraceRegs) {
	var old [1]byte
	x.Read(addr, old[:])
	x.write(addr, []byte{0xcc})
	for len(out) < n {
		if s := x.cont(0); x.done {
			break
		} else if s != syscall.SIGTRAP {
			x.t.Fatalf("%v", s)
		}
		r := x.regs()
		r.Rip--
		x.setRegs(r)
		if r.Rip != addr {
			x.t.Fatalf("breakpoint at %#x", r.Rip)
		}
		out = append(out, plain(r))
		x.write(addr, old[:])
		if look != nil {
			look(r)
		}
		x.step()
		if x.done {
			break
		}
		x.write(addr, []byte{0xcc})
	}
	return out
}

func gprs(r *unix.PtraceRegs) (v [16]uint64) {
	for k := range v {
		v[k] = GPR(r, k)
	}
	return
}

// TestLimitAndMatch stops at chosen counts and compares the registers there with those
// at breakpoints; then it looks for the same states by Match.
func TestLimitAndMatch(t *testing.T) {
	exe := build(t, "mix.c", flagsOf("-O2")...)
	for _, fn := range []string{"cmp", "main"} {
		begin := func() *proc {
			x := start(t, exe, "1")
			x.runTo(x.sym("main"))
			return x
		}
		y := begin()
		candidates := []uint64{y.sym(fn)}
		if fn == "main" { // somewhere in its loops
			text := y.text()
			lo, hi, _ := text.Func(y.sym(fn))
			bl, err := text.Blocks(lo, hi)
			if err != nil {
				t.Fatal(err)
			}
			candidates = nil
			q := NewPlan(text, y.maps(), nil)
			for k := range bl {
				if q.Patchable(bl[k].Lo()) {
					candidates = append(candidates, bl[k].Lo())
				}
			}
		}
		var want []unix.PtraceRegs
		var addr uint64
		for _, addr = range candidates {
			if want = arrivals(begin(), addr, 300, nil); len(want) >= 20 {
				break
			}
		}
		if len(want) < 20 {
			t.Fatalf("%s: %d arrivals", fn, len(want))
		}
		x := begin()
		p := NewPlan(x.text(), x.maps(), nil)
		s, err := p.Add(addr, Spec{Limited: true, Limit: 1, Ring: true})
		if err != nil {
			t.Fatal(err)
		}
		x.install(p)
		counts := []uint64{1, 2, 3, 7, 19, uint64(len(want) - 1), uint64(len(want))}
		k := 0
		x.finish(p, func(f Fixed) {
			if f.Where != LimitHit || f.Stub != s || !f.Counted {
				t.Fatalf("%v", f.Where)
			}
			n, err := s.Count(x)
			if err != nil || n != counts[k] {
				t.Fatalf("stopped at %d (%v), limit %d", n, err, counts[k])
			}
			if got := plain(f.Regs); got != want[n-1] {
				t.Errorf("%s: registers at %d:\n%+v\n%+v", fn, n, got, want[n-1])
			}
			limit := uint64(never)
			if k++; k < len(counts) {
				limit = counts[k]
			}
			x.apply([]Write{s.SetLimit(limit)})
			// Another thread may have used the slots meanwhile.
			x.write(p.data.base, make([]byte, 16))
			x.apply(f.Slots)
		})
		if k != len(counts) {
			t.Errorf("%s: %d of %d stops", fn, k, len(counts))
		}
		// By state.
		for _, n := range []int{1, 5, 17, len(want)} {
			st := want[n-1]
			first := slices.IndexFunc(want, func(r unix.PtraceRegs) bool { return gprs(&r) == gprs(&st) }) + 1
			z := begin()
			p := NewPlan(z.text(), z.maps(), nil)
			s, err := p.Add(addr, Spec{Match: &Match{Regs: gprs(&st), Words: []Word{{z.sym("main") &^ 7, word8(z, z.sym("main")&^7)}}}})
			if err != nil {
				t.Fatal(err)
			}
			z.install(p)
			hits := 0
			z.finish(p, func(f Fixed) {
				c, _ := s.Count(z)
				if f.Where != TestHit {
					t.Fatalf("%v", f.Where)
				}
				if hits == 0 && int(c) != first {
					t.Errorf("%s: state %d first matched at %d, should be %d", fn, n, c, first)
				}
				if gprs(&f.Regs) != gprs(&st) {
					t.Errorf("%s: matched other registers", fn)
				}
				hits++
			})
			same := 0
			for _, r := range want {
				if gprs(&r) == gprs(&st) {
					same++
				}
			}
			if len(want) < 300 && hits != same {
				t.Errorf("%s: state %d matched %d times, should be %d", fn, n, hits, same)
			}
			// A word that differs everywhere: no match.
			v := begin()
			p = NewPlan(v.text(), v.maps(), nil)
			if _, err := p.Add(addr, Spec{Match: &Match{Regs: gprs(&st), Words: []Word{{v.sym("main") &^ 7, 12345}}}}); err != nil {
				t.Fatal(err)
			}
			v.install(p)
			v.finish(p, func(f Fixed) { t.Errorf("%s: matched in spite of the word", fn) })
		}
	}
}

func word8(x *proc, a uint64) uint64 {
	v, err := readWord(x, a)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

// value evaluates an operand as a stub does; ok is false when it faults.
func (o *Operand) value(x *proc, r *unix.PtraceRegs) (uint64, bool) {
	v := o.Addr
	if o.Reg != NoReg {
		v = GPR(r, o.Reg)
	}
	for k, d := range o.Path {
		var b [8]byte
		n := 8
		if k == len(o.Path)-1 {
			n = o.Width
		}
		if x.Read(v+uint64(int64(d)), b[:n]) != n {
			return 0, false
		}
		v = binary.LittleEndian.Uint64(b[:])
	}
	sh := 64 - 8*uint(o.Width)
	if o.Signed {
		return uint64(int64(v<<sh) >> sh), true
	}
	return v << sh >> sh, true
}

func (t *Term) holds(v uint64) bool {
	if t.Mask != 0 {
		v &= t.Mask
	}
	s, w := int64(v), int64(t.Value)
	return [...]bool{Eq: v == t.Value, Ne: v != t.Value, LtS: s < w, LeS: s <= w, GtS: s > w, GeS: s >= w,
		LtU: v < t.Value, LeU: v <= t.Value, GtU: v > t.Value, GeU: v >= t.Value}[t.Op]
}

// TestCond runs random conditions in stubs and in a model.
func TestCond(t *testing.T) {
	exe := build(t, "cond.c", flagsOf("-O1 -fno-pie -no-pie")...)
	rnd := rand.New(rand.NewSource(1))
	const conds = 40
	y := start(t, exe)
	y.runTo(y.sym("main"))
	addr, sumAt := y.sym("f"), y.sym("sum")
	operands := []Operand{
		{Reg: 6, Width: 8, Signed: true}, {Reg: 6, Width: 4, Signed: true}, {Reg: 6, Width: 4}, {Reg: 6, Width: 2, Signed: true},
		{Reg: 2, Width: 1}, {Reg: 2, Width: 1, Signed: true}, {Reg: 2, Width: 2}, {Reg: 0, Width: 8}, {Reg: 4, Width: 8}, {Reg: 13, Width: 4},
		{Reg: 7, Path: []int32{8}, Width: 2}, {Reg: 7, Path: []int32{0, 0}, Width: 1, Signed: true}, {Reg: 7, Path: []int32{0, 2}, Width: 2, Signed: true},
		{Reg: 7, Path: []int32{0, 4}, Width: 4, Signed: true}, {Reg: 7, Path: []int32{0, 4}, Width: 4}, {Reg: 7, Path: []int32{0, 8}, Width: 8, Signed: true},
		{Reg: 7, Path: []int32{16, 16, 0, 8}, Width: 8}, {Reg: NoReg, Addr: sumAt, Path: []int32{0}, Width: 8}, {Reg: NoReg, Addr: sumAt + 64, Path: []int32{-64}, Width: 1},
		{Reg: 4, Path: []int32{0}, Width: 8}, {Reg: 7, Path: []int32{0, 8}, Width: 2}, {Reg: 7, Path: []int32{0, 0}, Width: 1},
	}
	// Constants near values that occur.
	var seen [][]uint64
	arrivals(y, addr, 400, func(r unix.PtraceRegs) {
		var vs []uint64
		for k := range operands {
			v, _ := operands[k].value(y, &r)
			vs = append(vs, v)
		}
		seen = append(seen, vs)
	})
	var cs []*Cond
	for range conds {
		c := &Cond{}
		for range 1 + rnd.Intn(3) {
			k := rnd.Intn(len(operands))
			tm := Term{Operand: operands[k], Op: CmpOp(rnd.Intn(10)), Value: seen[rnd.Intn(len(seen))][k] + uint64(rnd.Intn(3)-1)}
			if rnd.Intn(4) == 0 {
				tm.Mask = uint64(rnd.Intn(256))<<uint(rnd.Intn(3)*8) | 1
				tm.Value &= tm.Mask
			}
			c.Terms = append(c.Terms, tm)
		}
		cs = append(cs, c)
	}
	y = start(t, exe)
	y.runTo(y.sym("main"))
	want := make([][]int, conds) // arrivals at which the condition holds
	faults := make([]int, conds)
	n := 0
	arrivals(y, addr, 1000, func(r unix.PtraceRegs) {
		n++
	cond:
		for k, c := range cs {
			for _, tm := range c.Terms {
				v, ok := tm.Operand.value(y, &r)
				if !ok {
					faults[k]++
					continue cond
				}
				if !tm.holds(v) {
					continue cond
				}
			}
			want[k] = append(want[k], n)
		}
	})
	if n != 400 {
		t.Fatalf("%d arrivals", n)
	}
	some, all := 0, 0
	for k, c := range cs {
		if len(want[k]) > 0 && len(want[k]) < 400 {
			some++
		}
		all += faults[k]
		// Stop at every true one.
		x := start(t, exe)
		x.runTo(x.sym("main"))
		p := NewPlan(x.text(), x.maps(), nil)
		s, err := p.Add(addr, Spec{Cond: c, Ring: true})
		if err != nil {
			t.Fatal(err)
		}
		x.install(p)
		var got []int
		x.finish(p, func(f Fixed) {
			m, _ := s.Count(x)
			got = append(got, int(m))
			if f.Where != TestHit || f.Regs.Rip != addr {
				t.Fatalf("%v at %#x", f.Where, f.Regs.Rip)
			}
		})
		if !slices.Equal(got, want[k]) {
			t.Errorf("condition %+v held at %v, should at %v", c, got, want[k])
		}
		if x.interiors != faults[k] {
			t.Errorf("condition %+v: %d faults, should be %d", c, x.interiors, faults[k])
		}
		if x.counters[addr] != 400 || x.output() != y.output() {
			t.Errorf("condition %+v: counted %d, output %q", c, x.counters[addr], x.output())
		}
		// Counted by a group, which stops at the last but one.
		if len(want[k]) < 2 {
			continue
		}
		x = start(t, exe)
		x.runTo(x.sym("main"))
		p = NewPlan(x.text(), x.maps(), nil)
		g, err := p.NewGroup(uint64(len(want[k]) - 1))
		if err != nil {
			t.Fatal(err)
		}
		if s, err = p.Add(addr, Spec{Cond: c, Group: g}); err != nil {
			t.Fatal(err)
		}
		x.install(p)
		got = got[:0]
		x.finish(p, func(f Fixed) {
			m, _ := s.Count(x)
			got = append(got, int(m))
		})
		if !slices.Equal(got, want[k][len(want[k])-2:]) {
			t.Errorf("condition %+v by group: stopped at %v, should at %v", c, got, want[k][len(want[k])-2:])
		}
	}
	if some < conds/4 || all == 0 {
		t.Errorf("%d of %d conditions hold sometimes, %d faults: a poor test", some, conds, all)
	}
}

// TestGroup counts several stubs together and stops at the n-th of all.
func TestGroup(t *testing.T) {
	exe := build(t, "mix.c", flagsOf("-O1 -fno-inline")...)
	names := []string{"cmp", "put", "rnd", "fib"}
	begin := func() (*proc, *Plan, *Group) {
		x := start(t, exe, "1")
		x.runTo(x.sym("main"))
		p := NewPlan(x.text(), x.maps(), nil)
		g, err := p.NewGroup(never)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if _, _, err := p.AddNear(x.sym(n), Spec{Group: g}); err != nil {
				t.Fatal(err)
			}
		}
		x.install(p)
		return x, p, g
	}
	x, p, _ := begin()
	x.finish(p, nil)
	var total uint64
	for _, n := range x.counters {
		total += n
	}
	x, p, g := begin()
	x.apply([]Write{g.SetLimit(total - 2)})
	var stops []uint64
	x.finish(p, func(f Fixed) {
		n, err := g.Count(x)
		if err != nil {
			t.Fatal(err)
		}
		if f.Where != TestHit || f.Regs.Rip != f.Stub.Addr {
			t.Errorf("%v at %#x", f.Where, f.Regs.Rip)
		}
		stops = append(stops, n)
	})
	if !slices.Equal(stops, []uint64{total - 2, total - 1, total}) {
		t.Errorf("stops %v of %d", stops, total)
	}
}
