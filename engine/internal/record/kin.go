package record

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Kin are the tasks of child processes that have inherited memory which they share
// with the program: what they store there the program sees. They run natively, but
// never while a thread of the program is in user mode: then that memory changes
// only between events, and what has changed is found by comparison and logged.
//
//  1. When all threads of the program wait in the kernel, and for a while after each
//     quantum, the kin run (letKin). Before that the shared memory is copied.
//  2. Before a thread of the program goes on they are stopped (holdKin). What differs
//     from the copy is an output of the next event, or of an event of its own.
//
// A child that has executed another program has other memory: it is let go. So are
// the children of a program that shares more than kinMemory, with a remark: what
// they change is not recorded. Processes that are no descendants cannot be held.

// kinMemory bounds the shared memory that is compared, bytes.
const kinMemory = 16 << 20

const (
	// kinTurn is how long kin run beside a program that computes, unless they sleep.
	kinTurn = 5 * time.Millisecond
	// kinPatience is how long a task may take to stop before it is looked at.
	kinPatience = 20 * time.Millisecond
)

type kinState uint8

const (
	kinHeld kinState = iota
	kinRuns
	kinListens // stopped by job control
	kinGone    // ended, and not reaped yet
)

type kin struct {
	tid   int
	state kinState
	sig   int  // to be delivered when it goes on
	vfork bool // waits for a child that borrows its memory: executes nothing
	leave bool // such a child: to be let go
	asked bool // to stop, by us
}

// kinship is the recorder's knowledge of its kin.
type kinship struct {
	tasks   map[int]*kin
	running bool      // they have been let run
	before  []stretch // the shared memory as it was then
	changes []trace.Write
}

type stretch struct {
	at   uint64
	data []byte
}

// sharesMemory returns the memory that a child would share with the program, and
// its size.
func (r *Recorder) sharesMemory() (set tracee.PageSet, size uint64) {
	for i := range r.views {
		if v := &r.views[i]; v.shared && v.store && v.valid > 0 {
			set = set.With(tracee.Range{Lo: v.Lo, Hi: v.Lo + v.valid})
			size += v.valid
		}
	}
	return set, size
}

// adopt makes a child process, stopped at its beginning, one of the kin.
func (r *Recorder) adopt(tid int) {
	if r.kin.tasks == nil {
		r.kin.tasks = map[int]*kin{}
	}
	r.kin.tasks[tid] = &kin{tid: tid}
	r.countThreads()
}

// countThreads keeps many up to date: whether anything else can run while a thread
// waits in a call.
func (r *Recorder) countThreads() { r.many.Store(len(r.threads)+len(r.kin.tasks) > 1) }

// letKin lets the kin run.
func (r *Recorder) letKin() {
	k := &r.kin
	if len(k.tasks) == 0 || k.running {
		return
	}
	k.running = true
	k.before = k.before[:0]
	set, _ := r.sharesMemory()
	for _, g := range set {
		b := make([]byte, g.Hi-g.Lo)
		k.before = append(k.before, stretch{g.Lo, b[:r.space.Read(g.Lo, b)]})
	}
	for _, t := range k.tasks {
		if t.state == kinHeld {
			r.resumeKin(t)
		}
	}
}

func (r *Recorder) resumeKin(t *kin) {
	t.state = kinRuns
	ptrace.Resume(ptrace.Cont, t.tid, t.sig) // a task that was killed tells so itself
	t.sig = 0
}

// holdKin stops the kin and notes what they have changed.
func (r *Recorder) holdKin() error {
	k := &r.kin
	if !k.running {
		return nil
	}
	k.running = false
	for _, t := range k.tasks {
		if t.state != kinRuns {
			continue
		}
		if t.asked = true; ptrace.Interrupt(t.tid) != nil {
			t.state = kinGone
		}
	}
	for since := time.Now(); r.kinMove(); {
		id, st, err := ptrace.Wait(-1, unix.WNOHANG)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		switch {
		case id != 0:
			r.arrival(id, st)
		case time.Since(since) > kinPatience:
			since = time.Now()
			for _, t := range k.tasks {
				if t.state == kinRuns && zombie(t.tid, t.tid) {
					t.state = kinGone // a leader whose other threads live on
				}
			}
		default:
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	for _, s := range k.before {
		now := make([]byte, len(s.data))
		now = now[:r.space.Read(s.at, now)]
		k.changes = differences(k.changes, s.at, s.data[:len(now)], now)
	}
	r.countThreads()
	return nil
}

// kinMove reports whether some of the kin may execute something.
func (r *Recorder) kinMove() bool {
	for _, t := range r.kin.tasks {
		if t.state == kinRuns && !t.vfork {
			return true
		}
	}
	return false
}

// takeTurn lets the kin run beside t, which is at an event boundary in user mode.
func (r *Recorder) takeTurn(t *Thread) error {
	if len(r.kin.tasks) == 0 {
		return nil
	}
	r.letKin()
	for began := time.Now(); time.Since(began) < kinTurn && r.kinMove(); {
		id, st, err := ptrace.Wait(-1, unix.WNOHANG)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		if id != 0 {
			r.arrival(id, st)
			continue
		}
		unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		if time.Since(began) > kinTurn/10 && r.kinSleep() {
			break
		}
	}
	if err := r.holdKin(); err != nil {
		return err
	}
	r.slice = time.Now()
	return r.logChanges(t)
}

// kinSleep reports whether all of the kin sleep.
func (r *Recorder) kinSleep() bool {
	for _, t := range r.kin.tasks {
		if t.state == kinRuns && !sleeps(t.tid) {
			return false
		}
	}
	return true
}

// logChanges logs what kin have changed, if that is not yet an output of an event,
// as one of its own.
func (r *Recorder) logChanges(t *Thread) error {
	if len(r.kin.changes) == 0 {
		return nil
	}
	x := t.Regs()
	return r.append(&trace.Event{Kind: trace.Stubs, TID: int32(t.ID), NR: -1, PC: x.Rip, SP: x.Rsp, Stub: int32(r.pre.stubs.Len())})
}

// arrival takes a wait status of any task.
func (r *Recorder) arrival(id int, st ptrace.Status) {
	if t := r.threads[id]; t != nil {
		if t.state == blocked {
			t.Note(st)
			r.arrive(t, st)
		}
		return
	}
	t := r.kin.tasks[id]
	if t == nil {
		if len(r.kin.tasks) == 0 || st.Event() != ptrace.EventStop {
			return
		}
		r.adopt(id) // it is faster than the news of it
		t = r.kin.tasks[id]
	}
	r.kinStop(t, st)
}

// kinStop handles a stop of one of the kin.
func (r *Recorder) kinStop(t *kin, st ptrace.Status) {
	if !st.Stopped() {
		delete(r.kin.tasks, t.tid)
		r.countThreads()
		return
	}
	t.state = kinHeld
	switch ev := st.Event(); {
	case st.IsSignal():
		t.sig = st.Signal()
	case ev == unix.PTRACE_EVENT_FORK, ev == unix.PTRACE_EVENT_CLONE, ev == unix.PTRACE_EVENT_VFORK:
		if child, err := ptrace.EventMessage(t.tid); err == nil {
			c := r.kin.tasks[int(child)]
			if c == nil {
				c = &kin{tid: int(child), state: kinRuns}
				r.kin.tasks[c.tid] = c
			}
			if ev == unix.PTRACE_EVENT_VFORK {
				c.leave, t.vfork = true, true
				if c.state == kinHeld {
					r.dismiss(c)
				}
				r.resumeKin(t) // into its wait
				if !r.kin.running {
					t.asked = true
					ptrace.Interrupt(t.tid)
				}
				return
			}
		}
	case ev == unix.PTRACE_EVENT_EXEC:
		r.dismiss(t)
		return
	case ev == ptrace.EventStop && st.Signal() != int(unix.SIGTRAP):
		t.state, t.asked = kinListens, false
		ptrace.Listen(t.tid)
		return
	case ev == ptrace.EventStop:
		if t.vfork = false; t.asked {
			resumeCall(t.tid)
		}
		t.asked = false
	}
	if t.leave {
		r.dismiss(t)
		return
	}
	if r.kin.running {
		r.resumeKin(t)
	}
}

// dismiss lets a stopped task go.
func (r *Recorder) dismiss(t *kin) {
	ptrace.Detach(t.tid, t.sig)
	delete(r.kin.tasks, t.tid)
	r.countThreads()
}

// freeKin lets all kin go: the program is over, or another.
func (r *Recorder) freeKin() {
	k := &r.kin
	if len(k.tasks) == 0 {
		return
	}
	for _, t := range k.tasks {
		switch {
		case t.state == kinListens: // can be let go from another stop only
			t.state, t.sig = kinRuns, int(unix.SIGSTOP)
		case t.state == kinRuns:
			t.vfork = false // its end must be awaited
		}
	}
	k.running = true
	r.holdKin()
	for _, t := range k.tasks {
		if t.state == kinHeld {
			ptrace.Detach(t.tid, t.sig)
		}
	}
	*k = kinship{}
	r.countThreads()
}

// resumeCall has a task that our interruption met in a system call go on with it.
// Most calls the kernel restarts by itself; some it ends with EINTR, which
// the program would not have seen. Those with a time limit are left at that: begun
// anew again and again they would never reach it.
func resumeCall(tid int) {
	var x ptrace.Regs
	if ptrace.GetRegs(tid, &x) != nil || int64(x.Orig_rax) < 0 || int64(x.Rax) != -int64(unix.EINTR) {
		return
	}
	limited := false
	switch x.Orig_rax {
	case unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT:
		limited = int32(x.R10) >= 0
	case unix.SYS_EPOLL_PWAIT2, unix.SYS_SEMTIMEDOP, unix.SYS_RT_SIGTIMEDWAIT:
		limited = x.R10 != 0
		if x.Orig_rax == unix.SYS_RT_SIGTIMEDWAIT {
			limited = x.Rdx != 0
		}
	case unix.SYS_READ, unix.SYS_SEMOP, unix.SYS_MSGRCV, unix.SYS_MSGSND:
	default:
		limited = true
	}
	field := func(name string) uint64 { return statusField(tid, tid, name) }
	if limited || (field("SigPnd")|field("ShdPnd"))&^field("SigBlk") != 0 {
		return
	}
	x.Rip -= 2
	x.Rax = x.Orig_rax
	x.Orig_rax = ^uint64(0)
	ptrace.SetRegs(tid, &x)
}

// differences appends to out what b, at addr, has that a has not.
func differences(out []trace.Write, addr uint64, a, b []byte) []trace.Write {
	const near = 16 // runs closer than that are one
	for at := 0; at < len(b); at += tracee.PageSize {
		end := min(at+tracee.PageSize, len(b))
		x, y := a[at:end], b[at:end]
		if bytes.Equal(x, y) {
			continue
		}
		for i := 0; i < len(x); {
			if x[i] == y[i] {
				i++
				continue
			}
			j := i + 1
			for k := j; k < len(x) && k < j+near; k++ {
				if x[k] != y[k] {
					j = k + 1
				}
			}
			out = append(out, trace.Write{Addr: addr + uint64(at+i), Data: bytes.Clone(y[i:j])})
			i = j
		}
	}
	return out
}
