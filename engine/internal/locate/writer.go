package locate

import (
	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
)

// writer is an instruction that accesses watched memory, perhaps among others.
type writer struct {
	pc uint64
	in patch.Inst
	// test holds at least whenever it accesses watched memory; nil is always.
	test *patch.Cond
}

// writerOf returns the instruction whose access to words[hit] a debug register
// has just reported. ok is false when it cannot be told.
func (l *Locator) writerOf(g *rig, words []Watch, hit int) (w writer, ok bool, err error) {
	if err := g.strip(); err != nil { // text is read unpatched
		return w, false, err
	}
	text, _, err := l.text(g.r)
	if err != nil {
		return w, false, err
	}
	in, ok := accessBefore(g.r, text, g.r.Regs(), &words[hit])
	if !ok {
		return w, false, nil
	}
	return writer{in.PC, in, condition(&in, words)}, true, nil
}

func accessBefore(r *replay.Runner, text *patch.Text, regs *ptrace.Regs, w *Watch) (patch.Inst, bool) {
	if in, ok := decode(r, regs.Rip); ok && in.IsRep {
		if as, _ := in.Accesses(regs); touches(as, w, true) || touched(as, w) {
			return in, true // between two iterations
		}
	}
	if w.Addr < regs.Rsp+8 && regs.Rsp < w.Addr+uint64(w.Len) {
		if ret, ok := r.Space.Uint64(regs.Rsp); ok {
			if in, ok := endingAt(text, ret); ok && (in.Kind == patch.Call || in.Kind == patch.CallIndirect) && regs.Rip != ret {
				return in, true // its return address
			}
		}
	}
	in, ok := endingAt(text, regs.Rip)
	return in, ok && (w.Reads || in.Stores())
}

// endingAt returns the instruction that ends where pc begins.
func endingAt(text *patch.Text, pc uint64) (patch.Inst, bool) {
	lo, hi, ok := text.Func(pc - 1)
	if !ok {
		return patch.Inst{}, false
	}
	blocks, err := text.Blocks(lo, hi)
	if err != nil {
		return patch.Inst{}, false
	}
	for i := range blocks {
		if b := &blocks[i]; b.Lo() < pc && pc <= b.Hi() {
			for k := range b.Insts {
				if b.Insts[k].Next() == pc {
					return b.Insts[k], true
				}
			}
		}
	}
	return patch.Inst{}, false
}

// touches reports whether one of the accesses can be to watched memory.
func touches(as []patch.Access, w *Watch, reads bool) bool {
	for _, a := range as {
		if (a.Write || reads) && a.Addr < w.Addr+uint64(w.Len) && w.Addr < a.Addr+a.Len {
			return true
		}
	}
	return false
}

// touched reports whether an iteration before the accesses that are left can
// have been to watched memory.
func touched(as []patch.Access, w *Watch) bool {
	const step = 8
	for _, a := range as {
		if a.Addr-step < w.Addr+uint64(w.Len) && w.Addr < a.Addr+a.Len+step {
			return true
		}
	}
	return false
}

// condition returns a test of the registers that holds whenever in accesses one
// of the words, nil when one would need more than one register.
func condition(in *patch.Inst, words []Watch) *patch.Cond {
	if in.IsString {
		return nil
	}
	var zero ptrace.Regs
	a, ok := only(in, &zero, words[0].Reads)
	if !ok {
		return nil
	}
	base := -1
	for n := range 16 {
		const far = 1 << 40
		r := zero
		setGPR(&r, n, far)
		b, ok := only(in, &r, words[0].Reads)
		switch {
		case !ok:
			return nil
		case b.Addr == a.Addr:
		case b.Addr-a.Addr == far && base < 0:
			base = n
		default:
			return nil
		}
	}
	seg := zero
	seg.Fs_base, seg.Gs_base = 1<<40, 1<<40
	if b, _ := only(in, &seg, words[0].Reads); base < 0 || b.Addr != a.Addr {
		return nil
	}
	lo, hi := words[0].Addr, uint64(0)
	for _, w := range words {
		lo, hi = min(lo, w.Addr), max(hi, w.Addr+uint64(w.Len))
	}
	// The access at base + a.Addr overlaps [lo, hi).
	first, last := lo-a.Addr-(a.Len-1), hi-a.Addr
	if last < first {
		return nil
	}
	reg := patch.Operand{Reg: base, Width: 8}
	return &patch.Cond{Terms: []patch.Term{
		{Operand: reg, Op: patch.GeU, Value: first},
		{Operand: reg, Op: patch.LtU, Value: last},
	}}
}

// only returns the one range that in accesses.
func only(in *patch.Inst, r *ptrace.Regs, reads bool) (patch.Access, bool) {
	as, exact := in.Accesses(r)
	n := 0
	var out patch.Access
	for _, a := range as {
		if a.Write || reads {
			out, n = a, n+1
		}
	}
	return out, exact && n == 1
}

func setGPR(r *ptrace.Regs, n int, v uint64) {
	*[...]*uint64{&r.Rax, &r.Rcx, &r.Rdx, &r.Rbx, &r.Rsp, &r.Rbp, &r.Rsi, &r.Rdi,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15}[n] = v
}
