package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/session"
	"yore/engine/timeline"
	"yore/testprogs"
)

// The conformance suite of the backends: what a command does must not depend on
// who carries it out. One table of behaviours is gone through with gdb on twin.c
// and with Delve on go/twin, which are the same line by line.

// twins are who must agree.
var twins = []struct {
	backend, program string
	flags            []string
	prefix           string // of function names
}{
	{"gdb", "twin", nil, ""},
	{"delve", "go/twin", []string{"-gcflags=all=-N -l"}, "main."},
}

// behaviour is a command and what it must do. In do and says, {mark} is FILE:LINE
// of a marked line.
type behaviour struct {
	do string
	// at are the marks of the lines that may be stopped at afterwards, "a|b"; ""
	// is where it was, "-" is nowhere in particular. Backends differ in whether a
	// breakpoint on a function stops at its first line or its first statement.
	at   string
	says string // what is printed, a regular expression
	err  string // what the error must say, a regular expression; "" for no error
	// wrong is what the error or the output must say: gdb only remarks on some.
	wrong string
	keep  string // remember the position under this name
	same  string // the position must be the one so remembered
}

// suite is the table, in parts that begin at main with no breakpoints.
var suite = []struct {
	name string
	list []behaviour
}{
	{"live", []behaviour{ // the first part runs the program to its end
		{do: "frame", says: `main`},
		{do: "next", at: "second"},
		{do: "print x", says: `\b6\n`},
		{do: "reverse-next", at: "first"},
		{do: "reverse-continue", at: "-", says: `At the start of history\.\n$`},
		{do: "reverse-stepi", at: "-", says: `At the start of history\.\n$`},
		{do: "continue", at: "-", says: `At the end of history: the program exited with status 3\.\n$`, keep: "end"},
		{do: "continue", at: "-", says: `At the end of history: the program exited with status 3\.\n$`, same: "end"},
		{do: "next", at: "-", says: `At the end of history`, same: "end"},
		{do: "stepi", at: "-", says: `At the end of history`, same: "end"},
		{do: "output", says: `1327`},
	}},
	{"breakpoints", []behaviour{
		{do: "break part", says: `^Breakpoint \d+ `},
		{do: "continue", at: "part|rest"},
		{do: "print n", says: `\b0\n`},
		{do: "continue 2", at: "part|rest"},
		{do: "print n", says: `\b2\n`},
		{do: "reverse-continue", at: "part|rest"},
		{do: "print n", says: `\b1\n`},
		{do: "reverse-continue 2", at: "-", says: `At the start of history`},
		{do: "info breakpoints", says: `part`},
		{do: "disable"},
		{do: "tbreak {out}", says: `reakpoint \d+ `},
		{do: "continue", at: "out"},
		{do: "print sum", says: `\b6\n`},
		{do: "continue", at: "-", says: `At the end of history`}, // it was temporary
		{do: "reverse-continue", at: "-", says: `At the start of history`},
		{do: "delete"},
		{do: "break {loop} if i == 5", says: `^Breakpoint \d+ `},
		{do: "delete"},
		{do: "break {call} if i == 7"}, // only the second call gets there
		{do: "continue", at: "call"},
		{do: "print n", says: `\b9\n`},
		{do: "continue", at: "-", says: `At the end of history`},
		{do: "reverse-continue", at: "call"},
		{do: "print i", says: `\b7\n`},
		{do: "delete"},
		{do: "info breakpoints", says: `(?i)no breakpoints`},
		{do: "goto start", at: "-"},
		{do: "break {add}"},
		{do: "ignore $bpnum 3", says: `3`},
		{do: "continue", at: "add"},
		{do: "print n", says: `\b3\n`},
		{do: "clear {add}"},
		{do: "continue", at: "-", says: `At the end of history`},
	}},
	{"motions", []behaviour{
		{do: "step", at: "zero|work", keep: "in"},
		{do: "break {call}"},
		{do: "continue", at: "call", keep: "call"},
		{do: "delete"},
		{do: "step", at: "rest|part"},
		{do: "reverse-step", at: "call"},
		{do: "next", at: "count"},
		{do: "reverse-next", at: "call", same: "call"},
		{do: "next 3", at: "call"},
		{do: "print i", says: `\b1\n`},
		{do: "reverse-next 3", at: "call", same: "call"},
		{do: "stepi", at: "-"},
		{do: "stepi 4", at: "-", keep: "five"},
		{do: "reverse-stepi 5", at: "call", same: "call"},
		{do: "stepi 5", at: "-", same: "five"},
		{do: "goto start", at: "-"},
		{do: "tbreak part", says: ``},
		{do: "continue", at: "rest|part"},
		{do: "finish", at: "call"},
		{do: "reverse-step", at: "give|closes"},
		{do: "print n", says: `\b0\n`},
		{do: "reverse-finish", at: "call", keep: "call"},
		{do: "until {out}", at: "out"},
		{do: "tbreak {second}"},
		{do: "continue", at: "second"},
		{do: "undo", at: "out"},
		{do: "redo", at: "second"},
		{do: "undo 2", at: "call", same: "call"},
		{do: "nexti", at: "-"},
		{do: "reverse-nexti", at: "call"},
	}},
	{"values", []behaviour{
		{do: "tbreak {give}", at: ""},
		{do: "continue", at: "give"},
		{do: "print d + n * 10 == 0", says: `\b(1|true)\n`},
		{do: "up"},
		{do: "print i", says: `\b0\n`},
		{do: "info locals", says: `\bsum\b`},
		{do: "down"},
		{do: "info locals", says: `\bd\b`},
		{do: "info args", says: `n = 0`},
		{do: "backtrace", says: `(?s)part.*work.*main`},
		{do: "whatis n", says: `int\n`},
		{do: "display n", says: `0`},
		{do: "next", at: "call|closes", says: `1: n = \d`},
		{do: "undisplay"},
		{do: "list work", says: `sum`},
		{do: "x/2i $pc", says: `0x[0-9a-f]+`},
		{do: "info threads", says: `\d`},
		{do: "info registers rip", says: `(?i)rip`},
	}},
	{"watch", []behaviour{
		{do: "break {out}"},
		{do: "continue", at: "out"},
		{do: "continue", at: "out"},
		{do: "delete"},
		{do: "watch {total}", says: `(?i)watchpoint`},
		{do: "reverse-continue", at: "add"},
		{do: "print n", says: `\b8\n`},
		{do: "reverse-continue", at: "add"},
		{do: "print n", says: `\b7\n`},
		{do: "delete"},
		{do: "goto end", at: "-"},
		{do: "reverse-watch {total} == 15", at: "last", says: `changed from (1|true) to (0|false)`, keep: "last"},
		{do: "reverse-watch {total} == 15", at: "add", says: `changed from (0|false) to (1|true)`},
		{do: "goto end", at: "-"},
		{do: "last {calls}", at: "count", says: `from 15 to 16`},
	}},
	{"series", []behaviour{
		{do: "goto end", at: "-", keep: "end"},
		{do: "log {add} n {total}", says: `(?s)^\d+\+1@0x[0-9a-f]+ +n = 0  {total} = 0\n.*n = 8  {total} = 13\n16 hits\.\n$`, same: "end"},
		{do: "log part n nosuch", says: `(?s)n = 0  nosuch = <.*nosuch.*>\n.*16 hits\.\n$`},
		{do: "log nosuch 1", err: `nosuch`},
		{do: "log {add}", err: `expressions`},
		{do: "info breakpoints", says: `(?i)no breakpoints`},
		{do: "break {out}", says: `reakpoint \d+ `},
		{do: "log {out} sum", says: `(?s)sum = 6\n.*sum = 9\n2 hits`},
		{do: "reverse-continue", at: "out"}, // it is as before
		{do: "changes {total} 2", says: `13 → 15`},
		{do: "plot {calls}", says: `16 ┤`},
	}},
	{"places", []behaviour{
		{do: "advance {second}", at: "second", keep: "second"},
		{do: "bookmark b"},
		{do: "checkpoint c", says: `\d`},
		{do: "when", says: `\d+(\+\d+@0x[0-9a-f]+)?`},
		{do: "continue", at: "-"},
		{do: "goto b", at: "second", same: "second"},
		{do: "goto end", at: "-"},
		{do: "goto c", at: "second", same: "second"},
		{do: "goto 0", at: "-"},
		{do: "undo", at: "second", same: "second"},
	}},
	{"errors", []behaviour{
		{do: "advance {second}", at: "second"},
		{do: "print nosuch", err: `nosuch`},
		{do: "print 1 +", err: `.`},
		{do: "break nosuch", wrong: `nosuch`},
		{do: "info breakpoints", says: `(?i)no breakpoints`},
		{do: "delete 99", wrong: `99`},
		{do: "condition 99 1", err: `99`},
		{do: "frame 99", err: `.`},
		{do: "down", err: `.`},
		{do: "thread 999", err: `999`},
		{do: "nosuchcommand", err: `nosuchcommand`},
		{do: "watch nosuch", err: `nosuch`},
		{do: "reverse-watch nosuch", err: `nosuch`},
		{do: "goto nowhere", err: `nowhere`},
		{do: "undo 1000", err: `.`},
		{do: "list nosuch", err: `nosuch`},
		{do: "x/4x nosuch", err: `nosuch`},
		{do: "whatis nosuch", err: `nosuch`},
		{do: "print x", says: `\b6\n`},
	}},
}

// twinUI collects what is printed.
type twinUI struct{ b strings.Builder }

func (u *twinUI) Print(s string)                      { u.b.WriteString(s) }
func (u *twinUI) Progress(string, float64)            {}
func (u *twinUI) Confirm(string) bool                 { return true }
func (u *twinUI) Width() int                          { return 80 }
func (u *twinUI) Shell(context.Context, string) error { return errors.New("no shell here") }

// stage is one twin under a Debugger.
type stage struct {
	t      *testing.T
	prog   *testprogs.Program
	prefix string
	tl     session.Timeline
	back   debugger.Backend
	d      *debugger.Debugger
	ui     *twinUI
	main   timeline.Position
	kept   map[string]timeline.Position
}

func newStage(t *testing.T, backend, program string, flags []string, prefix string) *stage {
	t.Helper()
	s := &stage{t: t, prefix: prefix, ui: &twinUI{}, kept: map[string]timeline.Position{}}
	exe := testprogs.Build(t, program, flags...)
	var err error
	if s.prog, err = testprogs.Find(program); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	e, err := live.Launch(ctx, live.Program{Path: exe, Args: []string{exe}, Env: os.Environ()}, [3]*os.File{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s.tl = session.New(e)
	back, note, end, err := (&sessionFlags{Backend: backend}).openBackend(ctx, &live.Target{Session: e}, exe,
		backendOptions{NoInit: true, Print: s.ui.Print, OnRun: func(bool) {}})
	if err != nil || note != "" {
		t.Fatal(note, err)
	}
	t.Cleanup(end)
	s.back = back
	if s.d, err = debugger.New(ctx, back, s.tl, s.ui, debugger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.d.Close)
	if err := s.d.StopAt(ctx, "main"); err != nil {
		t.Fatal(err)
	}
	// gdb's main is behind what makes its frame, Delve's before.
	if s.at([]string{"first"}) != "first" {
		if _, err := s.do("advance {first}"); err != nil {
			t.Fatal(err)
		}
	}
	s.main = s.position()
	return s
}

func (s *stage) position() timeline.Position {
	s.t.Helper()
	p, err := s.tl.Position(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

var markRE = regexp.MustCompile(`\{(\w+)\}`)

// words puts FILE:LINE for {mark}, and the name that the program gives it for
// {variable}.
func (s *stage) words(text string) string {
	return markRE.ReplaceAllStringFunc(text, func(m string) string {
		m = m[1 : len(m)-1]
		if line, err := s.prog.Line(m); err == nil {
			return filepath.Base(s.prog.Path) + ":" + strconv.Itoa(line)
		}
		return s.prefix + m
	})
}

// do executes a command and returns what it printed.
func (s *stage) do(line string) (string, error) {
	s.ui.b.Reset()
	err := s.d.Execute(s.t.Context(), s.words(line))
	return s.ui.b.String(), err
}

// at is the mark of the line that the program is at, its number when it has none.
func (s *stage) at(marks []string) string {
	l, err := s.back.Where(s.t.Context())
	if err != nil {
		return err.Error()
	}
	for _, m := range marks {
		if n, err := s.prog.Line(m); err == nil && n == l.Line && filepath.Base(l.File) == filepath.Base(s.prog.Path) {
			return m
		}
	}
	return l.Function + " at " + l.File + ":" + strconv.Itoa(l.Line)
}

// check carries out one row of the table.
func (s *stage) check(c behaviour) {
	s.t.Helper()
	before := s.position()
	out, err := s.do(c.do)
	after := s.position()
	bad := func(format string, args ...any) {
		s.t.Helper()
		s.t.Errorf("%s: "+format, append([]any{c.do}, args...)...)
		s.t.Logf("it printed:\n%s", out)
	}
	switch {
	case c.wrong != "":
		if !regexp.MustCompile(c.wrong).MatchString(out + fmt.Sprint(err)) {
			bad("%v, want %s", err, c.wrong)
		}
	case c.err == "" && err != nil:
		bad("%v", err)
	case c.err != "" && err == nil:
		bad("no error")
	case c.err != "":
		// One sentence, in the person's terms.
		if text := err.Error(); !regexp.MustCompile(s.words(c.err)).MatchString(text) || strings.Contains(text, "%!") ||
			strings.Contains(text, "panic") || strings.Contains(text, "nil pointer") || strings.HasSuffix(text, "\n") {
			bad("the error is %q", text)
		}
	}
	if !regexp.MustCompile(s.words(c.says)).MatchString(out) {
		bad("wants to print %s", c.says)
	}
	switch {
	case c.at == "" && before != after:
		bad("moved from %v to %v", before, after)
	case c.at != "" && !slices.Contains(strings.Split(c.at, "|"), "-"):
		if got := s.at(strings.Split(c.at, "|")); !slices.Contains(strings.Split(c.at, "|"), got) {
			bad("is at %s, want %s", got, c.at)
		}
	}
	if c.same != "" && s.kept[c.same] != after {
		bad("is at %v, want %v", after, s.kept[c.same])
	}
	if c.keep != "" {
		s.kept[c.keep] = after
	}
}

// TestTwins: what the commands do.
func TestTwins(t *testing.T) {
	needGDB(t)
	for _, w := range twins {
		t.Run(w.backend, func(t *testing.T) {
			s := newStage(t, w.backend, w.program, w.flags, w.prefix)
			for i, part := range suite {
				t.Run(part.name, func(t *testing.T) {
					s := *s
					s.t = t
					if i > 0 {
						s.check(behaviour{do: "delete"})
						s.check(behaviour{do: "goto " + s.main.String(), at: "first"})
					}
					for _, c := range part.list {
						s.check(c)
					}
				})
			}
			t.Run("interface", func(t *testing.T) {
				s := *s
				s.t = t
				s.contract()
			})
		})
	}
}

// contract holds the backend to what debugger.Backend promises, without a Debugger
// between.
func (s *stage) contract() {
	t, ctx, back := s.t, s.t.Context(), s.back
	for _, line := range []string{"delete", "goto " + s.main.String(), "tbreak {give}", "continue"} {
		if _, err := s.do(line); err != nil {
			t.Fatal(line, err)
		}
	}
	line := func(mark string) int { return testprogs.Line(t, s.prog.Name, mark) }

	l, err := back.Where(ctx)
	if err != nil || l.Function != s.prefix+"part" || l.Line != line("give") || l.FullName != s.prog.Path || l.Addr == 0 {
		t.Errorf("Where: %+v, %v", l, err)
	}
	if text, err := back.Line(ctx, l); err != nil || !strings.Contains(text, "return d") {
		t.Errorf("Line: %q, %v", text, err)
	}
	if text, err := back.Line(ctx, debugger.Location{}); err != nil || text != "" {
		t.Errorf("the line of nowhere: %q, %v", text, err)
	}
	var stack []string
	frames, err := back.Backtrace(ctx, 3)
	for i, f := range frames {
		if f.Level != i {
			t.Errorf("frame %d has level %d", i, f.Level)
		}
		stack = append(stack, fmt.Sprint(strings.TrimPrefix(f.Function, s.prefix), ":", f.Line))
	}
	if want := []string{fmt.Sprint("part:", line("give")), fmt.Sprint("work:", line("call")), fmt.Sprint("main:", line("first"))}; err != nil || !slices.Equal(stack, want) {
		t.Errorf("Backtrace: %v, %v, want %v", stack, err, want)
	}
	if frames, err := back.Backtrace(ctx, 1); err != nil || len(frames) != 1 {
		t.Errorf("a backtrace of one: %v, %v", frames, err)
	}
	threads, err := back.Threads(ctx)
	if n := slices.IndexFunc(threads, func(t debugger.Thread) bool { return t.Current }); err != nil || n < 0 || threads[n].ID != s.tl.Current() || threads[n].Function != l.Function {
		t.Errorf("Threads: %+v, %v", threads, err)
	}

	// Expressions keep the meaning that they had where they were bound.
	bind := func(text string) debugger.Expression {
		t.Helper()
		e, err := back.Bind(ctx, s.words(text))
		if err != nil {
			t.Fatalf("Bind %s: %v", text, err)
		}
		return e
	}
	// value is the expression's, evaluated as the debugger's own work is.
	value := func(e debugger.Expression) (v string) {
		t.Helper()
		err := back.Quietly(ctx, func(ctx context.Context) (err error) { v, err = back.Evaluate(ctx, e); return err })
		if u := (*debugger.UnknownError)(nil); errors.As(err, &u) {
			if u.Reason == "" || strings.Contains(u.Reason, "\n") {
				t.Errorf("%s is unknown because %q", e, u.Reason)
			}
			return "unknown"
		} else if err != nil {
			t.Errorf("Evaluate %s: %v", e, err)
		}
		return v
	}
	global, local := bind("{total} + 1"), bind("d + n")
	if global.Activation() || !local.Activation() || global.String() != s.words("{total} + 1") {
		t.Errorf("activations: %v, %v", global.Activation(), local.Activation())
	}
	if g, l := value(global), value(local); g != "1" || l != "0" {
		t.Errorf("total + 1 is %s, d + n is %s", g, l)
	}
	if out, err := s.do("next 2"); err != nil || value(local) != "unknown" || value(global) != "1" {
		t.Errorf("after the return: d + n is %s, total + 1 is %s (%v: %s)", value(local), value(global), err, out)
	}
	if e, err := back.Bind(ctx, "1 +"); err == nil && value(e) != "unknown" {
		t.Errorf("half an expression is %s", value(e))
	}
	if _, err := s.do("continue"); err != nil || value(global) != "1328" {
		t.Errorf("at the end total + 1 is %s", value(global))
	}
	if v := value(bind("{nosuch}")); v != "unknown" {
		t.Errorf("nosuch is %s", v)
	}

	// The debugger's own motions show nothing, and breakpoints do not act on them.
	for _, line := range []string{"goto " + s.main.String(), "tbreak {out}", "continue", "break part"} {
		if _, err := s.do(line); err != nil {
			t.Fatal(line, err)
		}
	}
	here := s.position()
	s.ui.b.Reset()
	err = back.Quietly(ctx, func(ctx context.Context) error {
		for _, m := range []debugger.Motion{{Kind: debugger.StepInsn, Backward: true, Count: 3}, {Kind: debugger.StepInsn, Count: 3}} {
			if out, err := back.Move(ctx, m); err != nil || !out.Moved || out.Edge {
				t.Errorf("%+v: %+v, %v", m, out, err)
			}
		}
		if got := s.position(); got != here {
			t.Errorf("three instructions back and forth is %v, not %v", got, here)
		}
		out, ok, err := back.Watch(ctx, s.words("{total}"))
		if l, _ := back.Where(ctx); err != nil || !ok || !out.Moved || out.Edge || l.Line != line("add") {
			t.Errorf("Watch: %+v, %v, %v, at line %d", out, ok, err, l.Line)
		}
		if _, ok, err := back.Watch(ctx, "1 + 1"); ok || err != nil {
			t.Errorf("a constant can be watched: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if text := s.ui.b.String(); text != "" {
		t.Errorf("quiet work prints %q", text)
	}

	// Words.
	for word, exact := range map[string]bool{"break": true, "b": true, "rs": true, "reverse-step": true, "reverse-s": false, "nosuch": false} {
		if r, err := back.Resolve(ctx, word); err != nil || r.Exact != exact || word == "reverse-s" && len(r.Matches) == 0 || word == "nosuch" && len(r.Matches) > 0 {
			t.Errorf("Resolve %s: %+v, %v", word, r, err)
		}
	}
	if list, err := back.Complete(ctx, "break "+s.prefix+"wor"); err != nil || !slices.Contains(list, "break "+s.prefix+"work") {
		t.Errorf("Complete: %v, %v", list, err)
	}
	s.ui.b.Reset()
	if err := back.Help(ctx, "finish"); err != nil || !strings.Contains(s.ui.b.String(), "finish") {
		t.Errorf("Help: %v, %q", err, s.ui.b.String())
	}

	// A call that was cancelled leaves the backend ready for the next.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := back.Console(gone, "next"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled next: %v", err)
	}
	if _, err := s.do("print 6*7"); err != nil || !strings.Contains(s.ui.b.String(), "42") {
		t.Errorf("afterwards: %v, %q", err, s.ui.b.String())
	}
}
