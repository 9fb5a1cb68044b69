package replay

import (
	"context"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
)

// Passing through the recorder's stubs. A copy of the program carries the stubs of
// its Stubs events; what a stub does is no part of the program. To whoever moves a
// runner by instructions
//
//   - the instruction at a stub's address is executed, with all of the stub around
//     it, in one step;
//   - an instruction that the stub's jump covers is executed in its relocated form,
//     and stands at its own address before and after.
//
// So a runner that is not in the middle of a run has a rip of the program's own.

// Own replaces, in p, read at addr, what the recorder has patched by the program's
// own code.
func (r *Runner) Own(addr uint64, p []byte) {
	r.Patched(func(at uint64, own []byte) {
		lo, hi := max(addr, at), min(addr+uint64(len(p)), at+uint64(len(own)))
		if lo < hi {
			copy(p[lo-addr:hi-addr], own[lo-at:hi-at])
		}
	})
}

const opJmp = 0xe9 // rel32

// Jump returns the bytes of the jump of stub s, when it is in place in r's memory:
// its event has brought its code, and the text is not the program's own. Over the jump
// of one in place there can be another, of a search's; where one comes only later in
// history a search's may be, too.
func (r *Runner) Jump(s *Stub) (b [5]byte, ok bool) {
	var code [1]byte
	return b, r.Space.Read(s.Addr, b[:]) == len(b) && b[0] == opJmp && !equal(b[:], s.Orig) && r.Space.Read(s.Lo, code[:]) == 1
}

func equal(b, orig []byte) bool { return string(b[:min(len(b), len(orig))]) == string(orig) }

// Stubs calls f with each of the recorder's stubs that is in place.
func (r *Runner) Stubs(f func(s *Stub, jump [5]byte)) {
	if r.env.Stubs == nil {
		return
	}
	seen := map[uint64]bool{} // of programs that followed each other by execve the last counts
	for i := len(r.env.Stubs.list) - 1; i >= 0; i-- {
		s := &r.env.Stubs.list[i]
		if seen[s.Addr] {
			continue
		}
		if b, ok := r.Jump(s); ok {
			seen[s.Addr] = true
			f(s, b)
		}
	}
}

// StubData returns the pages in which the recorder's stubs count and save
// registers. They are no part of the program's state: a thread that a tick stopped
// in a stub has been moved back to before it, and has left its marks there.
func (r *Runner) StubData() map[uint64]bool {
	if r.env.Stubs == nil {
		return nil
	}
	const page = 4095
	out := map[uint64]bool{}
	for _, s := range r.env.Stubs.list {
		out[s.Data&^page], out[s.Counter&^page] = true, true
	}
	return out
}

// StubRoom returns the pages of all stubs of the recorder, also of those that are
// not in place yet: nothing else may be put there, or a stop in it would be taken
// for one of theirs.
func (r *Runner) StubRoom() []patch.Region {
	if r.env.Stubs == nil {
		return nil
	}
	var out []patch.Region
	page := func(lo, hi uint64) {
		out = append(out, patch.Region{Lo: lo &^ 4095, Hi: (hi + 4095) &^ 4095})
	}
	for _, s := range r.env.Stubs.list {
		page(s.Lo, s.Hi)
		page(s.Data, s.Data+8)
		page(s.Counter, s.Counter+8)
	}
	return out
}

// StubAt returns the stub in place whose address is pc, nil when there is none.
func (r *Runner) StubAt(pc uint64) *Stub {
	if r.env.Stubs == nil {
		return nil
	}
	s := r.env.Stubs.At(pc)
	if s == nil {
		return nil
	}
	if _, ok := r.Jump(s); !ok {
		return nil
	}
	return s
}

// Physical returns where the instruction at pc is executed: its relocated form's
// address when the jump of a stub in place covers it, otherwise pc.
func (r *Runner) Physical(pc uint64) uint64 {
	if r.env.Stubs == nil {
		return pc
	}
	for i := len(r.env.Stubs.list) - 1; i >= 0; i-- {
		for _, in := range r.env.Stubs.list[i].Inner {
			if in.At != pc {
				continue
			}
			if _, ok := r.Jump(&r.env.Stubs.list[i]); ok {
				return in.To
			}
		}
	}
	return pc
}

// Surface moves a runner that was stopped inside a stub of the recorder forward to
// the next point of the program, at most a few instructions ahead.
func (r *Runner) Surface(ctx context.Context) (Stop, error) {
	ctx = context.WithoutCancel(ctx)
	for !r.atEvent {
		in, at := r.inStub(r.Regs().Rip)
		if !in {
			break
		}
		if at != 0 {
			x := *r.Regs()
			x.Rip = at
			r.SetRegs(x)
			break
		}
		if stop, err := r.step1(ctx); err != nil || stop != Trap {
			return stop, err
		}
	}
	return Trap, r.Err()
}

// inStub reports whether rip is in a stub's code or on the way there. at is the
// instruction whose relocated form is there, when it is one that a jump covers.
func (r *Runner) inStub(rip uint64) (in bool, at uint64) {
	if r.env.Stubs == nil || len(r.env.Stubs.list) == 0 {
		return false, 0
	}
	s, ok := r.env.Stubs.In(rip)
	if !ok {
		return r.onTrampoline(rip), 0
	}
	for _, x := range s.Inner {
		if x.To == rip {
			return true, x.At
		}
	}
	return true, 0
}

// onTrampoline reports whether rip is at a jump, not in the program's text, that
// leads into a stub.
func (r *Runner) onTrampoline(rip uint64) bool {
	var b [5]byte
	if r.env.Stubs.At(rip) != nil || r.Space.Read(rip, b[:]) != len(b) || b[0] != opJmp {
		return false
	}
	d := int32(uint32(b[1]) | uint32(b[2])<<8 | uint32(b[3])<<16 | uint32(b[4])<<24)
	_, ok := r.env.Stubs.In(rip + 5 + uint64(int64(d)))
	return ok
}

// Step executes one instruction of the slice's thread; a repeated string
// instruction counts as one. At a system call it stops at the beginning of its
// event (AtEvent), as it does where an event begins at once. Traces of
// single-stepping itself (the trap flag in pushed flags) are removed.
func (r *Runner) Step(ctx context.Context) (Stop, error) {
	if r.atEvent {
		return AtEvent, nil
	}
	if here, err := r.atBreak(); here || err != nil {
		r.atEvent = here
		return AtEvent, err
	}
	return r.StepOn(ctx)
}

// StepOn is Step that, like RunSlice, goes on behind the end of a slice whose next
// event Breaks: what the thread would have executed had it not been stopped there.
func (r *Runner) StepOn(ctx context.Context) (Stop, error) {
	if r.atEvent {
		return AtEvent, nil
	}
	if pc := r.Regs().Rip; r.env.Stubs != nil && len(r.env.Stubs.list) > 0 {
		if to := r.Physical(pc); to != pc {
			x := *r.Regs()
			x.Rip = to
			r.SetRegs(x)
		}
	}
	stop, err := r.step1(ctx)
	if err != nil || stop != Trap && stop != Interrupted {
		return stop, err
	}
	if over, err := r.Surface(ctx); err != nil || over != Trap {
		return over, err
	}
	return stop, nil
}

// step1 executes one instruction, of the program or of a stub.
func (r *Runner) step1(ctx context.Context) (Stop, error) {
	pc := r.Regs().Rip
	var code [16]byte
	n := r.Space.Read(pc, code[:])
	rep, pushf := Classify(code[:n])
	if rep > 0 {
		return r.stepOver(ctx, pc+uint64(rep))
	}
	stop, err := r.run(ctx, ptrace.SysemuStep, false)
	if err == nil && stop == Trap && pushf {
		sp := r.Regs().Rsp
		if v, ok := r.Space.Uint64(sp); ok && v&flagTF != 0 {
			err = r.Space.PutUint64(sp, v&^flagTF)
		}
	}
	return stop, err
}
