package main

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// untilTerminated returns a context that ends when yore is told to end (TERM,
// HUP). Then end is called, which is to leave nothing behind, and yore exits with
// 128 + the signal: whoever waits for a line to be typed cannot be woken.
// release undoes it all; once the signal has come it does not return, so that
// nothing that the cancelled work says decides how yore exits.
func untilTerminated(end func()) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP)
	done, told := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			close(told)
			cancel()
			end()
			os.Exit(128 + int(s.(unix.Signal)))
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		select {
		case <-told:
			select {} // until os.Exit above
		default:
		}
		close(done)
		cancel()
	}
}

// closers are called once, the last added first, by whoever is first to ask.
type closers struct {
	mu    sync.Mutex
	funcs []func()
}

func (c *closers) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.funcs = append(c.funcs, f)
}

// close returns when all are done, whoever does them.
func (c *closers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.funcs) - 1; i >= 0; i-- {
		c.funcs[i]()
	}
	c.funcs = nil
}
