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

// constraint is what a displacement's four bytes may be; nil is anything.
type constraint [4][]byte

func (c *constraint) allows(i int, b byte) bool {
	return c[i] == nil || slices.Contains(c[i], b)
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

type tramps struct {
	space  *space
	pages  []*trampPage // in the order in which they were opened
	chunks []span       // reserved for pages, not all of them opened
}

// find returns the address of a free slot s with s − next obeying c, where
// next is the address behind the 5-byte jump. The slot is not taken yet.
func (t *tramps) find(next uint64, c *constraint) (uint64, bool) {
	for _, p := range t.pages {
		if s, ok := scan(p.base, next, c, p); ok {
			return s, true
		}
	}
	for _, ch := range t.chunks {
		for pg := ch.lo; pg < ch.hi; pg += pageSize {
			if t.page(pg) != nil {
				continue
			}
			if s, ok := scan(pg, next, c, nil); ok {
				return s, true
			}
		}
	}
	// New room: combinations of the two high bytes.
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
			// 64 KB of addresses have these bytes.
			for _, size := range []uint64{chunkSize, pageSize} {
				for lo := base &^ (size - 1); lo < base+1<<16; lo += size {
					if !t.space.free(lo, lo+size) {
						continue
					}
					for pg := lo; pg < lo+size; pg += pageSize {
						if s, ok := scan(pg, next, c, nil); ok {
							t.space.take(lo, lo+size)
							t.chunks = append(t.chunks, span{lo, lo + size})
							return s, true
						}
					}
				}
			}
		}
	}
	return 0, false
}

// anyHigh are high bytes to try when any will do: about the distance aside
// first, below and above, then others.
var anyHigh = []byte{0xb0, 0xb1, 0xb2, 0xb4, 0xb8, 0x50, 0x51, 0x52, 0x54, 0x58, 0xa8, 0x60, 0xc0, 0x40,
	0x90, 0x70, 0xd0, 0x30, 0xe0, 0x20, 0xf0, 0x10, 0xf8, 0x08, 0xfc, 0x03, 0xfe, 0x01, 0xff, 0x00}
var anyMid = []byte{0x80, 0x40, 0xc0, 0x10, 0xf0, 0x20, 0xe0}

// scan looks for a slot in the page at base; page is nil when it is untouched.
func scan(base, next uint64, c *constraint, page *trampPage) (uint64, bool) {
	lo := int64(base - next)
	hi := lo + pageSize - 5 // the last displacement with a whole slot
	if lo != int64(int32(lo)) || hi != int64(int32(hi)) {
		return 0, false
	}
	for top := lo >> 16; top <= hi>>16; top++ {
		if !c.allows(3, byte(top>>8)) || !c.allows(2, byte(top)) {
			continue
		}
		from, to := max(lo, top<<16), min(hi, top<<16|0xffff)
		for d1 := from >> 8; d1 <= to>>8; d1++ {
			if !c.allows(1, byte(d1)) {
				continue
			}
			try := func(b byte) (uint64, bool) {
				d := d1<<8 | int64(b)
				if d < from || d > to || page != nil && !page.freeAt(int(d-lo)) {
					return 0, false
				}
				return next + uint64(d), true
			}
			if c[0] != nil {
				for _, b := range c[0] {
					if s, ok := try(b); ok {
						return s, true
					}
				}
				continue
			}
			for b := 0; b < 256; b++ {
				if s, ok := try(byte(b)); ok {
					return s, true
				}
			}
		}
	}
	return 0, false
}

func (t *tramps) page(pg uint64) *trampPage {
	for _, p := range t.pages {
		if p.base == pg {
			return p
		}
	}
	return nil
}

// put takes the slot at s, which find returned, and makes it jump to target.
func (t *tramps) put(s, target uint64) {
	pg := s &^ (pageSize - 1)
	p := t.page(pg)
	if p == nil {
		p = &trampPage{base: pg}
		t.pages = append(t.pages, p)
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
	slices.SortFunc(ch, func(a, b span) int { return cmpU64(a.lo, b.lo) })
	for _, c := range ch {
		if n := len(out); n > 0 && out[n-1].Hi == c.lo {
			out[n-1].Hi = c.hi
			continue
		}
		out = append(out, Region{Lo: c.lo, Hi: c.hi, Prot: unix.PROT_READ | unix.PROT_EXEC})
	}
	return out
}
