package locate

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/replay"
	"yore/engine/trace"
)

// Seek returns a new runner that stands at c, with nothing of ours in its
// memory. The error is ErrNotFound when the slice ends before.
func (l *Locator) Seek(ctx context.Context, base *replay.Runner, c Coord) (*replay.Runner, error) {
	r, err := fork(base)
	if err != nil {
		return nil, fmt.Errorf("seek: %w", err)
	}
	if err := l.advance(ctx, r, c); err != nil {
		r.Kill()
		if err == ErrNotFound || ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("seek %v: %w", c, err)
	}
	return r, nil
}

// advance moves r, which is its own base, to c.
func (l *Locator) advance(ctx context.Context, r *replay.Runner, c Coord) error {
	if c.AtBase() || c.Count == 1 && r.Regs().Rip == c.Addr {
		return r.Err()
	}
	g := l.newRig(r)
	p := g.point(c.Addr)
	p.limit, p.few = c.Count, c.Count < fewHits
	if err := g.arm(); err != nil {
		return err
	}
	hit, _, err := g.run(ctx)
	if err != nil {
		return err
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	if hit == nil {
		return ErrNotFound
	}
	return g.strip()
}

// Order tells which of two points of base's slice comes first: -1 when a does, 1
// when b does, 0 when they are the same point.
func (l *Locator) Order(ctx context.Context, base *replay.Runner, a, b Coord) (int, error) {
	pc := base.Regs().Rip
	for _, c := range []*Coord{&a, &b} {
		if c.AtBase() {
			*c = Coord{pc, 1}
		}
	}
	switch {
	case a.Addr == b.Addr && a.Count == b.Count:
		return 0, nil
	case a.Addr == b.Addr && a.Count < b.Count:
		return -1, nil
	case a.Addr == b.Addr:
		return 1, nil
	}
	r, err := fork(base)
	if err != nil {
		return 0, fmt.Errorf("order: %w", err)
	}
	defer r.Kill()
	g := l.newRig(r)
	pa, pb := g.point(a.Addr), g.point(b.Addr)
	pa.limit, pb.limit = a.Count, b.Count
	pa.few, pb.few = a.Count < fewHits, b.Count < fewHits
	if err := g.arm(); err != nil {
		return 0, fmt.Errorf("order: %w", err)
	}
	hit, _, err := g.run(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("order: %w", err)
	case stopped(ctx) != nil:
		return 0, stopped(ctx)
	case hit == pa:
		return -1, nil
	case hit == pb:
		return 1, nil
	}
	return 0, ErrNotFound
}

// EndOf returns a new runner at the last point of base's slice, and its
// coordinate: just before the instruction that begins the next event. When
// nothing is executed between base and the event, it is the base itself.
func (l *Locator) EndOf(ctx context.Context, base *replay.Runner) (*replay.Runner, Coord, error) {
	r, err := fork(base)
	if err != nil {
		return nil, Coord{}, fmt.Errorf("end of slice: %w", err)
	}
	c, err := l.toEnd(ctx, r)
	if err != nil {
		r.Kill()
		if ctx.Err() != nil {
			return nil, Coord{}, err
		}
		return nil, Coord{}, fmt.Errorf("end of slice: %w", err)
	}
	return r, c, nil
}

func (l *Locator) toEnd(ctx context.Context, r *replay.Runner) (Coord, error) {
	e, err := r.Event()
	if err != nil {
		return Coord{}, err
	}
	if e == nil {
		return Coord{}, fmt.Errorf("the last slice has no end")
	}
	if to, err := r.BreakAhead(); to != nil || err != nil {
		if err != nil {
			return Coord{}, err
		}
		c, err := l.Find(ctx, r, to)
		if err != nil {
			return Coord{}, err
		}
		return c, l.advance(ctx, r, c)
	}
	if r.Immediate(e) || r.AtEventStart() {
		return Coord{}, nil
	}
	if n, ok := ender(r, e); ok {
		// Executing the instruction for the first time ends the slice.
		c := Coord{e.PC - n, 1}
		if r.Regs().Rip == c.Addr {
			return Coord{}, nil
		}
		return c, l.advance(ctx, r, c)
	}
	start := *r.Regs()
	g := l.newRig(r)
	p := g.point(e.PC)
	if err := g.arm(); err != nil {
		return Coord{}, err
	}
	_, stop, err := g.run(ctx)
	if err != nil {
		return Coord{}, err
	}
	if err := stopped(ctx); err != nil {
		return Coord{}, err
	}
	if stop != replay.AtEvent {
		return Coord{}, ErrNotFound
	}
	if err := g.strip(); err != nil {
		return Coord{}, err
	}
	if start.Rip == e.PC && p.base <= 1 {
		return Coord{}, nil
	}
	return Coord{e.PC, p.base}, nil
}

// ender reports whether the instruction that begins event e ends the slice
// whenever it is executed, and how far e.PC lies behind it.
func ender(r *replay.Runner, e *trace.Event) (behind uint64, ok bool) {
	switch {
	case isCall(e.Kind) && e.NR >= 0:
		return 2, true
	case e.Kind == trace.Insn:
		return 0, true
	case e.Kind == trace.Fault && unix.Signal(e.Sig) == unix.SIGTRAP:
		var b [2]byte
		r.Space.Read(e.PC-2, b[:])
		switch {
		case b[0] == 0xcd && b[1] == 3:
			return 2, true
		case b[1] == int3 || b[1] == 0xf1:
			return 1, true
		}
	}
	return 0, false
}

// isCall reports whether events of kind k begin at a system call's entry.
func isCall(k trace.Kind) bool {
	switch k {
	case trace.Syscall, trace.Enter, trace.Clone, trace.Exit, trace.Exec, trace.End:
		return true
	}
	return false
}
