// Package agent interprets gdb's agent expressions: the bytecode in which gdb
// passes the condition of a breakpoint to a remote target (packet Z0, "X…").
//
// An expression is a program for a small stack machine of 64-bit integers that
// reads the debuggee's registers and memory and leaves one number. Multi-byte
// operands in the code are big-endian, memory of the debuggee little-endian;
// registers have the numbers of the remote protocol, which follow from the
// target description that the server sent (Register knows those of integer
// registers).
//
// The package is pure and trusts nothing: Decode says whether code can be run
// at all, Eval is bounded in steps and stack, reports every fault as an error
// and never panics. The floating-point opcodes are known by name and refused:
// gdb does not generate them. Opcodes that belong to tracepoints (trace,
// tracev, printf…) have no meaning in a condition and are refused as well.
package agent

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Opcode is the first byte of an instruction.
type Opcode byte

// The opcodes that may occur in a condition.
const (
	Add         Opcode = 0x02 // a b → a+b
	Sub         Opcode = 0x03
	Mul         Opcode = 0x04
	DivSigned   Opcode = 0x05
	DivUnsigned Opcode = 0x06
	RemSigned   Opcode = 0x07
	RemUnsigned Opcode = 0x08
	Lsh         Opcode = 0x09
	RshSigned   Opcode = 0x0a
	RshUnsigned Opcode = 0x0b
	LogNot      Opcode = 0x0e // a → a==0
	BitAnd      Opcode = 0x0f
	BitOr       Opcode = 0x10
	BitXor      Opcode = 0x11
	BitNot      Opcode = 0x12
	Equal       Opcode = 0x13 // a b → a==b
	LessSigned  Opcode = 0x14 // a b → a<b
	LessUnsign  Opcode = 0x15
	Ext         Opcode = 0x16 // n: sign-extend from n bits
	Ref8        Opcode = 0x17 // address → byte there, zero-extended
	Ref16       Opcode = 0x18
	Ref32       Opcode = 0x19
	Ref64       Opcode = 0x1a
	IfGoto      Opcode = 0x20 // offset: a → ; jump when a is not zero
	Goto        Opcode = 0x21 // offset
	Const8      Opcode = 0x22 // n: zero-extended
	Const16     Opcode = 0x23
	Const32     Opcode = 0x24
	Const64     Opcode = 0x25
	Reg         Opcode = 0x26 // n: the value of register n
	End         Opcode = 0x27
	Dup         Opcode = 0x28
	Pop         Opcode = 0x29
	ZeroExt     Opcode = 0x2a // n: zero-extend from n bits
	Swap        Opcode = 0x2b
	Getv        Opcode = 0x2c // n: trace state variable; there are none here
	Pick        Opcode = 0x32 // n: push the n-th element from the top
	Rot         Opcode = 0x33 // a b c → c a b
)

// op describes an opcode: its name, the bytes of its operand, and how many
// elements the stack must hold before and has more (or fewer) after.
type op struct {
	name    string
	operand int
	need    int
	grow    int
	refused bool // known, but without meaning in a condition
}

// ops is indexed by opcode; an entry without a name is not an opcode.
var ops = [256]op{
	0x01:        {name: "float", refused: true},
	Add:         {name: "add", need: 2, grow: -1},
	Sub:         {name: "sub", need: 2, grow: -1},
	Mul:         {name: "mul", need: 2, grow: -1},
	DivSigned:   {name: "div_signed", need: 2, grow: -1},
	DivUnsigned: {name: "div_unsigned", need: 2, grow: -1},
	RemSigned:   {name: "rem_signed", need: 2, grow: -1},
	RemUnsigned: {name: "rem_unsigned", need: 2, grow: -1},
	Lsh:         {name: "lsh", need: 2, grow: -1},
	RshSigned:   {name: "rsh_signed", need: 2, grow: -1},
	RshUnsigned: {name: "rsh_unsigned", need: 2, grow: -1},
	0x0c:        {name: "trace", refused: true},
	0x0d:        {name: "trace_quick", operand: 1, refused: true},
	LogNot:      {name: "log_not", need: 1},
	BitAnd:      {name: "bit_and", need: 2, grow: -1},
	BitOr:       {name: "bit_or", need: 2, grow: -1},
	BitXor:      {name: "bit_xor", need: 2, grow: -1},
	BitNot:      {name: "bit_not", need: 1},
	Equal:       {name: "equal", need: 2, grow: -1},
	LessSigned:  {name: "less_signed", need: 2, grow: -1},
	LessUnsign:  {name: "less_unsigned", need: 2, grow: -1},
	Ext:         {name: "ext", operand: 1, need: 1},
	Ref8:        {name: "ref8", need: 1},
	Ref16:       {name: "ref16", need: 1},
	Ref32:       {name: "ref32", need: 1},
	Ref64:       {name: "ref64", need: 1},
	0x1b:        {name: "ref_float", refused: true},
	0x1c:        {name: "ref_double", refused: true},
	0x1d:        {name: "ref_long_double", refused: true},
	0x1e:        {name: "l_to_d", refused: true},
	0x1f:        {name: "d_to_l", refused: true},
	IfGoto:      {name: "if_goto", operand: 2, need: 1, grow: -1},
	Goto:        {name: "goto", operand: 2},
	Const8:      {name: "const8", operand: 1, grow: 1},
	Const16:     {name: "const16", operand: 2, grow: 1},
	Const32:     {name: "const32", operand: 4, grow: 1},
	Const64:     {name: "const64", operand: 8, grow: 1},
	Reg:         {name: "reg", operand: 2, grow: 1},
	End:         {name: "end"},
	Dup:         {name: "dup", need: 1, grow: 1},
	Pop:         {name: "pop", need: 1, grow: -1},
	ZeroExt:     {name: "zero_ext", operand: 1, need: 1},
	Swap:        {name: "swap", need: 2},
	Getv:        {name: "getv", operand: 2, refused: true},
	0x2d:        {name: "setv", operand: 2, refused: true},
	0x2e:        {name: "tracev", operand: 2, refused: true},
	0x2f:        {name: "tracenz", refused: true},
	0x30:        {name: "trace16", operand: 2, refused: true},
	Pick:        {name: "pick", operand: 1, grow: 1},
	Rot:         {name: "rot", need: 3},
	0x34:        {name: "printf", operand: 2, refused: true},
}

// MaxCode is the longest expression accepted, in bytes. Jump targets are 16
// bits wide, so nothing longer could be addressed.
const MaxCode = 1 << 16

// Insn is a decoded instruction.
type Insn struct {
	Offset  int
	Op      Opcode
	Operand uint64 // big-endian operand, zero-extended; 0 when there is none
}

func (i Insn) String() string {
	o := ops[i.Op]
	switch {
	case o.name == "":
		return fmt.Sprintf("?%#02x", byte(i.Op))
	case o.operand == 0:
		return o.name
	case i.Op == Reg || i.Op == Ext || i.Op == ZeroExt || i.Op == Pick || i.Op == IfGoto || i.Op == Goto:
		return fmt.Sprintf("%s %d", o.name, i.Operand)
	}
	return fmt.Sprintf("%s %#x", o.name, i.Operand)
}

// decode reads the instruction at code[pc:].
func decode(code []byte, pc int) (Insn, int, error) {
	if pc < 0 || pc >= len(code) {
		return Insn{}, 0, fmt.Errorf("agent expression: offset %d is outside its %d bytes", pc, len(code))
	}
	in := Insn{Offset: pc, Op: Opcode(code[pc])}
	o := &ops[in.Op]
	if o.name == "" {
		return in, 0, fmt.Errorf("agent expression: unknown opcode %#02x at offset %d", byte(in.Op), pc)
	}
	if o.refused {
		return in, 0, fmt.Errorf("agent expression: %s at offset %d has no meaning in a condition", o.name, pc)
	}
	next := pc + 1 + o.operand
	if next > len(code) {
		return in, 0, fmt.Errorf("agent expression: %s at offset %d is cut short", o.name, pc)
	}
	for _, b := range code[pc+1 : next] {
		in.Operand = in.Operand<<8 | uint64(b)
	}
	return in, next, nil
}

// Decode checks an expression without running it and returns its
// instructions in the order of their offsets, as far as any path reaches
// them. It fails on an opcode that is unknown or refused, a jump outside the
// code, a path that runs off the code's end, a stack that would underflow or
// exceed MaxStack, and paths that meet with different stack depths. What it
// accepts can fail in Eval only by reading what is not there, dividing by
// zero, or running too long.
func Decode(code []byte) ([]Insn, error) {
	if len(code) == 0 || len(code) > MaxCode {
		return nil, fmt.Errorf("agent expression: %d bytes (want 1 to %d)", len(code), MaxCode)
	}
	depth := make([]int, len(code)) // stack depth +1 at each reached offset
	at := make(map[int]Insn)
	type edge struct{ pc, depth int }
	work := []edge{{0, 0}}
	for len(work) > 0 {
		e := work[len(work)-1]
		work = work[:len(work)-1]
		if e.pc < 0 || e.pc >= len(code) {
			return nil, fmt.Errorf("agent expression: control leaves its %d bytes at offset %d", len(code), e.pc)
		}
		if d := depth[e.pc]; d != 0 {
			if d != e.depth+1 {
				return nil, fmt.Errorf("agent expression: offset %d is reached with %d and with %d stack elements", e.pc, d-1, e.depth)
			}
			continue
		}
		in, next, err := decode(code, e.pc)
		if err != nil {
			return nil, err
		}
		o := ops[in.Op]
		need := o.need
		switch in.Op {
		case Pick:
			need = int(in.Operand) + 1
		case End:
			need = 1
		}
		if e.depth < need {
			return nil, fmt.Errorf("agent expression: %s at offset %d finds %d stack elements, needs %d", o.name, e.pc, e.depth, need)
		}
		d := e.depth + o.grow
		if d > MaxStack {
			return nil, fmt.Errorf("agent expression: more than %d stack elements at offset %d", MaxStack, e.pc)
		}
		depth[e.pc], at[e.pc] = e.depth+1, in
		switch in.Op {
		case End:
		case Goto:
			work = append(work, edge{int(in.Operand), d})
		case IfGoto:
			work = append(work, edge{int(in.Operand), d}, edge{next, d})
		default:
			work = append(work, edge{next, d})
		}
	}
	list := make([]Insn, 0, len(at))
	for pc := range depth {
		if in, ok := at[pc]; ok {
			list = append(list, in)
		}
	}
	return list, nil
}

// Text prints an expression as one line, for logs: what cannot be decoded is
// shown as the error.
func Text(code []byte) string {
	list, err := Decode(code)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for i, in := range list {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d: %v", in.Offset, in)
	}
	return b.String()
}

// little reads a little-endian number of 1, 2, 4 or 8 bytes.
func little(p []byte) uint64 {
	switch len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}
