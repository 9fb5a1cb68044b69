// Package replay drives a copy of the program along the log.
//
// A Runner owns a tracee.Copy and the index of the next event. No system call of
// the program is executed: the copy runs under PTRACE_SYSEMU, stops at each
// system call's entry, and gets the logged result. Calls that change mappings
// are executed in the copy in a deterministic form.
//
// Between two events one thread runs, that of the next event. RunSlice and Step
// move inside a slice; Apply takes effect of the next event; Advance does both
// up to the start of a later slice. Everything an event says about the thread's
// state at its beginning is compared; a difference is a *Divergence and leaves
// the runner unusable.
//
// A Cut without a count and other points found by their state only are passed
// over: reaching them exactly is package locate's work.
package replay
