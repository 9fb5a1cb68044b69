package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"yore/gdbmi"
)

// session is stock gdb on `yore gdbserver`.
type session struct {
	server *exec.Cmd
	errs   bytes.Buffer
	conn   *gdbmi.Conn
	socket string

	mu    sync.Mutex
	stops []gdbmi.Tuple // unread *stopped records
	moved chan struct{} // a stop was added
}

// open starts the server on argv and connects gdb to it.
func (b *bench) open(ctx context.Context, argv []string) (*session, error) {
	s := &session{moved: make(chan struct{}, 1), socket: filepath.Join(b.dir, "sock")}
	os.Remove(s.socket)
	s.server = exec.CommandContext(ctx, b.yore, append([]string{"gdbserver", "--listen", s.socket, "--"}, argv...)...)
	s.server.Cancel = func() error { return s.server.Process.Signal(syscall.SIGTERM) }
	s.server.WaitDelay = 5 * time.Second
	ready, err := s.server.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.server.Start(); err != nil {
		return nil, err
	}
	if err := s.awaitServer(bufio.NewReader(ready)); err != nil {
		s.close()
		return nil, err
	}
	s.conn, err = gdbmi.Start(gdbmi.Config{Path: "gdb", Args: []string{"-nx", "-q"}, OnAsync: s.onAsync})
	if err != nil {
		s.close()
		return nil, err
	}
	for _, cmd := range []string{
		"-gdb-set sysroot /", "-gdb-set breakpoint always-inserted on", "-gdb-set debuginfod enabled off",
		"-gdb-set remotetimeout 10000", "-gdb-set pagination off", "-gdb-set confirm off",
		"-file-exec-and-symbols " + gdbmi.Quote(argv[0]), "-target-select extended-remote " + s.socket,
	} {
		if _, err := s.conn.Send(ctx, cmd); err != nil {
			s.close()
			return nil, fmt.Errorf("gdb: %s: %w", cmd, err)
		}
	}
	s.drain()
	return s, nil
}

// awaitServer waits until the server says that it listens.
func (s *session) awaitServer(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if strings.Contains(line, s.socket) {
			go func() {
				for err == nil {
					_, err = r.ReadString('\n')
				}
			}()
			return nil
		}
		s.errs.WriteString(line)
		if err != nil {
			return fmt.Errorf("yore gdbserver: %s", strings.TrimSpace(s.errs.String()))
		}
	}
}

func (s *session) close() {
	if s.conn != nil {
		s.conn.Close(2 * time.Second)
	}
	s.server.Process.Signal(syscall.SIGTERM)
	s.server.Wait()
}

func (s *session) onAsync(a gdbmi.Async) {
	if a.Kind != gdbmi.Exec || a.Class != "stopped" {
		return
	}
	s.mu.Lock()
	s.stops = append(s.stops, a.Fields)
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

func (s *session) drain() {
	s.mu.Lock()
	s.stops = nil
	s.mu.Unlock()
	select {
	case <-s.moved:
	default:
	}
}

// send runs a command that does not move the program.
func (s *session) send(ctx context.Context, command string) error {
	if _, err := s.conn.Send(ctx, command); err != nil {
		return fmt.Errorf("gdb: %s: %w", command, err)
	}
	return nil
}

// move runs a command that moves the program and returns the stop, and the
// time from one to the other.
func (s *session) move(ctx context.Context, command string) (gdbmi.Tuple, time.Duration, error) {
	s.drain()
	began := time.Now()
	if _, err := s.conn.Send(ctx, command); err != nil {
		return nil, 0, fmt.Errorf("gdb: %s: %w", command, err)
	}
	for {
		s.mu.Lock()
		if len(s.stops) > 0 {
			stop := s.stops[0]
			s.stops = s.stops[1:]
			s.mu.Unlock()
			return stop, time.Since(began), nil
		}
		s.mu.Unlock()
		select {
		case <-s.moved:
		case <-s.conn.Done():
			return nil, 0, fmt.Errorf("gdb: %s: %w", command, s.conn.Err())
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("gdb: %s: %w", command, ctx.Err())
		}
	}
}

// moves runs several, of which none is timed.
func (s *session) moves(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		if _, _, err := s.move(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
