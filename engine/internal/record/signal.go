package record

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// action is what the program wants done with a signal (struct sigaction of the
// kernel: handler, flags, restorer, mask).
type action struct{ handler, flags uint64 }

// The si_code of a SIGTRAP: of an int3, SI_KERNEL, and of a debug register that
// fired, TRAP_HWBKPT (include/uapi/asm-generic/siginfo.h; arch/x86/kernel/traps.c).
const (
	breakpointTrap = 0x80
	hardwareTrap   = 4
)

func trapCode(info *ptrace.Siginfo) int32 { return int32(binary.LittleEndian.Uint32(info[8:])) }

const (
	sigDfl      = 0
	sigIgn      = 1
	saResetHand = 0x80000000
)

// pendingSignal is a signal that the debugger has been shown; the thread is at
// its delivery stop or at a boundary.
type pendingSignal struct {
	sig     tracee.Signal
	sync    bool
	inStop  bool // it came in a signal-delivery stop, see Recorder.inDelivery
	deliver int  // what to deliver, 0 for nothing
}

// inheritActions notes what the program does with signals after an execve:
// nothing but ignoring those that were ignored before.
func (r *Recorder) inheritActions() {
	r.actions = [65]action{}
	ignored := statusField(r.pid, r.pid, "SigIgn")
	for sig := 1; sig < len(r.actions); sig++ {
		if ignored>>(sig-1)&1 != 0 {
			r.actions[sig].handler = sigIgn
		}
	}
}

func (r *Recorder) setAction(sig int, addr uint64) {
	var b [16]byte
	if sig > 0 && sig < len(r.actions) && r.space.Read(addr, b[:]) == len(b) {
		r.actions[sig] = action{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
	}
}

// fate is what happens to a signal on delivery.
type fate uint8

const (
	handled fate = iota
	ignored
	stops
	fatal
)

func (r *Recorder) fate(sig int) fate {
	if sig <= 0 || sig >= len(r.actions) {
		return ignored
	}
	switch r.actions[sig].handler {
	case sigDfl:
	case sigIgn:
		if sig == int(unix.SIGKILL) || sig == int(unix.SIGSTOP) {
			break
		}
		return ignored
	default:
		return handled
	}
	switch unix.Signal(sig) {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT:
		return ignored
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return stops
	}
	return fatal
}

// ours reports whether a SIGSTOP was sent by the recorder.
func (r *Recorder) ours(sig int, info *ptrace.Siginfo) bool {
	if sig != int(unix.SIGSTOP) {
		return false
	}
	code := int32(binary.LittleEndian.Uint32(info[8:]))
	pid := int(binary.LittleEndian.Uint32(info[16:]))
	return code == -6 && pid == unix.Getpid() // SI_TKILL
}

// signal handles a signal-delivery stop of the current thread.
func (r *Recorder) signal(t *Thread, sig int) (Stop, bool, error) {
	s := tracee.Signal{No: sig}
	if err := ptrace.GetSiginfo(t.TID, &s.Info); err != nil {
		return Stop{}, false, err
	}
	if t.inCall {
		return r.interrupted(t, s)
	}
	if r.ours(sig, &s.Info) {
		return r.ticked(t)
	}
	if sig == int(unix.SIGTRAP) {
		if id, real, ok := r.pre.stubs.Hit(r.space, t.Regs(), &s.Info); ok {
			return Stop{}, false, r.stubHit(t, id, real)
		}
		if trapCode(&s.Info) == breakpointTrap && !r.coveredTrap(t) {
			if done, err := r.strayFault(t, &s, patch.Trap); done || err != nil {
				return Stop{}, false, err
			}
		}
	}
	if sig == int(unix.SIGTRAP) && !r.ownTrap(t, &s.Info) {
		if err := r.surface(t); err != nil {
			return Stop{}, false, err
		}
		if trapCode(&s.Info) == hardwareTrap && r.amidString(t) {
			if whole, err := r.whole(t); err != nil || !whole {
				return Stop{}, false, err
			}
		}
		return Stop{Reason: Trap, Thread: t, Signal: s}, true, nil
	}
	if !replay.Synchronous(sig, &s.Info) {
		// Its place in the program is chance: it is delivered at a boundary.
		t.hold(s)
		r.urgent.Store(true)
		if t.nr == unix.SYS_RT_SIGRETURN && timed(&s.Info) {
			r.boundary = false
		}
		return Stop{}, false, nil
	}
	if len(r.pre.plans) > 0 {
		if done, err := r.strayFault(t, &s, patch.Fault); done || err != nil {
			return Stop{}, false, err
		}
		sig = s.No
	}
	if sig == int(unix.SIGILL) {
		if done, err := r.emulate(t, &s); done || err != nil {
			return Stop{}, false, err
		}
		sig = s.No
	}
	if sig == int(unix.SIGSEGV) {
		if done, err := r.timeStamp(t); done || err != nil {
			return Stop{}, false, err
		}
	}
	return r.show(t, &pendingSignal{sig: s, sync: true, inStop: true, deliver: sig})
}

// timed reports whether a signal came from a timer. Where such a one is due when a
// handler returns, it waits for the next boundary: a timer that expires as often as
// a handler takes to run would leave the program no time.
func timed(info *ptrace.Siginfo) bool {
	code := int32(binary.LittleEndian.Uint32(info[8:]))
	return code == 0x80 || code == -2 // SI_KERNEL, SI_TIMER
}

// ownTrap reports whether a SIGTRAP is the program's own: an int3 or icebp in its
// code, or its trap flag.
func (r *Recorder) ownTrap(t *Thread, info *ptrace.Siginfo) bool {
	return r.OwnTrap == nil || r.OwnTrap(t.Regs().Rip, info)
}

// interrupted handles a signal that met the thread inside a call: the call has
// been broken off and restarts, unless a handler is to run first.
func (r *Recorder) interrupted(t *Thread, s tracee.Signal) (Stop, bool, error) {
	if err := r.logEnter(t); err != nil {
		return Stop{}, false, err
	}
	if r.ours(s.No, &s.Info) || r.fate(s.No) == ignored {
		r.again(t)
		if r.stop.Load() {
			return Stop{Reason: Interrupted, Thread: t}, true, nil
		}
		return Stop{}, false, nil
	}
	return r.show(t, &pendingSignal{sig: s, inStop: true, deliver: s.No})
}

// again prepares a broken-off call to be entered again: the thread stands before
// its system call instruction.
func (r *Recorder) again(t *Thread) {
	x := t.entry
	x.Rip -= 2
	x.Rax = uint64(t.nr)
	if int64(t.Regs().Rax) == erestartBlock {
		x.Rax = unix.SYS_RESTART_SYSCALL
	}
	if t.redir != nil {
		setArgs(&x, t.redir.Args)
	}
	t.SetRegs(x)
	t.restart = true
	t.xstate = t.XState()
}

// show presents a signal to the debugger first, if it wants to see it.
func (r *Recorder) show(t *Thread, p *pendingSignal) (Stop, bool, error) {
	r.pending = p
	if r.StopFor != nil && r.StopFor(p.sig.No) {
		return Stop{Reason: SignalStop, Thread: t, Signal: p.sig}, true, nil
	}
	return r.resolve(t)
}

// Pending returns the signal that the debugger was shown last and that has not
// been delivered, nil when there is none.
func (r *Recorder) Pending() *tracee.Signal {
	if r.pending == nil {
		return nil
	}
	return &r.pending.sig
}

// SetDelivery chooses what to deliver instead of the pending signal; 0 discards
// it.
func (r *Recorder) SetDelivery(sig int) {
	if r.pending != nil {
		r.pending.deliver = sig
	}
}

// resolve delivers or discards the pending signal.
func (r *Recorder) resolve(t *Thread) (Stop, bool, error) {
	p := r.pending
	r.pending = nil
	if p.deliver == 0 {
		if t.inCall {
			r.again(t)
		}
		return Stop{}, false, nil
	}
	if p.deliver != p.sig.No {
		p.sig = tracee.Signal{No: p.deliver}
		binary.LittleEndian.PutUint32(p.sig.Info[:], uint32(p.deliver))
		p.sync, p.inStop = false, false
	}
	return Stop{}, false, r.act(t, p)
}

func (r *Recorder) act(t *Thread, p *pendingSignal) error {
	f := r.fate(p.sig.No)
	if p.sync {
		mask, err := ptrace.GetSigmask(t.TID)
		if err != nil {
			return err
		}
		if f != handled || mask>>(p.sig.No-1)&1 != 0 {
			return r.fault(t, &p.sig, p.sig.No)
		}
	}
	switch f {
	case ignored:
		if t.inCall {
			r.again(t)
		}
		return nil
	case stops:
		return r.jobStop(t, p)
	case fatal:
		return r.end(t, p.sig.No)
	}
	kind := trace.Signal
	if p.sync {
		kind = trace.Fault
	}
	if !p.inStop || !r.inDelivery(t, &p.sig) {
		if err := r.raise(t, &p.sig); err != nil {
			return err
		}
	}
	return r.handler(t, p.sig, kind)
}

// inDelivery reports whether t is still at the delivery stop of s: system calls
// that it was made to execute there, for a checkpoint, have led it out of it.
func (r *Recorder) inDelivery(t *Thread, s *tracee.Signal) bool {
	var info ptrace.Siginfo
	return ptrace.GetSiginfo(t.TID, &info) == nil && info == s.Info
}

// fault logs a synchronous signal that runs no handler: the program ends, by signal
// by.
func (r *Recorder) fault(t *Thread, s *tracee.Signal, by int) error {
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	e := &trace.Event{Kind: trace.Fault, TID: int32(t.ID), NR: -1, Sig: int32(s.No), Info: s.Info[:], PC: x.Rip, SP: x.Rsp}
	e.Regs, e.Writes = &x, t.undone
	t.undone = nil
	if err := r.append(e); err != nil {
		return err
	}
	return r.end(t, by)
}

// raise brings t, in user mode, to the delivery stop of a held signal.
func (r *Recorder) raise(t *Thread, s *tracee.Signal) error {
	if err := ptrace.Tgkill(r.pid, t.TID, unix.Signal(s.No)); err != nil {
		return err
	}
	for {
		st, err := t.Run(ptrace.Syscall, 0)
		if err != nil {
			return err
		}
		switch {
		case st.IsSignal() && st.Signal() == s.No:
			return ptrace.SetSiginfo(t.TID, &s.Info)
		case st.IsSignal():
			var info ptrace.Siginfo
			if err := ptrace.GetSiginfo(t.TID, &info); err != nil {
				return err
			}
			if !r.ours(st.Signal(), &info) {
				t.hold(tracee.Signal{No: st.Signal(), Info: info})
			}
		case st.Event() == ptrace.EventStop:
		default:
			return fmt.Errorf("record: signal %d for thread %d met %v", s.No, t.ID, st)
		}
	}
}

// handler lets the kernel deliver a signal whose delivery stop t is at, up to the
// handler's first instruction, and logs what the delivery changed.
func (r *Recorder) handler(t *Thread, s tracee.Signal, kind trace.Kind) error {
	var writes []trace.Write
	if t.inCall {
		if !t.restart {
			var err error
			if writes, err = r.written(t, int64(t.Regs().Rax)); err != nil {
				return err
			}
		}
		t.redir = nil
		// The kernel puts the argument registers into the frame.
		x := *t.Regs()
		x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9 = t.entry.Rdi, t.entry.Rsi, t.entry.Rdx, t.entry.R10, t.entry.R8, t.entry.R9
		if x != *t.Regs() {
			t.SetRawRegs(x)
		}
	}
	old := *t.Regs()
	st, err := t.Run(ptrace.SingleStep, s.No)
	if err != nil {
		return err
	}
	if st.IsSignal() && st.Signal() == int(unix.SIGSEGV) {
		// There is no room for the frame.
		if kind == trace.Fault {
			return r.fault(t, &s, int(unix.SIGSEGV))
		}
		return r.end(t, int(unix.SIGSEGV))
	}
	x := *t.Regs()
	if !st.IsTrap() || x.Rip != r.actions[s.No].handler {
		return fmt.Errorf("record: signal %d led thread %d to %#x, not to its handler: %v", s.No, t.ID, x.Rip, st)
	}
	e := &trace.Event{Kind: kind, TID: int32(t.ID), NR: -1, PC: old.Rip, SP: old.Rsp, Sig: int32(s.No), Info: s.Info[:], XState: t.XState()}
	x.Orig_rax = ^uint64(0)
	e.Regs = &x
	writes = append(writes, t.undone...)
	t.undone = nil
	e.Writes = append(writes, r.grab([]syscalls.Range{r.frame(t, &old, &x)})...)
	if r.actions[s.No].flags&saResetHand != 0 {
		r.actions[s.No].handler = sigDfl
	}
	t.inCall, t.logged, t.restart, t.xstate = false, false, false, nil
	t.compareDone()
	r.boundary = true
	t.sigDue = t.due()
	r.Stats.Signals++
	return r.append(e)
}

// frame returns the range of a signal frame: struct rt_sigframe at rsp (return
// address, then ucontext with the pointer to the extended state; see
// arch/x86/include/uapi/asm/sigcontext.h), up to the end of that state.
func (r *Recorder) frame(t *Thread, old, x *ptrace.Regs) syscalls.Range {
	const fpstateAt, softwareAt, magic1 = 8 + 40 + 23*8, 464, 0x46505853
	top := old.Rsp
	if a := t.altstack; a[1] > 0 && x.Rsp-a[0] < a[1] && old.Rsp-a[0] >= a[1] {
		top = a[0] + a[1]
	}
	if fp, ok := r.space.Uint64(x.Rsp + fpstateAt); ok && fp > x.Rsp && fp < top {
		var sw [8]byte
		if r.space.Read(fp+softwareAt, sw[:]) == len(sw) && binary.LittleEndian.Uint32(sw[:]) == magic1 {
			if end := fp + uint64(binary.LittleEndian.Uint32(sw[4:])); end < top {
				top = end
			}
		}
	}
	return syscalls.Range{Addr: x.Rsp, Len: top - x.Rsp}
}

// hold keeps signals that t has got for the next boundary. Of a standard signal
// only one waits at a time, as in the kernel.
func (t *Thread) hold(signals ...tracee.Signal) {
	const firstRealTime = 32
	for _, s := range signals {
		if s.No >= firstRealTime || !slices.ContainsFunc(t.held, func(h tracee.Signal) bool { return h.No == s.No }) {
			t.held = append(t.held, s)
		}
	}
}

// deliverHeld acts on the held signals of t, which is at a boundary. done means
// that Run returns stop.
func (r *Recorder) deliverHeld(t *Thread) (done bool, stop Stop, err error) {
	t.hold(t.TakeSignals()...)
	r.urgent.Store(false)
	for i := 0; i < len(t.held); i++ {
		s := t.held[i]
		if r.ours(s.No, &s.Info) {
			t.held = append(t.held[:i], t.held[i+1:]...)
			i--
			continue
		}
		mask, err := ptrace.GetSigmask(t.TID)
		if err != nil {
			return false, Stop{}, err
		}
		if mask>>(s.No-1)&1 != 0 {
			continue
		}
		t.held = append(t.held[:i], t.held[i+1:]...)
		if r.fate(s.No) == ignored && (r.StopFor == nil || !r.StopFor(s.No)) {
			i--
			continue
		}
		stop, done, err := r.show(t, &pendingSignal{sig: s, deliver: s.No})
		return done, stop, err
	}
	return false, Stop{}, nil
}

// jobStop handles a signal that stops the program (SIGTSTP and its like): the
// recorder stops the program's other threads by not running them, so only the
// stop itself is made.
func (r *Recorder) jobStop(t *Thread, p *pendingSignal) error {
	if r.JobStop != nil {
		if err := r.JobStop(p.sig.No); err != nil {
			return err
		}
	}
	if t.inCall {
		r.again(t)
	}
	return nil
}

func (t *Thread) compareDone() {
	if t.compare != nil {
		t.compare.before.KillProcess()
		t.compare = nil
	}
}

// ticked handles a SIGSTOP of ours that met the thread in user mode.
func (r *Recorder) ticked(t *Thread) (Stop, bool, error) {
	if err := r.outOfStub(t); err != nil {
		return Stop{}, false, err
	}
	if whole, err := r.whole(t); err != nil || !whole {
		return Stop{}, false, err
	}
	if r.stop.Load() {
		return Stop{Reason: Interrupted, Thread: t}, true, nil
	}
	return Stop{}, false, r.overdue(t)
}
