package record

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// giveWay hands the turn to another ready thread when t has had its quantum.
func (r *Recorder) giveWay(t *Thread) (gone bool, err error) {
	if !r.many.Load() {
		return false, nil
	}
	if r.chaos != nil {
		if !r.chaos.over() {
			return false, nil
		}
	} else if time.Since(r.slice) < r.Quantum {
		return false, nil
	}
	if err := r.takeTurn(t); err != nil {
		return false, err
	}
	r.poll()
	if len(r.ready) == 0 {
		r.slice = time.Now()
		if r.chaos != nil && len(r.kin.tasks) > 0 {
			r.chaos.events = r.chaos.skewed(maxEvents)
		}
		return false, nil
	}
	r.ready = append(r.ready, t)
	r.cur = nil
	return true, nil
}

// setCurrent gives t the turn.
func (r *Recorder) setCurrent(t *Thread) {
	r.cur, r.boundary = t, true
	r.slice = time.Now()
	r.Stats.Switches++
}

// pick chooses the next thread, waiting for one if need be.
func (r *Recorder) pick() error {
	r.poll()
	for len(r.ready) == 0 {
		if err := r.waitAny(); err != nil {
			return err
		}
		if r.ended != nil {
			return nil
		}
		if r.chaos != nil {
			r.settle()
		}
	}
	i := 0
	if r.chaos != nil {
		i = r.chaos.choose(r.ready)
	}
	t := r.ready[i]
	r.ready = slices.Delete(r.ready, i, i+1)
	r.setCurrent(t)
	return nil
}

// poll takes note of threads whose blocking calls have ended.
func (r *Recorder) poll() {
	for _, t := range r.threads {
		if t.state != blocked {
			continue
		}
		if st, ok, err := t.Poll(); ok && err == nil {
			r.arrive(t, st)
		}
	}
	if r.chaos != nil {
		r.settle()
	}
}

func (r *Recorder) arrive(t *Thread, st ptrace.Status) {
	t.state, t.status = arrived, st
	r.ready = append(r.ready, t)
}

// waitAny waits until some blocked thread stops.
func (r *Recorder) waitAny() error {
	var one *Thread
	for _, t := range r.threads {
		if t.state == blocked && (one == nil || t.ID < one.ID) {
			one = t
		}
	}
	if one == nil {
		return fmt.Errorf("record: no thread can run")
	}
	r.waiting.Store(int64(one.TID))
	defer r.waiting.Store(0)
	if r.stop.Load() {
		r.poke()
	}
	r.letKin()
	for {
		tid, st, err := ptrace.Wait(-1, 0)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		if r.arrival(tid, st); len(r.ready) > 0 {
			return r.holdKin()
		}
	}
}

// enter lets t into a call that may block, while other threads exist. If it
// does not return at once, others run.
func (r *Recorder) enter(t *Thread) error {
	if r.chaos != nil {
		r.poll()
	}
	t.inside = true
	t.Resume(ptrace.Syscall, 0)
	t.state = blocked
	for {
		asleep := t.asleep()
		if st, ok, err := t.Poll(); err != nil {
			return err
		} else if ok {
			t.state, t.status = arrived, st
			return nil
		}
		if len(r.ready) > 0 {
			if asleep {
				break
			}
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			continue
		}
		if len(r.kin.tasks) > 0 {
			break
		}
		if err := r.waitAny(); err != nil {
			return err
		}
		if r.ready[0] == t { // it was faster than all others
			r.ready = r.ready[1:]
			return nil
		}
		break
	}
	r.cur = nil
	return r.logEnter(t)
}

// logEnter logs, once, that t is inside its call.
func (r *Recorder) logEnter(t *Thread) error {
	if t.logged {
		return nil
	}
	t.logged = true
	e := t.event(trace.Enter)
	e.Writes = r.grab(t.row.EnterOutputs(args(&t.entry), mem{r.space}))
	return r.append(e)
}

// sleeps reports whether a task that is nobody's thread here sleeps in the kernel.
func sleeps(tid int) bool {
	t := Thread{Task: tracee.NewTask(tid, tracee.NewSpace(tid)), statfd: -1}
	defer t.closeStat()
	return t.asleep()
}

// asleep reports whether the thread sleeps in the kernel (proc_pid_stat(5)).
func (t *Thread) asleep() bool {
	if t.statfd < 0 {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/task/%d/stat", t.Space.PID, t.TID), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return true
		}
		t.statfd = fd
	}
	var b [128]byte
	n, _ := unix.Pread(t.statfd, b[:], 0)
	for i := n - 3; i > 0; i-- { // the name in parentheses may hold any byte
		if b[i] == ')' {
			return b[i+2] == 'S' || b[i+2] == 'D'
		}
	}
	return true
}

func (t *Thread) closeStat() {
	if t.statfd >= 0 {
		unix.Close(t.statfd)
		t.statfd = -1
	}
}
