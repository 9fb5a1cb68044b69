package replay

import (
	"context"

	"yore/engine/internal/ptrace"
	"yore/engine/trace"
)

const flagTF = 0x100

// Completes reports whether an event of kind k is a step of its thread: what one
// step leads to. The others leave the thread where it is, in the middle of a system
// call or before an instruction.
func Completes(k trace.Kind) bool {
	switch k {
	case trace.Enter, trace.Preempt, trace.Stubs, trace.Cut:
		return false
	}
	return true
}

// stepOver runs to addr, the address behind a repeated string instruction.
func (r *Runner) stepOver(ctx context.Context, addr uint64) (Stop, error) {
	var old [1]byte
	if r.Space.Read(addr, old[:]) != 1 {
		return r.run(ctx, ptrace.SysemuStep, false)
	}
	if err := r.Space.Write(addr, []byte{0xcc}); err != nil {
		return AtEnd, err
	}
	stop, err := r.run(ctx, ptrace.Sysemu, false)
	if werr := r.Space.Write(addr, old[:]); err == nil {
		err = werr
	}
	if stop == Trap && r.Regs().Rip == addr+1 {
		regs := *r.Regs()
		regs.Rip = addr
		r.SetRegs(regs)
	}
	return stop, err
}

// Classify finds repeated string instructions (rep is their length) and pushf.
func Classify(b []byte) (rep int, pushf bool) {
	i, prefix := 0, false
	for i < len(b) && i < 14 {
		switch c := b[i]; {
		case c == 0xf2 || c == 0xf3:
			prefix = true
		case c == 0x66 || c == 0x67 || c&0xf0 == 0x40 || c == 0x2e || c == 0x36 || c == 0x3e || c == 0x26 || c == 0x64 || c == 0x65:
		default:
			if prefix && (c >= 0xa4 && c <= 0xa7 || c >= 0xaa && c <= 0xaf) {
				return i + 1, false
			}
			return 0, c == 0x9c
		}
		i++
	}
	return 0, false
}
