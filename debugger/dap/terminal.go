package dap

// When the configuration wants it, the program's terminal is one that the client
// opens. What runs there (`yore dap --hold SOCKET`) only keeps it: it tells us the
// terminal's name, and the engine gives that to the program. A ^C typed there
// reaches the holder, which tells us, and pauses the program as gdb would.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-dap"
	"golang.org/x/sys/unix"
)

// holderTime bounds how long a client may take to open a terminal.
const holderTime = 20 * time.Second

// terminal is a client's terminal that we hold.
type terminal struct {
	conn net.Conn
	dir  string
}

// close lets the holder, and with it the client's terminal, go.
func (t *terminal) close() {
	t.conn.Close()
	os.RemoveAll(t.dir)
}

// terminalFor has the client open a terminal when l wants one, and names it in l.
// A client that has none to offer gets the program's output in the debug console.
func (s *session) terminalFor(ctx context.Context, l *Launch) error {
	if l.Console == "internal" || l.Recording != "" || l.TTY != "" {
		return nil
	}
	if !s.client.SupportsRunInTerminalRequest || s.opts.Self == "" {
		s.printer.say("console", "The client cannot open a terminal; the program's output is shown here.\n")
		return nil
	}
	dir, err := os.MkdirTemp("", "yore-")
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	keep := false
	defer func() {
		if !keep {
			os.RemoveAll(dir)
		}
	}()
	listener, err := net.Listen("unix", filepath.Join(dir, "tty"))
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer listener.Close()
	cwd := l.Dir
	if cwd == "" {
		if cwd, err = os.Getwd(); err != nil {
			return err
		}
	}
	answer := make(chan *message, 1)
	s.mu.Lock()
	seq := s.out.request("runInTerminal", dap.RunInTerminalRequestArguments{
		Kind: l.Console, Title: "yore: " + filepath.Base(l.Program), Cwd: cwd,
		Args: []string{s.opts.Self, "dap", "--hold", filepath.Join(dir, "tty")},
	})
	s.calls[seq] = answer
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, holderTime)
	defer cancel()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := listener.Accept(); err == nil {
			accepted <- c
		}
	}()
	for {
		select {
		case m := <-answer:
			if !m.Success {
				return fmt.Errorf("the client cannot open a terminal: %s", refusalText(m))
			}
			answer = nil // the holder will call
		case c := <-accepted:
			r := bufio.NewReader(c)
			c.SetReadDeadline(time.Now().Add(holderTime))
			line, err := r.ReadString('\n')
			name, ok := strings.CutPrefix(strings.TrimSpace(line), "tty ")
			if err != nil || !ok || name == "" {
				c.Close()
				return errors.New("what the client ran for a terminal has none")
			}
			c.SetReadDeadline(time.Time{})
			l.TTY, keep = name, true
			hold := &terminal{conn: c, dir: dir}
			s.post(func() { s.hold = hold })
			go s.hear(r)
			return nil
		case <-ctx.Done():
			return errors.New("the client has not opened a terminal in time")
		}
	}
}

func refusalText(m *message) string {
	var body dap.ErrorResponseBody
	if json.Unmarshal(m.Body, &body) == nil && body.Error != nil && body.Error.Format != "" {
		return body.Error.Format
	}
	return m.Message
}

// hear listens to the holder.
func (s *session) hear(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.TrimSpace(line) == "interrupt" {
			s.post(func() { s.pause(s.ctx, dap.PauseArguments{}) })
		}
	}
}

// Hold keeps the terminal of this process for the adapter that listens at a
// socket, until that ends.
func Hold(socket string) error {
	tty, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return err
	}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		return errors.New("standard input is not a terminal")
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT)
	signal.Ignore(unix.SIGQUIT, unix.SIGTSTP)
	go func() {
		for range signals {
			io.WriteString(conn, "interrupt\n")
		}
	}()
	if _, err := io.WriteString(conn, "tty "+tty+"\n"); err != nil {
		return err
	}
	io.Copy(io.Discard, conn)
	return nil
}
