package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yore/engine/gdbserver"
)

// Endpoint is a remote-protocol server at work.
type Endpoint struct {
	// Address is the socket's path, or HOST:PORT.
	Address string

	dir    string // made for the socket, removed by Close
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// logVariable names a file for the packets of a server that has no log otherwise.
const logVariable = "YORE_PACKET_LOG"

// Serve serves target at address: a socket's path (it has a slash), HOST:PORT, or
// "" for a socket in a directory of its own that only this user can enter.
func Serve(ctx context.Context, target gdbserver.Target, address string, opts gdbserver.Options) (*Endpoint, error) {
	e := &Endpoint{done: make(chan struct{})}
	opts, err := withLog(opts)
	if err != nil {
		return nil, err
	}
	l, err := e.listen(address)
	if err != nil {
		return nil, err
	}
	ctx, e.cancel = context.WithCancel(ctx)
	go func() {
		defer close(e.done)
		e.err = gdbserver.New(target, opts).ServeListener(ctx, l)
	}()
	return e, nil
}

// ServeOne answers the first that connects to l, until it is gone.
func ServeOne(ctx context.Context, target gdbserver.Target, l net.Listener, opts gdbserver.Options) error {
	defer l.Close()
	opts, err := withLog(opts)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("accept: %w", err)
	}
	err = gdbserver.New(target, opts).Serve(ctx, conn)
	if errors.Is(err, gdbserver.ErrKilled) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// withLog has packets go to the file that the environment names.
func withLog(opts gdbserver.Options) (gdbserver.Options, error) {
	name := os.Getenv(logVariable)
	if name == "" || opts.Log != nil {
		return opts, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return opts, fmt.Errorf("%s: %w", logVariable, err)
	}
	opts.Log = &timed{f, time.Now()} // open until yore ends
	return opts, nil
}

func (e *Endpoint) listen(address string) (net.Listener, error) {
	if address == "" {
		dir, err := os.MkdirTemp("", "yore-")
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		e.dir, address = dir, filepath.Join(dir, "gdb")
	}
	l, err := Listen(address)
	if err != nil {
		e.clean()
		return nil, err
	}
	e.Address = l.Addr().String()
	return l, nil
}

// Listen listens at a socket's path, which has a slash, or at HOST:PORT. Who may
// connect may do anything: a socket is this user's, and "" as a host is this
// machine alone.
func Listen(address string) (net.Listener, error) {
	if strings.Contains(address, "/") {
		l, err := gdbserver.ListenUnix(address)
		if err != nil {
			return nil, err
		}
		return l, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: want a socket's path with a slash, or HOST:PORT", address)
	}
	if host == "" {
		host = "localhost"
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

// Wait returns when serving has ended: nil when gdb killed the program or ctx was
// cancelled.
func (e *Endpoint) Wait() error {
	<-e.done
	if errors.Is(e.err, gdbserver.ErrKilled) || errors.Is(e.err, context.Canceled) {
		return nil
	}
	return e.err
}

// Dir is the directory that was made for the socket, "" when none was. What is
// put there goes with it.
func (e *Endpoint) Dir() string { return e.dir }

// Done is closed when serving has ended.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// Close ends serving and removes the socket.
func (e *Endpoint) Close() error {
	e.cancel()
	err := e.Wait()
	e.clean()
	return err
}

func (e *Endpoint) clean() {
	if e.dir != "" {
		os.RemoveAll(e.dir)
	}
}

// timed writes what it is given, a packet at a time, behind the milliseconds
// since it was made.
type timed struct {
	w     io.Writer
	began time.Time
}

func (t *timed) Write(p []byte) (int, error) {
	_, err := fmt.Fprintf(t.w, "%8.1f %s", float64(time.Since(t.began))/float64(time.Millisecond), p)
	return len(p), err
}
