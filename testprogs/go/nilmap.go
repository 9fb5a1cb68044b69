//go:build ignore

// nilmap: a registry forgets its map on a path for errors; the next name that is
// entered, some calls later, panics. The argument says which name is bad.
//
// args: 7
// exit: 2
// back: reverse-watch registry.names == nil
package main

import (
	"fmt"
	"os"
	"strconv"
)

type Registry struct {
	names map[string]int
	size  int
}

var registry = &Registry{names: map[string]int{}}

func (r *Registry) check(name string) error {
	if name == "" {
		return fmt.Errorf("a name is empty")
	}
	return nil
}

func (r *Registry) Enter(name string) {
	if r.check(name) != nil {
		*r = Registry{size: r.size} // MARK culprit
		return
	}
	r.size++
	r.names[name] = r.size // MARK crash
}

func (r *Registry) Size() int { return r.size }

func main() {
	seed, _ := strconv.Atoi(os.Args[1])
	for i := range 200 {
		name := fmt.Sprint("name", i)
		if i == seed%150 {
			name = ""
		}
		if name == "" || registry.Size() < 1000 {
			registry.Enter(name)
		}
	}
}
