package patch

import (
	"fmt"
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
	if f, ok := p.foreign[addr]; ok {
		if p.byAddr[addr] != nil {
			return nil, unpatchable(addr, "overlaps another stub")
		}
		w, err := f.window(addr)
		return []window{w}, err
	}
	if !p.text.FileBacked(addr) {
		return nil, unpatchable(addr, "not in a file's text")
	}
	f := p.functionOf(addr)
	if f != nil && !f.partial {
		if b, _ := f.block(addr); b == nil && !f.padding(addr) {
			return nil, unpatchable(addr, "not an instruction of its function")
		}
	}
	code := p.codeAt(f, addr)
	if len(code) < 5 {
		return nil, unpatchable(addr, "not readable, or at the end of its mapping")
	}
	first, err := Decode(code, addr)
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
	w := p.several(first, code)
	var out []window
	if w.n >= 5 {
		out = append(out, w)
	}
	for k := len(w.insts); k > 0; k-- {
		if x, ok := pun(w.insts[:k:k], code); ok {
			out = append(out, x)
		}
	}
	return out, nil
}

// several extends first by what follows it until there are five bytes, or
// until what follows must stay in place.
func (p *Plan) several(first Inst, code []byte) window {
	w := window{insts: []Inst{first}, n: first.Len}
	ended := !first.Falls()
	for w.n < 5 {
		next := first.PC + uint64(w.n)
		last := &w.insts[len(w.insts)-1]
		if last.Kind == Call || last.Kind == CallIndirect {
			break // every return would fault
		}
		if ended && !p.isPadding(next) {
			break
		}
		i, err := Decode(code[w.n:], next)
		if err != nil || !i.movable() || ended && !i.Nop {
			break
		}
		w.insts = append(w.insts, i)
		w.cons[w.n-1] = faulting
		w.n += i.Len
		ended = ended || !i.Falls()
	}
	return w
}

// isPadding reports whether what lies at pc, behind an unconditional transfer,
// is code of no effect that nothing goes to, up to known code. (Data could look
// like it.)
func (p *Plan) isPadding(pc uint64) bool {
	if f := p.functionOf(pc); f != nil {
		return !f.partial && f.lo != pc && !f.targeted(pc) && f.padding(pc)
	}
	var b [64]byte
	n := p.mem.Read(pc, b[:])
	for o := 0; ; {
		i, err := Decode(b[o:n], pc+uint64(o))
		if err != nil || !i.Nop {
			return false
		}
		o += i.Len
		if lo, _, ok := p.text.Func(i.Next()); ok {
			return lo == i.Next()
		}
	}
}

// pun makes a window of insts that leaves the bytes behind them as they are.
func pun(insts []Inst, code []byte) (window, bool) {
	w := window{insts: insts}
	for j := range insts {
		if w.n > 0 && w.n < 5 {
			w.cons[w.n-1] = faulting
		}
		w.n += insts[j].Len
	}
	if w.n >= 5 {
		return w, false
	}
	for b := w.n; b < 5; b++ {
		w.cons[b-1] = code[b : b+1 : b+1]
	}
	return w, true
}

// codeAt returns the bytes at addr, enough of them for any window.
func (p *Plan) codeAt(f *function, addr uint64) []byte {
	if f != nil && addr-f.lo+20 <= uint64(len(f.code)) {
		return f.code[addr-f.lo : addr-f.lo+20]
	}
	b := make([]byte, 20)
	if a := p.text.area(addr); addr+20 > a.Hi {
		b = b[:a.Hi-addr]
	}
	return b[:p.mem.Read(addr, b)]
}

// functionOf returns the decoded function around addr, nil when unknown.
func (p *Plan) functionOf(addr uint64) *function {
	if f := p.recent; f != nil && addr >= f.lo && addr < f.hi {
		return f
	}
	lo, hi, ok := p.text.Func(addr)
	if !ok {
		return nil
	}
	f, err := p.text.function(lo, hi)
	if err != nil {
		return nil
	}
	p.recent = f
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
