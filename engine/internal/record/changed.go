package record

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// Calls that write a file which the program has mapped: what the mappings show
// changes with it.

// ownMemory stands for the program's memory as a file, /proc/self/mem: what is written
// there is an output of the call.
var ownMemory = source{^uint64(0), 0}

// showsMemory reports whether descriptor fd is such a file.
func (r *Recorder) showsMemory(fd int) bool {
	path, err := os.Readlink(fdPath(r.space.PID, fd))
	if err != nil || !strings.HasSuffix(path, "/mem") {
		return false
	}
	path, ok := strings.CutPrefix(strings.TrimSuffix(path, "/mem"), "/proc/")
	pid, task, _ := strings.Cut(path, "/task/")
	if task != "" {
		pid = task
	}
	id, err := strconv.Atoi(pid)
	return ok && err == nil && r.threads[id] != nil
}

// storedInMemory adds to event e what its call wrote to the program's memory. Where
// an instruction of ours was overwritten it is the program's again.
func (r *Recorder) storedInMemory(e *trace.Event) error {
	at := e.Args[3]
	if e.NR != unix.SYS_PWRITE64 && (e.NR != unix.SYS_PWRITEV && e.NR != unix.SYS_PWRITEV2 || int64(at) == -1) {
		pos, ok := position(r.space.PID, int(int32(e.Args[0])))
		if !ok {
			return fmt.Errorf("record: system call %d has written the program's memory at an unknown place", e.NR)
		}
		at = pos - uint64(e.Ret)
	}
	for addr := range r.patches {
		if addr+uint64(len(ud2)) > at && addr < at+uint64(e.Ret) {
			delete(r.patches, addr)
		}
	}
	e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: at, Len: uint64(e.Ret)}})...)
	return nil
}

// changes returns which mapped file the call that t is entering is about to
// change, and prepares for that; none is the zero source.
func (r *Recorder) changes(t *Thread) (source, error) {
	if !keepsFiles(t.nr) {
		clear(r.mappedFDs)
	}
	a := args(&t.entry)
	fd, ok := t.row.ChangesFile(a)
	if !ok || len(r.views) == 0 {
		return source{}, nil
	}
	var of source
	if fd >= 0 {
		mapped, known := r.mappedFDs[fd]
		if !known {
			if mapped = ownMemory; !r.showsMemory(fd) {
				mapped = r.mapped(fdPath(r.space.PID, fd))
			}
			if r.mappedFDs == nil {
				r.mappedFDs = map[int]source{}
			}
			r.mappedFDs[fd] = mapped
		}
		of = mapped
	} else {
		of = r.mapped(r.pathArg(t.nr, a))
	}
	if of == (source{}) {
		return of, nil
	}
	if of == ownMemory {
		return of, nil
	}
	// A reference would show the new content.
	for _, f := range r.files.of(of) {
		if err := r.files.pin(f); err != nil {
			return of, fmt.Errorf("record: keep %s as it was: %w", f.Path, err)
		}
		if r.OnChange != nil {
			if err := r.OnChange(f); err != nil {
				return of, err
			}
		}
	}
	return of, nil
}

// keepsFiles reports whether a call leaves the descriptors as they are; only
// frequent ones are known here.
func keepsFiles(nr int64) bool {
	switch nr {
	case unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV,
		unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE,
		unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_CTL, unix.SYS_FUTEX, unix.SYS_SCHED_YIELD,
		unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_GETPID,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGRETURN, unix.SYS_BRK,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MREMAP:
		return true
	}
	return false
}

func fdPath(pid, fd int) string { return "/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(fd) }

// mapped returns the file at path as a source, if it is mapped.
func (r *Recorder) mapped(path string) source {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return source{}
	}
	of := source{st.Dev, st.Ino}
	for i := range r.views {
		if r.views[i].of == of {
			return of
		}
	}
	return source{}
}

// pathArg returns the path that a call names, as we can open it; "" when there is
// none.
func (r *Recorder) pathArg(nr int64, a syscalls.Args) string {
	at, arg := ^uint64(99), a[0]
	if nr == unix.SYS_OPENAT || nr == unix.SYS_OPENAT2 {
		at, arg = a[0], a[1]
	}
	path := r.cString(arg)
	proc := "/proc/" + strconv.Itoa(r.space.PID)
	switch {
	case path == "":
		return ""
	case strings.HasPrefix(path, "/"):
		return proc + "/root" + path
	case int32(at) == unix.AT_FDCWD:
		return proc + "/cwd/" + path
	}
	return fdPath(r.space.PID, int(int32(at))) + "/" + path
}

func (r *Recorder) cString(addr uint64) string {
	var b [unix.PathMax]byte
	n := r.space.Read(addr, b[:min(uint64(len(b)), tracee.PageSize-addr%tracee.PageSize)])
	if n > 0 && strings.IndexByte(string(b[:n]), 0) < 0 {
		n += r.space.Read(addr+uint64(n), b[n:])
	}
	s, _, ok := strings.Cut(string(b[:n]), "\x00")
	if !ok {
		return ""
	}
	return s
}

// changed adds to event e what the mappings of a file show after the call.
func (r *Recorder) changed(of source, e *trace.Event) error {
	if of == ownMemory {
		return r.storedInMemory(e)
	}
	lo, hi := r.changedPart(e)
	size, sized := r.sizeOf(of, e)
	vs := r.views
	for i := range r.views {
		v := r.views[i]
		if v.of != of {
			continue
		}
		if sized {
			valid := pageUp(size)
			valid = min(valid-min(valid, v.off), v.Hi-v.Lo)
			if valid < v.valid {
				e.Maps = append(e.Maps, beyond(v.Lo+valid, v.Hi, r.protOf(v.Lo)))
				hi = max(hi, v.off+v.valid) // zeros behind the end in its page
				lo = min(lo, size&^(tracee.PageSize-1))
			} else if valid > v.valid {
				m := trace.Map{Addr: v.Lo + v.valid, Len: valid - v.valid, Prot: r.protOf(v.Lo), Shared: v.shared, Object: v.object}
				if v.object != 0 {
					m.Off = v.off + v.valid
				}
				e.Maps = append(e.Maps, m)
				lo, hi = min(lo, v.off+v.valid), max(hi, v.off+valid)
			}
			if valid != v.valid {
				v.valid = valid
				vs = vs.with(v)
			}
		}
		r.capturedFrom(v.Range)
	}
	r.setViews(vs)
	for i := range vs {
		v := &vs[i]
		if v.of != of || v.off+v.valid <= lo || v.off >= hi || v.valid == 0 || v.object != 0 && !v.shared && r.followed(v) {
			continue
		}
		x := *v
		if lo > v.off {
			x = v.part(v.Lo+lo-v.off, v.Hi)
		}
		n := min(x.valid, hi-x.off)
		e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: x.Lo, Len: n}})...)
	}
	return nil
}

// followed reports whether a private view of an object gets its content through a
// shared one.
func (r *Recorder) followed(v *view) bool {
	for i := range r.views {
		if w := &r.views[i]; w.shared && w.object == v.object {
			if _, ok := w.common(v); ok {
				return true
			}
		}
	}
	return false
}

// changedPart returns which part of the file a completed call has written, in
// whole pages; all of it when that is not known.
func (r *Recorder) changedPart(e *trace.Event) (lo, hi uint64) {
	a, n := e.Args, uint64(e.Ret)
	switch e.NR {
	case unix.SYS_PWRITE64:
		lo, hi = a[3], a[3]+n
	case unix.SYS_PWRITEV:
		lo, hi = a[3], a[3]+n
	case unix.SYS_WRITE, unix.SYS_WRITEV:
		pos, ok := position(r.space.PID, int(int32(a[0])))
		if !ok || pos < n {
			return 0, ^uint64(0)
		}
		lo, hi = pos-n, pos
	default:
		return 0, ^uint64(0)
	}
	return lo &^ (tracee.PageSize - 1), pageUp(hi)
}

// position reads the file position of a descriptor (proc_pid_fdinfo(5)).
func position(pid, fd int) (uint64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(b), "pos:\t")
	line, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseUint(line, 10, 64)
	return v, err == nil
}

// sizeOf returns the size of the file that a completed call has changed.
func (r *Recorder) sizeOf(of source, e *trace.Event) (uint64, bool) {
	var st unix.Stat_t
	row := syscalls.Lookup(int64(e.NR))
	path := ""
	if fd, ok := row.ChangesFile(e.Args); ok && fd >= 0 {
		path = fdPath(r.space.PID, fd)
	} else {
		path = r.pathArg(int64(e.NR), e.Args)
	}
	if path == "" || unix.Stat(path, &st) != nil || of != (source{st.Dev, st.Ino}) || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false
	}
	return uint64(st.Size), true
}
