package record

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// Restart codes that only a tracer sees (include/linux/errno.h).
const (
	erestartSys   = -512
	erestartBlock = -516
)

func restarts(ret int64) bool { return ret <= erestartSys && ret >= erestartBlock }

// syscall handles a syscall stop of the current thread.
func (r *Recorder) syscall(t *Thread) error {
	if t.inside {
		return r.leave(t)
	}
	nr := int64(t.Regs().Orig_rax)
	r.boundary = false
	if t.inCall {
		// The same call as the program sees it, entered again.
		if nr != t.nr && nr != unix.SYS_RESTART_SYSCALL {
			return fmt.Errorf("record: thread %d restarted system call %d as %d", t.ID, t.nr, nr)
		}
		t.restart = false
	} else {
		t.entry, t.nr, t.inCall, t.logged = *t.Regs(), nr, true, false
		t.row = syscalls.Lookup(nr)
		if t.hold(t.TakeSignals()...); len(t.held) > 0 && r.deliverable(t) {
			return r.before(t)
		}
	}
	return r.dispatch(t)
}

// dispatch does what the call that t has entered is to the recorder.
func (r *Recorder) dispatch(t *Thread) error {
	if ret, _, ok := t.row.Answer(args(&t.entry)); ok {
		return r.answer(t, ret)
	}
	switch t.nr {
	case unix.SYS_SCHED_SETAFFINITY: // all threads stay on one CPU
		return r.answer(t, 0)
	case unix.SYS_EXIT_GROUP:
		return r.exitGroup(t)
	case unix.SYS_EXIT:
		return r.exitThread(t)
	case unix.SYS_CLONE:
		if t.entry.Rdi&unix.CLONE_THREAD != 0 {
			return r.clone(t)
		}
		return r.child(t)
	case unix.SYS_FORK, unix.SYS_VFORK:
		return r.child(t)
	case unix.SYS_EXECVE, unix.SYS_EXECVEAT:
		return r.exec(t)
	}
	if !t.row.Known(args(&t.entry), mem{r.space}) && t.compare == nil {
		return r.beginComparison(t)
	}
	var err error
	if t.changing, err = r.changes(t); err != nil {
		return err
	}
	if t.compare == nil && r.many.Load() && t.row.MayBlock(args(&t.entry), mem{r.space}) {
		if done, err := r.redirect(t); done || err != nil {
			return err
		}
		t.xstate = t.XState()
		return r.enter(t)
	}
	return r.proceed(t)
}

// proceed lets t, at a call's entry, into the call and waits for its next stop.
// No other thread runs meanwhile.
func (r *Recorder) proceed(t *Thread) error {
	t.inside = true
	if len(r.kin.tasks) > 0 && (t.compare != nil || t.row.MayBlock(args(&t.entry), mem{r.space})) {
		return r.proceedWithKin(t)
	}
	r.waiting.Store(int64(t.TID))
	st, err := t.Run(ptrace.Syscall, 0)
	r.waiting.Store(0)
	if err != nil {
		return fmt.Errorf("record: %s: %w", t.row.Name, err)
	}
	t.state, t.status = arrived, st
	return nil
}

// proceedWithKin is proceed for a call that may wait for one of the kin.
func (r *Recorder) proceedWithKin(t *Thread) error {
	r.letKin()
	r.waiting.Store(int64(t.TID))
	t.Resume(ptrace.Syscall, 0)
	for {
		id, st, err := ptrace.Wait(-1, 0)
		if err != nil {
			return fmt.Errorf("record: %s: %w", t.row.Name, err)
		}
		if id != t.TID {
			r.arrival(id, st)
			continue
		}
		r.waiting.Store(0)
		t.Note(st)
		t.state, t.status = arrived, st
		return r.holdKin()
	}
}

// before breaks off a call that t has just entered, because signals are waiting
// for it: they come before the call's instruction. To the program that is a call
// that was interrupted before it did anything, and is entered again when the
// handlers are through.
func (r *Recorder) before(t *Thread) error {
	if err := r.backOut(t); err != nil {
		return err
	}
	t.early = true
	return r.logEnter(t)
}

// answer gives the program a result without the kernel seeing the call.
func (r *Recorder) answer(t *Thread, ret int64) error {
	x := t.entry
	x.Orig_rax = ^uint64(0)
	t.SetRawRegs(x)
	if st, err := t.Run(ptrace.Syscall, 0); err != nil || !st.IsSyscall() {
		return fmt.Errorf("record: skip system call %d: %v %w", t.nr, st, err)
	}
	x = t.entry
	x.Rax = uint64(ret)
	t.SetRegs(x)
	return r.finish(t, trace.Syscall, ret, nil, nil)
}

// leave handles the exit stop of a call.
func (r *Recorder) leave(t *Thread) error {
	ret := int64(t.Regs().Rax)
	t.inside = false
	if restarts(ret) && t.nr != unix.SYS_RT_SIGRETURN || ret == -int64(unix.EINTR) && t.due() {
		// A signal arrived: its stop follows without user code running. When another
		// thread has taken it, the call is entered again at once. Some calls end with
		// EINTR even where the signal is none that the program would have noticed.
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return err
		}
		t.state, t.status = arrived, st
		return nil
	}
	kind := trace.Syscall
	if t.logged {
		kind = trace.Leave
	}
	if t.nr == unix.SYS_READ && ret >= 0 && r.environ > 0 && int(int32(t.entry.Rdi)) == r.environ {
		var err error
		if ret, err = r.withoutLeaks(t, ret); err != nil {
			return err
		}
	}
	writes, err := r.written(t, ret)
	if err != nil {
		return err
	}
	return r.finish(t, kind, ret, writes, nil)
}

// written returns what t's call, which has ended with ret, wrote.
func (r *Recorder) written(t *Thread, ret int64) ([]trace.Write, error) {
	if t.compare != nil {
		return r.endComparison(t)
	}
	return r.collect(t, ret)
}

// finish logs the end of a call and puts the thread at an event boundary.
func (r *Recorder) finish(t *Thread, kind trace.Kind, ret int64, writes []trace.Write, more func(*trace.Event)) error {
	x := *t.Regs()
	raw := x.Orig_rax
	x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9 = t.entry.Rdi, t.entry.Rsi, t.entry.Rdx, t.entry.R10, t.entry.R8, t.entry.R9
	e := t.event(kind)
	e.Ret, e.Writes = ret, writes
	switch t.nr {
	case unix.SYS_RT_SIGRETURN, unix.SYS_ARCH_PRCTL:
		x = *t.Regs()
		regs := x
		e.Regs = &regs
		e.XState = t.XState()
	default:
		if x != *t.Regs() {
			x.Orig_rax = raw
			t.SetRawRegs(x)
		}
	}
	t.inCall, t.logged, t.xstate, t.redir = false, false, nil, nil
	r.boundary = true
	if err := r.effect(t, e); err != nil {
		return err
	}
	if more != nil {
		more(e)
	}
	t.sigDue = mayRaise(t.nr, ret) && t.due()
	return r.append(e)
}

// effect keeps track of what a completed call changed for the recorder.
func (r *Recorder) effect(t *Thread, e *trace.Event) error {
	a, ok := e.Args, e.Ret >= 0
	if t.changing != (source{}) {
		of := t.changing
		t.changing = source{}
		if ok {
			if err := r.changed(of, e); err != nil {
				return err
			}
		}
	}
	switch e.NR {
	case unix.SYS_WRITE, unix.SYS_WRITEV:
		if ok && (a[0] == 1 || a[0] == 2) {
			e.Out = r.output(e)
		}
	case unix.SYS_OPEN, unix.SYS_OPENAT:
		if ok {
			r.opened(e.Ret)
		}
	case unix.SYS_RT_SIGACTION:
		if ok && a[1] != 0 {
			r.setAction(int(a[0]), a[1])
		}
	case unix.SYS_SIGALTSTACK:
		if ok && a[0] != 0 {
			var b [24]byte
			r.space.Read(a[0], b[:])
			t.altstack = [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[16:])}
			if binary.LittleEndian.Uint32(b[8:])&2 != 0 { // SS_DISABLE
				t.altstack = [2]uint64{}
			}
		}
	case unix.SYS_SET_ROBUST_LIST:
		if ok {
			t.robust = a[0]
		}
	case unix.SYS_SET_TID_ADDRESS:
		t.clearTID = a[0]
	case unix.SYS_BRK:
		r.brk = uint64(e.Ret)
	case unix.SYS_MMAP, unix.SYS_SHMAT:
		if e.Ret >= 0 || e.Ret < -4095 {
			return r.newMapping(t, e)
		}
	case unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT, unix.SYS_SHMDT:
		if ok || e.Ret < -4095 {
			return r.remapped(t, e)
		}
	case unix.SYS_MADVISE:
		switch {
		case (ok || e.Ret == -int64(unix.ENOMEM)) && a[2] == unix.MADV_DONTNEED:
			r.discarded(e)
		case ok && a[2] == unix.MADV_REMOVE:
			e.Writes = append(e.Writes, r.grab([]syscalls.Range{{Addr: a[0], Len: pageUp(a[1])}})...)
		}
	case unix.SYS_SCHED_GETAFFINITY:
		if ok && e.Ret > 0 {
			r.fullAffinity(e)
		}
	}
	return nil
}

// output reads back what a write to stdout or stderr sent.
func (r *Recorder) output(e *trace.Event) []byte {
	left := min(uint64(e.Ret), trace.MaxOut)
	if e.NR == unix.SYS_WRITE {
		b := make([]byte, left)
		return b[:r.space.Read(e.Args[1], b)]
	}
	var out []byte
	for i := uint64(0); i < min(e.Args[2], 1024) && left > 0; i++ {
		base, _ := r.space.Uint64(e.Args[1] + 16*i)
		n, _ := r.space.Uint64(e.Args[1] + 16*i + 8)
		b := make([]byte, min(n, left))
		b = b[:r.space.Read(base, b)]
		out, left = append(out, b...), left-uint64(len(b))
	}
	return out
}
