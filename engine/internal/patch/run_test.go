package patch

import (
	"strings"
	"syscall"
	"testing"
)

// truth counts by breakpoints how often the given addresses are executed from
// the process's present point to its end.
func truth(x *proc, addrs []uint64) map[uint64]uint64 {
	counts := map[uint64]uint64{}
	old := map[uint64]byte{}
	for _, a := range addrs {
		var b [1]byte
		x.Read(a, b[:])
		old[a] = b[0]
	}
	for a := range old {
		x.write(a, []byte{0xcc})
	}
	at := x.regs().Rip
	over := func() { // execute the instruction at at, which may have a breakpoint
		if b, ok := old[at]; ok {
			counts[at]++
			x.write(at, []byte{b})
			s := x.step()
			if x.done {
				return
			}
			if s != syscall.SIGTRAP {
				x.t.Fatalf("stepping over %#x: %v", at, s)
			}
			x.write(at, []byte{0xcc})
		}
	}
	over()
	for !x.done {
		// A step may have led to another breakpoint's address.
		at = x.regs().Rip
		if _, ok := old[at]; ok {
			over()
			continue
		}
		if s := x.cont(0); x.done {
			break
		} else if s != syscall.SIGTRAP {
			x.t.Fatalf("counting: %v at %#x", s, x.regs().Rip)
		}
		r := x.regs()
		r.Rip--
		x.setRegs(r)
		at = r.Rip
		over()
	}
	return counts
}

func flagsOf(name string) []string { return append(strings.Fields(name), "-g0", "-w") }

var builds = []string{"-O0", "-O2", "-O3 -march=native", "-O2 -fno-pie -no-pie", "-O2 -static", "-Os -fcf-protection=none"}

// TestCounts patches every block of every function of the program, runs it to
// its end and holds the counters against breakpoints.
func TestCounts(t *testing.T) {
	for _, fl := range builds {
		t.Run(fl, func(t *testing.T) {
			exe := build(t, "mix.c", flagsOf(fl)...)
			x := start(t, exe, "100")
			x.runTo(x.sym("main"))
			text := x.text()
			p := NewPlan(text, x.maps(), []uint64{x.regs().Rip})
			blocks, planned := 0, 0
			for _, fn := range []string{"main", "interp", "cmp", "fib", "put", "series", "ack", "rnd"} {
				a, ok := symbol(x, fn)
				if !ok {
					continue // inlined
				}
				lo, hi, ok := text.Func(a)
				if !ok {
					t.Fatalf("no function at %s", fn)
				}
				bl, err := text.Blocks(lo, hi)
				if err != nil {
					t.Fatal(err)
				}
				for k := range bl {
					blocks++
					if _, _, err := p.AddNear(bl[k].Lo(), Spec{Ring: k%2 == 0, Limited: k%3 == 0, Limit: never}); err == nil {
						planned++
					}
				}
			}
			x.install(p)
			x.finish(p, nil)
			got := x.counters
			y := start(t, exe, "100")
			y.runTo(y.sym("main"))
			var addrs []uint64
			for _, s := range p.Stubs() {
				addrs = append(addrs, s.Addr)
			}
			want := truth(y, addrs)
			if x.output() != y.output() || x.output() == "" {
				t.Errorf("output %q, unpatched %q", x.output(), y.output())
			}
			bad := 0
			var total uint64
			for _, s := range p.Stubs() {
				total += want[s.Addr]
				if got[s.Addr] != want[s.Addr] {
					if bad++; bad < 10 {
						t.Errorf("stub at %#x (%d bytes, %d insts): counted %d, breakpoints %d", s.Addr, s.win.n, len(s.win.insts), got[s.Addr], want[s.Addr])
					}
				}
			}
			t.Logf("%d blocks, %d stubs, %d executions, %d interior", blocks, planned, total, x.interiors)
			if planned*2 < blocks {
				t.Errorf("only %d of %d blocks could be patched", planned, blocks)
			}
		})
	}
}
