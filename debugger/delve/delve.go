package delve

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// Program is what the backend needs of the engine's session.
type Program interface {
	gdbserver.Target
	Event() int64
	AtFrontier() bool
	EndDiversion()
	Ended() *timeline.Ending
}

// Options say how the backend meets the person.
type Options struct {
	// Print shows text to the person.
	Print func(text string)
	// Exe is the program's file, where it is not where the program was started
	// from; "" for that.
	Exe string
	// Debug are directories of debug files, Sources of sources. Moved maps the
	// beginnings of source paths to where they are now.
	Debug, Sources []string
	Moved          [][2]string
	// OnRun, when set, is called when the program is resumed (true) and has
	// stopped (false).
	OnRun func(running bool)
	// Dir is what paths are shown relative to, "" for the working directory.
	Dir string
	// EvalTimeout bounds an evaluation of the debugger's own; 0 is a second.
	EvalTimeout time.Duration
}

// Backend is Delve on a session. It implements debugger.Backend.
type Backend struct {
	opts Options
	prog Program
	p    *process
	grp  *proc.TargetGroup

	busy  sync.Mutex // held during a call
	depth int        // of commands within commands
	quiet bool

	frame    int // the selected frame's level
	deferred int // the deferred call selected there, from 1; 0 for the frame itself
	// failed is set at a panic's or a fatal error's stop, which is in the runtime:
	// the frame selected is the program's own, and going back goes there.
	failed bool

	breaks   breakpoints
	displays []display
	lists    listing
	bound    *expression // the latest that was bound
	config   config
	macros   map[string][]string
	examined examined
	refs     refs

	evalLimit time.Duration
}

var (
	_ debugger.Backend = (*Backend)(nil)
	_ debugger.Limiter = (*Backend)(nil)
)

// StrippedError says that a program has no debug information to work with.
type StrippedError struct {
	Path string
	Err  error
}

func (e *StrippedError) Error() string {
	return fmt.Sprintf("%s has no debug information that Delve can read (%v): build it without -ldflags=-s or -w; go test needs -ldflags='-s=false -w=false'", e.Path, e.Err)
}

func (e *StrippedError) Unwrap() error { return e.Err }

// Open makes Delve look at a stopped program. Its errors are one sentence for the
// person.
func Open(prog Program, opts Options) (*Backend, error) {
	if opts.Print == nil {
		opts.Print = func(string) {}
	}
	if opts.OnRun == nil {
		opts.OnRun = func(bool) {}
	}
	if opts.EvalTimeout == 0 {
		opts.EvalTimeout = time.Second
	}
	b := &Backend{opts: opts, prog: prog, evalLimit: opts.EvalTimeout, macros: map[string][]string{}}
	b.config = newConfig()
	b.config.substitute, b.config.sources = opts.Moved, opts.Sources
	b.breaks.init()
	quietLogs()
	var err error
	if b.p, b.grp, err = newProcess(prog, opts.Exe, opts.Debug); err != nil {
		return nil, err
	}
	return b, nil
}

// Close lets go of the program's files. The program's end is the engine's
// business.
func (b *Backend) Close() {
	b.busy.Lock()
	defer b.busy.Unlock()
	b.p.bi.Close()
}

// target is what Delve calls the program.
func (b *Backend) target() *proc.Target { return b.grp.Selected }

// do makes one call: alone, and with what changed since the last one forgotten.
// Delve is a library that panics over debug information it did not expect; that
// fails the command and no more.
func (b *Backend) do(ctx context.Context, f func() error) (err error) {
	b.busy.Lock()
	defer b.busy.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	b.p.begin(ctx)
	if b.p.stale() {
		b.refresh()
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("delve failed: %v", r)
			if debugPanics {
				err = fmt.Errorf("%w\n%s", err, debug.Stack())
			}
		}
	}()
	return f()
}

// debugPanics adds the stack to what a panic in Delve says; tests set it.
var debugPanics = false

// refresh makes Delve look again at a program that is where it was, but not as
// it was.
func (b *Backend) refresh() {
	b.p.forget()
	t := b.target()
	t.ClearCaches()
	g := t.SelectedGoroutine()
	parked := g != nil && g.Thread == nil
	if err := t.SwitchThread(t.CurrentThread().ThreadID()); err != nil {
		t.SwitchThread(b.prog.Current())
	}
	if parked {
		if g, err := proc.FindGoroutine(t, g.ID); err == nil {
			t.SwitchGoroutine(g)
		}
	}
}

func (b *Backend) print(s string) {
	if s != "" {
		b.opts.Print(s)
	}
}

func (b *Backend) printf(format string, args ...any) { b.print(fmt.Sprintf(format, args...)) }

// EvalTimeout is part of debugger.Limiter.
func (b *Backend) EvalTimeout() time.Duration { return b.evalLimit }

// SetEvalTimeout is part of debugger.Limiter.
func (b *Backend) SetEvalTimeout(d time.Duration) { b.evalLimit = d }

// errNoGoroutine says that the present thread runs no goroutine of the program.
var errNoGoroutine = errors.New("no goroutine is selected: the thread is in the runtime or has not begun one")
