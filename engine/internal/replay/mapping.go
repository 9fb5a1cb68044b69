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
	if e.Ret < 0 && e.Ret > -4096 {
		return nil
	}
	a := e.Args
	switch int(e.NR) {
	case unix.SYS_MMAP, unix.SYS_SHMAT:
		for i := range e.Maps {
			r.hide(e.Maps[i].Addr, e.Maps[i].Len)
			if err := r.mmap(&e.Maps[i], e.NR == unix.SYS_MMAP && a[3]&unix.MAP_GROWSDOWN != 0); err != nil {
				return err
			}
		}
	case unix.SYS_MUNMAP:
		r.hide(a[0], pageUp(a[1]))
		return r.expect(0, "munmap", unix.SYS_MUNMAP, a[0], a[1])
	case unix.SYS_MPROTECT:
		return r.expect(0, "mprotect", unix.SYS_MPROTECT, a[0], a[1], a[2])
	case unix.SYS_PKEY_MPROTECT:
		return r.expect(0, "mprotect", unix.SYS_MPROTECT, a[0], a[1], a[2])
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
		// The recorder turns MADV_FREE into MADV_DONTNEED; other advice has no
		// effect on content.
		switch a[2] {
		case unix.MADV_DONTNEED, unix.MADV_FREE:
			if err := r.expect(0, "madvise", unix.SYS_MADVISE, a[0], a[1], unix.MADV_DONTNEED); err != nil {
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
	}
	return nil
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

func (r *Runner) mmap(m *trace.Map, growsDown bool) error {
	flags := uint64(unix.MAP_PRIVATE | unix.MAP_FIXED | unix.MAP_NORESERVE)
	if growsDown {
		flags |= unix.MAP_GROWSDOWN
	}
	if m.File == 0 {
		return r.expect(int64(m.Addr), "mmap", unix.SYS_MMAP, m.Addr, m.Len, uint64(m.Prot), flags|unix.MAP_ANONYMOUS, ^uint64(0), 0)
	}
	path, err := r.env.FilePath(m.File)
	if err != nil {
		return fmt.Errorf("replay: event %d: %w", r.Next, err)
	}
	if err := r.Space.Write(tracee.EngineData, append([]byte(path), 0)); err != nil {
		return err
	}
	fd, err := r.Inject(unix.SYS_OPENAT, ^uint64(99), tracee.EngineData, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if fd < 0 {
		return fmt.Errorf("replay: event %d: open mapped file %s: %w", r.Next, path, unix.Errno(-fd))
	}
	if err := r.expect(int64(m.Addr), "mmap", unix.SYS_MMAP, m.Addr, m.Len, uint64(m.Prot), flags, uint64(fd), m.Off); err != nil {
		return err
	}
	return r.expect(0, "close", unix.SYS_CLOSE, uint64(fd))
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

// hide forgets shown memory that is being replaced.
func (r *Runner) hide(addr, n uint64) {
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

// mremap executes mremap. Where shown memory is part of it the kernel would
// refuse, since that is several mappings: they are moved one by one.
func (r *Runner) mremap(e *trace.Event) error {
	old, from, to, at := e.Args[0], pageUp(e.Args[1]), pageUp(e.Args[2]), uint64(e.Ret)
	flags := uint64(unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED)
	keep := e.Args[3]&unix.MREMAP_DONTUNMAP != 0
	if keep {
		flags |= unix.MREMAP_DONTUNMAP
	}
	if at != old {
		r.Lineage.Moved(tracee.Range{Lo: at, Hi: at + to})
		r.hide(at, to)
	}
	pieces := tracee.Within(r.Shown, tracee.Range{Lo: old, Hi: old + from})
	if len(pieces) == 0 {
		if at == old {
			return r.expect(e.Ret, "mremap", unix.SYS_MREMAP, old, e.Args[1], e.Args[2], 0)
		}
		return r.expect(e.Ret, "mremap", unix.SYS_MREMAP, old, e.Args[1], e.Args[2], flags, at)
	}
	maps, err := r.Space.Maps()
	if err != nil {
		return err
	}
	n := min(from, to)
	prot := uint32(0)
	if at != old {
		if err := r.expect(0, "munmap", unix.SYS_MUNMAP, at, to); err != nil {
			return err
		}
	}
	for _, m := range maps {
		lo, hi := max(m.Lo, old), min(m.Hi, old+n)
		if lo >= hi {
			continue
		}
		prot = m.Prot
		if at == old {
			continue
		}
		dest := lo - old + at
		if err := r.expect(int64(dest), "mremap", unix.SYS_MREMAP, lo, hi-lo, hi-lo, flags, dest); err != nil {
			return err
		}
	}
	r.hide(old, from)
	for _, p := range pieces {
		if p.Hi = min(p.Hi, old+n); p.Lo < p.Hi {
			p.Lo, p.Hi = p.Lo-old+at, p.Hi-old+at
			r.show(p)
		}
	}
	if rest := old + n; from > n && !keep {
		if err := r.expect(0, "munmap", unix.SYS_MUNMAP, rest, from-n); err != nil {
			return err
		}
	}
	if to <= n {
		return nil
	}
	if len(e.Maps) == 0 {
		return r.mmap(&trace.Map{Addr: at + n, Len: to - n, Prot: prot}, false)
	}
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
