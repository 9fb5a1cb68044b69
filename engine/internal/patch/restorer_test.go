package patch

import (
	"testing"
)

// TestSignalReturn looks at the code that signal handlers return to: its record
// in .eh_frame begins one byte before it.
func TestSignalReturn(t *testing.T) {
	for _, flags := range []string{"-O2", "-O2 -static"} {
		x := start(t, build(t, "odd.c", flagsOf(flags)...), "1")
		x.runTo(x.sym("fault"))
		handler := x.sym("handler")
		sig := x.cont(0)
		if x.stepWith(sig); x.regs().Rip != handler {
			t.Fatalf("%v led to %#x, not to the handler", sig, x.regs().Rip)
		}
		var b [8]byte
		x.Read(x.regs().Rsp, b[:])
		ret := le.Uint64(b[:])
		lo, hi, ok := x.text().Func(ret)
		if !ok || lo != ret {
			t.Fatalf("%s: the function that the handler returns to begins at %#x, found %#x–%#x %v", flags, ret, lo, hi, ok)
		}
		bl, err := x.text().Blocks(lo, hi)
		if err != nil || len(bl) != 1 || len(bl[0].Insts) != 2 {
			t.Fatalf("%s: blocks %+v, %v; want mov and syscall", flags, bl, err)
		}
	}
}
