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

// newMapping completes the event of a successful mmap or shmat: what was mapped,
// and from where its content comes. Time sources in new code are patched.
func (r *Recorder) newMapping(t *Thread, e *trace.Event) error {
	addr := uint64(e.Ret)
	if e.NR == unix.SYS_SHMAT {
		return r.attached(e, addr)
	}
	a := e.Args
	m := trace.Map{Addr: addr, Len: pageUp(a[1]), Prot: uint32(a[2]), Shared: a[3]&unix.MAP_SHARED != 0}
	r.shared = r.shared || m.Shared
	here := tracee.Range{Lo: addr, Hi: addr + m.Len}
	r.layout.cut(here.Lo, here.Hi)
	r.setViews(r.views.cut(here.Lo, here.Hi))
	v := view{Range: here, off: a[5], shared: m.Shared, valid: m.Len}
	if a[3]&unix.MAP_ANONYMOUS != 0 {
		e.Maps = []trace.Map{m}
		if m.Prot&unix.PROT_EXEC != 0 {
			r.trapTime(e) // for the code that will be there
		}
		if !m.Shared {
			return nil
		}
		r.anonymous++
		v.of, v.off, v.store = source{anonDevice, r.anonymous}, 0, true
		return r.newView(v, nil, e)
	}
	fd := int(int32(a[4]))
	var st unix.Stat_t
	found := unix.Stat(fdPath(r.space.PID, fd), &st) == nil
	exec := m.Prot&unix.PROT_EXEC != 0
	if found {
		v.of = source{st.Dev, st.Ino}
		v.store = m.Shared && writable(r.space.PID, fd)
	}
	regular := found && st.Mode&unix.S_IFMT == unix.S_IFREG
	if regular {
		v.valid = min(m.Len, pageUp(uint64(st.Size))-min(pageUp(uint64(st.Size)), v.off))
	}
	piece := tracee.Piece{Range: here}
	f, err := r.reference(fd, &st, regular, exec, m.Len)
	if err != nil {
		return err
	}
	if f != nil {
		m.File, m.Off = f.ID, a[5]
		piece.File, piece.Off = f.ID, a[5]
	}
	r.layout.set(piece)
	e.Maps = []trace.Map{m}
	if found {
		err = r.newView(v, r.dataIn(&v, fd), e)
	} else {
		e.Writes = append(e.Writes, r.grabContent(addr, m.Len)...)
	}
	if err != nil {
		return err
	}
	if exec {
		return r.patchMapped(t, e)
	}
	return nil
}

// dataIn returns the pages of a new mapping where its file has data. Reading the
// holes of a memory file would fill them.
func (r *Recorder) dataIn(v *view, fd int) tracee.PageSet {
	all := tracee.PageSet{v.Range}
	own, err := unix.Open(fdPath(r.space.PID, fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return all
	}
	defer unix.Close(own)
	var out tracee.PageSet
	end := v.off + v.Hi - v.Lo
	for at := v.off; at < end; {
		lo, err := unix.Seek(own, int64(at), unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err != nil {
			return all
		}
		hi, err := unix.Seek(own, lo, unix.SEEK_HOLE)
		if err != nil || uint64(hi) <= at {
			return all
		}
		from, to := uint64(lo)&^(tracee.PageSize-1), min(pageUp(uint64(hi)), end)
		if from < to {
			out = out.With(tracee.Range{Lo: v.Lo + from - v.off, Hi: v.Lo + to - v.off})
		}
		at = uint64(hi)
	}
	return out
}

// reference returns the file that a mapping's content is kept by, nil when it goes
// into the log: small data, and what may change.
func (r *Recorder) reference(fd int, st *unix.Stat_t, regular, exec bool, n uint64) (*File, error) {
	if !regular {
		return nil, nil
	}
	// What the program may change through the mapping or the descriptor is not
	// what a reference would show later.
	changing := st.Nlink == 0 || !exec && writable(r.space.PID, fd)
	limit := uint64(captureMax)
	if changing {
		limit = changingMax
	}
	known := r.files.known(st)
	if n <= limit && !exec && (known == nil || !known.Code) {
		return nil, nil
	}
	f, err := r.files.add(r.space.PID, fd)
	if err != nil {
		return nil, nil // its content is there to be read all the same
	}
	f.Code = f.Code || exec
	if changing && f.ID == 0 {
		if err := r.files.pin(f); err != nil {
			return nil, fmt.Errorf("record: keep %s: %w", f.Path, err)
		}
	}
	return f, r.announce(f, changing)
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
		if g.Lo != addr {
			continue
		}
		const readOnly = 0o10000 // SHM_RDONLY
		here := tracee.Range{Lo: addr, Hi: g.Hi}
		r.layout.cut(here.Lo, here.Hi)
		r.setViews(r.views.cut(here.Lo, here.Hi))
		e.Maps = []trace.Map{{Addr: addr, Len: g.Hi - g.Lo, Prot: g.Prot, Shared: true}}
		r.attachments = append(r.attachments, e.Maps[0])
		v := view{Range: here, of: source{sysvDevice, e.Args[0]}, shared: true, store: e.Args[2]&readOnly == 0, valid: g.Hi - g.Lo}
		return r.newView(v, tracee.PageSet{here}, e)
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
				r.setViews(r.views.cut(m.Addr, m.Addr+m.Len))
				break
			}
		}
	case unix.SYS_MUNMAP:
		r.patches.forget(e.Args[0], e.Args[0]+pageUp(e.Args[1]))
		r.layout.cut(e.Args[0], e.Args[0]+pageUp(e.Args[1]))
		r.setViews(r.views.cut(e.Args[0], e.Args[0]+pageUp(e.Args[1])))
	case unix.SYS_MREMAP:
		r.moved(e)
		return r.moveViews(e)
	case unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT:
		if e.Args[2]&unix.PROT_EXEC != 0 {
			return r.patchMapped(t, e)
		}
	}
	return nil
}
