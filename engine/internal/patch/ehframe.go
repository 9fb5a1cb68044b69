package patch

import (
	"sort"
	"strings"
)

// Call frame information: .eh_frame_hdr's sorted table leads to the FDE of an
// address; the FDE has the function's bounds. Without a table of the usual
// shape .eh_frame is walked once. Formats: Linux Standard Base, "Exception
// Frames"; pointer encodings as in DWARF's DW_EH_PE_*.

type frameTable struct {
	base  uint64 // address of .eh_frame_hdr
	tab   []byte // pairs of (start − base, FDE − base), sorted
	spans []span // when walked instead
}

const (
	peAbs     = 0x00
	peUdata2  = 0x02
	peUdata4  = 0x03
	peUdata8  = 0x04
	peSdata2  = 0x0a
	peSdata4  = 0x0b
	peSdata8  = 0x0c
	pePCRel   = 0x10
	peDataRel = 0x30
	peOmit    = 0xff
)

// encoded reads a pointer of encoding enc from b, which lies at address at.
// base is what DW_EH_PE_datarel is relative to.
func encoded(b []byte, enc byte, at, base uint64) (v uint64, n int, ok bool) {
	switch enc & 0x0f {
	case peAbs, peUdata8, peSdata8:
		n = 8
	case peUdata4, peSdata4:
		n = 4
	case peUdata2, peSdata2:
		n = 2
	default:
		return 0, 0, false
	}
	if len(b) < n {
		return 0, 0, false
	}
	switch enc & 0x0f {
	case peUdata2:
		v = uint64(le.Uint16(b))
	case peSdata2:
		v = uint64(int64(int16(le.Uint16(b))))
	case peUdata4:
		v = uint64(le.Uint32(b))
	case peSdata4:
		v = uint64(int64(int32(le.Uint32(b))))
	default:
		v = le.Uint64(b)
	}
	switch enc & 0xf0 {
	case 0:
	case pePCRel:
		v += at
	case peDataRel:
		v += base
	default:
		return 0, 0, false
	}
	return v, n, true
}

// frameTab loads the table, once. The module's lock is held.
func (m *Module) frameTab() *frameTable {
	if m.frames != nil {
		return m.frames
	}
	m.frames = &frameTable{}
	if h := m.read(m.ehHdr.lo, 4+8+8); len(h) >= 12 && h[0] == 1 && h[3] == peDataRel|peSdata4 {
		at := m.ehHdr.lo + 4
		if _, n, ok := encoded(h[4:], h[1], at, m.ehHdr.lo); ok {
			if c, k, ok := encoded(h[4+n:], h[2], at+uint64(n), m.ehHdr.lo); ok && c <= maxTable/8 {
				tab := m.read(at+uint64(n+k), c*8)
				if uint64(len(tab)) == c*8 && c > 0 {
					m.frames = &frameTable{base: m.ehHdr.lo, tab: tab}
					return m.frames
				}
			}
		}
	}
	if s := m.sec(".eh_frame"); s != nil {
		m.frames.spans = m.walkFrames(s)
	}
	return m.frames
}

func (f *frameTable) start(i int) uint64 {
	return f.base + uint64(int64(int32(le.Uint32(f.tab[i*8:]))))
}

// find returns the function that holds v and whether it is known to have landing
// pads (it is not known when the frames had to be walked).
func (f *frameTable) find(m *Module, v uint64) (s span, pads, ok bool) {
	if f.tab == nil {
		s, ok := find(f.spans, v)
		return s, false, ok
	}
	i := sort.Search(len(f.tab)/8, func(i int) bool { return f.start(i) > v }) - 1
	if i < 0 {
		return span{}, false, false
	}
	fde := f.base + uint64(int64(int32(le.Uint32(f.tab[i*8+4:]))))
	b := m.read(fde, 64)
	if len(b) < 16 {
		return span{}, false, false
	}
	var c cie
	s, _, ok = m.fde(b, fde, &c)
	return s, c.pads, ok && (s.lo == f.start(i) || c.signal && s.lo == f.start(i)+1) && v >= s.lo && v < s.hi
}

func (f *frameTable) list(m *Module) []span {
	if f.tab == nil {
		return f.spans
	}
	var out []span
	// The FDEs are read through a window: one read each would be slow.
	var c cie
	var win []byte
	var winAt uint64
	for i := 0; i < len(f.tab)/8; i++ {
		fde := f.base + uint64(int64(int32(le.Uint32(f.tab[i*8+4:]))))
		if fde < winAt || fde+32 > winAt+uint64(len(win)) {
			winAt = fde
			if win = m.read(fde, 1<<16); len(win) < 16 {
				win = nil
				continue
			}
		}
		if s, _, ok := m.fde(win[fde-winAt:], fde, &c); ok && (s.lo == f.start(i) || c.signal && s.lo == f.start(i)+1) {
			out = append(out, s)
		}
	}
	return out
}

// cie is what FDEs need of the last CIE seen.
type cie struct {
	at     uint64
	ok     bool
	enc    byte // encoding of the addresses
	signal bool // of frames that the kernel makes
	lsda   byte // encoding of the pointer to the language's table, peOmit: none
	// pads is set by fde: the last FDE has such a table.
	pads bool
}

// fde parses the record at address at. next is the address of the record
// behind it, 0 at the end; ok is false when it is a CIE or not understood.
func (m *Module) fde(b []byte, at uint64, c *cie) (s span, next uint64, ok bool) {
	if len(b) < 8 {
		return span{}, 0, false
	}
	n := uint64(le.Uint32(b))
	p := uint64(4)
	if n == 0xffffffff {
		if len(b) < 16 {
			return span{}, 0, false
		}
		n, p = le.Uint64(b[4:]), 12
	}
	if n == 0 || n > 1<<32 {
		return span{}, 0, false
	}
	next = at + p + n
	id := uint64(le.Uint32(b[p:]))
	if id == 0 {
		return span{}, next, false
	}
	if v := at + p - id; !c.ok || c.at != v {
		if *c = m.cie(v); !c.ok {
			return span{}, next, false
		}
	}
	p += 4
	lo, k, ok := encoded(b[p:], c.enc, at+p, 0)
	if !ok {
		return span{}, next, false
	}
	p += uint64(k)
	size, _, ok := encoded(b[p:], c.enc&0x0f, 0, 0)
	if !ok || size == 0 || lo+size < lo || size > 1<<32 {
		return span{}, next, false
	}
	c.pads = false
	if p += uint64(k); c.lsda != peOmit && p+1 < uint64(len(b)) && b[p] < 0x80 {
		v, _, ok := encoded(b[p+1:], c.lsda&0x0f, 0, 0)
		c.pads = !ok || v != 0
	}
	s = span{lo, lo + size}
	if c.signal {
		s, ok = m.restorer(s)
	}
	return s, next, ok
}

// restorer returns what a signal frame's record s is really about. By convention
// such a record begins a byte early, in whatever lies before the code that a
// handler returns to, so that unwinders which look up the address before find it.
// Only code that is known is believed: mov $15, %rax; syscall.
func (m *Module) restorer(s span) (span, bool) {
	const code = "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"
	b := m.read(s.lo, uint64(len(code))+1)
	switch {
	case strings.HasPrefix(string(b), code):
		return s, true
	case len(b) > 0 && string(b[1:]) == code && s.hi > s.lo+1:
		return span{s.lo + 1, s.hi}, true
	}
	return span{}, false
}

// cie parses the CIE at address at; the result's ok is false when it is not
// understood.
func (m *Module) cie(at uint64) (c cie) {
	c = cie{at: at, enc: peAbs, lsda: peOmit}
	b := m.read(at, 64)
	if len(b) < 12 || le.Uint32(b) == 0 {
		return
	}
	p := 4
	if le.Uint32(b) == 0xffffffff {
		p = 12
	}
	if len(b) < p+5 || le.Uint32(b[p:]) != 0 || b[p+4] != 1 && b[p+4] != 3 {
		return
	}
	ver := b[p+4]
	p += 5
	aug := p
	for p < len(b) && b[p] != 0 {
		p++
	}
	if p >= len(b) {
		return
	}
	a := string(b[aug:p])
	p++
	if a == "" {
		c.ok = true
		return
	}
	if a[0] != 'z' {
		return
	}
	leb := func() {
		for p < len(b) && b[p]&0x80 != 0 {
			p++
		}
		p++
	}
	leb() // code alignment
	leb() // data alignment
	if ver == 1 {
		p++ // return address register
	} else {
		leb()
	}
	leb() // length of the augmentation data
	for _, x := range a[1:] {
		if x == 'S' || x == 'B' {
			c.signal = c.signal || x == 'S'
			continue
		}
		if p >= len(b) {
			return
		}
		switch x {
		case 'R':
			c.enc = b[p]
			p++
		case 'L':
			c.lsda = b[p]
			p++
		case 'P':
			_, n, ok := encoded(b[p+1:], b[p]&0x0f, 0, 0)
			if !ok {
				return
			}
			p += 1 + n
		default:
			return
		}
	}
	c.ok = true
	return
}

// walkFrames reads all of .eh_frame.
func (m *Module) walkFrames(s *section) []span {
	b, err := m.at(s.off, s.size)
	if err != nil {
		return nil
	}
	var out []span
	var c cie
	for p := uint64(0); p+16 <= uint64(len(b)); {
		x, next, ok := m.fde(b[p:], s.addr+p, &c)
		if ok {
			out = append(out, x)
		}
		if next <= s.addr+p {
			break
		}
		p = next - s.addr
	}
	return m.sortSpans(out)
}
