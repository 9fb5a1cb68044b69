package dap

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// Serve speaks with the client on a stream until it disconnects or the stream
// ends.
func Serve(ctx context.Context, r io.Reader, w io.Writer, opts Options) error {
	return serve(ctx, r, w, opts)
}

// Listen speaks with the clients that connect, one after the other and at the
// same time, each in a session of its own, until ctx ends. With once it returns
// after the first.
func Listen(ctx context.Context, l net.Listener, once bool, opts Options) error {
	defer l.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if once {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			return serve(ctx, c, c, opts)
		}
		running.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			serve(ctx, c, c, opts)
		})
	}
}
