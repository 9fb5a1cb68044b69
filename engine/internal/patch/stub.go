package patch

import (
	"errors"
	"fmt"
)

// Stubs: what is executed in place of a patched instruction.
//
//	save rax (and, where something is compared, the flags)
//	add one to the stub's counter
//	limited:  stop when the counter equals the limit
//	test:     when the state matches, or the condition holds:
//	            count for the group and stop at its limit, or just stop
//	ring:     append the stub's id
//	restore
//	relocated copies of the instructions that were overwritten, and back
//
// A stop is an int3. The stub touches registers, its data and, in copies, what
// the copied instructions touch: never the stack of its own accord. Data lie
// below 2 GB and are addressed absolutely, so every stub of a plan shares them.
//
// Only one thread may be inside the stubs of a plan at a time: a thread that is
// stopped in one must be mapped back (Plan.Fix) before another runs.

// Offsets in the plan's data.
const (
	offSave    = 0  // rax
	offFlags   = 8  // ah: SF ZF AF PF CF as by lahf, al: OF
	offSeq     = 16 // how many ids were appended to the ring
	offTarget  = 24 // target of an indirect call under way
	offOld     = 32 // the stack word that its return address overwrites
	offTaken   = 40 // whether the stub under way has counted for its group
	offRing    = 0x400
	offEntries = 0x800 // counters, limits, values to compare with
	dataSize   = 4 << 20
)

// RingSize is the number of ids that the ring keeps. While a stub appends, the
// oldest is already overwritten.
const RingSize = 256

// never is a limit that no counter reaches.
const never = ^uint64(0)

// Spec says what a stub does beside counting.
type Spec struct {
	// Limited stops the program when the stub's counter becomes equal to Limit.
	// The limit can be changed later; ^0 never stops.
	Limited bool
	Limit   uint64
	// Ring appends the stub's ID to the plan's ring: a mark.
	Ring bool
	// Match and Cond (not both) are tests. When the test is true, or without a
	// test if Group is set, the group counts and stops the program once its
	// count is not below its limit; without a group the program stops.
	Match *Match
	Cond  *Cond
	Group *Group
}

// Match is a state to look for. All general registers are compared.
type Match struct {
	Regs  [16]uint64 // in the processor's numbering, see GPR
	Words []Word     // at most 8
}

// Word is 8 bytes of memory and their value.
type Word struct{ Addr, Value uint64 }

// Cond holds when all its terms do.
type Cond struct{ Terms []Term }

// Term compares Operand & Mask (0: no mask) with Value.
type Term struct {
	Operand Operand
	Mask    uint64
	Op      CmpOp
	Value   uint64
}

// Operand is an integer of Width bytes (1, 2, 4, 8), extended to 64 bits. It
// is register Reg when Path is empty; otherwise it lies at the end of Path:
// from the address in Reg (or Addr, when Reg is NoReg) each offset but the last
// leads to a pointer, the last to the integer.
type Operand struct {
	Reg    int
	Addr   uint64
	Path   []int32
	Width  int
	Signed bool
}

// NoReg makes an Operand start from its Addr.
const NoReg = -1

// CmpOp is a comparison; the signed and unsigned ones are apart.
type CmpOp uint8

const (
	Eq CmpOp = iota
	Ne
	LtS
	LeS
	GtS
	GeS
	LtU
	LeU
	GtU
	GeU
)

// unless is the condition code that skips a comparison's stop.
var unless = [...]byte{Eq: 5, Ne: 4, LtS: 13, LeS: 15, GtS: 14, GeS: 12, LtU: 3, LeU: 7, GtU: 6, GeU: 2}

// Group is a counter that several stubs share.
type Group struct {
	CounterAddr, LimitAddr uint64
	off                    uint64
}

// SetLimit returns the write that changes the group's limit.
func (g *Group) SetLimit(n uint64) Write { return word(g.LimitAddr, n) }

// Count reads the group's counter.
func (g *Group) Count(r Reader) (uint64, error) { return readWord(r, g.CounterAddr) }

// Write is bytes to be written to the program's memory.
type Write struct {
	Addr uint64
	Data []byte
}

func word(addr, v uint64) Write { return Write{addr, le.AppendUint64(nil, v)} }

func readWord(r Reader, addr uint64) (uint64, error) {
	var b [8]byte
	if r.Read(addr, b[:]) != 8 {
		return 0, fmt.Errorf("stub data at %#x cannot be read", addr)
	}
	return le.Uint64(b[:]), nil
}

// Stub is a planned stub.
type Stub struct {
	ID   int
	Addr uint64 // the address whose executions it counts
	// Hit is rip when the limit's int3 has stopped the program, TestHit that of
	// the test's; 0 when the stub has none. Resuming there goes on.
	Hit, TestHit uint64
	// CounterAddr and LimitAddr are where the counter and the limit lie.
	CounterAddr, LimitAddr uint64
	Spec                   Spec

	base   uint64
	size   uint64
	pts    []point
	win    window
	tramp  uint64   // address of the trampoline, 0 when the jump is direct
	copies []uint64 // of each instruction of the window
	skip   uint64   // where a test that could not be evaluated goes on
	entry  uint64   // of its counter in the data
}

// SetLimit returns the write that changes the stub's limit.
func (s *Stub) SetLimit(n uint64) Write { return word(s.LimitAddr, n) }

// Count reads the stub's counter.
func (s *Stub) Count(r Reader) (uint64, error) { return readWord(r, s.CounterAddr) }

// Bytes returns how many bytes of text belong to the stub: at least the five
// of its jump, some of which may be shared with what follows but must not be
// changed while the stub is in place.
func (s *Stub) Bytes() (lo, hi uint64) { return s.Addr, s.Addr + uint64(max(5, s.win.n)) }

var errSpec = errors.New("bad stub specification")

func (s *Spec) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", errSpec, what) }
	if s.Match != nil && s.Cond != nil {
		return bad("both a match and a condition")
	}
	if s.Match != nil && len(s.Match.Words) > 8 {
		return bad("more than 8 words")
	}
	if s.Cond != nil {
		if len(s.Cond.Terms) == 0 || len(s.Cond.Terms) > 8 {
			return bad("terms")
		}
		for _, t := range s.Cond.Terms {
			o := t.Operand
			if o.Width != 1 && o.Width != 2 && o.Width != 4 && o.Width != 8 {
				return bad("width")
			}
			if o.Reg < NoReg || o.Reg > 15 || o.Reg == NoReg && len(o.Path) == 0 || len(o.Path) > 8 {
				return bad("operand")
			}
			if int(t.Op) >= len(unless) {
				return bad("comparison")
			}
		}
	}
	return nil
}

// emit writes the stub of s at base. The asm's data and base are set.
func (s *Stub) emit(a *asm, data *dataArea) error {
	a.orig = s.Addr
	flags := s.Spec.Limited || s.Spec.Match != nil || s.Spec.Cond != nil || s.Spec.Group != nil
	a.store(offSave)
	a.st |= stRAX
	if flags {
		a.op(0x9f)                  // lahf
		a.op(0x0f, 0x90, 0xc0)      // seto al
		a.abs(offFlags, 0x89, 0x04) // mov [flags], eax
		a.st |= stFlags
	}
	a.increase(s.entry, stCounted)
	if s.Spec.Limited {
		a.cmp(0, s.entry+8)
		a.op(0x75, 1) // jne
		a.op(0xcc)
		s.Hit = a.pc()
	}
	if s.Spec.Match != nil || s.Spec.Cond != nil || s.Spec.Group != nil {
		if err := s.test(a, data); err != nil {
			return err
		}
	}
	if s.Spec.Ring {
		a.load(offSeq)
		a.op(0x0f, 0xb6, 0xc0) // movzx eax, al
		ring := le.AppendUint32([]byte{0xc7, 0x04, 0x85}, uint32(a.data+offRing))
		a.op(le.AppendUint32(ring, uint32(s.ID))...) // mov dword [rax*4+ring], id
		a.increase(offSeq, stRinged)
	}
	if flags {
		a.abs(offFlags, 0x8b, 0x04) // mov eax, [flags]
		a.op(0x04, 0x7f)            // add al, 127: sets OF as it was
		a.op(0x9e)                  // sahf
		a.st &^= stFlags
	}
	a.load(offSave)
	a.st &^= stRAX
	a.st |= stCopy
	w := s.win.insts
	for k := range w {
		s.copies = append(s.copies, a.pc())
		a.copyInst(&w[k])
	}
	last := &w[len(w)-1]
	if last.Falls() && last.Kind != Call && last.Kind != CallIndirect {
		a.rel32(last.Next(), 0xe9)
	}
	a.finish()
	s.pts = a.pts
	s.size = uint64(len(a.b))
	return nil
}

// test emits the comparison, the group's count and the stop.
func (s *Stub) test(a *asm, data *dataArea) error {
	var skips []int
	if s.Spec.Group != nil && (s.Spec.Match != nil || s.Spec.Cond != nil) {
		a.setTaken(0)
	}
	if m := s.Spec.Match; m != nil {
		at, err := data.take(8 * uint64(16+len(m.Words)))
		if err != nil {
			return err
		}
		a.load(offSave)
		for r, v := range m.Regs {
			data.put(at+8*uint64(r), v)
			a.cmp(r, at+8*uint64(r))
			skips = append(skips, a.jcc(5))
		}
		for k, w := range m.Words {
			off := at + 8*uint64(16+k)
			data.put(off, w.Value)
			a.st |= stTest
			a.op(le.AppendUint64([]byte{0x48, 0xa1}, w.Addr)...) // mov rax, [addr]
			a.st &^= stTest
			a.cmp(0, off)
			skips = append(skips, a.jcc(5))
		}
	}
	if c := s.Spec.Cond; c != nil {
		for _, t := range c.Terms {
			a.operand(t.Operand)
			if t.Mask != 0 && t.Mask != ^uint64(0) {
				off, err := data.take(8)
				if err != nil {
					return err
				}
				data.put(off, t.Mask)
				a.abs(off, 0x48, 0x23, 0x04) // and rax, [mask]
			}
			off, err := data.take(8)
			if err != nil {
				return err
			}
			data.put(off, t.Value)
			a.cmp(0, off)
			skips = append(skips, a.jcc(unless[t.Op]))
		}
	}
	g := s.Spec.Group
	tested := len(skips) > 0
	if g != nil {
		a.increase(g.off, stGroup)
		if tested {
			a.setTaken(1)
		}
		a.cmp(0, g.off+8)
		skips = append(skips, a.jcc(2)) // jb
	}
	a.op(0xcc)
	s.TestHit = a.pc()
	a.land(skips)
	if g != nil && tested {
		a.st = a.st&^stGroup | stTaken // from here on the slot tells
	}
	s.skip = a.pc()
	return nil
}

// setTaken is mov qword [taken], v.
func (a *asm) setTaken(v byte) {
	a.op(append(le.AppendUint32([]byte{0x48, 0xc7, 0x04, 0x25}, uint32(a.data+offTaken)), v, 0, 0, 0)...)
}

// operand loads o into rax.
func (a *asm) operand(o Operand) {
	switch {
	case o.Reg == NoReg:
		a.op(le.AppendUint64([]byte{0x48, 0xb8}, o.Addr)...) // mov rax, imm64
	case o.Reg == 0:
		a.load(offSave)
	default:
		a.op(0x48|byte(o.Reg>>3), 0x8b, 0xc0|byte(o.Reg&7)) // mov rax, reg
	}
	if len(o.Path) == 0 {
		switch {
		case o.Width == 1 && o.Signed:
			a.op(0x48, 0x0f, 0xbe, 0xc0)
		case o.Width == 1:
			a.op(0x0f, 0xb6, 0xc0)
		case o.Width == 2 && o.Signed:
			a.op(0x48, 0x0f, 0xbf, 0xc0)
		case o.Width == 2:
			a.op(0x0f, 0xb7, 0xc0)
		case o.Width == 4 && o.Signed:
			a.op(0x48, 0x63, 0xc0)
		case o.Width == 4:
			a.op(0x89, 0xc0)
		}
		return
	}
	a.st |= stTest
	for k, d := range o.Path {
		op := []byte{0x48, 0x8b}
		if k == len(o.Path)-1 {
			switch {
			case o.Width == 1 && o.Signed:
				op = []byte{0x48, 0x0f, 0xbe}
			case o.Width == 1:
				op = []byte{0x0f, 0xb6}
			case o.Width == 2 && o.Signed:
				op = []byte{0x48, 0x0f, 0xbf}
			case o.Width == 2:
				op = []byte{0x0f, 0xb7}
			case o.Width == 4 && o.Signed:
				op = []byte{0x48, 0x63}
			case o.Width == 4:
				op = []byte{0x8b}
			}
		}
		a.op(le.AppendUint32(append(op, 0x80), uint32(d))...)
	}
	a.st &^= stTest
}
