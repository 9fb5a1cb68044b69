//go:build ignore

// bank: three goroutines move money between accounts under a lock. One transfer
// credits more than it debits; the sum is checked when all are done, long after.
// The argument seeds which transfer that is.
//
// args: 7
// exit: 2
package main

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
)

type Account struct {
	Name    string
	Balance int
}

type Bank struct {
	mu       sync.Mutex
	Accounts []*Account
	Log      map[string]int
}

const funds = 2000

var (
	bank = &Bank{Log: map[string]int{}}
	bad  int
)

func (b *Bank) Transfer(from, to, n int) (ok bool) {
	defer func() {
		b.Log["transfers"]++ // MARK within
	}() // MARK deferred
	if b.Accounts[from].Balance < n {
		return false
	}
	b.Accounts[from].Balance -= n
	if b.Log["transfers"] == bad {
		n++
	}
	b.Accounts[to].Balance += n // MARK culprit
	return true
}

// Sum is the money that there is.
func (b *Bank) Sum() int {
	total := 0
	for _, a := range b.Accounts {
		total += a.Balance
	}
	return total
}

func fib(n int) int {
	if n < 2 {
		return n // MARK leaf
	}
	a := fib(n - 1) // MARK first
	c := fib(n - 2) // MARK second
	return a + c
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	r := rand.New(rand.NewSource(int64(seed)))
	bad = 20 + r.Intn(20)
	for i := range 4 {
		bank.Accounts = append(bank.Accounts, &Account{fmt.Sprintf("acc%d", i), funds / 4})
	}
	var wg sync.WaitGroup
	for w := range 3 {
		from, to := r.Intn(4), 0
		for to = r.Intn(4); to == from; to = r.Intn(4) {
		}
		wg.Add(1)
		go func() { // MARK spawn
			defer wg.Done()
			for i := range 20 {
				bank.mu.Lock()
				bank.Transfer((from+i)%4, (to+i)%4, w+i) // MARK call
				bank.mu.Unlock()
			}
		}()
	}
	wg.Wait()
	x := fib(6)
	fmt.Println("fib", x, "sum", bank.Sum())
	if sum := bank.Sum(); sum != funds {
		panic("money out of nothing") // MARK panic
	}
}
