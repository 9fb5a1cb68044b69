package snapshot

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
)

// Confinement. A process of a recording that comes from somebody else executes that
// somebody's code. Its system calls are emulated: it is only ever resumed so that it
// stops before one is made. The filter is for the case that this should fail: it
// kills the process at a system call that does not come from the engine's own
// instruction, or that is none of those which replay makes there.

// engineIP is where the engine's system call instruction, of two bytes, ends.
const engineIP = tracee.EngineCode + 2

// rule lets one system call through; with at >= 0 only when the low half of that
// argument is one of want.
type rule struct {
	nr   uint32
	at   int
	want []uint32
}

const always = -1

var rules = []rule{
	{unix.SYS_MMAP, always, nil}, {unix.SYS_MUNMAP, always, nil}, {unix.SYS_MPROTECT, always, nil}, {unix.SYS_MREMAP, always, nil},
	{unix.SYS_MADVISE, always, nil}, {unix.SYS_BRK, always, nil}, {unix.SYS_MINCORE, always, nil},
	{unix.SYS_CLONE, 0, []uint32{unix.CLONE_PARENT}}, {unix.SYS_CLOSE_RANGE, always, nil}, {unix.SYS_CLOSE, always, nil},
	// Files are opened by the engine's path, and never made or cut.
	{unix.SYS_OPENAT, 2, []uint32{unix.O_RDONLY | unix.O_CLOEXEC, unix.O_RDWR | unix.O_CLOEXEC}},
	{unix.SYS_PRCTL, 0, []uint32{unix.PR_SET_TSC}},
	// Functions that the person calls: what concerns nobody else.
	{unix.SYS_CLOCK_GETTIME, always, nil}, {unix.SYS_GETTIMEOFDAY, always, nil}, {unix.SYS_TIME, always, nil},
	{unix.SYS_GETRANDOM, always, nil}, {unix.SYS_SCHED_YIELD, always, nil},
}

// filter is the seccomp program.
func filter() []unix.SockFilter {
	const (
		offNr, offArch, offIP, offArgs = 0, 4, 8, 16
		ld                             = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jeq                            = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ret                            = unix.BPF_RET | unix.BPF_K
	)
	kill := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_KILL_PROCESS}
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	// unless goes on when the word at off is k, and otherwise executes the next.
	unless := func(off, k uint32) []unix.SockFilter {
		return []unix.SockFilter{{Code: ld, K: off}, {Code: jeq, K: k, Jt: 1}, kill}
	}
	var p []unix.SockFilter
	p = append(p, unless(offArch, unix.AUDIT_ARCH_X86_64)...)
	p = append(p, unless(offIP, engineIP)...)
	p = append(p, unless(offIP+4, 0)...)
	for _, r := range rules {
		body := []unix.SockFilter{allow}
		if r.at >= 0 {
			body = []unix.SockFilter{{Code: ld, K: uint32(offArgs + 8*r.at)}}
			for _, w := range r.want {
				body = append(body, unix.SockFilter{Code: jeq, K: w, Jf: 1}, allow)
			}
			body = append(body, kill)
		}
		p = append(p, unix.SockFilter{Code: ld, K: offNr}, unix.SockFilter{Code: jeq, K: r.nr, Jf: uint8(len(body))})
		p = append(p, body...)
	}
	return append(p, kill)
}

// confine puts the filter on a process, for it and its forks and for good.
func confine(c *tracee.Copy) error {
	prog := filter()
	// The program's header, then the program, in the engine's page of data.
	const header = 16
	b := make([]byte, header, header+8*len(prog))
	binary.LittleEndian.PutUint16(b, uint16(len(prog)))
	binary.LittleEndian.PutUint64(b[8:], tracee.EngineData+header)
	for _, f := range prog {
		b = binary.LittleEndian.AppendUint16(b, f.Code)
		b = append(b, f.Jt, f.Jf)
		b = binary.LittleEndian.AppendUint32(b, f.K)
	}
	if len(b) > tracee.PageSize {
		panic("snapshot: the filter does not fit")
	}
	if err := c.Space.Write(tracee.EngineData, b); err != nil {
		return err
	}
	for _, call := range [][]uint64{
		{unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1},
		{unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, tracee.EngineData},
	} {
		got, err := c.Inject(call[0], call[1:]...)
		if err == nil && got < 0 {
			err = unix.Errno(-got)
		}
		if err != nil {
			return fmt.Errorf("confine the process: %w", err)
		}
	}
	return c.Space.Write(tracee.EngineData, make([]byte, len(b)))
}
