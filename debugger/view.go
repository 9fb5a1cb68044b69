package debugger

// What front-ends that draw need of a backend: values where a prompt is content
// with text. Each interface is one ability that a Backend may have; a front-end
// asks by type assertion and does without what is missing. As for a Backend,
// calls come one at a time, and a cancelled context ends them.

import (
	"context"
	"errors"
)

// Task is a line of execution as the program's language knows it: a thread, or
// for Go a goroutine.
type Task struct {
	ID      int // the backend's number
	Name    string
	Current bool // the selected one
	Location
}

// FrameID names a frame of the present stop; level 0 is the innermost. The zero
// Task is the selected one.
type FrameID struct{ Task, Level int }

// Ref names something with parts: a scope, or a value. Refs are the backend's, above
// 0, never used twice, and known until the program moves. 0 is no Ref.
type Ref int

// ErrStale says that a Ref is of an earlier stop.
var ErrStale = errors.New("the program has moved since; this value is of an earlier stop")

// Scope is a group of a frame's variables.
type Scope struct {
	Name string
	Kind ScopeKind
	Ref  Ref
	Slow bool // reading it takes longer than a stop should
}

// ScopeKind is what a scope holds.
type ScopeKind uint8

const (
	Locals ScopeKind = iota // arguments included
	Registers
	Globals
)

// Value is a variable, a part of one, or the value of an expression.
type Value struct {
	Name string // "" for an expression's
	Text string
	Type string
	// Expr is an expression for the same thing in its frame, "" when there is none.
	Expr string
	Ref  Ref // of its parts, 0 when it has none
	// Named and Indexed count the parts, as far as that is known without reading
	// them: fields, elements.
	Named, Indexed int
	// Addr is what a pointer points to, or where an aggregate lies; 0 is unknown.
	Addr uint64
	// Fixed: it cannot be assigned to.
	Fixed bool
}

// Viewer is a Backend that shows stacks and values.
type Viewer interface {
	Tasks(ctx context.Context) ([]Task, error)
	// Stack returns n frames of a task from a level on, all of them when n is 0,
	// and how many frames there are in all, at least as far as it had to look.
	Stack(ctx context.Context, task, first, n int) (frames []Frame, total int, err error)
	// Select makes a frame the one that console commands work in.
	Select(ctx context.Context, f FrameID) error
	Scopes(ctx context.Context, f FrameID) ([]Scope, error)
	// Parts returns n parts of a scope or value from index first on, all when n
	// is 0.
	Parts(ctx context.Context, r Ref, first, n int) ([]Value, error)
	// Value evaluates an expression in a frame. What it calls and writes happens
	// in a diversion, except at the frontier.
	Value(ctx context.Context, f FrameID, expr string) (Value, error)
	// Assign sets a part of a scope or value to the value of an expression,
	// AssignTo what an expression in a frame stands for.
	Assign(ctx context.Context, of Ref, name, value string) (Value, error)
	AssignTo(ctx context.Context, f FrameID, expr, value string) (Value, error)
}

// Formatter is a Viewer that shows numbers in hexadecimal when asked to.
type Formatter interface {
	// Hex has values that are read from now on in hexadecimal, or no longer.
	Hex(on bool)
}

// Run is a motion that a person asks for.
type Run struct {
	Kind     RunKind
	Backward bool
	Task     int // whose; 0 is the selected one's
}

// RunKind is how far a Run goes.
type RunKind uint8

const (
	RunOn    RunKind = iota // to a breakpoint, a signal, or an edge of history
	IntoLine                // to another line, into functions
	OverLine                // to another line of this function
	OutOf                   // out of this function; backwards to its call
	IntoInsn                // one instruction
	OverInsn                // one instruction, calls taken as one
)

// Command is the prompt's word for a Run.
func (r Run) Command() string {
	word := [...]string{"continue", "step", "next", "finish", "stepi", "nexti"}[r.Kind]
	if r.Backward {
		return "reverse-" + word
	}
	return word
}

// Runner is a Backend that makes a person's motions without showing where they
// end. What breakpoints print on the way is printed.
type Runner interface {
	// Run moves the program. The Outcome has a Cause.
	Run(ctx context.Context, r Run) (Outcome, error)
}

// Cause says why a motion ended.
type Cause struct {
	Kind        CauseKind
	Breakpoints []string // those that were hit, by their numbers
	Signal      string   // "SIGSEGV"
	Text        string   // in the backend's words: "Segmentation fault", a panic's message
	Type        string   // of an exception, "" when it is not known
	// Of a data breakpoint: what it watches, and the values on both sides of the
	// stop in the direction of travel.
	Expr, Old, New string
}

// CauseKind is what ended a motion.
type CauseKind uint8

const (
	Stepped      CauseKind = iota // it went as far as it was to go
	HitCode                       // a breakpoint
	HitData                       // a data breakpoint
	HitException                  // a breakpoint of an exception filter
	HitSignal                     // a signal for the program
	Paused                        // it was cancelled
	HitEdge                       // history goes no further
	Failed                        // the timeline could not go on; Text says why
)

// BreakpointKind is where a breakpoint acts.
type BreakpointKind uint8

const (
	AtLine BreakpointKind = iota
	AtFunction
	AtAddress
	AtData
)

// Access is what a data breakpoint waits for.
type Access uint8

const (
	OnWrite Access = iota
	OnRead
	OnAccess
)

// BreakpointSpec is a breakpoint to be made.
type BreakpointSpec struct {
	Kind     BreakpointKind
	File     string // as the debug information has it, for AtLine
	Line     int
	Function string
	Addr     uint64
	Data     string // what Watchable gave
	Access   Access

	Condition string
	Hits      *HitCondition
	// Log, when not nil, is printed at each hit instead of stopping: texts and
	// expressions in turn, a text first. For Go as for gdb a log point does not
	// break up a step that passes it.
	Log []string
}

// HitCondition lets a breakpoint act on some of its hits, which are counted
// whenever the program passes it, in either direction.
type HitCondition struct {
	Op string // >= > == < <= or %
	N  int
}

// Met reports whether hit number n counts.
func (h HitCondition) Met(n int) bool {
	switch h.Op {
	case ">=":
		return n >= h.N
	case ">":
		return n > h.N
	case "==":
		return n == h.N
	case "<":
		return n < h.N
	case "<=":
		return n <= h.N
	case "%":
		return h.N > 0 && n%h.N == 0
	}
	return false
}

// Filter is a kind of exceptions to stop at.
type Filter struct {
	Name, Label, Description string
	Default                  bool
	// Condition describes what may be added to a choice of it, "" for nothing.
	Condition string
}

// FilterChoice is a Filter that was chosen.
type FilterChoice struct{ Name, Condition string }

// Breakpointer is a Backend whose breakpoints can be made by values.
type Breakpointer interface {
	BreakpointLister
	SetBreakpoint(ctx context.Context, b BreakpointSpec) (Breakpoint, error)
	// ClearBreakpoint deletes a breakpoint; one that has gone is no error.
	ClearBreakpoint(ctx context.Context, number string) error
	// Lines returns the lines of a file, from..to, that have code.
	Lines(ctx context.Context, file string, from, to int) ([]int, error)
	// Watchable says how to watch a part of a scope or value, or with of 0 what an
	// expression in a frame stands for: data for BreakpointSpec.Data, and for people.
	// Its error says why it cannot be watched.
	Watchable(ctx context.Context, f FrameID, of Ref, name string) (data, shown string, err error)
	// Filters are those that the program's language has. SetFilters makes those
	// chosen the ones that act.
	Filters() []Filter
	SetFilters(ctx context.Context, chosen []FilterChoice) error
}

// Instruction is a decoded instruction.
type Instruction struct {
	Addr   uint64
	Bytes  []byte // nil where there is no code
	Text   string
	Symbol string // the function, with the offset behind +
	Location
}

// Machine is a Backend that shows code and memory.
type Machine interface {
	// Disassemble returns count instructions, the first of them skip instructions
	// after the one at addr, or before it when skip is negative. Where there is
	// no code it returns instructions without bytes.
	Disassemble(ctx context.Context, addr uint64, skip, count int) ([]Instruction, error)
	// ReadMemory returns the readable bytes from addr on, n at most.
	ReadMemory(ctx context.Context, addr uint64, n int) ([]byte, error)
	WriteMemory(ctx context.Context, addr uint64, p []byte) error
}
