// Package siginfo tells which signals reach this process and where they come
// from, which os/signal does not: a stand-in passes on what was sent to it alone,
// but not what the terminal has sent to its whole process group.
//
// Catch replaces the Go runtime's handler of a signal by one that writes the
// kernel's siginfo_t to a pipe. The handler is machine code that calls nothing of
// Go's, so it may run at any moment on any thread. A program executed by this
// process begins with the default actions, as after any handler.
//
// Not for signals that os/signal is asked for, nor for those of faults.
package siginfo

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Signal is a signal that arrived.
type Signal struct {
	No   unix.Signal
	Code int32 // si_code: where it comes from
}

// FromTerminal reports whether the kernel sent the signal, as it does for the
// keys of a terminal and its hangup: then the whole process group has it.
func (s Signal) FromTerminal() bool {
	const siKernel = 0x80
	return s.Code == siKernel
}

const infoSize = 128 // of siginfo_t

var once struct {
	sync.Mutex
	r *os.File
	c chan Signal
}

// Catch has the given signals delivered to the channel that it returns, instead
// of what they did. It returns the same channel each time. A signal that is
// ignored stays so.
func Catch(signals ...unix.Signal) (<-chan Signal, error) {
	once.Lock()
	defer once.Unlock()
	if once.r == nil {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return nil, fmt.Errorf("signals: %w", err)
		}
		writeFD = int32(p[1])
		once.r = os.NewFile(uintptr(p[0]), "signals")
		once.c = make(chan Signal, 64)
		go read(once.r, once.c)
	}
	for _, s := range signals {
		if err := handle(s); err != nil {
			return nil, fmt.Errorf("signal %v: %w", s, err)
		}
	}
	return once.c, nil
}

func read(r *os.File, c chan<- Signal) {
	var b [infoSize]byte
	for {
		n, err := r.Read(b[:])
		if err != nil {
			return
		}
		if n == len(b) {
			c <- Signal{unix.Signal(binary.LittleEndian.Uint32(b[0:])), int32(binary.LittleEndian.Uint32(b[8:]))}
		}
	}
}

// Stop stops this process by s, a signal of job control, as if it had not been
// caught, and returns when the process has been continued. It is caught again
// then.
func Stop(s unix.Signal) error {
	if err := setDefault(s); err != nil {
		return fmt.Errorf("signal %v: %w", s, err)
	}
	// To this very thread: the stop is over when the call returns.
	err := unix.Tgkill(unix.Getpid(), unix.Gettid(), s)
	if s != unix.SIGSTOP {
		if e := handle(s); err == nil {
			err = e
		}
	}
	return err
}
