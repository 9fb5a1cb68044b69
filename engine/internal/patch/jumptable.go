package patch

import (
	"math/bits"
	"slices"
)

// Entries of a function that its own direct branches do not show: the cases of a
// switch, the labels of a computed goto, and what other functions jump to (cold
// parts jump back into the hot ones that they were split from).
//
// An entry that is missed costs little: its targets are still safe to jump to
// (tramp.go), but a block that is only reached by fault is slow and has no mark
// of its own. One too many splits a block in two. So nothing is followed
// closely: in a function with indirect jumps every address of data that an
// instruction names is tried as a table of 32-bit distances from itself and as
// one of 64-bit addresses, and counts as a table as far as all entries lead to
// instructions of the function. And every place of the text that reads like a
// 32-bit jump, whatever it is, counts as one.

const maxTableEntries = 4096

// jumpsInto returns the addresses in [lo, hi), the function of insts at bias,
// that 32-bit jumps in the text of m seem to go to.
func (m *Module) jumpsInto(bias uint64, insts []Inst, lo, hi uint64) (out []uint64) {
	k := 0
	m.jumpTargets(lo-bias, hi-bias, func(v uint64) {
		for k < len(insts) && insts[k].PC < v+bias {
			k++
		}
		if k < len(insts) && insts[k].PC == v+bias {
			out = append(out, v+bias)
		}
	})
	return out
}

// targetMap has a bit for each byte of a segment that a 32-bit jump seems to go
// to.
type targetMap struct {
	lo   uint64
	bits []uint64
}

// jumpTargets calls f with the addresses in [lo, hi) that 32-bit jumps in the
// same segment seem to go to, in order.
func (m *Module) jumpTargets(lo, hi uint64, f func(uint64)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.haveTargets {
		m.haveTargets = true
		for _, l := range m.loads {
			if l.exec {
				m.targets = append(m.targets, m.scanJumps(l))
			}
		}
	}
	for _, t := range m.targets {
		if lo < t.lo || hi > t.lo+64*uint64(len(t.bits)) {
			continue
		}
		for o := lo - t.lo; o < hi-t.lo; o++ {
			w := t.bits[o/64] >> (o % 64)
			if w == 0 {
				o |= 63
				continue
			}
			if o += uint64(bits.TrailingZeros64(w)); o < hi-t.lo {
				f(t.lo + o)
			}
		}
	}
}

// scanJumps reads a whole segment.
func (m *Module) scanJumps(l load) targetMap {
	const chunk = 1 << 20
	size := min(l.filesz, uint64(m.size), 1<<32)
	t := targetMap{lo: l.vaddr, bits: make([]uint64, size/64+1)}
	buf := make([]byte, chunk+8)
	for off := uint64(0); off < size; off += chunk {
		b := buf[:min(chunk+8, size-off)]
		n, _ := m.src.ReadAt(b, int64(l.off+off))
		b = b[:n]
		for k := 0; k+5 <= len(b) && k < chunk; k++ {
			var p int
			switch b[k] {
			case 0xe9:
				p = k + 1
			case 0x0f:
				if b[k+1]&0xf0 != 0x80 || k+6 > len(b) {
					continue
				}
				p = k + 2
			default:
				continue
			}
			if to := off + uint64(p) + 4 + uint64(int64(int32(le.Uint32(b[p:])))); to < size {
				t.bits[to/64] |= 1 << (to % 64)
			}
		}
	}
	return t
}

// jumpTables returns the targets of the jump tables that insts refer to.
func (t *Text) jumpTables(insts []Inst, lo, hi uint64) []uint64 {
	if !slices.ContainsFunc(insts, func(i Inst) bool { return i.Kind == JmpIndirect }) {
		return nil
	}
	tried := map[uint64]bool{}
	var out []uint64
	for k := range insts {
		i := &insts[k]
		var at uint64
		switch {
		case i.RIPOff != 0 && i.enc == legacy && i.omap == 0 && (i.op == 0x8d || i.Kind == JmpIndirect):
			at = i.Next() + uint64(i.disp)
		case i.isMem && i.base == noReg && i.index != noReg && i.seg == 0:
			at = uint64(i.disp)
		default:
			continue
		}
		if at >= lo && at < hi || tried[at] {
			continue
		}
		tried[at] = true
		for _, size := range [2]uint64{4, 8} {
			out = append(out, t.jumpTable(insts, at, size, lo, hi)...)
		}
	}
	return out
}

// jumpTable reads the table at address at with entries of size bytes.
func (t *Text) jumpTable(insts []Inst, at, size, lo, hi uint64) (out []uint64) {
	for n := uint64(8); len(out) < maxTableEntries; n = min(8*n, 512) {
		b := make([]byte, n*size)
		got := uint64(t.mem.Read(at+uint64(len(out))*size, b))
		for b = b[:got]; uint64(len(b)) >= size; b = b[size:] {
			var to uint64
			if size == 4 {
				to = at + uint64(int64(int32(le.Uint32(b))))
			} else {
				to = le.Uint64(b)
			}
			if to < lo || to >= hi {
				return out
			}
			if _, exact := instAt(insts, to); !exact {
				return out
			}
			out = append(out, to)
		}
		if got < n*size {
			return out
		}
	}
	return out
}
