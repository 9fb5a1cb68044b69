package locate

import (
	"context"
	"fmt"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
)

// rig is a runner whose passing of some addresses is counted. It owns the
// runner's code while it is armed; strip gives it back as the program made it.
type rig struct {
	r      *replay.Runner
	points []*point
	at     map[uint64]*point
	task   int // task in which the points are installed
	// held is the point at which the runner stands, counted but not executed.
	held *point
}

// point is an address whose executions are counted.
type point struct {
	addr  uint64
	count uint64 // executions since the rig was armed, the coming one included
	limit uint64 // run stops when count gets there, 0 for never
	every bool   // run stops at each execution
	debug int    // debug register, -1 for none
	old   byte   // what our int3 replaced
	in    bool   // installed
}

const int3 = 0xcc

func newRig(r *replay.Runner) *rig {
	return &rig{r: r, at: map[uint64]*point{}}
}

// point returns the rig's point at addr, made if need be. Points are made before
// arm.
func (g *rig) point(addr uint64) *point {
	if p := g.at[addr]; p != nil {
		return p
	}
	p := &point{addr: addr, debug: -1}
	g.at[addr] = p
	g.points = append(g.points, p)
	return p
}

// arm installs what is not installed yet. An address that is not mapped yet is
// left for a later call.
func (g *rig) arm() error {
	if g.task != g.r.TID {
		g.task = g.r.TID
		for _, p := range g.points {
			p.in = false
		}
	}
	hw := len(g.points) <= 4
	for i, p := range g.points {
		if p.in {
			continue
		}
		if hw {
			p.debug = i
			if err := setDebug(g.r, i, p.addr, 0, 1); err != nil {
				return err
			}
			p.in = true
			continue
		}
		if err := g.insert(p); err != nil {
			return err
		}
	}
	return nil
}

func (g *rig) insert(p *point) error {
	var b [1]byte
	if g.r.Space.Read(p.addr, b[:]) != 1 {
		return nil
	}
	p.old = b[0]
	if err := g.r.Space.Write(p.addr, []byte{int3}); err != nil {
		return err
	}
	p.in = true
	return nil
}

func (g *rig) lift(p *point) error {
	if !p.in || p.debug >= 0 {
		return nil
	}
	p.in = false
	return g.r.Space.Write(p.addr, []byte{p.old})
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

// strip removes everything that arm installed. The runner stands where it stood.
func (g *rig) strip() error {
	if g.task != g.r.TID {
		return nil
	}
	for _, p := range g.points {
		if p.debug >= 0 && p.in {
			if err := setDebug(g.r, p.debug, 0, 0, 0); err != nil {
				return err
			}
			p.in, p.debug = false, -1
		}
		if err := g.lift(p); err != nil {
			return err
		}
	}
	g.held = nil
	clean(g.r)
	return g.r.Err()
}

// run lets the runner go until a point says stop, the slice ends, or ctx is
// cancelled. At a point's stop the runner's registers are the program's, the
// instruction at the point is not executed yet, and its count includes it.
func (g *rig) run(ctx context.Context) (*point, replay.Stop, error) {
	for {
		if p := g.held; p != nil {
			g.held = nil
			stop, err := g.over(ctx, p)
			if err != nil || stop != replay.Trap {
				return nil, stop, err
			}
		}
		stop, err := g.r.RunSlice(ctx)
		if err != nil || stop != replay.Trap {
			return nil, stop, err
		}
		p, err := g.trapped()
		if err != nil {
			return nil, stop, err
		}
		p.count++
		if p.every || p.count == p.limit {
			g.held = p
			return p, replay.Trap, nil
		}
		if p.debug < 0 {
			g.held = p
		}
	}
}

// over executes the instruction at p. A point in a debug register needs nothing:
// the kernel sets the resume flag.
func (g *rig) over(ctx context.Context, p *point) (replay.Stop, error) {
	if p.debug >= 0 {
		return replay.Trap, nil
	}
	if err := g.lift(p); err != nil {
		return replay.AtEnd, err
	}
	stop, err := g.r.Step(ctx)
	if ierr := g.insert(p); err == nil {
		err = ierr
	}
	return stop, err
}

// trapped returns the point that stopped the runner, and corrects the pc.
func (g *rig) trapped() (*point, error) {
	regs := *g.r.Regs()
	if p := g.at[regs.Rip]; p != nil && p.in && p.debug >= 0 {
		return p, nil
	}
	if p := g.at[regs.Rip-1]; p != nil && p.in && p.debug < 0 {
		regs.Rip--
		g.r.SetRegs(regs)
		return p, nil
	}
	return nil, fmt.Errorf("locate: unexpected trap at %#x before event %d", regs.Rip, g.r.Next)
}
