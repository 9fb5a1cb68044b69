// Package gdb makes gdb a backend of the debugger.
//
// gdb is started with its machine interface and connected to the engine's
// remote-protocol server. What the person types goes to gdb's own console
// (-interpreter-exec console), so that gdb's commands, aliases, messages and
// the person's .gdbinit are what they are in plain gdb. What the debugger wants
// to know (frames, values, places) is asked by machine commands.
//
// # How a command ends
//
// gdb answers a command that resumes the program at once, with ^running, and
// reads no further command until the program has stopped and everything that
// hangs on the stop (breakpoint commands, the rest of a script) is done. So each
// command is followed by a harmless one, the barrier: its answer means that the
// command is over.
//
// # Interrupting
//
// A cancelled context becomes one SIGINT to gdb, as ^C would. gdb passes it on
// to the remote server while the program runs. A second SIGINT during the same
// resume would make gdb drop the connection, so there is none; while gdb itself
// computes, SIGINT is repeated, because one that finds gdb idle is lost.
//
// # When gdb dies
//
// The program and its history are not gdb's. A new gdb is started and connected
// at the same place; breakpoints and settings are made again as far as gdb's
// notifications told of them. The command that was under way fails.
//
// # Files
//
//	gdb.go          Backend: start, connect, close
//	exec.go         one command: output, barrier, interrupt
//	console.go      the person's commands, completion, help
//	motion.go       arriving, steps of our own, watching backwards
//	place.go        frames, threads, source lines
//	expr.go         what an expression means and its value
//	inspect.go      variables and breakpoints, one by one
//	view.go         stacks and values with their parts
//	values.go       variable objects behind them
//	run.go          the person's motions, and why they ended
//	points.go       breakpoints by values; helper.py, their Python
//	machine.go      memory and code
//	names.go        names in expressions (pure)
//	breakpoints.go  breakpoints and settings as gdb told of them (pure)
//	elsewhere.go    files that are not where the program says
//	keep.go         breakpoints for another session
//	recover.go      a new gdb in place of a dead one
//
// Threads: a Backend takes one call at a time, from any goroutine.
package gdb
