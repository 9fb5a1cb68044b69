package record

import (
	"errors"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Where preemption counts. A stub in an innermost loop makes the program slower for
// good; one that is not reached soon enough is of no use. So the first stubs for a
// function are put outside of the loop that was met, and nearer ones when those are
// not executed from one tick to the next:
//
//	outside  the function's entry, and blocks in fewer loops than the block of rip
//	beside   any blocks around rip, at an instruction that a jump fits into
//	within   the block of rip and those behind it, whatever it takes

type nearness int

const (
	outside nearness = iota
	beside
	within
	none
)

// enough is how many stubs are installed at a time, the entry's aside.
const enough = 3

// forget begins anew: another program has other functions.
func (p *preemption) forget() {
	p.levels, p.spent = map[uint64]nearness{}, map[uint64]bool{}
}

// anchors plans stubs for a thread that was found computing at rip. more is false
// when there is nothing left to try for its function.
func (p *preemption) anchors(plan *patch.Plan, text *patch.Text, rip uint64) (more bool) {
	lo, hi, ok := text.Func(rip)
	if !ok || !text.FileBacked(rip) {
		return false
	}
	blocks, err := text.Blocks(lo, hi)
	if err != nil || p.levels[lo] == none {
		return false
	}
	level := p.levels[lo]
	p.levels[lo]++
	at := 0
	for at < len(blocks)-1 && blocks[at].Hi() <= rip {
		at++
	}
	add := func(b *patch.Block, passes ...func(insts []patch.Inst) bool) bool {
		for _, fits := range passes {
			for k := range b.Insts {
				if !fits(b.Insts[k:]) {
					continue
				}
				_, err := plan.Add(b.Insts[k].PC, patch.Spec{Limited: true, Limit: replay.NoLimit})
				if err == nil {
					return true
				} else if !errors.Is(err, patch.ErrUnpatchable) {
					return false
				}
			}
		}
		return false
	}
	whole := []func([]patch.Inst) bool{wholeAndHarmless, whole}
	if level == outside {
		for i := range min(len(blocks), 3) {
			if add(&blocks[i], whole...) {
				break
			}
		}
	}
	depth := depths(blocks)
	n := 0
	for off := 0; off < len(blocks) && n < enough; off++ {
		for _, i := range []int{at + off, at - off} {
			if i < 0 || i >= len(blocks) || off == 0 && i != at || n >= enough {
				continue
			}
			switch b := &blocks[i]; level {
			case outside:
				if depth[i] < depth[at] && add(b, whole...) {
					n++
				}
			case beside:
				if add(b, whole...) {
					n++
				}
			case within:
				if i >= at && add(b, wholeAndHarmless, harmless, anyhow) {
					n++
				}
			}
			if off == 0 {
				break
			}
		}
	}
	return true
}

// depths returns in how many loops each block is: ranges of code that a direct jump
// backwards spans.
func depths(blocks []patch.Block) []int {
	out := make([]int, len(blocks))
	for j := range blocks {
		last := &blocks[j].Insts[len(blocks[j].Insts)-1]
		switch last.Kind {
		case patch.Jcc, patch.Jmp, patch.Loop:
		default:
			continue
		}
		for i := j; i >= 0 && blocks[i].Lo() >= last.Target && last.Target <= last.PC; i-- {
			out[i]++
		}
	}
	return out
}

// whole reports whether a jump replaces the first instruction alone.
func whole(insts []patch.Inst) bool { return insts[0].Len >= 5 }

func wholeAndHarmless(insts []patch.Inst) bool { return whole(insts) && !faults(&insts[0]) }

func anyhow([]patch.Inst) bool { return true }

// harmless reports whether the first instructions, as far as a jump would cover
// them, cannot fault.
func harmless(insts []patch.Inst) bool {
	n := 0
	for i := range insts {
		if faults(&insts[i]) {
			return false
		}
		if n += insts[i].Len; n >= 5 {
			return true
		}
	}
	return false
}

// faults reports whether an instruction can fault other than by a full stack.
func faults(in *patch.Inst) bool {
	if in.Kind == patch.Call {
		return false
	}
	var zero unix.PtraceRegs
	acc, exact := in.Accesses(&zero)
	return len(acc) > 0 || !exact
}
