package record

import (
	"fmt"
	"slices"

	"yore/engine/internal/ptrace"
	"yore/engine/trace"
)

// DebugWord is a range that a debug register watches: 1, 2, 4 or 8 bytes at an
// aligned address; accesses are writes only, or reads too.
type DebugWord struct {
	Addr  uint64
	Len   int
	Reads bool
}

// Control returns the bits of debug register 7 that arm registers 0 to len-1 for
// words (Intel SDM volume 3, 18.2.4).
func Control(words []DebugWord) uint64 {
	var v uint64
	for i, w := range words {
		kind := uint64(1) // writes
		if w.Reads {
			kind = 3
		}
		length := map[int]uint64{1: 0, 2: 1, 4: 3, 8: 2}[w.Len]
		v |= 1<<(2*i) | (length<<2|kind)<<(16+4*i)
	}
	return v
}

// SetDebug has all threads watch words, at most four, from their next resume on.
func (r *Recorder) SetDebug(words []DebugWord) {
	if slices.Equal(words, r.debug) {
		return
	}
	r.debug = slices.Clone(words)
	r.debugGen++
}

// setDebug loads the debug registers of a thread that is about to run.
func (r *Recorder) setDebug(t *Thread) {
	if t.debug == r.debugGen {
		return
	}
	t.debug = r.debugGen
	ptrace.SetDebugReg(t.TID, 7, 0)
	for i, w := range r.debug {
		ptrace.SetDebugReg(t.TID, i, w.Addr)
	}
	if len(r.debug) > 0 {
		ptrace.SetDebugReg(t.TID, 7, Control(r.debug))
	}
}

// ThreadIDs returns the ids of all live threads, in order.
func (r *Recorder) ThreadIDs() []int {
	var ids []int
	for id := range r.threads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Regs returns a thread's registers: for one that waits in a call those at its
// entry.
func (r *Recorder) Regs(tid int) (ptrace.Regs, error) {
	t := r.threads[tid]
	if t == nil {
		return ptrace.Regs{}, fmt.Errorf("no thread %d", tid)
	}
	if t.inCall {
		return t.entry, nil
	}
	return *t.Regs(), t.Err()
}

// Registers returns a thread's registers and XSAVE area.
func (r *Recorder) Registers(tid int) (ptrace.Regs, []byte, error) {
	regs, err := r.Regs(tid)
	if err != nil {
		return regs, nil, err
	}
	t := r.threads[tid]
	if t.xstate != nil {
		return regs, t.xstate, nil
	}
	return regs, t.XState(), t.Err()
}

// InCall reports whether the thread is inside a system call.
func (t *Thread) InCall() bool { return t.inCall }

// SetThreadRegs writes a thread's registers for the debugger.
func (r *Recorder) SetThreadRegs(tid int, x ptrace.Regs) error {
	t := r.threads[tid]
	if t == nil {
		return fmt.Errorf("no thread %d", tid)
	}
	if t.inCall || t.state != user {
		return fmt.Errorf("thread %d is inside a system call: its registers cannot be changed", tid)
	}
	t.SetRegs(x)
	return t.Err()
}

// Poke writes memory for the debugger, and logs that and the current thread's
// registers as an event.
func (r *Recorder) Poke(writes []trace.Write) error {
	t := r.cur
	if t == nil {
		return fmt.Errorf("the program cannot be changed while all its threads wait")
	}
	for _, w := range writes {
		if err := r.space.Write(w.Addr, w.Data); err != nil {
			return err
		}
	}
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	e := &trace.Event{Kind: trace.Poke, Stub: -1, TID: int32(t.ID), NR: -1, PC: x.Rip, SP: x.Rsp, Regs: &x, Writes: writes}
	r.boundary = true
	return r.append(e)
}
