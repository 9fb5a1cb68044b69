package trace

// The program's output as lines with the events that made them.

import (
	"bytes"
	"regexp"
)

// maxLine is where a line of output is cut that has no end.
const maxLine = 64 << 10

// OutputLine is a line that the program wrote to its standard output or error.
type OutputLine struct {
	// First and Last are the events that wrote its first and its last byte.
	First, Last int64
	FD          int32  // the descriptor that the program wrote to
	Text        []byte // without the line end
	// Partial: no line end was written (yet), the line is longer than is kept
	// here, or a part of it was not kept in the recording.
	Partial bool
}

// Output calls fn for each line of output whose last byte was written by an
// event of [0, to), in the order of those events, until fn returns false. Lines
// are put together per descriptor; those without an end come last. With re set
// only matching lines are passed.
func (l *Log) Output(to int64, re *regexp.Regexp, fn func(OutputLine) bool) error {
	a := lineAssembler{re: re, fn: fn, open: map[int32]*OutputLine{}}
	err := l.Scan(0, to, Filter{Output: true}, a.add)
	if err != nil || a.stopped {
		return err
	}
	// The unfinished lines, oldest first.
	for len(a.open) > 0 {
		var next *OutputLine
		for _, o := range a.open {
			if next == nil || o.Last < next.Last || o.Last == next.Last && o.FD < next.FD {
				next = o
			}
		}
		delete(a.open, next.FD)
		next.Partial = true
		if !a.pass(next) {
			return nil
		}
	}
	return nil
}

type lineAssembler struct {
	re      *regexp.Regexp
	fn      func(OutputLine) bool
	open    map[int32]*OutputLine // by descriptor, lines without their end
	stopped bool
}

// add takes the output of event i. A write-like call's first argument is its
// descriptor.
func (a *lineAssembler) add(i int64, e *Event) bool {
	fd := int32(e.Args[0])
	for rest := e.Out; len(rest) > 0; {
		o := a.open[fd]
		if o == nil {
			o = &OutputLine{First: i, FD: fd}
			a.open[fd] = o
		}
		text, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - len(o.Text); len(text) > room {
			text, after, ended = text[:room], rest[room:], true
			o.Partial = true
		}
		rest = after
		o.Text = append(o.Text, text...)
		o.Last = i
		if ended && !a.end(o) {
			return false
		}
	}
	// What the event did not keep is a hole: the line at it is partial on both
	// sides.
	if e.Ret > int64(len(e.Out)) {
		if o := a.open[fd]; o != nil {
			o.Partial = true
			return a.end(o)
		}
	}
	return true
}

func (a *lineAssembler) end(o *OutputLine) bool {
	delete(a.open, o.FD)
	return a.pass(o)
}

func (a *lineAssembler) pass(o *OutputLine) bool {
	o.Text = bytes.TrimSuffix(o.Text, []byte{'\r'})
	if a.re != nil && !a.re.Match(o.Text) {
		return true
	}
	a.stopped = !a.fn(*o)
	return !a.stopped
}
