package report

import (
	"fmt"
	"time"
)

// Report is what there is to say.
type Report struct {
	Title    string
	Facts    []Fact // program, how it ended…, in order
	Note     string
	Threads  []Thread // the one that matters first
	Change   *Change  // a bisect's answer, nil when nothing was asked
	Plots    []Plot
	Output   []string // the program's last lines
	Events   []string // the last events, as text
	Marks    []Mark   // named points
	Timeline Timeline
	Commands []string // that open the bundle
}

// Fact is a named value.
type Fact struct{ Name, Value string }

// Thread is a thread and where it was.
type Thread struct {
	Name   string
	Frames []Frame
	// Source are lines around the innermost frame that has any, the first being line
	// First; At is the line of the frame.
	Source    []string
	First, At int
}

// Frame is a place on the stack.
type Frame struct {
	Level int
	Text  string
}

// Change is the statement that gave an expression its value.
type Change struct {
	Expr, Before, After string
	Where, Source       string
	Position            string
	Guarantee           string
	Frames              []Frame
}

// Plot is a number's course over history, drawn with characters and as an image. The
// image is markup that escapes what it quotes.
type Plot struct{ Expr, Text, SVG string }

// Mark is a named point of history; At is its part of it, from 0 to 1.
type Mark struct {
	Name, Position, What string
	At                   float64
}

// Timeline is history as a drawing: a lane for each thread, with the number of its
// events in each of equal parts of time.
type Timeline struct {
	Total  time.Duration
	Lanes  []Lane
	Images []float64 // where images are, as parts of history
}

// Lane is a thread's.
type Lane struct {
	Name   string
	Counts []int
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
