package engine

import (
	"fmt"
	"runtime"

	"yore/engine/internal/tracee"
)

// XStateSize returns the size of a thread's extended state (XSAVE area) on this
// machine, bytes, as a recording's description has it. It looks at a process of its
// own.
func XStateSize() (int, error) {
	type answer struct {
		n   int
		err error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		t, err := tracee.Launch(tracee.Spec{Path: "/proc/self/exe", Args: []string{"yore"}})
		if err != nil {
			done <- answer{0, fmt.Errorf("extended state: %w", err)}
			return
		}
		n := len(t.XState())
		err = t.Err()
		t.KillProcess()
		done <- answer{n, err}
	}()
	a := <-done
	return a.n, a.err
}
