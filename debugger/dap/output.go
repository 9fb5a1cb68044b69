package dap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-dap"
	"golang.org/x/sys/unix"
)

// printer is the Debugger's UI, and carries what the program writes. Its methods
// may be called from any goroutine.
type printer struct {
	s *session

	mu      sync.Mutex
	capture *strings.Builder // of a console command's output
	tty     *os.File
	conn    syscall.RawConn
	reading bool
	closed  bool

	progress progress
}

// progress is what the client is shown of long work.
type progress struct {
	id    string // "" when nothing is shown
	n     int
	since time.Time // when the present work began; zero for none
	last  time.Time
	what  string
}

// Long work is shown after patience, and again after each interval.
const (
	patience = 500 * time.Millisecond
	interval = 200 * time.Millisecond
)

// Print is part of debugger.UI: to the output of a console command when there is
// one, else to the debug console.
func (p *printer) Print(text string) {
	p.mu.Lock()
	if p.capture != nil {
		p.capture.WriteString(text)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.say("console", text)
}

// say sends text to the client.
func (p *printer) say(category, text string) {
	if text != "" {
		p.s.out.event("output", dap.OutputEventBody{Category: category, Output: strings.ToValidUTF8(text, "\uFFFD")})
	}
}

// collect keeps what is printed until the function that it returns is called.
func (p *printer) collect() (collected func() string) {
	var b strings.Builder
	p.mu.Lock()
	p.capture = &b
	p.mu.Unlock()
	return func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.capture == &b {
			p.capture = nil
		}
		return b.String()
	}
}

// release sends what was collected so far, and from now on text as it comes: the
// command takes long.
func (p *printer) release() {
	p.mu.Lock()
	text := ""
	if p.capture != nil {
		text = p.capture.String()
		p.capture.Reset()
		p.capture = nil
	}
	p.mu.Unlock()
	p.say("console", text)
}

// Running is told by the backend when the program is resumed and has stopped.
func (p *printer) Running(running bool) {
	if running {
		p.listen()
		p.s.post(p.s.ran)
	}
}

// Progress is part of debugger.UI.
func (p *printer) Progress(what string, fraction float64) {
	if !p.s.client.SupportsProgressReporting {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &p.progress
	now := time.Now()
	if g.since.IsZero() {
		g.since = now
	}
	percent := 0
	if fraction >= 0 {
		percent = int(100 * min(1, fraction))
	}
	switch {
	case g.id == "" && now.Sub(g.since) < patience, g.id != "" && now.Sub(g.last) < interval:
	case g.id == "":
		g.n++
		g.id, g.last = fmt.Sprintf("yore-%d", g.n), now
		p.s.out.event("progressStart", dap.ProgressStartEventBody{ProgressId: g.id, Title: what, Cancellable: true, Percentage: percent})
	default:
		g.last = now
		p.s.out.event("progressUpdate", dap.ProgressUpdateEventBody{ProgressId: g.id, Message: what, Percentage: percent})
	}
}

func (p *printer) isProgress(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.progress.id == id
}

func (p *printer) endProgress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.progress.id != "" {
		p.s.out.event("progressEnd", dap.ProgressEndEventBody{ProgressId: p.progress.id})
	}
	p.progress.id, p.progress.since = "", time.Time{}
}

// Confirm is part of debugger.UI. Nobody can be asked.
func (p *printer) Confirm(string) bool { return true }

// Width is part of debugger.UI.
func (p *printer) Width() int { return 80 }

// Shell is part of debugger.UI. There is no terminal: the command reads nothing,
// and what it writes is printed.
func (p *printer) Shell(ctx context.Context, command string) error {
	if command == "" {
		return errors.New("there is no terminal for a shell here")
	}
	out, err := exec.CommandContext(ctx, "/bin/sh", "-c", command).CombinedOutput()
	p.Print(string(out))
	return err
}

// follow begins to carry what the program writes to its terminal.
func (p *printer) follow(t *Target) {
	if t.Terminal == nil {
		return
	}
	conn, err := t.Terminal.SyscallConn()
	if err != nil {
		p.say("stderr", "the program's output is lost: "+err.Error()+"\n")
		return
	}
	conn.Control(func(fd uintptr) { unix.SetNonblock(int(fd), true) })
	p.mu.Lock()
	p.tty, p.conn = t.Terminal, conn
	p.mu.Unlock()
	p.listen()
}

// listen sends what the program writes as it comes, until it has closed its side.
// It is called again whenever the program is resumed.
func (p *printer) listen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || p.reading || p.closed {
		return
	}
	p.reading = true
	conn := p.conn
	go func() {
		conn.Read(func(fd uintptr) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return !p.copy(int(fd))
		})
		p.mu.Lock()
		p.reading = false
		p.mu.Unlock()
	}()
}

// drain sends what the program has written so far: a read of a terminal's master
// delivers everything written to the other side before it.
func (p *printer) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && !p.closed {
		p.conn.Control(func(fd uintptr) { p.copy(int(fd)) })
	}
}

// copy sends until there is nothing more for now. It reports false when there
// never will be, as far as can be told. The caller holds mu.
func (p *printer) copy(fd int) bool {
	var buf [16 << 10]byte
	for {
		n, err := unix.Read(fd, buf[:])
		switch {
		case n > 0:
			p.say("stdout", strings.ReplaceAll(string(buf[:n]), "\r\n", "\n"))
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return true
		default:
			return false // EIO: nobody has the other side open
		}
	}
}

func (p *printer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.tty != nil {
		p.tty.SetReadDeadline(time.Now())
	}
}
