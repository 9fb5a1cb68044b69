package locate

import (
	"context"
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Predecessor returns a new runner one instruction before the point at: a Step of
// it leads there. A repeated string instruction is one instruction. The error is
// ErrAtBase when at is the base itself.
func (l *Locator) Predecessor(ctx context.Context, base *replay.Runner, at Coord) (*replay.Runner, error) {
	near, err := fork(base)
	if err != nil {
		return nil, fmt.Errorf("predecessor: %w", err)
	}
	defer func() { near.Kill() }()
	if at.AtBase() || at.Count == 1 && near.Regs().Rip == at.Addr {
		return nil, ErrAtBase
	}
	if at.Count > 1 {
		if err := l.advance(ctx, near, Coord{at.Addr, at.Count - 1}); err != nil {
			return nil, err
		}
		at.Count = 2
	}
	r, err := l.walk(ctx, near, at)
	if err != nil && err != ErrNotFound && ctx.Err() == nil {
		err = fmt.Errorf("predecessor of %v: %w", at, err)
	}
	return r, err
}

// walk steps from start towards at, over calls that at does not lie in, and
// returns a runner one instruction before it. start stays where it is.
func (l *Locator) walk(ctx context.Context, start *replay.Runner, at Coord) (*replay.Runner, error) {
	r, err := fork(start)
	if err != nil {
		return nil, err
	}
	// mark is where the runner was when it last moved by more than a step.
	mark, err := fork(start)
	if err != nil {
		r.Kill()
		return nil, err
	}
	defer func() { r.Kill(); mark.Kill() }()
	var seen uint64
	if r.Regs().Rip == at.Addr {
		seen = 1
	}
	for steps := 0; ; {
		if err := stopped(ctx); err != nil {
			return nil, err
		}
		regs := *r.Regs()
		if in, ok := decode(r, regs.Rip); ok && (in.Kind == patch.Call || in.Kind == patch.CallIndirect) {
			n, over, err := l.over(ctx, r, in.Next(), regs.Rsp, at, seen)
			if err != nil {
				return nil, err
			}
			if over != nil {
				r.Kill()
				r = over
				seen = n
				mark.Kill()
				if mark, err = r.Fork(); err != nil {
					return nil, err
				}
				steps = 0
				continue
			}
		}
		stop, err := r.Step(ctx)
		if err != nil {
			return nil, err
		}
		if stop != replay.Trap {
			if err := stopped(ctx); err != nil {
				return nil, err
			}
			return nil, ErrNotFound
		}
		steps++
		if r.Regs().Rip != at.Addr {
			continue
		}
		if seen++; seen < at.Count {
			continue
		}
		for range steps - 1 {
			if _, err := mark.Step(ctx); err != nil {
				return nil, err
			}
		}
		if err := stopped(ctx); err != nil {
			return nil, err
		}
		return mark.Fork()
	}
}

// over runs a fork of r, which stands at a call, until the call has returned to
// ret. It returns nil when at lies inside, or at the return, or the call does
// not return; else the fork and how often at.Addr has been met so far.
func (l *Locator) over(ctx context.Context, r *replay.Runner, ret, sp uint64, at Coord, seen uint64) (uint64, *replay.Runner, error) {
	f, err := r.Fork()
	if err != nil {
		return 0, nil, err
	}
	g := newRig(f)
	pr, pp := g.point(ret), g.point(at.Addr)
	pr.every = true
	pp.count, pp.limit = seen, at.Count
	if f.Regs().Rip == at.Addr {
		pp.count-- // it is met again as the fork starts
	}
	if err := g.arm(); err != nil {
		f.Kill()
		return 0, nil, err
	}
	for {
		hit, _, err := g.run(ctx)
		if err == nil {
			err = stopped(ctx)
		}
		switch {
		case err != nil:
			f.Kill()
			return 0, nil, err
		case hit == nil, pp.count == at.Count:
			f.Kill()
			return 0, nil, nil
		case hit == pr && f.Regs().Rsp == sp:
			if err := g.strip(); err != nil {
				f.Kill()
				return 0, nil, err
			}
			return pp.count, f, nil
		}
	}
}

// decode returns the instruction at pc.
func decode(r *replay.Runner, pc uint64) (patch.Inst, bool) {
	var b [16]byte
	n := r.Space.Read(pc, b[:])
	in, err := patch.Decode(b[:n], pc)
	return in, err == nil
}
