package patch

import (
	"fmt"
	"slices"
	"sort"
)

// Basic blocks by linear sweep, checked.
//
// A sweep decodes a function from its first byte to its last. That finds code
// that only landing pads and unknown tables lead to, but takes data in the text
// for code, and a stub put into data would change it. So a function's sweep is
// believed whole only if all of this holds:
//
//   - nothing fails to decode, and every direct branch inside the function lands
//     on an instruction that the sweep found (or just behind a lock prefix, as
//     older C libraries do);
//   - no instruction has data inside the function as its operand;
//   - control gets everywhere, from the entry and the entries of jump tables; or
//     else the bounds are a compiler's (call frame information, pclntab), and
//     what control does not seem to reach is jumped to from elsewhere (cold
//     parts have many entries) or there is a reason not to see how it is reached:
//     the function has landing pads, or indirect jumps.
//
// Of other functions only what control reaches is kept; that is certain.

// Block is a run of instructions that only its first is entered at, as far as
// branches and jump tables tell.
type Block struct {
	Insts []Inst
}

// Lo is the address of the block's first instruction, Hi the one behind it.
func (b *Block) Lo() uint64 { return b.Insts[0].PC }
func (b *Block) Hi() uint64 { return b.Insts[len(b.Insts)-1].Next() }

// maxFunc bounds the size of a function that is decoded whole.
const maxFunc = 16 << 20

// function is a decoded function.
type function struct {
	lo, hi  uint64
	code    []byte // its bytes, and perhaps some behind
	blocks  []Block
	targets []uint64 // where branches and jump tables go in the function, sorted
	partial bool     // only what control is known to reach
}

// blockKey names a function of a module at the place it is mapped.
type blockKey struct{ bias, lo, hi uint64 }

// Blocks returns the basic blocks of the function [lo, hi), in address order.
// Padding (no-operations behind an unconditional transfer) belongs to no
// block. The result is shared: it must not be changed.
func (t *Text) Blocks(lo, hi uint64) ([]Block, error) {
	f, err := t.function(lo, hi)
	if err != nil {
		return nil, err
	}
	return f.blocks, nil
}

// function decodes [lo, hi), or returns what is known.
func (t *Text) function(lo, hi uint64) (*function, error) {
	if hi <= lo || hi-lo > maxFunc {
		return nil, fmt.Errorf("function %#x–%#x: bad bounds", lo, hi)
	}
	var m *Module
	key := blockKey{lo: lo, hi: hi}
	if a := t.area(lo); a != nil {
		m = t.module(a)
		key.bias = a.bias
	}
	if m != nil {
		m.mu.Lock()
		f := m.blocks[key]
		m.mu.Unlock()
		if f != nil {
			return f, nil
		}
	}
	code, ok := t.code(lo, hi)
	if !ok {
		return nil, fmt.Errorf("function %#x–%#x: cannot read its code", lo, hi)
	}
	f := sweep(code, lo, hi, t.hints(m, key.bias, lo, hi))
	if m != nil {
		m.mu.Lock()
		if m.blocks == nil {
			m.blocks = map[blockKey]*function{}
		}
		m.blocks[key] = f
		m.mu.Unlock()
	}
	return f, nil
}

// hints is what is known about a function beside its bytes.
type hints struct {
	framed bool // the bounds are a compiler's
	pads   bool // it has landing pads
	// tables returns where jump tables lead, and jumps where other code seems to
	// jump to, among insts. Either may be nil.
	tables, jumps func(insts []Inst) []uint64
}

// hints collects them for the function [lo, hi) of m, which may be nil.
func (t *Text) hints(m *Module, bias, lo, hi uint64) hints {
	h := hints{tables: func(insts []Inst) []uint64 { return t.jumpTables(insts, lo, hi) }}
	if m != nil {
		h.jumps = func(insts []Inst) []uint64 { return m.jumpsInto(bias, insts, lo, hi) }
		if s, src := m.lookup(lo - bias); s == (span{lo - bias, hi - bias}) {
			h.framed, h.pads = src != fromSymbols, src == fromFramesWithPads
		}
	}
	return h
}

// sweep decodes the function [lo, hi) whose bytes, and perhaps some behind,
// are code.
func sweep(code []byte, lo, hi uint64, h hints) *function {
	f := &function{lo: lo, hi: hi, code: code}
	insts, ok := linear(code, lo, hi)
	if !ok || !consistent(insts, lo, hi) {
		f.partial = true
		f.split(reachable(code, lo, hi))
		return f
	}
	var roots, jumps []uint64
	if h.tables != nil {
		roots = h.tables(insts)
	}
	if h.jumps != nil {
		jumps = h.jumps(insts)
	}
	if h.framed {
		roots = append(roots, jumps...)
	}
	reached := flow(insts, lo, hi, roots)
	unreached := slices.Contains(reached, false)
	if unreached {
		excuse := h.pads || slices.ContainsFunc(insts, func(i Inst) bool { return i.Kind == JmpIndirect })
		f.partial = !h.framed || !excuse && !onlyPadding(insts, reached)
	}
	f.partial = f.partial || unreached && dataInside(insts, reached, lo, hi)
	if f.partial {
		kept := make([]Inst, 0, len(insts))
		for k := range insts {
			if reached[k] {
				kept = append(kept, insts[k])
			}
		}
		insts = kept
	}
	f.targets = append(roots, jumps...)
	f.split(insts)
	return f
}

// flow follows control through insts, a consistent sweep, from lo and roots, and
// returns which instructions it reaches.
func flow(insts []Inst, lo, hi uint64, roots []uint64) []bool {
	reached := make([]bool, len(insts))
	work := append([]uint64{lo}, roots...)
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		k, _ := instAt(insts, pc)
		for ; k >= 0 && k < len(insts) && !reached[k]; k++ {
			reached[k] = true
			i := &insts[k]
			if i.Direct() && i.Kind != Call && i.Target >= lo && i.Target < hi {
				work = append(work, i.Target)
			}
			if !i.Falls() {
				break
			}
		}
	}
	return reached
}

// onlyPadding reports whether all that is not reached is padding.
func onlyPadding(insts []Inst, reached []bool) bool {
	for k := range insts {
		if !reached[k] && !insts[k].Nop && insts[k].raw[0] != 0xcc {
			return false
		}
	}
	return true
}

// dataInside reports whether an instruction that is reached refers to a place
// in the function that is not.
func dataInside(insts []Inst, reached []bool, lo, hi uint64) bool {
	for k := range insts {
		i := &insts[k]
		if !reached[k] || i.RIPOff == 0 || i.Nop {
			continue
		}
		if to := i.Next() + uint64(i.disp); to >= lo && to < hi {
			if n, exact := instAt(insts, to); !exact || !reached[n] || i.attr&aNoMem == 0 {
				return true
			}
		}
	}
	return false
}

// linear decodes from lo to hi; ok is false when something does not decode.
func linear(code []byte, lo, hi uint64) (out []Inst, ok bool) {
	out = make([]Inst, 0, (hi-lo)/4+1)
	for pc := lo; pc < hi; {
		out = append(out, Inst{})
		i := &out[len(out)-1]
		if decodeInto(i, code[pc-lo:], pc) != nil || i.Next() > hi {
			return nil, false
		}
		pc = i.Next()
	}
	return out, true
}

// at returns the index of the instruction at pc, or of the one that covers it
// with exact false, or −1.
func instAt(insts []Inst, pc uint64) (n int, exact bool) {
	n = sort.Search(len(insts), func(i int) bool { return insts[i].PC > pc }) - 1
	if n < 0 || pc >= insts[n].Next() {
		return -1, false
	}
	return n, insts[n].PC == pc
}

// consistent checks that direct branches land where insts has instructions.
func consistent(insts []Inst, lo, hi uint64) bool {
	for k := range insts {
		i := &insts[k]
		if !i.Direct() || i.Target < lo || i.Target >= hi {
			continue
		}
		n, exact := instAt(insts, i.Target)
		if n < 0 || !exact && !(insts[n].lockPfx && i.Target == insts[n].PC+1 && insts[n].raw[0] == 0xf0) {
			return false
		}
	}
	return true
}

// reachable follows direct branches from lo. Where two paths disagree about
// the boundaries of instructions neither is kept from there on.
func reachable(code []byte, lo, hi uint64) []Inst {
	at := map[uint64]Inst{}
	work := []uint64{lo}
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		for pc >= lo && pc < hi {
			if _, ok := at[pc]; ok {
				break
			}
			i, err := Decode(code[pc-lo:], pc)
			if err != nil || i.Next() > hi {
				break
			}
			at[pc] = i
			if i.Direct() && i.Kind != Call {
				work = append(work, i.Target)
			}
			if !i.Falls() {
				break
			}
			pc = i.Next()
		}
	}
	out := make([]Inst, 0, len(at))
	for _, i := range at {
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Inst) int { return cmpU64(a.PC, b.PC) })
	kept := out[:0]
	for k := range out {
		if k+1 < len(out) && out[k].Next() > out[k+1].PC {
			continue
		}
		kept = append(kept, out[k])
	}
	return kept
}

func cmpU64(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// split cuts insts into blocks.
func (f *function) split(insts []Inst) {
	for k := range insts {
		if i := &insts[k]; i.Direct() && i.Target >= f.lo && i.Target < f.hi {
			f.targets = append(f.targets, i.Target)
		}
	}
	slices.Sort(f.targets)
	f.targets = slices.Compact(f.targets)
	first := -1 // of the block under construction
	end := func(k int) {
		if first >= 0 {
			f.blocks = append(f.blocks, Block{insts[first:k:k]})
		}
		first = -1
	}
	padding := false
	for k := range insts {
		i := &insts[k]
		if k > 0 && insts[k-1].Next() != i.PC {
			end(k)
			padding = false
		}
		target := f.targeted(i.PC)
		if target {
			end(k)
			padding = false
		}
		if padding && (i.Nop || i.Kind == Stop && i.raw[0] == 0xcc) {
			continue
		}
		if first < 0 {
			first = k
		}
		padding = false
		if i.Kind != Normal {
			end(k + 1)
			padding = !i.Falls()
		}
	}
	end(len(insts))
}

// targeted reports whether a direct branch inside the function goes to pc.
func (f *function) targeted(pc uint64) bool {
	_, ok := slices.BinarySearch(f.targets, pc)
	return ok
}

// targetIn reports whether a direct branch inside the function goes into
// (lo, hi).
func (f *function) targetIn(lo, hi uint64) bool {
	n, _ := slices.BinarySearch(f.targets, lo+1)
	return n < len(f.targets) && f.targets[n] < hi
}

// block returns the block that holds pc, and the instruction's index in it.
func (f *function) block(pc uint64) (*Block, int) {
	n := sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].Lo() > pc }) - 1
	if n < 0 {
		return nil, 0
	}
	b := &f.blocks[n]
	k, exact := instAt(b.Insts, pc)
	if !exact {
		return nil, 0
	}
	return b, k
}
