package main

// Sessions of the full-screen front-end on real programs, by keys in a terminal of
// tmux's: everything that a key asks for must come up on the screen.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A screen is a program that is recorded and then looked at.
type screen struct {
	name  string
	needs []string
	setup string
	run   []string
	w, h  int
}

var screens = []screen{
	{name: "full screen: ls, 80x24", run: []string{"ls", "-la", "/etc/ssl"}, w: 80, h: 24},
	{name: "full screen: python3 with threads, 120x40", needs: []string{"python3"}, w: 120, h: 40,
		run: py("import threading; n=[0]; l=threading.Lock()\ndef f():\n for _ in range(2000):\n  with l: n[0]+=1\nt=[threading.Thread(target=f) for _ in range(4)]\n[x.start() for x in t]; [x.join() for x in t]; print(n)")},
	{name: "full screen: git log, 100x30", needs: []string{"git"}, setup: gitSetup, run: []string{"git", "-C", "r", "log", "--stat"}, w: 100, h: 30},
}

// keystroke is a key, and what must be on the screen afterwards; texts that begin
// with ! must not be there.
type keystroke struct {
	key  string
	want []string
}

var walk = []keystroke{
	{"Home", []string{"  start", "event 0/"}},
	{">", []string{"event 1/"}},
	{">", []string{"event 2/"}},
	{"<", []string{"event 1/"}},
	{"L", []string{"!event 1/", "in the past"}},
	{"L", []string{"in the past"}},
	{"+", []string{"▸"}},
	{"0", []string{"!▸"}},
	{"End", []string{"end: exited"}},
	{"H", []string{"in the past"}},
	{"?", []string{"Backwards", "Along the timeline"}},
	{"Escape", []string{"timeline", "!Along the timeline"}},
	{"C", []string{"  start"}},
	{"u", []string{"!  start"}},
}

// look records the program and looks at it. It returns the median time from a key
// to the screen that it asks for.
func (s *screen) look(ctx context.Context, yore string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "yore-screen-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if s.setup != "" {
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.setup)
		cmd.Dir = dir
		if b, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("setup: %w: %s", err, b)
		}
	}
	rec := filepath.Join(dir, "rec")
	cmd := exec.CommandContext(ctx, yore, append([]string{"record", "-q", "-o", rec, "--"}, s.run...)...)
	cmd.Dir = dir
	if b, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("record: %w: %s", err, clip(string(b)))
	}
	socket := filepath.Join(dir, "tmux")
	tmux := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "tmux", append([]string{"-S", socket}, args...)...)
		cmd.Env = append(os.Environ(), "TMUX=", "TERM=xterm-256color", "LC_ALL=C.UTF-8")
		b, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("tmux %s: %w: %s", args[0], err, clip(string(b)))
		}
		return string(b), err
	}
	if _, err := tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(s.w), "-y", fmt.Sprint(s.h), "-e", "LC_ALL=C.UTF-8",
		yore, "tui", "-nx", rec); err != nil {
		return 0, err
	}
	defer exec.Command("tmux", "-S", socket, "kill-server").Run()
	await := func(want []string) error {
		text := ""
		for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			if text, err = tmux("capture-pane", "-p"); err != nil {
				return err
			}
			if !slices.ContainsFunc(want, func(w string) bool {
				not, absent := strings.CutPrefix(w, "!")
				return strings.Contains(text, not) == absent
			}) {
				return nil
			}
		}
		return fmt.Errorf("%q does not come up:\n%s", want, text)
	}
	if err := await([]string{"end: exited", "▼"}); err != nil {
		return 0, err
	}
	var times []time.Duration
	for i, k := range walk {
		began := time.Now()
		if _, err := tmux("send-keys", k.key); err != nil {
			return 0, err
		}
		if err := await(k.want); err != nil {
			return 0, fmt.Errorf("key %d, %s: %w", i+1, k.key, err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	if _, err := tmux("send-keys", "q"); err != nil {
		return 0, err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := tmux("has-session"); err != nil {
			break // the session ends with yore
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("q does not end it")
		}
	}
	return times[len(times)/2], nil
}

// lookAll looks at all screens that match, prints a row each, and returns how many
// failed.
func lookAll(ctx context.Context, yore string, match func(string) bool) (failed int) {
	for _, s := range screens {
		if !match(s.name) || ctx.Err() != nil {
			continue
		}
		last := ""
		for _, n := range append([]string{"tmux", "gdb"}, s.needs...) {
			if _, err := exec.LookPath(n); err != nil {
				last = "not run: " + n + " is not installed"
			}
		}
		if last == "" {
			median, err := s.look(ctx, yore)
			if last = fmt.Sprintf("a key to its screen: %d ms", median.Milliseconds()); err != nil {
				last = "FAILED: " + err.Error()
				failed++
			}
		}
		fmt.Printf("| %s | | | | | | | %s |\n", s.name, last)
	}
	return failed
}
