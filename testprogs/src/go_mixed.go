//go:build ignore

// go_mixed: goroutines and channels, timers and tickers, the garbage collector
// under pressure, maps and strings, mutexes, a panic that is recovered, and an
// HTTP server and its client in one process.
//
// output: channels 4950, slept, collected, recovered, served 20\n
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func channels() int {
	in, out := make(chan int), make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range in {
				out <- n
			}
		}()
	}
	go func() {
		for i := range 100 {
			in <- i
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	sum := 0
	for n := range out {
		sum += n // MARK sum
	}
	return sum
}

func sleep() bool {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	began := time.Now()
	for range 5 {
		<-t.C
	}
	time.Sleep(5 * time.Millisecond)
	return time.Since(began) >= 15*time.Millisecond
}

type node struct {
	next *node
	name string
	data []byte
}

func collect() bool {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	keep := map[string]*node{}
	for i := range 50000 {
		n := &node{name: strconv.Itoa(i % 1000), data: make([]byte, i%300)}
		n.next = keep[n.name]
		if i%7 == 0 {
			n.next = nil
		}
		keep[n.name] = n
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return len(keep) == 1000 && after.NumGC > before.NumGC
}

func recovers() (ok bool) {
	defer func() { ok = recover() != nil }()
	var n *node
	n.name = "nil" // MARK nil
	return false
}

func serve() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	served := 0
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		served++
		mu.Unlock()
		fmt.Fprintf(w, "hello %s", r.URL.Path)
	}))
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for i := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := http.Get(fmt.Sprintf("http://%s/%d", l.Addr(), i))
			if err != nil {
				errs <- err
				return
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil || string(b) != fmt.Sprintf("hello /%d", i) {
				errs <- fmt.Errorf("got %q, %v", b, err)
			}
		}()
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return served, nil
	}
}

func main() {
	sum := channels()
	slept, collected, recovered := sleep(), collect(), recovers()
	served, err := serve()
	if sum != 4950 || !slept || !collected || !recovered || served != 20 {
		fmt.Println(sum, slept, collected, recovered, served, err)
		os.Exit(1)
	}
	fmt.Println("channels 4950, slept, collected, recovered, served 20")
}
