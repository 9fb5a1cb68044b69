package replay

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/trace"
)

// What an event says twice, or can only say in one way, is held against itself and
// against the thread's state, so that a log which was changed is noticed where it was.

// checkShape refuses an event that no recorder writes.
func (r *Runner) checkShape(e *trace.Event) error {
	bad := func(what string) error {
		return &trace.FormatError{Path: "event log", What: fmt.Sprintf("event %d: %s", r.Next, what)}
	}
	call, regs := true, false
	switch e.Kind {
	case trace.Syscall, trace.Enter, trace.Leave, trace.End:
	case trace.Clone:
		if e.NR != unix.SYS_CLONE && e.NR != unix.SYS_CLONE3 || e.Child <= 0 || e.ChildRegs == nil {
			return bad("a thread made by something else")
		}
	case trace.Exit:
		if e.NR != unix.SYS_EXIT {
			return bad("a thread's end by something else")
		}
	case trace.Exec:
		if e.NR != unix.SYS_EXECVE && e.NR != unix.SYS_EXECVEAT {
			return bad("an execve by something else")
		}
	case trace.Insn, trace.Signal, trace.Fault:
		call, regs = false, true
	default:
		call = false
	}
	switch {
	case !call && e.NR != -1:
		return bad(fmt.Sprintf("it is system call %d", e.NR))
	case call && e.NR < 0 && e.Kind != trace.End:
		return bad("it is no system call")
	case regs && e.Regs == nil:
		return bad("it has no registers")
	case e.Kind != trace.Clone && e.Kind != trace.Exec && (e.Child != 0 || e.ChildRegs != nil):
		return bad("it has a child")
	}
	return nil
}

// checkEffect compares what an event says of its effect with what it must be.
func (r *Runner) checkEffect(e *trace.Event) error {
	switch {
	case e.Kind == trace.Insn:
		if what := strange(r.Regs(), e); what != "" {
			return r.diverged("effect of an instruction", "possible", what)
		}
	case e.Kind == trace.Clone:
		const setTLS = unix.CLONE_SETTLS
		want := *r.Regs()
		want.Rax = 0
		want.R11 &^= flagTF
		if e.NR == unix.SYS_CLONE {
			if e.Args[1] != 0 {
				want.Rsp = e.Args[1]
			}
			if e.Args[0]&setTLS != 0 {
				want.Fs_base = e.Args[4]
			}
		}
		if d := Differing(&want, e.ChildRegs); d != "" {
			return r.diverged("registers of a new thread", "its maker's", d)
		}
	case (e.Kind == trace.Syscall || e.Kind == trace.Leave) && e.NR == unix.SYS_MMAP && (e.Ret >= 0 || e.Ret < -4095):
		const sharing = unix.MAP_SHARED | unix.MAP_PRIVATE
		a := e.Args
		want := trace.Map{Addr: uint64(e.Ret), Len: pageUp(a[1]), Prot: uint32(a[2]), Shared: a[3]&sharing != unix.MAP_PRIVATE}
		if len(e.Maps) == 0 {
			return r.diverged("mapping", fmt.Sprintf("%#x+%#x", want.Addr, want.Len), "none")
		}
		m := e.Maps[0]
		if got := (trace.Map{Addr: m.Addr, Len: m.Len, Prot: m.Prot, Shared: m.Shared}); got != want || m.File != 0 && m.Off != a[5] {
			return r.diverged("mapping", fmt.Sprintf("%#x+%#x", want.Addr, want.Len), fmt.Sprintf("%#x+%#x", m.Addr, m.Len))
		}
	}
	return nil
}

// strange says what no instruction that is executed on the program's behalf does to
// the registers x; it is empty when e can be one. Those that tell the time, the
// processor and chance change the first four registers, or one register (rdpid,
// rdrand: to chance with only the carry flag set); those that save state in memory
// change none.
func strange(x *ptrace.Regs, e *trace.Event) string {
	const arithmetic, carry, longest = 0x8d5, 1, 15
	want, now := *x, e.Regs
	if now.Rip <= want.Rip || now.Rip > want.Rip+longest {
		return fmt.Sprintf("rip %#x", now.Rip)
	}
	want.Rip = now.Rip
	if len(e.Writes) > 0 {
		return Differing(&want, now)
	}
	random := now.Eflags&arithmetic == carry
	if random {
		want.Eflags = want.Eflags&^arithmetic | carry
	}
	rest := want
	rest.Rax, rest.Rbx, rest.Rcx, rest.Rdx = now.Rax, now.Rbx, now.Rcx, now.Rdx
	d := Differing(&rest, now)
	if d == "" {
		return ""
	}
	for _, p := range [][2]*uint64{{&want.Rsi, &now.Rsi}, {&want.Rdi, &now.Rdi}, {&want.Rbp, &now.Rbp}, {&want.Rsp, &now.Rsp},
		{&want.R8, &now.R8}, {&want.R9, &now.R9}, {&want.R10, &now.R10}, {&want.R11, &now.R11}, {&want.R12, &now.R12},
		{&want.R13, &now.R13}, {&want.R14, &now.R14}, {&want.R15, &now.R15}} {
		if *p[0] != *p[1] && (random || *p[1] == 0) {
			*p[0] = *p[1]
			return Differing(&want, now)
		}
	}
	return d
}
