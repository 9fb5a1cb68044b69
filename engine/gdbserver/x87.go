package gdbserver

import "encoding/binary"

// This file converts between FXSAVE's control words and gdb's. They differ in
// the tag word: FXSAVE keeps one bit a register (in use or empty), gdb wants
// the classic two (valid, zero, special, empty), which follow from the
// registers' contents. In 64-bit FXSAVE the instruction and operand pointers
// are 8 bytes; gdb calls their halves offset and segment.

// Offsets in the FXSAVE image.
const (
	fxFCTRL = 0
	fxFSTAT = 2
	fxFTAG  = 4
	fxFOP   = 6
	fxFIOFF = 8
	fxFISEG = 12
	fxFOOFF = 16
	fxFOSEG = 20
	fxST    = 32
)

// The values of a classic tag.
const (
	tagValid   = 0
	tagZero    = 1
	tagSpecial = 2
	tagEmpty   = 3
)

// control returns a control register in gdb's form.
func (x xsaveArea) control(f x87Field) uint32 {
	if f == mxcsrField {
		return x.mxcsr()
	}
	if !x.live(compX87) {
		switch f {
		case fctrl:
			return defaultFCTRL
		case ftag:
			return 0xffff
		}
		return 0
	}
	le := binary.LittleEndian
	switch f {
	case fctrl:
		return uint32(le.Uint16(x.data[fxFCTRL:]))
	case fstat:
		return uint32(le.Uint16(x.data[fxFSTAT:]))
	case ftag:
		return uint32(fullTag(x.data))
	case fop:
		return uint32(le.Uint16(x.data[fxFOP:]) & 0x7ff)
	case fiseg:
		return uint32(le.Uint16(x.data[fxFISEG:]))
	case fioff:
		return le.Uint32(x.data[fxFIOFF:])
	case foseg:
		return uint32(le.Uint16(x.data[fxFOSEG:]))
	case fooff:
		return le.Uint32(x.data[fxFOOFF:])
	}
	panic("gdbserver: no such x87 field")
}

// setControl writes a control register, given in gdb's form. The component
// must be live.
func (x xsaveArea) setControl(f x87Field, v uint32) {
	le := binary.LittleEndian
	switch f {
	case mxcsrField:
		le.PutUint32(x.data[mxcsrOffset:], v)
	case fctrl:
		le.PutUint16(x.data[fxFCTRL:], uint16(v))
	case fstat:
		le.PutUint16(x.data[fxFSTAT:], uint16(v))
	case ftag:
		x.data[fxFTAG] = shortTag(uint16(v))
	case fop:
		le.PutUint16(x.data[fxFOP:], uint16(v)&0x7ff)
	case fiseg:
		le.PutUint16(x.data[fxFISEG:], uint16(v))
	case fioff:
		le.PutUint32(x.data[fxFIOFF:], v)
	case foseg:
		le.PutUint16(x.data[fxFOSEG:], uint16(v))
	case fooff:
		le.PutUint32(x.data[fxFOOFF:], v)
	default:
		panic("gdbserver: no such x87 field")
	}
}

// fullTag computes the classic tag word. Its pairs of bits belong to the
// physical registers, while FXSAVE stores the contents in stack order: st(i)
// is physical register top+i.
func fullTag(fx []byte) uint16 {
	top := int(binary.LittleEndian.Uint16(fx[fxFSTAT:])>>11) & 7
	var tags uint16
	for phys := range 8 {
		tag := uint16(tagEmpty)
		if fx[fxFTAG]>>phys&1 != 0 {
			st := (phys - top) & 7
			tag = classify(fx[fxST+16*st:])
		}
		tags |= tag << (2 * phys)
	}
	return tags
}

// classify tags an 80-bit number.
func classify(v []byte) uint16 {
	mantissa := binary.LittleEndian.Uint64(v)
	exponent := binary.LittleEndian.Uint16(v[8:]) & 0x7fff
	switch {
	case exponent == 0 && mantissa == 0:
		return tagZero
	case exponent == 0 || exponent == 0x7fff || mantissa>>63 == 0:
		return tagSpecial
	}
	return tagValid
}

// shortTag is FXSAVE's form of a classic tag word.
func shortTag(tags uint16) byte {
	var b byte
	for phys := range 8 {
		if tags>>(2*phys)&3 != tagEmpty {
			b |= 1 << phys
		}
	}
	return b
}
