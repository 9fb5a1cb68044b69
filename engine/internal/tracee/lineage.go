package tracee

// Lineage is a process's place in the tree of forks, with what it wrote. The
// kernel forgets what a process wrote when the process forks, so the set is read
// just before each fork and kept.
type Lineage struct {
	parent *Lineage
	since  int       // number of the parent's deltas when this was forked
	deltas []PageSet // pages written between successive forks of this process
}

// child returns the lineage of a process forked now; written is what the
// parent had written since its previous fork.
func (l *Lineage) child(written PageSet) *Lineage {
	l.deltas = append(l.deltas, written)
	return &Lineage{parent: l, since: len(l.deltas)}
}

func (l *Lineage) depth() int {
	d := 0
	for ; l.parent != nil; l = l.parent {
		d++
	}
	return d
}

// between returns a superset of the pages that can differ between a and b, apart
// from what each wrote since its own latest fork.
func between(a, b *Lineage) PageSet {
	var sets []PageSet
	na, nb := len(a.deltas), len(b.deltas) // deltas that count, of a and of b
	da, db := a.depth(), b.depth()
	for a != b {
		if da >= db {
			sets = append(sets, a.deltas[:na]...)
			na, a = a.since, a.parent
			da--
		} else {
			sets = append(sets, b.deltas[:nb]...)
			nb, b = b.since, b.parent
			db--
		}
		if a == nil || b == nil {
			panic("tracee: compared processes of different programs")
		}
	}
	if na > nb {
		na, nb = nb, na
	}
	return Union(append(sets, a.deltas[na:nb]...)...)
}
