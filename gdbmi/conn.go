package gdbmi

// A Conn runs four goroutines beside the one that waits for gdb:
//
//	callers ── commands ──► writer ──► gdb's stdin
//	gdb's stdout ──► reader ──┐
//	gdb's stderr ──► reader ──┴─ lines ──► dispatcher ──► callbacks, waiting Sends
//
// Both queues are unbounded. Because results pass through the dispatcher too,
// every callback for what gdb wrote before a result has returned when the Send
// of that result returns.
//
// gdb executes commands in order and, in its synchronous mode (the default),
// reads none while the program runs. So a second command sent right behind one
// that resumes the program is a barrier: its result comes when the program has
// stopped and everything the first command does is done.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says how to start gdb and who hears what it says unasked.
type Config struct {
	Path string   // the program; looked up in PATH when it has no slash
	Args []string // after --interpreter=mi3
	Env  []string // added to our environment, K=V; a later K wins
	Dir  string   // working directory, "" for ours

	// OnAsync and OnStream may be nil. They are called in the order of gdb's
	// output, from one goroutine, and must not wait for a Send.
	OnAsync  func(Async)
	OnStream func(Stream)
	// OnLate gets a second result of a command. gdb gives one when a command
	// that has resumed the program, and was answered with "running", then fails.
	OnLate func(Result)
}

// Conn is a running gdb.
type Conn struct {
	cfg      Config
	proc     *process
	commands *queue[string]
	lines    *queue[line]
	done     chan struct{} // closed after the last callback
	tail     tail          // the end of gdb's standard error

	mu      sync.Mutex
	next    int
	pending map[string]chan Result
	exit    *ExitError // set when done
}

// line is a line of gdb's output.
type line struct {
	text   string
	stderr bool
}

// CommandError is gdb's refusal of a command.
type CommandError struct {
	Command string
	Msg     string // for a person; may have several lines
	Code    string // "undefined-command" or ""
}

func (e *CommandError) Error() string { return e.Msg }

// ExitError says that gdb is gone. Every Send that was waiting, and every
// later one, returns it.
type ExitError struct {
	State  *os.ProcessState // nil when it could not be had
	Stderr string           // the last of what gdb wrote to its standard error
}

func (e *ExitError) Error() string {
	s := "gdb ended"
	if e.State != nil {
		s += ": " + e.State.String()
	}
	if t := strings.TrimSpace(e.Stderr); t != "" {
		s += ": " + t[strings.LastIndexByte(t, '\n')+1:]
	}
	return s
}

// Start runs gdb. It does not wait for gdb's first prompt: the first Send does.
func Start(cfg Config) (*Conn, error) {
	cmd := exec.Command(cfg.Path, append([]string{"--interpreter=mi3"}, cfg.Args...)...)
	cmd.Env = append(os.Environ(), cfg.Env...)
	cmd.Dir = cfg.Dir
	proc, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		cfg: cfg, proc: proc,
		commands: newQueue[string](), lines: newQueue[line](),
		done:    make(chan struct{}),
		pending: make(map[string]chan Result),
	}
	go c.write()
	var readers sync.WaitGroup
	readers.Go(func() { c.read(proc.stdout, false) })
	readers.Go(func() { c.read(proc.stderr, true) })
	go func() {
		readers.Wait()
		<-proc.exited
		c.lines.close()
	}()
	go c.dispatch()
	return c, nil
}

// PID returns gdb's process id.
func (c *Conn) PID() int { return c.proc.pid }

// Done is closed when gdb is gone and the last callback has returned.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns nil while gdb lives and an *ExitError once Done is closed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exit == nil {
		return nil
	}
	return c.exit
}

// Call is a command on its way.
type Call struct {
	conn    *Conn
	token   string
	command string
	result  chan Result
}

// Go writes a command, such as "-exec-continue --reverse", and does not wait
// for its result. The command must be one line.
func (c *Conn) Go(command string) (*Call, error) {
	if strings.ContainsAny(command, "\r\n") {
		return nil, fmt.Errorf("gdb command %q has more than one line", command)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exit != nil {
		return nil, c.exit
	}
	c.next++
	call := &Call{conn: c, token: strconv.Itoa(c.next), command: command, result: make(chan Result, 1)}
	c.pending[call.token] = call.result
	// Written under the lock, so that tokens rise in the order of writing.
	c.commands.put(call.token + command + "\n")
	return call, nil
}

// Wait returns the command's result. The error is a *CommandError when gdb
// refused it, an *ExitError when gdb ended, or the context's: then gdb still
// executes the command and its result is dropped.
func (call *Call) Wait(ctx context.Context) (Result, error) {
	c := call.conn
	select {
	case r := <-call.result:
		return call.judge(r)
	case <-c.done:
	case <-ctx.Done():
		return Result{}, ctx.Err() // the channel has room: nobody need read the result
	}
	select { // the result may have been gdb's last word
	case r := <-call.result:
		return call.judge(r)
	default:
		return Result{}, c.Err()
	}
}

func (call *Call) judge(r Result) (Result, error) {
	if r.Class != "error" {
		return r, nil
	}
	return r, &CommandError{Command: call.command, Msg: r.Fields.Text("msg"), Code: r.Fields.Text("code")}
}

// Send writes a command and waits for its result: Go and Wait in one.
func (c *Conn) Send(ctx context.Context, command string) (Result, error) {
	call, err := c.Go(command)
	if err != nil {
		return Result{}, err
	}
	return call.Wait(ctx)
}

// Interrupt sends gdb a SIGINT, as ^C in its terminal would: it stops the
// program, or whatever gdb is computing.
func (c *Conn) Interrupt() error { return c.signal(syscall.SIGINT) }

// Kill ends gdb at once.
func (c *Conn) Kill() error { return c.signal(syscall.SIGKILL) }

func (c *Conn) signal(sig syscall.Signal) error {
	select {
	case <-c.proc.exited: // its pid may be another's by now
		return os.ErrProcessDone
	default:
		return syscall.Kill(c.proc.pid, sig)
	}
}

// Close asks gdb to exit, kills it when it has not done so within the grace
// given, and waits until it is gone.
func (c *Conn) Close(grace time.Duration) {
	c.Go("-gdb-exit")
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.Kill()
		<-c.done
	}
}

func (c *Conn) write() {
	for {
		items, ok := c.commands.take()
		if !ok {
			return
		}
		// An error means that gdb is gone or going, which the waiter reports.
		io.WriteString(c.proc.stdin, strings.Join(items, ""))
	}
}

func (c *Conn) read(r io.Reader, stderr bool) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		s, err := br.ReadString('\n')
		if s != "" {
			if stderr {
				c.tail.write(s)
			}
			c.lines.put(line{text: s, stderr: stderr})
		}
		if err != nil {
			return
		}
	}
}

func (c *Conn) dispatch() {
	for {
		items, ok := c.lines.take()
		if !ok {
			break
		}
		for _, l := range items {
			c.handle(l)
		}
	}
	c.mu.Lock()
	c.exit = &ExitError{State: c.proc.state, Stderr: c.tail.String()}
	c.pending = nil
	c.mu.Unlock()
	c.commands.close()
	c.proc.stdin.Close()
	close(c.done)
}

func (c *Conn) handle(l line) {
	if l.stderr {
		c.stream(Stream{Kind: Raw, Text: l.text})
		return
	}
	rec, err := Parse(l.text)
	r, isResult := rec.(Result)
	if isResult && c.answered(r.Token) {
		if c.cfg.OnLate != nil {
			c.cfg.OnLate(r)
		}
		return
	}
	if err != nil || isResult && !c.isPending(r.Token) {
		// gdb's children write to the same pipe: their last line may run into
		// gdb's answer (and end in digits, which then lengthen the token).
		raw, rest := c.splitRaw(l.text)
		if raw != "" {
			c.stream(Stream{Kind: Raw, Text: raw})
		}
		if rest == "" {
			return
		}
		if rec, err = Parse(rest); err != nil {
			c.stream(Stream{Kind: Raw, Text: rest})
			return
		}
	}
	switch r := rec.(type) {
	case Result:
		c.mu.Lock()
		ch := c.pending[r.Token]
		delete(c.pending, r.Token)
		c.mu.Unlock()
		if ch != nil {
			ch <- r
		}
	case Async:
		if c.cfg.OnAsync != nil {
			c.cfg.OnAsync(r)
		}
	case Stream:
		c.stream(r)
	case Prompt:
	}
}

// answered reports whether a token belongs to a command that has its result.
func (c *Conn) answered(token string) bool {
	n, err := strconv.Atoi(token)
	c.mu.Lock()
	defer c.mu.Unlock()
	return err == nil && n >= 1 && n <= c.next && c.pending[token] == nil
}

func (c *Conn) isPending(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending[token] != nil
}

// splitRaw parts a line that is not MI in what was written before the answer to
// a waiting command and that answer; rest is "" when there is no answer in it.
func (c *Conn) splitRaw(s string) (raw, rest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Results come in the order of the commands, so of two tokens that fit, the
	// shorter, being older, is meant.
	for i := strings.IndexByte(s, '^'); i >= 0; {
		for k := i; k > 0 && s[k-1] >= '0' && s[k-1] <= '9'; {
			k--
			if c.pending[s[k:i]] != nil {
				return s[:k], s[k:]
			}
		}
		n := strings.IndexByte(s[i+1:], '^')
		if n < 0 {
			break
		}
		i += 1 + n
	}
	return s, ""
}

func (c *Conn) stream(s Stream) {
	if c.cfg.OnStream != nil {
		c.cfg.OnStream(s)
	}
}

// tail keeps the end of a text.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 4 << 10

func (t *tail) write(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, s...)
	if n := len(t.buf); n > 2*tailSize {
		t.buf = append(t.buf[:0], bytes.Clone(t.buf[n-tailSize:])...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf[max(0, len(t.buf)-tailSize):])
}
