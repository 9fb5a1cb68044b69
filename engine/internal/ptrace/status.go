package ptrace

import (
	"fmt"
	"syscall"
)

// Status is a wait status.
type Status int

// Stopped reports whether the task is in a ptrace stop.
func (s Status) Stopped() bool { return s&0xff == 0x7f }

// Signal returns the stop signal (SyscallTrap at a syscall stop).
func (s Status) Signal() int { return int(s) >> 8 & 0xff }

// Event returns the PTRACE_EVENT_ number, 0 when there is none.
func (s Status) Event() int { return int(s) >> 16 }

// IsSyscall reports a syscall stop.
func (s Status) IsSyscall() bool { return s.Stopped() && s.Signal() == SyscallTrap }

// IsSignal reports a signal-delivery stop (SIGTRAP included).
func (s Status) IsSignal() bool {
	return s.Stopped() && s.Event() == 0 && s.Signal() != SyscallTrap
}

// IsTrap reports a SIGTRAP that is not an event: a breakpoint or a step.
func (s Status) IsTrap() bool { return s.IsSignal() && s.Signal() == int(syscall.SIGTRAP) }

// Exited reports the task's end; Code or Killed tells how.
func (s Status) Exited() bool { return s&0x7f == 0 }

// Code is the exit status.
func (s Status) Code() int { return int(s) >> 8 & 0xff }

// Killed returns the signal that ended the task, 0 when none did.
func (s Status) Killed() int {
	if s.Stopped() || s.Exited() {
		return 0
	}
	return int(s) & 0x7f
}

func (s Status) String() string {
	switch {
	case s.Exited():
		return fmt.Sprintf("exited with %d", s.Code())
	case s.Killed() != 0:
		return fmt.Sprintf("killed by %v", syscall.Signal(s.Killed()))
	case s.IsSyscall():
		return "syscall stop"
	case s.Event() != 0:
		return fmt.Sprintf("event %d", s.Event())
	}
	return fmt.Sprintf("stopped by %v", syscall.Signal(s.Signal()))
}
