package debugger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"yore/engine/trace"
)

// Scribe is a Timeline that knows what the program printed.
type Scribe interface {
	// OutputLines calls fn for the lines of all history, in order, until it
	// returns false; with re set only for those that match.
	OutputLines(ctx context.Context, re *regexp.Regexp, fn func(trace.OutputLine) bool) error
}

var errNoOutput = errors.New("this history does not keep the program's output")

// output lists the program's output lines with the positions just after them.
func (d *Debugger) output(ctx context.Context, pattern string) error {
	s, ok := d.tl.(Scribe)
	if !ok {
		return errNoOutput
	}
	var re *regexp.Regexp
	if pattern != "" {
		var err error
		if re, err = regexp.Compile(pattern); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	n := 0
	err := s.OutputLines(ctx, re, func(o trace.OutputLine) bool {
		n++
		text := strconv.Quote(string(o.Text)) // it may hold anything
		d.printf("%-10d %s\n", o.Last, text[1:len(text)-1])
		return true
	})
	if err == nil && n == 0 {
		d.print("No output.\n")
	}
	return err
}
