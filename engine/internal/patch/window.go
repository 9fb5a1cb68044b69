package patch

import (
	"fmt"
	"slices"
	"sort"
)

// Windows: which bytes a stub's jump may replace.

// window is the patch of one address.
type window struct {
	insts []Inst
	n     int // bytes of the instructions; fewer than 5 in a pun
	// cons constrains the jump's displacement; direct means that nothing does.
	cons   constraint
	direct bool
}

func unpatchable(addr uint64, format string, args ...any) error {
	return fmt.Errorf("%w: %#x: %s", ErrUnpatchable, addr, fmt.Sprintf(format, args...))
}

// windows returns the possible patches of addr, best first.
func (p *Plan) windows(addr uint64) ([]window, error) {
	if !p.text.FileBacked(addr) {
		return nil, unpatchable(addr, "not in a file's text")
	}
	var code [32]byte
	n := p.mem.Read(addr, code[:])
	if n < 5 {
		return nil, unpatchable(addr, "not readable")
	}
	if a := p.text.area(addr); addr+uint64(n) > a.Hi {
		n = int(a.Hi - addr)
	}
	if n < 5 {
		return nil, unpatchable(addr, "at the end of its mapping")
	}
	f := p.functionOf(addr)
	if f != nil && !f.partial {
		if b, _ := f.block(addr); b == nil && !f.padding(addr) {
			return nil, unpatchable(addr, "not an instruction of its function")
		}
	}
	first, err := Decode(code[:n], addr)
	if err != nil {
		return nil, unpatchable(addr, "%v", err)
	}
	if !first.movable() {
		return nil, unpatchable(addr, "the instruction cannot be moved")
	}
	if p.taken(addr, addr+5) {
		return nil, unpatchable(addr, "overlaps another stub")
	}
	for _, pc := range p.avoid {
		if pc > addr && pc < addr+5 {
			return nil, unpatchable(addr, "a thread is parked inside")
		}
	}
	if p.targeted(f, addr) {
		return nil, unpatchable(addr, "a branch goes inside")
	}
	if first.Len >= 5 {
		return []window{{insts: []Inst{first}, n: first.Len, direct: true}}, nil
	}
	// Several instructions.
	w := window{insts: []Inst{first}, n: first.Len}
	var out []window
	ended := !first.Falls()
	for w.n < 5 {
		next := addr + uint64(w.n)
		last := &w.insts[len(w.insts)-1]
		if last.Kind == Call || last.Kind == CallIndirect {
			break // every return would fault
		}
		if ended {
			// Only padding may follow, and nothing that a function starts with.
			if lo, _, ok := p.text.Func(next); ok && lo == next {
				break
			}
		}
		i, err := Decode(code[w.n:n], next)
		if err != nil || !i.movable() || ended && !i.Nop {
			break
		}
		w.insts = append(slices.Clone(w.insts), i)
		w.cons[w.n-1] = faulting
		w.n += i.Len
		ended = ended || !i.Falls()
	}
	if w.n >= 5 {
		out = append(out, w)
	}
	// Puns, the longest first.
	for k := len(w.insts); k > 0; k-- {
		x := window{insts: w.insts[:k:k]}
		for j := range x.insts {
			if x.n > 0 && x.n < 5 {
				x.cons[x.n-1] = faulting
			}
			x.n += x.insts[j].Len
		}
		if x.n >= 5 {
			continue
		}
		for b := x.n; b < 5; b++ {
			x.cons[b-1] = []byte{code[b]}
		}
		out = append(out, x)
	}
	return out, nil
}

// functionOf returns the decoded function around addr, nil when unknown.
func (p *Plan) functionOf(addr uint64) *function {
	lo, hi, ok := p.text.Func(addr)
	if !ok {
		return nil
	}
	f, err := p.text.function(lo, hi)
	if err != nil {
		return nil
	}
	return f
}

// padding reports whether pc is outside of all blocks, as padding is.
func (f *function) padding(pc uint64) bool {
	n := sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].Hi() > pc })
	return n == len(f.blocks) || f.blocks[n].Lo() > pc
}

// taken reports whether [lo, hi) overlaps the bytes of a stub of the plan.
func (p *Plan) taken(lo, hi uint64) bool {
	n := sort.Search(len(p.used), func(i int) bool { return p.used[i].hi > lo })
	return n < len(p.used) && p.used[n].lo < hi
}

// targeted reports whether a direct branch goes into the jump at addr, behind
// its first byte. Where the function is not known any bytes that look like a
// branch count as one.
func (p *Plan) targeted(f *function, addr uint64) bool {
	if f != nil && !f.partial {
		return f.targetIn(addr, addr+5)
	}
	const around = 64 << 10
	lo := addr - min(addr, around)
	if a := p.text.area(addr); lo < a.Lo {
		lo = a.Lo
	}
	b := make([]byte, addr-lo+around)
	b = b[:p.mem.Read(lo, b)]
	for k := 0; k+6 <= len(b); k++ {
		pc := lo + uint64(k)
		var to uint64
		switch o := b[k]; {
		case o >= 0x70 && o <= 0x7f, o == 0xeb, o >= 0xe0 && o <= 0xe3:
			to = pc + 2 + uint64(int64(int8(b[k+1])))
		case o == 0xe9, o == 0xe8:
			to = pc + 5 + uint64(int64(int32(le.Uint32(b[k+1:]))))
		case o == 0x0f && b[k+1]&0xf0 == 0x80:
			to = pc + 6 + uint64(int64(int32(le.Uint32(b[k+2:]))))
		default:
			continue
		}
		if to > addr && to < addr+5 {
			return true
		}
	}
	return false
}
