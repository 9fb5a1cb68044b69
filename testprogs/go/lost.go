//go:build ignore

// lost: a balance is read under a lock and written under a lock, but not under the
// same one: a deposit in between is lost. The argument says which.
//
// args: 7
// exit: 2
// back: reverse-watch purse.Balance == purse.Paid
package main

import (
	"os"
	"strconv"
	"sync"
)

type Purse struct {
	mu            sync.Mutex
	Balance, Paid int
}

var purse Purse

// Deposit is told when it may write.
func (p *Purse) Deposit(n int, between func()) {
	p.mu.Lock()
	old := p.Balance
	p.mu.Unlock()
	between()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Balance = old + n // MARK culprit
	p.Paid += n
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	nothing := func() {}
	other := make(chan int)
	answer := make(chan bool)
	go func() {
		for n := range other {
			purse.Deposit(n, nothing)
			answer <- true
		}
	}()
	for i := range 30 {
		between := nothing
		if i == 16+seed%12 {
			between = func() { other <- 7; <-answer }
		}
		purse.Deposit(10, between)
	}
	if purse.Balance != purse.Paid {
		println("the purse has", purse.Balance, "of", purse.Paid)
		os.Exit(2)
	}
}
