package patch

import "sort"

// The stub assembler: bytes, and for each instruction boundary the recipe that
// turns the processor's state there into the program's own.

// state says how the program's state differs from the registers at a point.
type state uint16

const (
	stRAX     state = 1 << iota // rax is in the save slot
	stFlags                     // the arithmetic flags are in the flags slot
	stCounted                   // the stub's counter has been increased
	stGroup                     // the group's counter has been increased
	stRinged                    // the ring's sequence number has been increased
	stTest                      // a fault here is the test's own: it reads the program's memory
	stCopy                      // a relocated instruction, not the stub's own
	stTaken                     // the taken slot says whether the group's has
	stDone                      // the first copied instruction has been executed
	stPushed                    // a return address was pushed by a call that is not done
)

// point is an instruction boundary of a stub.
type point struct {
	off  uint32 // from the stub's start
	st   state
	orig uint64 // the program's own rip
}

type literal struct {
	at  int // where its displacement is
	val uint64
}

// asm builds one stub.
type asm struct {
	base uint64 // address of b[0]
	data uint64 // address of the plan's data, below 2 GB
	b    []byte
	pts  []point
	lits []literal
	orig uint64
	st   state
	far  bool // a displacement did not reach
}

func (a *asm) pc() uint64 { return a.base + uint64(len(a.b)) }

// op emits one instruction.
func (a *asm) op(b ...byte) {
	a.pts = append(a.pts, point{uint32(len(a.b)), a.st, a.orig})
	a.b = append(a.b, b...)
}

// abs emits op, whose last byte is a modrm with rm 100, with the operand at
// address data+off.
func (a *asm) abs(off uint64, op ...byte) {
	o := append(append([]byte(nil), op...), 0x25)
	a.op(le.AppendUint32(o, uint32(a.data+off))...)
}

// load is mov rax, [data+off]; store is mov [data+off], rax.
func (a *asm) load(off uint64)  { a.abs(off, 0x48, 0x8b, 0x04) }
func (a *asm) store(off uint64) { a.abs(off, 0x48, 0x89, 0x04) }

// cmp is cmp reg, [data+off].
func (a *asm) cmp(reg int, off uint64) {
	a.abs(off, 0x48|byte(reg>>3)<<2, 0x3b, byte(reg&7)<<3|4)
}

// increase adds one to the counter at data+off, through rax, flags untouched.
func (a *asm) increase(off uint64, then state) {
	a.load(off)
	a.op(0x48, 0x8d, 0x40, 0x01) // lea rax, [rax+1]
	a.store(off)
	a.st |= then
}

// jcc emits a conditional jump to be completed by land.
func (a *asm) jcc(cc byte) int {
	a.op(0x0f, 0x80|cc, 0, 0, 0, 0)
	return len(a.b) - 4
}

// land makes the jumps at the given places go here.
func (a *asm) land(at []int) {
	for _, p := range at {
		le.PutUint32(a.b[p:], uint32(len(a.b)-p-4))
	}
}

// finish appends the literals.
func (a *asm) finish() {
	for _, l := range a.lits {
		for len(a.b)%8 != 0 {
			a.b = append(a.b, 0xcc)
		}
		le.PutUint32(a.b[l.at:], uint32(len(a.b)-l.at-4))
		a.b = le.AppendUint64(a.b, l.val)
	}
}

// at returns the point at offset off.
func pointAt(pts []point, off uint64) (point, bool) {
	n := sort.Search(len(pts), func(i int) bool { return uint64(pts[i].off) >= off })
	if n < len(pts) && uint64(pts[n].off) == off {
		return pts[n], true
	}
	return point{}, false
}
