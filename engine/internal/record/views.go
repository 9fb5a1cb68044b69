package record

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Memory that shows a file or shared memory can change without a store to it:
// through another mapping of the same file, or by a call that writes the file. The
// list of views says what the program has mapped from where, so that both are
// known:
//
//   - Mappings that show the same, one of which can be stored through, are views of
//     an object in copies of the program (package tracee). The event that made the
//     second of them tells replay.
//   - What a call writes to a mapped file is an output of that call in every
//     mapping that shows it (changed.go).
//
// A shared mapping whose memory no other mapping shows is private in copies.

// view is a mapping, or a part of one, that shows a file or shared memory.
type view struct {
	tracee.Range
	of     source
	off    uint64
	shared bool
	store  bool   // shared, and can be stored through
	object uint32 // that it shows in copies, 0 for none
	// valid is how much of it, bytes from its beginning, is there: the rest lies
	// behind the end of the file, and access raises SIGBUS.
	valid uint64
}

// source names what a view shows: a file by device and inode, System V memory by
// its id, anonymous shared memory by a number of ours.
type source struct{ dev, ino uint64 }

const (
	sysvDevice = ^uint64(0) - iota
	anonDevice
)

// part returns the part of v in [lo, hi), which overlaps it.
func (v view) part(lo, hi uint64) view {
	if lo > v.Lo {
		d := lo - v.Lo
		v.Lo, v.off, v.valid = lo, v.off+d, v.valid-min(d, v.valid)
	}
	v.Hi = min(v.Hi, hi)
	v.valid = min(v.valid, v.Hi-v.Lo)
	return v
}

// common returns the part of v that shows what w shows too; ok is false when there
// is none.
func (v view) common(w *view) (x view, ok bool) {
	lo, hi := max(v.off, w.off), min(v.off+v.Hi-v.Lo, w.off+w.Hi-w.Lo)
	if v.of != w.of || lo >= hi {
		return view{}, false
	}
	return v.part(v.Lo+lo-v.off, v.Lo+hi-v.off), true
}

// mapping is the view as an event lists it.
func (v *view) mapping() trace.Map {
	return trace.Map{Addr: v.Lo, Len: v.Hi - v.Lo, Shared: v.shared, Object: v.object, Off: v.off}
}

// views is a list in address order, changed by replacing it.
type views []view

// cut returns vs without what they have in [lo, hi).
func (vs views) cut(lo, hi uint64) views {
	if !slices.ContainsFunc(vs, func(v view) bool { return v.Lo < hi && lo < v.Hi }) {
		return vs
	}
	var out views
	for _, v := range vs {
		if v.Hi <= lo || v.Lo >= hi {
			out = append(out, v)
			continue
		}
		if v.Lo < lo {
			out = append(out, v.part(v.Lo, lo))
		}
		if v.Hi > hi {
			out = append(out, v.part(hi, v.Hi))
		}
	}
	return out
}

// with returns vs with v in place of what is in its range.
func (vs views) with(v view) views {
	vs = vs.cut(v.Lo, v.Hi)
	i, _ := slices.BinarySearchFunc(vs, v.Lo, func(w view, lo uint64) int {
		if w.Lo < lo {
			return -1
		}
		return 1
	})
	return slices.Insert(slices.Clone(vs), i, v)
}

// in returns the parts of vs in [lo, hi).
func (vs views) in(lo, hi uint64) views {
	var out views
	for _, v := range vs {
		if v.Lo < hi && lo < v.Hi {
			out = append(out, v.part(lo, hi))
		}
	}
	return out
}

// setViews replaces the list of views.
func (r *Recorder) setViews(vs views) {
	r.views = vs
	clear(r.mappedFDs)
}

// newView notes mapping v that event e has made: e.Maps[0] is it. The event gets
// what replay has to know of other mappings, and of the end of the file; also its
// content, unless that is kept by reference; only the pages in data can be other
// than zeros.
func (r *Recorder) newView(v view, data tracee.PageSet, e *trace.Event) error {
	var shown []view // what shared mappings show of it
	defer func() {
		if e.Maps[0].File != 0 {
			return
		}
		for _, g := range uncovered(&v, shown).And(data) {
			e.Writes = append(e.Writes, r.grabContent(g.Lo, g.Hi-g.Lo)...)
		}
	}()
	if n := v.Hi - v.Lo; v.valid < n {
		defer func() {
			e.Maps = append(e.Maps, beyond(v.Lo+v.valid, v.Hi, e.Maps[0].Prot))
		}()
	}
	var others []view
	aliased := false
	for i := range r.views {
		if w := &r.views[i]; w.of == v.of {
			if _, ok := w.common(&v); ok {
				others = append(others, *w)
				aliased = aliased || w.store || v.store
			}
		}
	}
	if !aliased {
		r.setViews(r.views.with(v))
		return nil
	}
	if r.objects == nil {
		r.objects = map[source]uint32{}
	}
	n := r.objects[v.of]
	if n == 0 {
		n = uint32(len(r.objects) + 1)
		r.objects[v.of] = n
	}
	vs := r.views
	for _, w := range others {
		if !w.shared {
			continue
		}
		shown = append(shown, w)
		if w.object == 0 {
			w.object = n
			vs = vs.with(w)
			e.Maps = append(e.Maps, w.mapping())
			r.capturedFrom(w.Range)
		}
	}
	if v.shared {
		v.object = n
		vs = vs.with(v)
		e.Maps[0].Object, e.Maps[0].Off, e.Maps[0].File = n, v.off, 0
		r.capturedFrom(v.Range)
		// Private mappings show what is stored from now on, but where the program
		// has written pages of its own.
		for _, w := range others {
			if x, _ := w.common(&v); !w.shared && x.object == 0 {
				x.object = n
				vs = vs.with(x)
				maps, err := r.unwritten(&x)
				if err != nil {
					return err
				}
				e.Maps = append(e.Maps, maps...)
				r.capturedFrom(x.Range)
			}
		}
	} else {
		vs = vs.with(v)
		for i := range shown {
			if x, ok := v.common(&shown[i]); ok {
				x.object = n
				vs = vs.with(x)
				e.Maps = append(e.Maps, x.mapping())
				r.capturedFrom(x.Range)
			}
		}
	}
	r.setViews(vs)
	return nil
}

// beyond is the mapping of memory behind the end of its file.
func beyond(lo, hi uint64, prot uint32) trace.Map {
	return trace.Map{Addr: lo, Len: hi - lo, Prot: prot, Shared: true, Object: trace.Beyond}
}

// uncovered returns the parts of v that none of shown shows. As far as it is valid.
func uncovered(v *view, shown []view) tracee.PageSet {
	left := tracee.PageSet{{Lo: v.Lo, Hi: v.Lo + v.valid}}
	if v.valid == 0 {
		return nil
	}
	for i := range shown {
		if x, ok := v.common(&shown[i]); ok {
			left = left.Not(tracee.PageSet{x.Range})
		}
	}
	return left
}

// unwritten lists the pages of a private mapping that show its file.
func (r *Recorder) unwritten(v *view) ([]trace.Map, error) {
	own, err := r.space.Private(v.Range)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var out []trace.Map
	for _, g := range (tracee.PageSet{v.Range}).Not(own) {
		x := v.part(g.Lo, g.Hi)
		out = append(out, x.mapping())
	}
	return out, nil
}

// capturedFrom makes the layout say that memory is kept as data from now on.
func (r *Recorder) capturedFrom(g tracee.Range) {
	r.layout.set(tracee.Piece{Range: g})
}

// copyViews is what a frozen copy has to know of shared memory.
func (r *Recorder) copyViews() []tracee.View {
	var out []tracee.View
	for i := range r.views {
		v := &r.views[i]
		mid := v.Lo + v.valid
		if v.object != 0 && v.valid > 0 {
			out = append(out, tracee.View{Range: tracee.Range{Lo: v.Lo, Hi: mid}, Object: v.object, Off: v.off, Private: !v.shared})
		}
		if v.shared && mid < v.Hi {
			out = append(out, tracee.View{Range: tracee.Range{Lo: mid, Hi: v.Hi}, Object: tracee.Beyond})
		}
	}
	return out
}

// valid tells how many bytes of [lo, hi) are there, in whole pages.
func (r *Recorder) validBytes(lo, hi uint64) uint64 {
	var b [1]byte
	at := lo
	for at < hi && r.space.Read(at, b[:]) == 1 {
		at += tracee.PageSize
	}
	return at - lo
}

// moveViews follows an mremap: e.Maps is what it has added.
func (r *Recorder) moveViews(e *trace.Event) error {
	old, from, to, at := e.Args[0], pageUp(e.Args[1]), pageUp(e.Args[2]), uint64(e.Ret)
	vs := r.views
	if from == 0 { // a second mapping of shared memory
		i := slices.IndexFunc(vs, func(v view) bool { return v.Lo <= old && old < v.Hi })
		if i < 0 {
			return nil
		}
		v := vs[i].part(old, vs[i].Hi)
		v.Lo, v.Hi, v.object = at, at+to, 0
		v.valid = r.validBytes(v.Lo, v.Hi)
		e.Maps = []trace.Map{{Addr: at, Len: to, Prot: r.protOf(at), Shared: true}}
		return r.newView(v, nil, e)
	}
	moving := vs.in(old, old+min(from, to))
	if at != old {
		vs = vs.cut(at, at+to)
		if e.Args[3]&unix.MREMAP_DONTUNMAP == 0 {
			vs = vs.cut(old, old+from)
		}
	} else if to < from {
		vs = vs.cut(old+to, old+from)
	}
	for _, v := range moving {
		v.Lo, v.Hi = v.Lo-old+at, v.Hi-old+at
		vs = vs.with(v)
	}
	r.setViews(vs)
	if len(moving) == 0 || to <= from {
		return nil
	}
	v := moving[len(moving)-1]
	if v.Hi != old+from {
		return nil
	}
	v.off += v.Hi - v.Lo
	v.Lo, v.Hi, v.object = at+from, at+to, 0
	v.valid = r.validBytes(v.Lo, v.Hi)
	if len(e.Maps) == 0 {
		e.Maps = []trace.Map{{Addr: v.Lo, Len: v.Hi - v.Lo, Prot: r.protOf(v.Lo), Shared: v.shared}}
	}
	return r.newView(v, tracee.PageSet{v.Range}, e)
}
