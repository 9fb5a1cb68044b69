package patch

import "sort"

// Go's function table, which every Go binary carries whether stripped or not.
// The layouts are those of Go 1.2, 1.16, 1.18 and 1.20 (runtime/symtab.go);
// since 1.26 the table does not say where the text starts, so that is taken
// from the runtime's module data and checked against the table.

const (
	goMagic12  = 0xfffffffb
	goMagic116 = 0xfffffffa
	goMagic118 = 0xfffffff0
	goMagic120 = 0xfffffff1
)

// goFuncs reads the table, once. The module's lock is held.
func (m *Module) goFuncs() []span {
	if m.haveGo {
		return m.gofuncs
	}
	m.haveGo = true
	s := m.sec(".gopclntab", ".data.rel.ro.gopclntab")
	if s == nil {
		return nil
	}
	h, err := m.at(s.off, 72)
	if err != nil || h[6] != 1 || h[7] != 8 {
		return nil
	}
	n := le.Uint64(h[8:])
	magic := le.Uint32(h)
	var tab, wide uint64
	switch magic {
	case goMagic12:
		tab, wide = 16, 8
	case goMagic116:
		tab, wide = le.Uint64(h[56:]), 8
	case goMagic118, goMagic120:
		tab, wide = le.Uint64(h[64:]), 4
	default:
		return nil
	}
	if n == 0 || n > maxTable/16 || tab > s.size || n*2*wide+wide > s.size-tab {
		return nil
	}
	b, err := m.at(s.off+tab, n*2*wide+wide)
	if err != nil {
		return nil
	}
	entry := func(i uint64) uint64 {
		if wide == 4 {
			return uint64(le.Uint32(b[i*8:]))
		}
		return le.Uint64(b[i*16:])
	}
	if !sort.SliceIsSorted(make([]struct{}, n+1), func(i, j int) bool { return entry(uint64(i)) < entry(uint64(j)) }) {
		return nil
	}
	var base uint64
	if wide == 4 {
		ok := false
		if base, ok = m.goTextStart(le.Uint64(h[24:]), entry(0), entry(n)); !ok {
			return nil
		}
	}
	var out []span
	for i := uint64(0); i < n; i++ {
		out = append(out, span{base + entry(i), base + entry(i+1)})
	}
	m.gofuncs = m.sortSpans(out)
	return m.gofuncs
}

// goTextStart finds the address that the table's offsets are relative to.
// first and last are the offsets of the first function and of the end.
func (m *Module) goTextStart(header, first, last uint64) (uint64, bool) {
	fits := func(v uint64) bool { return v != 0 && m.inText(span{v + first, v + last}) }
	if fits(header) {
		return header, true
	}
	// runtime.moduledata: a pointer, six slices, a pointer; then minpc, maxpc,
	// text, etext.
	const minpc, text = 8 + 6*24 + 8, 8 + 6*24 + 24
	if s := m.sec(".go.module"); s != nil {
		if b, err := m.at(s.off, text+8); err == nil {
			if v := le.Uint64(b[text:]); fits(v) && le.Uint64(b[minpc:]) == v+first {
				return v, true
			}
		}
		// In position-independent files the relocation has the value.
		for _, r := range m.secs() {
			if r.typ != 4 || r.size > maxTable {
				continue
			}
			b, err := m.at(r.off, r.size-r.size%24)
			if err != nil {
				continue
			}
			for ; len(b) > 0; b = b[24:] {
				if v := le.Uint64(b[16:]); le.Uint64(b) == s.addr+text && le.Uint32(b[8:]) == 8 && fits(v) {
					return v, true
				}
			}
		}
	}
	if s := m.sec(".text"); s != nil && m.sec(".eh_frame") == nil && fits(s.addr) {
		return s.addr, true // linked by Go alone: nothing comes before the runtime
	}
	return 0, false
}
