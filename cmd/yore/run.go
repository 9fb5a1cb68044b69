package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/gdb"
	"yore/debugger/repl"
	"yore/debugger/session"
	"yore/engine"
)

func newRun() *cobra.Command {
	r := &runner{}
	cmd := &cobra.Command{
		Use:   "run [FLAGS] [--] PROG [ARGS...]",
		Short: "debug a program live, recording it from its first instruction",
		Long: "run starts a program under the debugger and stops at main. gdb's commands work, forwards and backwards;\n" +
			"`help` at the prompt lists what yore adds to them. Everything after PROG belongs to PROG.\n\n" +
			"A Go program has Delve behind the prompt, with gdb's commands and Delve's. Where PROG is a Go package's\n" +
			"directory or a .go file it is built first, with -gcflags='all=-N -l'.\n\n" +
			"The program has a terminal of its own, which is yours while it runs. With --stdin, --stdout or --stderr it\n" +
			"reads or writes files instead; what yore itself reads is always commands.",
		Example: "  yore run ./prog arg\n" +
			"  yore run --batch -ex continue -ex 'reverse-watch list_len(head) <= 10' -ex bt ./prog",
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := programTarget("run", args)
			if err != nil {
				return err
			}
			if err := r.check(); err != nil {
				return err
			}
			return r.run(r.session.program(t))
		},
	}
	programArgs(cmd)
	cmd.Flags().StringVar(&r.stopAt, "stop-at", "main", "stop first at the first instruction, at main, or nowhere: `entry|main|none`")
	r.session.register(cmd.Flags())
	r.prompt.register(cmd.Flags())
	return cmd
}

func newTest() *cobra.Command {
	r := &runner{}
	cmd := &cobra.Command{
		Use:   "test [FLAGS] PKG [-- TESTFLAGS]",
		Short: "debug the tests of a Go package",
		Long: "test builds the tests of the Go package in the directory PKG, with -gcflags='all=-N -l', and debugs them as\n" +
			"`run` does, in that directory. TESTFLAGS are those of go test's programs; -run, -v, -count and the like may be\n" +
			"written as for go test. `record test` and `bisect test` take the same.",
		Example: "  yore test ./pkg -- -test.run TestTransfer\n  yore test . -run TestTransfer -v",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("test needs a Go package's directory")
			}
			s, err := newSniffer()
			if err != nil {
				return err
			}
			if err := r.check(); err != nil {
				return err
			}
			t, err := s.goTest(args)
			if err != nil {
				return err
			}
			return r.run(r.session.program(t))
		},
	}
	programArgs(cmd)
	cmd.Flags().StringVar(&r.stopAt, "stop-at", "main", "stop first at the first instruction, at main, or nowhere: `entry|main|none`")
	r.session.register(cmd.Flags())
	r.prompt.register(cmd.Flags())
	return cmd
}

// runner debugs a program at yore's prompt.
type runner struct {
	session sessionFlags
	prompt  promptFlags
	stopAt  string
}

func (r *runner) check() error {
	switch r.stopAt {
	case "entry", "main", "none":
	default:
		return usagef("--stop-at %s: want entry, main or none", r.stopAt)
	}
	return r.session.check()
}

// run debugs p, and again as often as the person says `run`.
func (r *runner) run(p live.Program) error {
	at := start{stopAt: r.stopAt, steps: r.prompt.Commands.steps(), script: bufio.NewReader(os.Stdin)}
	for {
		ended, err := r.once(p, &at)
		var again *debugger.RerunError
		switch {
		case errors.As(err, &again):
			if again.Changed {
				if err := reargue(&p, again.Args); err != nil {
					fmt.Fprintf(os.Stderr, "%v\n", err)
				}
			}
			at.stopAt, at.breakpoints = again.StopAt, again.Breakpoints
			continue
		case errors.Is(err, repl.ErrFailed):
			return exited(exitFailed)
		case err != nil:
			return err
		case r.prompt.Return:
			return exited(ended)
		}
		return nil
	}
}

// start is what a live run begins with.
type start struct {
	stopAt      string
	breakpoints []debugger.SavedBreakpoint // of the run before
	steps       []repl.Step                // of the command line, those not yet executed
	script      *bufio.Reader              // what is piped in
}

// once is one live run. It returns the program's exit status, as a shell would
// give it.
func (r *runner) once(p live.Program, at *start) (status int, err error) {
	var open closers
	defer open.close()
	ctx, release := untilTerminated(open.close)
	defer release()
	s, err := launch(ctx, p, [3]*os.File{})
	if err != nil {
		return 0, err
	}
	open.add(func() { s.Close() })
	target := &live.Target{Session: s}
	const first = "\x00begin"
	prompt := repl.New(repl.Options{
		Steps: append([]repl.Step{{Line: first}}, at.steps...), Script: at.script,
		Batch: r.prompt.Batch, Terminal: s.Terminal(), Live: target.Live,
		HistoryFile: repl.DefaultHistory(os.Getenv),
	})
	open.add(prompt.Close)
	back, note, end, err := r.session.openBackend(ctx, target, p.Path, r.prompt.backendOptions(prompt, gdb.Files{}))
	if err != nil {
		return 0, err
	}
	open.add(end)
	d, err := debugger.New(ctx, back, session.New(s), prompt, debugger.Options{
		CanRerun: true,
		Pack:     packLive(s, p),
		OnQuit:   func(ui debugger.UI) bool { return mayQuit(ui, s) },
	})
	if err != nil {
		return 0, err
	}
	open.add(d.Close)
	if note != "" {
		prompt.Print(note)
	}
	err = prompt.Run(ctx, &beginning{d, first, func(ctx context.Context) error {
		return begin(ctx, d, at.breakpoints, at.stopAt)
	}})
	at.steps = prompt.Rest()
	return statusAfter(s), err
}

// begin makes the breakpoints of the run before and goes to where the session begins.
func begin(ctx context.Context, d *debugger.Debugger, kept []debugger.SavedBreakpoint, stopAt string) error {
	if err := d.Rearm(ctx, kept); err != nil {
		return err
	}
	return d.StopAt(ctx, stopAt)
}

// beginning is a Debugger whose first command, which nobody can type, is ours.
type beginning struct {
	*debugger.Debugger
	line string
	f    func(context.Context) error
}

func (b *beginning) Execute(ctx context.Context, line string) error {
	if line == b.line {
		return b.f(ctx)
	}
	return b.Debugger.Execute(ctx, line)
}

// mayQuit asks before a program that still runs, and its history, are given up.
func mayQuit(ui debugger.UI, s *engine.Session) bool {
	if s.Ended() != nil {
		return true
	}
	return ui.Confirm("The program has not ended. Quit, and give up its history?")
}

// statusAfter is the exit status of the program, 128+N for signal N; 1 when it
// has not ended.
func statusAfter(s *engine.Session) int {
	e := s.Ended()
	switch {
	case e == nil:
		return exitFailed
	case e.Signaled:
		return 128 + e.Code
	}
	return e.Code
}

// steps are the list's commands as the prompt wants them.
func (l scriptList) steps() []repl.Step {
	var out []repl.Step
	for _, s := range l {
		out = append(out, repl.Step{Line: s.Command, File: s.File})
	}
	return out
}

// reargue gives p new arguments, as typed behind `run`.
func reargue(p *live.Program, text string) error {
	words, err := splitArgs(text)
	if err != nil {
		return fmt.Errorf("run: %w; the arguments stay as they were", err)
	}
	q := *p
	q.Args = append([]string{p.Args[0]}, words.args...)
	if words.stdin != "" {
		q.Stdin = words.stdin
	}
	if words.stdout != "" {
		q.Stdout = words.stdout
	}
	if words.stderr != "" {
		q.Stderr = words.stderr
	}
	*p = q
	return nil
}
