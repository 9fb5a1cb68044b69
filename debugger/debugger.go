package debugger

// The life of a top-level command: forget the diversion that the last one may
// have left, find who understands its first word, execute it, and when it moved
// the program: say so at the edges of history, and add the stop to the history
// of motions.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yore/engine/timeline"
)

// ErrQuit is returned by Execute for `quit`.
var ErrQuit = errors.New("quit")

// ErrInterrupted says that a command was cancelled and the program is where it
// was before.
var ErrInterrupted = errors.New("interrupted")

// RerunError is returned by Execute for `run` and `start`: the caller makes a
// new live run and a new Debugger.
type RerunError struct {
	Args    string // as typed; "" means the same as before
	Changed bool   // Args were given
	StopAt  string // main or none
	// Breakpoints are to be made again in the new run (Rearm).
	Breakpoints []SavedBreakpoint
	// Rest is what the script that said it has left to be executed, lines.
	Rest string
}

func (e *RerunError) Error() string { return "run again" }

// Options tell what the Debugger's session can do beyond the obvious.
type Options struct {
	// CanRerun: the session can be replaced by a new live run.
	CanRerun bool
	// OnQuit is asked before quitting; false keeps the session. May be nil.
	OnQuit func(UI) bool
	// Pack puts the session into a bundle, FILE or one of a default name, and
	// returns what to say of it. Nil: there is none.
	Pack func(ctx context.Context, file string, s Saved) (string, error)
	// ReadFile reads the file named by `source`; nil is os.ReadFile.
	ReadFile func(string) ([]byte, error)
}

// Debugger executes commands.
type Debugger struct {
	back Backend
	tl   Timeline
	ui   UI
	opts Options

	history   history
	newest    Mark // the last stop at the frontier
	bookmarks map[string]bookmark
	exact     map[string]bool // words that are the backend's, as found out
	depth     int             // of Execute, through `source`
	fresh     bool            // nothing has moved since StopAt
	inCall    bool            // the last command left a function called by an expression unfinished
	edited    bool            // the person has changed the past since the last command
	moves     int64           // commands that moved the program
	last      Outcome         // of the latest of them

	// Of newest: its event, and about when it was.
	newestEvent int64
	newestTime  time.Duration
	track       track
	guess       guess
}

// bookmark is a named point of history.
type bookmark struct {
	mark  Mark
	event int64
	time  time.Duration
	what  string
}

// New returns a Debugger for a program that has stopped, and takes that stop as
// the first of its history.
func New(ctx context.Context, back Backend, tl Timeline, ui UI, opts Options) (*Debugger, error) {
	d := &Debugger{
		back: back, tl: tl, ui: ui, opts: opts,
		history: newHistory(), bookmarks: map[string]bookmark{}, exact: map[string]bool{},
	}
	tl.Progress(ui.Progress)
	if err := d.visit(ctx, "the beginning of the session", Place{}); err != nil {
		return nil, fmt.Errorf("first stop: %w", err)
	}
	return d, nil
}

// Close releases what the Debugger keeps alive. It closes neither the backend
// nor the timeline.
func (d *Debugger) Close() {
	d.history.clear()
	for e, list := range d.track.inside {
		d.dropSlice(e, list)
	}
	for _, b := range d.bookmarks {
		b.mark.Release()
	}
	d.bookmarks = nil
	if d.newest != nil {
		d.newest.Release()
		d.newest = nil
	}
	d.tl.Progress(nil)
}

// Execute executes one command line. An empty line does nothing: repeating is
// the prompt's affair. Its error is for the person, in one or more lines.
func (d *Debugger) Execute(ctx context.Context, line string) error {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil
	}
	if b := NewBlock(line); b != nil {
		return fmt.Errorf("%s needs lines up to `end`", line)
	}
	return d.top(ctx, line, func(ctx context.Context) (Outcome, error) {
		cmd, args, err := d.find(ctx, line)
		if err != nil {
			return Outcome{}, err
		}
		if cmd == nil {
			return d.back.Console(ctx, line)
		}
		return cmd.run(d, ctx, args)
	})
}

// ExecuteBlock executes a command of several lines, `end` included.
func (d *Debugger) ExecuteBlock(ctx context.Context, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	return d.top(ctx, strings.TrimSpace(lines[0])+" …", func(ctx context.Context) (Outcome, error) {
		return d.back.Script(ctx, lines)
	})
}

// top runs a top-level command. Inside `source` each line counts as one.
func (d *Debugger) top(ctx context.Context, line string, f func(context.Context) (Outcome, error)) error {
	if !d.inCall {
		if err := d.settle(ctx); err != nil {
			return err
		}
	}
	d.edited = false
	if err := d.Settle(ctx); err != nil {
		return err
	}
	out, err := f(ctx)
	d.inCall = out.InCall
	if out.Moved {
		d.fresh = false
		d.moved(out)
		// The stop is recorded even when the command was cancelled or failed.
		ctx := context.WithoutCancel(ctx)
		if out.Edge {
			d.print(d.edgeText())
		}
		if verr := d.visit(ctx, line, out.At); verr != nil && err == nil {
			err = verr
		}
	}
	if errors.Is(err, context.Canceled) {
		err = ErrInterrupted
	}
	return err
}

// settle forgets changes of the past. What was written at the frontier becomes
// history, and moves its end.
func (d *Debugger) settle(ctx context.Context) error {
	events := d.tl.Events()
	d.tl.EndDiversion()
	if d.tl.Events() == events {
		return nil
	}
	return d.frontier(context.WithoutCancel(ctx))
}

// visit records the present stop.
func (d *Debugger) visit(ctx context.Context, command string, at Place) error {
	m, err := d.tl.Mark(ctx)
	if err != nil {
		return fmt.Errorf("mark the stop: %w", err)
	}
	d.history.add(visit{mark: m, command: command, what: placeText(at), event: d.tl.Event(), time: d.presentTime()})
	return d.frontier(ctx)
}

// frontier keeps the newest stop at the frontier, for `goto end`.
func (d *Debugger) frontier(ctx context.Context) error {
	if !d.tl.AtFrontier() {
		return nil
	}
	m, err := d.tl.Mark(ctx)
	if err != nil {
		return fmt.Errorf("mark the frontier: %w", err)
	}
	if d.newest != nil {
		d.newest.Release()
	}
	d.newest, d.newestEvent, d.newestTime = m, d.tl.Event(), d.presentTime()
	return nil
}

// arrive moves the program by s and lets the backend find it there.
func (d *Debugger) arrive(ctx context.Context, s seek) (Outcome, error) {
	type result struct {
		err error
	}
	done := make(chan result, 1)
	d.tl.ArmNext(func(served context.Context) (timeline.Stop, error) {
		// Either side may cancel: the prompt, or the backend's own interrupt.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(served, cancel)()
		stop, err := s(ctx)
		done <- result{err}
		if err != nil {
			// The program has not moved: that is all the backend need know.
			return timeline.Stop{Reason: timeline.Arrived}, nil
		}
		if stop.Reason != timeline.Arrived {
			stop = timeline.Stop{Reason: timeline.Arrived, Thread: stop.Thread}
		}
		return stop, nil
	})
	out, err := d.back.Arrive(ctx)
	d.tl.ArmNext(nil)
	if err != nil {
		return out, err
	}
	select {
	case r := <-done:
		if r.err != nil {
			return Outcome{}, r.err
		}
		out.Moved, out.Edge = true, false
		return out, nil
	default:
		return Outcome{}, errors.New("the backend did not ask the program to move")
	}
}

// jump is arrive for a command: it shows where the program is now.
func (d *Debugger) jump(ctx context.Context, s seek) (Outcome, error) {
	out, err := d.arrive(ctx, s)
	if err != nil {
		return out, err
	}
	return out, d.back.ShowStop(ctx)
}

func (d *Debugger) print(s string) { d.ui.Print(s) }

func (d *Debugger) printf(format string, args ...any) { d.ui.Print(fmt.Sprintf(format, args...)) }

// placeText says where the program stopped, for lists.
func placeText(p Place) string {
	switch {
	case p.Function == "" && p.Addr == 0:
		return ""
	case p.Function == "":
		return fmt.Sprintf("%#x", p.Addr)
	case p.Line > 0:
		return fmt.Sprintf("%s at %s:%d", p.Function, p.File, p.Line)
	case p.Object != "":
		return fmt.Sprintf("%s in %s", p.Function, p.Object)
	}
	return p.Function
}

// AtFrontier reports whether the program is at the newest point of history,
// from where it runs live.
func (d *Debugger) AtFrontier() bool { return d.tl.AtFrontier() }
