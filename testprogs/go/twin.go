//go:build ignore

// twin: the smallest program in which a debugger has something to do, the same as
// twin.c line by line: a loop, a call, a global that grows, a value that repeats.
//
// output: 1327\n
// exit: 3
package main

import (
	"fmt"
	"os"
)

var total, calls int

func part(n int) int { // MARK part
	d := n % 3 // MARK rest
	total += d // MARK add
	return d   // MARK give
}

func work(n int) int { // MARK work
	sum := 0                 // MARK zero
	for i := 0; i < n; i++ { // MARK loop
		sum += part(i) // MARK call
		calls++        // MARK count
	}
	return sum // MARK out
}

func main() {
	x := work(7)                        // MARK first
	y := work(9)                        // MARK second
	total = x*100 + y*75 + 2*calls + 20 // MARK last
	fmt.Println(total)                  // MARK print
	os.Exit(3)                          // MARK end
}
