// Package debugger is yore's command set: what a person or a script can say at
// the prompt, whatever shows the prompt and whatever understands the program's
// language.
//
// # Words
//
//   - backend: a source-level debugger below us (gdb; Delve for Go). It reads
//     symbols, evaluates expressions, keeps breakpoints, and moves the program
//     by its own commands. What this package does not know goes to it unchanged.
//   - timeline: what the engine knows that no backend does: positions, marks,
//     checkpoints, and moving to any of them.
//   - motion: a top-level command that moved the program in time. Each leaves a
//     stop in the history of motions, which undo and redo walk.
//   - arrive: to let the backend find the program elsewhere. The timeline is
//     armed with the place to go; the backend sends one resume, which is
//     answered from there; so the backend drops its caches as after any stop.
//
// # Pieces
//
//	backend.go, timeline.go, ui.go   what this package needs of others
//	debugger.go                      Debugger: one top-level command at a time
//	commands.go, help.go             the table of commands, prefixes, help
//	block.go                         commands of several lines, up to `end`
//	history.go                       stops, undo, redo (pure)
//	output.go                        what the program printed
//	place.go                         where `goto` goes; `when`
//	inspect.go                       variables and breakpoints for front-ends
//	view.go, drive.go                stacks, values, breakpoints, code and motions as values
//	look.go                          what there is to see of a stop, for front-ends
//	survey.go                        what happened when, for those that draw history
//	scrub.go                         moving along history by time
//	draw.go                          the drawn timeline (pure)
//	saved.go                         what is kept of a session in a bundle
//	search.go                        bisection over points of history (pure)
//	reversewatch.go, change.go       reverse-watch, and its answer as a value
//	proof.go                         why a change is the latest
//	series.go, plot.go               changes, log, plot: an expression over time
//
// # Threads
//
// A Debugger executes one command at a time; its methods are not safe for
// concurrent use, except that the context of a running command may be cancelled
// from anywhere. Cancelling stops the program, or the backward motion, and
// leaves the session where it was.
//
// The package does not read a terminal, does not colour, and starts no process
// except through its UI.
package debugger
