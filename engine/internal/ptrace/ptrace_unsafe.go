package ptrace

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Regs is the kernel's user_regs_struct.
type Regs = unix.PtraceRegs

// Siginfo is a raw siginfo_t.
type Siginfo [128]byte

// Request is a way of resuming a stopped task.
type Request int

const (
	Cont       Request = unix.PTRACE_CONT
	SingleStep Request = unix.PTRACE_SINGLESTEP
	Syscall    Request = unix.PTRACE_SYSCALL
	// Sysemu stops at the next system call's entry without executing it.
	Sysemu     Request = 31
	SysemuStep Request = 32
)

const (
	// EventStop is PTRACE_EVENT_STOP.
	EventStop = 128
	// SyscallTrap is the stop signal of a syscall stop under O_TRACESYSGOOD.
	SyscallTrap = 0x85
	ntXState    = 0x202
	debugOffset = 848 // offsetof(struct user, u_debugreg)
	getSysInfo  = 0x420e
)

// Error is a failed ptrace operation. Gone reports whether the task no longer
// exists.
type Error struct {
	Op  string
	TID int
	Err syscall.Errno
}

func (e *Error) Error() string { return fmt.Sprintf("ptrace %s task %d: %v", e.Op, e.TID, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Gone reports whether the task was killed under us.
func (e *Error) Gone() bool { return e.Err == syscall.ESRCH }

// What addr and data point to must stay where it is until the kernel is done,
// also when the stack grows on the way there.
//
//go:uintptrescapes
func call(op string, req, tid int, addr, data uintptr) (uintptr, error) {
	r, _, e := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return r, &Error{op, tid, e}
	}
	return r, nil
}

// GetRegs reads the general registers of a stopped task.
func GetRegs(tid int, r *Regs) error {
	_, err := call("getregs", unix.PTRACE_GETREGS, tid, 0, uintptr(unsafe.Pointer(r)))
	return err
}

// SetRegs writes the general registers of a stopped task.
func SetRegs(tid int, r *Regs) error {
	_, err := call("setregs", unix.PTRACE_SETREGS, tid, 0, uintptr(unsafe.Pointer(r)))
	return err
}

// GetXState reads the XSAVE area (standard format) into buf and returns the
// part that the machine has.
func GetXState(tid int, buf []byte) ([]byte, error) {
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	_, err := call("get xstate", unix.PTRACE_GETREGSET, tid, ntXState, uintptr(unsafe.Pointer(&iov)))
	return buf[:iov.Len], err
}

// SetXState writes the XSAVE area.
func SetXState(tid int, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	_, err := call("set xstate", unix.PTRACE_SETREGSET, tid, ntXState, uintptr(unsafe.Pointer(&iov)))
	return err
}

// EventMessage reads the message of the last event stop; at a syscall stop it
// is 1 at entry and 2 at exit.
func EventMessage(tid int) (uint64, error) {
	var m uint64
	_, err := call("geteventmsg", unix.PTRACE_GETEVENTMSG, tid, 0, uintptr(unsafe.Pointer(&m)))
	return m, err
}

// Resume lets a stopped task run, delivering sig when not 0.
func Resume(req Request, tid, sig int) error {
	_, err := call("resume", int(req), tid, 0, uintptr(sig))
	return err
}

// Seize attaches to a task with the given PTRACE_O_ options.
func Seize(tid int, options int) error {
	_, err := call("seize", unix.PTRACE_SEIZE, tid, 0, uintptr(options))
	return err
}

// SetOptions changes the PTRACE_O_ options of a stopped task.
func SetOptions(tid int, options int) error {
	_, err := call("setoptions", unix.PTRACE_SETOPTIONS, tid, 0, uintptr(options))
	return err
}

// Interrupt asks a seized, running task to stop with EventStop.
func Interrupt(tid int) error {
	_, err := call("interrupt", unix.PTRACE_INTERRUPT, tid, 0, 0)
	return err
}

// Listen leaves a task in its group-stop (job control).
func Listen(tid int) error {
	_, err := call("listen", unix.PTRACE_LISTEN, tid, 0, 0)
	return err
}

// Detach lets a stopped task go, delivering sig when not 0.
func Detach(tid, sig int) error {
	_, err := call("detach", unix.PTRACE_DETACH, tid, 0, uintptr(sig))
	return err
}

// GetSiginfo reads the siginfo of a signal-delivery stop.
func GetSiginfo(tid int, s *Siginfo) error {
	_, err := call("getsiginfo", unix.PTRACE_GETSIGINFO, tid, 0, uintptr(unsafe.Pointer(s)))
	return err
}

// SetSiginfo replaces the siginfo of a signal-delivery stop.
func SetSiginfo(tid int, s *Siginfo) error {
	_, err := call("setsiginfo", unix.PTRACE_SETSIGINFO, tid, 0, uintptr(unsafe.Pointer(s)))
	return err
}

// GetSigmask reads the blocked-signal mask of a stopped task.
func GetSigmask(tid int) (uint64, error) {
	var m uint64
	_, err := call("getsigmask", unix.PTRACE_GETSIGMASK, tid, 8, uintptr(unsafe.Pointer(&m)))
	return m, err
}

// SetSigmask writes the blocked-signal mask of a stopped task.
func SetSigmask(tid int, m uint64) error {
	_, err := call("setsigmask", unix.PTRACE_SETSIGMASK, tid, 8, uintptr(unsafe.Pointer(&m)))
	return err
}

// SetDebugReg writes debug register n (0 to 3, 6 or 7).
func SetDebugReg(tid, n int, v uint64) error {
	_, err := call("set debug register", unix.PTRACE_POKEUSR, tid, uintptr(debugOffset+8*n), uintptr(v))
	return err
}

// DebugReg reads debug register n.
func DebugReg(tid, n int) (uint64, error) {
	var v uint64
	_, err := call("get debug register", unix.PTRACE_PEEKUSR, tid, uintptr(debugOffset+8*n), uintptr(unsafe.Pointer(&v)))
	return v, err
}

// PokeText writes one word of a stopped task's memory whatever its protection.
func PokeText(tid int, addr, word uint64) error {
	_, err := call("poketext", unix.PTRACE_POKETEXT, tid, uintptr(addr), uintptr(word))
	return err
}

// Wait waits for a change of task tid (-1 for any) with options such as
// unix.WNOHANG; __WALL and __WNOTHREAD are added. It returns (0, 0, nil) when
// WNOHANG finds nothing.
func Wait(tid, options int) (int, Status, error) {
	var st int32
	const always = unix.WALL | 0x20000000 // __WNOTHREAD
	for {
		var r uintptr
		var e syscall.Errno
		if options&unix.WNOHANG != 0 {
			r, _, e = syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)), uintptr(always|options), 0, 0, 0)
		} else {
			r, _, e = syscall.Syscall6(syscall.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)), uintptr(always|options), 0, 0, 0)
		}
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return 0, 0, &Error{"wait for", tid, e}
		}
		return int(r), Status(st), nil
	}
}

// Tgkill sends a signal to one task.
func Tgkill(pid, tid int, sig syscall.Signal) error {
	return unix.Tgkill(pid, tid, sig)
}

// SetIdle puts a task into the SCHED_IDLE class.
func SetIdle(tid int) error {
	var prio int32
	_, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(tid), 5, uintptr(unsafe.Pointer(&prio)))
	if e != 0 {
		return e
	}
	return nil
}
