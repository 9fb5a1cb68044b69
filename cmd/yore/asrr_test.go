package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"yore/testprogs"
)

// stockDelve builds the Delve of go.mod, unmodified, and returns its directory.
func stockDelve(t *testing.T) string {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-delve/delve")
	list.Dir = moduleRoot(t)
	src, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// Of its command line's modules only Delve's own go.sum knows.
	build := exec.Command("go", "-C", strings.TrimSpace(string(src)), "build", "-o", filepath.Join(dir, "dlv"), "./cmd/dlv")
	if out, err := build.CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("dial tcp")) {
			t.Skipf("skipped: dlv cannot be built without its modules: %s", out)
		}
		t.Fatalf("building dlv: %v\n%s", err, out)
	}
	return dir
}

// withoutParanoia returns the words that start a command where
// perf_event_paranoid is 1, above which Delve refuses before it starts rr. It is
// the README's way round.
func withoutParanoia(t *testing.T) []string {
	t.Helper()
	const file = "/proc/sys/kernel/perf_event_paranoid"
	b, err := os.ReadFile(file)
	if n, _ := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || n <= 1 {
		return nil
	}
	one := filepath.Join(t.TempDir(), "one")
	write(t, one, []byte("1\n"), 0o644)
	words := []string{"unshare", "-rm", "sh", "-c", `mount --bind ` + one + ` ` + file + ` && exec "$@"`, "sh"}
	if out, err := exec.Command(words[0], append(words[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("skipped: %s is %d and cannot be hidden: %s", file, int(b[0]-'0'), out)
	}
	return words
}

// Stock Delve opens a recording, and goes back in it.
func TestStockDelveReplay(t *testing.T) {
	around := withoutParanoia(t)
	stock := stockDelve(t)
	exe := testprogs.Build(t, "go/bank", "-gcflags=all=-N -l")
	rec := filepath.Join(t.TempDir(), "rec")
	if out, err := exec.Command("yore", "record", "-q", "-o", rec, exe, "7").CombinedOutput(); cmdStatus(err) != 2 {
		t.Fatalf("record: %v\n%s", err, out)
	}
	culprit, called := testprogs.Line(t, "go/bank", "culprit"), testprogs.Line(t, "go/bank", "call")
	panics := testprogs.Line(t, "go/bank", "panic")
	at := func(function string, line int) string {
		return regexp.QuoteMeta(fmt.Sprintf("main.%s()", function)) + `.*bank\.go:` + strconv.Itoa(line) + ` `
	}
	s := []struct{ command, want string }{
		// From the failure back to it.
		{"continue", `unrecovered-panic`},
		{"continue", `has exited`},
		{"continue", `has exited`},
		{"rev continue", `unrecovered-panic`},
		{"rev next", at("main", panics)},
		// To a breakpoint set after the fact, and over its statement and back.
		{fmt.Sprintf("break bank.go:%d", culprit), `Breakpoint 1 set`},
		{"rev continue", at("(*Bank).Transfer", culprit) + `(?s).*\n[0-9]+\+[0-9]+@0x[0-9a-f]+\n`},
		{"print n == 0", `false`},
		{"step", at("(*Bank).Transfer", culprit+1)},
		{"rev step", at("(*Bank).Transfer", culprit)},
		{"goroutines", `\* Goroutine \d+ - User: .*main\.\(\*Bank\)\.Transfer(?s).*\[\d+ goroutines\]`},
		{"rev stepout", at("main.func1", called)},
		// Checkpoints.
		{"checkpoint hill", `Checkpoint c1 created`},
		{"checkpoints", `c1\s+\d+\s+hill`},
		{"rev continue", at("(*Bank).Transfer", culprit)},
		{"restart c1", at("main.func1", called)},
		{"clear-checkpoint c1", ``},
		{"restart c1", `there is no checkpoint 1`},
		// By hardware, both ways.
		{"clearall", `cleared`},
		{"watch -w main.bank.Accounts[0].Balance", `Watchpoint`},
		{"rev continue", `watchpoint on \[main\.bank`},
		{"continue", `watchpoint on \[main\.bank`},
		{"clearall", `cleared`},
		// What cannot be done says so.
		{"call main.bank.Sum()", `protocol error`},
		// To the start, where going back stays.
		{"rewind", `_rt0_amd64_linux`},
		{"rewind", `_rt0_amd64_linux`},
		{"rev step-instruction", `_rt0_amd64_linux`},
		{"break main.main", `Breakpoint \d set`},
		{"continue", `main\.main\(\) .*bank\.go:`},
		{"restart", `_rt0_amd64_linux`},
	}
	// Behind each command a script whose only command fails under its own name.
	dir := t.TempDir()
	var script strings.Builder
	for i, c := range s {
		mark := filepath.Join(dir, fmt.Sprintf("mark%d", i))
		write(t, mark, []byte("nosuchcommand\n"), 0o644)
		fmt.Fprintf(&script, "%s\nsource %s\n", c.command, mark)
	}
	script.WriteString("quit\n")
	file := filepath.Join(dir, "script")
	write(t, file, []byte(script.String()), 0o644)
	// yore's own dlv, which comes first on PATH, leaves replay to the other.
	words := append(around, "dlv", "replay", rec, "--allow-non-terminal-interactive=true", "--init", file)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+stock, "NO_COLOR=1")
	raw, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dlv: %v\n%s", err, raw)
	}
	rest := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(string(raw), "")
	for i, c := range s {
		got, after, ok := strings.Cut(rest, fmt.Sprintf("mark%d:", i))
		if !ok || !regexp.MustCompile(c.want).MatchString(got) {
			t.Fatalf("%s: want %q, got:\n%s\nall:\n%s", c.command, c.want, got, raw)
		}
		rest = after
	}
}

// cmdStatus is the status that a command ended with.
func cmdStatus(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

// What Delve never asks for, or what is not there, is a sentence.
func TestRRRefuses(t *testing.T) {
	for _, c := range []struct {
		args   string
		want   string
		status int
	}{
		{"", "this is yore in rr's place", exitUsage},
		{"ps", "this is yore in rr's place", exitUsage},
		{"replay --dbgport=0 --onprocess=3 x", "rr replay --onprocess=3: this is yore in rr's place", exitUsage},
		{"replay x", "this is yore in rr's place", exitUsage},
		{"replay --dbgport=0 /nonexistent", "/nonexistent", exitFailed},
	} {
		out, err := exec.Command("rr", strings.Fields(c.args)...).CombinedOutput()
		if !strings.Contains(string(out), c.want) || cmdStatus(err) != c.status {
			t.Errorf("rr %s: status %d, %q", c.args, cmdStatus(err), out)
		}
	}
	if out, err := exec.Command("rr", "--version").CombinedOutput(); err != nil || string(out) != "rr version "+rrVersion+"\n" {
		t.Errorf("rr --version: %q, %v", out, err)
	}
}

// The installer's links are what Delve looks for, and nothing else loses its name.
func TestNames(t *testing.T) {
	script := filepath.Join(moduleRoot(t), "scripts/names")
	self, err := exec.LookPath("yore")
	if err != nil {
		t.Fatal(err)
	}
	// What rr and dlv are links to is called yore.
	yore := filepath.Join(t.TempDir(), "yore")
	if b, err := os.ReadFile(self); err != nil {
		t.Fatal(err)
	} else {
		write(t, yore, b, 0o755)
	}
	dir := filepath.Join(t.TempDir(), "a b")
	for range 2 {
		cmd := exec.Command(script, dir)
		cmd.Env = append(os.Environ(), "YORE="+yore)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("scripts/names: %v\n%s", err, out)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "rr"), "--version").Output(); string(out) != "rr version "+rrVersion+"\n" {
		t.Errorf("rr: %q, %v", out, err)
	}
	if out, err := exec.Command(filepath.Join(dir, "dlv"), "version").Output(); !strings.Contains(string(out), delveVersion) {
		t.Errorf("dlv: %q, %v", out, err)
	}
	other := t.TempDir()
	write(t, filepath.Join(other, "rr"), []byte("another"), 0o755)
	cmd := exec.Command(script, other)
	cmd.Env = append(os.Environ(), "YORE="+yore)
	out, err := cmd.CombinedOutput()
	if cmdStatus(err) != 1 || !strings.Contains(string(out), "is not yore") {
		t.Errorf("scripts/names over another rr: %v\n%s", err, out)
	}
	if b, _ := os.ReadFile(filepath.Join(other, "rr")); string(b) != "another" {
		t.Error("another rr was overwritten")
	}
}
