package gdbserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// maxSocketPath is what fits sockaddr_un with its final zero.
const maxSocketPath = 107

// ListenUnix listens on a new unix socket that only this user can open. The
// file must not exist yet; closing the listener removes it. Put it in a
// directory of mode 0700: between its making and its chmod the socket has the
// umask's mode.
func ListenUnix(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, a socket's may have %d", path, len(path), maxSocketPath)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// ServeListener serves one connection after the other, until ctx is cancelled
// (its error), gdb kills the program (ErrKilled), or accepting fails. A
// connection that fails does not end it: gdb may crash and come again. It
// closes l.
func (s *Server) ServeListener(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("gdbserver: accept: %w", err)
		}
		err = s.Serve(ctx, conn)
		switch {
		case errors.Is(err, ErrKilled), ctx.Err() != nil:
			return err
		case err != nil && s.opts.Log != nil:
			fmt.Fprintf(s.opts.Log, "connection ended: %v\n", err)
		}
	}
}
