package replay

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
)

// RunFor lets the slice's thread run for about d, measured by the tracing thread
// itself: it sleeps beside the program on the same CPU, which is exact to some
// tens of µs where a timer's goroutine may be late by many ms. It returns AtEvent
// when the slice ended before. Nothing of ours may be in the program's code.
func (r *Runner) RunFor(d time.Duration) (Stop, error) {
	if r.atEvent {
		return AtEvent, nil
	}
	e, err := r.coming()
	if err != nil {
		return AtEnd, err
	}
	if e != nil {
		if err := r.prepare(e); err != nil {
			return AtEnd, err
		}
		if r.Immediate(e) && !Breaks(e) {
			r.atEvent = true
			return AtEvent, r.checkHere(e)
		}
	}
	r.Resume(ptrace.Sysemu, 0)
	ts := unix.NsecToTimespec(d.Nanoseconds())
	for {
		left := unix.Timespec{}
		if unix.Nanosleep(&ts, &left) != unix.EINTR {
			break
		}
		ts = left
	}
	if err := r.Err(); err != nil {
		return AtEnd, err
	}
	if err := ptrace.Interrupt(r.TID); err != nil {
		return AtEnd, err
	}
	st, err := r.Wait()
	switch {
	case err != nil:
		return AtEnd, fmt.Errorf("replay: event %d: %w", r.Next, err)
	case !st.Stopped():
		return AtEnd, r.diverged("thread", "running", st.String())
	case st.Event() == ptrace.EventStop:
		_, err := r.Surface(context.Background())
		return Interrupted, err
	}
	// It stopped by itself: the slice is over as far as samples go.
	return AtEvent, nil
}

// With returns a runner of c, which must be in r's slice and becomes the
// runner's own.
func (r *Runner) With(c *tracee.Copy) *Runner {
	n := *r
	n.Copy, n.atEvent = c, false
	return &n
}
