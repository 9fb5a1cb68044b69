//go:build ignore

// W5: goroutines + channels + GC + maps. usage: w5 [n]
//
// args: 300
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

type rec struct {
	k    string
	v    []int
	next *rec
}

func worker(in <-chan int, out chan<- map[string]*rec, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range in {
		m := map[string]*rec{}
		var head *rec
		for i := 0; i < 200; i++ {
			k := "k" + strconv.Itoa((i*j)%997)
			r := &rec{k, make([]int, i%32), head}
			head = r
			m[k] = r
		}
		out <- m
	}
}
func main() {
	n := 19000
	if len(os.Args) > 1 {
		n, _ = strconv.Atoi(os.Args[1])
	}
	in := make(chan int)
	out := make(chan map[string]*rec, 8)
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go worker(in, out, &wg)
	}
	go func() {
		for i := 1; i <= n; i++ {
			in <- i
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	tot := 0
	all := map[string]int{}
	for m := range out {
		for k, r := range m {
			all[k] += len(r.v)
			tot++
		}
	}
	fmt.Println(tot, len(all))
}
