package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"yore/engine"
	"yore/engine/trace"
)

// Signals, deaths, full disks and terminals: what `record` does when the world is
// not kind. Exit statuses and flags are in testdata/script/record.txtar.

// recorder is a running `yore record`.
type recorder struct {
	cmd *exec.Cmd
	out bytes.Buffer
	dir string
}

// startRecord records a shell's script into a new directory, and returns when the
// script has made the file `up` in its working directory.
func startRecord(t *testing.T, script string, flags ...string) *recorder {
	t.Helper()
	work := t.TempDir()
	r := &recorder{dir: filepath.Join(work, "rec")}
	args := append([]string{"record", "-q", "-o", r.dir}, flags...)
	r.cmd = yoreCommand(t, append(args, "--", "sh", "-c", script)...)
	r.cmd.Dir = work
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill() })
	awaitFile(t, filepath.Join(work, "up"))
	return r
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not come within a minute", path)
		}
	}
}

// status waits for the end and returns the exit status, -1 for a signal's.
func (r *recorder) status(t *testing.T) int {
	t.Helper()
	err := r.cmd.Wait()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// verified replays a recording and returns what it lost.
func verified(t *testing.T, dir string) engine.Verified {
	t.Helper()
	v, err := engine.Verify(t.Context(), dir, false, nil)
	if err != nil {
		t.Fatalf("%v\nto reproduce: yore verify %s", err, dir)
	}
	return v
}

// A signal sent to yore reaches the program, which may handle it or die of it; the
// recording is whole either way.
func TestRecordPassesSignals(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		name := strings.TrimPrefix(unix.SignalName(sig), "SIG")
		handled := startRecord(t, fmt.Sprintf("trap 'echo got %s; exit 9' %s; touch up; while :; do sleep 0.02; done", name, name))
		handled.cmd.Process.Signal(sig)
		if st := handled.status(t); st != 9 || handled.out.String() != "got "+name+"\n" {
			t.Errorf("%v, handled: status %d, %q", sig, st, handled.out.String())
		}
		// perl dies of what it does not handle, a shell may have its own ideas.
		fatal := startRecord(t, `exec perl -e 'open F, ">up"; sleep 100'`)
		fatal.cmd.Process.Signal(sig)
		if st := fatal.status(t); st != 128+int(sig) {
			t.Errorf("%v, not handled: status %d: %s", sig, st, fatal.out.String())
		}
		for _, r := range []*recorder{handled, fatal} {
			if v := verified(t, r.dir); len(v.Cut) > 0 || v.Checkpoints < 2 {
				t.Errorf("%v: %+v", sig, v)
			}
		}
		if m, err := trace.ReadMeta(fatal.dir); err != nil || m.Ended == nil || m.Ended.Signal != int(sig) {
			t.Errorf("%v: the recording says %+v, %v", sig, m, err)
		}
	}
}

// The program killed from outside: recorded to its death.
func TestRecordProgramKilled(t *testing.T) {
	r := startRecord(t, "echo $$ >pid; touch up; while :; do sleep 0.01; done")
	b, err := os.ReadFile(filepath.Join(r.cmd.Dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(string(b), &pid)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t); st != 137 {
		t.Errorf("status %d: %s", st, r.out.String())
	}
	if v := verified(t, r.dir); len(v.Cut) > 0 {
		t.Errorf("%+v", v)
	}
}

// yore killed: the program dies with it, and what was recorded up to then opens,
// says that it was cut, and verifies.
func TestRecordKilled(t *testing.T) {
	r := startRecord(t, "i=0; while :; do i=$((i+1)); echo $i; test $i = 3000 && sleep 0.5 && touch up; done >/dev/null")
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.status(t)
	v := verified(t, r.dir)
	if len(v.Cut) == 0 || v.Events < 3000 {
		t.Errorf("%+v", v)
	}
	out, err := yoreCommand(t, "info", r.dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\ncut short: ") || !strings.Contains(string(out), "\nended:       cut short") {
		t.Errorf("info: %v\n%s", err, out)
	}
	s, err := engine.Open(t.Context(), r.dir, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(s.Cut()) == 0 {
		t.Error("the session does not say that the recording was cut")
	}
}

// A full disk ends the recording, not the program.
func TestRecordFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("skipped: a small file system cannot be mounted: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	rec := filepath.Join(dir, "rec")
	cmd := yoreCommand(t, "record", "-q", "-o", rec, "--", "dd", "if=/dev/urandom", "of=/dev/null", "bs=64k", "count=100")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if err != nil || !strings.Contains(stderr.String(), "100+0 records out") {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	if n := strings.Count(stderr.String(), "yore: the recording is cut short: "); n != 1 || !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("said:\n%s", stderr.String())
	}
	if v := verified(t, rec); v.Events < 20 {
		t.Errorf("%+v", v)
	}
}

// A shell's job control: a program under yore stops and goes on as it would alone.
func TestRecordJobControl(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("skipped: bash is not installed")
	}
	dir := t.TempDir()
	self := yoreCommand(t).Path
	if err := os.WriteFile(filepath.Join(dir, "say"), []byte("while read a; do echo \"<$a>\"; done; echo end; exit 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc", "--noediting", "-i")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PS1=$ ", "TERM=dumb", "YORE_DIR="+dir+"/store", "YORE="+self)
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer cmd.Process.Kill()
	s := &screen{tty: tty}
	go s.read()
	const job = `(exec -a yore "$YORE" record sh say)`
	for _, step := range []struct{ keys, want string }{
		{`yore() { (exec -a yore "$YORE" "$@"); }; stty -echo; echo re""ady` + "\n", "ready"},
		{job + "\none\n", "<one>"},
		{"\x1a", "Stopped"},
		{"echo between\n", "between"},
		{"fg\n", "say"},
		{"two\n", "<two>"},
		{"\x1a", "Stopped"},
		{"bg\n", "say"},
		{"sleep 1; jobs\n", "Stopped"}, // it reads from the terminal
		{"fg\nthree\n", "<three>"},
		{"\x04", "recording: "},
		{"echo status $?\n", "status 3"},
		{job + "\nfour\n", "<four>"},
		{"\x03", "recording: "}, // ^C
		{"echo status $?\n", "status 130"},
	} {
		s.reset()
		io.WriteString(tty, step.keys)
		if !s.await(step.want) {
			t.Fatalf("after %q there is no %q but %q", step.keys, step.want, s.text())
		}
	}
	if v := verified(t, filepath.Join(dir, "store", "sh-1")); len(v.Cut) > 0 {
		t.Errorf("%+v", v)
	}
}
