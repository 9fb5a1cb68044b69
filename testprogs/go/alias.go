//go:build ignore

// alias: two slices are appended to one that has room: the second append writes
// what the first has written. Whether there is room depends on the argument.
//
// args: 7
// exit: 2
// back: reverse-watch ours[2] == 1
package main

import (
	"os"
	"strconv"
)

var (
	ours, theirs []int
	spare        int
)

func extend(common []int, id int) []int {
	return append(common, id) // MARK culprit
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	for i := range 100 {
		spare = 0
		if i == seed%100 {
			spare = 1
		}
		common := make([]int, 2, 2+spare)
		common[0], common[1] = 5, 6
		ours = extend(common, 1)
		theirs = extend(common, 2)
		if ours[2] != 1 {
			println("round", i, ours[2])
			os.Exit(2)
		}
	}
}
