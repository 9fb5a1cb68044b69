package debugger

import "context"

// What front-ends show of a stop beside text. These are abilities that a Backend
// may have; where one is missing the front-end shows less.

// Inspector is a Backend that gives the variables of frames one by one.
type Inspector interface {
	// Selected returns the selected thread's number and its selected frame's
	// level.
	Selected(ctx context.Context) (thread, level int, err error)
	// Variables returns the arguments and locals of a frame of a thread, thread 0
	// being the selected one: arguments first, inner blocks before outer ones. A
	// frame without debug information has none.
	Variables(ctx context.Context, thread, level int) ([]Variable, error)
}

// Variable is a variable of a frame.
type Variable struct {
	Name     string
	Type     string // "" when the backend does not say
	Value    string // as the backend prints it, on one line
	Argument bool   // of the frame's function
}

// BreakpointLister is a Backend that lists its breakpoints. It answers from what
// it knows, at once.
type BreakpointLister interface {
	Breakpoints() []Breakpoint
}

// Breakpoint is a breakpoint, watchpoint or catchpoint.
type Breakpoint struct {
	Number    string // as `delete` takes it
	Kind      string // breakpoint, hw watchpoint, catchpoint …, in the backend's words
	Enabled   bool
	Temporary bool
	What      string // where it was asked for, or the expression watched
	Condition string
	Hits      int
	Locations []Location // none when it is pending, or no place in the code
}

// Breakpoints returns the backend's breakpoints, nil when it does not list them.
func (d *Debugger) Breakpoints() []Breakpoint {
	if l, ok := d.back.(BreakpointLister); ok {
		return l.Breakpoints()
	}
	return nil
}
