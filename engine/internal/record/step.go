package record

import (
	"fmt"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// Steps of the live program. A step is what replay takes for one (replay.Step): an
// instruction; all of a repeated string instruction; a system call with all that
// happens before its result is there; the delivery of a signal, up to its
// handler's first instruction. Points between are no points of history.

// stepped reports whether the events from number from on complete a step of t.
func (r *Recorder) stepped(t *Thread, from int64) bool {
	return r.ended == nil && r.cur == t && t.state == user && !t.inCall && r.pending == nil &&
		r.boundary && t.completed > from
}

const (
	syscallInsn = "\x0f\x05"
	flagTF      = 0x100
)

// single lets t, in user mode, execute one instruction.
func (r *Recorder) single(t *Thread) (Stop, bool, error) {
	pc := t.Regs().Rip
	var code [16]byte
	n := r.space.Read(pc, code[:])
	r.Hide(pc, code[:n])
	rep, pushf := replay.Classify(code[:n])
	if rep > 0 {
		whole, err := r.over(t, pc+uint64(rep))
		r.boundary = false
		if err != nil || !whole {
			return Stop{}, false, err
		}
		return Stop{Reason: Trap, Thread: t}, true, nil
	}
	req := ptrace.SingleStep
	if string(code[:min(n, 2)]) == syscallInsn {
		req = ptrace.Syscall
	}
	r.running.Store(int64(t.TID))
	st, err := t.Run(req, 0)
	r.running.Store(0)
	if err != nil {
		return Stop{}, false, fmt.Errorf("record: %w", err)
	}
	r.ran(t, st)
	if req == ptrace.SingleStep && st.IsTrap() {
		r.unstep(t, pushf)
	}
	return r.handle(t, st)
}

// unstep removes the trap flag that stepping has left in t's flags, or on its
// stack where the instruction pushed them.
func (r *Recorder) unstep(t *Thread, pushf bool) {
	x := *t.Regs()
	if x.Eflags&flagTF != 0 {
		x.Eflags &^= flagTF
		t.SetRegs(x)
	}
	if v, ok := r.space.Uint64(x.Rsp); pushf && ok && v&flagTF != 0 {
		r.space.PutUint64(x.Rsp, v&^flagTF)
	}
}

// amidString reports whether the debug register that has stopped t can have fired
// inside the string instruction at which t stands, not before it.
func (r *Recorder) amidString(t *Thread) bool {
	const element = 8 // bytes at most
	x := t.Regs()
	for _, w := range r.debug {
		for _, at := range []uint64{x.Rdi, x.Rsi} {
			if w.Addr < at+element && at < w.Addr+uint64(w.Len)+element {
				return true
			}
		}
	}
	return false
}

// whole completes the repeated string instruction at which t stands, if it does:
// the interrupted middle of one is no point of history. It returns false when that
// raised a signal, which is handled next.
func (r *Recorder) whole(t *Thread) (bool, error) {
	pc := t.Regs().Rip
	var code [16]byte
	n := r.space.Read(pc, code[:])
	r.Hide(pc, code[:n])
	if rep, _ := replay.Classify(code[:n]); rep > 0 {
		return r.over(t, pc+uint64(rep))
	}
	return true, nil
}

// over lets t, which stands at a repeated string instruction, run to the address
// behind it. It returns false when a signal was raised instead, which is handled
// next.
func (r *Recorder) over(t *Thread, addr uint64) (bool, error) {
	at := r.Physical(addr) // a stub can cover it
	var old [1]byte
	if r.space.Read(at, old[:]) != 1 {
		return false, fmt.Errorf("record: no code behind the string instruction at %#x", t.Regs().Rip)
	}
	if err := r.space.Write(at, []byte{0xcc}); err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	st, err := r.past(t)
	if werr := r.space.Write(at, old[:]); err == nil {
		err = werr
	}
	if err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	if x := *t.Regs(); st.IsTrap() && x.Rip == at+1 {
		x.Rip = addr
		t.SetRegs(x)
		return true, nil
	}
	t.state, t.status = arrived, st
	return false, nil
}

// past lets t run until it has left the instruction at which it stands, or that
// has raised a signal. Signals from outside are held; debug registers that fire in
// its course are passed over.
func (r *Recorder) past(t *Thread) (ptrace.Status, error) {
	pc := t.Regs().Rip
	for {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil || !st.Stopped() || st.IsSyscall() || st.IsTrap() && t.Regs().Rip != pc {
			return st, err
		}
		if !st.IsSignal() || st.IsTrap() {
			continue
		}
		var info ptrace.Siginfo
		if err := ptrace.GetSiginfo(t.TID, &info); err != nil {
			return st, err
		}
		if sig := st.Signal(); replay.Synchronous(sig, &info) {
			return st, nil
		} else if !r.ours(sig, &info) {
			t.hold(tracee.Signal{No: sig, Info: info})
			r.urgent.Store(true)
		}
	}
}
