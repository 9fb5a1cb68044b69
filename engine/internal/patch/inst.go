package patch

import (
	"errors"
	"fmt"
)

// Decoding of single x86-64 instructions, 64-bit mode only.
//
// The decoder is a pair of attribute tables (tables.go) and one pass over
// prefixes, opcode, modrm, sib, displacement and immediate (decode.go). It
// knows lengths, control flow, memory operands and what must not be moved; it
// does not name instructions. Encodings that 64-bit processors reject are
// errors, and so are APX (REX2) and 16-bit branches: an error means "do not
// touch", never "guess".

// Kind says what an instruction does to the flow of control.
type Kind uint8

const (
	Normal       Kind = iota // falls through
	Jcc                      // conditional direct jump (70–7F, 0F 80–8F)
	Jmp                      // direct jump
	JmpIndirect              // jump through register or memory
	Call                     // direct call
	CallIndirect             // call through register or memory
	Ret                      // near return
	Loop                     // loop, loope, loopne, jrcxz, jecxz, xbegin: other direct conditional branches
	Syscall                  // syscall
	Stop                     // ud, hlt, int, iret, far transfers, sysenter: leaves the program's own flow
)

func (k Kind) String() string {
	return [...]string{"normal", "jcc", "jmp", "jmp indirect", "call", "call indirect",
		"ret", "loop", "syscall", "stop"}[k]
}

// TimeSource is an instruction whose result is not a function of the
// program's state.
type TimeSource uint8

const (
	NoTime TimeSource = iota
	RDTSC
	RDTSCP
	RDRAND
	RDSEED
	RDPID
	RDPRU
	CPUID
	XGETBV
	// The processor keeps track of which parts of the extended state are in their
	// initial state. What these store depends on that, and so on when a thread was
	// last switched away from.
	XSAVE
	XSAVEC
	XSAVEOPT
)

func (t TimeSource) String() string {
	return [...]string{"", "rdtsc", "rdtscp", "rdrand", "rdseed", "rdpid", "rdpru", "cpuid", "xgetbv",
		"xsave", "xsavec", "xsaveopt"}[t]
}

// encoding is the family of an instruction's opcode map.
type encoding uint8

const (
	legacy encoding = iota
	vex
	evex
)

const (
	noReg = 0xff // no base or index register
	ripRg = 0xfe // base is the next instruction's address
)

// Inst is one decoded instruction. The exported fields are what planning and
// emulation need; memory operands are asked for with Accesses.
type Inst struct {
	PC     uint64
	Target uint64 // of direct branches
	Len    int
	Kind   Kind
	Time   TimeSource
	// RIPOff is the offset of the 32-bit RIP-relative displacement inside the
	// instruction, 0 when there is none.
	RIPOff int
	// IsString is a string instruction (movs, cmps, stos, lods, scas, ins, outs);
	// IsRep is one with a repeat prefix.
	IsString, IsRep bool
	// Nop is an instruction that has no effect (nop of any length, endbr is not).
	Nop bool
	// Reg is the register number of rdrand, rdseed and rdpid's destination, and
	// OpSize the operand size in bytes.
	Reg, OpSize uint8

	raw     [15]byte
	enc     encoding
	omap    uint8 // opcode map: 0 one byte, 1 0F, 2 0F38, 3 0F3A, 5 and 6 EVEX, 8–10 XOP
	op      byte
	pp      uint8 // mandatory prefix: 0 none, 1 66, 2 F3, 3 F2
	rex     uint8 // REX bits WRXB, from VEX/EVEX too
	seg     byte  // 64 or 65 when overridden
	a32     bool  // 67 prefix
	data16  bool  // 66 prefix
	hasRM   bool
	modrm   byte
	isMem   bool
	base    uint8 // register number, noReg or ripRg
	index   uint8
	scale   uint8 // shift
	disp8   bool  // displacement is one byte
	evexB   bool  // EVEX.b
	evexL   uint8
	disp    int64
	immOff  uint8
	attr    attr
	vecExt  uint8 // EVEX.X (a vector register's bit 4 when rm is a register)
	lockPfx bool
}

// ErrDecode means that the bytes are no instruction that is known to be valid.
var ErrDecode = errors.New("unknown instruction")

// ErrTruncated means that the bytes end inside an instruction.
var ErrTruncated = errors.New("truncated instruction")

// Bytes returns the instruction's bytes.
func (i *Inst) Bytes() []byte { return i.raw[:i.Len] }

// Next is the address of the instruction behind i.
func (i *Inst) Next() uint64 { return i.PC + uint64(i.Len) }

// Falls reports whether control can go on to Next. Calls are taken to return.
func (i *Inst) Falls() bool {
	switch i.Kind {
	case Jmp, JmpIndirect, Ret, Stop:
		return false
	}
	return true
}

// Direct reports whether Target is set.
func (i *Inst) Direct() bool {
	switch i.Kind {
	case Jcc, Jmp, Call, Loop:
		return true
	}
	return false
}

func (i *Inst) String() string { return fmt.Sprintf("%#x: % x (%v)", i.PC, i.Bytes(), i.Kind) }
