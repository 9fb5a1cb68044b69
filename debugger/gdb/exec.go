package gdb

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"yore/debugger"
	"yore/gdbmi"
)

// output is where gdb's text goes.
type output struct {
	capture *strings.Builder // when set, text is kept there
	drop    bool             // else, when set, it is dropped
	// held is the newest text on the log stream. gdb repeats it in the result
	// when it is the error of the command, and then it is shown from there.
	held string
}

// events is what gdb told during a command.
type events struct {
	ran      bool
	stop     gdbmi.Tuple // of the last stop; nil when there was none
	stopped  bool
	selected bool          // the person selected another thread
	created  string        // number of the last breakpoint made
	edge     bool          // gdb said that history goes no further
	late     *gdbmi.Result // the command's failure after it had resumed the program
	// interrupted: a SIGINT of ours was sent while the program ran.
	interrupted bool
}

// show lets text through to the person.
func (g *Backend) show() func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.out
	g.out = output{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.flush()
		g.out = old
	}
}

// mute drops text.
func (g *Backend) mute() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
	g.out = output{drop: true}
}

// text delivers text by the present output. The caller holds mu.
func (g *Backend) text(s string) {
	switch {
	case s == "":
	case g.out.capture != nil:
		g.out.capture.WriteString(s)
	case !g.out.drop:
		g.opts.Print(s)
	}
}

func (g *Backend) flush() {
	held := g.out.held
	g.out.held = ""
	g.text(held)
}

func (g *Backend) onStream(s gdbmi.Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if message, ok := strings.CutPrefix(s.Text, logMark); ok && s.Kind == gdbmi.Log {
		g.opts.Print(message)
		return
	}
	if s.Kind == gdbmi.Log {
		g.out.held += s.Text
		return
	}
	g.flush()
	if strings.Contains(s.Text, noMoreHistory) {
		g.ev.edge = true
	}
	g.text(s.Text)
}

// noMoreHistory is what gdb prints at an edge of history. It gives no reason
// with the stop then, but for a step of several instructions, where the reason
// is that of a step.
const noMoreHistory = "No more reverse-execution history."

func (g *Backend) onAsync(a gdbmi.Async) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch a.Class {
	case "running":
		g.flush()
		g.ev.ran, g.ev.edge = true, false
		g.moved = true
		select {
		case g.resumed <- struct{}{}:
		default:
		}
		if !g.running {
			g.running = true
			g.runs++
			if g.opts.OnRun != nil {
				g.opts.OnRun(true)
			}
		}
	case "stopped":
		g.flush()
		g.ev.stopped = true
		g.ev.stop = a.Fields
		if g.running {
			g.running = false
			if g.opts.OnRun != nil {
				g.opts.OnRun(false)
			}
		}
	case "thread-selected":
		g.ev.selected = true
	case "breakpoint-created":
		g.ev.created = a.Fields.Text("bkpt", "number")
		g.breaks.set(a.Fields.Tuple("bkpt"))
	case "breakpoint-modified":
		g.breaks.set(a.Fields.Tuple("bkpt"))
	case "breakpoint-deleted":
		g.breaks.remove(a.Fields.Text("id"))
	case "cmd-param-changed":
		g.params.set(a.Fields.Text("param"), a.Fields.Text("value"))
	}
}

func (g *Backend) onLate(r gdbmi.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ev.late = &r
}

// barrier is a command without effect.
const barrier = "-gdb-show confirm"

// again is when a SIGINT that found gdb idle is repeated. gdb does not tell that it
// waits for a function that an expression called; there, too, a second one would
// make it drop the connection, so the engine is given ample time for the first.
const again = 2 * time.Second

// How long gdb may take to obey an interrupt before it counts as hung.
const patience = 15 * time.Second

// send executes a machine command and whatever follows from it, and returns
// its result. When ctx is cancelled gdb is interrupted; the result is then
// whatever the interrupted command gave, or the context's error if gdb refused
// the rest of it. The caller holds busy.
func (g *Backend) send(ctx context.Context, command string) (gdbmi.Result, error) {
	if g.gone != nil {
		return gdbmi.Result{}, g.gone
	}
	g.mu.Lock()
	g.ev = events{} // of this command, even when it is not sent
	if err := ctx.Err(); err != nil {
		g.mu.Unlock()
		return gdbmi.Result{}, err
	}
	moved := g.moved
	g.moved = false
	g.mu.Unlock()
	if moved {
		g.values.forget()
	}
	call, err := g.conn.Go(command)
	if err != nil {
		return gdbmi.Result{}, err
	}
	end, err := g.conn.Go(barrier)
	if err != nil {
		return gdbmi.Result{}, err
	}
	over := make(chan struct{})
	interrupted := make(chan struct{})
	go func() {
		defer close(interrupted)
		select {
		case <-ctx.Done():
			// An -exec- command runs the program or fails. A SIGINT before that might
			// be followed by another when it runs, which is one too many.
			if !strings.HasPrefix(command, "-exec-") || g.awaitRun(over) {
				g.interrupt(over)
			}
		case <-over:
		}
	}()
	patient := context.WithoutCancel(ctx)
	_, barrierErr := end.Wait(patient)
	close(over)
	<-interrupted
	res, err := call.Wait(patient)
	if err == nil && barrierErr != nil {
		err = barrierErr // gdb died between the two
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if late := g.ev.late; err == nil && late != nil && late.Class == "error" {
		err = &gdbmi.CommandError{Command: command, Msg: late.Fields.Text("msg"), Code: late.Fields.Text("code")}
	}
	var refused *gdbmi.CommandError
	if errors.As(err, &refused) {
		if strings.TrimSpace(g.out.held) == strings.TrimSpace(refused.Msg) {
			g.out.held = "" // the error says it
		}
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
	}
	g.flush()
	return res, err
}

// awaitRun waits until the command under way has resumed the program. It reports
// false when the command is over.
func (g *Backend) awaitRun(over <-chan struct{}) bool {
	for {
		g.mu.Lock()
		ran := g.ev.ran
		g.mu.Unlock()
		if ran {
			return true
		}
		select {
		case <-g.resumed:
		case <-over:
			return false
		}
	}
}

// interrupt makes gdb stop what it is doing, until over is closed.
func (g *Backend) interrupt(over <-chan struct{}) {
	told := -1 // the resume that was interrupted
	tick := time.NewTicker(again)
	defer tick.Stop()
	hung := time.NewTimer(patience)
	defer hung.Stop()
	for {
		g.mu.Lock()
		run, running := g.runs, g.running
		g.mu.Unlock()
		if !running || told != run {
			g.mu.Lock()
			g.ev.interrupted = true
			g.mu.Unlock()
			if g.conn.Interrupt() != nil {
				return
			}
			told = -1
			if running {
				told = run
			}
		}
		select {
		case <-over:
			return
		case <-hung.C:
			g.conn.Kill() // a new one takes its place
			return
		case <-tick.C:
		}
	}
}

// captured executes a machine command and returns the text it printed.
func (g *Backend) captured(ctx context.Context, command string) (string, error) {
	text, _, err := g.capture(ctx, command)
	return text, err
}

// capture is captured with the result.
func (g *Backend) capture(ctx context.Context, command string) (string, gdbmi.Result, error) {
	var b strings.Builder
	g.mu.Lock()
	old := g.out
	g.out = output{capture: &b}
	g.mu.Unlock()
	res, err := g.send(ctx, command)
	g.mu.Lock()
	g.out = old
	g.mu.Unlock()
	return b.String(), res, err
}

// console is the machine command that executes a console line.
func console(line string) string { return "-interpreter-exec console " + gdbmi.Quote(line) }

// outcome is what the last command did to the program.
func (g *Backend) outcome() debugger.Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A stop without a resume is a breakpoint in a function that an expression
	// calls: the program itself has not moved.
	if g.ev.stopped && !g.ev.ran {
		g.inCall = true
	}
	if !g.ev.ran || g.inCall {
		return debugger.Outcome{InCall: g.inCall}
	}
	out := debugger.Outcome{Moved: true, Why: g.ev.stop.Text("reason")}
	frame := g.ev.stop.Tuple("frame")
	// No reason is given after a breakpoint whose commands begin with `silent`,
	// either, but then there is no frame.
	out.Edge = g.ev.edge || out.Why == "" && frame != nil
	out.Cause = g.cause(g.ev.stop, out.Edge)
	g.returned.variable = g.ev.stop.Text("gdb-result-var")
	out.At.Location = location(frame)
	out.At.Thread = number(g.ev.stop.Text("thread-id"))
	return out
}

// deadline reports whether ctx ended by its deadline and outer did not.
func deadline(outer, ctx context.Context) bool {
	return outer.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// signalled says how gdb ended, for the person.
func signalled(err error) string {
	var e *gdbmi.ExitError
	if !errors.As(err, &e) || e.State == nil {
		return "ended"
	}
	if ws, ok := e.State.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return "crashed (" + ws.Signal().String() + ")"
	}
	return "ended (" + e.State.String() + ")"
}
