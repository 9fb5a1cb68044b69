package tracee

// Processes that change hands.
//
// A process is handed from one tracing thread to another in a loop of one
// instruction: it executes nothing else while nobody traces it, and its signals are
// blocked, so that no handler runs either. Nothing of that can be seen by its
// parent, to which it does not stop.
//
// The parent of such a process need not be ours. Its copies cannot have that parent
// (CLONE_PARENT), which would see them; they are its own children, of the kind that
// plain wait calls pass over (exit signal 0), and it is made to reap them.

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
)

// Handover is a process between two tracers.
type Handover struct {
	PID  int
	regs ptrace.Regs
	mask uint64
	code []byte // what belongs at regs.Rip, nil when nothing was put there
}

var spin = []byte{0xeb, 0xfe} // jmp .

// HandOver gives up the only task of a process that carries the engine's page. The
// task must be stopped in user mode; it is of no use afterwards.
func (t *Task) HandOver() (Handover, error) {
	h := Handover{PID: t.TID, regs: *t.Regs()}
	x := h.regs
	x.Rip = engineSpin
	return h, t.detachSpinning(&h, x)
}

// HandOverFresh is HandOver for a task that is stopped by the event of its execve.
func (t *Task) HandOverFresh() (Handover, error) {
	h := Handover{PID: t.TID, regs: *t.Regs(), code: make([]byte, len(spin))}
	h.regs.Rax = 0 // what execve is about to return
	if t.Space.Read(h.regs.Rip, h.code) != len(spin) {
		return h, fmt.Errorf("hand over process %d: cannot read its code at %#x", t.TID, h.regs.Rip)
	}
	if err := t.Space.Write(h.regs.Rip, spin); err != nil {
		return h, fmt.Errorf("hand over process %d: %w", t.TID, err)
	}
	return h, t.detachSpinning(&h, h.regs)
}

func (t *Task) detachSpinning(h *Handover, x ptrace.Regs) error {
	h.regs.Orig_rax = ^uint64(0)
	x.Orig_rax = ^uint64(0)
	var err error
	if h.mask, err = ptrace.GetSigmask(t.TID); err == nil {
		err = ptrace.SetSigmask(t.TID, ^uint64(0))
	}
	t.SetRawRegs(x)
	t.Flush()
	if err == nil {
		err = t.Err()
	}
	if err == nil {
		err = ptrace.Detach(t.TID, 0)
	}
	if err != nil {
		return fmt.Errorf("hand over process %d: %w", t.TID, err)
	}
	return nil
}

// Take makes the calling thread the tracer of a process that was handed over. The
// task is stopped, with the registers that it had.
func (h Handover) Take(options int) (*Task, error) {
	t := NewTask(h.PID, NewSpace(h.PID))
	err := ptrace.Seize(h.PID, options)
	if err == nil {
		err = ptrace.Interrupt(h.PID)
	}
	for err == nil {
		var st ptrace.Status
		if st, err = t.Wait(); err == nil && !st.Stopped() {
			err = t.Err()
		}
		if err == nil && st.Event() == ptrace.EventStop {
			break
		}
		if err == nil {
			err = ptrace.Resume(ptrace.Cont, h.PID, 0)
		}
	}
	if err == nil && h.code != nil {
		err = t.Space.Write(h.regs.Rip, h.code)
	}
	if err == nil {
		t.SetRawRegs(h.regs)
		t.Flush()
		err = t.Err()
	}
	if err == nil {
		err = ptrace.SetSigmask(h.PID, h.mask)
	}
	if err != nil {
		t.Space.Close()
		return nil, fmt.Errorf("take over process %d: %w", h.PID, err)
	}
	return t, nil
}

// Adopt takes over a freshly executed program, as Launch leaves one.
func (h Handover) Adopt() (*Task, error) {
	t, err := h.Take(Options)
	if err != nil {
		return nil, err
	}
	t.nursery = &nursery{}
	if err := t.Prepare(); err != nil {
		t.KillProcess()
		return nil, fmt.Errorf("adopt process %d: %w", h.PID, err)
	}
	return t, nil
}

// nursery collects the copies of a process that have ended and wait to be reaped by
// it.
type nursery struct {
	parent *nursery // of the process that it was forked from

	mu   sync.Mutex
	dead []int
}

// leave notes a dead child; n may be nil, of a process that is nobody's copy.
func (n *nursery) leave(pid int) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = append(n.dead, pid)
}

// ReapCopies makes a process whose parent is not ours reap its copies that have
// ended. The task must be stopped in user mode.
func (t *Task) ReapCopies() error {
	if t.nursery == nil {
		return nil
	}
	t.nursery.mu.Lock()
	dead := t.nursery.dead
	t.nursery.dead = nil
	t.nursery.mu.Unlock()
	for _, pid := range dead {
		if _, err := t.Inject(unix.SYS_WAIT4, uint64(pid), 0, unix.WNOHANG|unix.WALL, 0); err != nil {
			return fmt.Errorf("reap a copy: %w", err)
		}
	}
	return nil
}

// ExecName returns the path that a freshly executed process was executed by: of a
// script its own, not its interpreter's.
func (t *Task) ExecName() string {
	_, pairs := t.Space.Auxv(t.Regs().Rsp)
	for _, kv := range pairs {
		const atExecFn = 31
		if kv[0] != atExecFn {
			continue
		}
		b := make([]byte, unix.PathMax)
		b = b[:t.Space.Read(kv[1], b)]
		for i, c := range b {
			if c == 0 {
				return string(b[:i])
			}
		}
	}
	return ""
}
