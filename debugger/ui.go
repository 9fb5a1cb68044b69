package debugger

import "context"

// UI is how the debugger speaks to the person.
type UI interface {
	// Print shows text as it is, newlines included.
	Print(text string)
	// Progress tells how far long work is, from 0 to 1; it may be called often
	// and from any goroutine.
	Progress(what string, fraction float64)
	// Confirm asks a question to be answered by yes or no. Where nobody can
	// answer it returns true, as gdb does.
	Confirm(question string) bool
	// Width is the number of columns for drawings.
	Width() int
	// Shell runs a command of the system's shell on the person's terminal.
	Shell(ctx context.Context, command string) error
}
