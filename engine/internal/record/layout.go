package record

import (
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// Layout says which memory of the program replay maps from files: what of a
// process is file content and what is its own can then be told alike on both
// sides, whatever the live process's mappings look like.
type Layout struct {
	pieces []tracee.Piece // sorted, disjoint; File 0 is captured in the log as plain data
	fresh  tracee.PageSet
}

// Pieces returns the pieces in the order of addresses.
func (l *Layout) Pieces() []tracee.Piece { return slices.Clone(l.pieces) }

// TakeFresh returns the captured memory that was mapped since the last call.
func (l *Layout) TakeFresh() tracee.PageSet {
	s := l.fresh
	l.fresh = nil
	return s
}

func (l *Layout) cut(lo, hi uint64) {
	if lo < hi {
		l.pieces = tracee.Cut(l.pieces, tracee.Range{Lo: lo, Hi: hi})
	}
}

func (l *Layout) set(p tracee.Piece) {
	l.cut(p.Lo, p.Hi)
	i, _ := slices.BinarySearchFunc(l.pieces, p.Lo, func(x tracee.Piece, a uint64) int {
		if x.Lo < a {
			return -1
		}
		return 1
	})
	l.pieces = slices.Insert(l.pieces, i, p)
	if p.File == 0 {
		l.fresh = l.fresh.With(p.Range)
	}
}

func (l *Layout) within(lo, hi uint64) []tracee.Piece {
	return tracee.Within(l.pieces, tracee.Range{Lo: lo, Hi: hi})
}

// Layout returns the recorder's layout of mapped files.
func (r *Recorder) Layout() *Layout { return &r.layout }

// firstLayout finds what execve has mapped.
func (r *Recorder) firstLayout() error {
	r.layout = Layout{}
	r.setViews(nil)
	maps, err := r.space.Maps()
	if err != nil {
		return err
	}
	for i := range maps {
		m := &maps[i]
		if m.Inode == 0 || m.Kernel() {
			continue
		}
		p := tracee.Piece{Range: tracee.Range{Lo: m.Lo, Hi: m.Hi}, Off: m.Off}
		f, err := r.files.addPath(m.Path, m.Inode)
		if err == nil {
			f.Code = true
			if err := r.announce(f, false); err != nil {
				return err
			}
			p.File = f.ID
			r.setViews(r.views.with(view{Range: p.Range, of: source{f.Dev, f.Inode}, off: p.Off, valid: m.Hi - m.Lo}))
		}
		r.layout.set(p)
	}
	return nil
}

// announce tells of a file that is mapped by reference for the first time, and
// whether its content may change under the mapping.
func (r *Recorder) announce(f *File, changing bool) error {
	if f.ID != 0 {
		return nil
	}
	r.files.enter(f, changing)
	if r.OnFile == nil {
		return nil
	}
	return r.OnFile(f, changing)
}

// moved follows an mremap. What it adds to the mapping of a file goes into the
// event.
func (r *Recorder) moved(e *trace.Event) {
	old, from, to := e.Args[0], pageUp(e.Args[1]), pageUp(e.Args[2])
	at := uint64(e.Ret)
	l := &r.layout
	pieces := l.within(old, old+min(from, to))
	if at != old {
		r.Lineage.Moved(tracee.Range{Lo: at, Hi: at + to})
		l.cut(at, at+to)
		if e.Args[3]&unix.MREMAP_DONTUNMAP == 0 {
			l.cut(old, old+from)
		}
	} else if to < from {
		l.cut(old+to, old+from)
	}
	for _, p := range pieces {
		end := p.Hi == old+from
		p.Lo, p.Hi = p.Lo-old+at, p.Hi-old+at
		if end && to > from {
			tail := tracee.Range{Lo: p.Hi, Hi: at + to}
			if p.File == 0 {
				e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: tail.Lo, Len: tail.Hi - tail.Lo}})...)
			} else {
				e.Maps = append(e.Maps, trace.Map{Addr: tail.Lo, Len: tail.Hi - tail.Lo, Prot: r.protOf(tail.Lo), File: p.File, Off: p.Off + p.Hi - p.Lo})
			}
			p.Hi = tail.Hi
		}
		if at != old || end {
			l.set(p)
		}
	}
}

func (r *Recorder) protOf(addr uint64) uint32 {
	maps, _ := r.space.Maps()
	for _, m := range maps {
		if addr >= m.Lo && addr < m.Hi {
			return m.Prot
		}
	}
	return unix.PROT_READ
}

// discarded follows advice that pages are not needed: captured memory shows its
// file again, and shared memory is what it was.
func (r *Recorder) discarded(e *trace.Event) {
	lo, hi := e.Args[0], e.Args[0]+pageUp(e.Args[1])
	for _, p := range r.layout.within(lo, hi) {
		if p.File == 0 {
			e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: p.Lo, Len: p.Hi - p.Lo}})...)
			r.layout.fresh = r.layout.fresh.With(p.Range)
		}
	}
	for _, v := range r.views.in(lo, hi) {
		if v.shared && v.of.dev >= anonDevice {
			e.Writes = append(e.Writes, r.grabContent(v.Lo, v.Hi-v.Lo)...)
		}
	}
}
