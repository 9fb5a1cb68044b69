package gdbmi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of Conn run the real gdb on a small program, without debuginfod,
// init files or an own idea of the locale.

const program = `
#include <stdio.h>
static int total;
int add(int x) { total += x; return total; }
int main(void) {
  for (int i = 0; i < 4; i++)
    add(i);
  puts("done");
  for (volatile int forever = total == 6; forever;)
    ;
  return 3;
}
`

func TestMain(m *testing.M) {
	if os.Getenv("GDBMI_TEST_ORPHAN") != "" {
		orphan()
		return
	}
	os.Exit(m.Run())
}

func needGDB(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("gdb")
	if err != nil {
		t.Skip("gdb is not installed")
	}
	return path
}

func compile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "prog.c"), filepath.Join(dir, "prog")
	if err := os.WriteFile(src, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O0", "-o", exe, src).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return exe
}

// heard records what the callbacks are told.
type heard struct {
	mu      sync.Mutex
	console strings.Builder
	raw     strings.Builder
	async   []Async
	late    []Result
	stopped chan Async
}

func start(t *testing.T, args ...string) (*Conn, *heard) {
	t.Helper()
	h := &heard{stopped: make(chan Async, 1000)}
	c, err := Start(Config{
		Path: needGDB(t),
		Args: append([]string{"-nx", "-q", "-iex", "set debuginfod enabled off", "-iex", "set confirm off"}, args...),
		Env:  []string{"LC_ALL=C"},
		OnAsync: func(a Async) {
			h.mu.Lock()
			h.async = append(h.async, a)
			h.mu.Unlock()
			if a.Class == "stopped" {
				h.stopped <- a
			}
		},
		OnLate: func(r Result) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.late = append(h.late, r)
		},
		OnStream: func(s Stream) {
			h.mu.Lock()
			defer h.mu.Unlock()
			switch s.Kind {
			case Console:
				h.console.WriteString(s.Text)
			case Raw:
				h.raw.WriteString(s.Text)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(5 * time.Second) })
	return c, h
}

// text returns and forgets the console's text so far.
func (h *heard) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.console.Reset()
	return h.console.String()
}

func send(t *testing.T, c *Conn, command string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := c.Send(ctx, command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return r
}

func (h *heard) stop(t *testing.T) Async {
	t.Helper()
	select {
	case a := <-h.stopped:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("the program did not stop")
		return Async{}
	}
}

func TestSession(t *testing.T) {
	c, h := start(t, compile(t))
	if n := send(t, c, "-break-insert add").Fields.Text("bkpt", "number"); n != "1" {
		t.Fatalf("breakpoint number %q", n)
	}
	if r := send(t, c, "-exec-run"); r.Class != "running" {
		t.Fatalf("-exec-run: %v", r)
	}
	stop := h.stop(t)
	if got := stop.Fields.Text("reason") + " " + stop.Fields.Text("frame", "func"); got != "breakpoint-hit add" {
		t.Fatalf("stopped: %v", stop)
	}
	frames := send(t, c, "-stack-list-frames").Fields.List("stack").Tuples()
	if len(frames) != 2 || frames[1].Text("func") != "main" {
		t.Fatalf("frames: %v", frames)
	}
	h.text()
	// What gdb says before a result has been heard when Send returns.
	for i := range 50 {
		send(t, c, fmt.Sprintf("-interpreter-exec console %s", Quote(fmt.Sprintf("echo %d \\\"\\n", i))))
		if got, want := h.text(), fmt.Sprintf("%d \"\n", i); got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
	// A command behind one that resumes answers when the program has stopped.
	send(t, c, "-break-delete 1")
	send(t, c, `-interpreter-exec console "finish"`)
	send(t, c, "-gdb-show confirm")
	select {
	case stop = <-h.stopped:
	default:
		t.Fatal("the second command was answered before the program stopped")
	}
	if got := stop.Fields.Text("return-value"); got != "0" {
		t.Fatalf("finish returned %q", got)
	}
	// An interrupt stops a program that runs for ever.
	send(t, c, "-exec-continue")
	if err := c.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if got := h.stop(t).Fields.Text("signal-name"); got != "SIGINT" {
		t.Fatalf("stopped by %q", got)
	}
}

func TestCommandError(t *testing.T) {
	c, _ := start(t)
	_, err := c.Send(t.Context(), "-no-such-command")
	var ce *CommandError
	if !errors.As(err, &ce) || ce.Code != "undefined-command" || ce.Command != "-no-such-command" {
		t.Fatalf("got %#v", err)
	}
	if _, err := c.Go("-a\n-b"); err == nil {
		t.Fatal("a command of two lines was accepted")
	}
}

// TestChildOutput: what a child of gdb prints is Raw, also when gdb's answer
// follows on the same line.
func TestChildOutput(t *testing.T) {
	c, h := start(t)
	send(t, c, `-interpreter-exec console "shell echo one; printf 12"`)
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := h.raw.String(); got != "one\n12" {
		t.Fatalf("heard %q", got)
	}
}

// TestLateError: a command that fails after it has resumed the program has two
// results.
func TestLateError(t *testing.T) {
	c, h := start(t, compile(t))
	send(t, c, "-break-insert add")
	send(t, c, "-exec-run")
	h.stop(t)
	send(t, c, "-break-insert *0")
	if r := send(t, c, `-interpreter-exec console "next"`); r.Class != "running" {
		t.Fatalf("next: %v", r)
	}
	send(t, c, "-gdb-show confirm")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.late) != 1 || h.late[0].Class != "error" || h.late[0].Fields.Text("msg") != "Command aborted." {
		t.Fatalf("late results: %v; raw %q", h.late, h.raw.String())
	}
}

func TestLongLines(t *testing.T) {
	c, h := start(t)
	n := 3 << 20
	send(t, c, fmt.Sprintf(`-interpreter-exec console "python print('x' * %d)"`, n))
	if got := h.text(); len(got) != n+1 || strings.Trim(got, "x") != "\n" {
		t.Fatalf("heard %d bytes", len(got))
	}
}

// TestSlowCallback: gdb's output is read while a callback is stuck.
func TestSlowCallback(t *testing.T) {
	release := make(chan struct{})
	c, err := Start(Config{Path: needGDB(t), Args: []string{"-nx", "-q"},
		OnStream: func(Stream) { <-release }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(5 * time.Second)
	mark := filepath.Join(t.TempDir(), "mark")
	// Far more than a pipe holds, then a file as the sign that gdb got past it.
	if _, err := c.Go(`-interpreter-exec console "python [print('y' * 1000) for i in range(2000)]"`); err != nil {
		t.Fatal(err)
	}
	call, err := c.Go(`-interpreter-exec console "python open('` + mark + `', 'w')"`)
	if err != nil {
		t.Fatal(err)
	}
	await(t, mark)
	close(release)
	if _, err := call.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// await waits until gdb has made a file.
func await(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("gdb does not get so far")
		}
	}
}

func TestDeath(t *testing.T) {
	c, _ := start(t)
	send(t, c, "-gdb-show confirm")
	var calls []*Call
	for _, cmd := range []string{`-interpreter-exec console "python import time; time.sleep(100)"`, "-gdb-show confirm", "-gdb-version"} {
		call, err := c.Go(cmd)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, call := range calls {
		_, err := call.Wait(t.Context())
		var ee *ExitError
		if !errors.As(err, &ee) {
			t.Fatalf("%s: %v, want an ExitError", call.command, err)
		}
		if ws := ee.State.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
			t.Fatalf("gdb ended by %v", ws)
		}
	}
	<-c.Done()
	if _, err := c.Send(t.Context(), "-gdb-version"); !errors.As(err, new(*ExitError)) {
		t.Fatalf("after the end: %v", err)
	}
	if err := c.Interrupt(); !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("interrupt after the end: %v", err)
	}
}

func TestExit(t *testing.T) {
	c, _ := start(t)
	if r := send(t, c, "-gdb-exit"); r.Class != "exit" {
		t.Fatalf("-gdb-exit: %v", r)
	}
	<-c.Done()
	var ee *ExitError
	if !errors.As(c.Err(), &ee) || !ee.State.Success() {
		t.Fatalf("%v", c.Err())
	}
}

func TestExitTellsWhy(t *testing.T) {
	c, _ := start(t, "--no-such-option")
	_, err := c.Send(t.Context(), "-gdb-version")
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(c.Err().(*ExitError).Stderr, "no-such-option") {
		t.Fatalf("%v", err)
	}
}

func TestCancel(t *testing.T) {
	c, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	mark := filepath.Join(t.TempDir(), "mark")
	call, err := c.Go(`-interpreter-exec console "python import time; open('` + mark + `', 'w'); time.sleep(100)"`)
	if err != nil {
		t.Fatal(err)
	}
	await(t, mark)
	cancel()
	if _, err := call.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	// The dropped result does not disturb the next command.
	if err := c.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if r := send(t, c, "-gdb-show confirm"); r.Fields.Text("value") != "off" {
		t.Fatalf("%v", r)
	}
}

func TestNoSuchGDB(t *testing.T) {
	if _, err := Start(Config{Path: "/no/such/gdb"}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v", err)
	}
}

// orphan is the other process of TestOrphan: it starts gdb and waits to be killed.
func orphan() {
	c, err := Start(Config{Path: "gdb", Args: []string{"-nx", "-q"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Send(context.Background(), "-gdb-version")
	fmt.Println(c.PID())
	select {}
}

// TestOrphan: gdb dies with us even when we are killed outright.
func TestOrphan(t *testing.T) {
	needGDB(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GDBMI_TEST_ORPHAN=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Fatalf("the other process said %q", s)
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("gdb's process group is %d, %v, want its own", group, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		// A zombie that nobody reaps counts as dead.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("gdb outlived us")
		}
	}
}
