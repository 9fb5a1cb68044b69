package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/gdbhost"
	"yore/cmd/yore/internal/inspect"
	"yore/cmd/yore/internal/live"
	"yore/engine/gdbserver"
)

func newGdbserver() *cobra.Command {
	var flags sessionFlags
	var listen, log string
	cmd := &cobra.Command{
		Use:   "gdbserver [FLAGS] [--] PROG [ARGS...]",
		Short: "serve gdb's remote protocol, forwards and backwards",
		Long: "gdbserver starts a program, records it, and waits for gdb or an IDE to connect with\n" +
			"`target extended-remote ADDRESS`. The program keeps yore's standard input and output. yore ends when gdb\n" +
			"kills the program, or by ^C. `monitor when`, `monitor timeline`, `monitor checkpoint` and what lists them work\n" +
			"there; for the commands that move the program start gdb by `yore gdb`.",
		Example: "  yore gdbserver --listen localhost:1234 ./prog\n" +
			"  gdb -ex 'target extended-remote localhost:1234' ./prog",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := programTarget("gdbserver", args)
			if err != nil {
				return err
			}
			if err := flags.check(); err != nil {
				return err
			}
			return serve(cmd, flags.program(t), listen, log)
		},
	}
	programArgs(cmd)
	cmd.Flags().StringVar(&listen, "listen", "", "the `ADDRESS` to listen at: a socket's path, or HOST:PORT; by default a socket of its own")
	cmd.Flags().StringVar(&log, "log", "", "write the packets to `FILE`")
	flags.registerProgram(cmd.Flags())
	flags.registerCheckpoints(cmd.Flags())
	return cmd
}

func serve(cmd *cobra.Command, p live.Program, listen, log string) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	var opts gdbserver.Options
	if log != "" {
		f, err := os.Create(log)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		defer f.Close()
		opts.Log = f
	}
	s, err := launch(ctx, p, [3]*os.File{os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		return err
	}
	defer s.Close()
	host, err := gdbhost.New(ctx, &live.Target{Session: s}, func() int { return 80 })
	if err != nil {
		return err
	}
	defer host.Close()
	e, err := live.Serve(ctx, host, listen, opts)
	if err != nil {
		return err
	}
	defer e.Close()
	fmt.Fprintf(cmd.ErrOrStderr(), "yore: listening; connect with: gdb -ex %s %s\n",
		inspect.Quote("target extended-remote "+e.Address), inspect.Quote(p.Path))
	return e.Wait()
}
