// Package engine records an unmodified Linux x86-64 program, keeps
// copy-on-write checkpoints of it, and moves it to any point of its recorded
// history without performance counters, privileges or recompilation.
//
// # Words
//
//   - slice: what one thread executes between two events; nothing from outside
//     enters it, so it is deterministic.
//   - event: what is recorded (package trace). Only one thread runs at a time,
//     so events have one total order, the timeline. Slice e is what runs after
//     event e was applied, up to the point where event e+1 begins; it is run by
//     the thread of event e+1.
//   - position: (event, anchor address, count) in slice `event`: the point at
//     which the anchor address is about to be executed for the count-th time
//     since the slice began (package timeline). Count 0 is the slice's start.
//   - checkpoint: a frozen copy-on-write fork of the debuggee, one task however
//     many threads it had.
//   - frontier: the live process, at the newest position. Going back leaves it
//     frozen; running forward off the end of history makes it live again.
//   - diversion: a throw-away fork in which inferior calls and writes to the
//     past happen.
//   - divergence: replay did something other than what was recorded. Detected,
//     reported with thread, position, expected and actual, never ignored.
//
// # Layers
//
//	engine                 Session: launch, run, step, seek, search, memory
//	engine/gdbserver       remote protocol over a Target (knows no timeline)
//	engine/timeline        positions, stops, retention (pure)
//	engine/trace           events, their encoding, recordings on disk (pure)
//	engine/syscalls        the table of system calls (pure)
//	engine/internal/ptrace raw ptrace, wait, process_vm (no policy)
//	engine/internal/tracee processes: launch, inject, fork, threads from data
//	engine/internal/patch  instruction decoding, functions, counting stubs
//	engine/internal/record the recorder, driving the frontier
//	engine/internal/replay a process driven along the log
//	engine/internal/locate coordinates, predecessors, backward windows
//
// # Threads
//
// One OS thread, locked to one goroutine, makes every ptrace call of a Session.
// A Session's methods may be called from any goroutine; they take a context and
// return promptly when it is cancelled, leaving the session where it was.
package engine
