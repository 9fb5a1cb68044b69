package replay

import (
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

func pageUp(v uint64) uint64 { return (v + tracee.PageSize - 1) &^ (tracee.PageSize - 1) }

// expect injects a system call that must return want.
func (r *Runner) expect(want int64, what string, nr uint64, args ...uint64) error {
	got, err := r.Inject(nr, args...)
	if err != nil {
		return err
	}
	if got != want {
		return r.diverged(what, fmt.Sprintf("%#x", uint64(want)), fmt.Sprintf("%#x", uint64(got)))
	}
	return nil
}

// mapping executes the calls that change the address space, in a form whose
// result is the recorded one.
func (r *Runner) mapping(e *trace.Event) error {
	a := e.Args
	if e.Ret < 0 && e.Ret > -4096 {
		// These do what they can before they find that something is not mapped.
		partial := e.Ret == -int64(unix.ENOMEM) && (e.NR == unix.SYS_MPROTECT || e.NR == unix.SYS_PKEY_MPROTECT ||
			e.NR == unix.SYS_MADVISE && a[2] == unix.MADV_DONTNEED)
		if !partial {
			return nil
		}
	}
	switch int(e.NR) {
	case unix.SYS_MMAP, unix.SYS_SHMAT:
		return r.mapAll(e, e.NR == unix.SYS_MMAP && a[3]&unix.MAP_GROWSDOWN != 0)
	case unix.SYS_MUNMAP:
		r.hide(a[0], pageUp(a[1]))
		return r.expect(0, "munmap", unix.SYS_MUNMAP, a[0], a[1])
	case unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT:
		return r.expect(e.Ret, "mprotect", unix.SYS_MPROTECT, a[0], a[1], a[2])
	case unix.SYS_SHMDT:
		for _, m := range e.Maps {
			r.hide(m.Addr, m.Len)
			if err := r.expect(0, "munmap", unix.SYS_MUNMAP, m.Addr, m.Len); err != nil {
				return err
			}
		}
	case unix.SYS_MREMAP:
		return r.mremap(e)
	case unix.SYS_MADVISE:
		// No other advice has an effect on content that the writes do not show.
		if a[2] == unix.MADV_DONTNEED {
			if err := r.expect(e.Ret, "madvise", unix.SYS_MADVISE, a[0], a[1], unix.MADV_DONTNEED); err != nil {
				return err
			}
			return r.uncover(a[0], pageUp(a[1]))
		}
	case unix.SYS_BRK:
		return r.brk(uint64(e.Ret))
	case unix.SYS_PRLIMIT64:
		if a[1] == unix.RLIMIT_STACK && (a[0] == 0 || r.Threads[int(a[0])] != nil) {
			r.stackLimit(a[2])
		}
	case unix.SYS_SETRLIMIT:
		if a[0] == unix.RLIMIT_STACK {
			r.stackLimit(a[1])
		}
	default:
		return r.mapAll(e, false) // the call has changed the length of a mapped file
	}
	return nil
}

// mapAll makes an event's mappings: those before it that become views of an
// object, what it mapped itself, and the rest.
func (r *Runner) mapAll(e *trace.Event, growsDown bool) error {
	var views []tracee.View
	for i := range e.Maps {
		m := &e.Maps[i]
		if i > 0 && m.Object != 0 && m.Object != trace.Beyond {
			views = append(views, view(m))
		}
	}
	first := func() error {
		if len(e.Maps) == 0 {
			return nil
		}
		return r.mmap(&e.Maps[0], growsDown)
	}
	// A private mapping has to be there before parts of it become views; a view
	// shows what others have.
	early := len(e.Maps) > 0 && e.Maps[0].Object == 0
	if early {
		if err := first(); err != nil {
			return err
		}
	}
	if len(views) > 0 {
		if err := r.Share(views); err != nil {
			return fmt.Errorf("replay: event %d: %w", r.Next, err)
		}
	}
	if !early {
		if err := first(); err != nil {
			return err
		}
	}
	for i := range e.Maps {
		if m := &e.Maps[i]; i > 0 && (m.Object == 0 || m.Object == trace.Beyond) {
			if err := r.mmap(m, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func view(m *trace.Map) tracee.View {
	return tracee.View{Range: tracee.Range{Lo: m.Addr, Hi: m.Addr + m.Len}, Object: m.Object, Off: m.Off, Private: !m.Shared}
}

// stackLimit gives the copy the limit at addr: where its stack ends is seen by a
// program that overflows it.
func (r *Runner) stackLimit(addr uint64) {
	soft, ok := r.Space.Uint64(addr)
	if addr == 0 || !ok {
		return
	}
	var lim unix.Rlimit
	if unix.Prlimit(r.Space.PID, unix.RLIMIT_STACK, nil, &lim) == nil {
		lim.Cur = min(soft, lim.Max)
		unix.Prlimit(r.Space.PID, unix.RLIMIT_STACK, &lim, nil)
	}
}

// mmap makes one mapping in place of what is there.
func (r *Runner) mmap(m *trace.Map, growsDown bool) error {
	r.hide(m.Addr, m.Len)
	if m.Object != 0 {
		if err := r.Attach(view(m), m.Prot); err != nil {
			return fmt.Errorf("replay: event %d: %w", r.Next, err)
		}
		return nil
	}
	flags := uint64(unix.MAP_PRIVATE | unix.MAP_FIXED | unix.MAP_NORESERVE)
	if growsDown {
		flags |= unix.MAP_GROWSDOWN
	}
	if m.File == 0 {
		return r.expect(int64(m.Addr), "mmap", unix.SYS_MMAP, m.Addr, m.Len, uint64(m.Prot), flags|unix.MAP_ANONYMOUS, ^uint64(0), 0)
	}
	path, err := r.env.FilePath(m.File)
	if err == nil {
		err = r.MapFile(path, false, tracee.Range{Lo: m.Addr, Hi: m.Addr + m.Len}, m.Prot, flags, m.Off)
	}
	if err != nil {
		return fmt.Errorf("replay: event %d: %w", r.Next, err)
	}
	return nil
}

// brk emulates the program break by mappings: a rebuilt process has another.
func (r *Runner) brk(now uint64) error {
	old := pageUp(r.Brk)
	if r.Brk == 0 {
		r.Brk = now
		return nil
	}
	top := pageUp(now)
	r.Brk = now
	switch {
	case top > old:
		return r.expect(int64(old), "brk", unix.SYS_MMAP, old, top-old, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE, ^uint64(0), 0)
	case top < old:
		r.hide(top, old-top)
		return r.expect(0, "brk", unix.SYS_MUNMAP, top, old-top)
	}
	return nil
}

// In a process that was rebuilt from an image some memory maps the image's pages
// (Copy.Shown). The calls below see to it that nobody can tell.

// hide forgets shown memory and views that are being replaced.
func (r *Runner) hide(addr, n uint64) {
	r.Unview(tracee.Range{Lo: addr, Hi: addr + n})
	if len(r.Shown) > 0 {
		r.Shown = tracee.Cut(r.Shown, tracee.Range{Lo: addr, Hi: addr + n})
	}
}

// uncover maps what belongs into shown memory that was given up: zeros, or a
// file's content.
func (r *Runner) uncover(addr, n uint64) error {
	pieces := tracee.Within(r.Shown, tracee.Range{Lo: addr, Hi: addr + n})
	if len(pieces) == 0 {
		return nil
	}
	maps, err := r.Space.Maps()
	if err != nil {
		return err
	}
	r.hide(addr, n)
	for _, p := range pieces {
		for _, m := range maps {
			lo, hi := max(p.Lo, m.Lo), min(p.Hi, m.Hi)
			if lo >= hi {
				continue
			}
			err := r.mmap(&trace.Map{Addr: lo, Len: hi - lo, Prot: m.Prot, File: p.File, Off: p.Off + lo - p.Lo}, false)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// mremap executes mremap: by the kernel in one go where the memory is one mapping
// here too, else mapping by mapping.
func (r *Runner) mremap(e *trace.Event) error {
	old, from, to, at := e.Args[0], pageUp(e.Args[1]), pageUp(e.Args[2]), uint64(e.Ret)
	if from == 0 { // another mapping of the same memory
		return r.mapAll(e, false)
	}
	if at != old {
		r.Lineage.Moved(tracee.Range{Lo: at, Hi: at + to})
		r.hide(at, to)
	}
	whole := tracee.Range{Lo: old, Hi: old + from}
	if len(tracee.Within(r.Shown, whole)) == 0 && len(r.ViewsIn(whole)) == 0 {
		flags := uint64(0)
		if at != old {
			flags = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED | e.Args[3]&unix.MREMAP_DONTUNMAP
		}
		got, err := r.Inject(unix.SYS_MREMAP, old, e.Args[1], e.Args[2], flags, at)
		if err != nil {
			return err
		}
		if got == e.Ret {
			return r.overlay(e)
		}
		if got != -int64(unix.EFAULT) { // it is several mappings
			return r.diverged("mremap", fmt.Sprintf("%#x", at), fmt.Sprintf("%#x", uint64(got)))
		}
	}
	prot, err := r.move(e, old, at, min(from, to))
	if err != nil {
		return err
	}
	keep := e.Args[3]&unix.MREMAP_DONTUNMAP != 0
	if from > to && !keep {
		r.hide(old+to, from-to)
		if err := r.expect(0, "munmap", unix.SYS_MUNMAP, old+to, from-to); err != nil {
			return err
		}
	}
	if to <= from {
		return nil
	}
	if len(e.Maps) == 0 {
		return r.mmap(&trace.Map{Addr: at + from, Len: to - from, Prot: prot}, false)
	}
	return r.mapEach(e)
}

// move moves the mappings in [old, old+n) to at, and returns the protection of the
// last.
func (r *Runner) move(e *trace.Event, old, at, n uint64) (prot uint32, err error) {
	maps, err := r.Space.Maps()
	if err != nil {
		return 0, err
	}
	whole := tracee.Range{Lo: old, Hi: old + n}
	shown, views := tracee.Within(r.Shown, whole), r.ViewsIn(whole)
	if at != old {
		if err := r.expect(0, "munmap", unix.SYS_MUNMAP, at, pageUp(e.Args[2])); err != nil {
			return 0, err
		}
	}
	flags := unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED | e.Args[3]&unix.MREMAP_DONTUNMAP
	for _, m := range maps {
		lo, hi := max(m.Lo, old), min(m.Hi, old+n)
		if lo >= hi {
			continue
		}
		prot = m.Prot
		if dest := lo - old + at; at != old {
			if err := r.expect(int64(dest), "mremap", unix.SYS_MREMAP, lo, hi-lo, hi-lo, flags, dest); err != nil {
				return 0, err
			}
		}
	}
	if at == old {
		return prot, nil
	}
	if flags&unix.MREMAP_DONTUNMAP == 0 {
		r.hide(old, n)
	}
	for _, p := range shown {
		p.Lo, p.Hi = p.Lo-old+at, p.Hi-old+at
		r.show(p)
	}
	for _, v := range views {
		v.Lo, v.Hi = v.Lo-old+at, v.Hi-old+at
		r.View(v)
	}
	return prot, nil
}

// overlay makes those of an event's mappings that the kernel has not made.
func (r *Runner) overlay(e *trace.Event) error {
	for i := range e.Maps {
		if m := &e.Maps[i]; m.Object != 0 {
			if err := r.mmap(m, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// mapEach makes all of an event's mappings.
func (r *Runner) mapEach(e *trace.Event) error {
	for i := range e.Maps {
		if err := r.mmap(&e.Maps[i], false); err != nil {
			return err
		}
	}
	return nil
}

// show enters shown memory, in order.
func (r *Runner) show(p tracee.Piece) {
	i := sort.Search(len(r.Shown), func(i int) bool { return r.Shown[i].Lo > p.Lo })
	r.Shown = slices.Insert(slices.Clone(r.Shown), i, p)
}
