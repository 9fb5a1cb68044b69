package gdbserver

// gdb numbers signals its own way on the wire, the same for every system. This
// file translates, for Linux x86-64.

// gdbOfLinux[n] is gdb's number of Linux signal n, for the classic signals.
var gdbOfLinux = [32]int{
	1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6,
	7:  10,  // SIGBUS
	8:  8,   // SIGFPE
	9:  9,   // SIGKILL
	10: 30,  // SIGUSR1
	11: 11,  // SIGSEGV
	12: 31,  // SIGUSR2
	13: 13,  // SIGPIPE
	14: 14,  // SIGALRM
	15: 15,  // SIGTERM
	16: 143, // SIGSTKFLT has no number of gdb's: GDB_SIGNAL_UNKNOWN
	17: 20,  // SIGCHLD
	18: 19,  // SIGCONT
	19: 17,  // SIGSTOP
	20: 18,  // SIGTSTP
	21: 21,  // SIGTTIN
	22: 22,  // SIGTTOU
	23: 16,  // SIGURG
	24: 24,  // SIGXCPU
	25: 25,  // SIGXFSZ
	26: 26,  // SIGVTALRM
	27: 27,  // SIGPROF
	28: 28,  // SIGWINCH
	29: 23,  // SIGIO
	30: 32,  // SIGPWR
	31: 12,  // SIGSYS
}

const (
	gdbSigInt     = 2
	gdbSigTrap    = 5
	gdbSigKill    = 9
	gdbSigUnknown = 143
	// gdb's real-time signals: 33 to 63 are 45…75, 32 is 77, 64 to 127 are
	// 78…141.
	gdbRT33 = 45
	gdbRT32 = 77
	gdbRT64 = 78
)

// gdbSignal translates a Linux signal number to gdb's.
func gdbSignal(linux int) int {
	switch {
	case linux == 0:
		return 0
	case linux > 0 && linux < 32:
		return gdbOfLinux[linux]
	case linux == 32:
		return gdbRT32
	case linux >= 33 && linux <= 63:
		return gdbRT33 + linux - 33
	case linux == 64:
		return gdbRT64
	}
	return gdbSigUnknown
}

// linuxSignal translates gdb's signal number to Linux's; 0 when Linux has no
// such signal.
func linuxSignal(gdb int) int {
	if gdb == gdbSigUnknown || gdb <= 0 {
		return 0
	}
	for n := 1; n <= 64; n++ {
		if gdbSignal(n) == gdb {
			return n
		}
	}
	return 0
}
