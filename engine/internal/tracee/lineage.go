package tracee

// Lineage is a process's place in the tree of forks, with what it wrote. The
// kernel forgets what a process wrote when the process forks, so the set is read
// just before each fork and kept.
type Lineage struct {
	parent *Lineage
	since  int       // number of the parent's deltas when this was forked
	deltas []PageSet // pages written between successive forks of this process
	moved  PageSet   // came to their addresses since the latest fork without being written
	shown  PageSet   // of a rebuilt process: memory that shows pages of an image
}

// Moved says that memory has been moved to r (mremap): its pages are others
// than before although nobody has written them.
func (l *Lineage) Moved(r Range) { l.moved = l.moved.With(r) }

// forked ends the time since the latest fork.
func (l *Lineage) forked(written PageSet) {
	l.deltas = append(l.deltas, Union(written, l.moved))
	l.moved = nil
}

// Rebuilt returns the lineage of a process that was made from an image; shown is
// the memory that maps the image's pages.
func Rebuilt(shown PageSet) *Lineage { return &Lineage{shown: shown} }

// Note remembers what the process of space, whose lineage l is, has written
// since its latest fork. It is to be called before the process forks by itself,
// which makes the kernel forget.
func (l *Lineage) Note(space *Space) error {
	written, err := space.exclusive()
	if err == nil {
		l.forked(written)
	}
	return err
}

// Between returns a superset of the pages that can differ between a and b, two
// processes that have written nothing since their own latest forks. related is
// false when the processes have no common ancestor.
func Between(a, b *Lineage) (set PageSet, related bool) {
	if a.root() != b.root() {
		return nil, false
	}
	return between(a, b), true
}

func (l *Lineage) root() *Lineage {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

// child returns the lineage of a process forked now; written is what the
// parent had written since its previous fork.
func (l *Lineage) child(written PageSet) *Lineage {
	l.forked(written)
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
			panic("tracee: compared processes of different lineages")
		}
	}
	if na > nb {
		na, nb = nb, na
	}
	return Union(append(sets, a.deltas[na:nb]...)...)
}
