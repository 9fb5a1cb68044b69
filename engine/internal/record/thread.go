package record

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// clone records the making of a thread.
func (r *Recorder) clone(t *Thread) error {
	child := 0
	for {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return err
		}
		if st.IsSyscall() {
			break
		}
		if st.Event() != unix.PTRACE_EVENT_CLONE {
			return fmt.Errorf("record: clone by thread %d met %v", t.ID, st)
		}
		msg, err := ptrace.EventMessage(t.TID)
		if err != nil {
			return err
		}
		child = int(msg)
	}
	ret := int64(t.Regs().Rax)
	if restarts(ret) || child == 0 {
		return r.leave(t)
	}
	task := t.Task.Sibling(child, r.space)
	if st, err := task.Wait(); err != nil || st.Event() != ptrace.EventStop {
		return fmt.Errorf("record: new thread %d: %v %w", child, st, err)
	}
	flags := t.entry.Rdi
	c := &Thread{Task: task, ID: child, statfd: -1, trapped: t.trapped}
	if flags&unix.CLONE_CHILD_CLEARTID != 0 {
		c.clearTID = t.entry.R10
	}
	var out []syscalls.Range
	if flags&unix.CLONE_PARENT_SETTID != 0 {
		out = append(out, syscalls.Range{Addr: t.entry.Rdx, Len: 4})
	}
	if flags&unix.CLONE_CHILD_SETTID != 0 {
		out = append(out, syscalls.Range{Addr: t.entry.R10, Len: 4})
	}
	regs := *task.Regs()
	regs.Orig_rax = ^uint64(0)
	err := r.finish(t, trace.Clone, ret, r.grab(out), func(e *trace.Event) {
		e.Child, e.ChildRegs = int32(child), &regs
	})
	if err != nil {
		return err
	}
	for _, th := range []*Thread{t, c} {
		if th.scratch.Len == 0 {
			if err := r.giveScratch(th, t, 0); err != nil {
				return err
			}
		}
	}
	r.threads[child] = c
	r.ready = append(r.ready, c)
	r.countThreads()
	return nil
}

// exitThread records the end of a thread: the event is its reaching exit, with
// what the kernel clears at its death.
func (r *Recorder) exitThread(t *Thread) error {
	if len(r.threads) == 1 {
		return r.exitGroup(t)
	}
	e := t.event(trace.Exit)
	robust := syscalls.RobustWords(t.robust, mem{r.space})
	before := r.grab(robust)
	t.Resume(ptrace.Syscall, 0)
	t.state = dead
	if err := r.buried(t); err != nil {
		return err
	}
	if t.clearTID != 0 {
		e.Writes = r.grab([]syscalls.Range{{Addr: t.clearTID, Len: 4}})
	}
	for i, w := range r.grab(robust) { // the kernel marks those of its own locks
		if i < len(before) && !bytes.Equal(before[i].Data, w.Data) {
			e.Writes = append(e.Writes, w)
		}
	}
	t.closeStat()
	r.returnScratch(t)
	delete(r.threads, t.ID)
	r.countThreads()
	r.cur = nil
	return r.append(e)
}

// buried waits until a thread that was let into exit has done all that other
// threads can see. A leader stays as a zombie until the others are gone.
func (r *Recorder) buried(t *Thread) error {
	for {
		opts := 0
		if t.ID == r.pid {
			opts = unix.WNOHANG
		}
		id, st, err := ptrace.Wait(t.TID, opts)
		if err != nil || id != 0 && !st.Stopped() {
			return nil
		}
		if id != 0 {
			if err := ptrace.Resume(ptrace.Cont, t.TID, 0); err != nil {
				return nil
			}
			continue
		}
		if zombie(r.pid, t.TID) {
			r.leaveLeader()
			return nil
		}
		unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

// leaveLeader makes the process's files in /proc readable through a thread that
// lives: a dead leader has no memory map of its own.
func (r *Recorder) leaveLeader() {
	for id := range r.threads {
		if id != r.pid {
			r.space.Via = id
			return
		}
	}
}

// exitGroup records the end of the program by exit.
func (r *Recorder) exitGroup(t *Thread) error {
	code := int(t.entry.Rdi & 0xff)
	r.freeKin()
	e := t.event(trace.End)
	e.Ret = int64(code)
	if err := r.append(e); err != nil {
		return err
	}
	r.ended = &Ending{Code: code}
	r.boundary = true
	if !r.Keep {
		t.Resume(ptrace.Syscall, 0)
		r.reap()
		return nil
	}
	return r.halt(t)
}

// halt leaves t, which is at a call's entry, stopped in user mode with the
// registers of the entry.
func (r *Recorder) halt(t *Thread) error {
	x := t.entry
	x.Orig_rax = ^uint64(0)
	t.SetRawRegs(x)
	if _, err := t.Run(ptrace.Syscall, 0); err != nil {
		return err
	}
	t.SetRegs(t.entry)
	t.inCall = false
	return nil
}

// end records the program's death by a signal.
func (r *Recorder) end(t *Thread, sig int) error {
	r.freeKin()
	e := &trace.Event{Kind: trace.End, TID: int32(t.ID), NR: -1, Sig: int32(sig)}
	if t.inCall {
		if err := r.logEnter(t); err != nil {
			return err
		}
		if t.Err() == nil && !t.restart { // what the broken-off call has left
			writes, err := r.written(t, int64(t.Regs().Rax))
			if err != nil {
				return err
			}
			e.Writes = writes
		}
	}
	if t.Err() == nil {
		e.PC, e.SP = t.Regs().Rip, t.Regs().Rsp
	}
	if err := r.append(e); err != nil {
		return err
	}
	r.ended = &Ending{Signaled: true, Code: sig}
	r.boundary = true
	if r.Keep && t.Err() == nil && !t.gone() {
		if t.inCall { // the registers that replay has inside the call
			t.SetRegs(t.entry)
			t.inCall = false
		}
		return nil
	}
	if t.Err() == nil {
		t.Resume(ptrace.Cont, sig)
	}
	r.reap()
	return nil
}

// reap waits for all threads to end, and notes how the process did.
func (r *Recorder) reap() {
	// One whose end has been seen already is not waited for: frozen copies live on.
	for id := range r.threads {
		if n, st, err := ptrace.Wait(id, unix.WNOHANG); err != nil {
			r.bury(id)
		} else if n != 0 {
			r.reaped(id, st)
		}
	}
	for len(r.threads) > 0 {
		id, st, err := ptrace.Wait(-1, 0)
		if err != nil {
			break
		}
		if r.threads[id] != nil {
			r.reaped(id, st)
		}
	}
	r.cur = nil
}

// reaped acts on the status of a thread that is to end.
func (r *Recorder) reaped(id int, st ptrace.Status) {
	if st.Stopped() {
		sig := 0
		if st.IsSignal() && r.ended != nil && r.ended.Signaled {
			sig = st.Signal()
		}
		ptrace.Resume(ptrace.Cont, id, sig)
		return
	}
	if id == r.pid && r.ended != nil {
		if k := st.Killed(); k != 0 {
			*r.ended = Ending{Signaled: true, Code: k, Core: st&0x80 != 0}
		}
	}
	r.bury(id)
}

// bury forgets a thread that has ended.
func (r *Recorder) bury(id int) {
	r.threads[id].closeStat()
	delete(r.threads, id)
}

// Kill ends the program and reaps all its tasks. The leader can be reaped only
// after the others, one of which may be too young to be known here. A program
// that has been reaped is left alone: its number may be another's.
func (r *Recorder) Kill() {
	r.freeKin()
	alive := len(r.threads) > 0
	if alive {
		unix.Kill(r.pid, unix.SIGKILL)
	}
	for alive {
		id, st, err := ptrace.Wait(-1, 0)
		if err != nil || id == r.pid && !st.Stopped() {
			break
		}
	}
	for _, t := range r.threads {
		t.closeStat()
	}
	clear(r.threads)
	r.space.Close()
}

// Freeze returns a copy of the program as it is now: a checkpoint. The current
// thread must be in user mode.
func (r *Recorder) Freeze() (*tracee.Copy, error) {
	t := r.cur
	if t == nil || t.state != user {
		return nil, fmt.Errorf("checkpoint: no thread is stopped in user mode")
	}
	task, lin, err := tracee.ForkTask(t.Task, r.Lineage)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c := &tracee.Copy{Task: task, Lineage: lin, Threads: make(map[int]*tracee.Thread, len(r.threads)), Active: t.ID, Brk: r.brk}
	for id, u := range r.threads {
		th := &tracee.Thread{ID: id, InCall: u.inCall && u.logged, Call: u.nr}
		if th.InCall {
			th.Regs = u.entry
		} else {
			th.Regs = *u.Regs()
		}
		th.Regs.Orig_rax = ^uint64(0)
		switch {
		case u == t:
		case u.xstate != nil:
			th.XState = u.xstate
		default:
			th.XState = u.XState()
		}
		c.Threads[id] = th
	}
	c.SetRegs(c.Threads[t.ID].Regs)
	if r.pre.armed { // the next hit is the live program's own affair
		for id := r.pre.first; id < r.pre.stubs.Len(); id++ {
			if err := r.pre.stubs.SetLimit(c.Space, id, replay.NoLimit); err != nil {
				c.Kill()
				return nil, fmt.Errorf("checkpoint: %w", err)
			}
		}
	}
	c.TimeTrapped = t.trapped
	if r.trapsTime {
		if err := c.TrapTime(); err != nil {
			c.Kill()
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := c.Isolate(r.shared, r.copyViews()); err != nil {
		c.Kill()
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}
