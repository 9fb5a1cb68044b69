package locate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
	"yore/engine/trace"
)

// run lets the runner go until a point says stop, the slice ends, or ctx is
// cancelled.
func (g *rig) run(ctx context.Context) (*point, replay.Stop, error) {
	for {
		if p, err := g.early(); p != nil || err != nil {
			if err != nil {
				return nil, replay.AtEnd, err
			}
			return g.arrive(ctx, p)
		}
		if p := g.held; p != nil {
			g.held = nil
			stop, err := g.over(ctx, p)
			if err != nil || stop != replay.Trap {
				return nil, stop, err
			}
			// The instruction at the point may be one that accesses a watch.
			if g.fired, err = g.watched(); err != nil || g.fired > 0 {
				return nil, stop, err
			}
		}
		stop, err := g.slice(ctx)
		if err == nil && stop == replay.Interrupted && ctx.Err() == nil {
			if err := g.trail.take(g); err != nil {
				return nil, stop, err
			}
			continue
		}
		if err != nil || stop == replay.AtEnd && !g.r.AtEventStart() {
			again, ferr := g.fault(ctx, err)
			if ferr != nil {
				return nil, stop, ferr
			}
			if again {
				continue
			}
			return nil, stop, err
		}
		if stop != replay.Trap {
			return nil, stop, nil
		}
		if g.fired, err = g.watched(); err != nil {
			return nil, stop, err
		}
		if g.fired > 0 {
			return nil, stop, g.leaveStub()
		}
		p, says, err := g.trapped()
		if err == nil && says && p.carried {
			return g.arrive(ctx, p)
		}
		if err != nil || says {
			g.held = p
			return p, stop, err
		}
	}
}

// leaveStub moves a runner that a debug register has stopped inside a stub's
// relocated code to the program's own.
func (g *rig) leaveStub() error {
	if stop, err := g.r.Surface(context.Background()); err != nil || stop != replay.Trap {
		return err
	}
	if n, err := g.watched(); err != nil {
		return err
	} else if n > 0 { // on the way to the surface
		g.fired = n
	}
	if g.plan == nil {
		return nil
	}
	f, err := g.plan.Fix(*g.r.Regs(), patch.Async, g.r.Space)
	if err != nil || f.Where == patch.Own {
		return err
	}
	g.r.SetRegs(f.Regs)
	for _, w := range append(f.Memory, f.Rewind...) {
		if err := g.r.Space.Write(w.Addr, w.Data); err != nil {
			return err
		}
	}
	return nil
}

// slice is RunSlice, interrupted when it is time to take a fork for the trail.
func (g *rig) slice(ctx context.Context) (replay.Stop, error) {
	if g.trail == nil {
		return g.r.RunSlice(ctx)
	}
	tick, cancel := context.WithDeadline(ctx, g.trail.due)
	defer cancel()
	return g.r.RunSlice(tick)
}

// over executes the instruction at p.
func (g *rig) over(ctx context.Context, p *point) (replay.Stop, error) {
	switch {
	case p.carried:
		return g.native(p, func() (replay.Stop, error) { return stepOne(ctx, g.r) })
	case p.how == byStub:
		g.r.SetRegs(g.resume)
	case p.how == byInt3:
		if err := g.lift(p); err != nil {
			return replay.AtEnd, err
		}
		stop, err := stepOne(ctx, g.r)
		if ierr := g.insert(p); err == nil {
			err = ierr
		}
		return stop, err
	}
	if p.how == byDebug && p.phys != p.addr {
		regs := *g.r.Regs()
		regs.Rip = p.phys
		g.r.SetRegs(regs)
	}
	return replay.Trap, nil // of a debug register the resume flag takes care
}

// trapped finds out why the runner stopped with SIGTRAP. says is set when run is
// to stop at p; otherwise the runner is ready to go on.
func (g *rig) trapped() (p *point, says bool, err error) {
	regs := *g.r.Regs()
	if p := g.stopped(regs.Rip, byDebug); p != nil {
		if p.phys != p.addr {
			regs.Rip = p.addr
			g.r.SetRegs(regs)
		}
		if err := g.passes(p); err != nil {
			return nil, false, err
		}
		says, err := g.says(p)
		if err == nil && !says {
			g.held = p // it goes on from where the register stopped it
		}
		return p, says, err
	}
	if p := g.stopped(regs.Rip-1, byInt3); p != nil {
		if err := g.passes(p); err != nil {
			return nil, false, err
		}
		regs.Rip = p.addr
		g.r.SetRegs(regs)
		says, err := g.says(p)
		if err == nil && !says {
			g.held = p
			return nil, false, nil
		}
		return p, says, err
	}
	if g.plan != nil {
		f, err := g.plan.Fix(regs, patch.Trap, g.r.Space)
		if err != nil {
			return nil, false, err
		}
		switch f.Where {
		case patch.LimitHit, patch.TestHit:
			g.r.SetRegs(f.Regs)
			g.resume = f.Resume
			return g.stubs[f.Stub.ID], true, nil
		case patch.Interior:
			return nil, false, g.unseen(f)
		}
	}
	return nil, false, fmt.Errorf("locate: unexpected trap at %#x before event %d", regs.Rip, g.r.Next)
}

// stopped returns the point that a debug register or an int3 at phys stands for.
func (g *rig) stopped(phys uint64, how means) *point {
	if p := g.at[phys]; p != nil && p.how == how && p.phys == phys {
		return p
	}
	for _, p := range g.points {
		if p.how == how && p.phys == phys {
			return p
		}
	}
	return nil
}

// passes counts an execution of a point that is no stub.
func (g *rig) passes(p *point) error {
	p.base++
	if !p.ring || g.plan == nil {
		return nil
	}
	_, n, err := g.plan.Ring(g.r.Space)
	p.passed = append(p.passed, n)
	if len(p.passed) > 2*patch.RingSize {
		p.passed = append(p.passed[:0], p.passed[patch.RingSize:]...)
	}
	return err
}

// says decides for a point that is no stub whether run is to stop there, and
// does the group's counting.
func (g *rig) says(p *point) (bool, error) {
	if p.limit > 0 && p.base == p.limit {
		return true, nil
	}
	if p.match != nil {
		return matches(p.match, g.r), nil
	}
	if p.group {
		if p.cond != nil && !holds(p.cond, g.r) {
			return p.every, nil
		}
		g.hits++
		n, err := g.groupCount()
		if err != nil {
			return false, err
		}
		if g.goal > 0 && n >= g.goal {
			return true, nil
		}
		if err := g.setGoal(g.goal); err != nil {
			return false, err
		}
	}
	return p.every, nil
}

// fault handles a signal other than SIGTRAP that the runner did not take for an
// event: one that a stub raised, or that the program raised inside one. again is
// set when the runner is ready to go on.
func (g *rig) fault(ctx context.Context, cause error) (again bool, err error) {
	var d *replay.Divergence
	if g.plan == nil || cause != nil && !errors.As(cause, &d) {
		return false, nil
	}
	f, err := g.plan.Fix(*g.r.Regs(), patch.Fault, g.r.Space)
	if err != nil && cause != nil {
		return false, cause
	}
	if err != nil {
		return false, err
	}
	switch f.Where {
	case patch.Interior:
		return true, g.unseen(f)
	case patch.Stumble:
		g.r.SetRegs(f.Resume)
		return true, nil
	case patch.Inside:
		// The program's own: it is raised once more by the original instruction.
		g.r.SetRegs(f.Regs)
		for _, w := range f.Memory {
			if err := g.r.Space.Write(w.Addr, w.Data); err != nil {
				return false, err
			}
		}
		if err := g.patchAt(f.Stub, g.plan.Undo()); err != nil {
			return false, err
		}
		stop, err := g.r.RunSlice(ctx)
		if perr := g.patchAt(f.Stub, g.plan.Text()); err == nil {
			err = perr
		}
		if err == nil && stop == replay.Trap {
			err = fmt.Errorf("locate: a fault at %#x did not come again", f.Regs.Rip)
		}
		return err == nil && stop == replay.AtEvent, err
	}
	return false, nil
}

// patchAt writes those of the given patches that belong to s.
func (g *rig) patchAt(s *patch.Stub, ws []patch.Write) error {
	for _, w := range ws {
		if w.Addr == s.Addr {
			return g.r.Space.Write(w.Addr, w.Data)
		}
	}
	return nil
}

// apply takes the next event's effect with the points in place, moving them out
// of its way where it changes the code or needs the room.
func (g *rig) apply() error {
	e, err := g.r.Event()
	if err != nil {
		return err
	}
	moved := g.disturbs(e)
	if moved {
		err = g.strip()
	} else {
		err = g.leave()
	}
	if err != nil {
		return err
	}
	if err := g.r.Apply(); err != nil {
		return err
	}
	g.applied = g.r.Next - 1
	if err := enter(g.r); err != nil {
		return err
	}
	if err := g.settle(); err != nil {
		return err
	}
	if moved || len(e.Maps) > 0 && slices.ContainsFunc(g.points, func(p *point) bool { return p.how == unarmed }) {
		if err := g.strip(); err != nil {
			return err
		}
		return g.arm()
	}
	return nil
}

// disturbs reports whether event e touches memory that the points depend on.
func (g *rig) disturbs(e *trace.Event) bool { return g.affects(e, g.uses) }

// affects reports whether event e changes memory in a range of which in holds.
func (g *rig) affects(e *trace.Event, in func(lo, hi uint64) bool) bool {
	if replay.NeedsRestore(e) {
		return true
	}
	for _, m := range e.Maps {
		if in(m.Addr, m.Addr+m.Len) {
			return true
		}
	}
	for _, w := range e.Writes {
		if in(w.Addr, w.Addr+uint64(len(w.Data))) {
			return true
		}
	}
	if (e.Kind != trace.Syscall && e.Kind != trace.Leave) || e.Ret < 0 && e.Ret > -4096 {
		return false
	}
	switch a := e.Args; int(e.NR) {
	case unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT, unix.SYS_MADVISE:
		return in(a[0], a[0]+a[1])
	case unix.SYS_MREMAP:
		return in(a[0], a[0]+max(a[1], a[2])) || in(uint64(e.Ret), uint64(e.Ret)+a[2])
	case unix.SYS_BRK:
		lo, hi := g.r.Brk, uint64(e.Ret)
		if hi < lo {
			lo, hi = hi, lo
		}
		return lo > 0 && in(lo&^4095, hi+4096)
	}
	return false
}

// uses reports whether [lo, hi), widened to pages, holds code or data of ours.
func (g *rig) uses(lo, hi uint64) bool {
	lo, hi = lo&^4095, (hi+4095)&^4095
	for _, p := range g.points {
		if p.how != unarmed && p.how != byDebug && p.addr+16 > lo && p.addr < hi {
			return true
		}
	}
	if g.plan != nil {
		for _, m := range g.plan.Maps() {
			if m.Lo < hi && m.Hi > lo {
				return true
			}
		}
	}
	return false
}
