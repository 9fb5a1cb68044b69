//go:build ignore

// counter: goroutines count without a lock. One reads the count and is put aside
// before it writes; what the others have counted meanwhile is gone. The argument
// says after how many it happens.
//
// args: 7
// exit: 2
// back: reverse-watch count < finished
package main

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

const each = 25

var (
	count    int64
	finished int64 // how often it was counted
)

func work(slow int64, wg *sync.WaitGroup) {
	defer wg.Done()
	for range each {
		c := count
		if slow >= 0 && finished >= slow { // the window that is always there
			for finished < slow+3 {
				runtime.Gosched()
			}
			slow = -1
		}
		count = c + 1 // MARK culprit
		atomic.AddInt64(&finished, 1)
		runtime.Gosched()
	}
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(1) // otherwise others would lose counts, too
	var wg sync.WaitGroup
	wg.Add(2)
	go work(int64(36+seed%6), &wg)
	go work(-1, &wg)
	wg.Wait()
	if count != 2*each {
		println("counted", count, "of", 2*each)
		os.Exit(2)
	}
}
