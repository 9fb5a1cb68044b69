// Package delve makes Delve a backend of the debugger, for Go programs.
//
// Delve is a library here: its package proc is given a process that lives in the
// engine's session (process.go), so there is no protocol and no second program.
// What the person types is read by this package's own table of verbs, which
// knows gdb's names and Delve's, and understands both ways to write a location.
// Expressions are Go's, as Delve takes them.
//
// # Words
//
//   - process: the engine's session as Delve wants to see a process. It has a
//     direction: with it set to backward, Delve's next, step and stepout go back.
//   - motion: one of Delve's ways to move (Continue, Next, Step, StepOut,
//     StepInstruction) in a direction.
//   - selection: the goroutine, frame and deferred call that expressions are
//     about. A motion selects where it stopped.
//   - activation: one call of a function, told from others by its goroutine and
//     by its frame's distance from the top of the stack, which stays the same
//     when the stack is moved.
//
// # What Delve is told
//
// Both edges of history are told as StopLaunched, at which Delve forgets its
// stepping breakpoints; an exited process would end the session for it. Signals
// are the program's own and never stop it, SIGTRAP apart. Delve reads memory in
// small pieces; whole pages are read and kept until the program moves (memory.go).
//
// # Files
//
//	delve.go               Backend: open, close, one call at a time
//	process.go, thread.go  what Delve needs of a process
//	memory.go              memory, in pages
//	recording.go           direction; the rest of Delve's recordings
//	motion.go, arrive.go   the person's motions, and the debugger's own
//	stop.go, list.go       how a stop and source text are shown
//	place.go               frames, threads, goroutines as places
//	expr.go, types.go      what an expression means, and its value
//	log.go                 stopping at a place unseen
//	watch.go               going back to a change by hardware
//	verbs.go               the table of verbs, dispatch, completion, help
//	run.go                 verbs that move the program
//	breakpoints.go, break.go  breakpoints, and the verbs for them
//	location.go            where `break` and its like point to
//	print.go, examine.go   verbs that show values, memory, registers, code
//	stack.go               verbs for frames and deferred calls
//	goroutines.go, filter.go  verbs for goroutines and threads
//	symbols.go             verbs that list what the program has
//	config.go              settings
//	script.go              commands of several lines
//	begin.go, view.go, front.go  what front-ends that draw need
//	back.go                going back to calls and to statements
//
// Threads: a Backend takes one call at a time, from any goroutine.
package delve
