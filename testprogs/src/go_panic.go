//go:build ignore

// go_panic: dies of a nil pointer in a goroutine, some calls below where the
// pointer was lost.
//
// exit: 2
package main

import "sync"

type conn struct{ peer *conn }

func (c *conn) drop() { c.peer = nil } // MARK culprit

func (c *conn) ping(n int) int {
	return c.peer.pong(n) + 1
}

func (c *conn) pong(n int) int {
	if n == 0 {
		return 0
	}
	if n == 13 {
		c.drop()
	}
	return c.peer.ping(n - 1) // MARK crash
}

func main() {
	a := &conn{}
	a.peer = &conn{a}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		println(a.ping(20))
	}()
	wg.Wait()
}
