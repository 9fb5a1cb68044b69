package tracee

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
)

// Spec says what to launch.
type Spec struct {
	Path  string   // the executable
	Args  []string // argv, program name included
	Env   []string
	Dir   string
	Files [3]*os.File // stdin, stdout, stderr; a nil one is closed
	Extra []*os.File  // further files, descriptors 3 and up
	// Terminal makes the program the leader of a new session whose controlling
	// terminal is Files[0]; otherwise it stays in the caller's session.
	Terminal bool
	// Native: it is to run natively, only watched by NativeOptions; Prepare is for
	// another time.
	Native bool
	// FixedAddresses switches address space randomisation off.
	FixedAddresses bool
}

const addrNoRandomize = 0x0040000

// Launch starts a program and returns its only task, stopped before its first
// instruction with nothing of it executed. The calling goroutine must be locked
// to the OS thread that will trace it.
//
// The kernel stops a PTRACE_TRACEME child at execve, but only PTRACE_SEIZE gives
// the stops that we need; so the child is let go into a group stop, seized there
// and continued up to the delivery of the SIGCONT.
func Launch(spec Spec) (*Task, error) {
	if spec.FixedAddresses {
		old, _, e := syscall.RawSyscall(syscall.SYS_PERSONALITY, 0xffffffff, 0, 0)
		if e == 0 {
			syscall.RawSyscall(syscall.SYS_PERSONALITY, old|addrNoRandomize, 0, 0)
			defer syscall.RawSyscall(syscall.SYS_PERSONALITY, old, 0, 0)
		}
	}
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Sys: &syscall.SysProcAttr{Ptrace: true}}
	for _, f := range append(spec.Files[:], spec.Extra...) {
		attr.Files = append(attr.Files, f.Fd())
	}
	if spec.Terminal {
		attr.Sys.Setsid, attr.Sys.Setctty, attr.Sys.Ctty = true, true, 0
	}
	pid, err := syscall.ForkExec(spec.Path, spec.Args, attr)
	if err != nil {
		return nil, err
	}
	options := Options
	if spec.Native {
		options = NativeOptions
	}
	if err := seizeStopped(pid, options); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		ptrace.Wait(pid, 0)
		return nil, fmt.Errorf("launch: %w", err)
	}
	t := NewTask(pid, NewSpace(pid))
	if spec.Native {
		return t, nil
	}
	if err := t.Prepare(); err != nil {
		t.KillProcess()
		return nil, fmt.Errorf("launch: %w", err)
	}
	return t, nil
}

func seizeStopped(pid, options int) error {
	if _, st, err := ptrace.Wait(pid, 0); err != nil || !st.IsTrap() {
		return fmt.Errorf("no stop at execve: %v %w", st, errors.Join(err))
	}
	if err := ptrace.Detach(pid, int(unix.SIGSTOP)); err != nil {
		return err
	}
	if err := ptrace.Seize(pid, options); err != nil {
		return err
	}
	if err := ptrace.Interrupt(pid); err != nil {
		return err
	}
	continued := false
	for {
		_, st, err := ptrace.Wait(pid, 0)
		switch {
		case err != nil:
			return err
		case !st.Stopped():
			return fmt.Errorf("the program %v", st)
		case st.IsSignal() && st.Signal() == int(unix.SIGCONT):
			return nil
		case st.Event() == ptrace.EventStop && st.Signal() == int(unix.SIGSTOP) && !continued:
			if err := unix.Kill(pid, unix.SIGCONT); err != nil {
				return err
			}
			continued = true
		}
		if err := ptrace.Resume(ptrace.Cont, pid, 0); err != nil {
			return err
		}
	}
}

// Prepare makes a freshly executed program traceable: it maps the engine's page,
// takes away the vdso (whose clock reads would bypass recording) and its entry in
// the auxiliary vector. The task must be stopped before the program's first
// instruction. After execve it is called again.
func (t *Task) Prepare() error {
	s := t.Space
	entry := *t.Regs()
	var old [2]byte
	if s.Read(entry.Rip, old[:]) != 2 {
		return fmt.Errorf("cannot read the program's entry at %#x", entry.Rip)
	}
	// The first system call is made from the program's own entry point.
	if err := s.Write(entry.Rip, []byte{0x0f, 0x05}); err != nil {
		return err
	}
	addr, err := t.injectAt(entry.Rip, unix.SYS_MMAP, EngineCode, EngineEnd-EngineCode,
		unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0)
	if err != nil {
		return err
	}
	if addr != EngineCode {
		return fmt.Errorf("map the engine's page at %#x: %v", EngineCode, unix.Errno(-addr))
	}
	if err := s.Write(entry.Rip, old[:]); err != nil {
		return err
	}
	if err := s.Write(EngineCode, engineCode); err != nil {
		return err
	}
	t.SetRegs(entry)
	if ret, err := t.Inject(unix.SYS_MPROTECT, EngineCode, PageSize, unix.PROT_READ|unix.PROT_EXEC); err != nil || ret != 0 {
		return fmt.Errorf("protect the engine's page: %d %w", ret, err)
	}
	maps, err := s.Maps()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if m.Kernel() && m.Path != "[vsyscall]" {
			if ret, err := t.Inject(unix.SYS_MUNMAP, m.Lo, m.Hi-m.Lo); err != nil || ret != 0 {
				return fmt.Errorf("unmap %s: %d %w", m.Path, ret, err)
			}
		}
	}
	return t.hideVDSO(entry.Rsp)
}

// injectAt is Inject through a syscall instruction at addr.
func (t *Task) injectAt(addr uint64, nr uint64, args ...uint64) (int64, error) {
	r := *t.Regs()
	r.Rip, r.Rax = addr, nr
	for i, p := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
		*p = args[i]
	}
	t.SetRegs(r)
	for entered := false; ; {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return 0, err
		}
		if !st.Stopped() {
			return 0, t.err
		}
		if !st.IsSyscall() {
			continue
		}
		msg, err := ptrace.EventMessage(t.TID)
		if err != nil {
			return 0, err
		}
		if msg == 1 {
			entered = true
		} else if entered {
			return int64(t.Regs().Rax), nil
		}
	}
}

const (
	atNull        = 0
	atIgnore      = 1
	atSysinfoEHDR = 33
)

// Auxv returns the auxiliary vector on the initial stack at sp: key, value pairs.
func (s *Space) Auxv(sp uint64) (addr uint64, pairs [][2]uint64) {
	argc, _ := s.Uint64(sp)
	p := sp + 8 + (argc+1)*8
	for { // the environment
		v, ok := s.Uint64(p)
		p += 8
		if !ok || v == 0 {
			break
		}
	}
	addr = p
	for {
		k, ok := s.Uint64(p)
		v, ok2 := s.Uint64(p + 8)
		if !ok || !ok2 {
			return addr, pairs
		}
		pairs = append(pairs, [2]uint64{k, v})
		if k == atNull {
			return addr, pairs
		}
		p += 16
	}
}

func (t *Task) hideVDSO(sp uint64) error {
	addr, pairs := t.Space.Auxv(sp)
	for i, kv := range pairs {
		if kv[0] == atSysinfoEHDR {
			return t.Space.PutUint64(addr+uint64(i)*16, atIgnore)
		}
	}
	return nil
}
