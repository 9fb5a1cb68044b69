package locate

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// Word is a word of memory with the value it must have.
type Word struct{ Addr, Value uint64 }

// Find returns the coordinate, since base, of the earliest point whose state is
// target's: registers, extended state and memory. target is a frozen process in
// base's slice, at or after base. The error is ErrNotFound when there is none.
func (l *Locator) Find(ctx context.Context, base *replay.Runner, target *tracee.Copy) (Coord, error) {
	s, err := stateOf(target)
	if err != nil {
		return Coord{}, err
	}
	return l.find(ctx, base, s)
}

// FindState is Find for a state of which only the general registers (orig_rax
// and the flags that tracing leaves behind aside) and some words are known.
func (l *Locator) FindState(ctx context.Context, base *replay.Runner, regs *ptrace.Regs, words []Word) (Coord, error) {
	return l.find(ctx, base, &state{regs: normal(regs), words: words})
}

func (l *Locator) find(ctx context.Context, base *replay.Runner, s *state) (Coord, error) {
	c, err := l.first(ctx, base, s)
	if err != nil && err != ErrNotFound && ctx.Err() == nil {
		err = fmt.Errorf("find: %w", err)
	}
	return c, err
}

func (l *Locator) first(ctx context.Context, base *replay.Runner, s *state) (Coord, error) {
	ahead, again, err := l.ahead(ctx, base, s)
	if err != nil {
		return Coord{}, err
	}
	m := s
	if ahead != nil {
		defer ahead.proc.Kill()
		m = ahead
	}
	r, err := fork(base)
	if err != nil {
		return Coord{}, err
	}
	defer r.Kill()
	f, err := newFinder(l.newRig(r), m)
	if err != nil {
		return Coord{}, err
	}
	for {
		c, err := f.next(ctx)
		if err == ErrNotFound && ahead == nil {
			// A slice in which nothing is executed has one point, its base.
			if same, serr := f.g.equals(s); same || serr != nil {
				return Coord{}, serr
			}
		}
		if err != nil || ahead == nil {
			return c, err
		}
		if c, err = l.behind(ctx, base, s, c, again); err != ErrNotFound {
			return c, err
		}
	}
}

// ahead returns the state of the first point behind s at which a stub can be put,
// when s is at an address that cannot have one; and how often s's instruction is
// executed until there.
func (l *Locator) ahead(ctx context.Context, base *replay.Runner, s *state) (m *state, again uint64, err error) {
	if s.proc == nil {
		return nil, 0, nil
	}
	text, maps, err := l.text(base)
	if err != nil {
		return nil, 0, err
	}
	plan := newPlan(base, text, maps, []uint64{pcOf(base)})
	if plan.Patchable(s.regs.Rip) || !text.FileBacked(s.regs.Rip) {
		return nil, 0, nil
	}
	c, err := s.proc.Fork()
	if err != nil {
		return nil, 0, err
	}
	// The search does not end where the slice Breaks, which s may well be.
	r := base.With(c)
	for range aheadSteps {
		stop, err := stepOn(ctx, r)
		if err != nil || stop != replay.Trap {
			break
		}
		if plan.Patchable(r.Regs().Rip) {
			if m, err = stateOf(r.Copy); err != nil {
				break
			}
			return m, again, nil
		}
		if r.Regs().Rip == s.regs.Rip {
			again++
		}
	}
	r.Kill()
	return nil, 0, err
}

const aheadSteps = 100

// behind returns the coordinate of s, a few steps before the point at, when the
// state there is s; else ErrNotFound.
func (l *Locator) behind(ctx context.Context, base *replay.Runner, s *state, at Coord, again uint64) (Coord, error) {
	r, err := fork(base)
	if err != nil {
		return Coord{}, err
	}
	defer r.Kill()
	g := l.newRig(r)
	p, q := g.point(s.regs.Rip), g.point(at.Addr)
	q.limit = at.Count
	if err := g.arm(); err != nil {
		return Coord{}, err
	}
	hit, _, err := g.run(ctx)
	switch {
	case err != nil:
		return Coord{}, err
	case stopped(ctx) != nil:
		return Coord{}, stopped(ctx)
	case hit != q:
		return Coord{}, ErrNotFound
	}
	n, err := g.count(p)
	if err != nil || n <= again {
		return Coord{}, cmpErr(err)
	}
	c := Coord{p.addr, n - again}
	x, err := l.Seek(ctx, base, c)
	if err != nil {
		return Coord{}, err
	}
	defer x.Kill()
	same, err := l.newRig(x).equals(s)
	if err == nil && !same {
		err = ErrNotFound
	}
	return c, err
}

func cmpErr(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

// finder goes from one point that equals a state to the next. A match stub passes
// over most others; each false match adds words in which it differs.
type finder struct {
	g *rig
	s *state
	p *point
	d distinguisher
}

// newFinder returns a finder that begins where g stands, which is not armed.
func newFinder(g *rig, s *state) (*finder, error) {
	f := &finder{g: g, s: s, d: distinguisher{s: s}}
	f.p = f.g.point(s.regs.Rip)
	f.p.match = &patch.Match{}
	for n := range f.p.match.Regs {
		f.p.match.Regs[n] = patch.GPR(&s.regs, n)
	}
	for _, w := range s.words {
		if len(f.p.match.Words) < maxWords {
			f.p.match.Words = append(f.p.match.Words, patch.Word(w))
		}
	}
	if err := f.d.learn(f.g, f.p); err != nil {
		return nil, err
	}
	return f, f.g.arm()
}

func (f *finder) next(ctx context.Context) (Coord, error) {
	g, p := f.g, f.p
	for {
		hit, _, err := g.run(ctx)
		switch {
		case err != nil:
			return Coord{}, err
		case stopped(ctx) != nil:
			return Coord{}, stopped(ctx)
		case hit == nil:
			return Coord{}, ErrNotFound
		}
		same, err := g.equals(f.s)
		if err != nil {
			return Coord{}, err
		}
		if same {
			n, err := g.count(p)
			return Coord{p.addr, n}, err
		}
		if p.how != byStub {
			continue
		}
		// The execution at hand is counted; it must not be counted again when
		// the stubs are back.
		if err := g.strip(); err != nil {
			return Coord{}, err
		}
		p.base--
		if err := f.d.learn(g, p); err != nil {
			return Coord{}, err
		}
		if err := g.arm(); err != nil {
			return Coord{}, err
		}
	}
}

const maxWords = 8

// distinguisher finds words that tell a state from others with equal registers.
type distinguisher struct {
	s *state
	// words differed from s in every state seen so far.
	words []Word
}

// learn looks at g's state, which is not s though its registers may be, and
// chooses the words that p's match compares. g is not armed.
func (d *distinguisher) learn(g *rig, p *point) error {
	if d.s.proc == nil {
		return nil
	}
	set, err := tracee.Differing(g.r.Space, g.r.Lineage, d.s.proc.Space, d.s.proc.Lineage)
	if err != nil {
		return err
	}
	if d.words != nil {
		kept := d.words[:0]
		for _, w := range d.words {
			if v, ok := g.r.Space.Uint64(w.Addr); ok && v != w.Value {
				kept = append(kept, w)
			}
		}
		d.words = kept
	}
	if len(d.words) < maxWords {
		have := map[uint64]bool{}
		for _, w := range d.words {
			have[w.Addr] = true
		}
		for _, w := range d.differences(g.r.Space, set, g.r.StubData()) {
			if !have[w.Addr] {
				d.words = append(d.words, w)
			}
		}
	}
	// Evenly over all, the stack's words first.
	p.match.Words = p.match.Words[:min(len(p.match.Words), len(d.s.words))]
	room := maxWords - len(p.match.Words)
	stack := 0
	for stack < len(d.words) && d.words[stack].Addr&^4095 == d.s.regs.Rsp&^4095 {
		stack++
	}
	for _, part := range [][]Word{d.words[:stack], d.words[stack:]} {
		n := min(len(part), room)
		if stack > 0 && len(part) == stack {
			n = min(n, (room+1)/2)
		}
		for i := range n {
			p.match.Words = append(p.match.Words, patch.Word(part[i*len(part)/n]))
		}
		room -= n
	}
	return nil
}

// differences lists words that differ between a process and the target, those on
// the stack's page first. It looks at a limited number of pages, and at none of skip.
func (d *distinguisher) differences(a *tracee.Space, set tracee.PageSet, skip map[uint64]bool) (out []Word) {
	const pages, most = 64, 4096
	x, y := make([]byte, tracee.PageSize), make([]byte, tracee.PageSize)
	page := func(lo uint64) {
		if ours(lo) || skip[lo] || a.Read(lo, x) != len(x) || d.s.proc.Space.Read(lo, y) != len(y) || bytes.Equal(x, y) {
			return
		}
		for i := 0; i < len(x) && len(out) < most; i += 8 {
			if v := binary.LittleEndian.Uint64(y[i:]); v != binary.LittleEndian.Uint64(x[i:]) {
				out = append(out, Word{lo + uint64(i), v})
			}
		}
	}
	stack := d.s.regs.Rsp &^ 4095
	page(stack)
	step := max(1, set.Pages()/pages)
	n := 0
	for _, r := range set {
		for lo := r.Lo; lo < r.Hi; lo += tracee.PageSize {
			if n++; n%step == 0 && lo != stack {
				page(lo)
			}
		}
	}
	return out
}

// equals compares the state of g, which stands at a point's stop, with s. What
// the rig has patched does not count.
func (g *rig) equals(s *state) (bool, error) {
	if same, err := s.equalRegs(g.r); !same || err != nil {
		return false, err
	}
	if s.proc == nil {
		return true, nil
	}
	set, err := tracee.Differing(g.r.Space, g.r.Lineage, s.proc.Space, s.proc.Lineage)
	if err != nil {
		return false, err
	}
	texts, maps := g.patched()
	stubs := g.r.StubData()
	inText := map[uint64]bool{}
	ignore := func(lo uint64) bool {
		if texts[lo] {
			inText[lo] = true
			return true
		}
		return ours(lo) || stubs[lo] || maps.Has(lo)
	}
	if _, d := tracee.FirstDifference(g.r.Space, s.proc.Space, set, ignore); d {
		return false, nil
	}
	x, y := make([]byte, tracee.PageSize), make([]byte, tracee.PageSize)
	for lo := range inText {
		i, j := g.r.Space.Read(lo, x), s.proc.Space.Read(lo, y)
		if i != j {
			return false, nil
		}
		g.original(lo, x[:i])
		if !bytes.Equal(x[:i], y[:j]) {
			return false, nil
		}
	}
	return true, nil
}

// patched returns the pages of text that the rig has changed, and the pages that
// it has mapped.
func (g *rig) patched() (texts map[uint64]bool, maps tracee.PageSet) {
	texts = map[uint64]bool{}
	for _, p := range g.points {
		if p.how == byInt3 {
			texts[p.phys&^4095] = true
		}
	}
	if g.plan == nil {
		return texts, nil
	}
	for _, w := range g.plan.Undo() {
		texts[w.Addr&^4095] = true
		texts[(w.Addr+uint64(len(w.Data))-1)&^4095] = true
	}
	for _, m := range g.plan.Maps() {
		maps = append(maps, tracee.Range{Lo: m.Lo, Hi: m.Hi})
	}
	return texts, maps
}

// original replaces what the rig has written into the page at lo, whose content
// is b, by what was there.
func (g *rig) original(lo uint64, b []byte) {
	put := func(addr uint64, old []byte) {
		for i, v := range old {
			if o := addr + uint64(i) - lo; o < uint64(len(b)) {
				b[o] = v
			}
		}
	}
	if g.plan != nil {
		for _, w := range g.plan.Undo() {
			put(w.Addr, w.Data)
		}
	}
	for _, p := range g.points {
		if p.how == byInt3 {
			put(p.phys, []byte{p.old})
		}
	}
}
