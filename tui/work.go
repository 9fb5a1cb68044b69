package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// work is something for the debugger to do.
type work struct {
	what string // for the footer
	back bool   // background: gives way
	run  func(ctx context.Context) tea.Msg
	// scrub is set for scrubbing: newer targets replace it.
	scrub bool

	cancel context.CancelFunc
	began  time.Time
	given  bool // it was cancelled
}

// doneMsg says that work is over, and hands its message on.
type doneMsg struct {
	w   *work
	msg tea.Msg
}

// tickMsg comes while work is shown that takes long.
type tickMsg struct{}

const tickEvery = 100 * time.Millisecond

func tick() tea.Cmd { return tea.Tick(tickEvery, func(time.Time) tea.Msg { return tickMsg{} }) }

// maxQueue bounds the commands that wait: what is typed ahead beyond that is
// dropped, with a word.
const maxQueue = 32

// ask queues foreground work, before any background work.
func (m *Model) ask(w *work) tea.Cmd {
	if len(m.queue) >= maxQueue {
		m.note("too much is waiting already; Esc cancels it")
		return nil
	}
	at := len(m.queue)
	for i, q := range m.queue {
		if q.back && !w.back {
			at = i
			break
		}
	}
	m.queue = append(m.queue[:at:at], append([]*work{w}, m.queue[at:]...)...)
	if r := m.running; r != nil && r.back && !w.back {
		r.stop()
	}
	return m.next()
}

// stop cancels running work.
func (w *work) stop() {
	if w.cancel != nil && !w.given {
		w.given = true
		w.cancel()
	}
}

// next begins the next work if none is running.
func (m *Model) next() tea.Cmd {
	if m.running != nil || m.dbg == nil && m.opening == nil {
		return nil
	}
	var w *work
	switch {
	case len(m.queue) > 0 && !m.queue[0].back:
		w, m.queue = m.queue[0], m.queue[1:]
	case m.scrub.wanted:
		w = m.scrubWork()
	case len(m.queue) > 0:
		w, m.queue = m.queue[0], m.queue[1:]
	default:
		return nil
	}
	ctx, cancel := context.WithCancel(m.ctx)
	w.cancel, w.began = cancel, m.now()
	m.running, m.progress = w, progressMsg{}
	ended := make(chan struct{})
	m.ended = ended
	cmds := []tea.Cmd{func() tea.Msg {
		defer close(ended)
		defer cancel()
		return doneMsg{w, w.run(ctx)}
	}}
	if !m.ticking {
		m.ticking = true
		cmds = append(cmds, m.tick())
	}
	return tea.Batch(cmds...)
}

// done takes the end of work.
func (m *Model) done(d doneMsg) tea.Cmd {
	if m.running == d.w {
		m.running = nil
	}
	m.progress = progressMsg{}
	var cmd tea.Cmd
	if d.msg != nil {
		cmd = m.update(d.msg)
	}
	return tea.Batch(cmd, m.next())
}

// cancel stops what is running and forgets what waits. It reports whether there
// was anything.
func (m *Model) cancel() bool {
	any := false
	kept := m.queue[:0:0]
	for _, w := range m.queue {
		if w.back {
			kept = append(kept, w)
		} else {
			any = true
		}
	}
	m.queue = kept
	if m.scrub.wanted {
		m.scrub.wanted, any = false, true
	}
	if r := m.running; r != nil && !r.back {
		r.stop()
		any = true
	}
	return any
}

// busy reports whether a person waits for something.
func (m *Model) busy() bool { return m.running != nil && !m.running.back }

// stoppedMsg is the end of a command or a scrub: what there is to see now.
type stoppedMsg struct {
	err   error
	look  debugger.Look
	seen  bool // look is valid
	pins  []debugger.Pin
	scrub bool
	quiet bool // nothing moved that the person does not know of
}

// see looks at the program after something was done. The look is complete even
// when the work was cancelled.
func (m *Model) see(ctx context.Context, d Debugger, s stoppedMsg, o debugger.LookOptions) stoppedMsg {
	if errors.Is(s.err, debugger.ErrQuit) || errors.As(s.err, new(*debugger.RerunError)) || errors.Is(s.err, debugger.ErrBackendGone) {
		return s
	}
	look, err := d.Look(context.WithoutCancel(ctx), o)
	s.look, s.seen, s.pins = look, err == nil, d.Pins()
	if s.err == nil {
		s.err = err
	}
	return s
}

// command is work that executes a line at the prompt.
func (m *Model) command(line string) tea.Cmd {
	d, o := m.dbg, m.lookOptions()
	return m.ask(&work{what: line, run: func(ctx context.Context) tea.Msg {
		return m.see(ctx, d, stoppedMsg{err: d.Execute(ctx, line)}, o)
	}})
}

// block is work that executes a command of several lines.
func (m *Model) block(lines []string) tea.Cmd {
	d, o := m.dbg, m.lookOptions()
	return m.ask(&work{what: lines[0], run: func(ctx context.Context) tea.Msg {
		return m.see(ctx, d, stoppedMsg{err: d.ExecuteBlock(ctx, lines)}, o)
	}})
}

// lookAgain is work that looks at the program without moving it.
func (m *Model) lookAgain() tea.Cmd {
	d, o := m.dbg, m.lookOptions()
	return m.ask(&work{what: "looking", run: func(ctx context.Context) tea.Msg {
		return m.see(ctx, d, stoppedMsg{quiet: true}, o)
	}})
}

func (m *Model) lookOptions() debugger.LookOptions {
	return debugger.LookOptions{Frames: maxFrames, Watch: append([]string(nil), m.watches...), HasSource: hasSource}
}

// frame is work that selects a frame, whatever source it has.
func (m *Model) frame(n int) tea.Cmd {
	d, o := m.dbg, m.lookOptions()
	o.HasSource = nil
	line := fmt.Sprintf("frame %d", n)
	m.console.begin("(yore) " + line + "\n")
	return m.ask(&work{what: line, run: func(ctx context.Context) tea.Msg {
		return m.see(ctx, d, stoppedMsg{err: d.Execute(ctx, line)}, o)
	}})
}

// hasSource reports whether a place's source is here.
func hasSource(l debugger.Location) bool {
	name := l.FullName
	if name == "" {
		name = l.File
	}
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

const maxFrames = 64

// scrubState is where scrubbing is headed.
type scrubState struct {
	wanted bool
	target scrubTarget
	aim    time.Duration // where the hand is; the present follows
	shown  bool          // the hand is away from the present
}

// scrubTarget is a time with what is near enough to it, an event, or the end.
type scrubTarget struct {
	time, off time.Duration
	event     int64 // -1: by time
	end       bool
}

// scrubPatience is how long a scrub goes on when a newer target is there.
const scrubPatience = 150 * time.Millisecond

// scrubTo sets a new target.
func (m *Model) scrubTo(t scrubTarget) tea.Cmd {
	m.scrub.wanted, m.scrub.target = true, t
	if r := m.running; r != nil && (r.back || r.scrub && m.now().Sub(r.began) > scrubPatience) {
		r.stop()
	}
	return m.next()
}

func (m *Model) scrubWork() *work {
	t := m.scrub.target
	m.scrub.wanted = false
	d, o := m.dbg, m.lookOptions()
	return &work{what: "going there", scrub: true, run: func(ctx context.Context) tea.Msg {
		var err error
		switch {
		case t.end:
			err = d.ScrubEnd(ctx)
		case t.event >= 0:
			err = d.ScrubEvent(ctx, t.event)
		default:
			_, err = d.Scrub(ctx, t.time, t.off)
		}
		return m.see(ctx, d, stoppedMsg{err: err, scrub: true}, o)
	}}
}
