package patch

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Trampolines: 5-byte jumps at addresses whose distance from the patched
// instruction has prescribed bytes.
//
// A jump over several instructions has instruction boundaries inside its
// displacement. Jump tables and computed gotos could go there unseen, so the
// byte at each boundary is an opcode that faults at once in 64-bit mode; the
// fault is answered by going on in the relocated copy. A jump over fewer than
// five bytes (a pun) leaves the bytes behind it as they are: they are the rest
// of its displacement.

// faulting are the one-byte opcodes that raise an exception without a prefix
// or operand being looked at: #UD for most, #BP for CC, #GP for F4. D5 is left
// out: it is a prefix on newer processors.
var faulting = []byte{0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
	0x60, 0x61, 0x82, 0x9a, 0xcc, 0xce, 0xd4, 0xd6, 0xea, 0xf4}

var isFaulting = func() (t [256]bool) {
	for _, b := range faulting {
		t[b] = true
	}
	return
}()

// constraint is what each of a displacement's four bytes may be: nil anything,
// one byte only that, else the list faulting.
type constraint [4][]byte

func (c *constraint) allows(i int, b byte) bool {
	switch len(c[i]) {
	case 0:
		return true
	case 1:
		return c[i][0] == b
	}
	return isFaulting[b]
}

// fixed reports whether some byte can only be one.
func (c *constraint) fixed() bool {
	return slices.ContainsFunc(c[:], func(b []byte) bool { return len(b) == 1 })
}

// trampPage is a page that holds trampolines.
type trampPage struct {
	base uint64
	buf  [pageSize]byte
	used [pageSize / 8]byte // bitmap of bytes
	n    int
}

func (t *trampPage) freeAt(o int) bool {
	for k := o; k < o+5; k++ {
		if t.used[k/8]>>(k%8)&1 != 0 {
			return false
		}
	}
	return true
}

// crowded is how many trampolines a page holds before it is passed over, except
// where there is no choice: to look for the last slots costs more than a page.
const crowded = 160

type tramps struct {
	space  *space
	chunks []*trampChunk // in the order in which they were reserved
}

// trampChunk is reserved room for trampolines. Pages are opened as needed.
type trampChunk struct {
	lo, hi uint64
	pages  []*trampPage
}

// find returns the address of a free slot s with s − next obeying c, where
// next is the address behind the 5-byte jump. The slot is not taken yet.
// Opened pages come first, then others of reserved chunks, then new chunks.
func (t *tramps) find(next uint64, c *constraint) (uint64, bool) {
	var spare uint64
	for _, ch := range t.chunks {
		s, opened := ch.find(next, c, spare == 0)
		if opened {
			return s, true
		}
		if s != 0 {
			spare = s
		}
	}
	if spare != 0 {
		return spare, true
	}
	hi, mid := c[3], c[2]
	if hi == nil {
		hi = anyHigh
	}
	if mid == nil {
		mid = anyMid
	}
	for _, h := range hi {
		for _, m := range mid {
			base := next + uint64(int64(int32(uint32(h)<<24|uint32(m)<<16)))
			if base >= highest {
				continue // around the ends of the address space
			}
			// 64 KB of addresses have these bytes.
			for _, size := range []uint64{chunkSize, pageSize} {
				for lo := base &^ (size - 1); lo < base+1<<16; lo += size {
					if !t.space.free(lo, lo+size) {
						continue
					}
					ch := &trampChunk{lo, lo + size, make([]*trampPage, size/pageSize)}
					if s, _ := ch.find(next, c, true); s != 0 {
						t.space.take(ch.lo, ch.hi)
						t.chunks = append(t.chunks, ch)
						return s, true
					}
				}
			}
		}
	}
	return 0, false
}

// find looks for a slot in the chunk: in an opened page, else, if spare is set,
// in one that is not. It returns 0 when there is none.
func (ch *trampChunk) find(next uint64, c *constraint, spare bool) (slot uint64, opened bool) {
	lo, hi := int64(ch.lo-next), int64(ch.hi-next)-5
	if lo != int64(int32(lo)) || hi != int64(int32(hi)) {
		return 0, false
	}
	must := c.fixed()
	for top := lo >> 16; top <= hi>>16; top++ {
		if !c.allows(3, byte(top>>8)) || !c.allows(2, byte(top)) {
			continue
		}
		from, to := max(lo, top<<16), min(hi, top<<16|0xffff)
		for k := (from - lo) / pageSize; k <= (to-lo)/pageSize; k++ {
			p := ch.pages[k]
			if p == nil && (!spare || slot != 0) || p != nil && p.n >= crowded && !must {
				continue
			}
			// The displacements of this page's slots with this top half.
			d := lo + k*pageSize
			s, ok := scan(next, max(from, d), min(to, d+pageSize-5), d, c, p)
			if ok && p != nil {
				return s, true
			}
			if ok {
				slot = s
			}
		}
	}
	return slot, false
}

// anyHigh are high bytes to try when any will do: about the distance aside
// first, below and above, then others.
var anyHigh = []byte{0xb0, 0xb1, 0xb2, 0xb4, 0xb8, 0x50, 0x51, 0x52, 0x54, 0x58, 0xa8, 0x60, 0xc0, 0x40,
	0x90, 0x70, 0xd0, 0x30, 0xe0, 0x20, 0xf0, 0x10, 0xf8, 0x08, 0xfc, 0x03, 0xfe, 0x01, 0xff, 0x00}
var anyMid = []byte{0x80, 0x40, 0xc0, 0x10, 0xf0, 0x20, 0xe0}

// scan looks for a slot at a displacement of [from, to], which agree in the
// upper half, in the page that begins at displacement start; page is nil when it
// is untouched.
func scan(next uint64, from, to, start int64, c *constraint, page *trampPage) (uint64, bool) {
	for d1 := from >> 8; d1 <= to>>8; d1++ {
		if !c.allows(1, byte(d1)) {
			continue
		}
		try := func(b byte) bool {
			d := d1<<8 | int64(b)
			return d >= from && d <= to && (page == nil || page.freeAt(int(d-start)))
		}
		if c[0] != nil {
			for _, b := range c[0] {
				if try(b) {
					return next + uint64(d1<<8|int64(b)), true
				}
			}
			continue
		}
		for b := 0; b < 256; b++ {
			if try(byte(b)) {
				return next + uint64(d1<<8|int64(b)), true
			}
		}
	}
	return 0, false
}

// page returns the opened page at pg.
func (t *tramps) page(pg uint64) *trampPage {
	for _, ch := range t.chunks {
		if pg >= ch.lo && pg < ch.hi {
			return ch.pages[(pg-ch.lo)/pageSize]
		}
	}
	return nil
}

// opened calls f with each opened page.
func (t *tramps) opened(f func(*trampPage)) {
	for _, ch := range t.chunks {
		for _, p := range ch.pages {
			if p != nil {
				f(p)
			}
		}
	}
}

// put takes the slot at s, which find returned, and makes it jump to target.
func (t *tramps) put(s, target uint64) {
	pg := s &^ (pageSize - 1)
	p := t.page(pg)
	if p == nil {
		p = &trampPage{base: pg}
		for _, ch := range t.chunks {
			if pg >= ch.lo && pg < ch.hi {
				ch.pages[(pg-ch.lo)/pageSize] = p
			}
		}
	}
	o := int(s - pg)
	p.buf[o] = 0xe9
	le.PutUint32(p.buf[o+1:], uint32(int32(int64(target-s-5))))
	for k := o; k < o+5; k++ {
		p.used[k/8] |= 1 << (k % 8)
	}
	p.n++
}

// regions returns the chunks that hold trampolines, adjoining ones joined.
func (t *tramps) regions() []Region {
	var out []Region
	ch := slices.Clone(t.chunks)
	slices.SortFunc(ch, func(a, b *trampChunk) int { return cmpU64(a.lo, b.lo) })
	for _, c := range ch {
		if n := len(out); n > 0 && out[n-1].Hi == c.lo {
			out[n-1].Hi = c.hi
			continue
		}
		out = append(out, Region{Lo: c.lo, Hi: c.hi, Prot: unix.PROT_READ | unix.PROT_EXEC})
	}
	return out
}
