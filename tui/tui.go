package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Options of the front-end.
type Options struct {
	Title string // of the program, for the header
	Live  bool   // the program runs; otherwise it is a recording
	// Open makes the session. It is called once, while the screen is there
	// already, from a goroutine of its own.
	Open func(ctx context.Context, ui *Bridge) (*Session, error)

	In, Out *os.File // the terminal; nil are the standard streams
	Theme   string   // dark, light, or auto: what the terminal says
	Getenv  func(string) string

	History  []string          // lines typed before, oldest first
	Remember func(line string) // called for each line typed; may be nil
}

// Session is what is looked at.
type Session struct {
	Debugger Debugger
	Title    string // "" leaves Options.Title
	Banner   string // printed first
	// Begin, when set, moves the program to where the session begins.
	Begin func(context.Context) error
	// Terminal is our side of the program's terminal, nil when it has none of
	// ours. Live reports whether the program runs at the frontier just now.
	Terminal *os.File
	Live     func() bool
}

// TerminalError says that the terminal cannot show the front-end.
type TerminalError struct {
	NotOne bool // there is no terminal; otherwise it is one that cannot do it
	Text   string
}

func (e *TerminalError) Error() string { return e.Text }

// Check reports whether the terminal can show the front-end.
func Check(in, out *os.File, getenv func(string) string) error {
	for _, f := range []struct {
		file *os.File
		name string
	}{{in, "standard input"}, {out, "standard output"}} {
		if !term.IsTerminal(int(f.file.Fd())) {
			return &TerminalError{true, f.name + " is no terminal, and the full-screen front-end needs one; `yore run` and `yore replay` do not"}
		}
	}
	if t := getenv("TERM"); t == "" || t == "dumb" {
		return &TerminalError{false, fmt.Sprintf("this terminal cannot show a full screen (TERM is %q); `yore run` and `yore replay` need only lines", t)}
	}
	return nil
}

// Run shows the front-end until it is left. The error is nil after `quit`, what
// Open failed with, a *debugger.RerunError, an error about the backend, or ctx's.
func Run(ctx context.Context, o Options) error {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if err := Check(o.In, o.Out, o.Getenv); err != nil {
		return err
	}
	g := startGuard(o.In, o.Out)
	defer g.release()

	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var p *tea.Program
	shown := make(chan struct{}) // p is there
	bridge := newBridge(func(m tea.Msg) {
		<-shown
		p.Send(m)
	})
	// The session is opened while the terminal is asked for its background.
	open, wait := early(ctx, o.Open, bridge)
	o.Open = open
	m := newModel(ctx, o, newTheme(profileOf(o.Getenv), o.dark(), asciiBy(o.Getenv)), bridge)
	opts := []tea.ProgramOption{tea.WithAltScreen(), tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler()}
	if g != nil {
		opts = append(opts, tea.WithoutCatchPanics()) // the guard tells of them
	}
	p = tea.NewProgram(m, opts...)
	close(shown)
	stop := m.signals(p)
	defer stop()
	_, err := p.Run()
	close(bridge.closed)
	cancel()
	m.drain()
	wait()
	switch {
	case m.err != nil:
		return m.err
	case errors.Is(err, tea.ErrProgramPanic):
		return fmt.Errorf("the front-end failed: %w", err)
	case outer.Err() != nil:
		return context.Cause(outer)
	}
	return err
}

// early begins to open the session at once. It returns an Open that waits for it,
// and a function that waits until nothing is being opened any more.
func early(ctx context.Context, open func(context.Context, *Bridge) (*Session, error), b *Bridge) (func(context.Context, *Bridge) (*Session, error), func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var o openedMsg
	go func() {
		defer close(done)
		o.session, o.err = open(ctx, b)
	}()
	return func(ctx context.Context, _ *Bridge) (*Session, error) {
			defer context.AfterFunc(ctx, cancel)()
			<-done
			return o.session, o.err
		}, func() {
			cancel()
			<-done
		}
}

// drain waits until running work has ended: the session may be closed then.
func (m *Model) drain() {
	r := m.running
	if r == nil {
		return
	}
	r.stop()
	if m.ended != nil {
		<-m.ended
	}
}

// dark says whether to use the colours for dark backgrounds.
func (o *Options) dark() bool {
	switch o.Theme {
	case "dark":
		return true
	case "light":
		return false
	}
	if dark, ok := darkBy(o.Getenv); ok {
		return dark
	}
	if dark, ok := askBackground(o.In, o.Out, 200*time.Millisecond); ok {
		return dark
	}
	return true
}

// signals makes SIGINT from outside what the Esc key is.
func (m *Model) signals(p *tea.Program) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-c:
				p.Send(tea.KeyMsg{Type: tea.KeyEsc})
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(done)
	}
}

// reader hands what the program writes to the model.
type reader struct {
	mu      sync.Mutex
	reading bool
}

// listen reads until nobody has the other side open. It is called whenever the
// program is resumed.
func (r *reader) listen(f *os.File, send func(tea.Msg)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading {
		return
	}
	r.reading = true
	go func() {
		defer func() {
			r.mu.Lock()
			r.reading = false
			r.mu.Unlock()
		}()
		buf := make([]byte, 16<<10)
		for {
			n, err := f.Read(buf)
			if n > 0 {
				send(programMsg(append([]byte(nil), buf[:n]...)))
			}
			if err != nil {
				return
			}
		}
	}()
}

// resizeProgram gives the program's terminal the size of its pane.
func (m *Model) resizeProgram() {
	if m.session == nil || m.session.Terminal == nil {
		return
	}
	r := m.lay.of(paneProgram)
	if r.w == 0 {
		r = rect{w: m.w, h: max(5, m.h/3)}
	}
	ws := &unix.Winsize{Row: uint16(max(1, r.h-1)), Col: uint16(max(1, r.w))}
	conn, err := m.session.Terminal.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) { unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, ws) })
}
