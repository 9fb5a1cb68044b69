package record

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// xsave and its family store the parts of the extended state that the processor
// takes to be in use, and which those are (XSTATE_BV). The processor may well take
// a part to be in use that holds nothing but its initial values; whether it does
// changes when the thread is switched away from. So these instructions are done
// here, by a rule that knows only the values: a part is in use when it differs from
// its initial state. To programs that is a processor like any other.
//
// The dynamic linker executes xsavec for each function that it binds lazily; what
// it leaves on the stack would differ from run to run.
//
// Layouts: Intel SDM volume 1, 13.4 (the area), 13.7, 13.9, 13.10 (which bytes are
// written).

const (
	x87Part, ssePart, avxPart = 0, 1, 2

	legacyEnd  = 512
	headerEnd  = 576
	softwareAt = 464 // where a regset holds the kernel's mask of parts, XCR0
	mxcsrInit  = 0x1f80
)

// part says where a part of the state lies: offset in the standard form, size,
// and whether the compacted form aligns it to 64 bytes.
type part struct {
	off, size uint64
	align     bool
}

func xsavePart(i int) part {
	switch i {
	case x87Part:
		return part{0, 160, false}
	case ssePart:
		return part{160, 256, false}
	}
	a, b, c, _ := cpuid(0xd, uint32(i))
	return part{uint64(b), uint64(a), c&2 != 0}
}

// xsaveForm is one instruction of the family.
type xsaveForm struct {
	compact  bool // xsavec: parts close together, header of its own
	optimise bool // parts that are not in use are left alone
}

// xsave returns what an instruction with mask edx:eax writes at addr, given the
// state as a regset (standard form) and the header's old XSTATE_BV.
func (f xsaveForm) writes(addr, mask uint64, state []byte, oldBV uint64) []trace.Write {
	xcr0 := binary.LittleEndian.Uint64(state[softwareAt:])
	mask &= xcr0
	use := inUse(state, xcr0) & mask
	var out []trace.Write
	put := func(at uint64, b []byte) {
		out = append(out, trace.Write{Addr: addr + at, Data: append([]byte(nil), b...)})
	}
	word := func(at, v uint64) { put(at, binary.LittleEndian.AppendUint64(nil, v)) }
	stored := mask
	if f.optimise {
		stored = use
	}
	if stored>>x87Part&1 != 0 {
		put(0, state[0:24])
		put(32, state[32:160])
	}
	if f.compact && stored>>ssePart&1 != 0 || !f.compact && mask&(1<<ssePart|1<<avxPart) != 0 {
		put(24, state[24:32])
	}
	if stored>>ssePart&1 != 0 {
		put(160, state[160:416])
	}
	if f.compact {
		word(legacyEnd, use)
		word(legacyEnd+8, mask|1<<63)
	} else {
		word(legacyEnd, oldBV&^mask|use)
	}
	next := uint64(headerEnd)
	for i := avxPart; i < 63; i++ {
		if mask>>i&1 == 0 {
			continue
		}
		p := xsavePart(i)
		at := p.off
		if f.compact {
			if p.align {
				next = (next + 63) &^ 63
			}
			at = next
			next += p.size
		}
		if stored>>i&1 != 0 {
			put(at, content(state, p))
		}
	}
	return out
}

// content returns a part's bytes; one that the regset does not have is in its
// initial state, zeros.
func content(state []byte, p part) []byte {
	if p.off+p.size <= uint64(len(state)) {
		return state[p.off : p.off+p.size]
	}
	return make([]byte, p.size)
}

// inUse returns the parts among xcr0 that are not in their initial state.
func inUse(state []byte, xcr0 uint64) uint64 {
	var use uint64
	// The control word is 0x37f, all else zero.
	x87 := append([]byte{state[0] ^ 0x7f, state[1] ^ 0x03}, state[2:24]...)
	if !zeros(x87) || !zeros(state[32:160]) {
		use |= 1 << x87Part
	}
	if binary.LittleEndian.Uint32(state[24:]) != mxcsrInit || !zeros(state[160:416]) {
		use |= 1 << ssePart
	}
	for i := avxPart; i < 63; i++ {
		if xcr0>>i&1 != 0 && !zeros(content(state, xsavePart(i))) {
			use |= 1 << i
		}
	}
	return use & xcr0
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// xsave does the work of an instruction of the family in task t, which stands
// before it: memory is written; the caller moves rip.
func xsave(t *tracee.Task, in *patch.Inst, x *unix.PtraceRegs) ([]trace.Write, error) {
	acc, exact := in.Accesses(x)
	if !exact || len(acc) != 1 || acc[0].Addr%64 != 0 {
		return nil, errNotEmulated
	}
	addr := acc[0].Addr
	state := t.XState()
	if len(state) < headerEnd {
		return nil, fmt.Errorf("emulate %v: no extended state", in)
	}
	f := xsaveForm{compact: in.Time == patch.XSAVEC, optimise: in.Time != patch.XSAVE}
	old, _ := t.Space.Uint64(addr + legacyEnd)
	writes := f.writes(addr, x.Rdx<<32|x.Rax&0xffffffff, state, old)
	const near = 64 << 10 // in use as stack
	for _, w := range writes {
		if !(addr >= x.Rsp && addr < x.Rsp+near) && !mayWrite(t.Space, w) {
			return nil, errNotEmulated
		}
	}
	for _, w := range writes {
		if err := t.Space.Write(w.Addr, w.Data); err != nil {
			return nil, fmt.Errorf("emulate %v: %w", in, err)
		}
	}
	return writes, nil
}

// xgetbv does the work of xgetbv: the enabled parts, or with ecx 1 those in use.
func xgetbv(t *tracee.Task, x *unix.PtraceRegs) error {
	state := t.XState()
	if len(state) < headerEnd || uint32(x.Rcx) > 1 {
		return errNotEmulated
	}
	v := binary.LittleEndian.Uint64(state[softwareAt:])
	if uint32(x.Rcx) == 1 {
		v = inUse(state, v)
	}
	x.Rax, x.Rdx = v&0xffffffff, v>>32
	return nil
}

// mayWrite reports whether the program itself could make a write: writing through
// /proc would do it whatever the protection.
func mayWrite(s *tracee.Space, w trace.Write) bool {
	maps, err := s.Maps()
	if err != nil {
		return false
	}
	for at, end := w.Addr, w.Addr+uint64(len(w.Data)); at < end; {
		var hi uint64
		for i := range maps {
			if m := &maps[i]; at >= m.Lo && at < m.Hi && m.Prot&unix.PROT_WRITE != 0 {
				hi = m.Hi
			}
		}
		if hi == 0 {
			return false
		}
		at = hi
	}
	return true
}
