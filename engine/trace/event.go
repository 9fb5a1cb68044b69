package trace

import "golang.org/x/sys/unix"

// Kind is an event's kind. Events are matched by kind first: signal numbers
// and system call numbers overlap. The values are part of the disk format.
type Kind uint8

const (
	// Start is event 0: the program's state just after execve.
	Start Kind = 1
	// Syscall: the thread reached system call NR, which completed at once with
	// Ret and wrote Writes.
	Syscall Kind = 2
	// Enter: the thread reached system call NR, which did not complete before
	// another thread ran.
	Enter Kind = 3
	// Leave: the system call of the thread's last Enter completed.
	Leave Kind = 4
	// Signal: a signal was delivered at this point; the thread is at its
	// handler's first instruction with Regs, XState; Writes is the frame.
	// When the thread was in a system call (after Enter) that call is over.
	Signal Kind = 5
	// Fault: as Signal, but raised by the instruction at PC (SIGSEGV, SIGFPE…).
	Fault Kind = 6
	// Insn: a trapped instruction (rdtsc, rdrand…) at PC was emulated; Regs is
	// the state after it.
	Insn Kind = 7
	// Clone: system call NR made thread Child, which starts with ChildRegs.
	Clone Kind = 8
	// Exit: the thread reached exit; Writes is what the kernel cleared.
	Exit Kind = 9
	// Exec: execve succeeded: the program's memory and threads were replaced.
	Exec Kind = 10
	// Preempt: the thread was stopped in its computation, at Regs, so that
	// another could run. With Count > 0 stub Stub had counted to Count there.
	Preempt Kind = 11
	// Stubs: counting stubs were installed at this point (Maps, Writes).
	Stubs Kind = 12
	// Cut: the thread was found in state Regs and went on. It bounds the
	// length of slices; replay need not stop there.
	Cut Kind = 13
	// Poke: the debugger wrote memory (Writes) or registers (Regs) at the frontier.
	Poke Kind = 14
	// End: the program ended: exit_group (Ret is its status) or, with Sig set, a
	// fatal signal.
	End Kind = 15

	lastKind = End
)

// MaxOut is how much of one call's output an event keeps.
const MaxOut = 1 << 20

// Write is a range of the program's memory that an event changed.
type Write struct {
	Addr uint64
	Data []byte
}

// Map is a mapping that an event made.
type Map struct {
	Addr, Len uint64
	Prot      uint32 // PROT_*
	Shared    bool
	// File is the recording's id of the file whose content the mapping shows
	// from Off on, 0 for anonymous memory.
	File uint32
	Off  uint64
	// Object, when not 0, numbers memory that several mappings show: what is
	// stored through one is seen through the others, at Off each. Mappings of
	// an object that were there before the event are listed again, behind the
	// one that the event made, when they become such.
	Object uint32
}

// Beyond is the Object of memory behind its file's end, whose access raises
// SIGBUS.
const Beyond = ^uint32(0)

// Event is one entry of the timeline. Which fields are set follows from Kind.
type Event struct {
	Kind Kind
	TID  int32 // recorded thread id
	NR   int32 // system call number, -1 when none
	Ret  int64 // result
	Args [6]uint64
	// PC and SP are the thread's rip and rsp where the event begins; replay
	// compares them, and Args, before applying the event.
	PC, SP uint64
	Writes []Write
	Regs   *unix.PtraceRegs // registers after the event, when not implied by Ret
	XState []byte           // XSAVE area after the event, when it changed
	Maps   []Map
	// Sig is the signal's number and Info its siginfo_t (128 bytes).
	Sig  int32
	Info []byte
	// Child and ChildRegs describe the thread made by Clone.
	Child     int32
	ChildRegs *unix.PtraceRegs
	// Stub and Count say where Preempt happened. Count 1 of a system call: from
	// here on time stamp instructions trap and are Insn events.
	Stub  int32
	Count uint64
	// Time is the wall clock at the event, ns since the recording began.
	Time int64
	// Out is what a write-like system call sent to the program's standard
	// output or error, at most MaxOut bytes of it (Ret tells how many there
	// were). Args[0] is the descriptor then, in a Leave too. Replay does not
	// need it: it serves the list of output lines.
	Out []byte
}
