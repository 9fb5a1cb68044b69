package record

import (
	"golang.org/x/sys/unix"

	"yore/engine/syscalls"
	"yore/engine/trace"
)

// robustBefore returns the futex words on a dying thread's robust list
// (include/uapi/linux/futex.h): the kernel marks those it owns.
func (r *Recorder) robustBefore(t *Thread) ([]syscalls.Range, []trace.Write) {
	if t.robust == 0 {
		return nil, nil
	}
	offset, _ := r.space.Uint64(t.robust + 8)
	var out []syscalls.Range
	seen := t.robust
	for p, n := t.robust, 0; n < 2048; n++ {
		next, ok := r.space.Uint64(p)
		if next &^= 1; !ok || next == 0 || next == seen {
			break
		}
		out = append(out, syscalls.Range{Addr: next + offset, Len: 4})
		p = next
	}
	if pending, ok := r.space.Uint64(t.robust + 16); ok && pending&^1 != 0 {
		out = append(out, syscalls.Range{Addr: pending&^1 + offset, Len: 4})
	}
	return out, r.grab(out)
}

// robustAfter returns the words that the thread's death changed.
func (r *Recorder) robustAfter(words []syscalls.Range, before []trace.Write) []trace.Write {
	var out []trace.Write
	for i, w := range r.grab(words) {
		if i < len(before) && string(before[i].Data) != string(w.Data) {
			out = append(out, w)
		}
	}
	return out
}

// setRobust notes set_robust_list.
func (t *Thread) setRobust(e *trace.Event) {
	if e.NR == unix.SYS_SET_ROBUST_LIST && e.Ret == 0 {
		t.robust = e.Args[0]
	}
}
