package engine

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Hash returns a hash of the present state: all threads' registers and all memory.
// Equal states have equal hashes.
func (s *Session) Hash(ctx context.Context) (h uint64, err error) {
	err = s.do(ctx, func() error {
		if s.here.frontier {
			c, err := s.keepFrontier("")
			if err != nil {
				return err
			}
			h, err = s.hash(c.r.Copy)
			return err
		}
		r, err := s.proc()
		if err != nil {
			return err
		}
		h, err = s.hash(r.Copy)
		return err
	})
	return h, err
}

func (s *Session) hash(c *tracee.Copy) (uint64, error) {
	d := xxhash.New()
	var b [8]byte
	put := func(v uint64) {
		binary.LittleEndian.PutUint64(b[:], v)
		d.Write(b[:])
	}
	for _, id := range c.Live() {
		x, err := c.ThreadRegs(id)
		if err != nil {
			return 0, err
		}
		put(uint64(id))
		const tfrf = 0x10100
		for _, v := range []uint64{x.Rip, x.Rsp, x.Rax, x.Rbx, x.Rcx, x.Rdx, x.Rsi, x.Rdi, x.Rbp, x.R8, x.R9, x.R10,
			x.R11, x.R12, x.R13, x.R14, x.R15, x.Eflags &^ tfrf, x.Fs_base, x.Gs_base} {
			put(v)
		}
	}
	err := s.ownPages(c, func(p uint64, page []byte) {
		put(p)
		d.Write(page)
	})
	return d.Sum64(), err
}

// ownPages calls f with the pages that are not zero, except the engine's, and with
// the program's own code. Pages of files count as all others: what is a file's in
// the program can be a copy of its content in a replay.
func (s *Session) ownPages(c *tracee.Copy, f func(p uint64, page []byte)) error {
	stubs, err := s.stubMaps()
	if err != nil {
		return err
	}
	set, err := c.Space.Anonymous()
	if err != nil {
		return err
	}
	maps, err := c.Space.Maps()
	if err != nil {
		return err
	}
	page := make([]byte, tracee.PageSize)
	zero := make([]byte, tracee.PageSize)
	for _, m := range maps {
		if m.Kernel() {
			continue
		}
		all := tracee.PageSet{{Lo: m.Lo, Hi: m.Hi}}
		if m.Inode == 0 && !m.Shared { // what was never touched is zero
			all = set.And(all)
		}
		for _, g := range all {
			for p := g.Lo; p < g.Hi; p += tracee.PageSize {
				if record.Ours(p) || stubs.Has(p) || c.Space.Read(p, page) != len(page) {
					continue
				}
				if s.unpatch(p, page); !bytes.Equal(page, zero) {
					f(p, page)
				}
			}
		}
	}
	return nil
}

// stubMaps returns where the recorder's stubs are, at any time.
func (s *Session) stubMaps() (tracee.PageSet, error) {
	var out tracee.PageSet
	for i := range s.log.Len() {
		e, err := s.log.At(i)
		if err != nil {
			return nil, err
		}
		if e.Kind != trace.Stubs {
			continue
		}
		for _, m := range e.Maps {
			out = out.With(tracee.Range{Lo: m.Addr, Hi: m.Addr + m.Len})
		}
	}
	return out, nil
}
