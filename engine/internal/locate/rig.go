package locate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
)

// A rig is a runner whose passing of some addresses (points) is counted. Each
// point is counted by the cheapest means that its address allows: a stub, a
// debug register where few hits are expected, an int3.
//
// Invariants. While it is armed the runner's code belongs to the rig, and no
// stub overlaps an address that is counted by other means. At a stop that run
// reports, the runner's registers are the program's own and the instruction at
// the point, though counted, is not executed. After strip the process is as an
// unpatched run would have made it.

// point is an address whose executions are counted.
type point struct {
	addr uint64
	// limit makes run stop when the count gets there; 0 is never.
	limit uint64
	// every makes run stop at each execution.
	every bool
	// few expects less than fewHits executions.
	few bool
	// ring makes the point's stub append to the ring.
	ring bool
	// match makes run stop where it holds.
	match *patch.Match
	// cond is a test; with group set, executions for which it holds (all, when
	// nil) are counted together and run stops when the rig's goal is reached.
	cond  *patch.Cond
	group bool

	base  uint64 // executions counted so far by int3, register, or earlier stubs
	how   means
	stub  *patch.Stub
	debug int
	old   byte // what the int3 replaced
	// phys is where a debug register or an int3 stops: addr, or the relocated form
	// of its instruction in a stub of the recorder.
	phys uint64
	// rest is the number of instructions from a mark to its block's end, and call
	// tells that the last is a call.
	rest int
	call bool
	// carried: stub is at a carrier (see carrier.go). early is set when the point
	// is to be executed without its carrier.
	carried, early bool
	// passed, of a point with ring that is no stub, is how many ids the ring had
	// got at each execution.
	passed []uint64
}

// means is how a point is counted at present.
type means uint8

const (
	unarmed means = iota
	byStub
	byDebug
	byInt3
)

// fewHits is the number of stops that cost as much as installing a stub.
const fewHits = 40

const (
	int3      = 0xcc
	debugRegs = 4
)

type rig struct {
	l      *Locator
	r      *replay.Runner
	points []*point
	at     map[uint64]*point
	// blocks are to have a mark each where one is to be had; marks are those.
	blocks []*patch.Block
	marks  []*point
	plan   *patch.Plan
	stubs  []*point // by stub id
	always *patch.Group
	group  *patch.Group
	// hits is the group's count from earlier armings and of points that are not
	// stubs; goal is the total at which run stops, 0 for never.
	hits, goal uint64
	// spare is the number of debug registers left to points.
	spare int
	// watch are words that the last debug registers watch; fired is one more than
	// the index of the one that has just stopped run.
	watch []Watch
	fired int
	// held is the point at which the runner stands, counted but not executed;
	// with a stub, resume are the registers with which it goes on.
	held   *point
	resume ptrace.Regs
	// torn: the runner was interrupted at any instruction, even inside a repeated
	// one, which is no point of a slice.
	torn bool
	// applied is the last event that apply took.
	applied int64
	trail   *trail
}

func (l *Locator) newRig(r *replay.Runner) *rig {
	return &rig{l: l, r: r, at: map[uint64]*point{}, spare: debugRegs}
}

// point returns the rig's point at addr, made if need be. Points are made before
// arm, or while nothing is armed.
func (g *rig) point(addr uint64) *point {
	if p := g.at[addr]; p != nil {
		return p
	}
	p := &point{addr: addr, debug: -1}
	g.at[addr] = p
	g.points = append(g.points, p)
	return p
}

// arm installs every point that can be installed: addresses that are not mapped
// are left unarmed.
func (g *rig) arm() error {
	slow := map[*point]bool{}
	var want []*point
	var b [1]byte
	for _, p := range g.points {
		switch {
		case g.r.Space.Read(p.addr, b[:]) != 1:
		case p.few && p.match == nil:
			slow[p] = true
		default:
			want = append(want, p)
		}
	}
	for len(want) > 0 || len(g.blocks) > 0 {
		bad, err := g.design(want, slow)
		if err != nil {
			return err
		}
		if bad == nil {
			break
		}
		slow[bad] = true
	}
	if err := g.install(); err != nil {
		return err
	}
	if err := g.settle(); err != nil {
		return err
	}
	if len(g.watch) > 0 {
		if err := setWatches(g.r, g.watch); err != nil {
			return err
		}
	}
	left := g.spare
	for _, p := range g.points {
		if !slow[p] || p.how == byStub {
			continue
		}
		if left > 0 {
			left--
			p.debug, p.how = left, byDebug
			p.phys = g.r.Physical(p.addr)
			if err := setDebug(g.r, p.debug, p.phys, 0, 1); err != nil {
				return err
			}
			continue
		}
		if err := g.insert(p); err != nil {
			return err
		}
	}
	return nil
}

// design plans stubs for the points of want that are not in slow. It returns a
// required point that cannot have one.
func (g *rig) design(want []*point, slow map[*point]bool) (bad *point, err error) {
	text, maps, err := g.l.text(g.r)
	if err != nil {
		return nil, err
	}
	avoid := []uint64{g.r.Regs().Rip}
	for _, th := range g.r.Threads {
		if !th.Dead {
			avoid = append(avoid, th.Regs.Rip)
		}
	}
	g.plan = newPlan(g.r, text, maps, avoid)
	g.stubs, g.marks, g.always, g.group = nil, nil, nil, nil
	for _, p := range g.points {
		p.stub, p.carried = nil, false
		if slow[p] {
			g.plan.Protect(p.addr, p.addr+1)
		}
	}
	for _, p := range want {
		if slow[p] {
			continue
		}
		spec, err := g.spec(p)
		if err != nil {
			return nil, err
		}
		p.stub, err = g.plan.Add(p.addr, spec)
		if errors.Is(err, patch.ErrUnpatchable) {
			var ok bool
			if ok, err = g.carry(text, p, spec); err == nil && !ok {
				return p, nil
			}
		}
		if err != nil {
			return nil, err
		}
		g.stubs = append(g.stubs, p)
	}
	return nil, g.designMarks()
}

// designMarks plans a mark in each of the blocks that has no point with a ring:
// at an instruction that is easy to patch if there is one.
func (g *rig) designMarks() error {
	for _, b := range g.blocks {
		if len(g.marks) >= maxMarks {
			return nil
		}
		if err := g.mark(b); err != nil {
			return err
		}
	}
	return nil
}

func (g *rig) mark(b *patch.Block) error {
	for i := range b.Insts {
		if p := g.at[b.Insts[i].PC]; p != nil && p.ring && p.stub != nil {
			p.rest, p.call = len(b.Insts)-i, endsWithCall(b)
			return nil
		}
	}
	const hard = 3 // attempts at short instructions
	tries := 0
	for pass := range 2 {
		for i := range b.Insts {
			in := &b.Insts[i]
			if easy := in.Len >= 5; easy != (pass == 0) {
				continue
			}
			if pass == 1 {
				if tries++; tries > hard {
					return nil
				}
			}
			s, err := g.plan.Add(in.PC, patch.Spec{Ring: true})
			if errors.Is(err, patch.ErrUnpatchable) {
				continue
			}
			if err != nil {
				return err
			}
			p := &point{addr: in.PC, ring: true, debug: -1, stub: s, rest: len(b.Insts) - i, call: endsWithCall(b)}
			g.marks = append(g.marks, p)
			g.stubs = append(g.stubs, p)
			return nil
		}
	}
	return nil
}

func endsWithCall(b *patch.Block) bool {
	k := b.Insts[len(b.Insts)-1].Kind
	return k == patch.Call || k == patch.CallIndirect
}

func (g *rig) spec(p *point) (patch.Spec, error) {
	s := patch.Spec{Ring: p.ring, Match: p.match, Cond: p.cond}
	if p.limit > p.base {
		s.Limited, s.Limit = true, p.limit-p.base
	}
	var err error
	switch {
	case p.match != nil:
	case p.every:
		if g.always == nil {
			g.always, err = g.plan.NewGroup(0)
		}
		s.Group = g.always
	case p.group:
		if g.group == nil {
			g.group, err = g.plan.NewGroup(g.left())
		}
		s.Group = g.group
	}
	return s, err
}

// left is the group's limit as the stubs count.
func (g *rig) left() uint64 {
	if g.goal == 0 {
		return ^uint64(0)
	}
	return g.goal - g.hits
}

// install maps and writes the plan's stubs.
func (g *rig) install() error {
	if g.plan == nil || len(g.plan.Stubs()) == 0 {
		g.plan = nil
		return nil
	}
	for _, m := range g.plan.Maps() {
		ret, err := g.r.Inject(unix.SYS_MMAP, m.Lo, m.Hi-m.Lo, uint64(m.Prot),
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE|unix.MAP_NORESERVE, ^uint64(0), 0)
		if err != nil {
			return err
		}
		if uint64(ret) != m.Lo {
			return fmt.Errorf("map stubs at %#x: %w", m.Lo, unix.Errno(-ret))
		}
	}
	for _, w := range g.plan.Writes() {
		if err := g.r.Space.Write(w.Addr, w.Data); err != nil {
			return err
		}
	}
	for _, p := range g.stubs {
		p.how = byStub
	}
	return nil
}

func (g *rig) insert(p *point) error {
	var b [1]byte
	p.phys = g.r.Physical(p.addr)
	if g.r.Space.Read(p.phys, b[:]) != 1 {
		return nil
	}
	p.old = b[0]
	if err := g.r.Space.Write(p.phys, []byte{int3}); err != nil {
		return err
	}
	p.how = byInt3
	return nil
}

func (g *rig) lift(p *point) error {
	if p.how != byInt3 {
		return nil
	}
	p.how = unarmed
	return g.r.Space.Write(p.phys, []byte{p.old})
}

// count returns how often p was executed, the execution at which the runner
// stands included.
func (g *rig) count(p *point) (uint64, error) {
	if p.how != byStub {
		return p.base, nil
	}
	n, err := p.stub.Count(g.r.Space)
	return p.base + n - g.ahead(p), err
}

// setLimit changes the count at which run stops at p. Of a stub the point must
// have had a limit when it was armed.
func (g *rig) setLimit(p *point, n uint64) error {
	p.limit = n
	if p.how != byStub {
		return nil
	}
	if !p.stub.Spec.Limited {
		panic("locate: the point was armed without a limit")
	}
	w := p.stub.SetLimit(n - p.base)
	return g.r.Space.Write(w.Addr, w.Data)
}

// groupCount returns how often the group's points were hit.
func (g *rig) groupCount() (uint64, error) {
	if g.group == nil {
		return g.hits, nil
	}
	n, err := g.group.Count(g.r.Space)
	return g.hits + n, err
}

// setGoal changes the group's count at which run stops.
func (g *rig) setGoal(n uint64) error {
	g.goal = n
	if g.group == nil {
		return nil
	}
	w := g.group.SetLimit(g.left())
	return g.r.Space.Write(w.Addr, w.Data)
}

// fork returns an independent rig in the same state, without a trail.
func (g *rig) fork() (*rig, error) {
	r, err := g.r.Fork()
	if err != nil {
		return nil, err
	}
	n := *g
	n.r, n.trail = r, nil
	n.points, n.marks, n.at, n.stubs = nil, nil, map[uint64]*point{}, make([]*point, len(g.stubs))
	twin := func(p *point) *point {
		c := *p
		if g.held == p {
			n.held = &c
		}
		if c.how == byStub {
			n.stubs[c.stub.ID] = &c
		}
		return &c
	}
	for _, p := range g.points {
		c := twin(p)
		n.points = append(n.points, c)
		n.at[c.addr] = c
		if c.how == byDebug {
			if err := setDebug(r, c.debug, c.phys, 0, 1); err != nil {
				r.Kill()
				return nil, err
			}
		}
	}
	for _, p := range g.marks {
		n.marks = append(n.marks, twin(p))
	}
	return &n, nil
}

// strip removes everything that arm installed, keeping the counts. The runner
// stands where it stood, outside of stubs.
func (g *rig) strip() error {
	for _, p := range g.points {
		switch p.how {
		case byDebug:
			if err := setDebug(g.r, p.debug, 0, 0, 0); err != nil {
				return err
			}
			p.how, p.debug = unarmed, -1
		case byInt3:
			if err := g.lift(p); err != nil {
				return err
			}
		}
	}
	if err := g.uninstall(); err != nil {
		return err
	}
	if _, err := g.r.Surface(context.Background()); err != nil {
		return err
	}
	g.held = nil
	clean(g.r)
	return g.r.Err()
}

// mend has a runner that was interrupted inside a repeated instruction complete
// it. Nothing is armed.
func (g *rig) mend() error {
	if !g.torn {
		return nil
	}
	g.torn = false
	pc := g.r.Regs().Rip
	if in, ok := decode(g.r, pc); !ok || !in.IsRep {
		return nil
	}
	if _, err := stepOne(context.Background(), g.r); err != nil {
		return err
	}
	for _, p := range slices.Concat(g.points, g.marks) {
		if p.addr == pc {
			p.base++
		}
	}
	return nil
}

// uninstall takes the stubs out and folds their counts.
func (g *rig) uninstall() error {
	if g.plan == nil {
		return nil
	}
	if g.held == nil || g.held.how != byStub || g.held.carried {
		// The runner may have been interrupted anywhere in a stub.
		f, err := g.plan.Fix(*g.r.Regs(), patch.Async, g.r.Space)
		if err != nil {
			return err
		}
		for _, w := range append(f.Memory, f.Rewind...) {
			if err := g.r.Space.Write(w.Addr, w.Data); err != nil {
				return err
			}
		}
		if f.Where != patch.Own {
			g.r.SetRegs(f.Regs)
		}
	}
	hits, err := g.groupCount()
	if err != nil {
		return err
	}
	g.hits, g.group, g.always = hits, nil, nil
	for _, p := range g.stubs {
		n, err := p.stub.Count(g.r.Space)
		if err != nil {
			return err
		}
		p.base += n - g.ahead(p)
		p.stub, p.how, p.carried, p.early = nil, unarmed, false, false
	}
	for _, w := range g.plan.Undo() {
		if err := g.r.Space.Write(w.Addr, w.Data); err != nil {
			return err
		}
	}
	for _, m := range g.plan.Maps() {
		if ret, err := g.r.Inject(unix.SYS_MUNMAP, m.Lo, m.Hi-m.Lo); err != nil || ret != 0 {
			return fmt.Errorf("unmap stubs: %d %w", ret, err)
		}
	}
	g.plan, g.stubs = nil, nil
	return nil
}

// setDebug sets debug register n to watch length bytes at addr for kind (0
// execution, 1 writes, 3 reads and writes); length 0 switches it off.
func setDebug(r *replay.Runner, n int, addr uint64, kind, length uint64) error {
	ctl, err := ptrace.DebugReg(r.TID, 7)
	if err != nil {
		return err
	}
	ctl &^= 3<<(2*n) | 15<<(16+4*n)
	if err := ptrace.SetDebugReg(r.TID, 7, ctl); err != nil || length == 0 {
		return err
	}
	if err := ptrace.SetDebugReg(r.TID, n, addr); err != nil {
		return err
	}
	code := map[uint64]uint64{1: 0, 2: 1, 4: 3, 8: 2}[length]
	ctl |= 1<<(2*n) | (kind|code<<2)<<(16+4*n)
	return ptrace.SetDebugReg(r.TID, 7, ctl)
}
