package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// Debugger is what the front-end needs of the debugger.
type Debugger interface {
	Execute(ctx context.Context, line string) error
	ExecuteBlock(ctx context.Context, lines []string) error
	Complete(ctx context.Context, line string) []string
	Look(ctx context.Context, o debugger.LookOptions) (debugger.Look, error)
	Pins() []debugger.Pin
	Survey(ctx context.Context, from int64, fn func(debugger.Happening) bool) error
	Scrub(ctx context.Context, t, off time.Duration) (time.Duration, error)
	ScrubEvent(ctx context.Context, event int64) error
	ScrubEnd(ctx context.Context) error
	Place(ctx context.Context) (time.Duration, error)
	Samples(ctx context.Context, expr string, times []time.Duration, off time.Duration, fn func(debugger.Sample)) error
}

var _ Debugger = (*debugger.Debugger)(nil)

// pane is a part of the screen that can have the focus.
type pane int

const (
	paneSource pane = iota
	paneStack
	paneValues
	paneThreads
	paneProgram
	paneConsole
	numPanes
)

// Model is the whole front-end. It belongs to Bubble Tea's goroutine.
type Model struct {
	ctx    context.Context
	opts   Options
	theme  *theme
	bridge *Bridge
	now    func() time.Time
	tick   func() tea.Cmd

	w, h   int
	lay    layout
	focus  pane
	zoomed bool // the focused pane has the whole middle of the screen
	bottom pane // which of program and console is shown where only one fits
	help   bool
	helpAt int

	opening *work // of the session
	session *Session
	dbg     Debugger
	err     error // why the front-end ends

	running  *work
	ended    chan struct{} // closed when running has ended
	read     reader
	queue    []*work
	progress progressMsg
	ticking  bool
	alive    bool // the program runs just now
	aliveAt  time.Time

	look    debugger.Look
	seen    bool // there was a look
	before  map[string]string
	changed map[string]bool
	watches []string
	pins    []debugger.Pin
	strip   strip
	win     window
	scrub   scrubState
	marks   *marks

	source  sourcePane
	scroll  [numPanes]int // lines scrolled, from the top; of program and console from the bottom
	chosen  [numPanes]int // the row chosen
	console console
	feed    feed
	typist  typist

	line     *question // a question at the bottom
	message  string    // for the footer, until the next key
	failed   bool      // message is an error
	typing   bool      // keys go to the program
	searched string
}

func newModel(ctx context.Context, o Options, t *theme, b *Bridge) *Model {
	m := &Model{ctx: ctx, opts: o, theme: t, bridge: b, now: time.Now, tick: tick, w: 80, h: 24, bottom: paneProgram}
	m.console.init(o.History)
	m.relayout()
	return m
}

// Init is part of tea.Model: it begins to open the session.
func (m *Model) Init() tea.Cmd {
	w := &work{what: "opening " + m.opts.Title, run: func(ctx context.Context) tea.Msg {
		s, err := m.opts.Open(ctx, m.bridge)
		return openedMsg{s, err}
	}}
	m.opening = w
	return m.ask(w)
}

// openedMsg is the end of opening.
type openedMsg struct {
	session *Session
	err     error
}

// surveyMsg is a piece of history.
type surveyMsg struct {
	batch batch
	err   error
}

// Update is part of tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) { return m, m.update(msg) }

func (m *Model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = max(1, msg.Width), max(1, msg.Height)
		m.relayout()
		m.resizeProgram()
	case tea.KeyMsg:
		return m.key(msg)
	case doneMsg:
		return m.done(msg)
	case openedMsg:
		return m.opened(msg)
	case stoppedMsg:
		return m.stopped(msg)
	case surveyMsg:
		return m.surveyed(msg)
	case placedMsg:
		m.placed(msg)
	case sampleMsg:
		m.sampled(msg)
	case sampledMsg:
		return m.samplesDone(msg)
	case tickMsg:
		m.ticking = false
		if m.running != nil || m.alive {
			m.ticking = true
			return m.tick()
		}
	case textMsg:
		m.console.print(string(msg))
		m.scroll[paneConsole] = 0
	case progressMsg:
		if m.running != nil {
			m.progress = msg
		}
	case runningMsg:
		m.alive, m.aliveAt = bool(msg), m.now()
		if m.alive && m.session != nil && m.session.Terminal != nil {
			m.read.listen(m.session.Terminal, m.bridge.send)
			if m.look.Frontier || !m.seen {
				m.feed.begin(len(m.strip.output))
			}
		}
		if !m.alive {
			m.typing = false
		}
	case programMsg:
		m.feed.add(msg)
		if m.feed.merged {
			m.fed() // it came late
		}
	case questionMsg:
		m.confirm(msg)
	case shellMsg:
		return tea.ExecProcess(msg.cmd, func(err error) tea.Msg {
			msg.done <- err
			return nil
		})
	case sourceMsg:
		m.source.loaded(msg)
	case completedMsg:
		m.completed(msg)
	}
	return nil
}

// opened takes the session, and looks at it.
func (m *Model) opened(o openedMsg) tea.Cmd {
	m.opening = nil
	if o.err != nil {
		return m.end(o.err)
	}
	m.session, m.dbg = o.session, o.session.Debugger
	if o.session.Title != "" {
		m.opts.Title = o.session.Title
	}
	if o.session.Banner != "" {
		m.console.print(o.session.Banner)
	}
	m.resizeProgram()
	if o.session.Begin == nil {
		return m.lookAgain()
	}
	d, opts := m.dbg, m.lookOptions()
	return m.ask(&work{what: "starting", run: func(ctx context.Context) tea.Msg {
		return m.see(ctx, d, stoppedMsg{err: o.session.Begin(ctx)}, opts)
	}})
}

// end leaves the front-end.
func (m *Model) end(err error) tea.Cmd {
	m.err = err
	return tea.Quit
}

// stopped takes what there is to see after something was done.
func (m *Model) stopped(s stoppedMsg) tea.Cmd {
	switch {
	case errors.Is(s.err, debugger.ErrQuit):
		return m.end(nil)
	case errors.As(s.err, new(*debugger.RerunError)), errors.Is(s.err, debugger.ErrBackendGone):
		return m.end(s.err)
	case s.scrub && errors.Is(s.err, debugger.ErrInterrupted) && m.scrub.wanted:
		// A newer target took its place.
	case s.err != nil:
		text := s.err.Error()
		m.fail(text)
		if !errors.Is(s.err, debugger.ErrInterrupted) {
			m.console.print(strings.TrimRight(text, "\n") + "\n")
		}
	}
	if !s.seen {
		return nil
	}
	m.feed.stale = true
	return m.saw(s)
}

// saw takes a look.
func (m *Model) saw(s stoppedMsg) tea.Cmd {
	was := m.look
	s.look.Total = max(s.look.Total, was.Total) // the frontier may lie behind the newest event
	m.look, m.pins = s.look, s.pins
	moved := was.Event != s.look.Event || was.Time != s.look.Time || !sameFrames(was.Frames, s.look.Frames)
	m.compare(moved && m.seen)
	if moved {
		m.scroll[paneValues] = 0
	}
	m.seen = true
	m.chosen[paneStack] = s.look.Shown
	whole := m.win.to == 0 || m.win.from == 0 && m.win.to >= was.Total
	m.win.columns = m.columns()
	if whole {
		m.win.from, m.win.to = 0, s.look.Total
	} else if !s.quiet {
		m.win = m.win.show(s.look.Time, s.look.Total)
	}
	if !m.scrub.wanted && !(s.scrub && s.err == nil) {
		m.scrub.shown = false
	}
	if !m.scrub.wanted && s.scrub && m.win.column(m.scrub.aim) == m.win.column(s.look.Time) {
		m.scrub.shown = false
	}
	m.relayout()
	cmds := []tea.Cmd{m.source.show(m.frameLocation(), moved || was.Shown != s.look.Shown), m.survey()}
	if moved && !s.scrub {
		cmds = append(cmds, m.place())
	}
	cmds = append(cmds, m.sample())
	return tea.Batch(cmds...)
}

func sameFrames(a, b []debugger.Frame) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || a[0] == b[0]
}

// compare finds out which values changed since the last stop. Without a motion
// since, what changed stays marked.
func (m *Model) compare(moved bool) {
	now := map[string]string{}
	key := func(name string) string {
		f := ""
		if m.look.Shown < len(m.look.Frames) {
			f = m.look.Frames[m.look.Shown].Function
		}
		return fmt.Sprintf("%s/%d/%s", f, len(m.look.Frames)-m.look.Shown, name)
	}
	if moved || m.changed == nil {
		m.changed = map[string]bool{}
	}
	for _, v := range m.look.Variables {
		k := key(v.Name)
		now[k] = v.Value
		if old, ok := m.before[k]; ok && old != v.Value && moved {
			m.changed["v"+v.Name] = true
		}
	}
	for _, x := range m.look.Watched {
		k, v := "="+x.Expr, x.Value
		if x.Err != nil {
			v = ""
		}
		now[k] = v
		if old, ok := m.before[k]; ok && old != v && moved {
			m.changed["w"+x.Expr] = true
		}
	}
	if !moved {
		for k, v := range m.before {
			if _, ok := now[k]; !ok {
				now[k] = v
			}
		}
	}
	m.before = now
}

// frameLocation is the place of the frame shown.
func (m *Model) frameLocation() debugger.Location {
	if m.look.Shown < len(m.look.Frames) {
		return m.look.Frames[m.look.Shown].Location
	}
	return debugger.Location{}
}

// place is background work that finds out when the present was, where it is
// inside a slice that takes more than a column.
func (m *Model) place() tea.Cmd {
	l := &m.look
	if l.Frontier || l.To == 0 || float64(l.To-l.From) < 1.5*m.win.per() {
		return nil
	}
	d, event := m.dbg, l.Event
	return m.ask(&work{what: "placing", back: true, run: func(ctx context.Context) tea.Msg {
		t, err := d.Place(ctx)
		return placedMsg{event, t, err}
	}})
}

// placedMsg is when the present was.
type placedMsg struct {
	event int64
	time  time.Duration
	err   error
}

func (m *Model) placed(p placedMsg) {
	if p.err == nil && p.event == m.look.Event {
		m.look.Time = p.time
		m.win = m.win.show(p.time, max(m.look.Total, m.strip.total))
	}
}

// survey is background work that looks at events not seen yet.
func (m *Model) survey() tea.Cmd {
	if m.strip.next > m.look.Events {
		return nil
	}
	for _, w := range m.queue {
		if w.what == surveyWork {
			return nil
		}
	}
	d, from := m.dbg, m.strip.next
	return m.ask(&work{what: surveyWork, back: true, run: func(ctx context.Context) tea.Msg {
		var b batch
		err := d.Survey(ctx, from, func(h debugger.Happening) bool {
			b.list = append(b.list, h)
			b.more = len(b.list) >= batchSize
			return !b.more
		})
		return surveyMsg{b, err}
	}})
}

const surveyWork = "reading the history"

func (m *Model) surveyed(s surveyMsg) tea.Cmd {
	had := len(m.strip.output)
	m.strip.add(s.batch)
	m.feed.logged = append(m.feed.logged, m.strip.output[had:]...)
	m.fed()
	if s.err != nil && !errors.Is(s.err, context.Canceled) {
		m.fail(s.err.Error())
		return nil
	}
	if m.win.from == 0 && m.win.to < m.strip.total {
		m.win.to = m.strip.total
	}
	m.relayout()
	return m.survey()
}

// note shows a word in the footer.
func (m *Model) note(s string) { m.message, m.failed = oneLine(s), false }

// fail shows an error in the footer.
func (m *Model) fail(s string) { m.message, m.failed = oneLine(s), true }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// columns is how many columns the timeline has.
func (m *Model) columns() int { return max(10, m.w-gutter) }
