package record

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Chaos: scheduling by dice, to bring out races. All choices come from one
// generator and are made at events, not by the clock, so that the same seed makes
// the same choices as long as the outside answers alike; where only time can stop a
// thread (a quantum without any event) it still does. Where memory is mapped is such
// an answer, since not every place can have a stub: launch the program with fixed
// addresses.
//
//  1. History is divided into epochs of a random number of turns. In an epoch all
//     threads are equal and have short turns, or each has a random rank and the
//     first in rank that can run does: the others starve.
//  2. A turn ends after a random number of events, often one.
//  3. Or inside a slice: counting stubs, of which some are set to stop after a
//     random number of executions. They are put into functions of the executable
//     and where the calls on the stack return to, both by dice. Whether there can
//     be a stub depends on where code is mapped, so dice choose among the places.
type chaos struct {
	rng    *rand.Rand
	epoch  int         // turns that are left of it
	ranked bool        // the epoch's kind
	rank   map[int]int // by thread
	events int         // that are left of the turn
	turn   bool        // it is new
	exe    string
	since  int   // turns since stubs were last asked for
	asked  int   // how often they were
	first  int   // id of the present program's first stub
	places []int // where a stub was asked for: its id, or -1
}

const (
	// Only a thread that has not come to an event for so long is stopped by time.
	chaosQuantum = 50 * time.Millisecond

	maxEpoch  = 200
	maxEvents = 64
	maxAsked  = 64 // times that stubs are put somewhere
	maxHits   = 4096
	stackScan = 2048 // bytes of the stack that are searched
	// Larger functions take too long to be understood, bytes.
	maxFunction = 16 << 10
)

func newChaos(seed uint64) *chaos {
	return &chaos{rng: rand.New(rand.NewPCG(seed, 0x796f7265)), rank: map[int]int{}}
}

// skewed is in [1, n], every order of magnitude as likely as any other.
func (c *chaos) skewed(n int) int {
	return 1 + c.rng.IntN(max(1, n>>c.rng.IntN(bits.Len(uint(n)))))
}

// over reports whether the turn is, at an event.
func (c *chaos) over() bool {
	c.events--
	return c.events < 0
}

// choose takes the next thread out of the ready ones.
func (c *chaos) choose(ready []*Thread) int {
	if c.epoch--; c.epoch < 0 {
		c.epoch, c.ranked = c.skewed(maxEpoch), c.rng.IntN(3) == 0
		clear(c.rank)
	}
	// In the order of their making, whatever order they became ready in.
	order := make([]int, len(ready))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return ready[a].ID - ready[b].ID })
	c.events, c.turn = c.skewed(maxEvents), true
	best := order[c.rng.IntN(len(order))]
	if !c.ranked {
		return best
	}
	c.events = maxEvents
	for _, i := range order {
		id := ready[i].ID
		if _, ok := c.rank[id]; !ok {
			c.rank[id] = c.rng.IntN(1 << 20)
		}
		if c.rank[id] > c.rank[ready[best].ID] {
			best = i
		}
	}
	return best
}

// stir is called at an event boundary of t, which runs next. It may put stubs into
// the program, and set limits of those that there are.
func (r *Recorder) stir(t *Thread) error {
	c, p := r.chaos, &r.pre
	if c.first != p.first { // another program
		c.first, c.places, c.exe = p.first, nil, ""
	}
	// At first often, then after more and more events.
	if c.since++; c.asked < maxAsked && c.since > c.asked*c.asked/16 {
		c.since, c.asked = 0, c.asked+1
		if err := r.strew(t); err != nil {
			return err
		}
	}
	if len(c.places) == 0 || p.armed && !c.turn && c.rng.IntN(4) > 0 {
		return nil
	}
	c.turn = false
	if err := r.arm(false); err != nil {
		return err
	}
	for range c.skewed(len(c.places)) {
		id, n := c.places[c.rng.IntN(len(c.places))], c.skewed(maxHits)
		if id < 0 {
			continue
		}
		if err := p.stubs.SetLimit(r.space, id, p.stubs.Count(r.space, id)+uint64(n)); err != nil {
			return err
		}
		p.armed, p.far = true, true
	}
	return nil
}

// strew puts stubs into functions of the executable, and into those that calls of t
// return to.
func (r *Recorder) strew(t *Thread) error {
	c, p := r.chaos, &r.pre
	var asked []uint64
	before := p.stubs.Len()
	err := r.plant(t, func(plan *patch.Plan, text *patch.Text) { asked = r.choose(t, plan, text) })
	ids := map[uint64]int{}
	for id, s := range p.stubs.List()[before:] {
		ids[s.Addr] = before + id
	}
	for _, a := range asked {
		id, ok := ids[a]
		if !ok {
			id = -1
		}
		c.places = append(c.places, id)
	}
	return err
}

// choose plans stubs for strew and returns their places, 0 for one that had none.
func (r *Recorder) choose(t *Thread, plan *patch.Plan, text *patch.Text) (places []uint64) {
	c := r.chaos
	if c.exe == "" {
		c.exe, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", r.pid))
	}
	var own [][2]uint64
	for _, m := range text.Areas() {
		if m.Path == c.exe {
			own = append(own, text.Funcs(m.Lo)...)
		}
	}
	for range min(8, len(own)) {
		f := own[c.rng.IntN(len(own))]
		places = append(places, r.chooseIn(plan, text, f[0], f[0])...)
	}
	stack := make([]byte, stackScan)
	stack = stack[:r.space.Read(t.Regs().Rsp, stack)]
	var returns []uint64
	for ; len(stack) >= 8; stack = stack[8:] {
		if a := binary.LittleEndian.Uint64(stack); text.FileBacked(a) {
			returns = append(returns, a)
		}
	}
	for range min(2, len(returns)) {
		a := returns[c.rng.IntN(len(returns))]
		if lo, _, ok := text.Func(a); ok {
			places = append(places, r.chooseIn(plan, text, lo, a)...)
		}
	}
	return places
}

// chooseIn plans a few stubs in the function at lo: in the block of from, and in any.
func (r *Recorder) chooseIn(plan *patch.Plan, text *patch.Text, lo, from uint64) (places []uint64) {
	_, hi, ok := text.Func(lo)
	if !ok || hi-lo > maxFunction {
		return nil
	}
	blocks, err := text.Blocks(lo, hi)
	if err != nil || len(blocks) == 0 {
		return nil
	}
	spec := patch.Spec{Limited: true, Limit: replay.NoLimit}
	for range 4 {
		b := &blocks[r.chaos.rng.IntN(len(blocks))]
		if i := slices.IndexFunc(blocks, func(b patch.Block) bool { return b.Hi() > from }); i >= 0 && from != lo {
			b = &blocks[i]
			from = lo
		}
		place := uint64(0)
		for range 4 { // where one cannot be another may
			in := &b.Insts[r.chaos.rng.IntN(len(b.Insts))]
			if place == 0 {
				if _, err := plan.Add(in.PC, spec); err == nil {
					place = in.PC
				}
			}
		}
		places = append(places, place)
	}
	return places
}

// settle takes note of the threads whose calls have ended, and waits until every thread that a call has been ended for has come out of
// it: which threads are ready is then no matter of time.
func (r *Recorder) settle() {
	for _, t := range r.threads {
		for t.state == blocked && !t.asleep() {
			if st, ok, err := t.Poll(); err != nil {
				break
			} else if ok {
				r.arrive(t, st)
				break
			}
			unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
}
