package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/gdb"
	"yore/debugger/repl"
	"yore/debugger/session"
	"yore/engine"
	"yore/engine/trace"
	"yore/tui"
)

// screener debugs a target on the full screen.
type screener struct {
	session sessionFlags
	prompt  promptFlags
	stopAt  string
	at      string
	theme   string
}

func newTUI() *cobra.Command {
	r := &screener{}
	cmd := &cobra.Command{
		Use:   "tui [FLAGS] [RECORDING | [--] PROG [ARGS...]]",
		Short: "debug on the full screen, with all of history as a timeline",
		Long: "tui shows a program's source, stack and values, its terminal, and across the bottom all of its history.\n" +
			"The arrow keys move along it, and everything else follows. What the prompt understands can be typed there\n" +
			"too; `?` lists the keys.\n\n" +
			"The target is a recording, or a program, which is then debugged live; left out, it is the latest recording.",
		Example: "  yore tui latest\n  yore tui ./prog arg",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			t, err := r.target(args)
			if err != nil {
				return err
			}
			return r.run(t)
		},
	}
	programArgs(cmd)
	cmd.Flags().StringVar(&r.stopAt, "stop-at", "main", "of a program: stop first at the first instruction, at main, or nowhere: `entry|main|none`")
	cmd.Flags().StringVar(&r.at, "at", "", "of a recording: begin at `POS` instead of the end")
	cmd.Flags().StringVar(&r.theme, "theme", "auto", "colours for a `dark|light|auto` background; auto asks the terminal")
	cmd.Flags().BoolVar(&r.prompt.NX, "nx", false, "do not read ~/.gdbinit and its like")
	r.session.register(cmd.Flags())
	return cmd
}

// newTUIGuard is the process that gives the terminal back after a crash.
func newTUIGuard() *cobra.Command {
	return &cobra.Command{
		Use: tui.GuardCommand, Hidden: true, Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return withStatus(exitUsage, tui.Guard()) },
	}
}

func (r *screener) check() error {
	switch r.stopAt {
	case "entry", "main", "none":
	default:
		return usagef("--stop-at %s: want entry, main or none", r.stopAt)
	}
	switch r.theme {
	case "auto", "dark", "light":
	default:
		return usagef("--theme %s: want dark, light or auto", r.theme)
	}
	if err := r.session.check(); err != nil {
		return err
	}
	err := tui.Check(os.Stdin, os.Stdout, os.Getenv)
	var t *tui.TerminalError
	if errors.As(err, &t) && t.NotOne {
		return withStatus(exitUsage, err)
	}
	return withStatus(exitMachine, err)
}

func (r *screener) target(args []string) (target, error) {
	if len(args) == 0 {
		dir, err := recordingArg(nil)
		return target{Recording: dir}, err
	}
	s, err := newSniffer()
	if err != nil {
		return target{}, err
	}
	t, err := s.any(args)
	return t, targetStatus(err)
}

// run shows the target, and a program again as often as the person says `run`.
func (r *screener) run(t target) error {
	p, stopAt := live.Program{}, r.stopAt
	if t.Recording == "" {
		p = r.session.program(t)
	}
	var kept []debugger.SavedBreakpoint
	for {
		err := r.once(t, p, stopAt, kept)
		var again *debugger.RerunError
		if !errors.As(err, &again) {
			return err
		}
		if again.Changed {
			if err := reargue(&p, again.Args); err != nil {
				fmt.Fprintf(os.Stderr, "%v\n", err)
			}
		}
		stopAt, kept = again.StopAt, again.Breakpoints
	}
}

// once shows the target until the front-end is left.
func (r *screener) once(t target, p live.Program, stopAt string, kept []debugger.SavedBreakpoint) error {
	var open, outer closers
	outer.add(open.close)
	// The terminal is restored before anything else ends.
	left := make(chan struct{})
	outer.add(func() { <-left })
	defer outer.close()
	life, release := untilTerminated(outer.close)
	defer release()
	defer close(left)
	history, remember := screenHistory()
	o := tui.Options{
		Live: t.Recording == "", Theme: r.theme, History: history, Remember: remember,
		Open: func(ctx context.Context, ui *tui.Bridge) (*tui.Session, error) {
			if t.Recording != "" {
				return r.openRecording(ctx, life, &open, ui, t.Recording)
			}
			return r.openProgram(ctx, life, &open, ui, p, stopAt, kept)
		},
	}
	if o.Live {
		o.Title = inspect.Printable(inspect.Command(p.Args))
	} else {
		o.Title = filepath.Base(t.Recording)
	}
	return tui.Run(life, o)
}

func (r *screener) openRecording(ctx, life context.Context, open *closers, ui *tui.Bridge, path string) (*tui.Session, error) {
	rec, err := openPath(path)
	if err != nil {
		return nil, err
	}
	open.add(rec.close)
	s, err := rec.open(ctx, engine.Options{CheckpointMemory: int64(r.session.CheckpointMemory)})
	if err != nil {
		return nil, recordingStatus(err)
	}
	open.add(func() { s.Close() })
	out, err := r.open(ctx, life, open, ui, s, rec.exe(s), rec.files(&r.session), debugger.Options{})
	if err != nil {
		return nil, err
	}
	out.Banner = banner(rec, s)
	out.Title = rec.name() + ": " + inspect.Printable(inspect.Command(trace.Strings(s.Meta().Args)))
	if r.at != "" {
		d := out.Debugger
		out.Begin = func(ctx context.Context) error { return d.Execute(ctx, "goto "+r.at) }
	}
	return out, nil
}

func (r *screener) openProgram(ctx, life context.Context, open *closers, ui *tui.Bridge, p live.Program, stopAt string, kept []debugger.SavedBreakpoint) (*tui.Session, error) {
	p.Remark = func(s string) { ui.Print("yore: " + s + "\n") }
	s, err := launch(ctx, p, [3]*os.File{})
	if err != nil {
		return nil, err
	}
	open.add(func() { s.Close() })
	out, err := r.open(ctx, life, open, ui, s, p.Path, gdb.Files{}, debugger.Options{
		CanRerun: true,
		OnQuit:   func(ui debugger.UI) bool { return mayQuit(ui, s) },
	})
	if err != nil {
		return nil, err
	}
	out.Terminal = s.Terminal()
	d := out.Debugger.(*debugger.Debugger)
	out.Begin = func(ctx context.Context) error { return begin(ctx, d, kept, stopAt) }
	return out, nil
}

// open starts the backend and the debugger on a session. ctx ends the opening,
// life the session.
func (r *screener) open(ctx, life context.Context, open *closers, ui *tui.Bridge, s *engine.Session, exe string, files gdb.Files, o debugger.Options) (*tui.Session, error) {
	target := &live.Target{Session: s}
	back, note, end, err := r.session.openBackend(life, target, exe, backendOptions{
		NoInit: r.prompt.NX, Print: ui.Print, OnRun: ui.Running, Files: files,
	})
	if err != nil {
		return nil, err
	}
	open.add(end)
	d, err := debugger.New(ctx, back, session.New(s), ui, o)
	if err != nil {
		return nil, err
	}
	open.add(d.Close)
	if note != "" {
		ui.Print(note)
	}
	return &tui.Session{Debugger: d, Live: target.Live}, nil
}

// screenHistory is the prompt's history file: its lines, and how to add one.
func screenHistory() (lines []string, remember func(string)) {
	name := repl.DefaultHistory(os.Getenv)
	if name == "" {
		return nil, nil
	}
	if b, err := os.ReadFile(name); err == nil {
		sc := bufio.NewScanner(strings.NewReader(string(b)))
		for sc.Scan() {
			if l := sc.Text(); l != "" {
				lines = append(lines, l)
			}
		}
	}
	return lines, func(line string) {
		if os.MkdirAll(filepath.Dir(name), 0o700) != nil {
			return // without a history, then
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return
		}
		f.WriteString(line + "\n")
		f.Close()
	}
}
