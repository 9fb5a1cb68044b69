package repl

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// program is our end of the program's terminal. Reading it and printing what was
// read happen under the REPL's lock, so that a drain prints all that the program
// has written: a read of a pty's master delivers everything written to the slave
// before it.
type program struct {
	r    *REPL
	tty  *os.File
	conn syscall.RawConn
	cook bool // our output is no terminal
	held bool // a carriage return at the end of the last read, not yet printed

	mu        sync.Mutex
	listening bool
	closed    bool
}

func newProgram(r *REPL, tty *os.File) *program {
	p := &program{r: r, tty: tty, cook: !term.IsTerminal(int(r.opts.Stdout.Fd()))}
	conn, err := tty.SyscallConn()
	if err != nil {
		return nil
	}
	p.conn = conn
	conn.Control(func(fd uintptr) { unix.SetNonblock(int(fd), true) })
	p.listen()
	return p
}

// listen prints what the program writes as it comes, until it has closed its
// side. It is called again whenever the program is resumed.
func (p *program) listen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listening || p.closed {
		return
	}
	p.listening = true
	go func() {
		p.conn.Read(func(fd uintptr) bool {
			p.r.mu.Lock()
			open := p.copy(int(fd))
			p.r.mu.Unlock()
			return !open
		})
		p.mu.Lock()
		p.listening = false
		p.mu.Unlock()
	}()
}

func (p *program) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.tty.SetReadDeadline(time.Now())
}

// drain prints what the program has written so far. The caller holds the REPL's
// lock.
func (p *program) drain() {
	p.conn.Control(func(fd uintptr) { p.copy(int(fd)) })
}

// copy prints until there is nothing more for now. It reports false when there
// never will be, as far as can be told. The caller holds the REPL's lock.
func (p *program) copy(fd int) bool {
	var buf [16 << 10]byte
	for {
		n, err := unix.Read(fd, buf[:])
		switch {
		case n > 0:
			p.r.progress.clear()
			p.r.opts.Stdout.Write(p.cooked(buf[:n]))
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return true
		default:
			return false // EIO: nobody has the other side open
		}
	}
}

// cooked turns the terminal's line ends into plain ones: for a pipe or a file,
// and for a terminal that makes its own of them.
func (p *program) cooked(b []byte) []byte {
	if !p.cook && p.r.raw {
		if p.held {
			p.held = false
			b = append([]byte{'\r'}, b...)
		}
		return b
	}
	if p.held {
		b = append([]byte{'\r'}, b...)
	}
	if p.held = len(b) > 0 && b[len(b)-1] == '\r'; p.held {
		b = b[:len(b)-1]
	}
	return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
}

// resize gives the program's terminal our terminal's size.
func (p *program) resize() {
	ws, err := unix.IoctlGetWinsize(int(p.r.opts.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	p.conn.Control(func(fd uintptr) { unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, ws) })
}

// proxy hands what is typed to the program while it runs live.
type proxy struct {
	r     *REPL
	live  func() bool
	after *proxy   // of the same command's run before; nil for none
	wake  *os.File // written to stop reading the keyboard
	sleep *os.File
	done  chan struct{}
	once  sync.Once
}

const interruptKey = 0x03

// startProxy begins to, after a moment and after the proxy before it; nil when
// it cannot.
func startProxy(r *REPL, live func() bool, after *proxy) *proxy {
	sleep, wake, err := os.Pipe()
	if err != nil {
		return after
	}
	p := &proxy{r: r, live: live, after: after, wake: wake, sleep: sleep, done: make(chan struct{})}
	go p.run()
	return p
}

// pause is called when the program stops, and does not wait.
func (p *proxy) pause() {
	p.once.Do(func() { p.wake.Write([]byte{0}) })
}

// stop ends the proxy and waits until the terminal is as it was.
func (p *proxy) stop() {
	p.pause()
	<-p.done
	p.wake.Close()
	p.sleep.Close()
}

// run waits until the program has run live for a moment, then forwards keys.
func (p *proxy) run() {
	defer close(p.done)
	if p.after != nil {
		p.after.stop()
		p.after = nil
	}
	for !p.woken(moment) {
		if !p.live() {
			continue
		}
		old, err := p.makeRaw()
		if err != nil {
			return
		}
		p.r.program.resize()
		size := make(chan os.Signal, 1)
		signal.Notify(size, unix.SIGWINCH)
		stopped := make(chan struct{})
		go func() {
			for {
				select {
				case <-size:
					p.r.program.resize()
				case <-stopped:
					return
				}
			}
		}()
		p.forward()
		signal.Stop(size)
		close(stopped)
		p.restore(old)
		return
	}
}

// makeRaw and restore switch the terminal's mode. Nothing is printed meanwhile:
// the mode says which newlines the terminal wants.
func (p *proxy) makeRaw() (*term.State, error) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	old, err := term.MakeRaw(int(p.r.opts.Stdin.Fd()))
	p.r.raw = err == nil
	return old, err
}

func (p *proxy) restore(old *term.State) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	term.Restore(int(p.r.opts.Stdin.Fd()), old)
	p.r.raw = false
}

// woken waits for the end, for a time at most, and reports whether it came.
func (p *proxy) woken(d time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(p.sleep.Fd()), Events: unix.POLLIN}}
	for end := time.Now().Add(d); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(end).Milliseconds())))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// forward passes keys on until the end.
func (p *proxy) forward() {
	in := int(p.r.opts.Stdin.Fd())
	fds := []unix.PollFd{{Fd: int32(p.sleep.Fd()), Events: unix.POLLIN}, {Fd: int32(in), Events: unix.POLLIN}}
	buf := make([]byte, 4096)
	for {
		fds[0].Revents, fds[1].Revents = 0, 0
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil || fds[0].Revents != 0 {
			return
		}
		if fds[1].Revents == 0 {
			continue
		}
		n, err := unix.Read(in, buf)
		if n <= 0 {
			if err == unix.EINTR || err == unix.EAGAIN {
				continue
			}
			p.r.interrupt() // the terminal is gone
			return
		}
		keys := buf[:n]
		for {
			k := bytes.IndexByte(keys, interruptKey)
			if k < 0 {
				p.r.program.typed(keys)
				break
			}
			p.r.program.typed(keys[:k])
			p.r.interrupt()
			keys = keys[k+1:]
		}
	}
}

// typed writes keys to the program's terminal. A program that does not read
// fills it up in the end; what does not fit is dropped, as a terminal does.
func (p *program) typed(keys []byte) {
	p.conn.Control(func(fd uintptr) {
		for len(keys) > 0 {
			n, err := unix.Write(int(fd), keys)
			if err == unix.EINTR {
				continue
			}
			if n <= 0 {
				return
			}
			keys = keys[n:]
		}
	})
}
