package tui

import (
	"math"
	"strings"
	"testing"
	"time"

	"yore/debugger"
)

func TestStrip(t *testing.T) {
	var s strip
	f := newFake()
	s.add(batch{list: f.survey[:50]})
	s.add(batch{list: f.survey[40:]}) // what is there already is not taken twice
	if s.next != 100 || s.total != 99*time.Millisecond || len(s.times) != 100 {
		t.Errorf("%d events, %v, %d times", s.next, s.total, len(s.times))
	}
	if len(s.lanes) != 2 || s.lanes[0].thread != 10 || s.lanes[1].thread != 11 || s.lanes[1].from != 20*time.Millisecond || !s.lanes[1].ended {
		t.Errorf("lanes %+v", s.lanes)
	}
	if len(s.signals) != 1 || s.signals[0].event != 70 || len(s.output) != 10 {
		t.Errorf("signals %+v, %d outputs", s.signals, len(s.output))
	}
	// Whoever ran, ran all of the time together.
	a, b := s.active(10, 0, s.total, 33), s.active(11, 0, s.total, 33)
	for i := range a {
		if sum := a[i] + b[i]; math.Abs(sum-1) > 0.01 {
			t.Errorf("column %d: %.3f", i, sum)
		}
	}
	past, future := s.printed(45)
	if len(past) != 5 || len(future) != 5 {
		t.Errorf("up to event 45: %d printed, %d to come", len(past), len(future))
	}
}

// TestStripBounds: however much there is, what is kept is bounded.
func TestStripBounds(t *testing.T) {
	var s strip
	big := make([]byte, 1<<20)
	var list []debugger.Happening
	for i := range int64(maxRuns + 1000) {
		h := debugger.Happening{Event: i, Time: time.Duration(i), Thread: int(i % 2), Kind: debugger.Signalled, Signal: 1}
		if i%50000 == 0 {
			h.Output = big
		}
		list = append(list, h)
	}
	s.add(batch{list: list})
	if len(s.runs) > maxRuns || len(s.signals) > maxPoints || s.kept > maxOutput+len(big)*10 || len(s.output) > 4 || !s.lost {
		t.Errorf("%d runs, %d signals, %d outputs, lost %v", len(s.runs), len(s.signals), len(s.output), s.lost)
	}
	if s.total != time.Duration(maxRuns+999) {
		t.Errorf("total %v", s.total)
	}
}

func TestWindow(t *testing.T) {
	const total = time.Second
	w := window{0, total, 100}
	for _, c := range []struct {
		t    time.Duration
		want int
	}{{0, 0}, {total, 99}, {total / 2, 50}, {9999 * time.Microsecond, 0}, {10 * time.Millisecond, 1}, {-time.Nanosecond, -1}, {total + 1, 100}} {
		if got := w.column(c.t); got != c.want {
			t.Errorf("column of %v is %d, want %d", c.t, got, c.want)
		}
	}
	for col := range 100 {
		if got := w.column(w.middle(col)); got != col {
			t.Errorf("the middle of column %d is in column %d", col, got)
		}
	}
	// Zooming keeps what is around at its column; zooming out ends at all.
	around := 730 * time.Millisecond
	col := w.column(around)
	for range 25 {
		w = w.zoom(0.5, around, total)
		if w.from < 0 || w.to > total || w.to-w.from < time.Microsecond {
			t.Fatalf("window %v to %v", w.from, w.to)
		}
		if got := w.column(around); got < col-1 || got > col+1 {
			t.Fatalf("in %v to %v it is at column %d, was at %d", w.from, w.to, got, col)
		}
	}
	w = w.show(10*time.Millisecond, total)
	if got := w.column(10 * time.Millisecond); got < 0 || got >= 100 {
		t.Errorf("shown at column %d", got)
	}
	if w = w.zoom(1e18, 0, total); w.from != 0 || w.to != total {
		t.Errorf("all is %v to %v", w.from, w.to)
	}
	if w := (window{0, 0, 100}).zoom(0.5, 0, 0); w.column(0) != 99 && w.column(0) != 0 {
		t.Errorf("of nothing: %+v", w)
	}
}

func TestPlainText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain\n", "plain\n"},
		{"10%\r20%\r100%\n", "100%\n"},
		{"a\tb\n", "a       b\n"},
		{"abc\b\bX\n", "aXc\n"},
		{"\x1b[1;31mred\x1b[m \x1b]0;title\x07end\n", "red end\n"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link\n"},
		{"cut \x1b[", "cut "},
		{"cut \x1b", "cut "},
		{"dos\r\nline\r\n", "dos\nline\n"},
	} {
		if got := plainText(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		in   string
		w    int
		want string
	}{
		{"short", 10, "short"},
		{"words are not broken apart", 10, "words are|not broken|apart"},
		{"abcdefghijklmno", 5, "abcde|fghij|klmno"},
		{"日本語テキスト", 6, "日本語|テキス|ト"},
		{"日", 1, "日"},
	} {
		if got := strings.Join(fold(c.in, c.w), "|"); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// TestHighlight: the text is kept, tabs apart, and its parts are told.
func TestHighlight(t *testing.T) {
	for file, text := range map[string]string{
		"a.c":  "#define X 1\nint main(void) { /* over\nlines */ char *s = \"a \\\" b\"; return 0x1f; } // end\n",
		"a.go": "func f(s string) { x := `raw\nstring`; return nil }\n",
		"a.rs": "#[derive(Debug)]\nfn main() { let c = 'x'; println!(\"{}\", r#\"raw \"quoted\"\"#); }\n",
		"a.cc": "template <class T> T f() { return R\"x(raw \")\")x\"; }\n",
		"a.s":  "\t.globl main\nmain: mov $1, %rax # end\n",
		"none": "whatever \"it\" is\n",
		"b.c":  "an \"unfinished string\nand /* comment",
	} {
		var got strings.Builder
		kinds := map[token]bool{}
		for i, l := range highlight(file, text) {
			if i > 0 {
				got.WriteByte('\n')
			}
			for _, s := range l {
				got.WriteString(s.text)
				kinds[s.tok] = true
			}
		}
		want := strings.TrimSuffix(strings.ReplaceAll(text, "\t", "    "), "\n")
		if strings.TrimSuffix(got.String(), "\n") != want {
			t.Errorf("%s: %q, want %q", file, got.String(), want)
		}
		if file != "none" && len(kinds) < 3 {
			t.Errorf("%s: only %v are told apart", file, kinds)
		}
	}
	lines := highlight("x.c", "return \"if\"; // return\n")
	var toks []token
	for _, s := range lines[0] {
		if strings.TrimSpace(s.text) != "" && s.text != ";" {
			toks = append(toks, s.tok)
		}
	}
	if len(toks) != 3 || toks[0] != tokKeyword || toks[1] != tokString || toks[2] != tokComment {
		t.Errorf("%v: %+v", toks, lines)
	}
}

func TestBackground(t *testing.T) {
	for _, c := range []struct {
		in       string
		dark, ok bool
	}{
		{"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b[?1;2c", true, true},
		{"\x1b]11;rgb:ff/ff/f0\x07", false, true},
		{"\x1b]11;rgb:fdf6/e3e3/d", false, true},
		{"\x1b[?62;c", false, false},
		{"\x1b]11;rgb:zz/1/1", false, false},
		{"\x1b]11;rgb:1", false, false},
		{"", false, false},
	} {
		if dark, ok := background(c.in); dark != c.dark && ok || ok != c.ok {
			t.Errorf("%q: %v, %v", c.in, dark, ok)
		}
	}
}

func TestLineEdit(t *testing.T) {
	e := lineEdit{history: []string{"first"}, at: 1}
	e.insert([]rune("hello\x1b world"))
	if e.String() != "hello world" {
		t.Errorf("%q", e.String())
	}
	e.walk(-1)
	if e.String() != "first" {
		t.Errorf("up: %q", e.String())
	}
	e.walk(-1)
	e.walk(1)
	if e.String() != "hello world" {
		t.Errorf("down: %q", e.String())
	}
	e.pos = 5
	e.cut(0, e.pos)
	if e.String() != " world" || e.pos != 0 {
		t.Errorf("%q at %d", e.String(), e.pos)
	}
	c := newCanvas(12, 1)
	e.set("a line that is longer than there is room")
	e.draw(c, 0, 0, 12, "? ", style{}, true)
	if got := c.plain(); got != "? e is room\n" {
		t.Errorf("%q", got)
	}
}

func TestEnvironment(t *testing.T) {
	env := func(kv ...string) func(string) string {
		return func(k string) string {
			for _, s := range kv {
				if v, ok := strings.CutPrefix(s, k+"="); ok {
					return v
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		kv   []string
		want profile
	}{
		{[]string{"TERM=xterm-256color"}, color256}, {[]string{"TERM=xterm-256color", "NO_COLOR=1"}, noColor},
		{[]string{"TERM=linux"}, color16}, {[]string{"TERM=vt220"}, noColor}, {[]string{"TERM=xterm", "COLORTERM=truecolor"}, color256},
	} {
		if got := profileOf(env(c.kv...)); got != c.want {
			t.Errorf("%v: %v", c.kv, got)
		}
	}
	if !asciiBy(env("LANG=C")) || asciiBy(env("LANG=C.UTF-8")) || asciiBy(env("LC_ALL=de_DE.utf8", "LANG=C")) || !asciiBy(env("TERM=linux")) {
		t.Error("the character set is not told")
	}
	if d, ok := darkBy(env("COLORFGBG=0;15")); d || !ok {
		t.Error("a light background is not told")
	}
}
