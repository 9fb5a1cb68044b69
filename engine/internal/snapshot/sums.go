package snapshot

import (
	"bytes"

	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Sums keeps the hash of a program's own pages from one copy of it to the next.
type Sums struct {
	// Contents gives the files that pages are compared with.
	Contents *Contents

	chunks map[uint64]*[chunkPages]uint64 // hashes of pages, by address / chunk
	own    tracee.PageSet
	total  uint64
	n      int64
}

const chunkPages = 512

func (s *Sums) set(addr, hash uint64) {
	k, i := addr/(chunkPages*tracee.PageSize), addr/tracee.PageSize%chunkPages
	c := s.chunks[k]
	if c == nil {
		if hash == 0 {
			return
		}
		if s.chunks == nil {
			s.chunks = map[uint64]*[chunkPages]uint64{}
		}
		c = new([chunkPages]uint64)
		s.chunks[k] = c
	}
	if c[i] != 0 {
		s.n--
	}
	if hash != 0 {
		s.n++
	}
	s.total += hash - c[i]
	c[i] = hash
}

// reset forgets all pages: the program is another.
func (s *Sums) reset() { s.chunks, s.own, s.total, s.n = nil, nil, 0, 0 }

// page is what scan finds of a page.
type pageState uint8

const (
	unreadable pageState = iota
	asFile               // the content of the file that belongs there
	zero
	data
)

// scan brings the sums up to date: own are the program's own pages now, changed
// those of them to look at. refs tells which file's content a page is compared
// with. each, when not nil, gets every page looked at; p is valid until it
// returns.
func (s *Sums) scan(sp *tracee.Space, own, changed tracee.PageSet, refs func(addr uint64) *tracee.Piece, m mask,
	each func(addr uint64, p []byte, st pageState) error) error {
	for _, r := range s.own.Not(own) {
		for a := r.Lo; a < r.Hi; a += tracee.PageSize {
			s.set(a, 0)
		}
	}
	s.own = own
	buf := make([]byte, 256*tracee.PageSize)
	var file [tracee.PageSize]byte
	look := func(addr uint64, p []byte) error {
		m.apply(addr, p)
		st, h := data, trace.HashPage(addr, p)
		if h == 0 {
			st = zero
		}
		if r := refs(addr); r != nil && r.File != 0 {
			if err := s.Contents.page(r.File, r.Off+addr-r.Lo, file[:]); err != nil {
				return err
			}
			switch {
			case bytes.Equal(file[:], p):
				st, h = asFile, 0
			case st == zero:
				h = addr | 1 // zeros count where they are not what belongs there
			}
		}
		s.set(addr, h)
		if each != nil {
			return each(addr, p, st)
		}
		return nil
	}
	for _, r := range changed {
		for lo := r.Lo; lo < r.Hi; {
			b := buf[:min(uint64(len(buf)), r.Hi-lo)]
			n := sp.Read(lo, b) &^ (tracee.PageSize - 1)
			for i := 0; i < n; i += tracee.PageSize {
				if err := look(lo+uint64(i), b[i:i+tracee.PageSize]); err != nil {
					return err
				}
			}
			lo += uint64(n)
			if n < len(b) { // behind the end of a file
				s.set(lo, 0)
				if each != nil {
					if err := each(lo, nil, unreadable); err != nil {
						return err
					}
				}
				lo += tracee.PageSize
			}
		}
	}
	return nil
}

// fingerprint returns the sums with registers' part regs of n threads.
func (s *Sums) fingerprint(event int64, regs uint64, n int32) trace.Fingerprint {
	return trace.Fingerprint{Event: event, Threads: n, Regs: regs, Memory: s.total, Pages: s.n}
}
