package patch

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Where stubs, trampolines and data go: free ranges of the address space,
// chosen by rule alone, so that the same inputs give the same addresses.

const (
	dataBase   = 0x70100000
	lowest     = 0x10000 // vm.mmap_min_addr of every usual system
	highest    = 0x7ffffffff000
	poolSize   = 256 << 10
	chunkSize  = 256 << 10 // trampolines are spread; their pages come in chunks
	reach      = 1<<31 - 1<<24
	pageSize   = 4096
	heapGrowth = 1 << 30
	stackRoom  = 1 << 30
	// aside is the preferred distance between code and its stubs: near enough
	// for operands of large modules, and far from where the kernel puts the
	// program's next mappings (just below the last ones) and heap.
	aside = 5 << 28
)

// space is the set of busy ranges, sorted and disjoint.
type space struct{ busy []span }

func newSpace(occupied []Region) *space {
	s := &space{}
	for _, r := range occupied {
		lo, hi := r.Lo, r.Hi
		switch { // these grow
		case r.Path == "[heap]":
			hi += heapGrowth
		case strings.HasPrefix(r.Path, "[stack"):
			lo -= min(lo, stackRoom)
		}
		if lo < hi {
			s.busy = append(s.busy, span{lo, hi})
		}
	}
	s.normalise()
	return s
}

func (s *space) normalise() {
	slices.SortFunc(s.busy, func(a, b span) int { return cmpU64(a.lo, b.lo) })
	var out []span
	for _, b := range s.busy {
		if n := len(out); n > 0 && b.lo <= out[n-1].hi {
			out[n-1].hi = max(out[n-1].hi, b.hi)
		} else {
			out = append(out, b)
		}
	}
	s.busy = out
}

// free reports whether [lo, hi) is usable and not busy.
func (s *space) free(lo, hi uint64) bool {
	if lo < lowest || hi > highest || lo >= hi {
		return false
	}
	n := sort.Search(len(s.busy), func(i int) bool { return s.busy[i].hi > lo })
	return n == len(s.busy) || s.busy[n].lo >= hi
}

// take makes [lo, hi), which is free, busy.
func (s *space) take(lo, hi uint64) {
	n := sort.Search(len(s.busy), func(i int) bool { return s.busy[i].lo >= lo })
	s.busy = slices.Insert(s.busy, n, span{lo, hi})
}

// dataArea is the plan's data.
type dataArea struct {
	base uint64
	used uint64
	buf  []byte
}

func newDataArea(s *space) *dataArea {
	for b := uint64(dataBase); b+dataSize <= 1<<31; b += 1 << 20 {
		if s.free(b, b+dataSize) {
			s.take(b, b+dataSize)
			return &dataArea{base: b, used: offEntries, buf: make([]byte, offEntries)}
		}
	}
	for b := uint64(dataBase) - dataSize; b >= lowest; b -= 1 << 20 {
		if s.free(b, b+dataSize) {
			s.take(b, b+dataSize)
			return &dataArea{base: b, used: offEntries, buf: make([]byte, offEntries)}
		}
	}
	return nil
}

// take reserves n zero bytes and returns their offset.
func (d *dataArea) take(n uint64) (uint64, error) {
	if d.used+n > dataSize {
		return 0, fmt.Errorf("%w: stub data are full", ErrUnpatchable)
	}
	at := d.used
	d.used += (n + 7) &^ 7
	d.buf = append(d.buf, make([]byte, d.used-uint64(len(d.buf)))...)
	return at, nil
}

func (d *dataArea) put(off, v uint64) { le.PutUint64(d.buf[off:], v) }

// pool is a range that stubs are packed into.
type pool struct {
	base uint64
	buf  []byte
}

// pools finds room for stubs near the code they serve.
type pools struct {
	space *space
	all   []*pool
}

// near returns a pool with n bytes left whose every byte is in reach of addr and of
// the trampoline tramp, when that is not 0. It is not taken yet.
func (p *pools) near(addr, tramp uint64, n int) *pool {
	reaches := func(base uint64) bool { return within(base, addr) && (tramp == 0 || within(base, tramp)) }
	for _, x := range p.all {
		if reaches(x.base) && len(x.buf)+n+16 <= poolSize {
			return x
		}
	}
	try := func(c uint64) *pool {
		if c >= highest || !reaches(c) || !p.space.free(c, c+poolSize) {
			return nil
		}
		return &pool{base: c}
	}
	mid := addr &^ 0xfffff
	for k := uint64(0); k < aside; k += 1 << 20 {
		// Both ways from the preferred distance, below the code first.
		for _, c := range [4]uint64{mid - aside + k, mid + aside - k, mid - aside - k, mid + aside + k} {
			if x := try(c); x != nil {
				return x
			}
		}
	}
	for c := uint64(lowest); c < 0x400000; c += poolSize { // below a fixed-address program
		if x := try(c); x != nil {
			return x
		}
	}
	return nil
}

// take makes x, which near returned, one of the pools.
func (p *pools) take(x *pool) {
	if !slices.Contains(p.all, x) {
		p.space.take(x.base, x.base+poolSize)
		p.all = append(p.all, x)
	}
}

func within(base, addr uint64) bool {
	d := int64(base - addr)
	return d > -reach && d < reach
}

// place returns the address that the next n bytes of x would get.
func (x *pool) place() uint64 { return x.base + uint64(len(x.buf)+15)&^15 }

func (x *pool) put(b []byte) {
	for len(x.buf)%16 != 0 {
		x.buf = append(x.buf, 0xcc)
	}
	x.buf = append(x.buf, b...)
}

func (x *pool) region() Region {
	return Region{Lo: x.base, Hi: x.base + uint64(len(x.buf)+pageSize-1)&^(pageSize-1),
		Prot: unix.PROT_READ | unix.PROT_EXEC}
}
