package image

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Writer makes one image.
type Writer struct {
	s    *Store
	own  []Run // of Add, in the order of the calls
	base []Run // of Inherit
	done bool
	err  error
}

// NewWriter begins an image.
func (s *Store) NewWriter() *Writer { return &Writer{s: s} }

// Add gives the content of memory from addr on: whole pages, in any order, each
// at most once, all inside the regions that Close gets. Equal pages are stored
// once, zeros not at all. Ascending addresses make long runs. p may be reused.
func (w *Writer) Add(addr uint64, p []byte) error {
	if w.err != nil {
		return w.err
	}
	if addr%PageSize != 0 || len(p)%PageSize != 0 || addr >= userEnd || uint64(len(p)) > userEnd-addr {
		return w.fail(fmt.Errorf("memory %#x+%#x is not made of pages", addr, len(p)))
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for ; len(p) > 0; p, addr = p[PageSize:], addr+PageSize {
		page := p[:PageSize]
		var n uint32
		if !isZero(page) {
			var err error
			if n, err = w.s.put(page); err != nil {
				return w.fail(err)
			}
		}
		w.own = extend(w.own, Run{addr, PageSize, int64(n) * PageSize})
	}
	return nil
}

func isZero(page []byte) bool { return string(page) == string(zeroPage[:]) }

// extend appends r to runs, joined with the last one where it continues it.
func extend(runs []Run, r Run) []Run {
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		if last.Addr+last.Len == r.Addr && (last.Off == 0 && r.Off == 0 ||
			last.Off != 0 && r.Off == last.Off+int64(last.Len)) {
			last.Len += r.Len
			return runs
		}
	}
	return append(runs, r)
}

// Inherit says that the memory of [addr, addr+n) which is not given to Add is
// as in from, an image of the same store; memory in none of from's runs stays in
// none. Ranges of several calls must not overlap.
func (w *Writer) Inherit(from *Image, addr, n uint64) {
	i, _ := slices.BinarySearchFunc(from.Runs, addr, func(r Run, a uint64) int {
		return cmp.Compare(r.Addr+r.Len-1, a)
	})
	for ; i < len(from.Runs); i++ {
		r, ok := clip(from.Runs[i], addr, n)
		if !ok {
			return
		}
		w.base = append(w.base, r)
	}
}

// clip cuts r to [addr, addr+n), which begins before r's end.
func clip(r Run, addr, n uint64) (Run, bool) {
	if r.Addr < addr {
		r = r.from(addr)
	}
	if r.Addr-addr >= n {
		return r, false
	}
	r.Len = min(r.Len, n-(r.Addr-addr))
	return r, true
}

// from returns the part of r from addr on.
func (r Run) from(addr uint64) Run {
	d := addr - r.Addr
	if r.Off != 0 {
		r.Off += int64(d)
	}
	r.Addr, r.Len = addr, r.Len-d
	return r
}

// Close writes the image with state and returns its id. State's regions are
// sorted by address. On an error there is no image.
func (w *Writer) Close(state *State) (ID, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.done {
		return 0, fmt.Errorf("image: %w", os.ErrClosed)
	}
	w.done = true
	id, err := w.close(state)
	if err != nil {
		return 0, w.fail(err)
	}
	return id, nil
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("image: %w", err)
	return w.err
}

func (w *Writer) close(state *State) (ID, error) {
	if err := state.check(); err != nil {
		return 0, err
	}
	runs, err := merge(w.own, w.base)
	if err != nil {
		return 0, err
	}
	runs = split(runs, state.Regions)

	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flush(); err != nil {
		return 0, err
	}
	if err := checkRuns(runs, state.Regions, uint64(s.n)); err != nil {
		return 0, err
	}
	if s.next == 0 {
		return 0, errors.New("store has no image numbers left")
	}
	b, err := encode(state, runs, s.next, s.n)
	if err != nil {
		return 0, err
	}
	name := imageName(s.next)
	if err := s.root.WriteFile(name+".new", b, 0o600); err != nil {
		s.root.Remove(name + ".new")
		return 0, err
	}
	if err := s.root.Rename(name+".new", name); err != nil {
		s.root.Remove(name + ".new")
		return 0, err
	}
	s.next++
	return s.next - 1, nil
}

// merge sorts both lists and fills own's gaps from base.
func merge(own, base []Run) ([]Run, error) {
	byAddr := func(a, b Run) int { return cmp.Compare(a.Addr, b.Addr) }
	slices.SortFunc(own, byAddr)
	slices.SortFunc(base, byAddr)
	for _, list := range [][]Run{own, base} {
		for i := 1; i < len(list); i++ {
			if list[i].Addr < list[i-1].Addr+list[i-1].Len {
				return nil, fmt.Errorf("page %#x was given twice", list[i].Addr)
			}
		}
	}
	out := make([]Run, 0, len(own)+len(base))
	add := func(r Run) { out = extend(out, r) }
	for len(base) > 0 {
		b := base[0]
		base = base[1:]
		for b.Len > 0 {
			// Own runs before b, then the part of b before the next own run.
			for len(own) > 0 && own[0].Addr+own[0].Len <= b.Addr {
				add(own[0])
				own = own[1:]
			}
			if len(own) == 0 || own[0].Addr >= b.Addr+b.Len {
				add(b)
				break
			}
			if own[0].Addr > b.Addr {
				head := b
				head.Len = own[0].Addr - b.Addr
				add(head)
			}
			// own[0] covers b from here to its own end.
			end := own[0].Addr + own[0].Len
			if end >= b.Addr+b.Len {
				break
			}
			b = b.from(end)
		}
	}
	for _, r := range own {
		add(r)
	}
	return out, nil
}

// split cuts runs at the borders of regions.
func split(runs []Run, regions []Region) []Run {
	var out []Run
	for _, r := range runs {
		for {
			g := region(regions, r.Addr)
			if g == nil || r.Len <= g.End()-r.Addr {
				break
			}
			head := r
			head.Len = g.End() - r.Addr
			out = append(out, head)
			r = r.from(g.End())
		}
		out = append(out, r)
	}
	return out
}
