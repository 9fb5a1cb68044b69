package tui

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yore/debugger"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// golden compares a screen with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(-update writes it anew)", name, got, want)
	}
}

// TestScreens: the whole screen at both sizes, as text.
func TestScreens(t *testing.T) {
	for _, size := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"120x40", 120, 40}} {
		f := newFake()
		f.look.Breaks = []debugger.Breakpoint{{Number: "1", Enabled: true, Locations: []debugger.Location{{FullName: "testdata/small.c", Line: 12}}}}
		s := newScreen(f, size.w, size.h, plainTheme())
		golden(t, "end-"+size.name, s.m.draw().plain())
		s.do("w", "twice(n)", "enter", "w", "nosuch", "enter", "H", "H", "left")
		golden(t, "scrubbed-"+size.name, s.m.draw().plain())
		s.do("?")
		golden(t, "help-"+size.name, s.m.draw().plain())
	}
}

// TestSmallScreens: no size makes it fail, and nothing is drawn outside.
func TestSmallScreens(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, newTheme(color256, true, true))
	for w := 1; w < 140; w += 7 {
		for h := 1; h < 50; h += 3 {
			for _, focus := range []pane{paneSource, paneConsole, paneThreads} {
				s.m.focus = focus
				s.m.w, s.m.h = w, h
				s.m.relayout()
				lines := strings.Split(s.m.View(), "\n")
				if len(lines) != h {
					t.Fatalf("%dx%d: %d lines", w, h, len(lines))
				}
			}
		}
	}
}

// TestKeys: what keys have the debugger do.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"n", "s", "f", "c", "x"}, "next step finish continue stepi"},
		{[]string{"N", "S", "F", "C", "X"}, "reverse-next reverse-step reverse-finish reverse-continue reverse-stepi"},
		{[]string{"u", "U"}, "undo redo"},
		{[]string{"g", "37%", "enter"}, "goto 37%"},
		{[]string{"g", "37%", "esc"}, ""},
		{[]string{"m", "here", "enter", "k"}, "bookmark here checkpoint"},
		{[]string{"R", "n > 3", "enter"}, "reverse-watch n > 3"},
		{[]string{"b"}, "break testdata/small.c:3"},
		{[]string{"down", "down", "b"}, "break testdata/small.c:5"},
		{[]string{":", "print 1+1", "enter", "enter"}, "print 1+1 print 1+1"},
		{[]string{":", "delete 1", "enter", "enter"}, "delete 1"},
		{[]string{":", "commands", "enter", "print n", "enter", "en", "d", "enter"}, "commands|print n|end"},
		{[]string{":", "next", "enter", "up", "enter"}, "next next"},
		{[]string{":", "re", "tab", "enter"}, "reverse-next "},
		{[]string{"tab", "down"}, "frame 1"},
		{[]string{"tab", "tab", "tab", "down", "enter"}, "thread 2"},
		{[]string{"q"}, "quit"},
	} {
		f := newFake()
		s := newScreen(f, 80, 24, plainTheme())
		for _, k := range c.keys {
			s.do(k)
		}
		if got := strings.Join(f.done, " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.keys, got, c.want)
		}
		if quit := slices.Contains(c.keys, "q"); s.quit != quit {
			t.Errorf("%q: quit is %v", c.keys, s.quit)
		}
	}
}

// TestToggleBreak: b deletes the breakpoint that is at the line.
func TestToggleBreak(t *testing.T) {
	f := newFake()
	f.look.Breaks = []debugger.Breakpoint{{Number: "4", Enabled: true, Locations: []debugger.Location{{FullName: "testdata/small.c", Line: 3}}}}
	s := newScreen(f, 80, 24, plainTheme())
	s.do("b")
	if got := strings.Join(f.done, " "); got != "delete 4" {
		t.Errorf("%q", got)
	}
}

// TestScrub: the arrow keys move by columns; keys that come while a scrub runs
// are not all carried out, the newest is.
func TestScrub(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, plainTheme())
	s.do("left")
	if f.event == 99 || len(f.scrubbed) != 1 {
		t.Fatalf("left went to event %d", f.event)
	}
	first := f.event
	s.do("right", "right", "right")
	if f.event != 99 {
		t.Errorf("right again ends at event %d", f.event)
	}
	f.scrubbed = nil
	for range 20 {
		s.press("left")
	}
	s.settle()
	if n := len(f.scrubbed); n != 2 {
		t.Errorf("20 keys made %d scrubs, want the first and the newest", n)
	}
	if got, want := s.m.win.column(s.m.look.Time), 69-20; got != want && got != want-1 {
		t.Errorf("20 keys went to column %d, want %d", got, want)
	}
	s.do("home")
	if f.event != 0 {
		t.Errorf("home went to event %d", f.event)
	}
	s.do(">", ">", "<")
	if f.event != 1 {
		t.Errorf("two events on and one back went to event %d", f.event)
	}
	s.do("]", "]", "]")
	if f.event != 25 { // output of events 5, 15, 25
		t.Errorf("three marks on is event %d", f.event)
	}
	if first <= 90 {
		t.Errorf("one column back went to event %d", first)
	}
	s.do("end", "C")
	if f.event != 99 {
		t.Errorf("end went to event %d", f.event)
	}
}

// TestOneWork: there is one work at a time; what is typed meanwhile waits, Esc
// cancels it all, and the screen is drawn all the time.
func TestOneWork(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, plainTheme())
	f.wait = make(chan struct{})
	s.press("c", "n", "n")
	s.clock = s.clock.Add(3 * time.Second)
	if got := s.m.draw().plain(); !strings.Contains(got, "continue  3.0 s  (2 wait)   Esc cancels") {
		t.Errorf("while it runs the screen says\n%s", got)
	}
	s.msg(progressMsg{"searching backwards", 0.42})
	if got := s.m.draw().plain(); !strings.Contains(got, "continue: searching backwards 42%  3.0 s") {
		t.Errorf("with progress the screen says\n%s", got)
	}
	s.press("esc")
	s.settle() // the wait ends by its context
	if len(f.done) != 1 || f.done[0] != "continue" {
		t.Errorf("done: %q", f.done)
	}
	if got := s.m.draw().plain(); !strings.Contains(got, "interrupted") {
		t.Errorf("afterwards the screen says\n%s", got)
	}
	close(f.wait)
	s.do("n")
	if f.done[len(f.done)-1] != "next" || s.m.running != nil {
		t.Errorf("after Esc it goes on: %q", f.done)
	}
}

// TestErrors: an error is in the footer and in the console; quitting errors end
// the front-end.
func TestErrors(t *testing.T) {
	f := newFake()
	f.answer = func(string) error { return errors.New("No symbol \"x\"\nin current context.") }
	s := newScreen(f, 120, 40, plainTheme())
	s.do("n")
	if got := s.m.draw().plain(); strings.Count(got, `No symbol "x"`) != 2 {
		t.Errorf("the screen says\n%s", got)
	}
	f.answer = func(string) error { return &debugger.RerunError{} }
	s.do("c")
	if !s.quit || !errors.As(s.m.err, new(*debugger.RerunError)) {
		t.Errorf("run again: quit %v, %v", s.quit, s.m.err)
	}
}

// TestConfirm: a question of the debugger waits for y or n.
func TestConfirm(t *testing.T) {
	s := newScreen(newFake(), 80, 24, plainTheme())
	for key, want := range map[string]bool{"y": true, "n": false, "esc": false} {
		answer := make(chan bool, 1)
		s.msg(questionMsg{"Quit?", answer})
		s.do("x")
		if got := s.m.draw().plain(); !strings.Contains(got, "Quit? (y or n)") {
			t.Errorf("the screen says\n%s", got)
		}
		s.do(key)
		if got := <-answer; got != want || s.m.line != nil {
			t.Errorf("%s answers %v", key, got)
		}
	}
}

// TestChanged: values that changed since the last stop are marked.
func TestChanged(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, plainTheme())
	s.do("w", "twice(n)", "enter", "H")
	got := s.m.draw().plain()
	if !strings.Contains(got, "│*n = ") || strings.Contains(got, "│*text = ") || strings.Contains(got, "*twice(n)") {
		t.Errorf("the screen says\n%s", got)
	}
	s.do("w", "other", "enter")
	if got := s.m.draw().plain(); !strings.Contains(got, "│*n = ") {
		t.Errorf("without a motion the mark is gone:\n%s", got)
	}
	s.do("d")
	if len(s.m.watches) != 1 {
		t.Errorf("watches left: %q", s.m.watches)
	}
}

// TestSearch finds text in the source, in the console and in the output.
func TestSearch(t *testing.T) {
	s := newScreen(newFake(), 80, 24, plainTheme())
	s.do("/", "limit", "enter")
	if s.m.source.cursor != 8 {
		t.Errorf("line %d", s.m.source.cursor)
	}
	s.do("/", "enter")
	if s.m.source.cursor != 12 {
		t.Errorf("the next is line %d", s.m.source.cursor)
	}
	s.do("/", "nowhere", "enter")
	if !strings.Contains(s.m.message, "not found") {
		t.Errorf("message %q", s.m.message)
	}
}

// TestHelpListsAll: every key of the table is in the help, once.
func TestHelpListsAll(t *testing.T) {
	s := newScreen(newFake(), 120, 60, plainTheme())
	s.do("?")
	text := s.m.draw().plain()
	seen := map[string]bool{}
	for _, g := range keyTable {
		for _, b := range g.list {
			if b.text != "" && !strings.Contains(text, b.text) {
				t.Errorf("help does not say %q", b.text)
			}
			for _, k := range b.keys {
				if seen[k] {
					t.Errorf("key %s is there twice", k)
				}
				seen[k] = true
			}
		}
	}
	for _, k := range strings.Fields("n s f c N S F C u / b w g ? left right + - q esc") {
		if !seen[k] {
			t.Errorf("there is no key %s", k)
		}
	}
	s.do("n")
	if s.m.help {
		t.Error("a key does not leave the help")
	}
}

// TestColors: without colours there are none, and the themes differ.
func TestColors(t *testing.T) {
	out := map[string]string{}
	for name, th := range map[string]*theme{
		"none": newTheme(noColor, true, false), "dark16": newTheme(color16, true, false), "light16": newTheme(color16, false, false),
		"dark": newTheme(color256, true, false), "light": newTheme(color256, false, false),
	} {
		s := newScreen(newFake(), 80, 24, th)
		s.do("left")
		out[name] = s.m.View()
	}
	if m := regexp.MustCompile("\x1b\\[[0-9;]*([34][0-9]|9[0-9]|10[0-9])[0-9;]*m").FindString(out["none"]); m != "" {
		t.Errorf("without colours there is %q", m)
	}
	if out["dark"] == out["light"] || out["dark16"] == out["light16"] || !strings.Contains(out["dark"], "38;5;") || strings.Contains(out["dark16"], "38;5;") {
		t.Error("the themes are not what they should be")
	}
}

// TestHostileOutput: what a program prints cannot act on the terminal.
func TestHostileOutput(t *testing.T) {
	f := newFake()
	f.survey[5].Output = []byte("\x1b]0;title\x07\x1b[2Jred \x1b[31mtext\x9b5m\rRED\x00\x7f\u202e\n")
	f.look.Variables = nil
	s := newScreen(f, 80, 24, plainTheme())
	s.msg(textMsg("evil \x1b[2J\x1b]52;c;aGk=\x07 text\n"))
	view := s.m.View()
	for _, bad := range []string{"\x1b]", "\x1b[2J", "\x00", "\x7f", "\u202e", "\x9b"} {
		if strings.Contains(view, bad) {
			t.Errorf("%q reaches the terminal", bad)
		}
	}
	if lines, _ := s.m.programLines(); !strings.HasPrefix(lines[0].text, "RED") {
		t.Errorf("output is %q", lines[0].text)
	}
}

// TestPlot: a chosen expression is looked at in every column, as background work
// that gives way, and drawn.
func TestPlot(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, plainTheme())
	s.do("W", "total", "enter")
	rows := strings.Split(s.m.draw().plain(), "\n")
	row := ""
	for _, r := range rows {
		if strings.HasPrefix(r, "total ") {
			row = r
		}
	}
	if !strings.Contains(row, "▁▂") || !strings.HasSuffix(row, "█") || !strings.HasPrefix(row, "total                ") {
		t.Errorf("the row is %q in\n%s", row, strings.Join(rows, "\n"))
	}
	n := len(s.m.marks.samples)
	if n < 60 || !s.m.marks.done {
		t.Errorf("%d samples, done %v", n, s.m.marks.done)
	}
	s.do("+")
	if len(s.m.marks.samples) <= n || !s.m.marks.done {
		t.Errorf("zoomed in: %d samples, done %v", len(s.m.marks.samples), s.m.marks.done)
	}
	s.do("W", "ctrl+u", "nosuch", "enter")
	if got := s.m.draw().plain(); !strings.Contains(got, `nosuch    No symbol "nosuch"`) {
		t.Errorf("the screen says\n%s", got)
	}
	s.do("W", "ctrl+u", "enter")
	if s.m.marks != nil {
		t.Error("an empty answer leaves it there")
	}
}

// TestPlotGivesWay: a command does not wait for the rest of a plot, which goes on
// afterwards.
func TestPlotGivesWay(t *testing.T) {
	f := newFake()
	s := newScreen(f, 80, 24, plainTheme())
	s.do("W")
	s.press("total", "enter") // the work is there, not carried out
	if s.m.running == nil || s.m.running.what != sampleWork {
		t.Fatalf("running: %+v", s.m.running)
	}
	s.press("n")
	s.settle()
	if strings.Join(f.done, " ") != "next" || s.m.running != nil || !s.m.marks.done {
		t.Errorf("done %q, marks %v", f.done, s.m.marks.done)
	}
}

func TestMarks(t *testing.T) {
	for s, want := range map[string]float64{"7": 7, "0x1f": 31, "-1.5": -1.5, "true": 1, "97 'a'": 97, "0x10 <main+4>": 16} {
		if got, ok := number(s); !ok || got != want {
			t.Errorf("%s is %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "{a = 1}", "<optimized out>", `"7"`, "nan", "inf"} {
		if got, ok := number(s); ok {
			t.Errorf("%s is %v", s, got)
		}
	}
	m := &marks{expr: "x"}
	w := window{0, 100, 10}
	for _, s := range []debugger.Sample{{Time: 85, Value: "b", Known: true}, {Time: 5, Value: "a", Known: true}, {Time: 45, Known: false}, {Time: 65, Value: "a", Known: true}} {
		m.add(s)
	}
	var got strings.Builder
	for _, c := range m.columns(w) {
		switch {
		case c.changed:
			got.WriteByte('x')
		case c.known:
			got.WriteByte('-')
		default:
			got.WriteByte('.')
		}
	}
	if got.String() != "-.....-.x." || m.numeric {
		t.Errorf("%s, numeric %v", got.String(), m.numeric)
	}
	if n := len(m.missing(w)); n != 6 {
		t.Errorf("%d columns are missing", n)
	}
}
