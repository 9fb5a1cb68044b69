package debugger

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

var tookRE = regexp.MustCompile(`evaluations, [0-9.]+ s`)

func newDebugger(t *testing.T, tp *tape, opts Options) *Debugger {
	t.Helper()
	d, err := New(t.Context(), tp, tp, tapeUI{tp}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Close()
		if tp.marks != 0 {
			t.Errorf("%d marks were not released", tp.marks)
		}
	})
	return d
}

// do executes a line and returns what it printed, its error included.
func do(t *testing.T, d *Debugger, tp *tape, line string) string {
	t.Helper()
	tp.out.Reset()
	if err := d.Execute(t.Context(), line); err != nil {
		tp.Print("error: " + err.Error() + "\n")
	}
	return tp.out.String()
}

// TestTranscripts runs the commands in testdata/*.txt, lines that begin with
// "(yore) ", and compares what is printed. The seconds that a search took are
// blanked.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tp := counting(10)
			for p := 0; p < tp.end(); p += 7 {
				tp.add("", p, true)
			}
			d := newDebugger(t, tp, Options{})
			var got strings.Builder
			for line := range strings.Lines(string(text)) {
				cmd, ok := strings.CutPrefix(line, "(yore) ")
				if strings.HasPrefix(line, "#") {
					got.WriteString(line)
					continue
				}
				if !ok {
					continue
				}
				got.WriteString(line)
				got.WriteString(tookRE.ReplaceAllString(do(t, d, tp, strings.TrimSpace(cmd)), "evaluations, N s"))
			}
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestQuit(t *testing.T) {
	tp := counting(2)
	keep := true
	d := newDebugger(t, tp, Options{OnQuit: func(UI) bool { return !keep }})
	if err := d.Execute(t.Context(), "quit"); err != nil {
		t.Fatalf("quit although the session was to be kept: %v", err)
	}
	keep = false
	for _, line := range []string{"quit", "q", "qui"} {
		if err := d.Execute(t.Context(), line); !errors.Is(err, ErrQuit) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestRerun(t *testing.T) {
	tp := counting(2)
	d := newDebugger(t, tp, Options{CanRerun: true})
	var re *RerunError
	if err := d.Execute(t.Context(), "run a 'b c'"); !errors.As(err, &re) || re.Args != "a 'b c'" || !re.Changed || re.StopAt != "none" {
		t.Fatalf("run: %v, %+v", err, re)
	}
	if err := d.Execute(t.Context(), "start"); !errors.As(err, &re) || re.Changed || re.StopAt != "main" {
		t.Fatalf("start: %v, %+v", err, re)
	}
	tp.answers = []bool{false}
	if err := d.Execute(t.Context(), "r"); err != nil {
		t.Fatalf("run after a no: %v", err)
	}
	if err := d.ExecuteText(t.Context(), "f", "next\nrun\nprint 1\nprint 2"); !errors.As(err, &re) || re.Rest != "print 1\nprint 2\n" {
		t.Fatalf("run in a script: %v, left %q", err, re.Rest)
	}
	d.opts.CanRerun = false
	if err := d.Execute(t.Context(), "run"); err == nil || errors.As(err, &re) {
		t.Fatalf("run on a recording: %v", err)
	}
}

// TestFailedSeek: a motion that fails leaves the program where it was, prints no
// place and is not in the history.
func TestFailedSeek(t *testing.T) {
	tp := counting(3)
	d := newDebugger(t, tp, Options{})
	do(t, d, tp, "next")
	pos, stops := tp.pos, len(d.history.stops)
	tp.failing = errors.New("divergence at event 3")
	for _, line := range []string{"goto 5", "undo", "restart", "reverse-watch f(total)"} {
		if got := do(t, d, tp, line); !strings.Contains(got, "divergence at event 3") || strings.Contains(got, "main:") {
			t.Errorf("%s: %q", line, got)
		}
		if tp.pos != pos || len(d.history.stops) != stops || d.history.cur != stops-1 {
			t.Errorf("%s: moved to %d, history %d of %d", line, tp.pos, d.history.cur, len(d.history.stops))
		}
	}
}

func TestCancelledSeek(t *testing.T) {
	tp := counting(3)
	d := newDebugger(t, tp, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Execute(ctx, "goto 5"); !errors.Is(err, ErrInterrupted) || tp.pos != 0 {
		t.Fatalf("%v, at %d", err, tp.pos)
	}
}

// TestFrontier: `goto end` goes to the newest stop, and history grows by motion.
func TestFrontier(t *testing.T) {
	tp := counting(5)
	tp.hidden = 10
	d := newDebugger(t, tp, Options{})
	do(t, d, tp, "break 5")
	do(t, d, tp, "goto end") // the session began at the start: only events are known
	do(t, d, tp, "continue")
	was := tp.pos
	do(t, d, tp, "goto 1")
	do(t, d, tp, "goto end")
	if tp.pos != was {
		t.Fatalf("goto end went to %d, the last stop was at %d", tp.pos, was)
	}
	if got := do(t, d, tp, "timeline"); !strings.Contains(got, "the frontier") {
		t.Errorf("timeline at the frontier:\n%s", got)
	}
}

func TestEndDiversion(t *testing.T) {
	tp := counting(3)
	d := newDebugger(t, tp, Options{})
	before := tp.ends
	do(t, d, tp, "print total")
	do(t, d, tp, "next")
	if tp.ends != before+2 {
		t.Fatalf("EndDiversion was called %d times for two commands", tp.ends-before)
	}
}

func TestSource(t *testing.T) {
	tp := counting(5)
	files := map[string]string{
		"a":    "# comment\nnext\n\ncommands 1\nsilent\nif 1\nend\nend\nsource b\nnext\n",
		"b":    "next\nnosuch\nnext\n",
		"loop": "source loop\n",
		"open": "define x\nnext\n",
	}
	d := newDebugger(t, tp, Options{ReadFile: func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}})
	got := do(t, d, tp, "source a")
	want := "main:4\nscript: commands 1; silent; if 1; end; end\nf:9\n" +
		"error: a:9: b:2: Undefined command: \"nosuch\".  Try \"help\".\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := do(t, d, tp, "source loop"); !strings.Contains(got, "too deeply") {
		t.Errorf("loop: %q", got)
	}
	if got := do(t, d, tp, "source open"); !strings.Contains(got, "has no `end`") {
		t.Errorf("open: %q", got)
	}
	if got := do(t, d, tp, "source nofile"); !strings.Contains(got, "file does not exist") {
		t.Errorf("nofile: %q", got)
	}
}

func TestStopAt(t *testing.T) {
	tp := counting(3)
	d := newDebugger(t, tp, Options{})
	if err := d.StopAt(t.Context(), "main"); err != nil || tp.states[tp.pos].line != 4 {
		t.Fatalf("%v, at %+v", err, tp.states[tp.pos])
	}
	if err := d.StopAt(t.Context(), "nowhere"); err == nil {
		t.Fatal("stopped nowhere")
	}
}

func TestComplete(t *testing.T) {
	tp := counting(3)
	d := newDebugger(t, tp, Options{})
	do(t, d, tp, "bookmark here")
	do(t, d, tp, "checkpoint hill")
	for _, c := range []struct {
		line string
		want []string
	}{
		{"und", []string{"undo", "undisplay"}},
		{"goto h", []string{"goto here", "goto hill"}},
		{"goto e", []string{"goto end"}},
		{"last t", []string{"last total"}},
		{"info u", []string{"info undo"}},
		{"zzz", nil},
	} {
		if diff := cmp.Diff(c.want, d.Complete(t.Context(), c.line)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.line, diff)
		}
	}
}

func TestRepeat(t *testing.T) {
	for line, want := range map[string]string{
		"next": "next", "rs 3": "rs 3", "list 10": "list", "x/4x $sp": "x", "undo": "undo",
		"run": "", "goto 5": "", "delete": "", "!ls": "", "print x": "print x",
	} {
		if got := Repeat(line); got != want {
			t.Errorf("Repeat(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestHistoryBound(t *testing.T) {
	tp := counting(maxVisits)
	d := newDebugger(t, tp, Options{})
	for range maxVisits + 50 {
		do(t, d, tp, "next")
	}
	if n := len(d.history.stops); n != maxVisits || d.history.cur != maxVisits-1 {
		t.Fatalf("%d stops, at %d", n, d.history.cur)
	}
	if tp.marks > maxVisits+1 {
		t.Fatalf("%d marks are alive", tp.marks)
	}
	pos := tp.pos
	do(t, d, tp, "undo 10")
	do(t, d, tp, "redo 10")
	if tp.pos != pos {
		t.Fatalf("at %d, want %d", tp.pos, pos)
	}
}

func TestBlock(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string // the last one completes it
	}{
		{"commands", []string{"commands 2", "silent", "end"}},
		{"nested", []string{"define f", "if $x", "while 1", "end", "end", "end"}},
		{"python inside", []string{"define f", "python", "if x:", "  while True: pass", "end", "end"}},
		{"document", []string{"document f", "while the sun shines", "end"}},
		{"abbreviated", []string{"comman", "end"}},
		{"blanks", []string{"  python  ", "  end  "}},
	} {
		b := NewBlock(c.lines[0])
		if b == nil {
			t.Errorf("%s: not a block", c.name)
			continue
		}
		for i, l := range c.lines[1:] {
			if done := b.Add(l); done != (i == len(c.lines)-2) {
				t.Errorf("%s: complete %v after %q", c.name, done, l)
			}
		}
		if diff := cmp.Diff(c.lines, b.Lines()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for _, line := range []string{"python print(1)", "next", "define", "if", "compare", "commune", "", "end"} {
		if NewBlock(line) != nil {
			t.Errorf("%q begins a block", line)
		}
	}
}
