package siginfo

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// action is the kernel's struct sigaction (arch/x86/include/uapi/asm/signal.h).
type action struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	saSiginfo  = 0x4
	saRestorer = 0x04000000
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
	sigIgn     = 1
)

// writeFD is where the handler writes.
var writeFD int32

func handlerAddr() uintptr
func restorerAddr() uintptr

func sigaction(s unix.Signal, new, old *action) error {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(new)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func handle(s unix.Signal) error {
	var old action
	if err := sigaction(s, nil, &old); err != nil {
		return err
	}
	if old.handler == sigIgn {
		return nil
	}
	return sigaction(s, &action{handlerAddr(), saSiginfo | saRestorer | saOnStack | saRestart, restorerAddr(), ^uint64(0)}, nil)
}

func setDefault(s unix.Signal) error {
	if s == unix.SIGSTOP {
		return nil
	}
	return sigaction(s, &action{}, nil)
}
