package record

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
)

// Release lets a program that was kept at its end (Options.Keep) end as it was
// going to, and waits for it. Ended then tells whether it left a core.
func (r *Recorder) Release() error {
	t := r.cur
	if r.ended == nil || t == nil || t.Err() != nil {
		return nil
	}
	if !r.ended.Signaled {
		x := *t.Regs()
		x.Rip, x.Rax, x.Rdi = tracee.EngineCode, unix.SYS_EXIT_GROUP, uint64(r.ended.Code)
		t.SetRegs(x)
		t.Resume(ptrace.Cont, 0)
		r.reap()
		return nil
	}
	sig := r.ended.Code
	if r.actions[sig].handler != sigDfl {
		// The kernel overrides the program's wish for a fault; so do we.
		if err := r.space.Write(tracee.EngineData, make([]byte, 32)); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		if _, err := t.Inject(unix.SYS_RT_SIGACTION, uint64(sig), tracee.EngineData, 0, 8); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	mask, err := ptrace.GetSigmask(t.TID)
	if err == nil {
		err = ptrace.SetSigmask(t.TID, mask&^(1<<(sig-1)))
	}
	if err == nil {
		err = ptrace.Tgkill(r.pid, t.TID, unix.Signal(sig))
	}
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	t.Resume(ptrace.Cont, 0)
	r.reap()
	return nil
}

// SharedMemory returns the memory of the program that can change without a store to
// it: its shared mappings, of which a frozen copy has private copies, and private
// ones that show what is stored through a shared one.
func (r *Recorder) SharedMemory() (tracee.PageSet, error) {
	if !r.shared {
		return nil, nil
	}
	maps, err := r.space.Maps()
	if err != nil {
		return nil, err
	}
	var out tracee.PageSet
	for _, m := range maps {
		if m.Shared && !m.Kernel() {
			out = append(out, tracee.Range{Lo: m.Lo, Hi: m.Hi})
		}
	}
	for i := range r.views {
		if v := &r.views[i]; v.object != 0 {
			out = append(out, v.Range)
		}
	}
	return tracee.Union(out), nil
}

// LimitWords returns the addresses of the counting stubs' limits.
func (r *Recorder) LimitWords() []uint64 {
	var out []uint64
	for _, s := range r.pre.stubs.List()[r.pre.first:] {
		out = append(out, s.Limit)
	}
	return out
}

// StackLimit returns the program's RLIMIT_STACK.
func (r *Recorder) StackLimit() uint64 {
	var lim unix.Rlimit
	if unix.Prlimit(r.pid, unix.RLIMIT_STACK, nil, &lim) != nil {
		return 0
	}
	return lim.Cur
}
