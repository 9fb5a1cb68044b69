package locate

import (
	"context"
	"errors"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Carriers. An instruction that cannot carry a stub (what follows it is jumped
// to, say) is executed as often as an earlier one of its basic block. A point at
// it can be counted there, at its carrier:
//
//  1. Stops at the carrier are followed by single steps to the point.
//  2. While the runner is between the two, the carrier's count is one ahead.
//  3. A slice that ends between the two has not executed the point, and one that
//     begins there executes it once more. So does a jump that the sweep into blocks
//     has not seen, when it goes to a boundary that the carrier's patch covers: that
//     faults (see patch).

// carry plans p's stub at a carrier.
func (g *rig) carry(text *patch.Text, p *point, spec patch.Spec) (bool, error) {
	if len(g.watch) > 0 || p.every || p.match != nil || p.group {
		return false, nil
	}
	b, i := blockOf(text, p.addr)
	for i--; i >= 0; i-- {
		pc := b.Insts[i].PC
		if g.at[pc] != nil { // what lies between is stepped through
			return false, nil
		}
		s, err := g.plan.Add(pc, spec)
		if errors.Is(err, patch.ErrUnpatchable) {
			continue
		}
		if err != nil {
			return false, err
		}
		p.stub, p.carried = s, true
		g.plan.Protect(pc, p.addr+1)
		return true, nil
	}
	return false, nil
}

// blockOf returns the basic block that holds pc and the instruction's index in
// it; the index is −1 when it is not known.
func blockOf(text *patch.Text, pc uint64) (*patch.Block, int) {
	lo, hi, ok := text.Func(pc)
	if !ok {
		return nil, -1
	}
	blocks, err := text.Blocks(lo, hi)
	if err != nil {
		return nil, -1
	}
	for i := range blocks {
		if b := &blocks[i]; b.Lo() <= pc && pc < b.Hi() {
			for k := range b.Insts {
				if b.Insts[k].PC == pc {
					return b, k
				}
			}
		}
	}
	return nil, -1
}

// between reports whether the runner stands behind p's carrier and has not
// executed p's instruction. The runner's registers must be the program's.
func (g *rig) between(p *point) bool {
	pc := g.r.Regs().Rip
	return p.carried && p.stub.Addr < pc && pc <= p.addr
}

// ahead is 1 when the point's carrier was executed once more than the point.
func (g *rig) ahead(p *point) uint64 {
	if g.held != p && g.between(p) {
		return 1
	}
	return 0
}

// settle accounts for a slice that begins behind carriers.
func (g *rig) settle() error {
	for _, p := range g.points {
		if p.how == byStub && g.between(p) {
			p.base++
			p.early = true
			if err := g.relimit(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave accounts for a slice that ends behind carriers.
func (g *rig) leave() error {
	for _, p := range g.points {
		p.early = false
		if p.how == byStub && g.between(p) {
			p.base--
			if err := g.relimit(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// relimit adapts the limit of p's stub to p's base.
func (g *rig) relimit(p *point) error {
	if !p.stub.Spec.Limited {
		return nil
	}
	return g.setLimit(p, p.limit)
}

// early returns a point at whose limit the runner arrives without having passed
// its carrier.
func (g *rig) early() (*point, error) {
	for _, p := range g.points {
		if !p.early {
			continue
		}
		p.early = false
		n, err := p.stub.Count(g.r.Space)
		if err != nil {
			return nil, err
		}
		if p.limit > 0 && p.base+n == p.limit {
			return p, nil
		}
	}
	return nil, nil
}

// unseen counts a jump to the boundary f.Regs.Rip of a carrier's patch.
func (g *rig) unseen(f patch.Fixed) error {
	g.r.SetRegs(f.Resume)
	p := g.stubs[f.Stub.ID]
	if pc := f.Regs.Rip; !p.carried || pc > p.addr {
		return nil
	}
	p.base++
	if !p.stub.Spec.Limited {
		return nil
	}
	n, err := p.stub.Count(g.r.Space)
	if err != nil {
		return err
	}
	if p.base+n == p.limit {
		g.r.SetRegs(f.Regs)
		p.early = true
	}
	return g.setLimit(p, p.limit)
}

// arrive steps from p's carrier to p.
func (g *rig) arrive(ctx context.Context, p *point) (*point, replay.Stop, error) {
	stop, err := g.native(p, func() (replay.Stop, error) {
		for g.r.Regs().Rip != p.addr {
			if stop, err := stepOne(ctx, g.r); err != nil || stop != replay.Trap {
				return stop, err
			}
		}
		return replay.Trap, nil
	})
	if err != nil || stop != replay.Trap {
		return nil, stop, err
	}
	g.held = p
	return p, replay.Trap, nil
}

// native runs f with the carrier of p taken out.
func (g *rig) native(p *point, f func() (replay.Stop, error)) (replay.Stop, error) {
	if err := g.patchAt(p.stub, g.plan.Undo()); err != nil {
		return replay.AtEnd, err
	}
	stop, err := f()
	if perr := g.patchAt(p.stub, g.plan.Text()); err == nil {
		err = perr
	}
	return stop, err
}
