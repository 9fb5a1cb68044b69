package patch

import "golang.org/x/sys/unix"

// Access is a range of memory that an instruction may touch.
type Access struct {
	Addr, Len   uint64
	Read, Write bool
	// Sure: exactly these bytes are accessed as said. Otherwise the range
	// covers what may be accessed, and may be larger.
	Sure bool
}

// xsaveLen covers every state component but AMX's tiles; amxLen those too.
const (
	xsaveLen = 4096
	amxLen   = 12288
)

// GPR returns general register n (0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp,
// 6 rsi, 7 rdi, 8–15), the processor's own numbering.
func GPR(r *unix.PtraceRegs, n int) uint64 { return *gpr(r, n) }

func gpr(r *unix.PtraceRegs, n int) *uint64 {
	switch n {
	case 0:
		return &r.Rax
	case 1:
		return &r.Rcx
	case 2:
		return &r.Rdx
	case 3:
		return &r.Rbx
	case 4:
		return &r.Rsp
	case 5:
		return &r.Rbp
	case 6:
		return &r.Rsi
	case 7:
		return &r.Rdi
	case 8:
		return &r.R8
	case 9:
		return &r.R9
	case 10:
		return &r.R10
	case 11:
		return &r.R11
	case 12:
		return &r.R12
	case 13:
		return &r.R13
	case 14:
		return &r.R14
	}
	return &r.R15
}

// ea computes the address of the memory operand, with the displacement scaled
// by 1<<shift. rsp is taken as given in sp (pop uses the incremented one).
func (i *Inst) ea(r *unix.PtraceRegs, sp uint64, shift uint) uint64 {
	var a uint64
	switch i.base {
	case noReg:
	case ripRg:
		a = i.Next()
	case 4:
		a = sp
	default:
		a = GPR(r, int(i.base))
	}
	if i.index != noReg {
		x := sp
		if i.index != 4 {
			x = GPR(r, int(i.index))
		}
		a += x << i.scale
	}
	a += uint64(i.disp) << shift
	if i.a32 {
		a &= 0xffffffff
	}
	return a + i.segBase(r)
}

func (i *Inst) segBase(r *unix.PtraceRegs) uint64 {
	switch i.seg {
	case 0x64:
		return r.Fs_base
	case 0x65:
		return r.Gs_base
	}
	return 0
}

// ThreadLocal reports whether i's memory operand is relative to fs or gs, which
// differ between threads.
func (i *Inst) ThreadLocal() bool { return i.isMem && (i.seg == 0x64 || i.seg == 0x65) }

// Vector reports whether i's memory operand is addressed by a vector register
// or a tile's stride (gather, scatter, tileload, tilestore), which the general
// registers do not tell.
func (i *Inst) Vector() bool {
	if i.enc == legacy || i.omap != 2 || !i.isMem {
		return false
	}
	switch op := i.op; {
	case op >= 0x90 && op <= 0x93: // gathers
		return true
	case i.enc == evex && (op >= 0xa0 && op <= 0xa3 || op == 0xc6 || op == 0xc7):
		return true
	case i.enc == vex && (op == 0x4a || op == 0x4b): // tiles
		return true
	}
	return false
}

// Stores reports whether i may write memory.
func (i *Inst) Stores() bool {
	if i.Vector() {
		return i.enc == vex && i.op == 0x4b || i.op >= 0xa0 && i.op <= 0xa3
	}
	var r unix.PtraceRegs
	r.Rcx, r.Rsp, r.Rbp = 1, 1<<20, 1<<20
	as, _ := i.Accesses(&r)
	for _, a := range as {
		if a.Write {
			return true
		}
	}
	return false
}

// Accesses returns every range of memory that executing i with registers r
// reads or writes: operands, stack slots, whole ranges of repeated string
// instructions. Ranges may be too large, never too small; they may reach into
// unmapped memory. Not included is what the kernel does for syscall and int.
//
// exact is false when the ranges are not known from the general registers
// (gather, scatter, tiles): whoever must know what was written (see Stores)
// compares pages.
func (i *Inst) Accesses(r *unix.PtraceRegs) (out []Access, exact bool) {
	if i.Vector() {
		return nil, false
	}
	add := func(a, n uint64, rd, wr, sure bool) {
		out = append(out, Access{a, n, rd, wr, sure})
	}
	if i.IsString {
		return i.stringAccesses(r), true
	}
	sp := r.Rsp
	if i.enc == legacy && i.omap == 0 {
		switch op := i.op; {
		case op >= 0x50 && op <= 0x57, op == 0x68, op == 0x6a, op == 0x9c, op == 0xe8,
			op == 0xff && (i.Kind == CallIndirect || i.modrm>>3&7 == 6):
			n := uint64(8)
			if i.data16 && i.rex&8 == 0 && op != 0xe8 && i.Kind != CallIndirect {
				n = 2
			}
			add(sp-n, n, false, true, true)
		case op == 0xff && i.Kind == Stop: // far call
			add(sp-16, 16, false, true, false)
		case op >= 0x58 && op <= 0x5f, op == 0x9d, op == 0xc2, op == 0xc3:
			n := uint64(8)
			if i.data16 && i.rex&8 == 0 {
				n = 2
			}
			add(sp, n, true, false, true)
		case op == 0x8f:
			n := uint64(8)
			if i.data16 && i.rex&8 == 0 {
				n = 2
			}
			add(sp, n, true, false, true)
			sp += n // the operand's address is computed with the incremented rsp
		case op == 0xca, op == 0xcb, op == 0xcf:
			add(sp, 40, true, false, false)
		case op == 0xc9:
			add(r.Rbp, 8, true, false, false)
		case op == 0xc8:
			lvl := uint64(i.raw[i.Len-1] & 31)
			add(sp-8*(lvl+1), 8*(lvl+1), false, true, false)
			if lvl > 1 {
				add(r.Rbp-8*(lvl-1), 8*(lvl-1), true, false, false)
			}
		case op == 0xd7:
			a := r.Rbx + r.Rax&0xff
			if i.a32 {
				a &= 0xffffffff
			}
			add(a+i.segBase(r), 1, true, false, true)
		}
	}
	if i.enc == legacy && i.omap == 1 {
		switch i.op {
		case 0xa0, 0xa8:
			add(sp-8, 8, false, true, false)
		case 0xa1, 0xa9:
			add(sp, 8, true, false, false)
		case 0xf7: // maskmovq, maskmovdqu
			a := r.Rdi
			if i.a32 {
				a &= 0xffffffff
			}
			add(a+i.segBase(r), 16, false, true, false)
		case 0x01:
			switch i.modrm {
			case 0xfc: // clzero
				add(r.Rax&^63+i.segBase(r), 64, false, true, false)
			}
		}
	}
	if i.enc == vex && i.omap == 1 && i.op == 0xf7 {
		add(r.Rdi+i.segBase(r), 16, false, true, false)
	}
	if !i.isMem || i.attr&aNoMem != 0 {
		return out, true
	}
	if i.enc == legacy && i.omap == 0 && i.op >= 0xa0 && i.op <= 0xa3 {
		n := uint64(1)
		if i.op&1 == 1 {
			n = uint64(i.OpSize)
		}
		wr := i.op >= 0xa2
		add(uint64(i.disp)+i.segBase(r), n, !wr, wr, true)
		return out, true
	}
	if i.enc == evex && i.disp8 && i.disp != 0 {
		// The displacement is scaled by the operand's size, 1 to 64.
		for s := uint(0); s <= 6; s++ {
			add(i.ea(r, sp, s), 64, true, true, false)
		}
		return out, true
	}
	a := i.ea(r, sp, 0)
	rd, wr := i.attr&aR != 0, i.attr&aW != 0
	switch {
	case i.enc != legacy:
		add(a, 64, rd, wr, false)
	case i.omap == 2 && i.op == 0xf8: // movdir64b, enqcmd
		add(a, 64, true, false, false)
		d := GPR(r, int(i.modrm>>3&7|i.rex<<1&8))
		if i.a32 {
			d &= 0xffffffff
		}
		add(d, 64, false, true, false)
	case i.omap == 1 && (i.op == 0xae || i.op == 0xc7):
		n := uint64(512) // fxsave, fxrstor; small ones too
		reg := i.modrm >> 3 & 7
		switch {
		case i.op == 0xc7 && reg == 1:
			n = 8 + uint64(i.rex&8)
		case i.op == 0xae && (reg == 2 || reg == 3 || reg == 4 && i.pp == 2):
			n = 8
		case i.op == 0xc7 && reg >= 6:
			n = 8
		case reg >= 3:
			n = xsaveLen
			if r.Rax&(1<<17|1<<18) != 0 {
				n = amxLen
			}
		}
		add(a, n, true, i.op == 0xc7 || reg != 1 && reg != 2 && reg != 5, false)
	case i.attr&aFPU != 0:
		add(a, 128, true, true, false)
	case i.omap == 1 && i.bitString():
		// The register's bit offset reaches beyond the operand.
		n := uint64(i.OpSize)
		off := int64(GPR(r, int(i.modrm>>3&7|i.rex<<1&8)))
		sh := uint(6)
		switch n {
		case 2:
			off, sh = int64(int16(off)), 4
		case 4:
			off, sh = int64(int32(off)), 5
		}
		d := uint64(off>>sh) * n
		if i.a32 {
			a = (a-i.segBase(r)+d)&0xffffffff + i.segBase(r)
		} else {
			a += d
		}
		add(a, n, rd, wr, false)
	case i.attr&aVec != 0:
		add(a, 16, rd, wr, false)
	case i.attr&aQ != 0:
		add(a, 8, rd, wr, true)
	case i.attr&aW2 != 0:
		add(a, 2, rd, wr, true)
	case i.omap == 0 && i.op == 0x63:
		add(a, 4, true, false, true)
	default:
		// cmpxchg writes its operand in any case; cmov always reads it.
		add(a, uint64(i.OpSize), rd, wr, true)
	}
	return out, true
}

// bitString reports bt, bts, btr or btc with a register's bit offset.
func (i *Inst) bitString() bool {
	return i.op == 0xa3 || i.op == 0xab || i.op == 0xb3 || i.op == 0xbb
}

// stringAccesses covers all iterations of a string instruction that are left.
func (i *Inst) stringAccesses(r *unix.PtraceRegs) (out []Access) {
	size := uint64(i.OpSize)
	if size == 8 && (i.op&0xfc == 0x6c) {
		size = 4 // ins, outs have no 64-bit form
	}
	n := uint64(1)
	mask := ^uint64(0)
	if i.a32 {
		mask = 0xffffffff
	}
	if i.IsRep {
		n = r.Rcx & mask
	}
	if n == 0 {
		return nil
	}
	sure := !i.IsRep || i.op&0xf6 != 0xa6 // cmps, scas may end early
	add := func(a, seg uint64, wr bool) {
		a &= mask
		bytes := n * size
		if n > 1<<48 { // nothing this long is mapped: keep the sums from wrapping
			bytes = 1 << 48
		}
		if r.Eflags&0x400 != 0 {
			a = a + size - bytes
		} else if a+bytes < a {
			bytes = -a
		}
		out = append(out, Access{a + seg, bytes, !wr, wr, sure})
	}
	switch i.op &^ 1 {
	case 0xa4, 0xa6:
		add(r.Rsi, i.segBase(r), false)
		add(r.Rdi, 0, i.op&^1 == 0xa4)
	case 0xaa, 0x6c:
		add(r.Rdi, 0, true)
	case 0xac, 0x6e:
		add(r.Rsi, i.segBase(r), false)
	case 0xae:
		add(r.Rdi, 0, false)
	}
	return out
}
