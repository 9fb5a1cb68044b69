package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/dap"
	"yore/debugger/gdb"
	"yore/debugger/session"
	"yore/engine"
)

func newDAP() *cobra.Command {
	var listen, log, hold string
	var once bool
	flags := &sessionFlags{}
	cmd := &cobra.Command{
		Use:   "dap [--listen HOST:PORT]",
		Short: "a debug adapter, for editors",
		Long: "dap speaks the Debug Adapter Protocol with an editor, on its standard input and output or on a port. The editor's\n" +
			"launch configuration says what to debug: `program` with `args`, or `recording`. Configurations written for Delve\n" +
			"and for Microsoft's C++ tools are understood. scripts/vscode has an extension and samples.",
		Example: "  yore dap\n" +
			"  yore dap --listen localhost:4711",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if hold != "" {
				return dap.Hold(hold)
			}
			if err := flags.check(); err != nil {
				return err
			}
			return serveDAP(cmd, flags, listen, once, log)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "listen at `HOST:PORT`, or at a socket's path, instead of using stdin and stdout")
	cmd.Flags().BoolVar(&once, "once", false, "with --listen: end after the first client")
	cmd.Flags().StringVar(&log, "log", "", "write the messages to `FILE`")
	cmd.Flags().StringVar(&hold, "hold", "", "hold this terminal for the adapter at `SOCKET`")
	cmd.Flags().Lookup("hold").Hidden = true
	cmd.Flags().StringVar(&flags.GDB, "gdb", "", "the gdb to use, a `PATH` or a name on PATH, when the configuration names none")
	flags.registerCheckpoints(cmd.Flags())
	return cmd
}

func serveDAP(cmd *cobra.Command, flags *sessionFlags, listen string, once bool, log string) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		self = "" // then there is no terminal for the program
	}
	opts := dap.Options{
		Self: self,
		Open: func(ctx context.Context, l dap.Launch, front dap.Front) (*dap.Target, error) {
			return openDAP(ctx, *flags, l, front)
		},
	}
	if log != "" {
		f, err := os.Create(log)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		defer f.Close()
		opts.Log = f
	}
	if listen == "" {
		err = dap.Serve(ctx, os.Stdin, os.Stdout, opts)
	} else {
		err = listenDAP(ctx, cmd.ErrOrStderr(), listen, once, opts)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listenDAP serves at an address. "" as a host is this machine alone: who may
// connect may start programs.
func listenDAP(ctx context.Context, errs io.Writer, address string, once bool, opts dap.Options) error {
	l, err := live.Listen(address)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		fmt.Fprintf(errs, "yore: whoever can reach %s can run programs here\n", a)
	}
	fmt.Fprintf(errs, "yore: dap: listening at %s\n", l.Addr())
	return dap.Listen(ctx, l, once, opts)
}

// openDAP opens what a launch configuration asks for.
func openDAP(ctx context.Context, flags sessionFlags, l dap.Launch, front dap.Front) (t *dap.Target, err error) {
	var open closers
	defer func() {
		if err != nil {
			open.close()
		}
	}()
	if l.Backend != "" {
		flags.Backend = l.Backend
	}
	if l.GDB != "" {
		flags.GDB = l.GDB
	}
	if l.CheckpointEvery > 0 {
		flags.CheckpointEvery = l.CheckpointEvery
	}
	if l.CheckpointMemory != "" {
		if err := flags.CheckpointMemory.Set(l.CheckpointMemory); err != nil {
			return nil, fmt.Errorf("checkpointMemory %s: %w", l.CheckpointMemory, err)
		}
	}
	t = &dap.Target{Close: open.close}
	var s *engine.Session
	var exe string
	var files gdb.Files
	if l.Recording != "" {
		rec, err := openRecorded([]string{l.Recording})
		if err != nil {
			return nil, err
		}
		open.add(rec.close)
		if s, err = rec.open(ctx, engine.Options{CheckpointMemory: int64(flags.CheckpointMemory)}); err != nil {
			return nil, err
		}
		exe, files = rec.exe(s), rec.files(&flags)
		t.Notices = append(t.Notices, strings.TrimSpace(banner(rec, s)))
	} else {
		p, err := programDAP(&flags, l, front)
		if err != nil {
			return nil, err
		}
		if s, err = launch(ctx, p, [3]*os.File{}); err != nil {
			return nil, err
		}
		exe = p.Path
		t.Terminal = s.Terminal()
		t.PID = s.Current()
	}
	t.Name = filepath.Base(exe)
	open.add(func() { s.Close() })
	target := &live.Target{Session: s}
	t.Live = target.Live
	// The session outlives the launch request, whose context ends with it.
	back, note, end, err := flags.openBackend(context.WithoutCancel(ctx), target, exe, backendOptions{
		Dir: l.Dir, Files: files, Print: front.Print, OnRun: front.Running,
	})
	if err != nil {
		return nil, err
	}
	open.add(end)
	if note != "" {
		t.Notices = append(t.Notices, strings.TrimSpace(note))
	}
	if t.Debugger, err = debugger.New(ctx, back, session.New(s), front, debugger.Options{CanRerun: l.Recording == ""}); err != nil {
		return nil, err
	}
	open.add(t.Debugger.Close)
	return t, nil
}

// programDAP is the program of a launch configuration.
func programDAP(f *sessionFlags, l dap.Launch, front dap.Front) (live.Program, error) {
	f.Cwd, f.Stdin, f.Stdout, f.Stderr, f.TTY = l.Dir, l.Stdin, l.Stdout, l.Stderr, l.TTY
	f.Env = nil
	for k, v := range l.Env {
		if v == nil {
			f.Env = append(f.Env, k)
		} else {
			f.Env = append(f.Env, k+"="+*v)
		}
	}
	if err := f.check(); err != nil {
		return live.Program{}, err
	}
	name := l.Program
	if !filepath.IsAbs(name) {
		// A relative path is the editor's, for which the program's directory is home;
		// it does not mean a program on PATH as a shell's would.
		if p, err := filepath.Abs(filepath.Join(l.Dir, name)); err == nil && exists(p) {
			name = p
		}
	}
	words := append([]string{name}, l.Args...)
	if l.Mode == "test" {
		words = append([]string{"test"}, words...)
	}
	sniff, err := newSniffer()
	if err != nil {
		return live.Program{}, err
	}
	var built strings.Builder
	sniff.BuildFlags, sniff.BuildOutput = l.BuildFlags, &built
	t, err := sniff.program(words)
	front.Print(built.String())
	if err != nil {
		return live.Program{}, err
	}
	return f.program(t), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
