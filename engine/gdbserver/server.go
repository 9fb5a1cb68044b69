package gdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
)

// Server answers one gdb at a time on behalf of a Target.
//
// Serve runs in the caller's goroutine, which makes all calls of the Target,
// one at a time. A second goroutine reads the connection, so that an interrupt
// byte cancels a Resume that is under way; nothing else runs concurrently. An
// interrupt that arrives while the program is stopped is kept for the next
// Resume, as the protocol has it: when gdb steps backwards it sends a packet
// for each instruction, and the byte may fall between two.
type Server struct {
	target Target
	opts   Options
	busy   sync.Mutex // held by Serve
}

// Options of a Server.
type Options struct {
	// Log, when set, gets every packet as a line of text: "<- " what gdb sent,
	// "-> " what was answered.
	Log io.Writer
	// Console says that a person reads gdb's console, with no other layer
	// above gdb: the server then says there what the protocol cannot, such as
	// how the program ended.
	Console bool
	// RR, when set, has the server speak as an rr does to Delve (rr.go).
	RR RR
}

// ErrKilled is what Serve returns when gdb asked to kill the program. The
// Target has not been touched: ending it is the caller's business.
var ErrKilled = errors.New("gdb killed the program")

// New returns a server for a target. It may serve several connections, one
// after the other.
func New(target Target, opts Options) *Server {
	return &Server{target: target, opts: opts}
}

// Serve answers the peer of conn until it detaches or hangs up (nil), kills
// the program (ErrKilled), ctx is cancelled (its error) or the connection
// fails. It closes conn and leaves no breakpoint of this connection in the
// Target.
func (s *Server) Serve(ctx context.Context, conn io.ReadWriteCloser) error {
	if !s.busy.TryLock() {
		conn.Close()
		return errors.New("gdbserver: another connection is being served")
	}
	defer s.busy.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &client{
		target: s.target, opts: s.opts, ctx: ctx, w: conn,
		in:     newInserted(s.target),
		frames: make(chan frame, 16), done: make(chan struct{}),
	}
	c.gThread = s.target.Current()
	if r, ok := s.target.(Reporter); ok {
		r.SetReport(c.report)
		defer r.SetReport(nil)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go c.read(conn)
	err := c.loop()
	c.abandon()
	close(c.done)
	conn.Close()
	if e := c.in.removeAll(); e != nil && err == nil {
		err = fmt.Errorf("gdbserver: clean up: %w", e)
	}
	if e := context.Cause(ctx); e != nil && err != ErrKilled {
		return e
	}
	return err
}

// client is one connection.
type client struct {
	target Target
	opts   Options
	ctx    context.Context
	in     *inserted

	frames  chan frame // from the reading goroutine; closed at the stream's end
	readErr error      // why; valid once frames is closed
	done    chan struct{}

	wmu     sync.Mutex // guards w and what follows; reports come from other goroutines
	w       io.Writer
	talking bool // gdb waits for the end of a Resume or Monitor: O packets may be sent
	// collecting keeps reports in collected instead.
	collecting bool
	collected  []byte
	last       []byte
	wErr       error

	imu       sync.Mutex // guards the interrupt state
	interrupt bool       // an interrupt waits for the next Resume
	cancel    context.CancelFunc

	noAck      bool
	multi      bool // gdb understands multiprocess thread ids
	swbreak    bool
	hwbreak    bool
	errorText  bool // gdb understands E.text
	gThread    int  // thread of register and memory packets
	cThread    int  // thread of the old resume packets; 0 any
	selected   int  // thread that the person looks at, if told; 0 not told
	asked      int  // the only thread asked about since the stop; 0 none, -1 several
	killed     bool
	restarted  bool  // the next resume is answered at once (rr.go)
	serial     int   // of the answers to the script
	flow       *flow // of the script's last command, if suspended
	regs       *registerSet
	annexes    map[string]string
	threadsXML string
}

// read is the reading goroutine.
func (c *client) read(r io.Reader) {
	fr := newFrameReader(r, MaxPacket)
	for {
		f, err := fr.next()
		if err != nil {
			c.readErr = err
			c.hangUp()
			close(c.frames)
			return
		}
		switch f.kind {
		case frameInterrupt:
			c.logLine("<- ", []byte{0x03})
			c.interruptNow()
			continue
		case frameAck:
			continue
		}
		select {
		case c.frames <- f:
		case <-c.done:
			return
		}
	}
}

// interruptNow cancels the Resume under way or marks the next.
func (c *client) interruptNow() {
	c.imu.Lock()
	defer c.imu.Unlock()
	c.interrupt = true
	if c.cancel != nil {
		c.cancel()
	}
}

// hangUp cancels what is under way: nobody is there to be told.
func (c *client) hangUp() {
	c.imu.Lock()
	defer c.imu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

// begin opens an operation that an interrupt may cancel. With take an
// interrupt that waits cancels it at once.
func (c *client) begin(take bool) context.Context {
	ctx, cancel := context.WithCancel(c.ctx)
	c.imu.Lock()
	c.cancel = cancel
	if take && c.interrupt {
		cancel()
	}
	c.imu.Unlock()
	c.wmu.Lock()
	c.talking = true
	c.wmu.Unlock()
	return ctx
}

// end closes the operation. With taken the interrupt has had its effect.
func (c *client) end(taken bool) {
	c.wmu.Lock()
	c.talking = false
	c.wmu.Unlock()
	c.imu.Lock()
	defer c.imu.Unlock()
	c.cancel()
	c.cancel = nil
	if taken {
		c.interrupt = false
	}
}

// loop answers packets until the connection ends.
func (c *client) loop() error {
	for f := range c.frames {
		switch f.kind {
		case frameNak:
			if !c.noAck {
				c.write(c.last)
			}
			continue
		case frameCorrupt:
			// Without acknowledgements checksums are not looked at.
			if !c.noAck {
				c.write([]byte("-"))
				continue
			}
		case frameTooLong:
			c.logLine("<- ", []byte("(packet above the announced size)"))
			c.ack()
			c.reply([]byte("E01"))
			continue
		}
		c.logLine("<- ", f.payload)
		c.ack()
		answer, err := c.handle(f.payload)
		if answer != nil {
			c.reply(answer)
		}
		if err != nil {
			if err == errDetached {
				err = nil
			}
			return err
		}
		if c.wErr != nil {
			return c.hungUp(c.wErr)
		}
	}
	return c.hungUp(c.readErr)
}

// hungUp is what Serve returns when the connection has ended with err.
func (c *client) hungUp(err error) error {
	if c.killed {
		return ErrKilled
	}
	for _, normal := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, normal) {
			return nil
		}
	}
	return fmt.Errorf("gdbserver: %w", err)
}

func (c *client) ack() {
	if !c.noAck {
		c.write([]byte("+"))
	}
}

// reply sends a packet.
func (c *client) reply(payload []byte) {
	c.logLine("-> ", payload)
	p := appendPacket(make([]byte, 0, len(payload)+4), payload)
	c.last = p
	c.write(p)
}

func (c *client) write(p []byte) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.writeLocked(p)
}

func (c *client) writeLocked(p []byte) {
	if c.wErr == nil {
		_, c.wErr = c.w.Write(p)
	}
}

// report shows text on gdb's console, while gdb waits for us. A tagged command's
// text is kept for its answer.
func (c *client) report(text string) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if !c.talking {
		return
	}
	if c.collecting {
		c.collected = append(c.collected, text...)
		if n := len(c.collected) / consoleChunk * consoleChunk; n >= maxCollected {
			c.console(c.collected[:n])
			c.collected = c.collected[n:]
		}
		return
	}
	c.console([]byte(text))
}

// collect says whether reports are kept for a tagged command's answer.
func (c *client) collect(on bool) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.collecting = on
}

const (
	consoleChunk = 4096
	maxCollected = 10 * consoleChunk
)

// console sends text as O packets. wmu is held.
func (c *client) console(text []byte) {
	for len(text) > 0 {
		n := min(consoleChunk, len(text))
		p := appendHex([]byte{'O'}, text[:n])
		c.logLine("-> ", p)
		c.writeLocked(appendPacket(nil, p))
		text = text[n:]
	}
}

// Write makes the connection the output of a monitor command.
func (c *client) Write(p []byte) (int, error) {
	c.report(string(p))
	return len(p), c.ctx.Err()
}

// logMu keeps lines whole: two goroutines log.
var logMu sync.Mutex

func (c *client) logLine(dir string, payload []byte) {
	if c.opts.Log == nil {
		return
	}
	var b strings.Builder
	b.WriteString(dir)
	for _, ch := range payload {
		if ch >= 0x20 && ch < 0x7f && ch != '\\' {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, `\x%02x`, ch)
		}
	}
	b.WriteByte('\n')
	logMu.Lock()
	defer logMu.Unlock()
	io.WriteString(c.opts.Log, b.String())
}
