package patch

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
)

// What an ELF file says about its functions, at the file's own addresses.
//
// Sources, in the order in which a question is put to them: .eh_frame (found
// through PT_GNU_EH_FRAME, searched without reading it whole), Go's pclntab,
// the symbol tables. Each is loaded when first asked. Nothing in the file is
// believed: sizes are bounded by the file's, results lie in executable
// segments, and a contradiction makes a source empty, never wrong bounds that
// were not in the file.

// span is a function's [lo, hi).
type span struct{ lo, hi uint64 }

type load struct {
	vaddr, off, filesz, memsz uint64
	exec                      bool
}

type section struct {
	name            string
	typ             uint32
	addr, off, size uint64
	link            uint32
}

// Module is an ELF file. Its methods are safe for concurrent use.
type Module struct {
	src      io.ReaderAt
	size     int64
	entry    uint64
	loads    []load
	ehHdr    span // PT_GNU_EH_FRAME
	shoff    uint64
	shnum    int
	shstrndx int

	mu       sync.Mutex
	sections []section
	haveSecs bool
	frames   *frameTable
	gofuncs  []span
	haveGo   bool
	syms     []span
	haveSyms bool
	all      []span

	targets     []targetMap
	haveTargets bool
	blocks      map[blockKey]*function
}

var errELF = errors.New("not an x86-64 ELF file")

// maxTable bounds any one table that is read into memory.
const maxTable = 256 << 20

// NewModule reads the headers of the ELF file in src.
func NewModule(src io.ReaderAt, size int64) (*Module, error) {
	m := &Module{src: src, size: size}
	h, err := m.at(0, 64)
	if err != nil {
		return nil, fmt.Errorf("elf header: %w", err)
	}
	if string(h[:4]) != "\x7fELF" || h[4] != 2 || h[5] != 1 || le.Uint16(h[18:]) != 62 {
		return nil, errELF
	}
	m.entry = le.Uint64(h[24:])
	m.shoff, m.shnum, m.shstrndx = le.Uint64(h[40:]), int(le.Uint16(h[60:])), int(le.Uint16(h[62:]))
	if le.Uint16(h[58:]) != 64 {
		m.shnum = 0
	}
	phoff, phnum := le.Uint64(h[32:]), int(le.Uint16(h[56:]))
	if le.Uint16(h[54:]) != 56 || phnum > 4096 {
		return nil, errELF
	}
	ph, err := m.at(phoff, uint64(phnum)*56)
	if err != nil {
		return nil, fmt.Errorf("program headers: %w", err)
	}
	for ; len(ph) > 0; ph = ph[56:] {
		l := load{vaddr: le.Uint64(ph[16:]), off: le.Uint64(ph[8:]), filesz: le.Uint64(ph[32:]),
			memsz: le.Uint64(ph[40:]), exec: ph[4]&1 != 0}
		if l.vaddr+l.memsz < l.vaddr || l.off+l.filesz < l.off {
			continue
		}
		switch le.Uint32(ph) {
		case 1:
			m.loads = append(m.loads, l)
		case 0x6474e550:
			m.ehHdr = span{l.vaddr, l.vaddr + l.memsz}
		}
	}
	return m, nil
}

// at reads n bytes at file offset off.
func (m *Module) at(off, n uint64) ([]byte, error) {
	if n > maxTable || off > uint64(m.size) || n > uint64(m.size)-off {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	k, err := m.src.ReadAt(b, int64(off))
	if k == len(b) {
		return b, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// read reads up to n bytes at address v, fewer at the end of a segment.
func (m *Module) read(v, n uint64) []byte {
	for _, l := range m.loads {
		if v >= l.vaddr && v < l.vaddr+l.filesz {
			n = min(n, l.vaddr+l.filesz-v)
			b, err := m.at(l.off+v-l.vaddr, n)
			if err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// inText reports whether s is not empty and inside one executable segment.
func (m *Module) inText(s span) bool {
	if s.lo >= s.hi {
		return false
	}
	for _, l := range m.loads {
		if l.exec && s.lo >= l.vaddr && s.hi <= l.vaddr+l.filesz {
			return true
		}
	}
	return false
}

// secs reads the section headers, once.
func (m *Module) secs() []section {
	if m.haveSecs {
		return m.sections
	}
	m.haveSecs = true
	if m.shnum == 0 || m.shstrndx >= m.shnum {
		return nil
	}
	h, err := m.at(m.shoff, uint64(m.shnum)*64)
	if err != nil {
		return nil
	}
	var ss []section
	var names []uint32
	for ; len(h) > 0; h = h[64:] {
		names = append(names, le.Uint32(h))
		ss = append(ss, section{typ: le.Uint32(h[4:]), addr: le.Uint64(h[16:]),
			off: le.Uint64(h[24:]), size: le.Uint64(h[32:]), link: le.Uint32(h[40:])})
	}
	str := ss[m.shstrndx]
	if str.size > 1<<20 {
		return nil
	}
	tab, err := m.at(str.off, str.size)
	if err != nil {
		return nil
	}
	for i := range ss {
		if n := int(names[i]); n < len(tab) {
			e := n
			for e < len(tab) && tab[e] != 0 {
				e++
			}
			ss[i].name = string(tab[n:e])
		}
	}
	m.sections = ss
	return ss
}

func (m *Module) sec(names ...string) *section {
	ss := m.secs()
	for i := range ss {
		for _, n := range names {
			if ss[i].name == n {
				return &ss[i]
			}
		}
	}
	return nil
}

// source is where a function's bounds come from.
type source uint8

const (
	unknown source = iota
	fromFrames
	fromFramesWithPads // and it has landing pads
	fromGo
	fromSymbols
)

// fn finds the function that holds v.
func (m *Module) fn(v uint64) (span, bool) {
	s, src := m.lookup(v)
	return s, src != unknown
}

// lookup finds the function that holds v and says who knows it.
func (m *Module) lookup(v uint64) (span, source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, pads, ok := m.frameTab().find(m, v); ok && m.inText(s) {
		if pads {
			return s, fromFramesWithPads
		}
		return s, fromFrames
	}
	if s, ok := find(m.goFuncs(), v); ok {
		return s, fromGo
	}
	if s, ok := find(m.symbols(), v); ok {
		return s, fromSymbols
	}
	return span{}, unknown
}

// find searches sorted, possibly nested spans for the innermost one that
// starts last at or before v.
func find(ss []span, v uint64) (span, bool) {
	i := sort.Search(len(ss), func(i int) bool { return ss[i].lo > v }) - 1
	for n := 0; i >= 0 && n < 8; i, n = i-1, n+1 {
		if v < ss[i].hi {
			return ss[i], true
		}
	}
	return span{}, false
}

// sortSpans sorts by start, the longer of equal starts first, and drops
// duplicates and what is not text.
func (m *Module) sortSpans(ss []span) []span {
	sort.Slice(ss, func(i, j int) bool {
		return ss[i].lo < ss[j].lo || ss[i].lo == ss[j].lo && ss[i].hi > ss[j].hi
	})
	out := ss[:0]
	for _, s := range ss {
		if m.inText(s) && (len(out) == 0 || out[len(out)-1].lo != s.lo) {
			out = append(out, s)
		}
	}
	return out
}

// symbols reads function symbols of .symtab and .dynsym. A symbol without a
// size reaches to the next symbol of its section or the section's end.
func (m *Module) symbols() []span {
	if m.haveSyms {
		return m.syms
	}
	m.haveSyms = true
	ss := m.secs()
	var out []span
	for _, s := range ss {
		if s.typ != 2 && s.typ != 11 {
			continue
		}
		b, err := m.at(s.off, s.size-s.size%24)
		if err != nil {
			continue
		}
		var sized, bare []span
		for ; len(b) > 0; b = b[24:] {
			typ, sh := b[4]&15, int(le.Uint16(b[6:]))
			v, n := le.Uint64(b[8:]), le.Uint64(b[16:])
			if sh == 0 || sh >= len(ss) || typ != 2 && typ != 10 {
				continue
			}
			if n > 0 {
				if v+n > v {
					sized = append(sized, span{v, v + n})
				}
			} else if x := ss[sh]; v >= x.addr && v < x.addr+x.size {
				bare = append(bare, span{v, x.addr + x.size})
			}
		}
		out = append(out, sized...)
		if len(bare) > 0 {
			starts := append(append([]span(nil), sized...), bare...)
			sort.Slice(starts, func(i, j int) bool { return starts[i].lo < starts[j].lo })
			for _, x := range bare {
				i := sort.Search(len(starts), func(i int) bool { return starts[i].lo > x.lo })
				if i < len(starts) {
					x.hi = min(x.hi, starts[i].lo)
				}
				out = append(out, x)
			}
		}
	}
	m.syms = m.sortSpans(out)
	return m.syms
}

// Functions returns the bounds of all functions that any source names, sorted
// by start, at the module's own addresses.
func (m *Module) functions() []span {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		var out []span
		out = append(out, m.frameTab().list(m)...)
		out = append(out, m.goFuncs()...)
		out = append(out, m.symbols()...)
		m.all = m.sortSpans(out)
		if m.all == nil {
			m.all = []span{}
		}
	}
	return m.all
}
