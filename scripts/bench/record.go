package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"yore/testprogs"
)

// A workload is a program to run: a sample of testprogs, by name, or a command of
// the machine.
type workload struct {
	program string
	command []string // when program is ""
	args    []string
	pinned  bool // the native run is held on one core
	status  int  // the exit status that it ends with natively
}

// argv builds the workload, if it is ours, and returns its command line.
func (w workload) argv() ([]string, error) {
	argv := w.command
	if w.program != "" {
		p, err := testprogs.Find(w.program)
		if err != nil {
			return nil, err
		}
		bin, err := p.Make()
		if err != nil {
			return nil, err
		}
		argv = []string{bin}
	}
	return append(slices.Clone(argv), w.args...), nil
}

// recording is the time of `yore record` over the native time of the same program.
func recording(w workload) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		return b.ratio(ctx, w, func(argv []string) (time.Duration, error) {
			dir := filepath.Join(b.dir, "recording")
			defer os.RemoveAll(dir)
			record := append([]string{b.yore, "record", "-q", "--force", "-o", dir, "--"}, argv...)
			return timed(ctx, record, false, w.status)
		})
	}
}

// live is the time from a session's first instruction to the program's end, with
// checkpoints kept on the way, over the native time.
func live(w workload) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		return b.ratio(ctx, w, func(argv []string) (time.Duration, error) {
			s, err := b.open(ctx, argv)
			if err != nil {
				return 0, err
			}
			defer s.close()
			stop, took, err := s.move(ctx, forth)
			if r := stop.Text("reason"); err == nil && r != "" && r != "no-history" { // gdb 13 gives no reason
				err = fmt.Errorf("stopped by %q, not at the program's end", r)
			}
			return took, err
		})
	}
}

// ratio runs a workload natively and under yore, in turn.
func (b *bench) ratio(ctx context.Context, w workload, under func(argv []string) (time.Duration, error)) ([]float64, error) {
	argv, err := w.argv()
	if err != nil {
		return nil, err
	}
	var native, recorded []float64
	for range b.runs {
		t, err := timed(ctx, argv, w.pinned, w.status)
		if err != nil {
			return nil, err
		}
		native = append(native, t.Seconds())
		if t, err = under(argv); err != nil {
			return nil, err
		}
		recorded = append(recorded, t.Seconds())
	}
	return []float64{median(recorded) / median(native)}, nil
}

// timed runs argv, which must end with the status given (128+N for signal N),
// and returns how long it took. Its output is dropped.
func timed(ctx context.Context, argv []string, pinned bool, status int) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	began := time.Now()
	err := start(cmd, pinned)
	if err == nil {
		err = cmd.Wait()
	}
	took := time.Since(began)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		if got = exit.ExitCode(); got < 0 {
			got = 128 + int(exit.Sys().(syscall.WaitStatus).Signal())
		}
	case err != nil:
		return 0, fmt.Errorf("%s: %w", argv[0], err)
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: took too long: %w", argv[0], ctx.Err())
	}
	if got != status {
		return 0, fmt.Errorf("%s ended with status %d, want %d: %s", argv[0], got, status, bytes.TrimSpace(errs.Bytes()))
	}
	return took, nil
}

// start starts cmd, on one core when pinned: a child inherits the affinity of
// the thread that makes it.
func start(cmd *exec.Cmd, pinned bool) error {
	if !pinned {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if was.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &was)
	return cmd.Start()
}

func cores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return set.Count()
}
