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
	for sig := syscall.Signal(0); ; {
		at := x.regs().Rip
		b, ok := old[at]
		if ok && sig == 0 {
			// Execute the instruction under the breakpoint.
			counts[at]++
			x.write(at, []byte{b})
			s := x.step()
			if x.done {
				return counts
			}
			x.write(at, []byte{0xcc})
			if x.how(s) == Fault {
				sig = s
			}
			continue
		}
		var s syscall.Signal
		if sig != 0 {
			s = x.stepWith(sig) // to the handler's first instruction
			sig = 0
			if s == syscall.SIGTRAP {
				continue
			}
		} else {
			s = x.cont(0)
		}
		if x.done {
			return counts
		}
		switch x.how(s) {
		case Fault:
			sig = s
		case Trap:
			r := x.regs()
			r.Rip--
			x.setRegs(r)
		default:
			x.t.Fatalf("counting: %v at %#x", s, x.regs().Rip)
		}
	}
}

func flagsOf(name string) []string { return append(strings.Fields(name), "-g0", "-w") }

var builds = []string{"-O0", "-O2", "-O3 -march=native", "-O2 -fno-pie -no-pie", "-O2 -static", "-Os -fcf-protection=none"}

// TestCounts patches every block of every function of the program, runs it to
// its end and holds the counters against breakpoints.
func TestCounts(t *testing.T) {
	for _, prog := range []struct {
		src   string
		funcs string
	}{
		{"mix.c", "main interp cmp fib put series ack rnd"},
		{"odd.c", "main calls leaf1 leaf2 table adds loops strings lockskip redzone frames fault handler vectors fpu mix"},
	} {
		for _, fl := range builds {
			t.Run(prog.src+" "+fl, func(t *testing.T) {
				countsAgree(t, build(t, prog.src, flagsOf(fl)...), strings.Fields(prog.funcs))
			})
		}
	}
}

func countsAgree(t *testing.T, exe string, funcs []string) {
	x := start(t, exe, "1")
	x.runTo(x.sym("main"))
	text := x.text()
	p := NewPlan(text, x.maps(), []uint64{x.regs().Rip})
	blocks, planned := 0, 0
	for _, fn := range funcs {
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
	y := start(t, exe, "1")
	y.runTo(y.sym("main"))
	var addrs []uint64
	for _, s := range p.Stubs() {
		addrs = append(addrs, s.Addr)
	}
	want := truth(y, addrs)
	if x.output() != y.output() || x.output() == "" || x.code != y.code {
		t.Errorf("output %q status %d, unpatched %q %d", x.output(), x.code, y.output(), y.code)
	}
	bad := 0
	var total uint64
	for _, s := range p.Stubs() {
		total += want[s.Addr]
		if x.counters[s.Addr] != want[s.Addr] {
			if bad++; bad < 10 {
				t.Errorf("stub at %#x (%d bytes, %d insts): counted %d, breakpoints %d", s.Addr, s.win.n, len(s.win.insts), x.counters[s.Addr], want[s.Addr])
			}
		}
	}
	t.Logf("%d blocks, %d stubs, %d executions, %d at boundaries inside, %d faults", blocks, planned, total, x.interiors, x.faults)
	if planned*2 < blocks {
		t.Errorf("only %d of %d blocks could be patched", planned, blocks)
	}
}
