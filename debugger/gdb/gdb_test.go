package gdb

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yore/debugger"
)

// These tests run the real gdb on a native process, without yore's engine. gdb's
// own `record full` gives them a past.

// screen collects what is printed.
type screen struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.WriteString(text)
}

// take returns and forgets the text so far.
func (s *screen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

func compile(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "small")
	out, err := exec.Command("gcc", "-g", "-O0", "-static", "-nostdlib", "-fno-stack-protector", "-fcf-protection=none",
		"-o", exe, "testdata/small.c").CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return exe
}

func begin(t *testing.T, opts Options) (*Backend, *screen) {
	t.Helper()
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	s := &screen{}
	opts.NoInit = true
	opts.Print = s.print
	g, err := Start(t.Context(), compile(t), "", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, s
}

// say executes a console line and returns what it printed.
func say(t *testing.T, g *Backend, s *screen, line string) (string, debugger.Outcome) {
	t.Helper()
	s.take()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := g.Console(ctx, line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return s.take(), out
}

// recorded runs the program to its end under `record full`, from main on.
func recorded(t *testing.T) (*Backend, *screen) {
	t.Helper()
	g, s := begin(t, Options{})
	for _, line := range []string{"break main", "run", "record full", "delete", "break 27", "continue", "delete"} {
		say(t, g, s, line)
	}
	return g, s
}

func TestConsole(t *testing.T) {
	g, s := begin(t, Options{})
	if text, out := say(t, g, s, "break twice"); text != "Breakpoint 1 at 0x40100b: file testdata/small.c, line 7.\n" && !strings.HasPrefix(text, "Breakpoint 1 at 0x") || out.Moved {
		t.Errorf("break: %q, %+v", text, out)
	}
	text, out := say(t, g, s, "run")
	if !strings.HasSuffix(text, "\nBreakpoint 1, twice (x=0) at testdata/small.c:7\n7\t  int y = x;\n") {
		t.Errorf("run: %q", text)
	}
	if !out.Moved || out.Edge || out.Why != "breakpoint-hit" || out.At.Function != "twice" || out.At.Line != 7 || out.At.Thread != 1 {
		t.Errorf("run: %+v", out)
	}
	// A call that hits a breakpoint: the program has not moved, and one may go on
	// inside the call until it is over.
	out, err := g.Console(t.Context(), "print twice(21)")
	if err == nil || !strings.Contains(err.Error(), "stopped while in a function called from GDB") || out.Moved || !out.InCall {
		t.Errorf("a call that hits a breakpoint: %+v, %v", out, err)
	}
	if _, out := say(t, g, s, "next"); out.Moved || !out.InCall {
		t.Errorf("next inside the call: %+v", out)
	}
	if _, out := say(t, g, s, "finish"); out.Moved || out.InCall {
		t.Errorf("the end of the call: %+v", out)
	}
	if _, out := say(t, g, s, "next"); !out.Moved || out.InCall || out.At.Line != 8 {
		t.Errorf("next after the call: %+v", out)
	}
	_, err = g.Console(t.Context(), "nosuch")
	if err == nil || err.Error() != `Undefined command: "nosuch".  Try "help".` || s.take() != "" {
		t.Errorf("nosuch: %v", err)
	}
	if _, err := g.Console(t.Context(), "continue &"); err == nil || !strings.Contains(err.Error(), "background") {
		t.Errorf("continue &: %v", err)
	}
}

func TestWarningsAreShown(t *testing.T) {
	g, s := begin(t, Options{})
	// An error of two lines, the first of them a warning that is not repeated.
	if text, _ := say(t, g, s, `python gdb.write("careful\n", gdb.STDERR); print("done")`); text != "careful\ndone\n" {
		t.Errorf("%q", text)
	}
}

func TestScript(t *testing.T) {
	g, s := begin(t, Options{})
	say(t, g, s, "break twice")
	if _, err := g.Script(t.Context(), []string{"commands", "silent", "print x", "continue", "end"}); err != nil {
		t.Fatal(err)
	}
	text, out := say(t, g, s, "run")
	if !strings.Contains(text, "$1 = 0\n$2 = 1\n$3 = 2\n$4 = 3\n") {
		t.Errorf("commands: %q", text)
	}
	if !out.Moved {
		t.Errorf("commands: %+v", out)
	}
	_, err := g.Script(t.Context(), []string{"if 1", "print nosuch", "end"})
	if err == nil || err.Error() != `No symbol "nosuch" in current context.` {
		t.Errorf("an error inside a script: %v", err)
	}
	if text := s.take(); strings.Contains(text, "yore-script") {
		t.Errorf("the script's name shows: %q", text)
	}
}

func TestResolve(t *testing.T) {
	g, s := begin(t, Options{})
	if _, err := g.Script(t.Context(), []string{"define mine", "end"}); err != nil {
		t.Fatal(err)
	}
	s.take()
	for word, exact := range map[string]bool{
		"b": true, "c": true, "d": true, "f": true, "h": true, "i": true, "j": true, "kill": true, "l": true, "n": true,
		"p": true, "r": true, "s": true, "t": true, "u": true, "x": true, "bt": true, "rc": true, "rs": true, "rn": true,
		"rsi": true, "rni": true, "break": true, "mine": true, "und": false, "un": false, "zzz": false, "reverse-s": false,
	} {
		r, err := g.Resolve(t.Context(), word)
		if err != nil || r.Exact != exact {
			t.Errorf("%s: %+v, %v", word, r, err)
		}
	}
	if r, _ := g.Resolve(t.Context(), "und"); len(r.Matches) != 1 || r.Matches[0] != "undisplay" {
		t.Errorf("und: %+v", r)
	}
	if text := s.take(); text != "" {
		t.Errorf("asking shows %q", text)
	}
}

func TestCompleteAndHelp(t *testing.T) {
	g, s := begin(t, Options{})
	got, err := g.Complete(t.Context(), "break twi")
	if err != nil || len(got) != 1 || got[0] != "break twice" {
		t.Errorf("%q, %v", got, err)
	}
	if err := g.Help(t.Context(), "step"); err != nil || !strings.HasPrefix(s.take(), "step, s\n") {
		t.Errorf("help: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	g, s := begin(t, Options{})
	say(t, g, s, "break depth if n == 0")
	say(t, g, s, "run")
	l, err := g.Where(t.Context())
	if err != nil || l.Function != "depth" || l.Line != 13 || !strings.HasSuffix(l.FullName, "testdata/small.c") || l.Addr == 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if line, err := g.Line(t.Context(), l); err != nil || line != "  int mine = n;" {
		t.Errorf("%q, %v", line, err)
	}
	l.FullName = "/no/such/file.c"
	if line, err := g.Line(t.Context(), l); err != nil || line != "" {
		t.Errorf("%q, %v", line, err)
	}
	frames, err := g.Backtrace(t.Context(), 0)
	if err != nil || len(frames) != 4 || frames[3].Function != "main" || frames[3].Level != 3 {
		t.Errorf("%+v, %v", frames, err)
	}
	if frames, err := g.Backtrace(t.Context(), 2); err != nil || len(frames) != 2 {
		t.Errorf("%+v, %v", frames, err)
	}
	threads, err := g.Threads(t.Context())
	if err != nil || len(threads) != 1 || !threads[0].Current || threads[0].Function != "depth" {
		t.Errorf("%+v, %v", threads, err)
	}
	say(t, g, s, "display n")
	if err := g.ShowStop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.take(), "depth (n=0) at testdata/small.c:13\n13\t  int mine = n;\n1: n = 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBackwards: motions of our own, on what gdb itself recorded.
func TestBackwards(t *testing.T) {
	g, s := recorded(t)
	at := func() debugger.Location {
		t.Helper()
		l, err := g.Where(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	here := at()
	err := g.Quietly(t.Context(), func(ctx context.Context) error {
		if _, err := g.Move(ctx, debugger.Motion{Kind: debugger.StepInsn, Backward: true, Count: 3}); err != nil {
			return err
		}
		if _, err := g.Move(ctx, debugger.Motion{Kind: debugger.StepInsn, Count: 3}); err != nil {
			return err
		}
		if got := at(); got != here {
			t.Errorf("three back and forth: %+v, was %+v", got, here)
		}
		// To the beginning of a statement from its middle, and from inside the
		// function that it called.
		for _, n := range []int{0, 2, 12} {
			if _, err := g.Move(ctx, debugger.Motion{Kind: debugger.StepInsn, Backward: true, Count: 1 + n}); err != nil {
				return err
			}
			from := at()
			if _, err := g.Move(ctx, debugger.Motion{Kind: debugger.ToStatement, Backward: true}); err != nil {
				return err
			}
			got := at()
			line, err := g.lineOf(ctx, got.Addr)
			if err != nil || got.Line != from.Line || got.Function != from.Function || line.start != got.Addr {
				t.Errorf("the statement of %+v begins at %+v (%+v, %v)", from, got, line, err)
			}
		}
		if _, ok, err := g.Watch(ctx, "twice(total)"); ok || err != nil {
			t.Errorf("a call can be watched: %v", err)
		}
		if _, ok, err := g.Watch(ctx, "$rax"); ok || err != nil {
			t.Errorf("a register can be watched: %v", err)
		}
		out, ok, err := g.Watch(ctx, "limit")
		if err != nil || !ok || !out.Edge {
			t.Errorf("what never changes: %+v, %v, %v", out, ok, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := s.take(); text != "" {
		t.Errorf("quiet motions show %q", text)
	}
	if text, _ := say(t, g, s, "info breakpoints"); text != "No breakpoints or watchpoints.\n" {
		t.Errorf("left behind: %q", text)
	}
}

// TestQuietly: breakpoints and settings are as before.
func TestQuietly(t *testing.T) {
	g, s := recorded(t)
	for _, line := range []string{"break twice", "break depth", "disable 4", "set print elements 7"} {
		say(t, g, s, line)
	}
	before, _ := say(t, g, s, "info breakpoints")
	err := g.Quietly(t.Context(), func(ctx context.Context) error {
		out, err := g.Move(ctx, debugger.Motion{Kind: debugger.StepInsn, Backward: true, Count: 10000})
		if !out.Edge {
			t.Errorf("a breakpoint acted: %+v", out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := say(t, g, s, "info breakpoints"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if text, _ := say(t, g, s, "show print elements"); !strings.Contains(text, " 7.") {
		t.Error(text)
	}
}

func TestExpressions(t *testing.T) {
	g, s := begin(t, Options{EvalTimeout: 300 * time.Millisecond})
	say(t, g, s, "break depth if n == 1")
	say(t, g, s, "break hide")
	say(t, g, s, "run")
	bind := func(text string) debugger.Expression {
		t.Helper()
		e, err := g.Bind(t.Context(), text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return e
	}
	value := func(e debugger.Expression) string {
		t.Helper()
		var v string
		err := g.Quietly(t.Context(), func(ctx context.Context) (err error) {
			v, err = g.Evaluate(ctx, e)
			return err
		})
		if unknown := (*debugger.UnknownError)(nil); errors.As(err, &unknown) {
			return "unknown"
		} else if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		return v
	}
	// In hide, `total` is the argument. The global is what main sees.
	local := bind("total")
	if !local.Activation() || value(local) != "5" {
		t.Errorf("total in hide: %s", value(local))
	}
	say(t, g, s, "up")
	global, call := bind("total"), bind("twice(total) > 20")
	if global.Activation() || call.Activation() || !bind("i").Activation() && !bind("d").Activation() {
		t.Error("what belongs to main's activation")
	}
	if value(global) != "12" || value(call) != "1" {
		t.Errorf("total is %s, call %s", value(global), value(call))
	}
	say(t, g, s, "down")
	if value(global) != "12" || value(local) != "5" {
		t.Errorf("in hide again: global %s, local %s", value(global), value(local))
	}
	// depth(1), called by depth(2): `mine` of the outer activation.
	say(t, g, s, "continue")
	say(t, g, s, "up")
	mine, n := bind("mine"), bind("n + 0*total")
	if value(mine) != "2" || value(n) != "2" || value(local) != "unknown" {
		t.Errorf("mine %s, n %s, the past frame's total %s", value(mine), value(n), value(local))
	}
	say(t, g, s, "down")
	if value(mine) != "2" || value(n) != "2" {
		t.Errorf("from the inner frame: mine %s, n %s", value(mine), value(n))
	}
	if _, err := g.Bind(t.Context(), "nosuch"); err != nil {
		t.Errorf("binding does not evaluate: %v", err)
	}
	for _, text := range []string{"nosuch", "*(int*)0", "1 +", "((int(*)())0)()"} {
		if v := value(bind(text)); v != "unknown" {
			t.Errorf("%s is %s", text, v)
		}
	}
	// The language is that of the place where the expression was given.
	say(t, g, s, "set language c++")
	truth := bind("1 == 1")
	say(t, g, s, "set language c")
	if v := value(truth); v != "true" {
		t.Errorf("a C++ comparison is %s where the language is C", v)
	}
	say(t, g, s, "set language auto")
	// A call that does not return is given up, and the program is as before.
	began := time.Now()
	if v := value(bind("(spin(), 1)")); v != "unknown" || time.Since(began) > 5*time.Second {
		t.Errorf("an endless call: %s after %v", v, time.Since(began))
	}
	say(t, g, s, "delete")
	if v := value(global); v != "18" {
		t.Errorf("after all that total is %s", v)
	}
}

// TestInterrupt: a cancelled context stops the program, or gdb's own work, and
// gdb is ready for more.
func TestInterrupt(t *testing.T) {
	runs := make(chan bool, 100)
	g, s := begin(t, Options{OnRun: func(r bool) { runs <- r }})
	say(t, g, s, "break main")
	say(t, g, s, "run")
	say(t, g, s, "set var limit = 0x7fffffff")
	for len(runs) > 0 {
		<-runs
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-runs
		cancel()
	}()
	s.take()
	out, err := g.Console(ctx, "continue")
	if err != nil || !out.Moved || out.Why != "signal-received" || !strings.Contains(s.take(), "SIGINT") {
		t.Errorf("%+v, %v", out, err)
	}
	for range 3 { // also when gdb has hardly begun
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		began := time.Now()
		_, err = g.Console(ctx, "python import time; time.sleep(100)")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}
	if text, _ := say(t, g, s, "print 6*7"); text != "$1 = 42\n" {
		t.Errorf("afterwards: %q", text)
	}
}

// TestCrash: a gdb that dies is replaced; breakpoints with their numbers,
// conditions and commands, and settings, are made again.
func TestCrash(t *testing.T) {
	g, s := begin(t, Options{})
	for _, line := range []string{"break twice if x > 1", "break depth", "tbreak hide", "delete 2", "set listsize 3", "watch total"} {
		say(t, g, s, line)
	}
	if _, err := g.Script(t.Context(), []string{"commands 1", "print x", "end"}); err != nil {
		t.Fatal(err)
	}
	before, _ := say(t, g, s, "info breakpoints")
	g.conn.Kill()
	_, err := g.Console(t.Context(), "info line main")
	if err == nil || !strings.Contains(err.Error(), "gdb crashed (killed); a new one was started at the same place") || strings.Contains(err.Error(), "without") {
		t.Fatalf("%v", err)
	}
	if after, _ := say(t, g, s, "info breakpoints"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if text, _ := say(t, g, s, "show listsize"); !strings.Contains(text, "3.") {
		t.Error(text)
	}
	g.opts.Path = "/no/such/gdb"
	g.conn.Kill()
	if _, err := g.Console(t.Context(), "list"); !errors.Is(err, debugger.ErrBackendGone) {
		t.Errorf("%v", err)
	}
	if _, err := g.Console(t.Context(), "list"); !errors.Is(err, debugger.ErrBackendGone) {
		t.Errorf("%v", err)
	}
}

func TestStartErrors(t *testing.T) {
	exe := compile(t)
	_, err := Start(t.Context(), exe, "", Options{Path: "/no/such/gdb"})
	if !errors.As(err, new(*NotFoundError)) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Start(t.Context(), exe, "", Options{}); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("%v", err)
	}
	// A program that is no gdb, and one that is too old.
	dir := t.TempDir()
	fake := func(name, script string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o777); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := Start(t.Context(), exe, "", Options{Path: fake("true", "exit 0\n")}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	old := fake("old", `while read line; do
  token=${line%%-*}
  case $line in
  *-gdb-version*) echo '~"GNU gdb (GDB) 7.12.1\n"' ;;
  *-gdb-exit*) exit 0 ;;
  esac
  echo "$token^done"
done
`)
	var tooOld *TooOldError
	if _, err := Start(t.Context(), exe, "", Options{Path: old}); !errors.As(err, &tooOld) || tooOld.Version != "7.12.1" {
		t.Errorf("%v", err)
	}
}

func TestNoDebugInfo(t *testing.T) {
	exe := compile(t)
	if out, err := exec.Command("strip", exe).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, out)
	}
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	g, err := Start(t.Context(), exe, "", Options{NoInit: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if !g.NoDebugInfo() {
		t.Error("a stripped program has debug information")
	}
}

// TestInit: the person's init file is read unless told otherwise, what it prints
// is shown, and -iex commands come after it.
func TestInit(t *testing.T) {
	exe := compile(t)
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".gdbinit"), []byte("echo hello\\n\nset confirm on\nset listsize 4\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	s := &screen{}
	g, err := Start(t.Context(), exe, "", Options{Print: s.print, PreExec: []string{"set $early = 5", "set listsize 6"}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if text := s.take(); text != "hello\n" {
		t.Errorf("the init file printed %q", text)
	}
	if text, _ := say(t, g, s, "show listsize"); !strings.Contains(text, "6.") {
		t.Error(text)
	}
	if text, _ := say(t, g, s, "print $early"); text != "$1 = 5\n" {
		t.Error(text)
	}
	if text, _ := say(t, g, s, "show confirm"); !strings.Contains(text, "off") {
		t.Errorf("our settings come after: %s", text)
	}
}
