package tracee

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
)

// Addresses of the page that every traced process carries for us: at
// EngineCode a syscall instruction, at EngineData a page of scratch memory.
const (
	EngineCode = 0x70000000
	EngineData = 0x70001000
	EngineEnd  = 0x70002000

	engineSpin = EngineCode + 3 // a jump to itself
)

var engineCode = []byte{0x0f, 0x05, 0xcc, 0xeb, 0xfe} // syscall; int3; jmp .

// Scratch memory of the recorder, which a recorded process has and its replay
// need not: calls that may wait write their outputs there.
const (
	ScratchLo = 0x7e8000000000
	ScratchHi = 0x7e9000000000
)

// Options are the ptrace options of every task: checkpoints and threads are
// attached at birth, and nothing survives the tracer.
const Options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE |
	unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

// NativeOptions are those of tasks that run natively: only the making of others and
// execve are to be seen, and they survive the tracer.
const NativeOptions = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC

// Task is one traced kernel task with its cached registers.
type Task struct {
	TID   int // kernel task id
	Space *Space

	// nursery is that of a process whose parent is not ours, nil otherwise.
	nursery *nursery

	regs        ptrace.Regs
	have, dirty bool
	err         error
	// stray holds signals that arrived while we made the task execute system
	// calls of ours; the recorder takes them with TakeSignals.
	stray []Signal
}

// Signal is a signal that was taken off a task before its delivery.
type Signal struct {
	No   int
	Info ptrace.Siginfo
}

// NewTask returns the task tid, which must be stopped, of the process whose
// memory is space.
func NewTask(tid int, space *Space) *Task { return &Task{TID: tid, Space: space} }

// Sibling returns another task of t's process, or the one that it has become by
// execve.
func (t *Task) Sibling(tid int, space *Space) *Task {
	return &Task{TID: tid, Space: space, nursery: t.nursery}
}

// Err returns the error that made the task unusable.
func (t *Task) Err() error { return t.err }

func (t *Task) fail(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

// Regs returns the task's registers: a pointer to the cache, valid until the
// task is resumed. Change them only by SetRegs.
func (t *Task) Regs() *ptrace.Regs {
	if !t.have && t.err == nil {
		t.fail(ptrace.GetRegs(t.TID, &t.regs))
		t.have, t.dirty = true, false
	}
	return &t.regs
}

// SetRegs sets the registers; they reach the kernel when the task is resumed.
// Orig_rax is replaced by -1, so that the kernel restarts no system call.
func (t *Task) SetRegs(r ptrace.Regs) {
	r.Orig_rax = ^uint64(0)
	t.regs, t.have, t.dirty = r, true, true
}

// SetRawRegs is SetRegs with Orig_rax as given: for changing the system call at
// an entry stop.
func (t *Task) SetRawRegs(r ptrace.Regs) { t.regs, t.have, t.dirty = r, true, true }

// Flush hands changed registers to the kernel.
func (t *Task) Flush() {
	if t.dirty && t.err == nil {
		t.fail(ptrace.SetRegs(t.TID, &t.regs))
	}
	t.dirty = false
}

// XState returns a copy of the task's XSAVE area.
func (t *Task) XState() []byte {
	var buf [16384]byte
	b, err := ptrace.GetXState(t.TID, buf[:])
	t.fail(err)
	if err != nil {
		return nil
	}
	return append([]byte(nil), b...)
}

// SetXState writes the XSAVE area; nil changes nothing.
func (t *Task) SetXState(b []byte) {
	if len(b) > 0 && t.err == nil {
		t.fail(ptrace.SetXState(t.TID, b))
	}
}

// Resume lets the task run, delivering sig when not 0.
func (t *Task) Resume(req ptrace.Request, sig int) {
	t.Flush()
	t.have = false
	if t.err == nil {
		t.fail(ptrace.Resume(req, t.TID, sig))
	}
}

// Wait waits until the task stops or ends.
func (t *Task) Wait() (ptrace.Status, error) {
	if t.err != nil {
		return 0, t.err
	}
	_, st, err := ptrace.Wait(t.TID, 0)
	t.have = false
	t.fail(err)
	if err == nil && !st.Stopped() {
		t.err = fmt.Errorf("task %d %v", t.TID, st)
	}
	return st, err
}

// Poll is Wait without waiting: ok is false when the task still runs.
func (t *Task) Poll() (st ptrace.Status, ok bool, err error) {
	if t.err != nil {
		return 0, false, t.err
	}
	id, st, err := ptrace.Wait(t.TID, unix.WNOHANG)
	if err != nil || id == 0 {
		return 0, false, err
	}
	t.have = false
	if !st.Stopped() {
		t.err = fmt.Errorf("task %d %v", t.TID, st)
	}
	return st, true, nil
}

// Run resumes the task and waits for its next stop.
func (t *Task) Run(req ptrace.Request, sig int) (ptrace.Status, error) {
	t.Resume(req, sig)
	return t.Wait()
}

// TakeSignals returns and forgets the signals that arrived during injections.
func (t *Task) TakeSignals() []Signal {
	s := t.stray
	t.stray = nil
	return s
}

// Stray reports whether signals wait for TakeSignals.
func (t *Task) Stray() bool { return len(t.stray) > 0 }

// Inject makes the task execute one system call and returns its result, a
// negative errno on failure. The task must be at a stop in user mode (not at a
// system call's entry); its registers are unchanged afterwards.
func (t *Task) Inject(nr uint64, args ...uint64) (int64, error) {
	ret, _, err := t.inject(nr, args)
	return ret, err
}

// inject also returns the task id that a clone made.
func (t *Task) inject(nr uint64, args []uint64) (ret int64, child int, err error) {
	saved := *t.Regs()
	r := saved
	r.Rip, r.Rax = EngineCode, nr
	for i, p := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
		*p = 0
		if i < len(args) {
			*p = args[i]
		}
	}
	t.SetRegs(r)
	entered := false
	for {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return 0, 0, fmt.Errorf("inject system call %d: %w", nr, err)
		}
		switch {
		case !st.Stopped():
			return 0, 0, fmt.Errorf("inject system call %d: %w", nr, t.err)
		case st.IsSyscall():
			// The first stop may be the exit of a call the task was in.
			msg, err := ptrace.EventMessage(t.TID)
			if err != nil {
				return 0, 0, err
			}
			if msg == 1 {
				entered = true
			} else if entered {
				if ret = int64(t.Regs().Rax); restarts(ret) {
					entered = false
					continue
				}
				t.SetRawRegs(saved)
				return ret, child, nil
			}
		case st.Event() == unix.PTRACE_EVENT_CLONE || st.Event() == unix.PTRACE_EVENT_FORK || st.Event() == unix.PTRACE_EVENT_VFORK:
			msg, err := ptrace.EventMessage(t.TID)
			if err != nil {
				return 0, 0, err
			}
			child = int(msg)
		case st.IsSignal():
			if s := st.Signal(); s == int(unix.SIGSEGV) && t.Regs().Rip == EngineCode {
				return 0, 0, fmt.Errorf("inject system call %d: the engine's page is gone", nr)
			}
			t.Stash(st.Signal())
		}
	}
}

// restarts reports whether a result says that a signal came before the call had any
// effect: behind the signal's stop, where it is taken off, the kernel makes the call
// again (include/linux/errno.h).
func restarts(ret int64) bool {
	switch -ret {
	case 512, 513, 514, 516: // ERESTARTSYS, NOINTR, NOHAND, _RESTARTBLOCK
		return true
	}
	return false
}

// Stash takes the signal of the present signal-delivery stop off the task.
func (t *Task) Stash(sig int) {
	s := Signal{No: sig}
	t.fail(ptrace.GetSiginfo(t.TID, &s.Info))
	t.stray = append(t.stray, s)
}

// Note takes the status of a stop that somebody else waited for.
func (t *Task) Note(st ptrace.Status) {
	t.have = false
	if !st.Stopped() {
		t.fail(fmt.Errorf("task %d %v", t.TID, st))
	}
}
