#include "textflag.h"

// The handler, called by the kernel with the number in DI and a pointer to the
// siginfo_t in SI: write(writeFD, SI, 128). The kernel restores all registers.
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL ·writeFD(SB), DI
	MOVL $128, DX
	MOVL $1, AX
	SYSCALL
	RET

// rt_sigreturn, to which the handler returns.
TEXT ·restorer(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL $15, AX
	SYSCALL
	INT  $3

// func handlerAddr() uintptr
TEXT ·handlerAddr(SB), NOSPLIT, $0-8
	LEAQ ·handler(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func restorerAddr() uintptr
TEXT ·restorerAddr(SB), NOSPLIT, $0-8
	LEAQ ·restorer(SB), AX
	MOVQ AX, ret+0(FP)
	RET
