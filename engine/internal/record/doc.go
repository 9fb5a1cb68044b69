// Package record drives the frontier: the live program, whose every contact with
// the outside world becomes an event.
//
// All threads are traced and only one runs user code at a time. A thread runs
// until it makes a system call, faults, or is stopped by a tick; the log then
// gets an event. While a thread waits in a blocking system call others run: the
// log has Enter where the call began and Leave where its result was taken. What
// such a call writes goes to a scratch buffer first (redirect.go), so that memory
// changes only at events.
//
// A thread is in one of these states:
//
//	user     stopped in user mode; it may be resumed, forked or inspected
//	blocked  running inside the kernel, in a call that Enter has logged
//	arrived  stopped with a wait status that has not been looked at
//	dead     gone
//
// Signals are taken off at their arrival, held, and delivered at the next event
// boundary of their thread (signal.go). A call that the table of system calls
// does not know is recorded by comparing memory before and after (compare.go).
//
// All methods belong to the tracing OS thread, except Interrupt and Ticking.
package record
