package record

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// Log takes the events.
type Log interface {
	Append(*trace.Event) (int64, error)
	Len() int64
}

type threadState uint8

const (
	user threadState = iota
	blocked
	arrived
	dead
)

// Thread is a live thread of the program.
type Thread struct {
	*tracee.Task
	ID int // recorded thread id: the kernel's at recording time

	state  threadState
	status ptrace.Status // for arrived

	// inCall: between a call's entry and its result. inside: the kernel executes
	// it. logged: its Enter is in the log. restart: the call was interrupted and
	// has to be entered again; early: held signals come before that.
	inCall, inside, logged, restart, early bool

	nr      int64
	row     *syscalls.Row
	entry   ptrace.Regs
	xstate  []byte // at entry of a call that may block
	redir   *syscalls.Redirection
	scratch syscalls.Range // its scratch memory, Len 0 for none
	compare *comparison
	// changing is the mapped file that its call writes.
	changing source

	held     []tracee.Signal // not yet delivered
	undone   []trace.Write   // what its next Fault takes back of a stub's doing
	sigDue   bool            // a signal stop comes before it executes anything
	clearTID uint64          // CLONE_CHILD_CLEARTID address
	robust   uint64          // head of the robust futex list
	altstack [2]uint64       // address, size
	debug    int             // generation of its debug registers
	trapped  bool            // its time stamps trap
	// completed is the log's length after the last event that was a step of it.
	completed int64
	statfd    int // of /proc/PID/task/TID/stat, -1 until needed
}

// Recorder records one program.
type Recorder struct {
	Options
	log     Log
	space   *tracee.Space
	Lineage *tracee.Lineage
	pid     int

	threads map[int]*Thread
	ready   []*Thread // runnable, in turn; the current thread is not among them
	cur     *Thread   // nil while all wait

	actions     [65]action
	files       *Files
	layout      Layout
	modules     *patch.Cache
	pre         preemption
	chaos       *chaos // nil without Options.Chaos
	patches     patchSet
	brk         uint64
	slots       []bool      // which slots of scratch memory are in use
	attachments []trace.Map // System V shared memory
	shared      bool        // a MAP_SHARED mapping exists
	views       views
	objects     map[source]uint32
	anonymous   uint64         // anonymous shared mappings so far
	environ     int            // a descriptor that shows the program's environment, 0 for none
	toldEnviron bool           // what it shows has been changed since it was opened
	leaksOff    bool           // that LeakSanitizer is switched off has been said
	mappedFDs   map[int]source // descriptors whose file is known to be mapped or, zero, not to be
	slice       time.Time      // when the current thread got its turn
	attention   bool           // Run is to return
	debug       []DebugWord
	debugGen    int // counts changes of debug
	clock       clock
	trapsTime   bool // time stamps of the program trap
	boundary    bool // the current thread is at an event boundary
	ended       *Ending

	pending  *pendingSignal // shown to the debugger, not yet acted on
	running  atomic.Int64   // task in user mode, for ticks and interrupts
	waiting  atomic.Int64   // task to interrupt when all wait in the kernel
	progress atomic.Int64   // changes with every event
	stop     atomic.Bool    // an interrupt was asked for
	urgent   atomic.Bool    // a signal waits for a thread that computes
	many     atomic.Bool    // there is more than one thread
	kin      kinship
	closed   chan struct{}
	affinity unix.CPUSet // the program's own idea of its CPUs
	Stats    Stats
}

// Stats counts what happened, for info and the conformance table.
type Stats struct {
	Switches, Preempts, Counted, Signals, Compared, Children int64
	Unknown                                                  map[string]int64
}

// Options tune a Recorder.
type Options struct {
	// Began is when the program was launched; zero is now.
	Began time.Time
	// Quantum is how long a thread runs while others are ready.
	Quantum time.Duration
	// Chaos lets dice with the given Seed schedule.
	Chaos bool
	Seed  uint64
	// AtBoundary is called when the current thread is at an event boundary in
	// user mode; OnTick when it was stopped inside a slice. Both may Freeze.
	AtBoundary func() error
	OnTick     func() error
	// TickEvery is how long a lone thread may compute before OnTick; 0 is never.
	TickEvery time.Duration
	// StopFor says whether the debugger wants to see a signal before delivery.
	StopFor func(sig int) bool
	// BeforeChild and AfterChild bracket the time in which a child process
	// shares or copies the program's memory: breakpoints must be out of it.
	BeforeChild, AfterChild func() error
	// OwnTrap says whether a SIGTRAP at rip is the program's own; nil is always.
	OwnTrap func(rip uint64, info *ptrace.Siginfo) bool
	// JobStop is called when a signal would stop the program; it returns when
	// the program is to go on.
	JobStop func(sig int) error
	// Break is called before a Preempt or Poke event that cannot be replayed:
	// the state before it must be kept.
	Break func() error
	// AfterExec is called after execve: the state cannot be replayed into, so a
	// checkpoint must be taken.
	AfterExec func() error
	// AfterEvent sees each event when it has been logged; true makes Run return.
	AfterEvent func(e *trace.Event) bool
	// OnFile is told of a file before the first event whose mapping shows its
	// content by reference; changing means that the program can change it.
	OnFile func(f *File, changing bool) error
	// OnChange is told of a file, announced as not changing, that the program is
	// about to change; its Open still gives the old content.
	OnChange func(f *File) error
	// Keep leaves the program frozen at its end, to be looked at.
	Keep bool
	// ChildProcess, when not nil, takes over a child process instead of its being
	// let go.
	ChildProcess func(h tracee.Handover)
	// ChildMemory, when not nil, is told of a child process that shares memory, so
	// many bytes, with the program whose changes are not recorded: it is too much,
	// or the child is taken over.
	ChildMemory func(pid int, size uint64)
	// Remark, when not nil, is told what else is to be said of the recording.
	Remark func(string)
}

// Ending says how the program ended.
type Ending struct {
	Signaled bool
	Code     int
	Core     bool
}

// Reason says why Run returned.
type Reason uint8

const (
	// Trap: a SIGTRAP in user mode: breakpoint, step, debug register.
	Trap Reason = iota
	// Stepped: a requested step ended at an event boundary.
	Stepped
	// SignalStop: Signal is about to be delivered to the thread.
	SignalStop
	// Interrupted: Interrupt was called.
	Interrupted
	// Ended: the program is at its end.
	Ended
	// Attention: Options.AfterEvent asked to stop.
	Attention
	// Passed: the thread that was to make a step has lost the turn before that
	// was done: it waits in a call, gave way to others, or is gone.
	Passed
	// Turn: the thread that RunUntil waits for has the turn.
	Turn
)

// Stop says why and where Run returned.
type Stop struct {
	Reason Reason
	Thread *Thread // nil when all threads are gone
	Signal tracee.Signal
}

// New returns the recorder of the freshly launched task t, and logs the Start.
func New(t *tracee.Task, log Log, opts Options) (*Recorder, error) {
	if opts.Quantum == 0 {
		opts.Quantum = 10 * time.Millisecond
		if opts.Chaos {
			opts.Quantum = chaosQuantum
		}
	}
	if opts.Began.IsZero() {
		opts.Began = time.Now()
	}
	r := &Recorder{Options: opts, log: log, space: t.Space, Lineage: &tracee.Lineage{}, pid: t.TID,
		modules: &patch.Cache{}, threads: map[int]*Thread{}, files: newFiles(), closed: make(chan struct{})}
	r.clock.began = opts.Began
	r.Stats.Unknown = map[string]int64{}
	r.pre.stubs = &replay.Stubs{}
	r.pre.forget()
	if opts.Chaos {
		r.chaos = newChaos(opts.Seed)
	}
	th := &Thread{Task: t, ID: t.TID, statfd: -1}
	r.threads[th.ID] = th
	r.cur, r.boundary = th, true
	r.inheritActions()
	if err := r.firstLayout(); err != nil {
		return nil, err
	}
	if err := r.patchMapped(th, nil); err != nil {
		return nil, err
	}
	regs := *t.Regs()
	err := r.append(&trace.Event{Kind: trace.Start, TID: int32(th.ID), NR: -1, PC: regs.Rip, SP: regs.Rsp, Regs: &regs})
	if err != nil {
		return nil, err
	}
	go r.tick()
	return r, nil
}

// Close stops the recorder's clock and gives up its files. It does not end the
// program.
func (r *Recorder) Close() {
	close(r.closed)
	r.files.Close()
	for _, t := range r.threads {
		t.closeStat()
	}
}

// PID returns the program's process id.
func (r *Recorder) PID() int { return r.pid }

// Current returns the thread that runs next, nil when all wait.
func (r *Recorder) Current() *Thread { return r.cur }

// Ended returns how the program ended, nil while it has not.
func (r *Recorder) Ended() *Ending { return r.ended }

// Space returns the program's memory.
func (r *Recorder) Space() *tracee.Space { return r.space }

// AtBoundary reports whether the current thread stands at an event boundary:
// its state is the start of the newest slice.
func (r *Recorder) Boundary() bool { return r.boundary }

// Files returns the table of mapped files.
func (r *Recorder) Files() *Files { return r.files }

func (r *Recorder) append(e *trace.Event) error {
	e.Time = int64(r.Elapsed())
	if len(r.kin.changes) > 0 { // that is before what the event itself has written
		e.Writes = append(r.kin.changes, e.Writes...)
		r.kin.changes = nil
	}
	if _, err := r.log.Append(e); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if t := r.threads[int(e.TID)]; t != nil && replay.Completes(e.Kind) {
		t.completed = r.log.Len()
	}
	r.pre.overdue = 0
	r.progress.Add(1)
	if r.AfterEvent != nil && r.AfterEvent(e) {
		r.attention = true
	}
	return nil
}

// event returns an event of kind k that begins where t entered its call.
func (t *Thread) event(k trace.Kind) *trace.Event {
	x := &t.entry
	return &trace.Event{Kind: k, TID: int32(t.ID), NR: int32(t.nr), PC: x.Rip, SP: x.Rsp, Args: args(x)}
}

func args(x *ptrace.Regs) syscalls.Args {
	return syscalls.Args{x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9}
}

// mem reads the program's memory for the table of system calls.
type mem struct{ *tracee.Space }

func (m mem) Read(addr uint64, p []byte) (int, error) { return m.Space.Read(addr, p), nil }

// grab reads ranges of memory for the log.
func (r *Recorder) grab(ranges []syscalls.Range) []trace.Write {
	var out []trace.Write
	for _, x := range ranges {
		if x.Len == 0 {
			continue
		}
		b := make([]byte, x.Len)
		if n := r.space.Read(x.Addr, b); n > 0 {
			out = append(out, trace.Write{Addr: x.Addr, Data: b[:n]})
		}
	}
	return out
}

// Interrupt makes Run return soon. It may be called from any goroutine.
func (r *Recorder) Interrupt() {
	r.stop.Store(true)
	r.poke()
}

// poke stops the task that runs or waits by a SIGSTOP of ours.
func (r *Recorder) poke() {
	if tid := r.running.Load(); tid != 0 {
		ptrace.Tgkill(r.pid, int(tid), unix.SIGSTOP)
	} else if tid := r.waiting.Load(); tid != 0 {
		ptrace.Tgkill(r.pid, int(tid), unix.SIGSTOP)
	}
}

// tick stops a thread that computes for too long.
func (r *Recorder) tick() {
	const beat = 5 * time.Millisecond
	tk := time.NewTicker(beat)
	defer tk.Stop()
	var last int64
	var since time.Time
	for {
		select {
		case <-r.closed:
			return
		case now := <-tk.C:
			p := r.progress.Load()
			if p != last || since.IsZero() {
				last, since = p, now
			}
			if r.stop.Load() {
				r.poke() // the first may have met a task between two runs
				continue
			}
			limit := r.TickEvery
			if r.many.Load() || r.urgent.Load() {
				limit = r.Quantum
			}
			if limit > 0 && now.Sub(since) >= limit && r.running.Load() != 0 {
				since = now
				r.poke()
			}
		}
	}
}

// Run lets the program run. With step it executes one instruction of the
// current thread (step.go). It returns at a stop that concerns the debugger,
// promptly after ctx is cancelled.
func (r *Recorder) Run(ctx context.Context, step bool) (Stop, error) {
	return r.run(ctx, step, 0)
}

// AnyThread is every thread to RunUntil.
const AnyThread = -1

// RunUntil is Run without step that also returns (Turn) when thread tid is about
// to run user code.
func (r *Recorder) RunUntil(ctx context.Context, tid int) (Stop, error) {
	return r.run(ctx, false, tid)
}

func (r *Recorder) run(ctx context.Context, step bool, until int) (Stop, error) {
	r.clock.start()
	defer r.clock.stop()
	r.stop.Store(ctx.Err() != nil)
	defer context.AfterFunc(ctx, r.Interrupt)()
	who, events := r.cur, r.log.Len()
	for {
		switch {
		case r.ended != nil:
			return Stop{Reason: Ended, Thread: r.cur}, nil
		case step && who != nil && r.cur != who:
			return Stop{Reason: Passed, Thread: r.cur}, nil
		case r.cur == nil:
			if err := r.pick(); err != nil {
				return Stop{}, err
			}
			continue
		case (r.cur.ID == until || until == AnyThread) && r.cur.state == user && r.pending == nil && !r.attention && !r.stop.Load():
			return Stop{Reason: Turn, Thread: r.cur}, nil
		}
		t := r.cur
		stop, done, err := r.turn(t, step)
		if err != nil && r.ended == nil && t.gone() {
			// Killed while something was done with it, which then failed.
			stop, done, err = Stop{}, false, r.end(t, int(unix.SIGKILL))
		}
		if err != nil || done {
			return stop, err
		}
		if step && who != nil && r.stepped(who, events) {
			return Stop{Reason: Stepped, Thread: who}, nil
		}
	}
}

// turn does one thing with the current thread: looks at its unseen status,
// delivers a held signal, gives way, or resumes it and handles its next stop.
func (r *Recorder) turn(t *Thread, step bool) (Stop, bool, error) {
	if t.state == arrived {
		t.state = user
		return r.handle(t, t.status)
	}
	if r.pending != nil {
		return r.resolve(t)
	}
	if r.attention {
		r.attention = false
		return Stop{Reason: Attention, Thread: t}, true, nil
	}
	if r.stop.Load() {
		return Stop{Reason: Interrupted, Thread: t}, true, nil
	}
	if t.early {
		t.early = false
		if done, stop, err := r.deliverHeld(t); err != nil || done || !t.restart || r.ended != nil || r.pending != nil {
			return stop, done, err
		}
	}
	if r.boundary && !t.restart {
		if done, stop, err := r.deliverHeld(t); err != nil || done {
			return stop, done, err
		}
		if r.cur != t || r.ended != nil || r.pending != nil {
			return Stop{}, false, nil
		}
		if len(r.pre.want) > 0 {
			if err := r.install(t); err != nil {
				return Stop{}, false, err
			}
		}
		if r.AtBoundary != nil {
			if err := r.AtBoundary(); err != nil {
				return Stop{}, false, err
			}
		}
		if err := t.ReapCopies(); err != nil {
			return Stop{}, false, err
		}
		if t.Stray() {
			return Stop{}, false, nil // a signal came while calls of ours were made
		}
		if err := r.logChanges(t); err != nil {
			return Stop{}, false, err
		}
		if !step {
			if gone, err := r.giveWay(t); gone || err != nil {
				return Stop{}, false, err
			}
		}
		if r.chaos != nil && r.many.Load() {
			if err := r.stir(t); err != nil {
				return Stop{}, false, err
			}
		}
	}
	if r.trapsTime && !t.trapped && !t.restart {
		if err := r.trapIn(t); err != nil {
			return Stop{}, false, err
		}
		if r.boundary && t.Stray() {
			return Stop{}, false, nil
		}
	}
	r.setDebug(t)
	if step && !t.restart {
		return r.single(t)
	}
	if !t.restart {
		r.running.Store(int64(t.TID))
	}
	st, err := t.Run(ptrace.Syscall, 0)
	r.running.Store(0)
	if err != nil {
		return Stop{}, false, fmt.Errorf("record: %w", err)
	}
	r.ran(t, st)
	return r.handle(t, st)
}

// ran notes that t may have executed something before it stopped with st.
func (r *Recorder) ran(t *Thread, st ptrace.Status) {
	if !st.IsSyscall() && !t.restart && !(t.sigDue && st.IsSignal()) {
		r.boundary = false
	}
	t.sigDue = false
}

// handle acts on a wait status of the current thread.
func (r *Recorder) handle(t *Thread, st ptrace.Status) (Stop, bool, error) {
	switch {
	case !st.Stopped():
		return Stop{}, false, r.lost(t, st)
	case st.IsSyscall():
		return Stop{}, false, r.syscall(t)
	case st.IsSignal():
		return r.signal(t, st.Signal())
	case st.Event() == unix.PTRACE_EVENT_EXEC:
		return Stop{}, false, r.execed(t)
	case st.Event() == ptrace.EventStop:
		return Stop{}, false, nil // of our own SIGSTOP or of job control
	}
	return Stop{}, false, fmt.Errorf("record: thread %d: unexpected stop: %v", t.ID, st)
}

// gone reports whether a thread that was stopped is there no more: nothing but
// SIGKILL does that.
func (t *Thread) gone() bool {
	var x ptrace.Regs
	return errors.Is(ptrace.GetRegs(t.TID, &x), unix.ESRCH)
}

// lost handles the end of a task that did not ask for it: the program was
// killed from outside.
func (r *Recorder) lost(t *Thread, st ptrace.Status) error {
	sig := st.Killed()
	if sig == 0 {
		return fmt.Errorf("record: thread %d unexpectedly %v", t.ID, st)
	}
	return r.end(t, sig)
}
