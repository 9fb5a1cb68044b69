package replay

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Stub is a counting stub that a Stubs event installed in the program, for
// preemption. Its code is in the event's writes.
type Stub struct {
	Addr    uint64 // the instruction whose executions it counts
	Hit     uint64 // rip when its int3 has stopped the thread
	Counter uint64 // address of the counter
	Limit   uint64 // address of the count at which it stops
	Data    uint64 // where it saves rax (and, 8 behind, the flags: ah, al)
	Orig    []byte // the program's own bytes at Addr that it replaces
	Lo, Hi  uint64 // its code
	// Inner are the instruction boundaries that its jump covers. A thread that
	// gets there faults, and goes on at To.
	Inner []Inner
}

// Inner is an instruction boundary inside a stub's jump, and the relocated
// instruction.
type Inner struct{ At, To uint64 }

// Stubs is the table of all installed stubs, by their id. Like the stubs
// themselves it only grows.
type Stubs struct{ list []Stub }

// NoLimit is the limit of a stub that is not to stop.
const NoLimit = ^uint64(0)

// Len returns the number of stubs.
func (s *Stubs) Len() int { return len(s.list) }

// List returns the stubs; the index is the id.
func (s *Stubs) List() []Stub { return s.list }

// Add enters stubs into the table and returns the id of the first.
func (s *Stubs) Add(stubs []Stub) int {
	id := len(s.list)
	s.list = append(s.list, stubs...)
	return id
}

// Encode is the form in which a Stubs event carries stubs in Info: for each its
// seven addresses, the number of original bytes and those bytes, the number of
// inner boundaries and their pairs of addresses, little-endian.
func Encode(stubs []Stub) []byte {
	var b []byte
	word := binary.LittleEndian.AppendUint64
	for _, x := range stubs {
		for _, v := range []uint64{x.Addr, x.Hit, x.Counter, x.Limit, x.Data, x.Lo, x.Hi} {
			b = word(b, v)
		}
		b = append(append(b, byte(len(x.Orig))), x.Orig...)
		b = append(b, byte(len(x.Inner)))
		for _, in := range x.Inner {
			b = word(word(b, in.At), in.To)
		}
	}
	return b
}

// Decode reads what Encode wrote.
func Decode(b []byte) ([]Stub, error) {
	const fixed = 7*8 + 1
	var out []Stub
	for len(b) > 0 {
		if len(b) < fixed {
			return nil, fmt.Errorf("stubs: %d stray bytes", len(b))
		}
		var x Stub
		for i, p := range []*uint64{&x.Addr, &x.Hit, &x.Counter, &x.Limit, &x.Data, &x.Lo, &x.Hi} {
			*p = binary.LittleEndian.Uint64(b[8*i:])
		}
		for _, at := range []uint64{x.Counter, x.Limit, x.Data} {
			if TouchesEngine(at, 16) {
				return nil, fmt.Errorf("stubs: one of %#x counts at %#x", x.Addr, at)
			}
		}
		orig := int(b[fixed-1])
		if b = b[fixed:]; len(b) < orig+1 || len(b) < orig+1+16*int(b[orig]) {
			return nil, fmt.Errorf("stubs: one of %#x is cut short", x.Addr)
		}
		x.Orig = append([]byte(nil), b[:orig]...)
		inner := int(b[orig])
		b = b[orig+1:]
		for range inner {
			x.Inner = append(x.Inner, Inner{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
			b = b[16:]
		}
		out = append(out, x)
	}
	return out, nil
}

// Load enters the stubs of a Stubs event, unless the table has them already.
func (s *Stubs) Load(e *trace.Event) error {
	if int(e.Stub) < len(s.list) {
		return nil
	}
	stubs, err := Decode(e.Info)
	if err != nil {
		return err
	}
	if int(e.Stub) != len(s.list) {
		return fmt.Errorf("stubs: the first of an event has id %d, not %d", e.Stub, len(s.list))
	}
	s.Add(stubs)
	return nil
}

// Count reads a stub's counter.
func (s *Stubs) Count(m *tracee.Space, id int) uint64 {
	v, _ := m.Uint64(s.list[id].Counter)
	return v
}

// SetLimit writes the count at which a stub stops next.
func (s *Stubs) SetLimit(m *tracee.Space, id int, count uint64) error {
	if id < 0 || id >= len(s.list) {
		return fmt.Errorf("no stub %d", id)
	}
	return m.PutUint64(s.list[id].Limit, count)
}

// Hit tells which stub has stopped a thread with a SIGTRAP, and the program's own
// registers there: the instruction has not been executed yet. A step over the jump
// that avoids the stub's int3 ends at the same address.
func (s *Stubs) Hit(m *tracee.Space, r *ptrace.Regs, info *ptrace.Siginfo) (id int, real ptrace.Regs, ok bool) {
	const siKernel = 0x80 // of int3 (arch/x86/kernel/traps.c)
	if code(info) != siKernel {
		return 0, real, false
	}
	for i := range s.list {
		x := &s.list[i]
		if r.Rip != x.Hit {
			continue
		}
		real = *r
		real.Rip = x.Addr
		real.Rax, _ = m.Uint64(x.Data)
		fl, _ := m.Uint64(x.Data + 8)
		const arithmetic = 0x8d5
		real.Eflags = real.Eflags&^arithmetic | fl>>8&0xd5
		if fl&1 != 0 {
			real.Eflags |= 0x800
		}
		real.Orig_rax = ^uint64(0)
		return i, real, true
	}
	return 0, real, false
}

// Through tells where a thread goes on that has stopped by sig with registers r,
// when the stop is due to an inner boundary of a stub; ok is false when it is not.
func (s *Stubs) Through(sig int, r *ptrace.Regs) (to uint64, ok bool) {
	at := r.Rip
	if sig == int(unix.SIGTRAP) {
		at-- // int3 is one of the bytes that stop
	}
	for i := range s.list {
		for _, in := range s.list[i].Inner {
			if in.At == at {
				return in.To, true
			}
		}
	}
	return 0, false
}

// At returns the stub of the instruction at addr, nil when there is none. Of
// several, of programs that followed each other by execve, it is the last.
func (s *Stubs) At(addr uint64) *Stub {
	for i := len(s.list) - 1; i >= 0; i-- {
		if s.list[i].Addr == addr {
			return &s.list[i]
		}
	}
	return nil
}

// In tells whether an address is in the code of a stub, and of which.
func (s *Stubs) In(rip uint64) (stub *Stub, ok bool) {
	for i := range s.list {
		if x := &s.list[i]; rip >= x.Lo && rip < x.Hi {
			return x, true
		}
	}
	return nil, false
}

// Rewind takes the last count of a stub back: the thread will come to it again.
func (s *Stubs) Rewind(m *tracee.Space, id int) error {
	return m.PutUint64(s.list[id].Counter, s.Count(m, id)-1)
}

// Hide replaces stubs' jumps in p, read at addr, by the program's own code.
func (s *Stubs) Hide(addr uint64, p []byte) {
	for i := range s.list {
		x := &s.list[i]
		lo, hi := max(addr, x.Addr), min(addr+uint64(len(p)), x.Addr+uint64(len(x.Orig)))
		if lo < hi {
			copy(p[lo-addr:hi-addr], x.Orig[lo-x.Addr:hi-x.Addr])
		}
	}
}
