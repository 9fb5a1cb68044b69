package repl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"yore/debugger"
	"yore/debugger/gdb"
	"yore/debugger/session"
	"yore/engine"
	"yore/engine/gdbserver"
)

// The whole stack in one process: the engine on a real program, the server, the
// real gdb, the command set. What is tested is what only the stack shows: that
// gdb finds the program where the engine has moved it.

const program = `
#include <stdio.h>
#include <stdlib.h>
#define LIMIT 10
typedef struct node { int v; struct node *next; } node;
node pool[256], *head;
int used;
static unsigned seed;
static unsigned rnd(void) { seed = seed * 1103515245u + 12345u; return seed >> 8; }

__attribute__((noinline)) int list_len(node *h) {
  int n = 0;
  for (; h; h = h->next)
    n++;
  return n;
}

__attribute__((noinline)) void list_pop(void) {
  if (head)
    head = head->next;
}

__attribute__((noinline)) void list_push(int v) {
  node *n = &pool[used++ % 256];
  n->v = v;
  n->next = head;
  head = n; /* culprit */
}

int main(int argc, char **argv) {
  seed = argc > 1 ? atoi(argv[1]) : 1;
  int trigger = 20 + rnd() % 30;
  for (int op = 0; op < 60; op++) {
    if (op > trigger) {
      head->v += op;
      continue;
    }
    int full = list_len(head) >= LIMIT;
    if (rnd() % 3 == 0 || (full && op != trigger))
      list_pop();
    else
      list_push(op);
    if (op == trigger)
      while (list_len(head) <= LIMIT)
        list_push(-op);
  }
  printf("%d\n", list_len(head));
  return 3;
}
`

// stack is a session with a person's screen.
type stack struct {
	t *testing.T
	d *debugger.Debugger
	g *gdb.Backend

	mu   sync.Mutex
	text strings.Builder
}

func (s *stack) Print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.WriteString(text)
}
func (s *stack) Progress(string, float64)            {}
func (s *stack) Confirm(string) bool                 { return true }
func (s *stack) Width() int                          { return 80 }
func (s *stack) Shell(context.Context, string) error { return errors.New("no shell") }

func start(t *testing.T, args ...string) *stack {
	t.Helper()
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	dir, err := os.MkdirTemp("", "yore") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	src, exe := filepath.Join(dir, "list.c"), filepath.Join(dir, "list")
	if err := os.WriteFile(src, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O0", "-o", exe, src).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	e, err := engine.Launch(t.Context(), engine.Options{Path: exe, Args: append([]string{exe}, args...),
		Env: os.Environ(), Stdin: null, Stdout: null, Stderr: null})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	l, err := gdbserver.ListenUnix(filepath.Join(dir, "gdb"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		gdbserver.New(e, gdbserver.Options{}).ServeListener(ctx, l)
		close(served)
	}()
	t.Cleanup(func() {
		cancel()
		<-served
	})
	s := &stack{t: t}
	if s.g, err = gdb.Start(t.Context(), exe, filepath.Join(dir, "gdb"), gdb.Options{NoInit: true, Print: s.Print}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.g.Close)
	if s.d, err = debugger.New(t.Context(), s.g, session.New(e), s, debugger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.d.Close)
	if err := s.d.StopAt(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	return s
}

// do executes a line and returns what it printed.
func (s *stack) do(line string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	s.mu.Lock()
	s.text.Reset()
	s.mu.Unlock()
	if err := s.d.Execute(ctx, line); err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// has fails unless the text that a line prints matches.
func (s *stack) has(line, pattern string) string {
	s.t.Helper()
	got := s.do(line)
	if !regexp.MustCompile("(?s)" + pattern).MatchString(got) {
		s.t.Errorf("%s printed\n%s\nwant %s", line, got, pattern)
	}
	return got
}

func (s *stack) position() string {
	s.t.Helper()
	m := regexp.MustCompile(`(?m)^position: (.*)$`).FindStringSubmatch(s.do("when"))
	if m == nil {
		s.t.Fatal("`when` gives no position")
	}
	return m[1]
}

// TestRetrace: each stop of a walk is met again, in gdb's view and the engine's,
// by undo, by redo, and by going to its position.
func TestRetrace(t *testing.T) {
	s := start(t, "3")
	s.do("break list_push")
	type stop struct{ where, pc, position string }
	here := func() stop {
		return stop{s.do("frame"), s.do("output/x $pc"), s.position()}
	}
	walk := []string{"next", "continue", "step", "continue", "finish", "reverse-step", "reverse-continue", "stepi 3", "reverse-next",
		"continue", "reverse-stepi 2", "reverse-finish", "next 3"}
	stops := []stop{here()}
	for _, line := range walk {
		s.do(line)
		stops = append(stops, here())
	}
	check := func(how string, i int) {
		t.Helper()
		if got := here(); got != stops[i] {
			t.Errorf("%s, stop %d (%v): %+v, was %+v", how, i, walk[:i], got, stops[i])
		}
	}
	for i := len(walk) - 1; i >= 0; i-- {
		s.do("undo")
		check("undo", i)
	}
	for i := 1; i <= len(walk); i++ {
		s.do("redo")
		check("redo", i)
	}
	for _, i := range []int{2, 0, 7, len(walk), 4} {
		s.do("goto " + stops[i].position)
		check("goto", i)
	}
}

// TestEdges: both ends of history are said plainly, and the program's end is not
// the session's.
func TestEdges(t *testing.T) {
	s := start(t, "3")
	s.has("reverse-continue", `\nAt the start of history\.\n$`)
	s.has("continue", `\nAt the end of history: the program exited with status 3\.\n$`)
	s.has("goto start", `_start`)
	s.has("goto end", `_exit`)
	s.has("break list_pop", "Breakpoint 2")
	s.has("reverse-continue", `Breakpoint 2, list_pop \(\)`) // set after the fact
	s.has("bt", `#1 .* in main \(`)
}

// TestReverseWatch finds the seeded culprit by an expression with a call, and a
// plain variable's last change.
func TestReverseWatch(t *testing.T) {
	for seed := range 2 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := start(t, fmt.Sprint(seed))
			s.do("continue")
			s.has("reverse-watch list_len(head) <= 10", `changed from 1 to 0 by this statement:\n(0x\w+ in )?list_push \(v=-?\d+\) at .*list\.c:\d+\n\d+\t  head = n; /\* culprit \*/\n`)
			s.has("print list_len(head)", "= 10\n")
			s.do("next")
			s.has("print list_len(head)", "= 11\n")
			s.do("goto end")
			s.has("last used", `list_push .*used\+\+`)
		})
	}
}

// TestCrash: a new gdb finds the program where it was, with the breakpoints.
func TestCrash(t *testing.T) {
	s := start(t, "3")
	s.do("break list_pop")
	s.do("continue")
	s.do("reverse-step")
	frame, position := s.do("frame"), s.position()
	err := s.d.Execute(t.Context(), "python import os; os.kill(os.getpid(), 9)")
	if err == nil || !strings.Contains(err.Error(), "gdb crashed (killed); a new one was started at the same place") {
		t.Fatal(err)
	}
	if got := s.do("frame"); got != frame {
		t.Errorf("%q, was %q", got, frame)
	}
	if got := s.position(); got != position {
		t.Errorf("%s, was %s", got, position)
	}
	s.has("continue", "Breakpoint 2, list_pop")
	s.do("undo")
	if got := s.do("frame"); got != frame {
		t.Errorf("%q, was %q", got, frame)
	}
}
