package replay

import (
	"fmt"

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
			if err := r.mmap(&e.Maps[i], e.NR == unix.SYS_MMAP && a[3]&unix.MAP_GROWSDOWN != 0); err != nil {
				return err
			}
		}
	case unix.SYS_MUNMAP, unix.SYS_MPROTECT:
		return r.expect(0, "mapping call", uint64(e.NR), a[0], a[1], a[2])
	case unix.SYS_PKEY_MPROTECT:
		return r.expect(0, "mprotect", unix.SYS_MPROTECT, a[0], a[1], a[2])
	case unix.SYS_SHMDT:
		for _, m := range e.Maps {
			if err := r.expect(0, "munmap", unix.SYS_MUNMAP, m.Addr, m.Len); err != nil {
				return err
			}
		}
	case unix.SYS_MREMAP:
		if uint64(e.Ret) == a[0] {
			return r.expect(e.Ret, "mremap", unix.SYS_MREMAP, a[0], a[1], a[2], 0)
		}
		flags := uint64(unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED)
		if a[3]&unix.MREMAP_DONTUNMAP != 0 {
			flags |= unix.MREMAP_DONTUNMAP
		}
		return r.expect(e.Ret, "mremap", unix.SYS_MREMAP, a[0], a[1], a[2], flags, uint64(e.Ret))
	case unix.SYS_MADVISE:
		// The recorder turns MADV_FREE into MADV_DONTNEED; other advice has no
		// effect on content.
		switch a[2] {
		case unix.MADV_DONTNEED, unix.MADV_FREE:
			return r.expect(0, "madvise", unix.SYS_MADVISE, a[0], a[1], unix.MADV_DONTNEED)
		}
	case unix.SYS_BRK:
		return r.brk(uint64(e.Ret))
	}
	return nil
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
		return r.expect(0, "brk", unix.SYS_MUNMAP, top, old-top)
	}
	return nil
}
