//go:build ignore

// pool: a pool of workers drops an item: the one that comes with the word to quit.
// Nobody notices before the end. The argument says in which order the items come.
//
// args: 7
// exit: 2
// back: reverse-watch items[17].State
package main

import (
	"os"
	"strconv"
	"sync"
)

type Item struct {
	State string
	Value int
}

type job struct {
	item int
	quit bool // and go home then
}

var items [40]Item

const unlucky = 17

func worker(jobs <-chan job, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range jobs {
		it := &items[j.item]
		it.State = "taken" // MARK culprit
		if j.quit {
			return
		}
		it.finish()
	}
}

func (it *Item) finish() {
	it.Value *= it.Value
	it.State = "done"
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	jobs := make(chan job)
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go worker(jobs, &wg)
	}
	for i := range items {
		items[i] = Item{"new", i}
	}
	for n := range items {
		i := (n + seed) % len(items)
		jobs <- job{i, i == unlucky}
	}
	close(jobs)
	wg.Wait()
	for i := range items {
		if items[i].State != "done" {
			println("item", i, "is", items[i].State)
			os.Exit(2)
		}
	}
}
