package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"

	"yore/testprogs"
)

// recordingInfo is what is used of `yore info --json`.
type recordingInfo struct {
	Events int64 `json:"events"`
	Size   int64 `json:"size"`
	Meta   struct {
		Threads int              `json:"threads"`
		Seconds float64          `json:"seconds"`
		Counts  map[string]int64 `json:"counts"`
	} `json:"meta"`
}

// limit bounds each step of a program.
const limit = 15 * time.Minute

// mostMemory is what recording may take: yore's own resident memory.
const mostMemory = 200 << 20

// check puts one program to the test.
func check(ctx context.Context, yore string, p program, keep bool) (r result) {
	r.program = p
	argv, stdin, status, missing, err := p.resolve()
	if r.missing, r.err = missing, err; missing != "" || err != nil {
		return r
	}
	dir, err := os.MkdirTemp("", "yore-conformance-")
	if err != nil {
		r.err = err
		return r
	}
	defer func() {
		if r.err != nil && keep {
			r.err = fmt.Errorf("%w (kept in %s)", r.err, dir)
			return
		}
		os.RemoveAll(dir)
	}()
	r.err = r.steps(ctx, yore, dir, argv, stdin, status)
	return r
}

// resolve is the command line, and what the program lacks here.
func (p program) resolve() (argv []string, stdin string, status int, missing string, err error) {
	for _, n := range p.needs {
		if n == "python3" {
			n = pythonPath
		}
		if _, err := exec.LookPath(n); err != nil {
			return nil, "", 0, n + " is not installed", nil
		}
	}
	if p.sample == "" {
		return p.run, p.stdin, p.status, "", nil
	}
	s, err := testprogs.Find(p.sample)
	if err != nil {
		return nil, "", 0, "", err
	}
	bin, err := s.Make(p.flags...)
	if errors.Is(err, testprogs.ErrNoCompiler) {
		return nil, "", 0, err.Error(), nil
	}
	if err != nil {
		return nil, "", 0, "cannot be built here: " + strings.Join(strings.Fields(err.Error()), " "), nil
	}
	status = s.Exit
	if s.Signal != 0 {
		status = 128 + s.Signal
	}
	args := s.Args
	if p.args != nil {
		args = p.args
	}
	return append([]string{bin}, args...), s.Stdin, status, "", nil
}

func (r *result) steps(ctx context.Context, yore, dir string, argv []string, stdin string, status int) error {
	native, err := r.prepare(ctx, dir, "native")
	if err != nil {
		return err
	}
	recorded, err := r.prepare(ctx, dir, "recorded")
	if err != nil {
		return err
	}
	want, err := r.run(ctx, native, argv, stdin)
	if err != nil {
		return err
	}
	r.native = want.took
	if want.status != status {
		return fmt.Errorf("natively it ends with status %d, not %d: %s", want.status, status, want.errors)
	}
	rec := filepath.Join(dir, "recording")
	got, err := r.run(ctx, recorded, append(append([]string{yore, "record", "-q", "-o", rec}, r.program.record...), append([]string{"--"}, argv...)...), stdin)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	r.recorded = got.took
	if got.status != want.status {
		return fmt.Errorf("recorded it ends with status %d, natively with %d: %s", got.status, want.status, got.errors)
	}
	if !r.program.varies && got.output != want.output {
		return fmt.Errorf("recorded it prints %q, natively %q", clip(got.output), clip(want.output))
	}
	if err := same(filepath.Join(native, r.program.makes), filepath.Join(recorded, r.program.makes)); r.program.makes != "" && err != nil {
		return err
	}
	r.memory = got.memory
	if r.memory > mostMemory {
		return fmt.Errorf("recording took %d MB of memory", r.memory>>20)
	}
	if err := r.info.read(ctx, yore, rec); err != nil {
		return err
	}
	v, err := execute(ctx, dir, nil, "", yore, "verify", rec)
	if err != nil {
		return err
	}
	r.replayed = v.took
	if v.status != 0 || !strings.HasPrefix(v.output, "verified: ") {
		return fmt.Errorf("verify: status %d: %s%s", v.status, clip(v.output), v.errors)
	}
	// And from each image to the next.
	v, err = execute(ctx, dir, nil, "", yore, "verify", "--images", rec)
	if err != nil {
		return err
	}
	if v.status != 0 || !strings.HasPrefix(v.output, "verified: ") {
		return fmt.Errorf("verify --images: status %d: %s%s", v.status, clip(v.output), v.errors)
	}
	if r.program.still {
		return nil
	}
	return wander(ctx, yore, rec)
}

// same holds two files against each other.
func same(a, b string) error {
	x, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return fmt.Errorf("recorded it makes another %s than natively", filepath.Base(a))
	}
	return nil
}

// prepare makes a working directory.
func (r *result) prepare(ctx context.Context, dir, name string) (string, error) {
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o777); err != nil || r.program.setup == "" {
		return dir, err
	}
	root, err := testprogs.Root()
	if err != nil {
		return dir, err
	}
	out, err := execute(ctx, dir, []string{"TESTPROGS=" + root}, "", "/bin/sh", "-ec", r.program.setup)
	if err == nil && out.status != 0 {
		err = fmt.Errorf("setup: status %d: %s", out.status, out.errors)
	}
	return dir, err
}

// outcome is what a run did.
type outcome struct {
	status int // 128+N for signal N
	output string
	errors string
	took   time.Duration
	memory int64 // most at a time, bytes
}

// run runs a program, on a terminal when something is to be typed.
func (r *result) run(ctx context.Context, dir string, argv []string, stdin string) (outcome, error) {
	if r.program.typed == "" {
		return execute(ctx, dir, nil, stdin, argv...)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm")
	began := time.Now()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return outcome{}, err
	}
	defer tty.Close()
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		io.Copy(&out, tty) // ends with EIO
		close(read)
	}()
	// A person types when the program has shown something.
	for _, c := range r.program.typed {
		time.Sleep(30 * time.Millisecond)
		tty.WriteString(string(c))
	}
	err = cmd.Wait()
	<-read
	return finish(ctx, cmd, err, began, out.String(), "")
}

// execute runs a command to its end.
func execute(ctx context.Context, dir string, env []string, stdin string, argv ...string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return outcome{}, err
	}
	stop := make(chan struct{})
	most := make(chan int64)
	go func() { most <- watchMemory(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	close(stop)
	o, err := finish(ctx, cmd, err, began, out.String(), errs.String())
	o.memory = <-most
	return o, err
}

// watchMemory returns the most resident memory that a process was seen with, bytes.
func watchMemory(pid int, stop chan struct{}) (most int64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return most
		case <-tick.C:
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, rest, _ := strings.Cut(string(b), "VmHWM:")
			var kb int64
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				most = max(most, kb<<10)
			}
		}
	}
}

func finish(ctx context.Context, cmd *exec.Cmd, err error, began time.Time, out, errs string) (outcome, error) {
	o := outcome{output: out, errors: clip(errs), took: time.Since(began)}
	if ctx.Err() != nil {
		return o, fmt.Errorf("%s took longer than %v", cmd.Args[0], limit)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return o, err
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if o.status = ws.ExitStatus(); ws.Signaled() {
		o.status = 128 + int(ws.Signal())
	}
	return o, nil
}

func (i *recordingInfo) read(ctx context.Context, yore, rec string) error {
	out, err := execute(ctx, "", nil, "", yore, "info", "--json", rec)
	if err != nil {
		return err
	}
	if out.status != 0 {
		return fmt.Errorf("info: status %d: %s", out.status, out.errors)
	}
	if err := json.Unmarshal([]byte(out.output), i); err != nil {
		return fmt.Errorf("info: %w", err)
	}
	return nil
}

// wander goes to random points of a recording in one session and looks at each,
// then to the same points by their positions, in another order, and looks again.
func wander(ctx context.Context, yore, rec string) error {
	if _, err := exec.LookPath("gdb"); err != nil {
		return errors.New("gdb is not installed")
	}
	const points = 4
	look := func(i int) []string {
		return []string{"-ex", fmt.Sprintf("echo \\nPOINT %d\\n", i), "-ex", "info registers", "-ex", "x/32gx $sp", "-ex", "echo \\nEND\\n"}
	}
	args := []string{yore, "replay", "--batch", "-nx", "--backend", "gdb"}
	for i := range points {
		args = append(args, "-ex", fmt.Sprintf("goto %.2f%%", 100*rand.Float64()), "-ex", "stepi 3", "-ex", fmt.Sprintf("bookmark p%d", i))
		args = append(args, look(i)...)
	}
	for i := points - 1; i >= 0; i-- {
		args = append(args, "-ex", "goto start", "-ex", fmt.Sprintf("goto p%d", i))
		args = append(args, look(i)...)
	}
	out, err := execute(ctx, "", nil, "", append(args, rec)...)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if out.status != 0 {
		return fmt.Errorf("replay: status %d: %s", out.status, out.errors)
	}
	first := map[string]string{}
	for _, part := range strings.Split(out.output, "\nPOINT ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, whole := strings.Cut(text, "\nEND\n")
		if !whole {
			return fmt.Errorf("replay: point %s has no end: %s", name, clip(text))
		}
		if was, seen := first[name]; !seen {
			first[name] = text
		} else if was != text {
			return fmt.Errorf("replay: point %s was %q and is %q", name, clip(was), clip(text))
		}
	}
	if len(first) != points {
		return fmt.Errorf("replay: %d points of %d", len(first), points)
	}
	return nil
}

func clip(s string) string {
	const most = 400
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
