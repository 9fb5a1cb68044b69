package ptrace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Quiet keeps the kernel from sending this process a SIGCHLD at every stop of a
// task that it traces; only ends are told of. Nobody here waits for that signal,
// and a Go program catches it: its handler would run on some thread once a stop,
// and wake that up first. The handler stays what it is.
func Quiet() error {
	// The kernel's struct sigaction (arch/x86/include/uapi/asm/signal.h).
	var a struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	const noStops = 1 // SA_NOCLDSTOP
	call := func(new, old unsafe.Pointer) error {
		_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(new), uintptr(old), 8, 0, 0)
		if e != 0 {
			return &Error{"sigaction", 0, e}
		}
		return nil
	}
	if err := call(nil, unsafe.Pointer(&a)); err != nil || a.flags&noStops != 0 {
		return err
	}
	a.flags |= noStops
	return call(unsafe.Pointer(&a), nil)
}
