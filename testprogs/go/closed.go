//go:build ignore

// closed: a producer closes a channel that another still sends on. The argument
// says after how many values.
//
// args: 7
// exit: 2
// back: reverse-watch stream.Open
package main

import (
	"os"
	"strconv"
)

type Stream struct {
	C    chan int
	Open bool
}

var stream = Stream{make(chan int, 4), true}

func (s *Stream) Close() {
	s.Open = false // MARK culprit
	close(s.C)
}

func produce(from, n int, last bool) {
	for i := range n {
		stream.C <- from + i
	}
	if last {
		stream.Close()
	}
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	done := make(chan int)
	go func() {
		sum := 0
		for v := range stream.C {
			sum += v
		}
		done <- sum
	}()
	// What is thought to be the last comes early.
	rounds := 30
	for r := range rounds {
		produce(100*r, 5, r == seed%(rounds-1))
	}
	println(<-done)
}
