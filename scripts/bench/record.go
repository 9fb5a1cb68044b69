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
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A workload is a program to run. Source is a file of testprogs/bench, built at
// -O2 -g, or empty for a program of the machine.
type workload struct {
	source string
	args   []string
	pinned bool // the native run is held on one core
	status int  // the exit status that it ends with natively
}

// command builds the workload, once, and returns its argv.
func (b *bench) command(ctx context.Context, w workload) ([]string, error) {
	if w.source == "" {
		return w.args, nil
	}
	bin, err := b.build(ctx, w.source)
	if err != nil {
		return nil, err
	}
	return append([]string{bin}, w.args...), nil
}

// build compiles a C file of testprogs/bench into the bench's directory.
func (b *bench) build(ctx context.Context, source string) (string, error) {
	bin := filepath.Join(b.dir, source[:len(source)-len(filepath.Ext(source))])
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	src := filepath.Join("testprogs/bench", source)
	if out, err := exec.CommandContext(ctx, "gcc", "-O2", "-g", "-pthread", "-o", bin, src).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", src, err, bytes.TrimSpace(out))
	}
	return bin, nil
}

// recording is the time of `yore record` over the native time of the same program.
func recording(w workload) measurement {
	return func(ctx context.Context, b *bench) ([]float64, error) {
		argv, err := b.command(ctx, w)
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(b.dir, "recording")
		record := append([]string{b.yore, "record", "-q", "--force", "-o", dir, "--"}, argv...)
		var native, recorded []float64
		for range b.runs {
			t, err := timed(ctx, argv, w.pinned, w.status)
			if err != nil {
				return nil, err
			}
			native = append(native, t.Seconds())
			if t, err = timed(ctx, record, false, w.status); err != nil {
				return nil, err
			}
			recorded = append(recorded, t.Seconds())
		}
		return []float64{median(recorded) / median(native)}, os.RemoveAll(dir)
	}
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
