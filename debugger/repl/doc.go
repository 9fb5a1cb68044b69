// Package repl is yore's prompt: it reads command lines from a person, from
// options of the command line, from files or from a pipe, and has a Debugger
// execute them. It is also the Debugger's UI.
//
// # Who owns the terminal
//
// While a line is typed, the line editor does. While a command runs, the
// terminal is as it was when yore began, so ^C is a SIGINT, which cancels the
// command. When the program runs live for longer than a moment, the terminal
// becomes raw and is the program's: what is typed goes to the program's own
// terminal, except ^C, which cancels the command as well.
//
// What the program writes comes out of its terminal's other end and is printed
// as it comes. Before anything of ours is printed, what the program has written
// so far is; so the order on the screen is the order in which it happened. The
// engine lets the program write only once, when it runs live, so nothing is
// printed twice.
//
// # Files
//
//	repl.go       REPL: its options, the loop, scripts
//	ui.go         the Debugger's UI: printing, progress, questions
//	editor.go     the line editor and its history file
//	program.go    the program's output and input
//
// # Threads
//
// Run belongs to one goroutine. Print, Progress and Running may be called from
// any.
package repl
