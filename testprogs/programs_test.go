package testprogs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestPrograms runs every program natively, as its header says: what fails here
// is the program's own fault.
func TestPrograms(t *testing.T) {
	ps, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(ps) < 8 {
		t.Fatalf("only %d programs found", len(ps))
	}
	for _, p := range ps {
		name := strings.ReplaceAll(p.Name, "/", "_")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			natively(t, p)
		})
		if p.Lang == "c" {
			t.Run(name+"_O2", func(t *testing.T) {
				t.Parallel()
				natively(t, p, "-O2")
			})
		}
	}
}

func natively(t *testing.T, p *Program, flags ...string) {
	argv := append([]string{Build(t, p.Name, flags...)}, p.Args...)
	switch p.Lang {
	case "sql":
		return // input for a program that is not ours
	case "py":
		argv = append([]string{"python3"}, argv...)
		if _, err := exec.LookPath("python3"); err != nil {
			t.Skip("skipped: python3 is not installed")
		}
	}
	run(t, p, argv)
}

func run(t *testing.T, p *Program, argv []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(p.Stdin), &out, &errs
	drained := func() {}
	if has(p.Needs, "pty") {
		drained = onPty(t, p, cmd, &out)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if has(p.Needs, "kill") {
		time.AfterFunc(100*time.Millisecond, func() { cmd.Process.Signal(syscall.SIGTERM) })
		p.Signal = int(syscall.SIGTERM)
	}
	err := cmd.Wait()
	drained()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	sig := 0
	if ws.Signaled() {
		sig = int(ws.Signal())
	}
	if sig != p.Signal || sig == 0 && ws.ExitStatus() != p.Exit {
		t.Errorf("ended with status %d, signal %d; the header says %d, %d\n%s%s", ws.ExitStatus(), sig, p.Exit, p.Signal, &out, &errs)
	}
	if p.Output != nil && out.String() != *p.Output {
		t.Errorf("output %q, the header says %q\n%s", out.String(), *p.Output, &errs)
	}
}

// onPty gives the program a terminal of its own and types p.Stdin into it. The
// result waits, when the program has ended, until all its output is in out.
func onPty(t *testing.T, p *Program, cmd *exec.Cmd, out *bytes.Buffer) (drained func()) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if _, err := master.WriteString(p.Stdin); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b) // ends with EIO when the last slave closes
			out.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	return func() {
		slave.Close()
		<-done
		master.Close()
	}
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// TestBuild checks what callers rely on: one path per source and flags, flags
// that reach the compiler, and errors that say what went wrong.
func TestBuild(t *testing.T) {
	plain := Build(t, "demo_list")
	if again := Build(t, "demo_list"); again != plain {
		t.Errorf("built twice: %s and %s", plain, again)
	}
	static := Build(t, "demo_list", "-O2", "-static")
	if static == plain {
		t.Errorf("-O2 -static gave the same file as no flags: %s", plain)
	}
	a, err1 := os.Stat(plain)
	b, err2 := os.Stat(static)
	if err1 != nil || err2 != nil || b.Size() < 10*a.Size() {
		t.Errorf("static executable is not much larger: %v %v", err1, err2)
	}
	p, err := Find("demo_list")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make("-no-such-flag"); err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("bad flag: %v", err)
	}
	if _, err := Find("no_such_program"); err == nil {
		t.Error("found a program that does not exist")
	}
	if p.Exit != 1 || len(p.Args) != 1 || p.Args[0] != "7" {
		t.Errorf("header of demo_list: %+v", p)
	}
	if n := Line(t, "demo_list", "culprit"); n < 60 || n > 120 {
		t.Errorf("marked line of demo_list: %d", n)
	}
	if _, err := p.Line("nowhere"); err == nil {
		t.Error("found a mark that does not exist")
	}
}
