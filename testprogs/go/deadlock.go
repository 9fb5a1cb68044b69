//go:build ignore

// deadlock: two goroutines lock two accounts in turn; one of them, once, in the
// other order. Then all wait for one another, and Go's runtime ends the program.
// The argument says when.
//
// args: 7
// exit: 2
// back: reverse-watch right.Holder
package main

import (
	"os"
	"strconv"
	"sync"
)

type Account struct {
	mu      sync.Mutex
	Holder  int // who has locked it: nobody, pay or refund
	Balance int
}

const (
	nobody = iota
	pays
	refunds
)

var left, right Account

func (a *Account) unlock() {
	a.Holder = nobody
	a.mu.Unlock()
}

func pay(n int, held func()) {
	left.mu.Lock()
	left.Holder = pays
	held()
	right.mu.Lock() // MARK right
	right.Holder = pays
	left.Balance -= n
	right.Balance += n
	right.unlock()
	left.unlock()
}

func refund(n int, held func()) {
	right.mu.Lock()
	right.Holder = refunds // MARK culprit
	held()
	left.mu.Lock() // MARK left
	left.Holder = refunds
	left.Balance += n
	right.Balance -= n
	left.unlock()
	right.unlock()
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	nothing := func() {}
	for range 5 + seed%30 {
		pay(1, nothing)
		refund(1, nothing)
	}
	var wg, both sync.WaitGroup
	wg.Add(2)
	both.Add(2)
	meet := func() { both.Done(); both.Wait() }
	go func() { defer wg.Done(); pay(10, meet) }()
	go func() { defer wg.Done(); refund(10, meet) }()
	wg.Wait()
}
