package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/gdb"
	"yore/debugger/session"
	"yore/engine"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// bisector answers one question about a program or a recording.
type bisector struct {
	session     sessionFlags
	question    debugger.Question
	json        bool
	failIfFound bool
	nx          bool
}

func newBisect() *cobra.Command {
	b := &bisector{}
	cmd := &cobra.Command{
		Use:   "bisect [FLAGS] --expr EXPR [--] TARGET",
		Short: "find the statement that gave an expression its final value",
		Long: "bisect finds the statement that gave EXPR the value that it has at the end: of a boolean, the statement\n" +
			"that made it false. TARGET is a recording, or a program with its arguments, which is run to its end first.\n" +
			"EXPR is anything that gdb evaluates, calls of the program's functions included.\n\n" +
			"Exit status: 0 found, 1 EXPR never changes, 125 could not tell. --fail-if-found swaps 0 and 1.",
		Example: "  yore bisect --expr 'list_len(head) <= 10' ./prog arg\n" +
			"  yore bisect --json --expr total --bad 1234 latest",
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(b.question.Expr) == "" {
				return usagef("bisect needs --expr EXPR")
			}
			if len(args) == 0 {
				return usagef("bisect needs a program or a recording")
			}
			if err := b.session.check(); err != nil {
				return err
			}
			s, err := newSniffer()
			if err != nil {
				return err
			}
			// After `--` it is a program.
			find := s.any
			if cmd.ArgsLenAtDash() == 0 {
				find = s.program
			}
			t, err := find(args)
			if err != nil {
				return targetStatus(err)
			}
			return b.answer(cmd.OutOrStdout(), cmd.ErrOrStderr(), t)
		},
	}
	programArgs(cmd)
	fs := cmd.Flags()
	fs.StringVar(&b.question.Expr, "expr", "", "the expression `EXPR`")
	fs.StringVar(&b.question.Good, "good", "", "look at what is after `POS` only: a position, an event, or what goto takes")
	fs.StringVar(&b.question.Bad, "bad", "", "ask about the value at `POS` instead of the end")
	fs.BoolVar(&b.json, "json", false, "print one JSON object; what the program prints goes to stderr")
	fs.BoolVar(&b.failIfFound, "fail-if-found", false, "exit with 1 when found, with 0 when EXPR never changes")
	fs.BoolVar(&b.nx, "nx", false, "do not read ~/.gdbinit and its like")
	b.session.register(fs)
	return cmd
}

// answer finds and prints the answer. Its error is the exit status.
func (b *bisector) answer(stdout, stderr io.Writer, t target) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	c, err := b.find(ctx, t)
	if err != nil && ctx.Err() != nil {
		err = debugger.ErrInterrupted
	}
	never := errors.As(err, new(*debugger.UnchangedError))
	status := exitSelf
	switch {
	case err == nil && !b.failIfFound, never && b.failIfFound:
		status = exitOK
	case err == nil, never:
		status = exitFailed
	}
	c.Expr = b.question.Expr
	switch {
	case b.json:
		if werr := writeChange(stdout, &c, err); werr != nil {
			return withStatus(exitSelf, werr)
		}
	case err == nil:
		fmt.Fprint(stdout, changeText(&c))
	case never:
		fmt.Fprintln(stdout, err)
	}
	if err != nil && !never {
		return withStatus(exitSelf, fmt.Errorf("bisect could not tell: %w", err))
	}
	if status == exitOK {
		return nil
	}
	return exited(status)
}

// find opens the target, which then stands at its end, and asks.
func (b *bisector) find(ctx context.Context, t target) (c debugger.Change, err error) {
	s, exe, files, release, err := b.open(ctx, t)
	if err != nil {
		return c, err
	}
	defer release()
	back, _, end, err := b.session.openBackend(ctx, &live.Target{Session: s}, exe, backendOptions{NoInit: b.nx, Files: files})
	if err != nil {
		return c, err
	}
	defer end()
	d, err := debugger.New(ctx, back, session.New(s), silent{}, debugger.Options{})
	if err != nil {
		return c, err
	}
	defer d.Close()
	c, err = d.Bisect(ctx, b.question)
	c.Location.FullName = files.Original(c.Location.FullName)
	for i := range c.Backtrace {
		c.Backtrace[i].FullName = files.Original(c.Backtrace[i].FullName)
	}
	return c, err
}

// open opens a recording, or runs a program to its end. The caller releases it.
func (b *bisector) open(ctx context.Context, t target) (s *engine.Session, exe string, files gdb.Files, release func(), err error) {
	if t.Recording != "" {
		rec, err := openPath(t.Recording)
		if err != nil {
			return nil, "", files, nil, err
		}
		s, err = rec.open(ctx, engine.Options{CheckpointMemory: int64(b.session.CheckpointMemory)})
		if err != nil {
			rec.close()
			return nil, "", files, nil, err
		}
		return s, rec.exe(s), rec.files(&b.session), func() { s.Close(); rec.close() }, nil
	}
	p := b.session.program(t)
	std := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if b.json {
		std[1] = os.Stderr
	}
	if s, err = launch(ctx, p, std); err != nil {
		return nil, "", files, nil, err
	}
	if err = runOut(ctx, s); err != nil {
		s.Close()
		return nil, "", files, nil, fmt.Errorf("run %s: %w", p.Args[0], err)
	}
	return s, p.Path, files, func() { s.Close() }, nil
}

// runOut lets a program run to its end. Its signals are its own.
func runOut(ctx context.Context, s *engine.Session) error {
	const signals = 64
	all := make([]int, signals)
	for i := range all {
		all[i] = i + 1
	}
	s.PassSignals(all)
	for s.Ended() == nil {
		stop, err := s.Resume(ctx, gdbserver.Resume{})
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case s.Ended() == nil && stop.Reason == timeline.HistoryEnd:
			return errors.New("it cannot go on")
		}
	}
	return nil
}

// silent is a UI that shows nothing.
type silent struct{}

func (silent) Print(string)             {}
func (silent) Progress(string, float64) {}
func (silent) Confirm(string) bool      { return true }
func (silent) Width() int               { return 80 }
func (silent) Shell(context.Context, string) error {
	return errors.New("there is no shell here")
}

// changeText is an answer for people.
func changeText(c *debugger.Change) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s changed from %s to %s by this statement:\n", c.Expr, c.Before, c.After)
	if c.Location.Line > 0 {
		fmt.Fprintf(&s, "%s:%d\t%s\n", c.Location.File, c.Location.Line, strings.TrimSpace(c.Source))
	}
	if c.Instruction != "" {
		fmt.Fprintf(&s, "instruction: %s\n", c.Instruction)
	}
	fmt.Fprintf(&s, "position: %v, thread %d (%d)\n", c.Position, c.Thread.Number, c.Thread.ID)
	for _, f := range c.Backtrace {
		fmt.Fprintf(&s, "#%-2d %s\n", f.Level, frameText(f.Location))
	}
	text := "This is the latest change"
	if c.Guarantee != debugger.Latest {
		text = "This is a transition: " + c.Reason
	}
	fmt.Fprintf(&s, "%s. %d evaluations, %.3f s.\n", text, c.Evaluations, c.Elapsed.Seconds())
	if c.Unknowns > 0 {
		fmt.Fprintf(&s, "%d of them gave no value; the last: %s\n", c.Unknowns, c.LastUnknown)
	}
	return s.String()
}

func frameText(l debugger.Location) string {
	name := l.Function
	if name == "" {
		name = fmt.Sprintf("%#x", l.Addr)
	}
	switch {
	case l.Line > 0:
		return fmt.Sprintf("%s at %s:%d", name, l.File, l.Line)
	case l.Object != "":
		return fmt.Sprintf("%s in %s", name, l.Object)
	}
	return name
}

// jsonFrame is a place in what --json prints.
type jsonFrame struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

func frameOf(l debugger.Location) jsonFrame {
	file := l.FullName
	if file == "" {
		file = l.File
	}
	return jsonFrame{Function: l.Function, File: file, Line: l.Line}
}

// jsonChange is what --json prints. Scripts depend on it: fields are added,
// never taken away.
type jsonChange struct {
	Schema      int         `json:"schema"`
	Found       bool        `json:"found"`
	Expr        string      `json:"expr"`
	Before      string      `json:"before"`
	After       string      `json:"after"`
	Guarantee   string      `json:"guarantee"`
	Reason      string      `json:"reason"`
	Instruction string      `json:"instruction"`
	Position    string      `json:"position"`
	Thread      int         `json:"thread"`
	TID         int         `json:"tid"`
	Goroutine   int64       `json:"goroutine"`
	Location    jsonFrame   `json:"location"`
	Source      string      `json:"source"`
	Backtrace   []jsonFrame `json:"backtrace"`
	Evaluations int         `json:"evaluations"`
	Seconds     float64     `json:"seconds"`
}

// writeChange prints the object for an answer, or for err: why there is none.
func writeChange(w io.Writer, c *debugger.Change, err error) error {
	o := jsonChange{Schema: 1, Expr: c.Expr, Backtrace: []jsonFrame{}, Evaluations: c.Evaluations, Seconds: c.Elapsed.Seconds()}
	if err != nil {
		o.Reason = err.Error()
	} else {
		o.Found, o.Before, o.After, o.Guarantee, o.Reason = true, c.Before, c.After, c.Guarantee, c.Reason
		o.Position, o.Thread, o.TID, o.Goroutine = c.Position.String(), c.Thread.Number, c.Thread.ID, c.Thread.Goroutine
		o.Instruction = c.Instruction
		o.Location, o.Source = frameOf(c.Location), c.Source
		for _, f := range c.Backtrace {
			o.Backtrace = append(o.Backtrace, frameOf(f.Location))
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(o)
}
