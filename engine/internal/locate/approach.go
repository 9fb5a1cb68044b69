package locate

import (
	"context"
	"fmt"
	"sort"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

const (
	// reachSteps is how far a mark may lie before the point to be taken for
	// its neighbour.
	reachSteps = 400
	// lastSteps is how far is stepped where there is nothing left to be marked.
	lastSteps = 20000
	// maxRounds bounds how often functions are added to the marks, maxMarks the
	// stubs of one round.
	maxRounds = 32
	maxMarks  = 8000
	// repeats is how many executions of the point back the window of a point in
	// a loop begins at most.
	repeats = 16
)

// approach is the search for the instructions before a point P.
type approach struct {
	l    *Locator
	addr uint64 // of P
	want int    // steps that the window should have
	text *patch.Text

	// start is the newest node known to lie before P, which is the arrivals-th
	// execution of addr since then, start's own point included.
	start    *node
	arrivals uint64
	funcs    []span // functions whose blocks are marked
}

type span struct{ lo, hi uint64 }

// windowFrom returns a window before the point at since node n.
func (l *Locator) windowFrom(ctx context.Context, n *node, at Coord, want int) (*Window, error) {
	n.retain()
	defer func() { n.release() }()
	for {
		if err := n.bare(); err != nil {
			return nil, err
		}
		if !at.AtBase() && (at.Count > 1 || pcOf(n.r) != at.Addr) {
			break
		}
		if n.older == nil {
			return nil, ErrAtBase
		}
		c, err := n.place(ctx, l)
		if err != nil {
			return nil, err
		}
		older := n.older.retain()
		n.release()
		n, at = older, c
	}
	a := &approach{l: l, addr: at.Addr, want: want, start: n.retain(), arrivals: at.Count}
	defer func() { a.start.release() }()
	w, err := a.run(ctx)
	if err != nil && err != ErrNotFound && ctx.Err() == nil {
		err = fmt.Errorf("instructions before %v: %w", at, err)
	}
	return w, err
}

// pcOf returns the pc at which a frozen runner's slice goes on.
func pcOf(r *replay.Runner) uint64 {
	if e, err := r.Event(); err == nil && e != nil && int(e.TID) != r.Active {
		if th := r.Threads[int(e.TID)]; th != nil {
			return th.Regs.Rip
		}
	}
	return r.Regs().Rip
}

func (a *approach) run(ctx context.Context) (*Window, error) {
	var err error
	if a.text, _, err = a.l.text(a.start.r); err != nil {
		return nil, err
	}
	if a.arrivals > 1 {
		if w, err := a.loop(ctx); w != nil || err != nil {
			return w, err
		}
	}
	a.add(a.addr)
	a.add(pcOf(a.start.r))
	if own(a.start, a.addr) == 1 && a.entry(a.addr) {
		a.addCaller(a.start.r)
	}
	for range maxRounds {
		w, err := a.round(ctx)
		if w != nil || err != nil {
			return w, err
		}
	}
	return nil, fmt.Errorf("no mark within reach")
}

// loop goes to the previous execution of P's instruction and, if P is near from
// there, makes the window. Otherwise the approach goes on from there.
func (a *approach) loop(ctx context.Context) (*Window, error) {
	r, err := fork(a.start.r)
	if err != nil {
		return nil, err
	}
	g := a.l.newRig(r)
	g.trail = newTrail(nil)
	defer g.trail.kill()
	p := g.point(a.addr)
	p.limit, p.few = a.arrivals-1, a.arrivals <= fewHits
	far := a.start.retain() // some executions before P
	defer func() { far.release() }()
	left := a.arrivals // executions from far to P, far's included
	if a.arrivals > repeats+1 {
		p.limit = a.arrivals - repeats
	}
	if err := g.arm(); err != nil {
		r.Kill()
		return nil, err
	}
	go1 := func() error {
		hit, _, err := g.run(ctx)
		switch {
		case err != nil:
			return err
		case stopped(ctx) != nil:
			return stopped(ctx)
		case hit == nil:
			return ErrNotFound
		}
		return nil
	}
	if err := go1(); err != nil {
		r.Kill()
		return nil, err
	}
	if p.limit < a.arrivals-1 {
		f, err := g.fork()
		if err != nil {
			r.Kill()
			return nil, err
		}
		n := far.next(f.r, Coord{a.addr, p.limit})
		n.g = f
		left = a.arrivals - p.limit + 1
		far.release()
		far = n
		if err := g.setLimit(p, a.arrivals-1); err != nil {
			r.Kill()
			return nil, err
		}
		if err := go1(); err != nil {
			r.Kill()
			return nil, err
		}
	}
	if err := g.strip(); err != nil {
		r.Kill()
		return nil, err
	}
	if err := far.bare(); err != nil {
		r.Kill()
		return nil, err
	}
	near := far.next(r, Coord{a.addr, left - 1})
	a.start.release()
	a.start, a.arrivals = near, 2
	w, steps, err := a.step(ctx, near, Coord{}, 1, reachSteps)
	if w == nil || err != nil {
		a.learn(steps)
		return nil, err
	}
	if n := uint64(w.Len()); n < uint64(a.want) && left > 2 {
		back := min(uint64(a.want)/n+1, left-1) // executions back
		if x, _, err := a.step(ctx, far, Coord{a.addr, left - back}, back, 4*a.want+reachSteps); err != nil {
			w.Close()
			return nil, err
		} else if x != nil {
			w.Close()
			return x, nil
		}
	}
	return w, nil
}

// step goes to the point at since node n and steps from there to the arrivals-th
// execution of P's instruction after it. It returns nil and what was stepped
// through when that is more than cap instructions away.
func (a *approach) step(ctx context.Context, n *node, at Coord, arrivals uint64, cap int) (*Window, []step, error) {
	r, err := a.l.Seek(ctx, n.r, at)
	if err != nil {
		return nil, nil, err
	}
	t := &stepper{r: r}
	for len(t.steps) < cap {
		if err := stopped(ctx); err != nil {
			r.Kill()
			return nil, nil, err
		}
		ok, err := t.step(ctx)
		if err == nil && !ok && ctx.Err() == nil {
			err = ErrNotFound
		}
		if err != nil {
			r.Kill()
			return nil, nil, err
		}
		if ok && r.Regs().Rip == a.addr {
			if arrivals--; arrivals == 0 {
				return &Window{l: a.l, steps: t.steps, end: r, from: n.retain(), at: at}, nil, nil
			}
		}
	}
	r.Kill()
	return nil, t.steps, nil
}

// add marks the function that holds pc from the next round on; ok is false when
// it is marked already or not known.
func (a *approach) add(pc uint64) (ok bool) {
	for _, f := range a.funcs {
		if f.lo <= pc && pc < f.hi {
			return false
		}
	}
	lo, hi, ok := a.text.Func(pc)
	if ok {
		a.funcs = append(a.funcs, span{lo, hi})
	}
	return ok
}

// leader returns the basic block in which P lies, nil when P begins it: the
// block's first instruction then leads to P.
func (a *approach) leader() *patch.Block {
	lo, hi, ok := a.text.Func(a.addr)
	if !ok {
		return nil
	}
	blocks, err := a.text.Blocks(lo, hi)
	if err != nil {
		return nil
	}
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].Hi() > a.addr })
	if i == len(blocks) || blocks[i].Lo() >= a.addr {
		return nil
	}
	return &blocks[i]
}

// addCaller marks the function that called the one at whose entry r stands.
func (a *approach) addCaller(r *replay.Runner) (more bool) {
	ret, ok := r.Space.Uint64(r.Regs().Rsp)
	return ok && a.add(ret)
}

// learn adds the functions of the instructions that were stepped through.
func (a *approach) learn(steps []step) (more bool) {
	for i := range steps {
		if a.add(steps[i].regs.Rip) {
			more = true
		}
	}
	return more
}

// entry is a passing of a mark.
type entry struct {
	p     *point
	count uint64 // which execution since the start it was
	seq   uint64 // how many entries the ring had got before
}

// round runs from the start to P with marks, and steps to P from the newest one
// passed, or from an older one to fill the window. It returns nil when P is too
// far from there: the start has moved there then, and functions were added.
func (a *approach) round(ctx context.Context) (*Window, error) {
	r, err := fork(a.start.r)
	if err != nil {
		return nil, err
	}
	g := a.l.newRig(r)
	g.trail = newTrail(nil)
	defer func() { g.trail.kill(); r.Kill() }()
	p := g.point(a.addr)
	p.limit, p.ring, p.few = a.arrivals, true, a.arrivals <= 2
	lead := a.leader()
	if lead != nil {
		q := g.point(lead.Lo())
		q.ring, q.few = true, p.few
	}
	for _, f := range a.funcs {
		blocks, err := a.text.Blocks(f.lo, f.hi)
		if err != nil {
			continue
		}
		for i := range blocks {
			g.blocks = append(g.blocks, &blocks[i])
		}
	}
	if err := g.arm(); err != nil {
		return nil, err
	}
	hit, _, err := g.run(ctx)
	switch {
	case err != nil:
		return nil, err
	case stopped(ctx) != nil:
		return nil, stopped(ctx)
	case hit != p:
		return nil, ErrNotFound
	}
	es, err := g.entries(p)
	if err != nil {
		return nil, err
	}
	if lead != nil && len(es) == 0 {
		q := g.point(lead.Lo())
		n, err := g.count(q)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			w, _, err := a.step(ctx, a.start, Coord{q.addr, n}, 1, len(lead.Insts))
			if w != nil || err != nil {
				return w, err
			}
		}
	}
	more := a.entry(a.addr) && a.addCaller(r)
	if more && len(es) == 0 {
		return nil, nil // the caller's marks were missing
	}
	if len(es) == 0 {
		arrivals := a.arrivals - own(a.start, a.addr)
		w, steps, err := a.step(ctx, a.start, Coord{}, arrivals, reachSteps)
		if w != nil || err != nil || a.learn(steps) {
			return w, err
		}
		return a.walk(ctx, a.start, Coord{}, arrivals)
	}
	for i := a.oldest(es); ; i /= 2 {
		n, at, err := a.before(g, es[i])
		if err != nil {
			return nil, err
		}
		w, err := a.tryFrom(ctx, n, at, g.arrivalsAfter(p, es, i), i == 0, more)
		n.release()
		if w != nil || err != nil || i == 0 {
			return w, err
		}
	}
}

// tryFrom steps to P from a mark passed. From the last one, when that is not near
// enough, it moves the start there and adds what it learnt; more says that there are
// new functions to be marked already.
func (a *approach) tryFrom(ctx context.Context, n *node, at Coord, arrivals uint64, last, more bool) (*Window, error) {
	cap := reachSteps
	if !last {
		cap += 2 * a.want
	}
	w, steps, err := a.step(ctx, n, at, arrivals, cap)
	if w != nil || err != nil || !last {
		return w, err
	}
	if !a.learn(steps) && !more {
		return a.walk(ctx, n, at, arrivals)
	}
	m, err := a.l.Seek(ctx, n.r, at)
	if err != nil {
		return nil, err
	}
	a.start.release()
	a.start = n.next(m, at)
	a.arrivals = arrivals + own(a.start, a.addr)
	return nil, nil
}

// own is 1 when the node stands at addr.
func own(n *node, addr uint64) uint64 {
	if pcOf(n.r) == addr {
		return 1
	}
	return 0
}

// walk is step through code whose functions are not known: it goes far, and must
// arrive.
func (a *approach) walk(ctx context.Context, n *node, at Coord, arrivals uint64) (*Window, error) {
	w, steps, err := a.step(ctx, n, at, arrivals, lastSteps)
	if err == nil && w == nil {
		err = fmt.Errorf("more than %d instructions of code without known functions", len(steps))
	}
	return w, err
}

// entry reports whether pc is the first address of a function.
func (a *approach) entry(pc uint64) bool {
	lo, _, ok := a.text.Func(pc)
	return !ok || lo == pc
}

// entries returns what the ring holds, newest first. P's own last execution is
// not among them.
func (g *rig) entries(p *point) ([]entry, error) {
	if g.plan == nil {
		return nil, nil
	}
	ids, seq, err := g.plan.Ring(g.r.Space)
	if err != nil {
		return nil, err
	}
	next := map[*point]uint64{}
	var es []entry
	for _, id := range ids {
		q := g.stubs[id]
		n, ok := next[q]
		if !ok {
			if n, err = g.count(q); err != nil {
				return nil, err
			}
			if q == p {
				n--
			}
		}
		seq--
		es = append(es, entry{q, n, seq})
		next[q] = n - 1
	}
	return es, nil
}

// arrivalsAfter counts the executions of p after entry i of es.
func (g *rig) arrivalsAfter(p *point, es []entry, i int) uint64 {
	n := uint64(0)
	if p.how == byStub {
		for _, e := range es[:i] {
			if e.p == p {
				n++
			}
		}
		return n + 1
	}
	for _, at := range p.passed {
		if at > es[i].seq {
			n++
		}
	}
	return n
}

// oldest chooses the entry from which stepping to P fills the window: the number
// of instructions between is known as long as no call leaves the marked
// functions.
func (a *approach) oldest(es []entry) int {
	n, i := es[0].p.rest, 0
	for n < a.want && i+1 < len(es) {
		e := es[i+1].p
		if e.call && !a.enters(es[i].p.addr) {
			break
		}
		i++
		n += e.rest
	}
	return i
}

// enters reports whether addr lies in the first block of a marked function.
func (a *approach) enters(addr uint64) bool {
	for _, f := range a.funcs {
		if f.lo <= addr && addr < f.hi {
			b, err := a.text.Blocks(f.lo, f.hi)
			return err == nil && len(b) > 0 && addr < b[0].Hi()
		}
	}
	return false
}

// before returns a node before entry e, and e's coordinate since then: the newest
// fork of the round's trail, or its start.
func (a *approach) before(g *rig, e entry) (*node, Coord, error) {
	is := func(f *rig) *point { return f.stubs[e.p.stub.ID] }
	m, err := g.trail.latest(func(m mark) (bool, error) {
		n, err := m.g.count(is(m.g))
		return n < e.count, err
	})
	if err != nil {
		return nil, Coord{}, err
	}
	if m == nil {
		return a.start.retain(), Coord{e.p.addr, e.count}, nil
	}
	p := is(m.g)
	n := a.start.after(m.g)
	if err := n.bare(); err != nil {
		n.release()
		return nil, Coord{}, err
	}
	return n, Coord{e.p.addr, e.count - p.base}, nil
}
