package engine

import (
	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
)

// same reports whether two copies of the program are in the same state: the
// active thread's registers and extended state, and all memory.
func same(a, b *tracee.Copy) (bool, error) {
	if a.Active != b.Active {
		return false, nil
	}
	x, err := a.ThreadRegs(a.Active)
	if err != nil {
		return false, err
	}
	y, err := b.ThreadRegs(b.Active)
	if err != nil {
		return false, err
	}
	const tfrf = 0x10100
	x.Eflags &^= tfrf
	y.Eflags &^= tfrf
	if x != y || tracee.DifferingXState(a.Task.XState(), b.Task.XState()) >= 0 {
		return false, nil
	}
	set, err := tracee.Differing(a.Space, a.Lineage, b.Space, b.Lineage)
	if err != nil {
		return false, err
	}
	_, differs := tracee.FirstDifference(a.Space, b.Space, set, record.Ours)
	return !differs, nil
}
