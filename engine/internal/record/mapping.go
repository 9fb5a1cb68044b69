package record

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// captureMax is the size up to which the content of a mapped data file goes into
// the log; larger ones, and executables, are kept by reference.
const captureMax = 1 << 20

// changingMax is captureMax for files that the program may change.
const changingMax = 16 << 20

func pageUp(v uint64) uint64 { return (v + tracee.PageSize - 1) &^ (tracee.PageSize - 1) }

// mapped completes the event of a successful mmap or shmat: what was mapped,
// and from where its content comes. Time sources in new code are patched.
func (r *Recorder) mapped(t *Thread, e *trace.Event) error {
	addr := uint64(e.Ret)
	if e.NR == unix.SYS_SHMAT {
		return r.attached(e, addr)
	}
	a := e.Args
	m := trace.Map{Addr: addr, Len: pageUp(a[1]), Prot: uint32(a[2]), Shared: a[3]&unix.MAP_SHARED != 0}
	r.shared = r.shared || m.Shared
	r.layout.cut(addr, addr+m.Len)
	if a[3]&unix.MAP_ANONYMOUS != 0 {
		e.Maps = []trace.Map{m}
		return nil
	}
	exec := m.Prot&unix.PROT_EXEC != 0
	piece := tracee.Piece{Range: tracee.Range{Lo: addr, Hi: addr + m.Len}}
	fd := int(int32(a[4]))
	f, err := r.files.add(r.space.PID, fd)
	// What the program may change through the mapping or the descriptor is not
	// what a reference would show later.
	changing := err == nil && (f.gone() || !exec && writable(r.space.PID, fd))
	limit := uint64(captureMax)
	if changing {
		limit = changingMax
	}
	if err == nil && f.Regular && (m.Len > limit || exec || f.Code) {
		f.Code = f.Code || exec
		if err := r.announce(f, changing); err != nil {
			return err
		}
		m.File, m.Off = f.ID, a[5]
		piece.File, piece.Off = f.ID, a[5]
	} else {
		e.Writes = append(e.Writes, r.grabContent(addr, m.Len)...)
	}
	r.layout.set(piece)
	e.Maps = []trace.Map{m}
	if exec {
		return r.patchMapped(t, e)
	}
	return nil
}

// grabContent reads a mapping for the log, without its zeros when it is large.
func (r *Recorder) grabContent(addr, n uint64) []trace.Write {
	if n <= captureMax {
		return r.grab([]syscalls.Range{{Addr: addr, Len: n}})
	}
	var out []trace.Write
	const chunk = 64 << 10
	for lo := addr; lo < addr+n; lo += chunk {
		for _, w := range r.grab([]syscalls.Range{{Addr: lo, Len: min(chunk, addr+n-lo)}}) {
			if len(bytes.Trim(w.Data, "\x00")) > 0 {
				out = append(out, w)
			}
		}
	}
	return out
}

// writable reports whether a process's descriptor can write.
func writable(pid, fd int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	if err != nil {
		return true
	}
	_, rest, ok := bytes.Cut(b, []byte("flags:\t"))
	if !ok {
		return true
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	flags, err := strconv.ParseUint(string(line), 8, 32)
	return err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY
}

// attached completes a shmat.
func (r *Recorder) attached(e *trace.Event, addr uint64) error {
	r.shared = true
	maps, err := r.space.Maps()
	if err != nil {
		return err
	}
	for _, g := range maps {
		if g.Lo == addr {
			e.Maps = []trace.Map{{Addr: addr, Len: g.Hi - g.Lo, Prot: g.Prot, Shared: true}}
			e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: addr, Len: g.Hi - g.Lo}})...)
			r.attachments = append(r.attachments, e.Maps[0])
		}
	}
	return nil
}

// remapped completes calls that change existing mappings.
func (r *Recorder) remapped(t *Thread, e *trace.Event) error {
	switch e.NR {
	case unix.SYS_SHMDT:
		for i, m := range r.attachments {
			if m.Addr == e.Args[0] {
				e.Maps = []trace.Map{m}
				r.attachments = append(r.attachments[:i], r.attachments[i+1:]...)
				break
			}
		}
	case unix.SYS_MUNMAP:
		r.patches.forget(e.Args[0], e.Args[0]+pageUp(e.Args[1]))
		r.layout.cut(e.Args[0], e.Args[0]+pageUp(e.Args[1]))
	case unix.SYS_MREMAP:
		r.moved(e)
	case unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT:
		if e.Args[2]&unix.PROT_EXEC != 0 {
			return r.patchMapped(t, e)
		}
	}
	return nil
}
