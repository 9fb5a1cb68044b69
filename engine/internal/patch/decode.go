package patch

import "encoding/binary"

var le = binary.LittleEndian

// Decode decodes the instruction at the start of code, which lies at pc. At
// most 15 bytes are looked at. The error is ErrDecode or ErrTruncated.
func Decode(code []byte, pc uint64) (Inst, error) {
	var i Inst
	err := decodeInto(&i, code, pc)
	if err != nil {
		return Inst{}, err
	}
	return i, nil
}

// decodeInto is Decode into *i, which must be zero; on an error *i is garbage.
func decodeInto(i *Inst, code []byte, pc uint64) error {
	if len(code) > 15 {
		code = code[:15]
	}
	i.PC = pc
	i.base, i.index = noReg, noReg
	var rep byte
	var rex byte
	p := 0
prefixes:
	for ; ; p++ {
		if p >= len(code) {
			return ErrTruncated
		}
		switch b := code[p]; b {
		case 0x26, 0x2e, 0x36, 0x3e:
		case 0x64, 0x65:
			i.seg = b
		case 0x66:
			i.data16 = true
		case 0x67:
			i.a32 = true
		case 0xf0:
			i.lockPfx = true
		case 0xf2, 0xf3:
			rep = b
		default:
			if b&0xf0 != 0x40 {
				break prefixes
			}
			rex = b
			continue
		}
		rex = 0 // a REX that is not the last prefix is ignored
	}
	i.rex = rex & 15
	switch {
	case rep == 0xf3:
		i.pp = 2
	case rep == 0xf2:
		i.pp = 3
	case i.data16:
		i.pp = 1
	}
	op := code[p]
	p++
	need := func(n int) bool { return p+n <= len(code) }
	isXOP := op == 0x8f && need(1) && code[p]&31 >= 8
	if isXOP {
		op = 0xc4 // the same three bytes, other maps
	}
	switch op {
	case 0xc5, 0xc4, 0x62:
		if rex != 0 || i.data16 || rep != 0 || i.lockPfx {
			return ErrDecode
		}
		switch op {
		case 0xc5:
			if !need(2) {
				return ErrTruncated
			}
			b := code[p]
			i.enc, i.omap = vex, 1
			i.rex = ^b >> 7 & 1 << 2
			i.pp, i.evexL = b&3, b>>2&1
			p++
		case 0xc4:
			if !need(3) {
				return ErrTruncated
			}
			b, c := code[p], code[p+1]
			i.enc, i.omap = vex, b&31
			i.rex = ^b>>5&7 | c>>7<<3
			i.pp, i.evexL = c&3, c>>2&1
			p += 2
			if isXOP && i.omap > 10 || !isXOP && (i.omap < 1 || i.omap > 3) {
				return ErrDecode
			}
		case 0x62:
			if !need(4) {
				return ErrTruncated
			}
			b, c, d := code[p], code[p+1], code[p+2]
			i.enc, i.omap = evex, b&7
			i.rex = ^b>>5&7 | c>>7<<3
			i.vecExt = ^b >> 6 & 1
			i.pp, i.evexL, i.evexB = c&3, d>>5&3, d>>4&1 == 1
			p += 3
			if b&8 != 0 || c&4 == 0 || i.omap == 0 || i.omap == 4 || i.omap == 7 {
				return ErrDecode
			}
		}
		op = code[p]
		p++
		switch {
		case i.omap == 1 && op == 0x77 && i.enc == vex:
		case i.omap == 10:
			i.attr = aRMRW | aVec | aIz
		case i.omap == 3, i.omap == 8, i.omap == 1 && (op >= 0x70 && op <= 0x73 || op == 0xc2 || op >= 0xc4 && op <= 0xc6):
			i.attr = aRMRW | aVec | aI8
		default:
			i.attr = aRMRW | aVec
		}
	case 0x0f:
		if !need(1) {
			return ErrTruncated
		}
		op = code[p]
		p++
		switch op {
		case 0x38, 0x3a:
			if !need(1) {
				return ErrTruncated
			}
			i.omap = 2 + op>>1&1
			esc := op
			op = code[p]
			p++
			if esc == 0x38 {
				if !map38[op] {
					return ErrDecode
				}
				i.attr = aSSE
				switch {
				case op == 0xf0 && i.pp != 3:
					i.attr = aRMR
				case op == 0xf1 && i.pp != 3:
					i.attr = aRMW
				case op == 0xf0:
					i.attr = aRMR | aByte
				case op == 0xf1:
					i.attr = aRMR
				case op >= 0xf5 && op != 0xf6 && op <= 0xfc, op == 0xf6 && i.pp == 0:
					i.attr = aRMRW | aVec
				}
			} else {
				if !map3A[op] {
					return ErrDecode
				}
				i.attr = aSSEI8
				if op >= 0x14 && op <= 0x17 {
					i.attr = aSSEW | aI8
				}
			}
		default:
			i.omap = 1
			i.attr = twoByte[op]
			if op == 0x78 && i.pp != 0 {
				i.attr |= aI16 // extrq, insertq: two byte immediates
			}
		}
	default:
		i.attr = oneByte[op]
	}
	if i.attr&aBad != 0 {
		return ErrDecode
	}
	if i.enc != legacy {
		i.attr |= aRM
		if i.enc == vex && i.omap == 1 && op == 0x77 {
			i.attr = 0 // vzeroupper, vzeroall
		}
	}
	i.op = op
	if i.attr&aRM != 0 {
		if !need(1) {
			return ErrTruncated
		}
		i.hasRM, i.modrm = true, code[p]
		p++
		if err := i.operand(code, &p); err != nil {
			return err
		}
	}
	if err := i.group(rep); err != nil {
		return err
	}
	// Immediates.
	n := 0
	wide := i.rex&8 != 0
	a := i.attr
	if a&aI16 != 0 {
		n += 2
	}
	if a&aI8 != 0 {
		n++
	}
	if a&aIz != 0 {
		switch {
		case i.enc == legacy && i.omap == 0 && op >= 0xb8 && op <= 0xbf && wide:
			n = 8
		case i.data16 && !wide:
			n = 2
		default:
			n = 4
		}
	}
	if i.enc == legacy && i.omap == 0 && op >= 0xa0 && op <= 0xa3 {
		n = 8
		if i.a32 {
			n = 4
		}
	}
	if a&aRel8 != 0 {
		n = 1
	}
	if a&aRelz != 0 {
		n = 4
	}
	if a&(aRel8|aRelz) != 0 && i.data16 && !wide {
		return ErrDecode // 16-bit branch on some processors, not on others
	}
	if !need(n) {
		return ErrTruncated
	}
	i.immOff = uint8(p)
	p += n
	i.Len = p
	copy(i.raw[:], code[:p])
	switch {
	case a&aRel8 != 0:
		i.Target = pc + uint64(p) + uint64(int64(int8(code[p-1])))
	case a&aRelz != 0 || i.Kind == Loop:
		i.Target = pc + uint64(p) + uint64(int64(int32(le.Uint32(code[p-4:]))))
	case i.enc == legacy && i.omap == 0 && op >= 0xa0 && op <= 0xa3:
		i.isMem = true
		if i.a32 {
			i.disp = int64(le.Uint32(code[p-4:]))
		} else {
			i.disp = int64(le.Uint64(code[p-8:]))
		}
	}
	return nil
}

// operand decodes what follows the modrm byte.
func (i *Inst) operand(code []byte, p *int) error {
	mod, rm := i.modrm>>6, i.modrm&7
	if mod == 3 || i.enc == legacy && i.omap == 1 && i.op >= 0x20 && i.op <= 0x23 {
		return nil
	}
	i.isMem = true
	n := 0
	if mod == 1 {
		n, i.disp8 = 1, true
	} else if mod == 2 {
		n = 4
	}
	if rm == 4 {
		if *p >= len(code) {
			return ErrTruncated
		}
		sib := code[*p]
		*p++
		i.scale = sib >> 6
		if x := sib>>3&7 | i.rex<<2&8; x != 4 {
			i.index = x
		}
		if b := sib & 7; b == 5 && mod == 0 {
			n = 4
		} else {
			i.base = b | i.rex<<3&8
		}
	} else if rm == 5 && mod == 0 {
		i.base, n = ripRg, 4
		i.RIPOff = *p
	} else {
		i.base = rm | i.rex<<3&8
	}
	if *p+n > len(code) {
		return ErrTruncated
	}
	switch n {
	case 1:
		i.disp = int64(int8(code[*p]))
	case 4:
		i.disp = int64(int32(le.Uint32(code[*p:])))
	}
	*p += n
	return nil
}

// group settles what depends on modrm: opcode extensions, immediates of group
// 3, kinds, time sources, and validity.
func (i *Inst) group(rep byte) error {
	reg, rm := i.modrm>>3&7, i.modrm&7
	wide := i.rex&8 != 0
	i.OpSize = 4
	switch {
	case wide:
		i.OpSize = 8
	case i.data16:
		i.OpSize = 2
	}
	if i.attr&aByte != 0 {
		i.OpSize = 1
	}
	if i.attr&aStr != 0 {
		i.IsString = true
		i.IsRep = rep != 0
	}
	if i.lockPfx && !i.lockable() {
		return ErrDecode
	}
	if i.enc != legacy || i.omap > 1 {
		return nil
	}
	if i.omap == 0 {
		switch op := i.op; op {
		case 0x80, 0x81, 0x83:
			if reg == 7 {
				i.attr &^= aW
			}
		case 0x8d:
			if !i.isMem {
				return ErrDecode
			}
		case 0x8f:
			if reg != 0 {
				return ErrDecode
			}
		case 0x90:
			i.Nop = rep == 0 && i.rex&1 == 0
		case 0xc6, 0xc7:
			if reg == 7 && i.modrm == 0xf8 { // xabort, xbegin
				if op == 0xc7 {
					if i.data16 && !wide {
						return ErrDecode
					}
					i.Kind = Loop
				}
			} else if reg != 0 {
				return ErrDecode
			}
		case 0xf6, 0xf7:
			if reg < 2 {
				if op == 0xf6 {
					i.attr |= aI8
				} else {
					i.attr |= aIz
				}
			}
			if reg != 2 && reg != 3 {
				i.attr &^= aW
			}
		case 0xfe:
			if reg > 1 {
				return ErrDecode
			}
		case 0xff:
			switch reg {
			case 2, 4:
				if i.data16 && !wide {
					return ErrDecode
				}
				i.attr = aRMR | aQ
				i.Kind = CallIndirect
				if reg == 4 {
					i.Kind = JmpIndirect
				}
			case 3, 5:
				if !i.isMem {
					return ErrDecode
				}
				i.attr = aRMR | aVec
				i.Kind = Stop
			case 6:
				i.attr = aRMR | aQ
			case 7:
				return ErrDecode
			}
		case 0xc2, 0xc3:
			i.Kind = Ret
			if i.data16 && !wide {
				i.Kind = Stop
			}
		case 0xca, 0xcb, 0xcc, 0xcd, 0xcf, 0xf1, 0xf4:
			i.Kind = Stop
		case 0xe8:
			i.Kind = Call
		case 0xe9, 0xeb:
			i.Kind = Jmp
		case 0xe0, 0xe1, 0xe2, 0xe3:
			i.Kind = Loop
		default:
			if op >= 0x70 && op <= 0x7f {
				i.Kind = Jcc
			}
		}
		return nil
	}
	switch op := i.op; op {
	case 0x01:
		if i.isMem {
			break
		}
		switch i.modrm {
		case 0xd0:
			i.Time = XGETBV
		case 0xf9:
			i.Time = RDTSCP
		case 0xfd:
			i.Time = RDPRU
		case 0xc6, 0xc7, 0xd2, 0xd3, 0xe9, 0xeb:
			return ErrDecode
		}
	case 0x05:
		i.Kind = Syscall
	case 0x07, 0x0b, 0x34, 0x35, 0xaa, 0xb9, 0xff:
		i.Kind = Stop
	case 0x1f:
		i.Nop = true
	case 0x31:
		i.Time = RDTSC
	case 0xa2:
		i.Time = CPUID
	case 0x78, 0x79:
		if i.pp == 2 {
			return ErrDecode
		}
	case 0xa0, 0xa1, 0xa8, 0xa9:
	case 0xb8:
		if rep != 0xf3 {
			return ErrDecode
		}
	case 0xba:
		if reg < 4 {
			return ErrDecode
		}
		if reg == 4 {
			i.attr &^= aW
		}
	case 0x7e:
		if i.pp == 2 {
			i.attr = aSSE // movq xmm, m64
		}
	case 0xd7, 0xf7, 0x50, 0xc5:
		if i.isMem {
			return ErrDecode
		}
	case 0xae:
		switch {
		case i.isMem && (reg == 7 || reg == 6 && i.pp == 1):
			i.attr = aRM | aNoMem // clflush, clflushopt, clwb
		case i.isMem && reg == 4 && i.pp == 0:
			i.Time = XSAVE
		case i.isMem && reg == 6 && i.pp == 0:
			i.Time = XSAVEOPT
		}
	case 0xc7:
		if i.isMem {
			if reg == 0 || reg == 2 {
				return ErrDecode
			}
			if reg == 4 && i.pp == 0 {
				i.Time = XSAVEC
			}
			break
		}
		i.Reg = rm | i.rex<<3&8
		switch {
		case reg == 6 && rep == 0:
			i.Time = RDRAND
		case reg == 7 && rep == 0:
			i.Time = RDSEED
		case reg == 7 && rep == 0xf3:
			i.Time = RDPID
			i.OpSize = 8
		case reg == 6 && rep == 0xf3: // senduipi
		default:
			return ErrDecode
		}
	default:
		if op >= 0x80 && op <= 0x8f {
			i.Kind = Jcc
		}
	}
	return nil
}

// lockable reports whether the lock prefix is allowed on i.
func (i *Inst) lockable() bool {
	if !i.isMem || i.enc != legacy {
		return false
	}
	reg := i.modrm >> 3 & 7
	switch i.omap {
	case 0:
		switch op := i.op; op {
		case 0x80, 0x81, 0x83:
			return reg != 7
		case 0x86, 0x87:
			return true
		case 0xf6, 0xf7:
			return reg == 2 || reg == 3
		case 0xfe, 0xff:
			return reg < 2
		default:
			return op < 0x38 && op&7 < 2
		}
	case 1:
		switch i.op {
		case 0xab, 0xb3, 0xbb, 0xb0, 0xb1, 0xc0, 0xc1:
			return true
		case 0xba:
			return reg > 4
		case 0xc7:
			return reg == 1
		}
	}
	return false
}
