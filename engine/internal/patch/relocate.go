package patch

// Relocated copies of instructions.
//
// A copy does exactly what the instruction does at its own place, and wherever
// a copy of several instructions can be interrupted, the program's own state is
// known (point.st). Not movable, and so never part of a window, is what shows
// its own address or must not be executed twice: system calls (rcx), x87 and
// MMX (the saved instruction pointer), transactions, time sources (the recorder
// replaces them), traps, what holds off traps.
//
// A call becomes a push of the original return address and a jump. Under a
// shadow stack (no distribution enables one for user programs yet) that would
// not do.

// movable reports whether i can be executed at another address.
func (i *Inst) movable() bool {
	if i.Time != NoTime {
		return false
	}
	if i.a32 && i.RIPOff != 0 {
		return false
	}
	switch i.Kind {
	case Stop, Syscall:
		return false
	case Loop:
		return i.op != 0xc7 // xbegin
	case CallIndirect, JmpIndirect, Ret, Call, Jmp, Jcc:
		return true
	}
	if i.enc != legacy {
		return true
	}
	switch i.omap {
	case 0:
		switch op := i.op; {
		case i.attr&aFPU != 0, op == 0x9b: // x87, fwait
			return false
		case op == 0x8e: // mov to a segment register: mov ss holds off traps
			return false
		case op == 0xc6 && i.modrm == 0xf8: // xabort
			return false
		case op >= 0x6c && op <= 0x6f, op >= 0xe4 && op <= 0xe7, op >= 0xec && op <= 0xef,
			op == 0xfa, op == 0xfb: // in, out, cli, sti
			return false
		case op == 0x9d: // popf may set the trap flag
			return false
		}
	case 1:
		switch op := i.op; {
		case op == 0x01 && !i.isMem, op == 0x06, op >= 0x08 && op <= 0x0b, op >= 0x20 && op <= 0x27,
			op >= 0x30 && op <= 0x37: // system instructions, xend, xtest
			return false
		case op == 0xb2: // lss
			return false
		case i.pp == 0 && (op >= 0x60 && op <= 0x7f || op >= 0xd1 && op <= 0xfe || op == 0x2a || op == 0x2c || op == 0x2d || op == 0xc4 || op == 0xc5):
			return false // MMX
		}
	case 2, 3:
		return i.pp != 0 || i.attr&aVec == 0 || i.omap == 2 && i.op >= 0xc8 // MMX forms of SSSE3
	}
	return true
}

// rel32 appends op and the 32-bit displacement to target for code that will
// lie at base; false when it does not reach.
func (a *asm) rel32(target uint64, op ...byte) {
	at := a.pc() + uint64(len(op)) + 4
	d := int64(target - at)
	if d != int64(int32(d)) {
		a.far = true
	}
	a.op(le.AppendUint32(op, uint32(int32(d)))...)
}

// rip emits op with a RIP-relative operand at target, modrm included in op.
func (a *asm) rip(target uint64, op ...byte) { a.rel32(target, op...) }

// copyInst emits the copy of i; what follows in the stub continues behind it.
func (a *asm) copyInst(i *Inst) {
	a.orig = i.PC
	switch i.Kind {
	case Jmp:
		if d := int64(i.Target - (a.pc() + 5)); d != int64(int32(d)) {
			a.op(le.AppendUint64([]byte{0xff, 0x25, 0, 0, 0, 0}, i.Target)...) // jmp [rip+0]
			break
		}
		a.rel32(i.Target, 0xe9)
	case Jcc:
		a.rel32(i.Target, 0x0f, 0x80|i.op&15)
	case Loop:
		// loop 1f; jmp 2f; 1: jmp target; 2:
		o := append([]byte(nil), i.raw[:i.Len-1]...)
		a.op(append(o, 2)...)
		a.st |= stDone
		a.orig = i.Next()
		a.op(0xeb, 5)
		a.orig = i.Target
		a.rel32(i.Target, 0xe9)
	case Call:
		a.pushReturn(i.Next())
		a.st |= stDone
		a.orig = i.Target
		a.rel32(i.Target, 0xe9)
	case CallIndirect:
		a.callIndirect(i)
	default:
		a.moved(i.Bytes(), i, i.RIPOff)
	}
	a.orig = i.Next()
	a.st |= stDone
}

// moved emits b, a form of i, with the RIP-relative displacement at off of b
// corrected for the new place.
func (a *asm) moved(b []byte, i *Inst, off int) {
	b = append([]byte(nil), b...)
	if i.RIPOff != 0 {
		d := int64(i.Next() + uint64(i.disp) - (a.pc() + uint64(len(b))))
		if d != int64(int32(d)) {
			a.far = true
		}
		le.PutUint32(b[off:], uint32(int32(d)))
	}
	a.op(b...)
}

// pushReturn pushes the address ret.
func (a *asm) pushReturn(ret uint64) {
	if int64(ret) == int64(int32(ret)) {
		a.op(le.AppendUint32([]byte{0x68}, uint32(ret))...)
		return
	}
	a.lits = append(a.lits, literal{len(a.b) + 2, ret})
	a.op(0xff, 0x35, 0, 0, 0, 0)
}

// callIndirect emits a call through a register or memory. The target is read
// before the push, as the processor does; the stack word that the push will
// overwrite is kept, so that a call that faults at its target's address (not
// canonical) can be taken back.
func (a *asm) callIndirect(i *Inst) {
	a.store(offSave) // mov [save], rax
	a.st |= stRAX
	// mov rax, operand
	var b []byte
	p := 0
	for ; i.raw[p] != 0xff; p++ {
		if c := i.raw[p]; c == 0x64 || c == 0x65 || c == 0x67 {
			b = append(b, c)
		}
	}
	b = append(b, 0x48|i.rex&3, 0x8b, i.modrm&^0x38)
	off := len(b)
	b = append(b, i.raw[p+2:i.Len]...)
	a.moved(b, i, off)
	a.store(offTarget)
	a.op(0x48, 0x8b, 0x44, 0x24, 0xf8) // mov rax, [rsp-8]
	a.store(offOld)
	a.load(offSave)
	a.st &^= stRAX
	a.pushReturn(i.Next())
	a.st |= stPushed
	a.abs(offTarget, 0xff, 0x24) // jmp [target]
	a.st &^= stPushed
}
