package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
	"yore/engine/timeline"
)

// fake is a Debugger of a made-up history: 100 events, a millisecond apart.
type fake struct {
	event    int64
	done     []string // what was asked for
	answer   func(line string) error
	wait     chan struct{} // when set, Execute waits for it or its context
	survey   []debugger.Happening
	look     debugger.Look
	pins     []debugger.Pin
	scrubbed []time.Duration
}

func newFake() *fake {
	f := &fake{event: 99}
	for i := range int64(100) {
		h := debugger.Happening{Event: i, Time: time.Duration(i) * time.Millisecond, Thread: 10}
		switch {
		case i == 20:
			h.Kind, h.Child = debugger.ThreadStart, 11
		case i > 30 && i < 60 && i%7 < 4:
			h.Thread = 11
		case i == 70:
			h.Kind, h.Signal = debugger.Signalled, 14
		case i == 99:
			h.Kind = debugger.ProgramEnd
		}
		if i%10 == 5 {
			h.Output = fmt.Appendf(nil, "line %d of the program\n", i/10)
		}
		f.survey = append(f.survey, h)
	}
	f.pins = []debugger.Pin{
		{Kind: debugger.PinImage, Time: 0, Event: -1},
		{Kind: debugger.PinAuto, Time: 25 * time.Millisecond, Event: 25},
		{Kind: debugger.PinBookmark, Time: 40 * time.Millisecond, Event: 40, Label: "wrong"},
		{Kind: debugger.PinStop, Time: 99 * time.Millisecond, Event: 99, Label: "continue"},
	}
	return f
}

func (f *fake) Execute(ctx context.Context, line string) error {
	f.done = append(f.done, line)
	if f.wait != nil {
		select {
		case <-f.wait:
		case <-ctx.Done():
			return debugger.ErrInterrupted
		}
	}
	if f.answer != nil {
		return f.answer(line)
	}
	if line == "quit" {
		return debugger.ErrQuit
	}
	return nil
}

func (f *fake) ExecuteBlock(_ context.Context, lines []string) error {
	f.done = append(f.done, strings.Join(lines, "|"))
	return nil
}

func (f *fake) Complete(_ context.Context, line string) []string {
	var out []string
	for _, s := range []string{"next", "nexti", "reverse-next"} {
		if strings.HasPrefix(s, line) {
			out = append(out, s)
		}
	}
	return out
}

func (f *fake) Look(_ context.Context, o debugger.LookOptions) (debugger.Look, error) {
	l := f.look
	l.Event, l.Events = f.event, 99
	l.Time, l.Total = time.Duration(f.event)*time.Millisecond, 99*time.Millisecond
	l.Frontier = f.event == 99
	l.Ended = &timeline.Ending{Code: 3}
	l.Threads = []debugger.Thread{
		{Number: 1, ID: 10, Name: "prog", Current: true, Location: debugger.Location{Function: "main", File: "testdata/small.c", Line: 9}},
		{Number: 2, ID: 11, Name: "worker", Location: debugger.Location{Function: "work", File: "testdata/small.c", Line: 3}},
	}
	place := debugger.Location{Addr: 0x401136, Function: "twice", File: "small.c", FullName: "testdata/small.c", Line: 3 + int(f.event%3)}
	l.Frames = []debugger.Frame{
		{Level: 0, Location: place},
		{Level: 1, Location: debugger.Location{Addr: 0x401200, Function: "main", File: "small.c", FullName: "testdata/small.c", Line: 12}},
	}
	l.Variables = []debugger.Variable{
		{Name: "n", Type: "int", Value: fmt.Sprint(f.event), Argument: true},
		{Name: "text", Type: "char *", Value: `0x4020 "a string that is longer than the pane is wide"`},
	}
	for _, w := range o.Watch {
		x := debugger.Watched{Expr: w, Value: "7"}
		if w == "nosuch" {
			x.Err = errors.New(`No symbol "nosuch" in current context.`)
		}
		l.Watched = append(l.Watched, x)
	}
	return l, nil
}

func (f *fake) Pins() []debugger.Pin { return f.pins }

func (f *fake) Survey(_ context.Context, from int64, fn func(debugger.Happening) bool) error {
	for _, h := range f.survey[min(from, int64(len(f.survey))):] {
		if !fn(h) {
			break
		}
	}
	return nil
}

func (f *fake) Scrub(ctx context.Context, t, off time.Duration) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, debugger.ErrInterrupted
	}
	f.scrubbed = append(f.scrubbed, t)
	f.event = int64(t / time.Millisecond)
	return time.Duration(f.event) * time.Millisecond, nil
}

func (f *fake) ScrubEvent(_ context.Context, event int64) error {
	f.event = event
	return nil
}

func (f *fake) ScrubEnd(context.Context) error {
	f.event = 99
	return nil
}

func (f *fake) Place(context.Context) (time.Duration, error) {
	return time.Duration(f.event) * time.Millisecond, nil
}

func (f *fake) Samples(ctx context.Context, expr string, times []time.Duration, _ time.Duration, fn func(debugger.Sample)) error {
	if expr == "nosuch" {
		return errors.New("No symbol \"nosuch\" in current context.")
	}
	for _, t := range times {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := t / (10 * time.Millisecond)
		fn(debugger.Sample{Time: t, Value: fmt.Sprint(int(n * n)), Known: t > 15*time.Millisecond})
	}
	return nil
}

// screen is a Model with its commands carried out in the test's goroutine, one
// after the other.
type screen struct {
	m     *Model
	later []tea.Cmd // not carried out yet
	clock time.Time
	quit  bool
}

// newScreen opens a session on a fake.
func newScreen(f *fake, w, h int, t *theme) *screen {
	s := &screen{clock: time.Unix(1000, 0)}
	b := newBridge(func(m tea.Msg) { s.msg(m) })
	o := Options{Title: "prog", Open: func(context.Context, *Bridge) (*Session, error) {
		return &Session{Debugger: f, Title: "prog-1: ./prog", Banner: "prog-1: recorded yesterday.\n"}, nil
	}}
	s.m = newModel(context.Background(), o, t, b)
	s.m.now = func() time.Time { return s.clock }
	s.m.tick = func() tea.Cmd { return nil }
	s.m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	s.add(s.m.Init())
	s.settle()
	return s
}

func plainTheme() *theme { return newTheme(noColor, true, false) }

func (s *screen) add(c tea.Cmd) {
	if c != nil {
		s.later = append(s.later, c)
	}
}

// one carries out the oldest command.
func (s *screen) one() {
	c := s.later[0]
	s.later = s.later[1:]
	s.msg(c())
}

func (s *screen) msg(m tea.Msg) {
	switch m := m.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range m {
			s.add(c)
		}
	case tea.QuitMsg:
		s.quit = true
	default:
		_, c := s.m.Update(m)
		s.add(c)
	}
}

// settle carries out what there is to do, until there is nothing.
func (s *screen) settle() {
	for len(s.later) > 0 {
		s.one()
	}
}

var keyTypes = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "left": tea.KeyLeft, "right": tea.KeyRight, "up": tea.KeyUp,
	"down": tea.KeyDown, "home": tea.KeyHome, "end": tea.KeyEnd, "ctrl+c": tea.KeyCtrlC, "backspace": tea.KeyBackspace, "space": tea.KeySpace,
	"shift+tab": tea.KeyShiftTab, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "ctrl+u": tea.KeyCtrlU,
}

// press sends keys without carrying out what follows.
func (s *screen) press(keys ...string) {
	for _, k := range keys {
		if t, ok := keyTypes[k]; ok {
			r := []rune(nil)
			if t == tea.KeySpace {
				r = []rune{' '}
			}
			s.msg(tea.KeyMsg{Type: t, Runes: r})
			continue
		}
		for _, r := range k {
			s.msg(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
}

// do sends keys and settles after each.
func (s *screen) do(keys ...string) {
	for _, k := range keys {
		s.press(k)
		s.settle()
	}
}
