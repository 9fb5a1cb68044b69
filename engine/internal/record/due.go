package record

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A signal that a thread sends to itself, or unblocks, is delivered before the
// call returns to user mode: at the very event boundary. One from elsewhere may
// be taken later. When the stop for a signal comes, registers alone do not tell
// whether the thread has executed anything since the boundary; so for calls that
// can have made a signal due, the kernel is asked at the boundary.

// mayRaise reports whether call nr, which returned ret, can have made a signal
// due for its own thread.
func mayRaise(nr, ret int64) bool {
	switch nr {
	case unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
		unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN,
		unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_SETITIMER, unix.SYS_ALARM:
		return true
	}
	return ret == -int64(unix.EPIPE) || ret == -int64(unix.EFBIG)
}

// due reports whether an unblocked signal waits for t (proc_pid_status(5)).
func (t *Thread) due() bool {
	field := func(name string) uint64 { return statusField(t.Space.PID, t.TID, name) }
	return (field("SigPnd")|field("ShdPnd"))&^field("SigBlk") != 0
}

// statusField reads a set of signals from a task's status (proc_pid_status(5)).
func statusField(pid, tid int, name string) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid))
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(b, []byte("\n"+name+":\t"))
	if !ok || len(rest) < 16 {
		return 0
	}
	v, _ := strconv.ParseUint(string(rest[:16]), 16, 64)
	return v
}
