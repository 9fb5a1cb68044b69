package patch

import "errors"

// Mark is a ring-appending stub that stands for a basic block.
type Mark struct {
	Stub *Stub
	// Block is the block's [Lo, Hi); the stub is at instruction Index of its
	// Insts instructions.
	Lo, Hi       uint64
	Insts, Index int
}

// Marks puts one mark into every basic block of the function [lo, hi) that can
// have one, and returns them in address order with the number of blocks. A
// stub with Ring that the plan already has in a block serves as its mark.
func (p *Plan) Marks(lo, hi uint64) (marks []Mark, blocks int, err error) {
	f, err := p.text.function(lo, hi)
	if err != nil {
		return nil, 0, err
	}
	p.recent = f
	for k := range f.blocks {
		b := &f.blocks[k]
		s, n := p.mark(b)
		if s != nil {
			marks = append(marks, Mark{Stub: s, Lo: b.Lo(), Hi: b.Hi(), Insts: len(b.Insts), Index: n})
		}
	}
	return marks, len(f.blocks), nil
}

// mark finds or makes the mark of b: at an instruction of five bytes, else at
// several, the first that works.
func (p *Plan) mark(b *Block) (*Stub, int) {
	for n := range b.Insts {
		if s := p.byAddr[b.Insts[n].PC]; s != nil && s.Spec.Ring {
			return s, n
		}
	}
	for _, short := range [2]bool{false, true} {
		for n := range b.Insts {
			if b.Insts[n].Len < 5 != short {
				continue
			}
			s, err := p.Add(b.Insts[n].PC, Spec{Ring: true})
			if err == nil {
				return s, n
			}
			if !errors.Is(err, ErrUnpatchable) {
				return nil, 0
			}
		}
	}
	return nil, 0
}
