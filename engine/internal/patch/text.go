package patch

import (
	"errors"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Functions of mapped modules.
//
// A Text joins a process's mappings with what the files mapped there say about
// functions. What a file says (Module) does not depend on where it is mapped,
// is read once and lazily, and is kept in a Cache that outlives Texts. Basic
// blocks are kept with the Module too, under the address they were decoded at.
//
// Texts and Caches may be used from several goroutines.

// Reader reads the program's memory: as much of p as is mapped from addr on,
// and says how much that is. It must show the program's own text, without
// breakpoints, stubs or replaced time sources (see Hide): what is decoded wrong
// once stays in the Cache.
type Reader interface {
	Read(addr uint64, p []byte) int
}

// Hide returns a Reader of mem that shows the bytes of orig in place of what
// mem holds there: the program's own text under patches.
func Hide(mem Reader, orig []Write) Reader {
	ws := slices.Clone(orig)
	slices.SortFunc(ws, func(a, b Write) int { return cmpU64(a.Addr, b.Addr) })
	longest := 0
	for _, w := range ws {
		longest = max(longest, len(w.Data))
	}
	return &hidden{mem, ws, uint64(longest)}
}

type hidden struct {
	mem     Reader
	orig    []Write // by address
	longest uint64
}

func (h *hidden) Read(addr uint64, p []byte) int {
	n := h.mem.Read(addr, p)
	end := addr + uint64(n)
	from := addr - min(addr, h.longest)
	k := sort.Search(len(h.orig), func(i int) bool { return h.orig[i].Addr >= from })
	for ; k < len(h.orig) && h.orig[k].Addr < end; k++ {
		w := h.orig[k]
		for j, b := range w.Data {
			if a := w.Addr + uint64(j); a >= addr && a < end {
				p[a-addr] = b
			}
		}
	}
	return n
}

// Region is a mapping of the program.
type Region struct {
	Lo, Hi uint64
	Prot   uint32 // PROT_READ, PROT_WRITE, PROT_EXEC
	Path   string // file, "[heap]" and the like, or ""
	Off    uint64 // offset in the file
	// ID identifies the content of the file for the Cache, for example device,
	// inode and modification time. Without one the module is not kept.
	ID string
}

// Text is the code of a process: its executable mappings and their functions.
type Text struct {
	mem   Reader
	maps  []Region
	cache *Cache
	areas []*area
}

// area is one executable mapping.
type area struct {
	Region
	mu   sync.Mutex
	done bool
	mod  *Module
	bias uint64 // address − the module's own address
}

// Cache keeps what was learnt about files. The zero value is ready to use.
type Cache struct {
	// Open opens the file of a region for reading; it is called once for each
	// ID. nil opens Path. When it fails the mapped memory is read instead.
	Open func(Region) (io.ReaderAt, int64, error)

	mu   sync.Mutex
	mods map[string]*Module
}

// NewText describes the code in maps, which must be in address order. mem is
// kept: it must stay readable, though it may be another process with the same
// text. A nil cache is a private one.
func NewText(mem Reader, maps []Region, cache *Cache) *Text {
	if cache == nil {
		cache = &Cache{}
	}
	t := &Text{mem: mem, maps: maps, cache: cache}
	for _, m := range maps {
		if m.Prot&unix.PROT_EXEC != 0 && m.Path != "[vsyscall]" {
			t.areas = append(t.areas, &area{Region: m})
		}
	}
	return t
}

// Reader returns the memory that t reads.
func (t *Text) Reader() Reader { return t.mem }

// area returns the executable mapping that holds pc.
func (t *Text) area(pc uint64) *area {
	n := sort.Search(len(t.areas), func(i int) bool { return t.areas[i].Hi > pc })
	if n < len(t.areas) && t.areas[n].Lo <= pc {
		return t.areas[n]
	}
	return nil
}

// FileBacked reports whether pc lies in executable, not writable memory that a
// file is mapped to.
func (t *Text) FileBacked(pc uint64) bool {
	a := t.area(pc)
	return a != nil && a.Prot&unix.PROT_WRITE == 0 && strings.HasPrefix(a.Path, "/")
}

// module returns a's module, nil when it has none that can be understood.
func (t *Text) module(a *area) *Module {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return a.mod
	}
	a.done = true
	if a.Path == "" {
		return nil
	}
	var m *Module
	if strings.HasPrefix(a.Path, "/") {
		m = t.cache.module(a.Region)
	}
	if m == nil {
		m, _ = NewModule(&memImage{t, a}, 1<<40)
	}
	if m == nil {
		return nil
	}
	for _, l := range m.loads {
		if l.exec && a.Off >= l.off&^4095 && a.Off < l.off+l.filesz {
			a.mod, a.bias = m, a.Lo-(l.vaddr-l.off+a.Off)
			break
		}
	}
	return a.mod
}

func (c *Cache) module(r Region) *Module {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.mods[r.ID]; ok && r.ID != "" {
		return m
	}
	open := c.Open
	if open == nil {
		open = openPath
	}
	var m *Module
	if f, size, err := open(r); err == nil {
		m, _ = NewModule(f, size)
	}
	if r.ID != "" {
		if c.mods == nil {
			c.mods = map[string]*Module{}
		}
		c.mods[r.ID] = m
	}
	return m
}

// openPath opens a region's file. The file is closed when it is collected.
func openPath(r Region) (io.ReaderAt, int64, error) {
	f, err := os.Open(r.Path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if !st.Mode().IsRegular() {
		f.Close()
		return nil, 0, errors.New("not a regular file")
	}
	return f, st.Size(), nil
}

// memImage shows the mapped parts of an area's file as that file.
type memImage struct {
	t *Text
	a *area
}

func (m *memImage) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := uint64(off) + uint64(n)
		k := 0
		for _, r := range m.t.maps {
			if r.Path == m.a.Path && at >= r.Off && at < r.Off+(r.Hi-r.Lo) {
				want := min(uint64(len(p)-n), r.Off+(r.Hi-r.Lo)-at)
				k = m.t.mem.Read(r.Lo+at-r.Off, p[n:n+int(want)])
				break
			}
		}
		if k <= 0 {
			return n, io.ErrUnexpectedEOF
		}
		n += k
	}
	return n, nil
}

// Func returns the bounds of the function that holds pc: from the call frame
// information, else from Go's pclntab, else from symbols.
func (t *Text) Func(pc uint64) (lo, hi uint64, ok bool) {
	a := t.area(pc)
	if a == nil {
		return 0, 0, false
	}
	m := t.module(a)
	if m == nil {
		return 0, 0, false
	}
	s, ok := m.fn(pc - a.bias)
	lo, hi = s.lo+a.bias, s.hi+a.bias
	if !ok || lo < a.Lo || hi > a.Hi {
		return 0, 0, false
	}
	return lo, hi, true
}

// Areas returns the executable mappings.
func (t *Text) Areas() []Region {
	out := make([]Region, len(t.areas))
	for i, a := range t.areas {
		out[i] = a.Region
	}
	return out
}

// Funcs returns the bounds of all functions of the module that pc is in.
func (t *Text) Funcs(pc uint64) [][2]uint64 {
	a := t.area(pc)
	if a == nil {
		return nil
	}
	m := t.module(a)
	if m == nil {
		return nil
	}
	var out [][2]uint64
	for _, s := range m.functions() {
		if lo, hi := s.lo+a.bias, s.hi+a.bias; lo >= a.Lo && hi <= a.Hi && lo < hi {
			out = append(out, [2]uint64{lo, hi})
		}
	}
	return out
}

// code reads the text in [lo, hi) and up to 15 bytes behind it. ok is false
// when not all of [lo, hi) could be read.
func (t *Text) code(lo, hi uint64) (b []byte, ok bool) {
	b = make([]byte, hi-lo+15)
	n := t.mem.Read(lo, b)
	return b[:n], uint64(n) >= hi-lo
}
