// Package gdbmi talks to gdb by its machine interface, MI3.
//
// # Words
//
//   - record: one line from gdb: a Result (the answer to a command), an Async
//     (something happened: exec, status, notify), a Stream (text: console,
//     target, log) or the Prompt.
//   - token: the digits in front of a command, repeated in front of its result.
//   - value: Const (a string), Tuple or List. Tuples and lists are kept as gdb
//     wrote them, in order and with repeated or missing names, because gdb
//     writes both: frames are repeated names in a list, the locations of a
//     breakpoint are tuples without a name, a breakpoint's script is strings
//     without names in a tuple.
//
// # Layers
//
// Parse and String are pure: text to Record and back. Conn owns a gdb process:
// it writes commands, matches results to them by token, and hands everything
// else to two callbacks, in the order in which gdb wrote it.
//
// # Threads
//
// Conn's methods may be called from any goroutine. Callbacks are called from
// one goroutine of the Conn, in order; a callback must not wait for a Send.
// Reading from gdb never waits for a callback, so gdb never blocks on us.
//
// The package knows nothing about what is being debugged. It does not start or
// stop programs, and it keeps no model of breakpoints, threads or frames.
package gdbmi
