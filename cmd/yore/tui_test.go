package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"yore/testprogs"
)

// pane is a terminal of tmux's with a shell in it.
type pane struct {
	t      *testing.T
	socket string
}

// newPane starts a terminal. yore is on its PATH, the store is its own.
func newPane(t *testing.T, w, h int) *pane {
	t.Helper()
	for _, tool := range []string{"tmux", "gdb", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: %s is not installed", tool)
		}
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "yore")); err != nil {
		t.Fatal(err)
	}
	p := &pane{t, filepath.Join(dir, "tmux")}
	p.tmux("-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h),
		"-e", "PATH="+dir+":"+os.Getenv("PATH"), "-e", "YORE_DIR="+filepath.Join(dir, "store"), "-e", "HOME="+dir, "-e", "XDG_STATE_HOME=", "-e", "HISTFILE=/dev/null", "-e", "LC_ALL=C.UTF-8",
		"PS1='$ ' exec bash --norc --noprofile")
	t.Cleanup(func() { exec.Command("tmux", "-S", p.socket, "kill-server").Run() })
	p.await("$")
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "TMUX=")
	b, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %s: %v\n%s", args[0], err, b)
	}
	return string(b)
}

func (p *pane) screen() string { return p.tmux("capture-pane", "-p") }

// await waits until the screen has all texts on it.
func (p *pane) await(texts ...string) string {
	p.t.Helper()
	var s string
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		s = p.screen()
		n := 0
		for _, t := range texts {
			if strings.Contains(s, t) {
				n++
			}
		}
		if n == len(texts) {
			return s
		}
	}
	p.t.Fatalf("%q does not come up:\n%s", texts, s)
	return s
}

// keys presses keys by tmux's names.
func (p *pane) keys(keys ...string) { p.t.Helper(); p.tmux(append([]string{"send-keys"}, keys...)...) }

// line types a line at the shell or in a question.
func (p *pane) line(s string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", s)
	p.keys("Enter")
}

// TestTUIRecording scrubs along a recording, searches backwards and leaves.
func TestTUIRecording(t *testing.T) {
	p := newPane(t, 80, 24)
	p.line("yore record -q " + testprogs.Build(t, "demo_list") + " 2024; clear")
	p.line("TERM=dumb yore tui; echo refused with $?")
	p.await("cannot show a full screen", "refused with 69")
	p.line("clear; yore tui -nx; echo left with $?")
	p.await("end: exited with status 1", "▼", "limit 10: CORRUPT", "1 demo_", "? help")
	p.keys("Left", "Left", "Left", "Left", "Left", "Left")
	p.await("in the past")
	p.keys("Home")
	p.await("start", "event 0/")
	// A command, a question, an answer.
	p.keys("End")
	p.await("end: exited")
	p.keys("g")
	p.await("goto (")
	p.line("87")
	p.await("in the past", "event 87/")
	p.keys(":")
	p.line("break list_link")
	p.line("goto end")
	p.line("reverse-continue")
	p.await("list_link", "demo_list.c  list_link", "n = 0x")
	p.keys("Escape", "u")
	p.await("(yore) undo", "end: exited")
	p.keys("?")
	p.await("Backwards", "reverse-watch", "any other key goes back")
	p.keys("x", "q")
	p.await("left with 0")
}

// TestTUILive debugs a live program up to its crash, and back to whom to blame.
func TestTUILive(t *testing.T) {
	p := newPane(t, 120, 40)
	p.line("yore tui -nx --theme light " + testprogs.Build(t, "sig_crash") + "; echo left with $?")
	p.await("sig_crash.c  main", "live")
	p.keys("c")
	p.await("SIGSEGV", "sig_crash.c  report", "bob has 5")
	p.keys("w")
	p.line("chosen")
	p.await("chosen = 0x0")
	p.keys("R")
	p.line("")
	p.await("MARK culprit", "sig_crash.c  close_account", "*chosen = 0x")
	p.keys("n")
	p.await("*chosen = 0x0")
	p.keys("q")
	p.await("The program has not ended. Quit, and give up its history? (y or n)")
	p.keys("y")
	p.await("left with 0")
}

// TestTUIKilled: a yore that is killed leaves a terminal in which one can go on.
func TestTUIKilled(t *testing.T) {
	for _, c := range []struct{ sig, said string }{{"KILL", "yore was killed."}, {"TERM", "left with 143"}, {"ABRT", "yore crashed"}} {
		p := newPane(t, 100, 30)
		p.line("yore tui -nx " + testprogs.Build(t, "sig_crash") + "; echo left with $?; sleep 1; stty -a")
		p.await("sig_crash.c  main", "live")
		pid := strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_pid}"))
		children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", pid, pid))
		if err != nil {
			t.Skipf("skipped: this kernel does not list children: %v", err)
		}
		if err := exec.Command("kill", "-"+c.sig, strings.Fields(string(children))[0]).Run(); err != nil {
			t.Fatal(err)
		}
		s := p.await(c.said, " icanon", " echo ")
		if strings.Contains(s, "timeline") && strings.Contains(s, "▼") {
			t.Errorf("%s: the first screen is not back:\n%s", c.sig, s)
		}
		p.line("echo still $((6*7))")
		p.await("still 42")
	}
}
