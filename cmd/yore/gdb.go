package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"yore/cmd/yore/internal/gdbhost"
	"yore/cmd/yore/internal/live"
	"yore/engine/gdbserver"
)

func newGDB() *cobra.Command {
	return &cobra.Command{
		Use:   "gdb [GDB OPTIONS] (PROG [ARGS...] | --args PROG ARGS...)",
		Short: "stock gdb, with your own configuration, on yore's server",
		Long: "gdb takes gdb's own command line and starts the gdb on PATH (or $YORE_GDB), with your .gdbinit, TUI and\n" +
			"plugins, on a recorded program that can run backwards. yore's commands (when, goto, undo, redo, bookmark,\n" +
			"checkpoint, restart, reverse-watch...) are defined in it. The exit status is gdb's.",
		Example:            "  yore gdb -q --args ./prog arg",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			line, err := parseGDB(args)
			if err != nil {
				return err
			}
			if len(args) == 1 && slices.Contains([]string{"--help", "-help", "-h"}, args[0]) {
				return cmd.Help()
			}
			path, err := findGDB()
			if err != nil {
				return err
			}
			if line.Info {
				return runGDB(path, args, nil)
			}
			return hostGDB(cmd, path, line)
		},
	}
}

// findGDB is the gdb to start.
func findGDB() (string, error) {
	name := os.Getenv("YORE_GDB")
	if name == "" {
		name = "gdb"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", withStatus(exitMachine, fmt.Errorf("%s is not installed: install gdb (apt-get install gdb), or set YORE_GDB", name))
	}
	return path, nil
}

// hostGDB runs gdb on the program of its command line.
func hostGDB(cmd *cobra.Command, path string, line gdbLine) error {
	s, err := newSniffer()
	if err != nil {
		return err
	}
	if line.Dir != "" {
		s.Dir = s.abs(line.Dir)
	}
	if len(line.Target) == 0 {
		return usagef("gdb needs a program")
	}
	t, err := s.program(line.Target)
	if err != nil {
		return targetStatus(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGHUP)
	defer stop()
	p := live.Program{Path: t.Path, Args: t.Args, Env: os.Environ(), Dir: line.Dir, TTY: line.TTY}
	session, err := launch(ctx, p, [3]*os.File{})
	if err != nil {
		return err
	}
	defer session.Close()
	host, err := gdbhost.New(ctx, &live.Target{Session: session}, terminalWidth)
	if err != nil {
		return err
	}
	defer host.Close()
	if m := session.Terminal(); m != nil {
		relay, err := live.NewRelay(m, os.Stdin, os.Stdout)
		if err != nil {
			return err
		}
		defer relay.Close()
		host.Target.OnLive = relay.Live
	}
	server, err := live.Serve(ctx, host, "", gdbserver.Options{Console: true})
	if err != nil {
		return err
	}
	defer server.Close()
	connect, err := connection(ctx, path, t.Path, server, line)
	if err != nil {
		return err
	}
	if connect.note != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), connect.note)
	}
	args := append(connect.args, line.Options...)
	args = append(append(args, "--args"), append([]string{t.Path}, t.Args[1:]...)...)
	return runGDB(path, args, ctx.Done())
}

// gdbConnection is how gdb is told to connect.
type gdbConnection struct {
	args []string
	note string // for the person
}

// connection has gdb connect before anything that the person wants executed.
func connection(ctx context.Context, gdb, exe string, server *live.Endpoint, line gdbLine) (gdbConnection, error) {
	if !gdbhost.HasPython(ctx, gdb) {
		return gdbConnection{
			note: "yore: this gdb has no Python, in which yore's own commands are written; reverse execution works without",
			args: []string{"-iex", "set sysroot /", "-iex", "set remotetimeout 10000", "-ex", "target extended-remote " + server.Address},
		}, nil
	}
	file := filepath.Join(server.Dir(), "yore.gdb")
	mi := slices.ContainsFunc(line.Options, func(o string) bool {
		return strings.HasPrefix(strings.TrimLeft(o, "-"), "mi") || strings.Contains(o, "=mi")
	})
	if err := os.WriteFile(file, []byte(gdbhost.Script(exe, server.Address, mi)), 0o600); err != nil {
		return gdbConnection{}, err
	}
	return gdbConnection{args: []string{"-x", file}}, nil
}

// runGDB runs gdb in the foreground, as its own process, and ends with its
// status. It is killed when yore dies, and asked to end when stop is closed.
func runGDB(path string, args []string, stop <-chan struct{}) error {
	// The parent-death signal is tied to the thread that forks.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// ^C and ^\ are for gdb, which is in the same process group.
	signal.Ignore(unix.SIGINT, unix.SIGQUIT)
	defer signal.Reset(unix.SIGINT, unix.SIGQUIT)
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := startForeground(cmd); err != nil {
		return withStatus(exitMachine, err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-stop:
			cmd.Process.Signal(unix.SIGTERM)
		case <-ended:
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
			return exited(128 + int(ws.Signal()))
		}
		return exited(exit.ExitCode())
	}
	return err
}

// startForeground starts cmd with the signals that we ignore set back.
func startForeground(cmd *exec.Cmd) error {
	// exec keeps ignored signals ignored: gdb must not inherit that.
	signal.Reset(unix.SIGINT, unix.SIGQUIT)
	defer signal.Ignore(unix.SIGINT, unix.SIGQUIT)
	return cmd.Start()
}

func terminalWidth() int {
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}
