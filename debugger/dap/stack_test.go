package dap

// The whole stack in one process, as cmd/yore wires it: the engine on a real
// program, the server, the real gdb, the adapter, and a scripted client.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"yore/debugger"
	"yore/debugger/gdb"
	timelines "yore/debugger/session"
	"yore/engine"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// target is a session that knows whether it runs at the frontier.
type target struct {
	*engine.Session
	live atomic.Bool
}

func (t *target) Resume(ctx context.Context, r gdbserver.Resume) (timeline.Stop, error) {
	if r.Dir == timeline.Forward && t.AtFrontier() {
		t.live.Store(true)
		defer t.live.Store(false)
	}
	return t.Session.Resume(ctx, r)
}

// terminals are the masters of the programs' terminals, for tests that type: those
// whose configuration has stdin.
var terminals = make(chan *os.File, 1)

// open is an Options.Open for programs.
func open(ctx context.Context, l Launch, front Front) (t *Target, err error) {
	var closers []func()
	closeAll := sync.OnceFunc(func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	})
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	env := os.Environ()
	for k, v := range l.Env {
		if v != nil {
			env = append(env, k+"="+*v)
		}
	}
	o := engine.Options{Path: l.Program, Args: append([]string{l.Program}, l.Args...), Env: env, Dir: l.Dir}
	if l.TTY != "" {
		tty, err := os.OpenFile(l.TTY, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer tty.Close()
		o.Stdin, o.Stdout, o.Stderr = tty, tty, tty
	}
	e, err := engine.Launch(ctx, o)
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { e.Close() })
	dir, err := os.MkdirTemp("", "yore")
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { os.RemoveAll(dir) })
	listener, err := gdbserver.ListenUnix(filepath.Join(dir, "gdb"))
	if err != nil {
		return nil, err
	}
	to := &target{Session: e}
	sctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		gdbserver.New(to, gdbserver.Options{}).ServeListener(sctx, listener)
		close(served)
	}()
	closers = append(closers, func() { cancel(); <-served })
	back, err := gdb.Start(ctx, l.Program, filepath.Join(dir, "gdb"), gdb.Options{NoInit: true, Print: front.Print, OnRun: front.Running})
	if err != nil {
		return nil, err
	}
	closers = append(closers, back.Close)
	d, err := debugger.New(ctx, back, timelines.New(e), front, debugger.Options{CanRerun: true})
	if err != nil {
		return nil, err
	}
	closers = append(closers, d.Close)
	if l.Stdin == os.DevNull {
		terminals <- e.Terminal()
	}
	return &Target{Debugger: d, Terminal: e.Terminal(), Live: to.live.Load, Name: filepath.Base(l.Program), PID: e.Current(), Close: closeAll}, nil
}

// program is a source with marks, and what was built of it.
type program struct {
	source, exe string
	lines       map[string]int
}

// build compiles a program; a line's mark is what follows // in it.
func build(t *testing.T, name, text string, flags ...string) program {
	t.Helper()
	for _, tool := range []string{"gdb", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	dir := t.TempDir()
	p := program{source: filepath.Join(dir, name), exe: filepath.Join(dir, "prog"), lines: map[string]int{}}
	if err := os.WriteFile(p.source, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(text, "\n") {
		if _, mark, ok := strings.Cut(l, "// "); ok {
			p.lines[mark] = i + 1
		}
	}
	cc := "gcc"
	if strings.HasSuffix(name, ".cc") {
		cc = "g++"
	}
	args := append([]string{"-g", "-O0", "-o", p.exe, p.source}, flags...)
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, out)
	}
	return p
}

// launched is a client whose program is launched and can be configured.
func launched(t *testing.T, p program, config dict) *client {
	t.Helper()
	c := connect(t, Options{Open: open})
	c.ask("initialize", dict{"adapterID": "yore", "supportsVariableType": true, "supportsInvalidatedEvent": true})
	full := dict{"program": p.exe}
	for k, v := range config {
		full[k] = v
	}
	c.ask("launch", full)
	c.event("initialized")
	return c
}

// breakAt sets the breakpoints of the program's source.
func (c *client) breakAt(p program, lines ...int) []any {
	c.t.Helper()
	var list []dict
	for _, l := range lines {
		list = append(list, dict{"line": l})
	}
	return c.breakpoints(p, list...)
}

func (c *client) breakpoints(p program, list ...dict) []any {
	c.t.Helper()
	if list == nil {
		list = []dict{}
	}
	got, _ := c.ask("setBreakpoints", dict{"source": dict{"path": p.source}, "breakpoints": list})["breakpoints"].([]any)
	if len(got) != len(list) {
		c.t.Fatalf("%d breakpoints answered by %d", len(list), len(got))
	}
	return got
}

// stops waits for a stop and checks its reason and where it is.
func (c *client) stops(reason string, line int) (stopped dict, frame dict) {
	c.t.Helper()
	s := c.event("stopped")
	if s["reason"] != reason {
		c.t.Errorf("stopped for %v (%v), want %s", s["reason"], s["text"], reason)
	}
	st := c.ask("stackTrace", dict{"threadId": s["threadId"], "levels": 20})
	top, _ := at(st, "stackFrames", 0).(dict)
	if line != 0 && num(top["line"]) != line {
		c.t.Errorf("stopped at line %v of %v, want %d", top["line"], top["name"], line)
	}
	return s, top
}

// local returns a variable of a frame.
func (c *client) local(frame dict, name string) dict {
	c.t.Helper()
	sc := c.ask("scopes", dict{"frameId": frame["id"]})
	return c.part(at(sc, "scopes", 0, "variablesReference"), name)
}

// part returns a part of a value.
func (c *client) part(ref any, name string) dict {
	c.t.Helper()
	vars, _ := c.ask("variables", dict{"variablesReference": ref})["variables"].([]any)
	var names []string
	for _, v := range vars {
		d := v.(dict)
		if d["name"] == name {
			return d
		}
		names = append(names, fmt.Sprint(d["name"]))
	}
	c.t.Fatalf("there is no %s among %v", name, names)
	return nil
}

// motion asks for a motion of thread 1.
func (c *client) motion(command string) {
	c.t.Helper()
	c.ask(command, dict{"threadId": 1})
}

const counter = `
#include <stdio.h>
typedef struct pair { int a; const char *name; int list[3]; } pair;
pair global = {7, "seven", {1, 2, 3}};
int total;

__attribute__((noinline)) int twice(int n) {
  int r = 2 * n; // in
  return r;
}

int main(int argc, char **argv) {
  pair p = {1, "one", {4, 5, 6}}; // first
  for (int i = 0; i < 5; i++) {
    total += twice(i); // call
    p.a = total; // after
  }
  printf("total %d\n", total); // print
  return 3; // last
}
`

func TestFirstSession(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, nil)
	bps := c.breakAt(p, p.lines["call"])
	if at(bps, 0, "verified") != true || num(at(bps, 0, "line")) != p.lines["call"] {
		t.Fatal(bps)
	}
	c.ask("setExceptionBreakpoints", dict{"filters": []string{"signals"}})
	c.ask("configurationDone", nil)
	s, f := c.stops("breakpoint", p.lines["call"])
	if num(at(s, "hitBreakpointIds", 0)) != num(at(bps, 0, "id")) {
		t.Errorf("the stop names %v, the breakpoint is %v", s["hitBreakpointIds"], at(bps, 0, "id"))
	}
	th := c.ask("threads", nil)
	if num(at(th, "threads", 0, "id")) != num(s["threadId"]) {
		t.Errorf("threads: %v", th)
	}
	if got := c.local(f, "i"); got["value"] != "0" || got["type"] != "int" {
		t.Errorf("i: %v", got)
	}
	v := c.local(f, "p")
	if got := c.part(v["variablesReference"], "name"); !strings.HasSuffix(str(got["value"]), `"one"`) || got["evaluateName"] != "p.name" {
		t.Errorf("p.name: %v", got)
	}
	list := c.part(v["variablesReference"], "list")
	if got := c.part(list["variablesReference"], "[1]"); got["value"] != "5" {
		t.Errorf("p.list[1]: %v", got)
	}

	c.motion("next")
	c.stops("step", p.lines["after"])
	c.motion("stepBack")
	c.stops("breakpoint", p.lines["call"]) // as in gdb: it steps onto it
	c.motion("continue")
	c.stops("breakpoint", p.lines["call"])
	c.motion("continue")
	_, f = c.stops("breakpoint", p.lines["call"])
	if got := c.local(f, "i"); got["value"] != "2" {
		t.Errorf("i: %v", got)
	}
	c.motion("reverseContinue")
	_, f = c.stops("breakpoint", p.lines["call"])
	if got := c.local(f, "i"); got["value"] != "1" {
		t.Errorf("i: %v", got)
	}
	c.motion("stepIn")
	c.stops("step", p.lines["in"])
	c.motion("stepOut")
	c.stops("step", p.lines["call"])
	c.motion("yore.reverseStepIn")
	c.stops("step", p.lines["in"]+2)
	c.motion("yore.reverseStepOut")
	c.stops("step", p.lines["call"])

	c.breakAt(p)
	c.motion("continue")
	s, _ = c.stops("pause", 0)
	if s["text"] != "end of history: the program exited with status 3" {
		t.Errorf("the end: %v", s)
	}
	if got := c.output("stdout"); got != "total 20\n" {
		t.Errorf("the program printed %q", got)
	}
	c.motion("stepBack")
	c.stops("step", 0)
	c.motion("reverseContinue")
	s, _ = c.stops("pause", 0)
	if s["text"] != "start of history" {
		t.Errorf("the start: %v", s)
	}
	c.ask("disconnect", nil)
	if e := c.event("exited"); num(e["exitCode"]) != 3 {
		t.Errorf("exited: %v", e)
	}
	c.event("terminated")
}
