package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"yore/gdbmi"
)

// session is stock gdb, by its machine interface, started by `yore gdb`.
type session struct {
	conn *gdbmi.Conn

	mu    sync.Mutex
	stops []gdbmi.Tuple // unread *stopped records
	moved chan struct{} // a stop was added
}

// open starts gdb and yore on argv. The program is at its first instruction.
func (b *bench) open(ctx context.Context, argv []string) (*session, error) {
	s := &session{moved: make(chan struct{}, 1)}
	// The client puts gdb's --interpreter first; yore wants the name of its command
	// there.
	wrapper := filepath.Join(b.dir, "gdb")
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' gdb \"$@\"\n", b.yore)
	if err := os.WriteFile(wrapper, []byte(text), 0o755); err != nil {
		return nil, err
	}
	args := append([]string{"-nx", "-q", "--args"}, argv...)
	var err error
	if s.conn, err = gdbmi.Start(gdbmi.Config{Path: wrapper, Args: args, OnAsync: s.onAsync}); err != nil {
		return nil, err
	}
	for _, cmd := range []string{"-gdb-set pagination off", "-gdb-set confirm off", "-gdb-set breakpoint always-inserted on", "-gdb-set width 0"} {
		if err := s.send(ctx, cmd); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *session) close() { s.conn.Close(5 * time.Second) }

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

// console runs a command of gdb's command line, such as yore's own.
func (s *session) console(ctx context.Context, command string) (time.Duration, error) {
	began := time.Now()
	err := s.send(ctx, "-interpreter-exec console "+gdbmi.Quote(command))
	return time.Since(began), err
}
