package patch

import (
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sys/unix"
)

// Mapping a stopped thread back to the program.

// How says why the thread stopped.
type How uint8

const (
	// Async: nothing that the thread did: PTRACE_INTERRUPT, a signal from
	// outside, a single-step or debug register.
	Async How = iota
	// Trap: SIGTRAP raised by an int3 (si_code SI_KERNEL or TRAP_BRKPT).
	Trap
	// Fault: a signal raised by the instruction at rip (SIGSEGV, SIGILL,
	// SIGBUS, SIGFPE).
	Fault
)

// Where says where a stopped thread is with respect to the stubs.
type Where uint8

const (
	// Own: in the program's own text.
	Own Where = iota
	// LimitHit: stopped by the stub's limit; TestHit: by its test or group.
	LimitHit
	TestHit
	// Before: in the stub's own code; the instruction at Regs.Rip, the stub's
	// address, has not been executed.
	Before
	// Inside: in relocated code. A fault there is the program's own, though
	// to have it raised with all its particulars one unpatches and repeats it.
	Inside
	// Interior: at an instruction boundary that the jump covers. A fault or
	// trap there is not the program's: go on with Resume.
	Interior
	// Stumble: the test's own read of the program's memory faulted. The test
	// counts as false when going on with Resume.
	Stumble
)

func (w Where) String() string {
	return [...]string{"own", "limit hit", "test hit", "before", "inside", "interior", "stumble"}[w]
}

// Fixed is a stopped thread's state.
type Fixed struct {
	Where Where
	Stub  *Stub // nil for Own
	// Regs are the program's own registers.
	Regs unix.PtraceRegs
	// Counted: the stub's counter includes the execution of the instruction at
	// Regs.Rip, which is still to come. A thread that is set to Regs and
	// resumed through the patch would be counted twice: apply Rewind.
	Counted bool
	// Memory restores program memory that the stub has changed and the program
	// has not. Together with Regs it gives the program's exact state. It must
	// not be applied to a thread that goes on with Resume.
	Memory []Write
	// Rewind makes the plan's counters what they were when the thread reached
	// the stub, so that a thread set to Regs (and Memory) counts once.
	Rewind []Write
	// Resume goes on from here with the stubs in place. It is only good as long
	// as no other thread has run; where it must have (after a hit), apply Slots
	// first.
	Resume unix.PtraceRegs
	Slots  []Write
}

const arithmeticFlags = 0x8d5

// stub returns the stub whose code holds rip.
func (p *Plan) stubOf(rip uint64) *Stub {
	if p.byBase == nil {
		p.byBase = slices.Clone(p.stubs)
		slices.SortFunc(p.byBase, func(a, b *Stub) int { return cmpU64(a.base, b.base) })
	}
	n := sort.Search(len(p.byBase), func(i int) bool { return p.byBase[i].base > rip }) - 1
	if n >= 0 && rip < p.byBase[n].base+p.byBase[n].size {
		return p.byBase[n]
	}
	return nil
}

// Find says which stub rip belongs to without looking at anything else:
// Before or Inside for its code, Interior for a boundary covered by its jump,
// Own (and nil) for the program's text.
func (p *Plan) Find(rip uint64) (*Stub, Where) {
	if s := p.stubOf(rip); s != nil {
		if pt, ok := pointAt(s.pts, rip-s.base); ok && pt.st&stCopy != 0 {
			return s, Inside
		}
		return s, Before
	}
	if s := p.trampOf(rip); s != nil {
		return s, Before
	}
	if in, ok := p.interior[rip]; ok {
		return in.stub, Interior
	}
	return nil, Own
}

// trampOf returns the stub whose trampoline is at rip.
func (p *Plan) trampOf(rip uint64) *Stub {
	t := p.tramps.page(rip &^ (pageSize - 1))
	if t == nil {
		return nil
	}
	o := rip - t.base
	if o+5 > pageSize || t.buf[o] != 0xe9 {
		return nil
	}
	s := p.stubOf(rip + 5 + uint64(int64(int32(le.Uint32(t.buf[o+1:])))))
	if s == nil || s.tramp != rip {
		return nil
	}
	return s
}

// Fix maps the registers of a stopped thread to the program's own. read reads
// the thread's memory, stub data included. The error means that rip is in the
// middle of stub code, which no stop can be, or that the data are gone.
func (p *Plan) Fix(r unix.PtraceRegs, how How, read Reader) (Fixed, error) {
	f := Fixed{Regs: r, Resume: r}
	if how == Trap {
		if in, ok := p.interior[r.Rip-1]; ok && in.op == 0xcc {
			f.Where, f.Stub = Interior, in.stub
			f.Regs.Rip = r.Rip - 1
			f.Resume.Rip = in.stub.copies[in.n]
			return f, nil
		}
	}
	if in, ok := p.interior[r.Rip]; ok && how != Trap {
		f.Where, f.Stub = Interior, in.stub
		f.Resume.Rip = in.stub.copies[in.n]
		return f, nil
	}
	s := p.stubOf(r.Rip)
	if s == nil {
		if s = p.trampOf(r.Rip); s != nil {
			f.Where, f.Stub = Before, s
			f.Regs.Rip = s.Addr
		}
		return f, nil
	}
	f.Stub = s
	pt, ok := pointAt(s.pts, r.Rip-s.base)
	if !ok {
		return f, fmt.Errorf("stub of %#x: stopped at offset %#x, inside an instruction", s.Addr, r.Rip-s.base)
	}
	st := pt.st
	switch {
	case how == Trap && r.Rip == s.Hit:
		f.Where = LimitHit
	case how == Trap && r.Rip == s.TestHit:
		f.Where = TestHit
		if s.Spec.Group != nil {
			st |= stGroup
			st &^= stTaken
		}
	case st&stCopy != 0:
		f.Where = Inside
	default:
		f.Where = Before
		if how == Fault {
			if st&stTest == 0 {
				return f, fmt.Errorf("stub of %#x: its data cannot be accessed", s.Addr)
			}
			f.Where = Stumble
			f.Resume.Rip = s.skip
		}
	}
	slot := func(off uint64) (uint64, error) { return readWord(read, p.data.base+off) }
	f.Regs.Rip = pt.orig
	if st&stRAX != 0 {
		v, err := slot(offSave)
		if err != nil {
			return f, err
		}
		f.Regs.Rax = v
		f.Slots = append(f.Slots, word(p.data.base+offSave, v))
	}
	if st&stFlags != 0 {
		v, err := slot(offFlags)
		if err != nil {
			return f, err
		}
		fl := v >> 8 & 0xd5
		if v&1 != 0 {
			fl |= 0x800
		}
		f.Regs.Eflags = r.Eflags&^arithmeticFlags | fl
		f.Slots = append(f.Slots, word(p.data.base+offFlags, v))
	}
	if st&stPushed != 0 {
		v, err := slot(offOld)
		if err != nil {
			return f, err
		}
		f.Memory = append(f.Memory, word(r.Rsp, v))
		f.Regs.Rsp += 8
	}
	if st&stCounted == 0 || st&stDone != 0 {
		return f, nil
	}
	f.Counted = true
	back := func(addr uint64) error {
		v, err := readWord(read, addr)
		if err == nil {
			f.Rewind = append(f.Rewind, word(addr, v-1))
		}
		return err
	}
	if err := back(s.CounterAddr); err != nil {
		return f, err
	}
	if st&stTaken != 0 {
		v, err := slot(offTaken)
		if err != nil {
			return f, err
		}
		f.Slots = append(f.Slots, word(p.data.base+offTaken, v))
		if v != 0 {
			st |= stGroup
		}
	}
	if st&stGroup != 0 {
		if err := back(s.Spec.Group.CounterAddr); err != nil {
			return f, err
		}
	}
	if st&stRinged != 0 {
		if err := back(p.data.base + offSeq); err != nil {
			return f, err
		}
	}
	return f, nil
}
