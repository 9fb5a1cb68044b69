package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"yore/debugger"
)

// Step is a command given on yore's command line: one line (-ex), a file (-x), or
// what is left of a file, Text.
type Step struct {
	Line string
	File string
	Text string
}

// Options of a REPL. The zero value reads the standard streams.
type Options struct {
	Prompt string // "" is "(yore) "
	Steps  []Step // executed first, in order
	// Script, when set, is read in Stdin's place where no person types.
	Script *bufio.Reader
	Batch  bool // end after Steps; the first that fails ends it

	Stdin          *os.File
	Stdout, Stderr *os.File

	// HistoryFile keeps the lines typed; "" keeps none. DefaultHistory names
	// the usual one.
	HistoryFile string

	// Terminal is the master side of the program's terminal, nil when it has
	// none of ours.
	Terminal *os.File
	// Live reports whether the program runs at the frontier just now. It is
	// called while a command runs, and must answer at once. nil: it does when
	// the command began at the frontier.
	Live func() bool
}

// ErrFailed is returned by Run when a command of a batch failed. What it said
// has been printed.
var ErrFailed = errors.New("a command failed")

// Session is what Run needs of a debugger.
type Session interface {
	Execute(ctx context.Context, line string) error
	ExecuteBlock(ctx context.Context, lines []string) error
	ExecuteText(ctx context.Context, name, text string) error
	Complete(ctx context.Context, line string) []string
	AtFrontier() bool
}

var _ Session = (*debugger.Debugger)(nil)

// REPL is a prompt. It is made before the Debugger, whose UI it is.
type REPL struct {
	opts        Options
	interactive bool // a person types: a terminal on both sides
	session     Session
	rest        []Step // those that a wish for a new run has left

	mu       sync.Mutex // guards printing
	raw      bool       // the terminal does not translate newlines
	progress progress
	program  *program

	editor  *editor
	fromRun bool // the present command began at the frontier

	runMu  sync.Mutex
	cancel context.CancelFunc // of the running command
	proxy  *proxy
}

// New returns a REPL. Close gives the terminal back.
func New(opts Options) *REPL {
	if opts.Stdin == nil {
		opts.Stdin = os.Stdin
	}
	if opts.Stdout == nil {
		opts.Stdout = os.Stdout
	}
	if opts.Stderr == nil {
		opts.Stderr = os.Stderr
	}
	if opts.Prompt == "" {
		opts.Prompt = "(yore) "
	}
	r := &REPL{opts: opts}
	r.interactive = !opts.Batch && term.IsTerminal(int(opts.Stdin.Fd())) && term.IsTerminal(int(opts.Stdout.Fd()))
	r.progress.init(opts.Stderr)
	if opts.Terminal != nil {
		r.program = newProgram(r, opts.Terminal)
	}
	return r
}

// Close gives the terminal back and stops printing the program's output.
func (r *REPL) Close() {
	if r.editor != nil {
		r.editor.close()
		r.editor = nil
	}
	if r.program != nil {
		r.program.close()
	}
}

// Interactive reports whether a person types the commands.
func (r *REPL) Interactive() bool { return r.interactive }

// Run executes the steps of the command line, then what is typed or piped in,
// until `quit` or the end of the input (nil), a failed command of a batch
// (ErrFailed), a wish for a new run (*debugger.RerunError), or ctx ends.
func (r *REPL) Run(ctx context.Context, s Session) error {
	r.session = s
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-signals:
				r.interrupt()
			case <-stop:
				return
			}
		}
	}()
	for i, step := range r.opts.Steps {
		if err := r.step(ctx, step); err != nil {
			r.rest = r.opts.Steps[i+1:]
			var again *debugger.RerunError
			if errors.As(err, &again) && again.Rest != "" {
				r.rest = append([]Step{{File: step.File, Text: again.Rest}}, r.rest...)
			}
			if done, err := r.ends(err); done {
				return err
			}
			if r.opts.Batch {
				return ErrFailed
			}
		}
	}
	switch {
	case r.opts.Batch:
		return nil
	case r.interactive:
		return r.converse(ctx)
	}
	return r.script(ctx)
}

// Rest returns the steps that Run had still to execute when it returned a wish for
// a new run.
func (r *REPL) Rest() []Step { return r.rest }

// step executes a step of the command line.
func (r *REPL) step(ctx context.Context, s Step) error {
	if s.File == "" && s.Text == "" {
		return r.execute(ctx, func(ctx context.Context) error { return r.session.Execute(ctx, s.Line) })
	}
	text, err := []byte(s.Text), error(nil)
	if s.Text == "" {
		text, err = os.ReadFile(s.File)
	}
	if err != nil {
		return r.execute(ctx, func(context.Context) error { return err })
	}
	return r.execute(ctx, func(ctx context.Context) error { return r.session.ExecuteText(ctx, s.File, string(text)) })
}

// ends reports whether an error ends the loop, and with which error.
func (r *REPL) ends(err error) (bool, error) {
	switch {
	case errors.Is(err, debugger.ErrQuit):
		return true, nil
	case errors.As(err, new(*debugger.RerunError)), errors.Is(err, debugger.ErrBackendGone):
		return true, err
	}
	return false, nil
}

// converse is the loop with a person.
func (r *REPL) converse(ctx context.Context) error {
	e, err := newEditor(r.opts.HistoryFile, func(line string) []string { return r.session.Complete(ctx, line) })
	if err != nil {
		r.say(err.Error() + "\n") // without a history, then
	}
	r.editor = e
	last := ""
	var block *debugger.Block
	for ctx.Err() == nil {
		prompt := r.opts.Prompt
		if block != nil {
			prompt = strings.Repeat(" ", block.Depth()-1) + ">"
		}
		r.flush()
		line, err := e.read(prompt)
		switch {
		case errors.Is(err, errAborted):
			block = nil
			continue
		case errors.Is(err, io.EOF):
			if block != nil {
				r.say("\n")
				block = nil
				continue
			}
			line = "quit"
			r.say("quit\n")
		case err != nil:
			return err
		}
		var run func(context.Context) error
		switch {
		case block != nil:
			if !block.Add(line) {
				continue
			}
			lines := block.Lines()
			block = nil
			run = func(ctx context.Context) error { return r.session.ExecuteBlock(ctx, lines) }
		default:
			if strings.TrimSpace(line) == "" {
				line = last
			} else {
				last = debugger.Repeat(strings.TrimSpace(line))
			}
			if block = debugger.NewBlock(line); block != nil {
				continue
			}
			run = func(ctx context.Context) error { return r.session.Execute(ctx, line) }
		}
		if err := r.execute(ctx, run); err != nil {
			if done, err := r.ends(err); done {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// script is the loop without a person. Errors are printed and do not end it.
func (r *REPL) script(ctx context.Context) error {
	in := r.opts.Script
	if in == nil {
		in = bufio.NewReader(r.opts.Stdin)
	}
	var block *debugger.Block
	for {
		line, err := in.ReadString('\n')
		if line == "" && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		run := func(ctx context.Context) error { return r.session.Execute(ctx, line) }
		if block != nil {
			if !block.Add(line) {
				continue
			}
			lines := block.Lines()
			block = nil
			run = func(ctx context.Context) error { return r.session.ExecuteBlock(ctx, lines) }
		} else if block = debugger.NewBlock(line); block != nil {
			continue
		}
		if err := r.execute(ctx, run); err != nil {
			if done, err := r.ends(err); done {
				return err
			}
			if errors.Is(err, debugger.ErrInterrupted) {
				return err // ^C ends a script
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if block != nil {
		r.fail(fmt.Errorf("%s has no `end`", block.Lines()[0]))
	}
	return nil
}

// execute runs one command with ^C, progress and the program's terminal, and
// prints its error.
func (r *REPL) execute(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.runMu.Lock()
	r.cancel = cancel
	r.fromRun = r.program != nil && r.session.AtFrontier()
	r.runMu.Unlock()
	if r.editor != nil {
		r.editor.suspend()
	}
	r.progress.begin()
	err := f(ctx)
	r.runMu.Lock()
	r.cancel = nil
	proxy := r.proxy
	r.proxy = nil
	r.runMu.Unlock()
	if proxy != nil {
		proxy.stop()
	}
	r.mu.Lock()
	r.progress.end()
	r.mu.Unlock()
	r.flush()
	if r.editor != nil {
		r.editor.resume()
	}
	switch {
	case err == nil, errors.Is(err, debugger.ErrQuit), errors.As(err, new(*debugger.RerunError)):
	default:
		r.fail(err)
	}
	return err
}

// interrupt cancels the running command.
func (r *REPL) interrupt() {
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if r.cancel != nil {
		r.cancel()
	}
}

// Running is told by the backend when the program is resumed and has stopped.
func (r *REPL) Running(running bool) {
	if r.program == nil {
		return
	}
	r.runMu.Lock()
	defer r.runMu.Unlock()
	if running {
		r.program.listen()
		if r.interactive && r.cancel != nil {
			live := r.opts.Live
			if live == nil {
				began := r.fromRun
				live = func() bool { return began }
			}
			r.proxy = startProxy(r, live, r.proxy)
		}
	} else if r.proxy != nil {
		r.proxy.pause()
	}
}

// moment is how long the program must have run before the terminal becomes its
// own: what is typed during a mere step is for the prompt.
const moment = 100 * time.Millisecond
