package patch

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A twin is an unpatched run, instruction by instruction.
type twin struct {
	states []twinState
	ends   bool
}

type twinState struct {
	regs   unix.PtraceRegs
	stack  [256]byte // from rsp−128
	xstate []byte    // every 64th instruction
	nth    uint64    // how often the instruction at rip has been reached
}

// comparable drops what stepping itself shows.
func plain(r unix.PtraceRegs) unix.PtraceRegs {
	r.Orig_rax = 0
	r.Eflags &^= 0x10100 // RF, TF
	return r
}

func (x *proc) stack(r *unix.PtraceRegs) (b [256]byte) {
	x.Read(r.Rsp-128, b[:])
	return
}

// stepOnce steps, delivering sig. What the kernel tells differently in every run
// (random numbers, the output file's inode and times) is made the same.
func (x *proc) stepOnce(sig syscall.Signal) syscall.Signal {
	r := x.regs()
	var code [2]byte
	x.Read(r.Rip, code[:])
	s := x.stepWith(sig)
	if code == [2]byte{0x0f, 0x05} && !x.done {
		switch r.Rax {
		case unix.SYS_GETRANDOM:
			x.write(r.Rdi, bytes.Repeat([]byte{7}, int(r.Rsi)))
		case unix.SYS_FSTAT:
			x.write(r.Rsi+8, make([]byte, 8))   // inode
			x.write(r.Rsi+72, make([]byte, 48)) // times
		case unix.SYS_NEWFSTATAT:
			x.write(r.Rdx+8, make([]byte, 8))
			x.write(r.Rdx+72, make([]byte, 48))
		}
	}
	return s
}

// record steps x for at most n instructions.
func record(x *proc, n int) *twin {
	w := &twin{}
	reached := map[uint64]uint64{}
	rep := map[uint64]bool{}
	sig, faulted := syscall.Signal(0), false
	for len(w.states) < n {
		r := x.regs()
		st := twinState{regs: plain(r), stack: x.stack(&r)}
		if len(w.states)%64 == 0 {
			st.xstate = x.xstate()
		}
		isRep, ok := rep[r.Rip]
		if !ok {
			var b [15]byte
			i, err := Decode(b[:x.Read(r.Rip, b[:])], r.Rip)
			isRep = err == nil && i.IsRep
			rep[r.Rip] = isRep
		}
		if k := len(w.states); k == 0 || !isRep && !faulted || w.states[k-1].regs.Rip != r.Rip {
			reached[r.Rip]++
		}
		st.nth = reached[r.Rip]
		if !faulted {
			w.states = append(w.states, st)
		}
		s := x.stepOnce(sig)
		if sig, faulted = 0, false; x.done {
			w.ends = true
			break
		} else if x.how(s) == Fault {
			sig, faulted = s, true
		} else if s != syscall.SIGTRAP {
			x.t.Fatalf("twin: %v at %#x", s, x.regs().Rip)
		}
	}
	return w
}

// follow steps the patched process x and holds its mapped-back state against
// the twin at every instruction. Now and then it sets the thread to the mapped
// state instead of going on inside the stub.
func (w *twin) follow(x *proc, p *Plan, rnd *rand.Rand) error {
	j := 0
	visits := map[Where]int{}
	rewinds := 0
	s := syscall.SIGTRAP
	stepped := false
	for n := 0; ; n++ {
		r := x.regs()
		how := Async
		if stepped {
			how = x.how(s)
		}
		f, err := p.Fix(r, how, x)
		if err != nil {
			return err
		}
		visits[f.Where]++
		got := plain(f.Regs)
		if got != w.states[j].regs {
			if j+1 < len(w.states) && got == w.states[j+1].regs {
				j++
			} else {
				k := min(j+1, len(w.states)-1)
				return fmt.Errorf("step %d (rip %#x, %v, %v): state\n %+v\nis neither\n %+v nor\n %+v", n, r.Rip, f.Where, how, got, w.states[j].regs, w.states[k].regs)
			}
		}
		if j == len(w.states)-1 && !w.ends {
			break
		}
		want := &w.states[j]
		stack := x.stack(&f.Regs)
		for _, m := range f.Memory {
			if o := int64(m.Addr - (f.Regs.Rsp - 128)); o >= 0 && o+8 <= 256 {
				copy(stack[o:], m.Data)
			}
		}
		if stack != want.stack {
			return fmt.Errorf("step %d (rip %#x, program's %#x, %v): the stack differs", n, r.Rip, f.Regs.Rip, f.Where)
		}
		if want.xstate != nil && n%16 == 0 {
			if got := x.xstate(); !bytes.Equal(got, want.xstate) {
				i := 0
				for got[i] == want.xstate[i] {
					i++
				}
				return fmt.Errorf("step %d (rip %#x, %v): the xstate differs from byte %d on: %x, should be %x", n, r.Rip, f.Where, i, got[i&^15:][:64], want.xstate[i&^15:][:64])
			}
		}
		at := f.Stub
		if at == nil {
			at = p.At(f.Regs.Rip)
		}
		if at != nil && f.Regs.Rip == at.Addr {
			c, err := at.Count(x)
			if err != nil {
				return err
			}
			expect := want.nth - 1
			if f.Counted {
				expect++
			}
			if c != expect {
				return fmt.Errorf("step %d (rip %#x, %v): stub of %#x counted %d, should have %d", n, r.Rip, f.Where, at.Addr, c, expect)
			}
		}
		var sig syscall.Signal
		switch {
		case how == Fault && f.Where != Interior && f.Where != Stumble:
			sig = x.ownFault(p, f, s)
		case f.Stub != nil && rnd.Intn(40) == 0:
			// Leave the stub as though it had not been entered.
			x.apply(f.Memory)
			x.apply(f.Rewind)
			x.write(p.data.base, bytes.Repeat([]byte{0xa5}, 16)) // save, flags
			x.write(p.data.base+offTarget, bytes.Repeat([]byte{0x5a}, 24))
			x.setRegs(f.Regs)
			rewinds++
			if f.Where == Interior {
				x.setRegs(f.Resume)
			}
		case f.Where == LimitHit || f.Where == TestHit || f.Where == Interior || f.Where == Stumble:
			x.setRegs(f.Resume)
		}
		s = x.stepOnce(sig)
		stepped = true
		if x.done {
			if !w.ends || j != len(w.states)-1 {
				return fmt.Errorf("ended after %d of %d instructions", j, len(w.states))
			}
			break
		}
	}
	x.t.Logf("%d instructions, %d stubs, visits %v, %d rewinds", j, len(p.Stubs()), visits, rewinds)
	if visits[Before] == 0 || visits[Inside] == 0 {
		return fmt.Errorf("no stub was visited")
	}
	return nil
}

// fixTID gives the thread the same id in every run, where the C library keeps it.
func (x *proc) fixTID() {
	at := x.regs().Fs_base + 0x2d0
	if v := word8(x, at); uint32(v) == uint32(x.pid) {
		x.apply([]Write{word(at, v&^0xffffffff|4242)})
	}
}

// clearStack zeroes what lies below the stack pointer, at the beginning of a
// function: dead values of earlier code, among them ld.so's time stamps.
func (x *proc) clearStack() {
	r := x.regs()
	for _, m := range x.maps() {
		if r.Rsp >= m.Lo && r.Rsp < m.Hi {
			x.write(m.Lo, make([]byte, r.Rsp-m.Lo))
		}
	}
}

// TestEveryInstruction single-steps a program in which every block of every
// function that is executed, the C library's included, has a stub.
func TestEveryInstruction(t *testing.T) {
	specs := []func(k int) Spec{
		func(k int) Spec { return Spec{Ring: true} },
		func(k int) Spec { return Spec{Limited: true, Limit: uint64(k%5 + 1), Ring: k%2 == 0} },
	}
	for k, c := range []struct {
		src, flags, from string
		n                int
	}{
		{"mix.c", "-O0", "main", 3000}, {"mix.c", "-O2", "main", 3000}, {"mix.c", "-O3 -march=native", "cmp", 3000},
		{"mix.c", "-O2 -static", "main", 3000}, {"mix.c", "-O2 -fno-pie -no-pie -fno-plt", "cmp", 3000},
		{"odd.c", "-O0", "main", 5000}, {"odd.c", "-O2", "main", 5000}, {"odd.c", "-O2 -static", "main", 12000}, // to its end
	} {
		n := c.n * long()
		if testing.Short() {
			n /= 4
		}
		t.Run(c.src+" "+c.flags+" "+c.from, func(t *testing.T) {
			exe := build(t, c.src, flagsOf(c.flags)...)
			begin := func() *proc {
				x := start(t, exe, "100")
				x.runTo(x.sym(c.from))
				x.fixTID()
				x.clearStack()
				return x
			}
			x := begin()
			w := record(x, n)
			y := begin()
			text := y.text()
			p := NewPlan(text, y.maps(), []uint64{y.regs().Rip})
			blocks := 0
			seen := map[uint64]bool{}
			for j := range w.states {
				lo, hi, ok := text.Func(w.states[j].regs.Rip)
				if !ok || seen[lo] {
					continue
				}
				seen[lo] = true
				bl, err := text.Blocks(lo, hi)
				if err != nil {
					t.Fatal(err)
				}
				for b := range bl {
					blocks++
					// Anywhere in the block: all kinds of windows are wanted.
					from := bl[b].Insts[(b*7)%len(bl[b].Insts)].PC
					_, _, err := p.AddNear(from, specs[k%2](b))
					if err != nil {
						p.AddNear(bl[b].Lo(), specs[k%2](b))
					}
				}
			}
			y.install(p)
			kinds := map[string]int{}
			for _, s := range p.Stubs() {
				switch {
				case s.win.direct:
					kinds["single"]++
				case s.win.n >= 5:
					kinds["several"]++
				default:
					kinds["pun"]++
				}
			}
			t.Logf("%d functions, %d blocks, %v", len(seen), blocks, kinds)
			if err := w.follow(y, p, rand.New(rand.NewSource(int64(k)))); err != nil {
				t.Fatal(strings.ReplaceAll(err.Error(), " ", " "))
			}
		})
	}
}
