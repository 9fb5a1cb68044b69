package agent

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Bounds of an evaluation.
const (
	MaxStack = 100
	MaxSteps = 100_000
)

// Env is what an expression can see of the debuggee.
type Env interface {
	// Register returns the value of the register with this number of the
	// remote protocol.
	Register(n int) (uint64, error)
	// ReadMemory fills all of p from addr or fails.
	ReadMemory(addr uint64, p []byte) error
}

var errStack = errors.New("agent expression: stack underflow")

// Eval runs an expression and returns the number on top of its stack at the
// end. It needs no earlier Decode: whatever is wrong with the code is an error
// here too.
func Eval(code []byte, env Env) (int64, error) {
	var stack [MaxStack]uint64
	var buf [8]byte
	sp, pc := 0, 0
	for range MaxSteps {
		in, next, err := decode(code, pc)
		if err != nil {
			return 0, err
		}
		o := &ops[in.Op]
		if sp < o.need {
			return 0, fmt.Errorf("%w at offset %d", errStack, pc)
		}
		if sp+o.grow > MaxStack {
			return 0, fmt.Errorf("agent expression: more than %d stack elements at offset %d", MaxStack, pc)
		}
		pc = next
		switch in.Op {
		case Const8, Const16, Const32, Const64:
			stack[sp] = in.Operand
		case Reg:
			v, err := env.Register(int(in.Operand))
			if err != nil {
				return 0, fmt.Errorf("agent expression: register %d: %w", in.Operand, err)
			}
			stack[sp] = v
		case Ref8, Ref16, Ref32, Ref64:
			n := 1 << (in.Op - Ref8)
			addr := stack[sp-1]
			if err := env.ReadMemory(addr, buf[:n]); err != nil {
				return 0, fmt.Errorf("agent expression: read %d bytes at %#x: %w", n, addr, err)
			}
			stack[sp-1] = little(buf[:n])
		case Ext:
			stack[sp-1] = signExtend(stack[sp-1], in.Operand)
		case ZeroExt:
			if in.Operand < 64 {
				stack[sp-1] &= 1<<in.Operand - 1
			}
		case LogNot:
			stack[sp-1] = truth(stack[sp-1] == 0)
		case BitNot:
			stack[sp-1] = ^stack[sp-1]
		case Dup:
			stack[sp] = stack[sp-1]
		case Pop:
		case Swap:
			stack[sp-1], stack[sp-2] = stack[sp-2], stack[sp-1]
		case Pick:
			if int(in.Operand) >= sp {
				return 0, fmt.Errorf("%w at offset %d", errStack, in.Offset)
			}
			stack[sp] = stack[sp-1-int(in.Operand)]
		case Rot:
			a, b, c := stack[sp-3], stack[sp-2], stack[sp-1]
			stack[sp-3], stack[sp-2], stack[sp-1] = c, a, b
		case Goto:
			pc = int(in.Operand)
		case IfGoto:
			if stack[sp-1] != 0 {
				pc = int(in.Operand)
			}
		case End:
			if sp == 0 {
				return 0, fmt.Errorf("%w: nothing left at the end", errStack)
			}
			return int64(stack[sp-1]), nil
		default:
			v, err := binary2(in.Op, stack[sp-2], stack[sp-1])
			if err != nil {
				return 0, err
			}
			stack[sp-2] = v
		}
		sp += o.grow
	}
	return 0, fmt.Errorf("agent expression: not finished after %d steps", MaxSteps)
}

// binary2 computes an operator of two operands, b being the top of the stack.
func binary2(op Opcode, a, b uint64) (uint64, error) {
	switch op {
	case Add:
		return a + b, nil
	case Sub:
		return a - b, nil
	case Mul:
		return a * b, nil
	case DivSigned, DivUnsigned, RemSigned, RemUnsigned:
		if b == 0 {
			return 0, errors.New("agent expression: division by zero")
		}
		switch op {
		case DivSigned:
			return uint64(int64(a) / int64(b)), nil
		case RemSigned:
			return uint64(int64(a) % int64(b)), nil
		case DivUnsigned:
			return a / b, nil
		}
		return a % b, nil
	case Lsh:
		return a << b, nil // 0 from 64 on, as Go defines it
	case RshSigned:
		return uint64(int64(a) >> b), nil
	case RshUnsigned:
		return a >> b, nil
	case BitAnd:
		return a & b, nil
	case BitOr:
		return a | b, nil
	case BitXor:
		return a ^ b, nil
	case Equal:
		return truth(a == b), nil
	case LessSigned:
		return truth(int64(a) < int64(b)), nil
	case LessUnsign:
		return truth(a < b), nil
	}
	panic("agent: opcode table and evaluator disagree: " + ops[op].name)
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// signExtend extends the sign of an n-bit number; n of 0 or 64 and more leave
// it alone.
func signExtend(v, n uint64) uint64 {
	if n == 0 || n >= 64 {
		return v
	}
	shift := 64 - n
	return uint64(int64(v<<shift) >> shift)
}

// Hit says whether a breakpoint with these conditions is hit: when it has
// none, when any is non-zero, and when one cannot be evaluated, since gdb
// evaluates it once more at the stop and tells the person what is wrong.
// The error is that of the condition that could not be evaluated.
func Hit(conds [][]byte, env Env) (bool, error) {
	if len(conds) == 0 {
		return true, nil
	}
	for _, c := range conds {
		v, err := Eval(c, env)
		if err != nil {
			return true, err
		}
		if v != 0 {
			return true, nil
		}
	}
	return false, nil
}

// ErrNoRegister is the error for a register number that has no integer value.
var ErrNoRegister = errors.New("no such integer register")

// Numbers of the integer registers outside the first 24, as the server's
// target description gives them.
const (
	regOrigRax = 57
	regFsBase  = 58
	regGsBase  = 59
)

// Register returns the integer register with this number of the remote
// protocol: the general registers, rip, eflags, the segments, orig_rax and the
// segment bases. For the others it returns ErrNoRegister; gdb's conditions do
// not use them.
func Register(n int, r *unix.PtraceRegs) (uint64, error) {
	switch n {
	case 0:
		return r.Rax, nil
	case 1:
		return r.Rbx, nil
	case 2:
		return r.Rcx, nil
	case 3:
		return r.Rdx, nil
	case 4:
		return r.Rsi, nil
	case 5:
		return r.Rdi, nil
	case 6:
		return r.Rbp, nil
	case 7:
		return r.Rsp, nil
	case 8:
		return r.R8, nil
	case 9:
		return r.R9, nil
	case 10:
		return r.R10, nil
	case 11:
		return r.R11, nil
	case 12:
		return r.R12, nil
	case 13:
		return r.R13, nil
	case 14:
		return r.R14, nil
	case 15:
		return r.R15, nil
	case 16:
		return r.Rip, nil
	case 17:
		return r.Eflags, nil
	case 18:
		return r.Cs, nil
	case 19:
		return r.Ss, nil
	case 20:
		return r.Ds, nil
	case 21:
		return r.Es, nil
	case 22:
		return r.Fs, nil
	case 23:
		return r.Gs, nil
	case regOrigRax:
		return r.Orig_rax, nil
	case regFsBase:
		return r.Fs_base, nil
	case regGsBase:
		return r.Gs_base, nil
	}
	return 0, ErrNoRegister
}
