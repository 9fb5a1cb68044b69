//go:build ignore

// garbage: a tree is built and thrown away many times while the collector is busy.
// A node goes back to the free list although another tree still has it, and is
// handed out again. The argument says in which round.
//
// args: 7
// exit: 2
// back: reverse-watch kept.Left.Value == 11
package main

import (
	"os"
	"runtime"
	"strconv"
)

type Node struct {
	Left, Right *Node
	Value       int
}

var (
	kept *Node
	free []*Node
)

func alloc(value int) *Node {
	if n := len(free); n > 0 {
		x := free[n-1]
		free = free[:n-1]
		x.Value = value // MARK culprit
		return x
	}
	return &Node{Value: value}
}

func build(depth, value int) *Node {
	n := alloc(value)
	if depth > 0 {
		n.Left, n.Right = build(depth-1, value+1), build(depth-1, value+2)
	}
	return n
}

func sum(n *Node) int {
	if n == nil {
		return 0
	}
	return n.Value + sum(n.Left) + sum(n.Right)
}

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	kept = build(3, 10)
	want := sum(kept)
	total := 0
	for round := range 60 {
		if round == 10+seed%40 {
			free = append(free, kept.Left)
		}
		total += sum(build(9, 100+round))
		if round%10 == 0 {
			runtime.GC()
		}
	}
	if sum(kept) != want {
		println("the tree that was kept has", sum(kept), "not", want, "after", total)
		os.Exit(2)
	}
}
