// Command mk builds all sample programs, or those named on its command line,
// into testprogs/build and prints their paths. It is what make testprogs runs.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"yore/testprogs"
)

func main() {
	ps, err := testprogs.All()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := 0
	for _, p := range ps {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], p.Name) {
			continue
		}
		path, err := p.Make()
		switch {
		case errors.Is(err, testprogs.ErrNoCompiler):
			fmt.Printf("%-24s left out: %v\n", p.Name, err)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			status = 1
		default:
			fmt.Printf("%-24s %s\n", p.Name, path)
		}
	}
	os.Exit(status)
}
