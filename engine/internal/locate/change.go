package locate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"yore/engine/internal/replay"
)

// The last change of watched memory. A debug register costs some 25 µs a hit, so
// it is used to learn which instructions access the words, not to count them:
//
//  1. Debug registers on, run from the start to the first access: its
//     instruction is a writer.
//  2. Count the executions of all writers (with a test on the address where it
//     can be told from one register) from the start up to the end: stubs.
//  3. Go to the last one. From there run to the end with debug registers on. An
//     access there is by a writer not known yet: the start moves to the last
//     execution found, go to 2. Each round begins later.
//  4. Otherwise no write lies behind the last execution. Whether it changed the
//     value is seen by comparing; if not, look at the last 64 executions, at the
//     last 4096, and so on.
//
// What events write does not trigger debug registers: the words are compared at
// each event that touches them.

// Change is the last change of watched memory (for Reads, access).
type Change struct {
	// Before stands just before the instruction that made it, in slice Event; it
	// is nil when Kernel is set, and when the instruction could not be told. At,
	// when Known, is its place: with Relative it counts from where the search
	// began, else from the slice's start.
	Before   *replay.Runner
	Event    int64
	At       Coord
	Known    bool
	Relative bool
	// After stands behind the instruction, or at the start of slice Event, whose
	// event made the change.
	After  *replay.Runner
	Watch  int // index
	Kernel bool
}

// LastChange returns the last change of the words (of those with Reads, the last
// access) at or after from and strictly before end, nil when there is none. The
// caller kills the runners.
func (l *Locator) LastChange(ctx context.Context, from *replay.Runner, end End, words []Watch) (*Change, error) {
	var best *Change
	for _, group := range groups(words) {
		var part []Watch
		for _, i := range group {
			part = append(part, words[i])
		}
		s := &changeSearch{l: l, words: part, from: from, whole: end, start: from, end: end}
		c, err := s.run(ctx)
		s.begin(from, end)
		if err == nil && c != nil {
			c.Watch = group[c.Watch]
			best, err = l.later(ctx, best, c)
		}
		if err != nil {
			best.Kill()
			if stopped(ctx) != nil {
				return nil, stopped(ctx)
			}
			return nil, fmt.Errorf("last change: %w", err)
		}
	}
	return best, nil
}

// groups splits words into sets that the debug registers can watch together, by
// index: four at most, and all with Reads or none.
func groups(words []Watch) (out [][]int) {
	for _, reads := range []bool{false, true} {
		var g []int
		for i, w := range words {
			if w.Reads != reads {
				continue
			}
			if len(g) == debugRegs {
				out, g = append(out, g), nil
			}
			g = append(g, i)
		}
		if len(g) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// later returns the later of two changes and kills the other; a may be nil.
func (l *Locator) later(ctx context.Context, a, b *Change) (*Change, error) {
	if a == nil {
		return b, nil
	}
	first, second := a, b
	switch {
	case a.After.Next != b.After.Next:
		if a.After.Next > b.After.Next {
			first, second = b, a
		}
	case a.Kernel: // at the beginning of the slice
	case b.Kernel:
		first, second = b, a
	default:
		_, err := l.Find(ctx, a.After, b.After.Copy)
		if err != nil && err != ErrNotFound {
			b.Kill()
			return a, err
		}
		if err == ErrNotFound {
			first, second = b, a
		}
	}
	first.Kill()
	return second, nil
}

// Kill ends the change's runners.
func (c *Change) Kill() {
	if c == nil {
		return
	}
	for _, r := range []*replay.Runner{c.Before, c.After} {
		if r != nil {
			r.Kill()
		}
	}
}

// changeSearch is the state between rounds.
type changeSearch struct {
	l     *Locator
	words []Watch
	from  *replay.Runner
	whole End // counted from from
	// start is where the present round begins, and end the end counted from there.
	start   *replay.Runner
	end     End
	writers []writer
}

// errOpaque means that the instruction behind an access cannot be told.
var errOpaque = errors.New("watched memory was accessed by an instruction that cannot be told")

func (s *changeSearch) run(ctx context.Context) (*Change, error) {
	const most = 40 // writers
	for len(s.writers) < most {
		c, again, err := s.round(ctx)
		if errors.Is(err, errOpaque) {
			break
		}
		if c != nil || err != nil || !again {
			return c, err
		}
	}
	return s.plain(ctx)
}

// round is steps 2 to 4. again is set when another writer was found.
func (s *changeSearch) round(ctx context.Context) (c *Change, again bool, err error) {
	t := newTrail(nil)
	defer t.kill()
	n, kernel := uint64(0), (*eventChange)(nil)
	if len(s.writers) > 0 {
		if n, kernel, err = s.count(ctx, t); err != nil {
			return nil, false, err
		}
	}
	if n == 0 {
		if again, kernel, err = s.quiet(ctx, s.start, s.end); again || err != nil || kernel == nil {
			return nil, again, err
		}
		c, err = s.byEvent(ctx, kernel)
		return c, false, err
	}
	for k := uint64(1); ; k *= 64 {
		k = min(k, n)
		x, err := s.scan(ctx, t, n, k)
		if err != nil {
			return nil, false, err
		}
		if k == 1 {
			again, _, err := s.quiet(ctx, x.after, x.endAfter)
			if err != nil {
				x.kill()
				return nil, false, err
			}
			if again {
				x.after.Kill()
				s.begin(x.before, x.endBefore)
				return nil, true, nil
			}
		}
		if kernel != nil && kernel.hits > n-k && kernel.hits >= x.nth {
			x.kill()
			c, err := s.byEvent(ctx, kernel)
			return c, false, err
		}
		if x.nth == n {
			c := &Change{Before: x.before, After: x.after, Watch: x.watch}
			s.place(c, x.hit)
			return c, false, nil
		}
		x.kill()
		if x.nth > 0 {
			c, err := s.byStore(ctx, t, x.nth, x.watch)
			return c, false, err
		}
		if k == n { // nothing changed since the start, which may have moved
			again := s.start != s.from
			s.begin(s.from, s.whole)
			return nil, again, nil
		}
	}
}

// begin makes the next round begin at r, with the end counted from there.
func (s *changeSearch) begin(r *replay.Runner, end End) {
	if s.start != s.from {
		s.start.Kill()
	}
	s.start, s.end = r, end
}

// place notes where c's instruction is.
func (s *changeSearch) place(c *Change, h Hit) {
	c.Event, c.At = h.Event, h.At
	c.Known = !h.Relative || s.start == s.from
	c.Relative = h.Relative
}

func (s *changeSearch) probes() []Probe {
	out := make([]Probe, len(s.writers))
	for i, w := range s.writers {
		out[i] = Probe{Addr: w.pc, Test: w.test}
	}
	return out
}

// chase prepares a run from a fork of the start.
func (s *changeSearch) chase(goal uint64) (*chase, error) {
	r, err := s.start.Fork()
	if err != nil {
		return nil, err
	}
	c, err := s.l.newChase(r, s.probes(), s.end, goal)
	if err != nil {
		r.Kill()
		return nil, err
	}
	c.words = s.words
	return c, nil
}

// count runs to the end and returns how often writers were executed, and the
// last change by an event.
func (s *changeSearch) count(ctx context.Context, t *trail) (uint64, *eventChange, error) {
	c, err := s.chase(0)
	if err != nil {
		return 0, nil, err
	}
	defer func() { c.g.r.Kill() }()
	t.note = func(*rig) any {
		c.progress()
		return c.leg
	}
	c.g.trail = t
	done, err := c.begin(ctx)
	if !done && err == nil {
		var why Reason
		if _, _, why, err = c.next(ctx); err == nil && why == Cancelled {
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return 0, nil, err
	}
	n, err := c.g.groupCount()
	return n, c.byEvent, err
}

// to returns a chase from the newest fork of the trail that has passed fewer than
// goal executions, or from the start; it stops at that execution and all later.
func (s *changeSearch) to(ctx context.Context, t *trail, goal uint64) (*chase, error) {
	m, err := t.newest(func(m mark) (bool, error) {
		k, err := m.g.groupCount()
		return k < goal, err
	})
	if err != nil {
		return nil, err
	}
	if m == nil {
		c, err := s.chase(goal)
		if err != nil {
			return nil, err
		}
		if _, err := c.begin(ctx); err != nil {
			c.g.r.Kill()
			return nil, err
		}
		return c, nil
	}
	g, err := m.g.fork()
	if err != nil {
		return nil, err
	}
	c := &chase{l: s.l, g: g, probes: s.probes(), end: s.end, leg: m.note.(leg), words: s.words}
	c.resume()
	if err := c.last(); err != nil {
		return nil, err
	}
	if !c.end.Open && !c.end.Last && c.here() {
		c.stop = g.at[c.end.At.Addr]
	}
	if err := g.setGoal(goal); err != nil {
		g.r.Kill()
		return nil, err
	}
	return c, nil
}

// execution goes on to the next execution of a writer, which must come.
func (c *chase) execution(ctx context.Context) (Hit, error) {
	p, i, why, err := c.next(ctx)
	switch {
	case err != nil:
		return Hit{}, err
	case why == Cancelled:
		return Hit{}, context.Cause(ctx)
	case why != AtHit:
		return Hit{}, errors.New("a hit that was counted did not come again")
	}
	return c.where(p, i)
}

// scanned is what the last k of n executions did.
type scanned struct {
	hit           Hit            // the n-th
	before, after *replay.Runner // of the n-th
	// endBefore and endAfter are the end counted from there.
	endBefore, endAfter End
	nth                 uint64 // the last that changed a word; 0 for none
	watch               int
}

func (s *scanned) kill() {
	s.before.Kill()
	s.after.Kill()
}

// scan looks at the executions from the (n−k+1)-th to the n-th.
func (s *changeSearch) scan(ctx context.Context, t *trail, n, k uint64) (*scanned, error) {
	c, err := s.to(ctx, t, n-k+1)
	if err != nil {
		return nil, err
	}
	x := &scanned{}
	if err := s.look(ctx, c, x, n-k+1, n); err != nil {
		c.g.r.Kill()
		return nil, err
	}
	x.before = c.g.r
	if x.after, err = x.before.Fork(); err != nil {
		x.before.Kill()
		return nil, err
	}
	was := s.read(x.after)
	if _, err := stepOne(ctx, x.after); err != nil {
		x.kill()
		return nil, err
	}
	if w := differ(was, s.read(x.after)); w >= 0 && !s.words[0].Reads {
		x.nth, x.watch = n, w
	}
	return x, nil
}

// look goes with c from one execution to the next and notes which changed a word.
func (s *changeSearch) look(ctx context.Context, c *chase, x *scanned, first, n uint64) error {
	var was [][]byte
	for i := first; i <= n; i++ {
		c.touched = nil
		h, err := c.execution(ctx)
		if err != nil {
			return err
		}
		now := s.read(c.g.r)
		if s.words[0].Reads {
			if w := s.accesses(c.g.r); w >= 0 {
				x.nth, x.watch = i, w
			}
		} else if was != nil {
			then := now
			if c.touched != nil { // an event came between
				then = c.touched
			}
			if w := differ(was, then); w >= 0 {
				x.nth, x.watch = i-1, w
			}
		}
		was, x.hit = now, h
	}
	x.endBefore, x.endAfter = c.end, c.end
	if c.stop != nil {
		done, err := c.g.count(c.stop)
		if err != nil {
			return err
		}
		left := c.stop.limit - done
		x.endAfter.At.Count, x.endBefore.At.Count = left, left
		if c.stop.addr == x.hit.At.Addr {
			x.endBefore.At.Count++
		}
	}
	return c.g.strip()
}

// accesses returns the word that the writer at which r stands accesses, −1 for
// none.
func (s *changeSearch) accesses(r *replay.Runner) int {
	regs := r.Regs()
	n := slices.IndexFunc(s.writers, func(w writer) bool { return w.pc == regs.Rip })
	as, exact := s.writers[n].in.Accesses(regs)
	return slices.IndexFunc(s.words, func(w Watch) bool { return !exact || touches(as, &w, true) })
}

func (s *changeSearch) read(r *replay.Runner) [][]byte { return readWords(r, s.words) }

func readWords(r *replay.Runner, words []Watch) [][]byte {
	out := make([][]byte, len(words))
	for i, x := range words {
		b := make([]byte, x.Len)
		out[i] = b[:r.Space.Read(x.Addr, b)]
	}
	return out
}

// differ returns the index of a value that differs, −1 for none.
func differ(a, b [][]byte) int {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return i
		}
	}
	return -1
}

// byStore goes to the nth execution.
func (s *changeSearch) byStore(ctx context.Context, t *trail, nth uint64, watch int) (*Change, error) {
	c, err := s.to(ctx, t, nth)
	if err != nil {
		return nil, err
	}
	h, err := c.execution(ctx)
	if err == nil {
		err = c.g.strip()
	}
	out := &Change{Before: c.g.r, Watch: watch}
	if err == nil {
		out.After, err = out.Before.Fork()
	}
	if err == nil {
		_, err = stepOne(ctx, out.After)
	}
	if err != nil {
		out.Kill()
		return nil, err
	}
	s.place(out, h)
	return out, nil
}

// byEvent goes to the slice of an event that changed a word.
func (s *changeSearch) byEvent(ctx context.Context, e *eventChange) (*Change, error) {
	r, err := s.start.Fork()
	if err != nil {
		return nil, err
	}
	if err := r.Advance(ctx, e.event+1); err != nil {
		r.Kill()
		return nil, err
	}
	return &Change{After: r, Event: e.event, Watch: e.watch, Kernel: true, Known: true}, enter(r)
}

// quiet runs from r to end with debug registers on. again is set when a writer
// showed up that was not known; otherwise it returns the last change by an event.
func (s *changeSearch) quiet(ctx context.Context, r *replay.Runner, end End) (again bool, e *eventChange, err error) {
	f, err := r.Fork()
	if err != nil {
		return false, nil, err
	}
	c, err := s.l.watchChase(f, end, s.words)
	if err != nil {
		f.Kill()
		return false, nil, err
	}
	c.words = s.words
	defer func() { c.g.r.Kill() }()
	done, err := c.begin(ctx)
	if done || err != nil {
		return false, nil, err
	}
	hit, why, err := c.untilFired(ctx)
	switch {
	case err != nil:
		return false, nil, err
	case why == Cancelled:
		return false, nil, context.Cause(ctx)
	case hit < 0:
		return false, c.byEvent, nil
	}
	w, ok, err := s.l.writerOf(c.g, s.words, hit)
	if err != nil {
		return false, nil, err
	}
	if !ok || slices.ContainsFunc(s.writers, func(x writer) bool { return x.pc == w.pc }) {
		return false, nil, errOpaque
	}
	s.writers = append(s.writers, w)
	return true, nil, s.more(ctx, c)
}

// more goes on from the first access by an unknown writer for a few accesses and
// adds the writers that are met: each found here saves a round.
func (s *changeSearch) more(ctx context.Context, c *chase) error {
	const patience = 12 // accesses without a new writer
	for old := 0; old < patience; old++ {
		if err := c.g.arm(); err != nil {
			return err
		}
		hit, why, err := c.untilFired(ctx)
		switch {
		case err != nil:
			return err
		case why == Cancelled:
			return context.Cause(ctx)
		case hit < 0:
			return nil
		}
		w, ok, err := s.l.writerOf(c.g, s.words, hit)
		if err != nil || !ok {
			return err
		}
		if !slices.ContainsFunc(s.writers, func(x writer) bool { return x.pc == w.pc }) {
			s.writers = append(s.writers, w)
			old = 0
		}
	}
	return nil
}

// plain finds the last change by debug registers alone: it counts the changes,
// and goes to the last.
func (s *changeSearch) plain(ctx context.Context) (*Change, error) {
	run := func(stop int) (*replay.Runner, Changes, error) {
		r, err := s.from.Fork()
		if err != nil {
			return nil, Changes{}, err
		}
		c, why, err := s.l.RunWatched(ctx, r, s.whole, s.words, stop, math.MaxInt)
		if err == nil && why == Cancelled {
			err = context.Cause(ctx)
		}
		if err != nil {
			r.Kill()
		}
		return r, c, err
	}
	r, c, err := run(0)
	if err != nil {
		return nil, err
	}
	r.Kill()
	if c.N == 0 {
		return nil, nil
	}
	if r, c, err = run(c.N); err != nil {
		return nil, err
	}
	return &Change{After: r, Event: r.Next - 1, Watch: c.Watch, Kernel: c.Kernel}, nil
}
