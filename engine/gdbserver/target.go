package gdbserver

import (
	"context"

	"golang.org/x/sys/unix"

	"yore/engine/timeline"
)

// Mode is how far a resume goes.
type Mode uint8

const (
	Continue Mode = iota // until a breakpoint, watchpoint, signal or edge of history
	Step                 // one instruction of Resume.Thread
	Range                // while Resume.Thread's pc stays in [Lo, Hi)
)

// Resume asks a Target to move. The zero value continues forwards.
//
// A step goes to where Thread has executed one more instruction, or one less:
// what other threads did in between is done, or undone, on the way. Forwards, a
// breakpoint at the present place is hit at once, as an int3 would be, but for
// the thread of a Step or Range; gdb takes it away first where it wants to pass.
// Backwards only what is strictly before the present counts.
type Resume struct {
	Dir  timeline.Direction
	Mode Mode
	// Thread is a recorded thread id, 0 any. To Continue it is the thread that
	// Signal is for or, without one, the only thread that may run (frontier
	// only).
	Thread int
	Lo, Hi uint64 // for Range
	Signal int    // to deliver on resumption, 0 for none (frontier only)
}

// Breakpoint is a code breakpoint. Cond, when not empty, is a list of gdb agent
// expressions (bytecode); the breakpoint is hit when any is non-zero.
type Breakpoint struct {
	Addr uint64
	Cond [][]byte
}

// Watchpoint is a data watchpoint on Len bytes (1 to 64) at Addr.
type Watchpoint struct {
	Kind timeline.WatchKind
	Addr uint64
	Len  int
}

// Thread names a thread of the program.
type Thread struct {
	ID   int // recorded thread id
	Name string
}

// Target is what the server needs of the debuggee. Calls come one at a time.
// Addresses and memory are as the program sees them: no breakpoint or stub of
// ours is ever visible.
type Target interface {
	// PID returns the recorded process id.
	PID() int
	Threads() []Thread
	// Current returns the id of the thread that the last stop belongs to.
	Current() int
	// Registers returns a copy of a thread's registers and its XSAVE area in
	// the kernel's standard (uncompacted) format.
	Registers(tid int) (unix.PtraceRegs, []byte, error)
	// SetRegisters writes them; xstate nil leaves the XSAVE area alone. In the
	// past the write goes to a diversion.
	SetRegisters(tid int, r unix.PtraceRegs, xstate []byte) error
	// ReadMemory reads up to len(p) bytes and returns how many could be read.
	ReadMemory(addr uint64, p []byte) (int, error)
	WriteMemory(addr uint64, p []byte) error
	// InsertBreakpoint replaces the breakpoint at that address, if there is one.
	InsertBreakpoint(b Breakpoint) error
	RemoveBreakpoint(addr uint64) error
	InsertWatchpoint(w Watchpoint) error
	RemoveWatchpoint(w Watchpoint) error
	// PassSignals names signals (by number) that are delivered without a stop.
	PassSignals(sigs []int)
	// Resume moves the program and returns where and why it stopped. When ctx
	// is cancelled it stops promptly with timeline.Interrupted.
	Resume(ctx context.Context, r Resume) (timeline.Stop, error)
	Auxv() []byte
	ExecFile() string
	// Siginfo returns the siginfo_t (128 bytes) of the thread's signal stop,
	// nil when the thread is not at one.
	Siginfo(tid int) []byte
	// Monitor runs a "monitor" command and returns its output.
	Monitor(ctx context.Context, cmd string) (string, error)
}

// ProgramSignals are the numbers of the signals that are the program's own: all but
// SIGTRAP, which an int3 in the program raises. For PassSignals.
func ProgramSignals() []int {
	const signals = 64
	var out []int
	for n := 1; n <= signals; n++ {
		if n != int(unix.SIGTRAP) {
			out = append(out, n)
		}
	}
	return out
}
