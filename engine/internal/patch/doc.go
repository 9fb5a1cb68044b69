// Package patch decodes x86-64 instructions, knows the functions and basic
// blocks of a program's text, and plans counting stubs: patches that make an
// address count how often it is executed. It is pure: it reads memory through a
// Reader and says what to map and to write; whoever traces the program does it.
//
// # Words
//
//   - window: the instructions that a stub's jump replaces. One instruction of
//     five bytes or more if possible; else several; else a pun, which leaves the
//     bytes behind its instructions in place as part of the jump's displacement.
//   - copy: the relocated form of a window's instruction, in the stub.
//   - interior boundary: where another instruction of a window began. The byte
//     that the jump has there faults, so a jump table that leads there is
//     answered by going on in the copy (Where Interior).
//   - trampoline: a jump at an address that the constraints on a displacement
//     allow, from which the stub can be reached.
//   - mark: a stub that appends its id to the plan's ring.
//   - group: a counter that several stubs share.
//
// # Use
//
//	text := NewText(mem, maps, cache)
//	plan := NewPlan(text, occupied, threadPCs)
//	stub, steps, err := plan.AddNear(pc, Spec{Limited: true, Limit: 1000})
//	// in the process: map plan.Maps(), write plan.Writes(), resume
//	f, err := plan.Fix(regs, Trap, mem) // f.Where == LimitHit, f.Regs.Rip == stub.Addr
//	// write plan.Undo(), set registers to f.Regs: the program is at its
//	// 1000th execution of stub.Addr, about to execute it
//
// # What is promised
//
// A stub preserves all registers, flags, extended state and memory of the
// program, the red zone included; it uses no stack of its own. Data are
// addressed absolutely below 2 GB. The counter counts arrivals: it includes the
// one that is about to execute the address. A repeated string instruction is one
// arrival.
//
// A thread may be stopped at any instruction of a stub, and Fix gives the
// program's own state there. When the program itself faults in a copy, Fix
// gives the state before the faulting instruction at its own place; to have the
// signal raised with all its particulars (siginfo, error code) the tracer sets
// that state, undoes the text, single-steps, and puts Plan.Text back.
//
// Windows are refused, not guessed: addresses that are no instruction of their
// function, that a direct branch goes into, that a parked thread stands in, that
// are not in a file's read-only text, or whose instructions cannot be moved.
//
// # What is asked of the tracer
//
//   - Only one thread at a time executes stubs of a plan. A thread that is
//     stopped inside one while another is to run is set to Regs, with Memory and
//     Rewind applied (or, at a hit, resumed later after Slots).
//   - The Reader shows the program's own bytes (Hide), and the text that stubs
//     are put into has not been changed since exec.
//   - No other patch (breakpoint) is written to bytes that the plan Covers.
//   - A signal is delivered to a thread in a stub only after Fix: the frame must
//     hold the program's registers.
//   - The program does not run under a user shadow stack.
//
// # What it does not do
//
// It does not know ptrace, positions or events, it does not patch code made at
// run time, and it does not follow data flow: jump tables are recognised by
// their content, and a missed one is slow to enter, never wrong.
//
// # Threads
//
// Texts, Modules and Caches are safe for concurrent use. A Plan is not.
package patch
