package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver"
	"yore/engine/internal/locate"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/record"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// Options say what to launch and how to keep history.
type Options struct {
	Path string   // the executable
	Args []string // argv, program name included
	Env  []string // the program's environment
	Dir  string   // working directory, empty for the present one
	// Stdin, Stdout and Stderr are the program's; nil is the session's own
	// terminal (Terminal).
	Stdin, Stdout, Stderr *os.File
	// LogDir is where the events go. Empty: a temporary directory, removed by
	// Close.
	LogDir string
	// RandomAddresses keeps address space randomisation on.
	RandomAddresses bool
	// CheckpointEvery is the least time between automatic checkpoints, 0 for the
	// default. CheckpointMemory bounds what they hold, bytes, 0 for a quarter
	// of what the machine or the container allows.
	CheckpointEvery  time.Duration
	CheckpointMemory int64
	// Confined, on opening a recording: it comes from somebody else. Its program
	// runs under a filter that kills it when it makes a system call by itself, and
	// functions called in it get nothing of this machine.
	Confined bool
	// Remark, when not nil, is told what else is to be said of a live program's
	// history, such as what makes it unreliable. It is called while a method that
	// lets the program run is under way, from another goroutine.
	Remark func(string)
}

// ErrClosed is returned by methods of a closed session.
var ErrClosed = errors.New("the session is closed")

// Session is a program being debugged with its history. Its methods may be
// called from any goroutine, one at a time; Interrupt and Close at any time.
type Session struct {
	opts Options
	ops  chan op
	done chan struct{} // closed when the tracing goroutine has ended
	once sync.Once
	busy atomic.Bool

	log     *history
	disk    *disk // the recording, of a session on one
	facts   facts
	tempLog string
	term    *terminal
	rec     *record.Recorder
	env     *replay.Env
	loc     *locate.Locator
	began   time.Time
	remarks remarks

	here   place
	cps    []*checkpoint // in the order of time
	nextID int
	// OnMonitor, when set, answers monitor commands instead of Monitor itself.
	OnMonitor func(ctx context.Context, cmd string) (string, error)
	// Output, when set, gets what functions called by the debugger write.
	Output      func([]byte)
	execs       map[int64]*checkpoint // states after events that cannot be replayed
	diskEnd     *checkpoint           // of a recording that ends inside a slice, its end
	kept        []kept                // what Save needs, in the order of time
	breaks      map[int64]*checkpoint // states before those that nothing in the program shows
	breakpoints map[uint64]*breakpoint
	watches     []gdbserver.Watchpoint
	inserted    bool // breakpoints are in the frontier's memory
	pass        [65]bool
	div         *diversion
	reads       *readSet // of the evaluation under way, nil when nobody asks
	armed       func(context.Context) (timeline.Stop, error)
	progress    func(string, float64)
	pacing      pacing
	ctx         context.Context // of the running operation
	watchHit    *timeline.Stop  // set by the kernel's write into watched memory
}

type op struct {
	f    func() error
	done chan error
}

// Launch starts a program and records it from its first instruction, at which
// the session stands when Launch returns.
func Launch(ctx context.Context, opts Options) (*Session, error) {
	s := newSession(opts)
	s.began = time.Now()
	dir := opts.LogDir
	if dir == "" {
		t, err := os.MkdirTemp("", "yore-")
		if err != nil {
			return nil, fmt.Errorf("launch: %w", err)
		}
		s.tempLog, dir = t, filepath.Join(t, "events")
	}
	log, err := trace.CreateLog(dir)
	if err != nil {
		s.removeTemp()
		return nil, fmt.Errorf("launch: %w", err)
	}
	s.log = &history{Log: log}
	go s.trace()
	if err := s.do(ctx, s.launch); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func newSession(opts Options) *Session {
	return &Session{opts: opts, ops: make(chan op), done: make(chan struct{}), loc: locate.New(),
		breakpoints: map[uint64]*breakpoint{}, execs: map[int64]*checkpoint{}, breaks: map[int64]*checkpoint{}}
}

// trace is the body of the goroutine that owns all ptrace calls.
func (s *Session) trace() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(s.done)
	for o := range s.ops {
		o.done <- o.f()
	}
}

// do runs f on the tracing thread.
func (s *Session) do(ctx context.Context, f func() error) (err error) {
	o := op{done: make(chan error, 1)}
	o.f = func() (err error) {
		s.ctx = ctx
		return f()
	}
	defer func() {
		if recover() != nil { // the channel is closed
			err = ErrClosed
		}
	}()
	s.ops <- o
	return <-o.done
}

func (s *Session) launch() error {
	pinThread(0)
	spec := tracee.Spec{Path: s.opts.Path, Args: s.opts.Args, Env: s.opts.Env, Dir: s.opts.Dir,
		Files: [3]*os.File{s.opts.Stdin, s.opts.Stdout, s.opts.Stderr}, FixedAddresses: !s.opts.RandomAddresses}
	var err error
	if spec.Files[0] == nil || spec.Files[1] == nil || spec.Files[2] == nil {
		if s.term, err = openTerminal(); err != nil {
			return fmt.Errorf("launch: %w", err)
		}
		for i, f := range spec.Files {
			if f == nil {
				spec.Files[i] = s.term.slave
			}
		}
		spec.Terminal = spec.Files[0] == s.term.slave
	}
	t, err := tracee.Launch(spec)
	if s.term != nil {
		s.term.slave.Close()
	}
	if err != nil {
		return err
	}
	s.remarks.say = s.opts.Remark
	s.rec, err = record.New(t, s.log, record.Options{
		ChildMemory: func(pid int, size uint64) { s.remarks.sharing(s.log.Len(), pid, size) }, Remark: s.remarks.add,
		Began: s.began, AtBoundary: s.atBoundary, OnTick: s.onTick, TickEvery: minSpacing,
		StopFor: s.stopFor, BeforeChild: s.lift, AfterChild: s.insert, Keep: true,
		OwnTrap: s.ownTrap, AfterExec: s.afterExec, Break: s.beforeBreak, AfterEvent: s.afterEvent,
	})
	if err != nil {
		t.KillProcess()
		return err
	}
	s.facts = liveFacts{s.rec, s.opts.Path}
	s.rec.SetAffinity(allowed)
	s.env = &replay.Env{Log: s.log, FilePath: s.rec.Files().Path, Stubs: s.rec.Stubs(),
		Original: s.rec.Patched, Restore: s.restore, Before: s.stateBefore, Running: s.frontierThread}
	s.here = place{event: 0, frontier: true, thread: s.rec.PID(), known: true}
	c, err := s.keepFrontier("")
	if err == nil {
		s.keepForSaving(c)
	}
	return err
}

// Close ends the program, all checkpoints and the session.
func (s *Session) Close() error {
	var err error
	s.once.Do(func() {
		err = s.do(context.Background(), func() error {
			s.endDiversion()
			s.moved(place{})
			for _, c := range s.cps {
				c.r.Kill()
			}
			for _, c := range s.execs {
				c.r.Kill()
			}
			if s.disk != nil {
				s.disk.kill()
			}
			if s.rec != nil {
				s.rec.Kill()
				s.rec.Close()
			}
			return nil
		})
		close(s.ops)
		<-s.done
		if s.disk != nil {
			s.disk.close()
		} else if e := s.log.Close(); err == nil {
			err = e
		}
		if s.term != nil {
			s.term.close()
		}
		s.removeTemp()
	})
	return err
}

func (s *Session) removeTemp() {
	if s.tempLog != "" {
		os.RemoveAll(s.tempLog)
	}
}

// Terminal returns the session's side of the program's terminal: what is
// written to it is the program's input, what is read its output. It is nil when
// the program has none of ours.
func (s *Session) Terminal() *os.File {
	if s.term == nil {
		return nil
	}
	return s.term.master
}

// PID returns the recorded process id.
func (s *Session) PID() int { return s.facts.PID() }

// Ended says how the program ended, nil while it has not.
func (s *Session) Ended() *timeline.Ending {
	if s.facts == nil {
		return nil
	}
	return s.facts.Ended()
}

// Progress sets whom to tell how far long work is.
func (s *Session) Progress(f func(what string, fraction float64)) { s.progress = f }

var (
	pinOnce sync.Once
	allowed unix.CPUSet // what the process had before it pinned a thread
)

// pinThread keeps the calling thread, and the program that it launches, on one
// CPU: a ptrace stop then is a switch on that CPU instead of a message to another.
// It is CPU number want-1, where a program was recorded, if that is allowed here.
// The result is the CPU as want is, 0 when it could not be chosen.
func pinThread(want int) int {
	pinOnce.Do(setUpThreads)
	return oneCPU(os.Getpid(), want).pin()
}

func setUpThreads() {
	unix.SchedGetaffinity(0, &allowed)
	ptrace.Quiet() // it only saves time
}

// choice is a CPU, counted from 1; 0 is any.
type choice int

// oneCPU chooses a CPU by a number, or takes the wanted one.
func oneCPU(number, want int) choice {
	var cpus []int
	for i := range 1024 {
		if allowed.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	switch {
	case len(cpus) == 0:
		return 0
	case want > 0 && slices.Contains(cpus, want-1):
		return choice(want)
	}
	return choice(cpus[number%len(cpus)] + 1)
}

// pin keeps the calling thread on a CPU.
func (c choice) pin() int {
	if c == 0 {
		return 0
	}
	one := c.set()
	if unix.SchedSetaffinity(0, &one) != nil {
		return 0
	}
	return int(c)
}

func (c choice) set() (one unix.CPUSet) {
	one.Set(int(c) - 1)
	return one
}
