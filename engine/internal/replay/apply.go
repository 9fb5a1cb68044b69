package replay

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

func describe(e *trace.Event) string {
	if e == nil {
		return "nothing"
	}
	switch e.Kind {
	case trace.Syscall, trace.Enter, trace.Clone, trace.Exit, trace.Exec:
		return fmt.Sprintf("system call %d", e.NR)
	case trace.Fault:
		return fmt.Sprintf("signal %d at %#x", e.Sig, e.PC)
	case trace.Insn:
		return fmt.Sprintf("trapped instruction at %#x", e.PC)
	case trace.Preempt:
		return fmt.Sprintf("preemption at stub %d", e.Stub)
	}
	return fmt.Sprintf("event kind %d", e.Kind)
}

func callArgs(x *ptrace.Regs) [6]uint64 {
	return [6]uint64{x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9}
}

// checkEntry compares the system call that was reached with event e's.
func (r *Runner) checkEntry(e *trace.Event) error {
	x := r.Regs()
	nr := int64(x.Orig_rax)
	switch e.Kind {
	case trace.Syscall, trace.Enter, trace.Clone, trace.Exit, trace.Exec, trace.End:
	default:
		return r.diverged("instruction", describe(e), fmt.Sprintf("system call %d", nr))
	}
	switch {
	case nr != int64(e.NR):
		return r.diverged("system call", fmt.Sprint(e.NR), fmt.Sprint(nr))
	case x.Rip != e.PC:
		return r.diverged("pc", fmt.Sprintf("%#x", e.PC), fmt.Sprintf("%#x", x.Rip))
	case x.Rsp != e.SP:
		return r.diverged("stack pointer", fmt.Sprintf("%#x", e.SP), fmt.Sprintf("%#x", x.Rsp))
	case callArgs(x) != e.Args:
		return r.diverged(fmt.Sprintf("arguments of system call %d", nr), fmt.Sprintf("%#x", e.Args), fmt.Sprintf("%#x", callArgs(x)))
	}
	return nil
}

// checkHere compares where the thread stands with an event that begins there.
func (r *Runner) checkHere(e *trace.Event) error {
	x, th := r.Regs(), r.Threads[r.Active]
	switch e.Kind {
	case trace.Leave:
		if !th.InCall || th.Call != int64(e.NR) {
			return r.diverged("system call left", fmt.Sprint(e.NR), fmt.Sprintf("inside %v %d", th.InCall, th.Call))
		}
		if callArgs(x) != e.Args {
			return r.diverged(fmt.Sprintf("arguments of system call %d", e.NR), fmt.Sprintf("%#x", e.Args), fmt.Sprintf("%#x", callArgs(x)))
		}
	case trace.End:
		if e.PC == 0 && e.SP == 0 {
			return nil // it was killed: nobody knows where
		}
	}
	const syscallLen = 2
	switch again := th.InCall && e.Kind != trace.Leave && x.Rip-syscallLen == e.PC; { // the call is to be entered again
	case x.Rip != e.PC && !again:
		return r.diverged("pc", fmt.Sprintf("%#x", e.PC), fmt.Sprintf("%#x", x.Rip))
	case x.Rsp != e.SP:
		return r.diverged("stack pointer", fmt.Sprintf("%#x", e.SP), fmt.Sprintf("%#x", x.Rsp))
	}
	return nil
}

func (r *Runner) checkFault(e *trace.Event) error {
	if x := r.Regs(); x.Rsp != e.SP {
		return r.diverged("stack pointer", fmt.Sprintf("%#x", e.SP), fmt.Sprintf("%#x", x.Rsp))
	}
	return nil
}

// Apply takes the effect of event Next, at whose beginning the runner stands.
func (r *Runner) Apply() error {
	if !r.atEvent {
		panic("replay: Apply away from an event")
	}
	e, err := r.Event()
	if err != nil {
		return err
	}
	if err := r.apply(e); err != nil {
		return err
	}
	r.atEvent = false
	r.Next++
	return nil
}

// TouchesEngine reports whether a range of memory, whose length is rounded up to
// pages, has to do with the engine's own pages or does not fit into memory.
func TouchesEngine(addr, n uint64) bool {
	end := addr + pageUp(n)
	return end < addr || n > end || addr < tracee.EngineEnd && end > tracee.EngineCode
}

// guard refuses an event that would change the engine's pages: no recorder writes
// one, and what is there executes system calls.
func (r *Runner) guard(e *trace.Event) error {
	bad := func(addr, n uint64) error {
		return &trace.FormatError{Path: "event log", What: fmt.Sprintf("event %d changes memory of the engine at %#x+%#x", r.Next, addr, n)}
	}
	for _, w := range e.Writes {
		if TouchesEngine(w.Addr, uint64(len(w.Data))) {
			return bad(w.Addr, uint64(len(w.Data)))
		}
	}
	for _, m := range e.Maps {
		if TouchesEngine(m.Addr, m.Len) {
			return bad(m.Addr, m.Len)
		}
	}
	// A call that failed for memory that is not mapped has done its work up to there.
	if e.Kind != trace.Syscall && e.Kind != trace.Leave || e.Ret < 0 && e.Ret != -int64(unix.ENOMEM) {
		return nil
	}
	a := e.Args
	switch e.NR {
	case unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT, unix.SYS_MADVISE:
		if TouchesEngine(a[0], a[1]) {
			return bad(a[0], a[1])
		}
	case unix.SYS_MREMAP:
		if e.Ret < 0 {
			return nil
		}
		if TouchesEngine(a[0], a[1]) || TouchesEngine(uint64(e.Ret), a[2]) {
			return bad(a[0], a[1])
		}
	case unix.SYS_BRK:
		lo, hi := min(r.Brk, uint64(e.Ret)), max(r.Brk, uint64(e.Ret))
		if r.Brk != 0 && TouchesEngine(lo, hi-lo) {
			return bad(lo, hi-lo)
		}
	}
	return nil
}

func (r *Runner) apply(e *trace.Event) error {
	if err := r.checkShape(e); err != nil {
		return err
	}
	if err := r.guard(e); err != nil {
		return err
	}
	if NeedsRestore(e) {
		return r.restore()
	}
	if err := r.checkEffect(e); err != nil {
		return err
	}
	th := r.Threads[r.Active]
	switch e.Kind {
	case trace.Enter:
		x := *r.Regs()
		x.R11 &^= flagTF
		r.SetRegs(x)
		th.InCall, th.Call = true, int64(e.NR)
		return r.write(e)
	case trace.Clone:
		r.Threads[int(e.Child)] = r.newThread(e)
	}
	if e.Kind == trace.Syscall || e.Kind == trace.Leave {
		if err := r.mapping(e); err != nil {
			return err
		}
		if e.Count > 0 {
			if err := r.TrapTime(); err != nil {
				return fmt.Errorf("replay: event %d: %w", r.Next, err)
			}
		}
	}
	if e.Kind == trace.Stubs {
		if err := r.env.Stubs.Load(e); err != nil {
			return err
		}
		if err := r.installMaps(e); err != nil {
			return err
		}
	}
	if err := r.write(e); err != nil {
		return err
	}
	x := *r.Regs()
	switch {
	case e.Regs != nil:
		x = *e.Regs
	case e.Kind == trace.Syscall || e.Kind == trace.Leave || e.Kind == trace.Clone:
		x.Rax = uint64(e.Ret)
		x.R11 &^= flagTF
	case e.Kind == trace.End || e.Kind == trace.Exit:
		x.R11 &^= flagTF
	}
	r.SetRegs(x)
	r.SetXState(e.XState)
	switch e.Kind {
	case trace.Leave, trace.Signal, trace.Clone, trace.End:
		th.InCall = false
	case trace.Exit:
		th.InCall, th.Dead = false, true
	}
	return r.Err()
}

// write makes an event's writes to memory.
func (r *Runner) write(e *trace.Event) error {
	for _, w := range e.Writes {
		if err := r.WriteMemory(w.Addr, w.Data); err != nil {
			return r.diverged("memory", "writable", err.Error())
		}
	}
	return nil
}

func (r *Runner) newThread(e *trace.Event) *tracee.Thread {
	t := &tracee.Thread{ID: int(e.Child), XState: r.Task.XState()}
	if e.ChildRegs != nil {
		t.Regs = *e.ChildRegs
	}
	t.Regs.Orig_rax = ^uint64(0)
	return t
}

func (r *Runner) restore() error {
	c, err := r.env.Restore(r.Next)
	if err != nil {
		return fmt.Errorf("replay: event %d: %w", r.Next, err)
	}
	r.Copy.Kill()
	r.Copy = c
	return nil
}

// installMaps makes the anonymous mappings of a Stubs event.
func (r *Runner) installMaps(e *trace.Event) error {
	for _, m := range e.Maps {
		flags := uint64(unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE)
		if err := r.expect(int64(m.Addr), "mmap", unix.SYS_MMAP, m.Addr, m.Len, uint64(m.Prot), flags, ^uint64(0), 0); err != nil {
			return err
		}
	}
	return nil
}

// Differing names the first register in which two states differ, rflags' TF
// and RF and orig_rax aside.
func Differing(a, b *ptrace.Regs) string {
	if a == nil {
		return "no registers recorded"
	}
	type reg struct {
		name string
		a, b uint64
	}
	const ignored = 0x10100
	for _, x := range []reg{{"rip", a.Rip, b.Rip}, {"rsp", a.Rsp, b.Rsp}, {"rax", a.Rax, b.Rax}, {"rbx", a.Rbx, b.Rbx},
		{"rcx", a.Rcx, b.Rcx}, {"rdx", a.Rdx, b.Rdx}, {"rsi", a.Rsi, b.Rsi}, {"rdi", a.Rdi, b.Rdi}, {"rbp", a.Rbp, b.Rbp},
		{"r8", a.R8, b.R8}, {"r9", a.R9, b.R9}, {"r10", a.R10, b.R10}, {"r11", a.R11, b.R11}, {"r12", a.R12, b.R12},
		{"r13", a.R13, b.R13}, {"r14", a.R14, b.R14}, {"r15", a.R15, b.R15}, {"eflags", a.Eflags &^ ignored, b.Eflags &^ ignored},
		{"fs_base", a.Fs_base, b.Fs_base}, {"gs_base", a.Gs_base, b.Gs_base}} {
		if x.a != x.b {
			return fmt.Sprintf("%s %#x, not %#x", x.name, x.b, x.a)
		}
	}
	return ""
}
