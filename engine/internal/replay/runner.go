package replay

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Log is what a runner needs of a recording.
type Log interface {
	// At returns event i; the caller does not change it.
	At(i int64) (*trace.Event, error)
	Len() int64
}

// Env gives a runner what the log alone does not hold.
type Env struct {
	Log Log
	// FilePath returns a path by which the copy can open mapped file id.
	FilePath func(id uint32) (string, error)
	// Stubs are the counting stubs of the Stubs events so far.
	Stubs *Stubs
	// Original returns the program's own bytes at the instructions that the
	// recorder has replaced because their result comes from outside; nil when
	// nobody knows of any.
	Original func() map[uint64][]byte
	// Restore returns a new copy in the state just after event i, one of those
	// that cannot be replayed (NeedsRestore).
	Restore func(i int64) (*tracee.Copy, error)
	// Running returns the thread that runs behind the last event, 0 when that is
	// not known: no later event tells. It may be nil.
	Running func() int
	// Before returns the state just before event i, one that Breaks. The copy is
	// the environment's and stays frozen.
	Before func(i int64) (*tracee.Copy, error)
}

// Runner is a copy of the program in slice Next-1.
type Runner struct {
	*tracee.Copy
	env  *Env
	Next int64 // index of the next event
	// atEvent: the task is at the beginning of event Next (a system call's entry,
	// or the stop of a fault or trapped instruction).
	atEvent bool
}

// Patched calls f with the program's own bytes at each place of its code that
// the recorder has patched: stubs and replaced instructions.
func (r *Runner) Patched(f func(addr uint64, own []byte)) {
	if r.env.Stubs != nil {
		for _, x := range r.env.Stubs.List() {
			f(x.Addr, x.Orig)
		}
	}
	if r.env.Original != nil {
		for addr, own := range r.env.Original() {
			f(addr, own)
		}
	}
}

// New returns a runner of c, which must be in the state of slice next-1 and
// becomes the runner's own.
func New(c *tracee.Copy, env *Env, next int64) *Runner {
	return &Runner{Copy: c, env: env, Next: next}
}

// Fork returns an independent runner in the same state.
func (r *Runner) Fork() (*Runner, error) {
	c, err := r.Copy.Fork()
	if err != nil {
		return nil, err
	}
	n := *r
	n.Copy = c
	return &n, nil
}

// Stop says how a run inside a slice ended.
type Stop uint8

const (
	// AtEvent: the slice is over; Apply comes next.
	AtEvent Stop = iota
	// Trap: a SIGTRAP: a step, an int3 of ours, a debug register or a stub.
	Trap
	// Interrupted: the context was cancelled.
	Interrupted
	// AtEnd: the log has no further event.
	AtEnd
)

// Event returns the next event, nil at the end of the log.
func (r *Runner) Event() (*trace.Event, error) {
	if r.Next >= r.env.Log.Len() {
		return nil, nil
	}
	return r.env.Log.At(r.Next)
}

// coming returns the next event that can be seen to begin, passing over cuts.
func (r *Runner) coming() (*trace.Event, error) {
	for {
		e, err := r.Event()
		if e == nil || err != nil || e.Kind != trace.Cut {
			return e, err
		}
		r.Next++
	}
}

// Immediate reports whether an event begins where the previous one ended,
// without the thread executing anything.
func Immediate(e *trace.Event) bool {
	switch e.Kind {
	case trace.Leave, trace.Signal, trace.Stubs, trace.Poke:
		return true
	case trace.Preempt:
		return e.Stub < 0
	case trace.End:
		return e.NR < 0
	}
	return false
}

// Ends reports whether event e, which begins at a system call's entry, is the end of
// a call that its thread is inside: one that was broken off and begun again before
// it did what it does.
func (r *Runner) Ends(e *trace.Event) bool {
	switch e.Kind {
	case trace.Clone, trace.Exit, trace.Exec, trace.End:
		th := r.Threads[int(e.TID)]
		return e.NR >= 0 && th != nil && th.InCall && th.Call == int64(e.NR)
	}
	return false
}

// Immediate reports whether event e, the next one, begins where r stands at the
// start of its slice.
func (r *Runner) Immediate(e *trace.Event) bool { return Immediate(e) || r.Ends(e) }

// NeedsRestore reports whether an event's effect cannot be replayed: the state
// after it comes from a checkpoint.
func NeedsRestore(e *trace.Event) bool { return e.Kind == trace.Exec || Breaks(e) }

// Breaks reports whether an event is one that nothing in its thread's execution
// shows: the debugger's write, and a preemption without a stub. Where in its slice
// it took place is told by the state before it alone (Env.Before). Who runs such
// a slice bounds the run himself; RunSlice runs beyond its end.
func Breaks(e *trace.Event) bool {
	return e.Kind == trace.Poke || e.Kind == trace.Preempt && e.Stub < 0
}

// Watch makes ctx's cancellation stop the runner; call the result when done.
func (r *Runner) Watch(ctx context.Context) (done func() bool) {
	pid, tid := r.Space.PID, r.TID
	return context.AfterFunc(ctx, func() { ptrace.Tgkill(pid, tid, unix.SIGSTOP) })
}

// RunSlice lets the thread of the next event run until that event begins or
// something of ours stops it. With no next event, thread runs on.
func (r *Runner) RunSlice(ctx context.Context) (Stop, error) {
	defer r.Watch(ctx)()
	return r.run(ctx, ptrace.Sysemu, false)
}

// run lets the thread run. Where a slice ends at a point that only a checkpoint
// knows, the thread runs on as far as the caller's traps let it; with jump the
// run is over at once, as the state behind that point is not computed anyway.
func (r *Runner) run(ctx context.Context, req ptrace.Request, jump bool) (Stop, error) {
	if r.atEvent {
		return AtEvent, nil
	}
	e, err := r.coming()
	if err != nil {
		return AtEnd, err
	}
	if e != nil {
		if err := r.prepare(e); err != nil {
			return AtEnd, err
		}
		if r.Ends(e) || Immediate(e) && (jump || !NeedsRestore(e)) {
			r.atEvent = true
			if NeedsRestore(e) {
				return AtEvent, nil
			}
			return AtEvent, r.checkHere(e)
		}
		if th := r.Threads[r.Active]; th.InCall && !Immediate(e) {
			return AtEnd, r.diverged("event", fmt.Sprintf("the end of system call %d", th.Call), describe(e))
		}
		if Breaks(e) {
			e = nil
		}
	} else if err := r.EnterLast(); err != nil {
		return AtEnd, err
	}
	for {
		if ctx.Err() != nil {
			return Interrupted, nil
		}
		st, err := r.Run(req, 0)
		if err != nil {
			return AtEnd, fmt.Errorf("replay: event %d: %w", r.Next, err)
		}
		switch {
		case !st.Stopped():
			return AtEnd, r.diverged("thread", "running", st.String())
		case st.IsSyscall():
			if e == nil {
				r.atEvent = true
				return AtEnd, nil
			}
			r.atEvent = true
			return AtEvent, r.checkEntry(e)
		case st.IsSignal():
			stop, done, err := r.signal(ctx, e, st.Signal())
			if done || err != nil {
				return stop, err
			}
		case st.Event() == ptrace.EventStop:
			// a leftover PTRACE_INTERRUPT
		}
	}
}

// EnterLast makes the task run the thread that runs behind the last event, where
// that is known and r has come to it.
func (r *Runner) EnterLast() error {
	if r.env.Running == nil {
		return nil
	}
	id := r.env.Running()
	if th := r.Threads[id]; id == r.Active || th == nil || th.Dead {
		return nil
	}
	return r.Switch(id)
}

// BreakAhead returns the state at which the present slice ends, when that is
// before an event that Breaks; else nil.
func (r *Runner) BreakAhead() (*tracee.Copy, error) {
	e, err := r.coming()
	if e == nil || err != nil || r.atEvent || !Breaks(e) {
		return nil, err
	}
	if r.env.Before == nil {
		return nil, fmt.Errorf("replay: nobody knows the state before event %d", r.Next)
	}
	c, err := r.env.Before(r.Next)
	if err != nil {
		return nil, fmt.Errorf("replay: event %d: %w", r.Next, err)
	}
	return c, nil
}

// AtBreak tells a runner that it stands at the beginning of the next event, which
// is one that Breaks.
func (r *Runner) AtBreak() { r.atEvent = true }

// atBreak reports whether r stands where an event that Breaks takes place. The
// first point of a slice that has that state is the one.
func (r *Runner) atBreak() (bool, error) {
	c, err := r.BreakAhead()
	if c == nil || err != nil {
		return false, err
	}
	e, err := r.coming()
	if err != nil {
		return false, err
	}
	if err := r.prepare(e); err != nil {
		return false, err
	}
	regs, err := c.ThreadRegs(int(e.TID))
	if err != nil || Differing(&regs, r.Regs()) != "" {
		return false, err
	}
	set, err := tracee.Differing(r.Space, r.Lineage, c.Space, c.Lineage)
	if err != nil {
		return false, err
	}
	_, differs := tracee.FirstDifference(r.Space, c.Space, set, func(page uint64) bool {
		return page >= tracee.EngineCode && page < tracee.EngineEnd
	})
	return !differs, nil
}

// prepare makes the task run the thread of event e, with its stub's limit set.
func (r *Runner) prepare(e *trace.Event) error {
	if int(e.TID) != r.Active {
		if th := r.Threads[int(e.TID)]; th == nil || th.Dead {
			return r.diverged("thread", fmt.Sprintf("%d", e.TID), "no such thread")
		}
		if err := r.Switch(int(e.TID)); err != nil {
			return err
		}
	}
	if e.Kind == trace.Preempt && e.Stub >= 0 {
		return r.env.Stubs.SetLimit(r.Space, int(e.Stub), e.Count)
	}
	return nil
}

// signal handles a signal-delivery stop; done means that the run is over.
func (r *Runner) signal(ctx context.Context, e *trace.Event, sig int) (Stop, bool, error) {
	var info ptrace.Siginfo
	if err := ptrace.GetSiginfo(r.TID, &info); err != nil {
		return AtEnd, true, err
	}
	if !Synchronous(sig, &info) && sig != int(unix.SIGTRAP) {
		// Only the recording decides which signals arrive.
		return Interrupted, ctx.Err() != nil, nil
	}
	if e != nil && (e.Kind == trace.Fault && int(e.Sig) == sig || e.Kind == trace.Insn && (sig == int(unix.SIGILL) || sig == int(unix.SIGSEGV))) && r.Regs().Rip == e.PC {
		r.atEvent = true
		return AtEvent, true, r.checkFault(e)
	}
	if r.env.Stubs != nil {
		if to, ok := r.env.Stubs.Through(sig, r.Regs()); ok {
			x := *r.Regs()
			x.Rip = to
			r.SetRegs(x)
			return AtEvent, false, nil
		}
		if id, real, ok := r.env.Stubs.Hit(r.Space, r.Regs(), &info); ok && sig == int(unix.SIGTRAP) {
			return r.stubHit(e, id, real)
		}
		if s, ok := r.env.Stubs.In(r.Regs().Rip); ok && e != nil && e.Kind == trace.Fault && int(e.Sig) == sig && e.PC >= s.Addr && e.PC < s.Addr+16 {
			// The program's own fault, in its instruction's relocated copy; the event
			// has its registers.
			r.atEvent = true
			return AtEvent, true, nil
		}
	}
	if sig == int(unix.SIGTRAP) {
		return Trap, true, nil
	}
	if e == nil {
		return AtEnd, true, nil
	}
	return AtEvent, true, r.diverged("instruction", describe(e), unix.SignalName(unix.Signal(sig)))
}

func (r *Runner) stubHit(e *trace.Event, id int, real ptrace.Regs) (Stop, bool, error) {
	if e == nil || e.Kind != trace.Preempt || int(e.Stub) != id {
		return AtEvent, true, r.diverged("preemption", describe(e), fmt.Sprintf("stub %d", id))
	}
	r.SetRegs(real)
	if err := r.env.Stubs.SetLimit(r.Space, id, NoLimit); err != nil {
		return AtEvent, true, err
	}
	if err := r.env.Stubs.Rewind(r.Space, id); err != nil {
		return AtEvent, true, err
	}
	r.atEvent = true
	if d := Differing(e.Regs, &real); d != "" {
		return AtEvent, true, r.diverged("registers at preemption", "equal", d)
	}
	return AtEvent, true, nil
}

// Synchronous reports whether a signal was raised by the instruction at rip.
func Synchronous(sig int, info *ptrace.Siginfo) bool {
	switch unix.Signal(sig) {
	case unix.SIGSEGV, unix.SIGILL, unix.SIGFPE, unix.SIGBUS, unix.SIGTRAP:
		return code(info) > 0
	}
	return false
}

// code is si_code.
func code(info *ptrace.Siginfo) int32 {
	return int32(uint32(info[8]) | uint32(info[9])<<8 | uint32(info[10])<<16 | uint32(info[11])<<24)
}

// Advance applies events until Next is to, stopping promptly when ctx is
// cancelled.
func (r *Runner) Advance(ctx context.Context, to int64) error {
	done := r.Watch(ctx)
	defer func() { done() }()
	for r.Next < to {
		stop, err := r.run(ctx, ptrace.Sysemu, true)
		if err != nil {
			return err
		}
		if r.Next >= to {
			return nil
		}
		switch stop {
		case Interrupted:
			return context.Cause(ctx)
		case Trap:
			return r.diverged("run", "no trap", fmt.Sprintf("a trap at %#x", r.Regs().Rip))
		case AtEnd:
			return r.diverged("log", fmt.Sprintf("event %d", to), "its end")
		}
		task := r.TID
		if err := r.Apply(); err != nil {
			return err
		}
		if r.TID != task { // an Exec replaced the copy
			done()
			done = r.Watch(ctx)
		}
	}
	return nil
}

// AtEventStart reports whether the runner stands at the beginning of event Next.
func (r *Runner) AtEventStart() bool { return r.atEvent }
