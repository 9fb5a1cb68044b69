package locate

import (
	"context"
	"math"
	"slices"
	"time"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
	"yore/engine/trace"
)

// Probe is a breakpoint: an address with conditions. Of several probes at one
// address the first whose conditions hold is hit.
type Probe struct {
	Addr uint64
	// Test, when set, must hold; it is compiled into the program's code where
	// that is possible.
	Test *patch.Cond
	// Cond, when set, is asked after Test. The runner stands at the probe; its
	// code can carry patches of ours. Cond must not move it or write to it, and
	// can be asked more than once about the same execution.
	Cond func(*replay.Runner) (bool, error)
}

// End is where a search or a run ends: a point of slice Event. When the search
// begins in that very slice, At counts from where it begins, else from the
// slice's start. Last means the slice's last point instead of At; Open that
// there is no end but that of the log.
type End struct {
	Event int64
	At    Coord
	Last  bool
	Open  bool
}

// Reason says why a run came to its end.
type Reason uint8

const (
	AtHit Reason = iota
	AtEndPoint
	AtLogEnd
	Cancelled
)

// chase is a run over events with probes and an armed end.
type chase struct {
	l      *Locator
	g      *rig
	probes []Probe
	asked  map[uint64][]int // addresses at which each execution stops, and their probes
	end    End
	stop   *point // the end, once its slice has been entered
	brk    *point // where the present slice breaks off (bound); nil when it does not
	cut    bool   // it breaks off right here
	leg    leg
	told   time.Time // when progress was reported
	// words, when set, are compared at each event that touches them: byEvent is
	// the last change seen, touched what they were before the first such event
	// since it was nil.
	words   []Watch
	byEvent *eventChange
	touched [][]byte
}

// eventChange is a change of a watched word by an event.
type eventChange struct {
	event int64
	watch int
	hits  uint64 // the group's count then
}

// leg is where a chase is: what is kept with the forks of its trail.
type leg struct {
	slice  int64 // event whose slice this is
	first  bool  // still in the slice of the beginning
	starts []uint64
	// brk is the address of the point where the slice breaks off, 0 for none;
	// was is what limit the point has otherwise.
	brk, was uint64
}

// newChase prepares r, which stands at the beginning. goal is the number of hits
// at which the group stops the run, 0 for never.
func (l *Locator) newChase(r *replay.Runner, probes []Probe, end End, goal uint64) (*chase, error) {
	c := &chase{l: l, g: l.newRig(r), probes: probes, asked: map[uint64][]int{}, end: end,
		leg: leg{slice: r.Next - 1, first: true}}
	if err := enter(r); err != nil {
		return nil, err
	}
	clean(r)
	if err := c.last(); err != nil {
		return nil, err
	}
	seen := map[uint64]int{}
	for i, p := range probes {
		seen[p.Addr]++
		if p.Cond != nil || seen[p.Addr] > 1 {
			c.asked[p.Addr] = nil
		}
		c.g.point(probes[i].Addr)
	}
	for i, p := range probes {
		q := c.g.point(p.Addr)
		if _, asked := c.asked[p.Addr]; asked {
			c.asked[p.Addr] = append(c.asked[p.Addr], i)
			q.every = true
		} else {
			q.group, q.cond = true, p.Test
		}
	}
	if !c.end.Open && !c.end.Last && !c.end.At.AtBase() {
		p := c.g.point(c.end.At.Addr)
		p.limit = math.MaxUint64
		p.few = c.here() && c.end.At.Count < fewHits && !p.every && !p.group
	}
	c.g.goal = goal
	return c, c.g.arm()
}

// last turns an end at the last point of a slice into a coordinate where that is
// known beforehand.
func (c *chase) last() error {
	if !c.end.Last || c.end.Open {
		return nil
	}
	x := *c.g.r
	for x.Next = c.end.Event + 1; ; x.Next++ {
		e, err := x.Event()
		if err != nil || e == nil {
			return err
		}
		if e.Kind == trace.Cut {
			continue
		}
		if n, ok := ender(&x, e); ok {
			c.end.Last, c.end.At = false, Coord{e.PC - n, 1}
		}
		return nil
	}
}

// here reports whether the end lies in the present slice.
func (c *chase) here() bool {
	return c.leg.slice >= c.end.Event || c.g.r.Next-1 >= c.end.Event
}

// bound puts a point where the slice at hand breaks off, if it does so before an
// event that nothing in the program shows (replay.Breaks) and does not hold the end.
func (c *chase) bound(ctx context.Context) error {
	c.brk, c.cut = nil, false
	if !c.end.Open && !c.end.Last && c.here() {
		return nil
	}
	to, err := c.g.r.BreakAhead()
	if to == nil || err != nil {
		return err
	}
	f, err := c.g.fork()
	if err != nil {
		return err
	}
	defer func() { f.r.Kill() }()
	if err := f.strip(); err != nil {
		return err
	}
	at, err := c.l.Find(ctx, f.r, to)
	if err != nil {
		return err
	}
	if at.AtBase() || at.Count == 1 && c.g.r.Regs().Rip == at.Addr {
		c.cut = true
		return nil
	}
	if err := c.g.strip(); err != nil {
		return err
	}
	c.brk = c.g.point(at.Addr)
	n, err := c.g.count(c.brk)
	if err != nil {
		return err
	}
	c.leg.was, c.leg.brk = c.brk.limit, at.Addr
	c.brk.limit = n + at.Count
	return c.g.arm()
}

// resume makes a chase of a fork of another's rig, whose leg it has, keep to the
// bound that is armed there.
func (c *chase) resume() {
	if c.leg.brk != 0 {
		c.brk = c.g.at[c.leg.brk]
	}
}

// run is the rig's run that also ends where the slice breaks off. What is about to
// be executed there is executed behind the event, and counts there.
func (c *chase) run(ctx context.Context) (*point, replay.Stop, error) {
	if c.cut {
		c.g.r.AtBreak()
		return nil, replay.AtEvent, nil
	}
	p, stop, err := c.g.run(ctx)
	if p == nil || err != nil || p != c.brk {
		return p, stop, err
	}
	if n, err := c.g.count(p); n != p.limit || err != nil {
		return p, stop, err
	}
	if p.group && (p.cond == nil || holds(p.cond, c.g.r)) {
		if err := c.g.strip(); err != nil {
			return nil, stop, err
		}
		c.g.hits--
	}
	p.limit, c.leg.brk = c.leg.was, 0
	c.g.r.AtBreak()
	return nil, replay.AtEvent, nil
}

// begin notes that a slice begins. done means that the end lies right here.
func (c *chase) begin(ctx context.Context) (done bool, err error) {
	if err := c.bound(ctx); err != nil {
		return false, err
	}
	if c.leg.starts, err = c.g.counts(); err != nil {
		return false, err
	}
	if c.end.Open || c.end.Last || !c.here() {
		return false, nil
	}
	if c.end.At.AtBase() {
		return true, nil
	}
	c.stop = c.g.point(c.end.At.Addr)
	n, err := c.g.count(c.stop)
	if err != nil {
		return false, err
	}
	return false, c.g.setLimit(c.stop, n+c.end.At.Count)
}

// next goes on to the next hit that stops the run, or to the end.
func (c *chase) next(ctx context.Context) (p *point, probe int, why Reason, err error) {
	for {
		p, stop, err := c.run(ctx)
		switch {
		case err != nil:
			return nil, 0, 0, err
		case ctx.Err() != nil || stop == replay.Interrupted:
			return nil, 0, Cancelled, nil
		case p != nil:
			if p == c.stop {
				n, err := c.g.count(p)
				if err != nil || n == p.limit {
					return nil, 0, AtEndPoint, err
				}
			}
			if p.group {
				return p, c.probe(p.addr), AtHit, nil
			}
			i, err := c.ask(p.addr)
			if err != nil {
				return nil, 0, 0, err
			}
			if i >= 0 {
				return p, i, AtHit, nil
			}
			continue
		case stop == replay.AtEnd:
			return nil, 0, AtLogEnd, nil
		case c.end.Last && !c.end.Open && c.here():
			return nil, 0, AtEndPoint, nil
		case c.stop != nil:
			return nil, 0, 0, ErrNotFound // the end is no point of its slice
		}
		if err := c.apply(); err != nil {
			return nil, 0, 0, err
		}
		c.leg.slice, c.leg.first = c.g.applied, false
		done, err := c.begin(ctx)
		if err != nil || done {
			return nil, 0, AtEndPoint, err
		}
		c.progress()
	}
}

// apply takes the next event's effect and looks at what it does to the words.
func (c *chase) apply() error {
	if len(c.words) == 0 {
		return c.g.apply()
	}
	e, err := c.g.r.Event()
	if err != nil {
		return err
	}
	if !c.g.affects(e, func(lo, hi uint64) bool {
		return slices.ContainsFunc(c.words, func(w Watch) bool { return w.Addr < hi && lo < w.Addr+uint64(w.Len) })
	}) {
		return c.g.apply()
	}
	was := readWords(c.g.r, c.words)
	if c.touched == nil {
		c.touched = was
	}
	n, err := c.g.groupCount()
	if err != nil {
		return err
	}
	if err := c.g.apply(); err != nil {
		return err
	}
	if w := differ(was, readWords(c.g.r, c.words)); w >= 0 {
		c.byEvent = &eventChange{c.g.applied, w, n}
	}
	return nil
}

func (c *chase) progress() {
	if c.l.Progress == nil {
		return
	}
	if now := time.Now(); now.Sub(c.told) > progressEvery {
		c.told = now
		c.l.Progress(c.leg.slice)
	}
}

const progressEvery = 50 * time.Millisecond

// probe returns the index of the only probe at addr.
func (c *chase) probe(addr uint64) int {
	return slices.IndexFunc(c.probes, func(p Probe) bool { return p.Addr == addr })
}

// ask evaluates the probes at addr, where the runner stands. It returns −1 when
// none is hit.
func (c *chase) ask(addr uint64) (int, error) {
	for _, i := range c.asked[addr] {
		p := &c.probes[i]
		if p.Test != nil && !holds(p.Test, c.g.r) {
			continue
		}
		if p.Cond == nil {
			return i, nil
		}
		ok, err := p.Cond(c.g.r)
		if ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

// where returns the point p at which the runner stands.
func (c *chase) where(p *point, probe int) (Hit, error) {
	n, err := c.g.count(p)
	i := slices.Index(c.g.points, p)
	return Hit{Probe: probe, Event: c.leg.slice, At: Coord{p.addr, n - c.leg.starts[i]}, Relative: c.leg.first}, err
}

// counts returns the counts of all points, in the order of g.points.
func (g *rig) counts() ([]uint64, error) {
	out := make([]uint64, 0, len(g.points))
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for _, p := range g.points {
		if p.how == byStub {
			lo, hi = min(lo, p.stub.CounterAddr), max(hi, p.stub.CounterAddr+8)
		}
	}
	var data []byte
	if hi > 0 {
		data = make([]byte, hi-lo)
		if g.r.Space.Read(lo, data) != len(data) {
			return nil, errStubData
		}
	}
	for _, p := range g.points {
		n := p.base
		if p.how == byStub {
			n += le.Uint64(data[p.stub.CounterAddr-lo:]) - g.ahead(p)
		}
		out = append(out, n)
	}
	return out, nil
}
