package patch

import "slices"

// Jump tables: where a switch's cases and a computed goto's labels begin.
//
// A table that is missed costs little: its targets are still safe to jump to
// (tramp.go), but a block that is only reached by fault is slow and has no mark
// of its own. So no data flow is followed: in a function with indirect jumps
// every address of data that an instruction names is tried as a table of 32-bit
// distances from itself and as one of 64-bit addresses, and counts as a table
// as far as all entries lead to instructions of the function.

const maxTableEntries = 4096

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
