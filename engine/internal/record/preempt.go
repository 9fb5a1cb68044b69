package record

import (
	"golang.org/x/sys/unix"

	"yore/engine/trace"
)

// overdue is called when a thread was stopped inside a slice because it has
// computed for a quantum. If another thread can run, it gets the turn: the point
// where this one was stopped becomes an event.
func (r *Recorder) overdue(t *Thread) error {
	if r.OnTick != nil {
		if err := r.OnTick(); err != nil {
			return err
		}
	}
	r.poll()
	if len(r.ready) == 0 && len(t.held) == 0 {
		return nil
	}
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	e := &trace.Event{Kind: trace.Preempt, TID: int32(t.ID), NR: -1, PC: x.Rip, SP: x.Rsp, Regs: &x, XState: t.XState()}
	if err := r.append(e); err != nil {
		return err
	}
	r.Stats.Preempts++
	r.boundary = true
	if len(r.ready) > 0 {
		r.ready = append(r.ready, t)
		r.cur = nil
	}
	return nil
}

var _ = unix.SIGSTOP
