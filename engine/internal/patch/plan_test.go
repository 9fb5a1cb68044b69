package patch

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// checkPlan holds a plan against what it promises, by decoding what it would
// write over the text it was made for.
func checkPlan(t *testing.T, p *Plan, occupied []Region) {
	t.Helper()
	var maps []Region
	for _, m := range p.Maps() {
		if m.Lo%pageSize != 0 || m.Hi%pageSize != 0 || m.Lo >= m.Hi {
			t.Fatalf("map %#x–%#x", m.Lo, m.Hi)
		}
		for _, o := range append(slices.Clone(occupied), maps...) {
			if m.Lo < o.Hi && o.Lo < m.Hi {
				t.Fatalf("map %#x–%#x overlaps %#x–%#x", m.Lo, m.Hi, o.Lo, o.Hi)
			}
		}
		maps = append(maps, m)
	}
	mapped := func(lo, hi uint64) bool {
		return slices.ContainsFunc(maps, func(m Region) bool { return lo >= m.Lo && hi <= m.Hi })
	}
	if d := p.Maps()[0]; p.data.base+p.data.used > 1<<31 || d.Lo != p.data.base && !mapped(p.data.base, p.data.base+p.data.used) {
		t.Fatalf("data at %#x", p.data.base)
	}
	// After all writes the memory reads as overlay.
	overlay := map[uint64]byte{}
	read := func(a uint64, b []byte) int {
		n := p.mem.Read(a, b)
		for k := range b {
			if v, ok := overlay[a+uint64(k)]; ok {
				b[k], n = v, max(n, k+1)
			}
		}
		return n
	}
	text := map[uint64]bool{}
	for _, w := range p.Writes() {
		isText := !mapped(w.Addr, w.Addr+uint64(len(w.Data)))
		for k, v := range w.Data {
			a := w.Addr + uint64(k)
			if isText {
				if text[a] {
					t.Fatalf("%#x written twice", a)
				}
				text[a] = true
			}
			overlay[a] = v
		}
	}
	undone := map[uint64]bool{}
	for _, w := range p.Undo() {
		b := make([]byte, len(w.Data))
		p.mem.Read(w.Addr, b)
		if !slices.Equal(b, w.Data) {
			t.Fatalf("undo at %#x: % x, text % x", w.Addr, w.Data, b)
		}
		for k := range b {
			undone[w.Addr+uint64(k)] = true
		}
	}
	if !reflect.DeepEqual(text, undone) {
		t.Fatal("what is written and what is undone differ")
	}
	follow := func(a uint64) uint64 {
		b := make([]byte, 15)
		i, err := Decode(b[:read(a, b)], a)
		if err != nil || i.Kind != Jmp || i.Len != 5 {
			t.Fatalf("%#x: % x is no jump (%v)", a, b[:5], err)
		}
		return i.Target
	}
	for _, s := range p.Stubs() {
		to := follow(s.Addr)
		if s.tramp != 0 {
			if to != s.tramp || !mapped(to, to+5) {
				t.Fatalf("stub of %#x: jump to %#x, trampoline %#x", s.Addr, to, s.tramp)
			}
			to = follow(to)
		}
		if to != s.base || !mapped(to, to+s.size) {
			t.Fatalf("stub of %#x: jump to %#x, stub at %#x", s.Addr, to, s.base)
		}
		// Every original instruction boundary behind the first faults.
		for pc := s.Addr; pc < s.Addr+5; {
			b := make([]byte, 15)
			i, err := Decode(b[:p.mem.Read(pc, b)], pc)
			if err != nil {
				t.Fatalf("%#x: %v", pc, err)
			}
			if pc != s.Addr && pc < s.Addr+uint64(s.win.n) {
				if v, ok := overlay[pc]; !ok || !isFaulting[v] {
					t.Fatalf("stub of %#x: boundary %#x holds %#x", s.Addr, pc, v)
				}
				if st, where := p.Find(pc); st != s || where != Interior {
					t.Fatalf("find %#x: %v", pc, where)
				}
			}
			if pc >= s.Addr+uint64(s.win.n) && text[pc] {
				t.Fatalf("stub of %#x: %#x behind its instructions is written", s.Addr, pc)
			}
			pc = i.Next()
		}
		// The copies decode to something of the same kind, the stub's end is a
		// jump or the end of control.
		if st, _ := p.Find(s.base); st != s {
			t.Fatalf("find stub %#x", s.base)
		}
		if len(s.copies) != len(s.win.insts) {
			t.Fatalf("stub of %#x: %d copies of %d", s.Addr, len(s.copies), len(s.win.insts))
		}
		for k := range s.win.insts {
			i := &s.win.insts[k]
			if i.Kind != Normal {
				continue
			}
			b := make([]byte, 15)
			c, err := Decode(b[:read(s.copies[k], b)], s.copies[k])
			if err != nil || c.Len != i.Len || c.op != i.op || c.modrm != i.modrm {
				t.Fatalf("%v copied as %v (%v)", i, &c, err)
			}
			if i.RIPOff != 0 && c.Next()+uint64(c.disp) != i.Next()+uint64(i.disp) {
				t.Fatalf("%v copied as %v: another operand", i, &c)
			}
		}
	}
}

// bigFunctions returns the n largest functions of a text that do not overlap.
func bigFunctions(text *Text, n int) []span {
	fns := slices.Clone(text.module(text.areas[0]).functions())
	slices.SortStableFunc(fns, func(a, b span) int { return cmpU64(b.hi-b.lo, a.hi-a.lo) })
	var out []span
	for _, s := range fns {
		if len(out) == n {
			break
		}
		if !slices.ContainsFunc(out, func(o span) bool { return s.lo < o.hi && o.lo < s.hi }) {
			out = append(out, s)
		}
	}
	return out
}

// TestMarksOfLargeFunctions plans marks for the largest functions of big
// programs, twice, and checks the plans.
func TestMarksOfLargeFunctions(t *testing.T) {
	for _, f := range []string{"/usr/bin/python3", "/usr/bin/gdb", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/node", "/proc/self/exe"} {
		t.Run(filepath.Base(f), func(t *testing.T) {
			f, err := filepath.EvalSymlinks(f)
			if err != nil {
				t.Skipf("%v", err)
			}
			if _, err := os.Stat(f); err != nil {
				t.Skipf("%v", err)
			}
			text := loadText(t, f)
			for _, s := range bigFunctions(text, 5) {
				plan := func() (*Plan, []Mark, int) {
					p := NewPlan(text, text.maps, []uint64{s.lo + 2})
					marks, blocks, err := p.Marks(s.lo, s.hi)
					if err != nil {
						t.Fatal(err)
					}
					return p, marks, blocks
				}
				p, marks, blocks := plan()
				checkPlan(t, p, text.maps)
				q, _, _ := plan()
				if !reflect.DeepEqual(p.Writes(), q.Writes()) || !reflect.DeepEqual(p.Maps(), q.Maps()) {
					t.Errorf("%#x: two plans differ", s.lo)
				}
				single, several, puns := 0, 0, 0
				for _, m := range marks {
					switch {
					case m.Stub.win.direct:
						single++
					case m.Stub.win.n >= 5:
						several++
					default:
						puns++
					}
				}
				t.Logf("%#x: %d bytes, %d blocks, %d single + %d several + %d puns, %d maps",
					s.lo, s.hi-s.lo, blocks, single, several, puns, len(p.Maps()))
				if len(marks)*4 < blocks*3 {
					t.Errorf("%#x: only %d of %d blocks have marks", s.lo, len(marks), blocks)
				}
			}
		})
	}
}

// TestPlanAtEveryInstruction asks for a stub at every single instruction of
// functions, so that all kinds of windows and neighbours occur.
func TestPlanAtEveryInstruction(t *testing.T) {
	text := loadText(t, build(t, "odd.c", flagsOf("-O2 -static")...))
	for n, s := range bigFunctions(text, 30) {
		bl, err := text.Blocks(s.lo, s.hi)
		if err != nil {
			t.Fatal(err)
		}
		p := NewPlan(text, text.maps, nil)
		tried, done := 0, 0
		for k := range bl {
			for j := range bl[k].Insts {
				if n%2 == 1 && j%3 != 1 {
					continue
				}
				tried++
				before, data := len(p.patches), p.data.used
				_, err := p.Add(bl[k].Insts[j].PC, Spec{Ring: true, Limited: j%2 == 0})
				if err == nil {
					done++
				} else if !errors.Is(err, ErrUnpatchable) {
					t.Fatal(err)
				} else if len(p.patches) != before || p.data.used != data {
					t.Fatal("a failed Add changed the plan")
				}
			}
		}
		if done > 0 {
			checkPlan(t, p, text.maps)
		}
	}
}

// TestPatchable: what can be patched, says so, and the other way round. Trampolines
// that lie as far as jumps reach on either side of the code have a stub in reach.
func TestPatchable(t *testing.T) {
	x := start(t, build(t, "odd.c", flagsOf("-O2")...))
	x.runTo(x.sym("main"))
	text, maps := x.text(), x.maps()
	far := 0
	for _, f := range text.Funcs(x.sym("main")) {
		bl, err := text.Blocks(f[0], f[1])
		if err != nil {
			continue
		}
		for k := range bl {
			for _, in := range bl[k].Insts {
				p := NewPlan(text, maps, nil)
				can := p.Patchable(in.PC)
				s, err := p.Add(in.PC, Spec{})
				if can != (err == nil) {
					t.Errorf("%#x: patchable is %v, but: %v", in.PC, can, err)
				}
				if err == nil && s.tramp != 0 && !within(in.PC-aside, s.tramp) {
					far++
				}
			}
		}
	}
	t.Logf("%d far trampolines", far)
	if far == 0 {
		t.Error("no trampoline was far from where stubs are")
	}
}

// TestRefusals: addresses that must not be patched.
func TestRefusals(t *testing.T) {
	x := start(t, build(t, "odd.c", flagsOf("-O2")...))
	x.runTo(x.sym("main"))
	text := x.text()
	refused := func(what string, addr uint64, avoid []uint64, protect ...uint64) {
		t.Helper()
		p := NewPlan(text, x.maps(), avoid)
		for _, a := range protect {
			p.Protect(a, a+1)
		}
		if s, err := p.Add(addr, Spec{}); !errors.Is(err, ErrUnpatchable) {
			t.Errorf("%s: %v, %v", what, s, err)
		}
		if p.Patchable(addr) {
			t.Errorf("%s: patchable", what)
		}
	}
	// calls: push, push, push: a window of short instructions.
	at := x.sym("calls")
	if p := NewPlan(text, x.maps(), nil); !p.Patchable(at) {
		t.Fatalf("%#x cannot be patched at all", at)
	}
	refused("a thread inside", at, []uint64{at + 1})
	refused("a protected byte", at, nil, at+3)
	refused("not an instruction", at+2, nil)
	refused("a stack", x.regs().Rsp, nil)
	refused("unmapped", 0x1000, nil)
	// The instruction behind a lock prefix that is jumped over.
	lo, hi, _ := text.Func(x.sym("lockskip"))
	bl, err := text.Blocks(lo, hi)
	if err != nil {
		t.Fatal(err)
	}
	locks := 0
	for _, b := range bl {
		for _, i := range b.Insts {
			if i.lockPfx {
				locks++
				refused("lock prefix", i.PC, nil)
			}
		}
	}
	if locks != 2 {
		t.Errorf("%d locked instructions found", locks)
	}
	// A second stub at the same place, and over it.
	p := NewPlan(text, x.maps(), nil)
	if _, err := p.Add(at, Spec{}); err != nil {
		t.Fatal(err)
	}
	for d := uint64(0); d < 5; d++ {
		if _, err := p.Add(at+d, Spec{}); err == nil {
			t.Errorf("two stubs at %#x+%d", at, d)
		}
	}
	// Bad specifications.
	for _, s := range []Spec{
		{Match: &Match{}, Cond: &Cond{}},
		{Match: &Match{Words: make([]Word, 9)}},
		{Cond: &Cond{}},
		{Cond: &Cond{Terms: []Term{{Operand: Operand{Width: 3}}}}},
		{Cond: &Cond{Terms: []Term{{Operand: Operand{Width: 8, Reg: 16}}}}},
		{Cond: &Cond{Terms: []Term{{Operand: Operand{Width: 8, Reg: NoReg}}}}},
		{Cond: &Cond{Terms: []Term{{Operand: Operand{Width: 8}, Op: 10}}}},
	} {
		if _, err := NewPlan(text, x.maps(), nil).Add(at, s); err == nil || errors.Is(err, ErrUnpatchable) {
			t.Errorf("specification %+v: %v", s, err)
		}
	}
}

// TestPlanWholeModule plans marks for every function of a program at once.
func TestPlanWholeModule(t *testing.T) {
	for _, f := range []string{"/usr/bin/python3", "/lib/x86_64-linux-gnu/libc.so.6"} {
		t.Run(filepath.Base(f), func(t *testing.T) {
			f, err := filepath.EvalSymlinks(f)
			if err != nil {
				t.Skipf("%v", err)
			}
			text := loadText(t, f)
			p := NewPlan(text, text.maps, nil)
			blocks := 0
			for _, s := range text.module(text.areas[0]).functions() {
				if _, n, err := p.Marks(s.lo, s.hi); err == nil {
					blocks += n
				}
			}
			t.Logf("%d of %d blocks, %d maps", len(p.Stubs()), blocks, len(p.Maps()))
			if len(p.Stubs())*10 < blocks*8 {
				t.Errorf("only %d of %d blocks have marks", len(p.Stubs()), blocks)
			}
		})
	}
}
