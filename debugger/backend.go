package debugger

import (
	"context"
	"errors"
	"time"
)

// Backend is what the debugger needs of a source-level debugger. Calls come one
// at a time. Console output goes to the person as the backend prints it, unless
// a method says otherwise. When ctx is cancelled the backend stops what it or
// the program is doing, and returns when it is ready for the next call.
//
// A method's error is the backend's refusal, in its own words; a backend that
// is gone for good returns an error wrapping ErrBackendGone.
type Backend interface {
	// Console executes a line of the backend's own command language.
	Console(ctx context.Context, line string) (Outcome, error)
	// Script executes lines that belong together: a definition with its body.
	Script(ctx context.Context, lines []string) (Outcome, error)
	// Arrive sends one resume, which the armed timeline answers with a stop, and
	// takes the program's state from there. Nothing is printed.
	Arrive(ctx context.Context) (Outcome, error)
	// ShowStop prints where the program is, as after any stop.
	ShowStop(ctx context.Context) error
	// Quietly calls f; until it returns, the person's breakpoints do not act,
	// no expression's call runs longer than the limit set, and Move is allowed.
	Quietly(ctx context.Context, f func(context.Context) error) error
	// Move makes one motion without printing anything. Only inside Quietly.
	Move(ctx context.Context, m Motion) (Outcome, error)
	// Watch goes backwards to the latest change of the expression's value, by
	// hardware, without printing anything. ok is false when the expression
	// cannot be watched so; then the program has not moved. Only inside Quietly.
	Watch(ctx context.Context, expr string) (out Outcome, ok bool, err error)

	// Where returns the place of the selected thread's innermost frame.
	Where(ctx context.Context) (Location, error)
	// Line returns the text of a place's source line, "" when there is none.
	Line(ctx context.Context, l Location) (string, error)
	// Backtrace returns the selected thread's innermost frames, n at most, all
	// when n is 0.
	Backtrace(ctx context.Context, n int) ([]Frame, error)
	Threads(ctx context.Context) ([]Thread, error)
	// Bind fixes what an expression means here and now: which variables its
	// names are and, when it names locals, the activation of the frame they
	// belong to. An error says why the expression makes no sense here.
	Bind(ctx context.Context, expr string) (Expression, error)
	// Evaluate returns the expression's value as the backend prints it. An
	// *UnknownError says why it has none at present.
	Evaluate(ctx context.Context, e Expression) (string, error)

	// Resolve says how the backend understands a command's first word.
	Resolve(ctx context.Context, word string) (Resolution, error)
	// Complete returns the whole lines that begin with the line given.
	Complete(ctx context.Context, line string) ([]string, error)
	// Help prints the backend's help, for a command or in general.
	Help(ctx context.Context, topic string) error
}

// Beginner is a Backend that brings a program from its first instruction to where
// its author says it begins: main. named is false when it had to find that without
// a symbol. It prints the stop as after any command.
type Beginner interface {
	ToMain(ctx context.Context) (out Outcome, named bool, err error)
}

// Reader is a Backend whose evaluations read memory that a Witness can see.
type Reader interface {
	// EvaluateReading is Evaluate, at a point where the expression has just been
	// evaluated. begin is called when all that is left to be read is what the
	// value depends on. loose, when not empty, says why that is more than memory.
	EvaluateReading(ctx context.Context, e Expression, begin func()) (value, loose string, err error)
}

// Disassembler is a Backend that shows instructions.
type Disassembler interface {
	// Instruction returns the text of the instruction that the selected thread is
	// about to execute, with its address; "" when it cannot be read.
	Instruction(ctx context.Context) (string, error)
}

// Limiter is a Backend whose evaluations of bound expressions have a time limit,
// 0 for none.
type Limiter interface {
	EvalTimeout() time.Duration
	SetEvalTimeout(time.Duration)
}

// ErrBackendGone says that the backend's process ended and could not be
// started again.
var ErrBackendGone = errors.New("the backend is gone")

// UnknownError says that an expression has no value at the present point: out
// of scope, unmapped, optimised out, or its evaluation failed or took too long.
type UnknownError struct {
	Reason string // a sentence, in the backend's words
}

func (e *UnknownError) Error() string { return e.Reason }

// ErrUnknown is an UnknownError to wrap.
var ErrUnknown error = &UnknownError{"no value here"}

// Outcome is what a command did to the program.
type Outcome struct {
	Moved bool // it was resumed, other than for a call in an expression
	Edge  bool // its last stop was an edge of history
	// InCall: it is stopped inside a function that an expression called, in a
	// diversion that must not end yet.
	InCall bool
	At     Place  // where its last stop was; zero when the backend did not say
	Why    string // the backend's word for the reason of its last stop
	// Cause is why it stopped last, as a value; nil when that is not known.
	Cause *Cause
}

// Place is a location and its thread.
type Place struct {
	Location
	// Thread is the backend's number of it; of the Task, where those are not threads.
	Thread int
}

// Location is an address in the code and what the debug information knows of it.
type Location struct {
	Addr     uint64
	Function string
	File     string // as the compiler was given it
	FullName string // absolute
	Line     int    // 0 when unknown
	Object   string // the library or program, when there is no source
}

// Frame is a location on the stack; level 0 is the innermost.
type Frame struct {
	Level int
	Location
}

// Thread is a thread of the program.
type Thread struct {
	Number  int // the backend's number
	ID      int // the recorded thread id
	Name    string
	Current bool
	// Goroutine is the number of the goroutine that the thread runs, 0 for none.
	Goroutine int64
	Location
}

// Expression is an expression that was bound to its variables.
type Expression interface {
	String() string // as the person wrote it
	// Activation reports whether it names variables of a frame: then it has a
	// meaning only while that activation of the function lives.
	Activation() bool
}

// Motion is a step that this package makes on its own.
type Motion struct {
	Kind     MotionKind
	Backward bool
	Count    int        // of instructions for StepInsn; 0 is 1
	Of       Expression // for ToEntry
}

// MotionKind is how far a Motion goes.
type MotionKind uint8

const (
	StepInsn MotionKind = iota // Count instructions
	// ToStatement goes backwards to the beginning of the statement that the
	// present instruction belongs to; from code without lines, to the beginning
	// of the statement that called it. It stays where it is when there is none.
	ToStatement
	// ToEntry goes backwards to where the function of Of's frame was called.
	ToEntry
	// ToBreak goes forwards to a breakpoint of a Logger, or to the end of history.
	ToBreak
)

// Resolution says how a backend understands a word that begins a command.
type Resolution struct {
	// Exact: it is a command's or an alias's whole name.
	Exact bool
	// Matches are the commands that it begins, by full name.
	Matches []string
}
