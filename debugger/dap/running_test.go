package dap

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

const spinner = `
#include <stdio.h>
#include <unistd.h>
volatile long turns;
volatile int stop;
static void turn(void) {
  turns++; // turn
}
long forever(void) { for (;;) turns++; }
int main(void) {
  char line[64];
  printf("name? ");
  fflush(stdout);
  if (isatty(0) && fgets(line, sizeof line, stdin)) // read
    printf("hello %s", line);
  fflush(stdout);
  while (!stop) // spin
    turn();
  return 0;
}
`

// TestRunning: what a client may ask while the program runs, and how it gets it to
// stop.
func TestRunning(t *testing.T) {
	p := build(t, "spinner.c", spinner)
	c := launched(t, p, dict{"stdin": os.DevNull})
	c.ask("configurationDone", nil)
	if th := c.ask("threads", nil); at(th, "threads", 0, "id") == nil {
		t.Error(th)
	}
	c.write(t, "\n")
	for _, command := range []string{"stackTrace", "evaluate", "next", "continue", "variables", "yore.timeline"} {
		if got := c.fails(command, dict{"threadId": 1, "expression": "turns"}); got != "the program is running" {
			t.Errorf("%s: %s", command, got)
		}
	}
	// A breakpoint is set while it runs, and met; the client sees no other stop.
	bps := c.breakAt(p, p.lines["turn"])
	if at(bps, 0, "verified") != true {
		t.Error(bps)
	}
	c.stops("breakpoint", p.lines["turn"])
	c.breakAt(p)
	c.motion("continue")
	c.ask("pause", dict{"threadId": 1})
	_, f := c.stops("pause", 0)
	// A pause when it is stopped already is no stop.
	c.ask("pause", dict{"threadId": 1})

	// An evaluation that does not end is given up, or cancelled by the client.
	if got := c.fails("evaluate", dict{"expression": "forever()", "frameId": f["id"], "context": "watch"}); !strings.Contains(got, "takes longer") {
		t.Error(got)
	}
	seq := c.send("evaluate", dict{"expression": "print forever()", "frameId": f["id"], "context": "repl"})
	c.ask("cancel", dict{"requestId": seq})
	// The request may have been refused by then, or have been on its way.
	if m := c.answerAny(seq); m["success"] != false || m["message"] != "cancelled" {
		t.Error(m)
	}
	if got := c.ask("evaluate", dict{"expression": "stop", "frameId": f["id"], "context": "watch"}); got["result"] != "0" {
		t.Error(got)
	}

	// Backwards it is the same.
	c.motion("reverseContinue")
	bps = c.breakAt(p, p.lines["read"])
	c.stops("breakpoint", p.lines["read"])
	if at(bps, 0, "verified") != true {
		t.Error(bps)
	}
	c.breakAt(p)
	c.motion("continue")
	c.ask("disconnect", dict{"terminateDebuggee": true})
	c.event("terminated")
}

// write types into the program's terminal by the way that a client has: none, so
// by the session's own. The tests' sessions answer the program's question.
func (c *client) write(t *testing.T, text string) {
	t.Helper()
	tty := <-terminals
	if _, err := tty.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// answerAny is answer when other responses may come before.
func (c *client) answerAny(seq int) dict {
	c.t.Helper()
	for _, m := range c.answers {
		if num(m["request_seq"]) == seq {
			return m
		}
	}
	return c.answer(seq)
}

// TestTerminal: the program's terminal is one that the client opens, and ^C there
// pauses it.
func TestTerminal(t *testing.T) {
	p := build(t, "spinner.c", spinner)
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	var holder net.Conn
	c := connect(t, Options{Open: open, Self: "/yore"})
	c.onAsk = func(m dict) {
		args := at(m, "arguments", "args").([]any)
		if m["command"] != "runInTerminal" || len(args) != 4 || args[0] != "/yore" || args[1] != "dap" || args[2] != "--hold" || at(m, "arguments", "kind") != "integrated" {
			t.Errorf("the adapter asks: %v", m)
		}
		c.frame(`{"seq":1000,"type":"response","command":"runInTerminal","request_seq":` + itoa(num(m["seq"])) + `,"success":true,"body":{}}`)
		// What yore does in the terminal, but for the signal.
		conn, err := net.Dial("unix", str(args[3]))
		if err != nil {
			t.Error(err)
			return
		}
		holder = conn
		conn.Write([]byte("tty " + slave.Name() + "\n"))
	}
	c.ask("initialize", dict{"adapterID": "yore", "supportsRunInTerminalRequest": true})
	c.ask("launch", dict{"program": p.exe, "console": "integratedTerminal"})
	c.event("initialized")
	c.breakAt(p, p.lines["spin"])
	if _, err := master.WriteString("editor\n"); err != nil {
		t.Fatal(err)
	}
	c.ask("configurationDone", nil)
	c.stops("breakpoint", p.lines["spin"])
	b := make([]byte, 4096)
	master.SetReadDeadline(time.Now().Add(wait))
	var screen string
	for !strings.Contains(screen, "hello editor") {
		n, err := master.Read(b)
		if err != nil {
			t.Fatalf("%v after %q", err, screen)
		}
		screen += string(b[:n])
	}
	if got := c.output("stdout"); got != "" {
		t.Errorf("output also went to the client: %q", got)
	}
	c.breakAt(p)
	c.motion("continue")
	holder.Write([]byte("interrupt\n"))
	c.stops("pause", 0)
	c.ask("disconnect", nil)
	c.event("terminated")
	if _, err := holder.Read(b); err == nil {
		t.Error("the terminal is held after the session")
	}
}

// TestNoDebug: running without debugging passes breakpoints and ends by itself.
func TestNoDebug(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, dict{"noDebug": true})
	if bps := c.breakAt(p, p.lines["call"]); at(bps, 0, "verified") != false {
		t.Error(bps)
	}
	c.ask("configurationDone", nil)
	if e := c.event("exited"); num(e["exitCode"]) != 3 {
		t.Error(e)
	}
	c.event("terminated")
	if got := c.output("stdout"); got != "total 20\n" {
		t.Errorf("the program printed %q", got)
	}
	c.ask("disconnect", nil)
}

// TestListen: two clients at once, each with a session of its own.
func TestListen(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "dap"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Listen(ctx, l, false, Options{Open: nothing}) }()
	var clients []*client
	for range 2 {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		clients = append(clients, attach(t, conn, conn))
	}
	for _, c := range clients {
		c.ask("initialize", dict{"adapterID": "yore"})
	}
	clients[0].ask("disconnect", nil)
	clients[0].event("terminated")
	if got := clients[1].fails("threads", nil); got != "threads came before launch" {
		t.Error(got)
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
}
