package tracee

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// TrapTime makes the time stamp instructions of a task fault, or not. Forks of it
// inherit that. The task must be at a stop in user mode.
func TrapTime(t *Task, on bool) error {
	how := uint64(unix.PR_TSC_ENABLE)
	if on {
		how = unix.PR_TSC_SIGSEGV
	}
	ret, err := t.Inject(unix.SYS_PRCTL, unix.PR_SET_TSC, how)
	if err == nil && ret < 0 {
		err = unix.Errno(-ret)
	}
	if err != nil {
		return fmt.Errorf("trap time stamps: %w", err)
	}
	return nil
}

// TrapTime makes the copy's time stamp instructions fault.
func (c *Copy) TrapTime() error {
	if c.TimeTrapped {
		return nil
	}
	c.TimeTrapped = true
	return TrapTime(c.Task, true)
}
