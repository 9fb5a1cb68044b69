package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/live"
	"yore/engine"
)

// program is what the flags and the target say is to be started.
func (f *sessionFlags) program(t target) live.Program {
	dir := f.Cwd
	if dir == "" {
		dir = t.Dir
	}
	return live.Program{
		Path: t.Path, Args: t.Args, Env: f.environ(os.Environ()), Dir: dir,
		Stdin: f.Stdin, Stdout: f.Stdout, Stderr: f.Stderr, TTY: f.TTY,
		CheckpointEvery: f.CheckpointEvery, CheckpointMemory: int64(f.CheckpointMemory),
	}
}

// programTarget is the program that a command's words name.
func programTarget(command string, words []string) (target, error) {
	if len(words) == 0 {
		return target{}, usagef("%s needs a program", command)
	}
	s, err := newSniffer()
	if err != nil {
		return target{}, err
	}
	t, err := s.program(words)
	return t, targetStatus(err)
}

// targetStatus gives an error about TARGET its exit status.
func targetStatus(err error) error {
	var t *targetError
	if !errors.As(err, &t) {
		return err
	}
	if t.Kind == problemForeign {
		return withStatus(exitData, err)
	}
	return withStatus(exitUsage, err)
}

// launch is live.Launch with an exit status and a hint on its errors. Remarks go to
// standard error unless p has another place for them.
func launch(ctx context.Context, p live.Program, std [3]*os.File) (*engine.Session, error) {
	if p.Remark == nil {
		p.Remark = func(s string) { fmt.Fprintf(os.Stderr, "yore: %s\n", s) }
	}
	s, err := live.Launch(ctx, p, std)
	var file *live.FileError
	switch {
	case err == nil:
		return s, nil
	case errors.As(err, &file):
		return nil, withStatus(exitUsage, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return nil, withStatus(exitMachine, fmt.Errorf("%s cannot be traced here: %w (see: yore doctor)", p.Args[0], err))
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return nil, withStatus(exitMachine, fmt.Errorf("%s cannot be started: %w (see: yore doctor)", p.Args[0], err))
	}
	return nil, fmt.Errorf("%s cannot be started: %w", p.Args[0], err)
}
