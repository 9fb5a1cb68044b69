package record

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// child records the making of a child process, which runs natively: it gets the
// program's own code back (no patches of ours), its own CPUs, and is let go. A
// child that shares the program's memory (vfork) is watched by comparison: the
// parent waits for it, and what the child wrote is an output of the call. Until
// then the memory that they share is without patches.
func (r *Recorder) child(t *Thread) error {
	shares := t.nr == unix.SYS_VFORK || t.nr == unix.SYS_CLONE && t.entry.Rdi&unix.CLONE_VM != 0
	if shares && t.compare == nil {
		return r.beginComparison(t)
	}
	if r.BeforeChild != nil {
		if err := r.BeforeChild(); err != nil {
			return err
		}
	}
	if r.pre.armed { // a stub that stops would kill a child
		if err := r.arm(false); err != nil {
			return err
		}
	}
	prepare, restore := r.Lineage.Note, func() error { return nil }
	if shares {
		prepare, restore = r.undoPatches, r.redoPatches
	}
	if err := prepare(r.space); err != nil {
		return fmt.Errorf("record: before a child process: %w", err)
	}
	r.Stats.Children++
	made := 0
	for {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return err
		}
		switch ev := st.Event(); {
		case !st.Stopped():
			return r.lost(t, st)
		case ev == unix.PTRACE_EVENT_FORK || ev == unix.PTRACE_EVENT_VFORK || ev == unix.PTRACE_EVENT_CLONE:
			msg, err := ptrace.EventMessage(t.TID)
			if err != nil {
				return err
			}
			made = int(msg)
			if err := r.letGo(made, shares); err != nil {
				return err
			}
			continue
		case st.IsSignal():
			// While it waits for a vfork child; delivered when it is back.
			t.Stash(st.Signal())
			continue
		case st.Event() == ptrace.EventStop:
			continue
		}
		if err := restore(); err != nil {
			return fmt.Errorf("record: after a child process: %w", err)
		}
		if r.AfterChild != nil {
			if err := r.AfterChild(); err != nil {
				return err
			}
		}
		if !st.IsSyscall() {
			return fmt.Errorf("record: system call %d by thread %d met %v", t.nr, t.ID, st)
		}
		return r.leave(t)
	}
}

// letGo detaches a new child process.
func (r *Recorder) letGo(pid int, shares bool) error {
	task := tracee.NewTask(pid, tracee.NewSpace(pid))
	defer task.Space.Close()
	if st, err := task.Wait(); err != nil || st.Event() != ptrace.EventStop {
		return fmt.Errorf("record: child process %d: %v %w", pid, st, err)
	}
	if !shares {
		if err := r.undoPatches(task.Space); err != nil {
			return fmt.Errorf("record: child process %d: %w", pid, err)
		}
	}
	if r.trapsTime {
		if err := tracee.TrapTime(task, false); err != nil {
			return fmt.Errorf("record: child process %d: %w", pid, err)
		}
		if task.Flush(); task.Err() != nil { // its registers from before that call
			return fmt.Errorf("record: child process %d: %w", pid, task.Err())
		}
	}
	if r.affinity.Count() > 0 {
		unix.SchedSetaffinity(pid, &r.affinity)
	}
	if _, size := r.sharesMemory(); size > 0 && !shares {
		if size <= kinMemory && r.ChildProcess == nil {
			r.adopt(pid)
			return nil
		}
		if r.ChildMemory != nil {
			r.ChildMemory(pid, size)
		}
	}
	if r.ChildProcess == nil {
		return ptrace.Detach(pid, 0)
	}
	h, err := task.HandOver()
	if err != nil {
		return fmt.Errorf("record: child process %d: %w", pid, err)
	}
	r.ChildProcess(h)
	return nil
}

// undoPatches gives a copy of the program's memory the program's own code back.
func (r *Recorder) undoPatches(m *tracee.Space) error {
	const jmp = 0xe9
	for _, s := range r.pre.stubs.List()[r.pre.first:] {
		var now [1]byte
		if m.Read(s.Addr, now[:]) != 1 || now[0] != jmp {
			continue // its code has been unmapped
		}
		if err := m.Write(s.Addr, s.Orig); err != nil {
			return err
		}
	}
	return r.patches.undo(m)
}

// redoPatches puts the patches back.
func (r *Recorder) redoPatches() error {
	for _, p := range r.pre.plans {
		for _, w := range p.Text() {
			if s := r.pre.stubs.At(w.Addr); s == nil || !r.space.Holds(w.Addr, s.Orig) {
				continue
			}
			if err := r.space.Write(w.Addr, w.Data); err != nil {
				return err
			}
		}
	}
	for addr, old := range r.patches {
		if !r.space.Holds(addr, old) {
			continue
		}
		if err := r.space.Write(addr, ud2); err != nil {
			return err
		}
	}
	return nil
}

// exec records execve. On success the program is another: its memory is made
// ready as at launch, and the recorder's idea of threads, signals and mappings
// begins anew.
func (r *Recorder) exec(t *Thread) error {
	t.Resume(ptrace.Syscall, 0)
	for {
		id, st, err := r.waitExec(t)
		switch {
		case err != nil:
			return fmt.Errorf("record: execve by thread %d: %w", t.ID, err)
		case st.Event() == unix.PTRACE_EVENT_EXEC:
			// Of a thread that is not the leader the kernel has changed the id.
			return r.execed(t)
		case id == t.TID && !st.Stopped():
			return r.lost(t, st)
		case id != t.TID: // a thread that was killed, or whose call has ended
			if u := r.threads[id]; u != nil && st.Stopped() && u.state == blocked {
				u.Note(st)
				r.arrive(u, st)
			}
		case st.IsSyscall():
			return r.leave(t)
		case st.IsSignal():
			t.Stash(st.Signal())
			t.Resume(ptrace.Syscall, 0)
		default:
			t.Resume(ptrace.Syscall, 0)
		}
	}
}

// waitExec waits for t, which is in execve. While other threads live any of them
// may report: t itself may come back under the leader's id.
func (r *Recorder) waitExec(t *Thread) (int, ptrace.Status, error) {
	if len(r.threads) == 1 {
		st, err := t.Wait()
		if !st.Stopped() && st != 0 {
			err = nil
		}
		return t.TID, st, err
	}
	id, st, err := ptrace.Wait(-1, 0)
	if err == nil && id == t.TID {
		t.Note(st)
	}
	return id, st, err
}

// execed continues at EVENT_EXEC.
func (r *Recorder) execed(t *Thread) error {
	r.freeKin()
	for id, u := range r.threads {
		u.closeStat()
		if u != t {
			delete(r.threads, id)
		}
	}
	old := t.ID
	delete(r.threads, old)
	r.space.Close()
	r.space = tracee.NewSpace(r.pid)
	t.Task = t.Task.Sibling(r.pid, r.space)
	if st, err := t.Run(ptrace.Syscall, 0); err != nil || !st.IsSyscall() {
		return fmt.Errorf("record: after execve: %v %w", st, err)
	}
	if err := t.Prepare(); err != nil {
		return fmt.Errorf("record: after execve: %w", err)
	}
	r.Lineage = &tracee.Lineage{}
	r.pre = preemption{stubs: r.pre.stubs, first: r.pre.stubs.Len()}
	r.pre.forget()
	r.inheritActions()
	r.patches = patchSet{}
	r.brk, r.slots, r.shared, r.ready, r.objects = 0, nil, false, nil, nil
	regs := *t.Regs()
	regs.Orig_rax = ^uint64(0)
	e := t.event(trace.Exec)
	e.Regs, e.Child = &regs, int32(r.pid)
	*t = Thread{Task: t.Task, ID: r.pid, statfd: -1, held: t.held, nr: t.nr, entry: t.entry, trapped: t.trapped}
	r.threads[t.ID] = t
	r.countThreads()
	r.setCurrent(t)
	if err := r.firstLayout(); err != nil {
		return err
	}
	if err := r.patchMapped(t, nil); err != nil {
		return err
	}
	if err := r.append(e); err != nil {
		return err
	}
	if r.AfterExec != nil {
		return r.AfterExec()
	}
	return nil
}

// zombie reports whether a task has ended and waits to be reaped.
func zombie(pid, tid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
	if err != nil {
		return true
	}
	i := bytes.LastIndexByte(b, ')')
	return i > 0 && i+2 < len(b) && (b[i+2] == 'Z' || b[i+2] == 'X')
}
