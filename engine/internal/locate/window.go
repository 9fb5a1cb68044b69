package locate

import (
	"context"
	"fmt"
	"slices"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// Window is a table of the last instructions before a point: for each the
// registers with which it was about to be executed and the memory that it
// overwrote. Step k is the point before the k-th instruction of the table; step
// Len is the point that the window ends at.
//
// A Window owns frozen processes: Close gives them up.
type Window struct {
	l     *Locator
	steps []step
	end   *replay.Runner // at step Len
	// Step 0 is the point at since node from.
	from *node
	at   Coord
}

type step struct {
	regs   ptrace.Regs
	xstate []byte // shared with the neighbour where equal
	old    []saved
}

// saved is memory as it was before a step.
type saved struct {
	addr uint64
	data []byte
}

// Len is the number of instructions in the table.
func (w *Window) Len() int { return len(w.steps) }

// Registers returns the general registers at step k.
func (w *Window) Registers(k int) ptrace.Regs {
	if k == len(w.steps) {
		r := *w.end.Regs()
		r.Orig_rax = ^uint64(0)
		return r
	}
	return w.steps[k].regs
}

// XState returns the XSAVE area at step k; the caller does not change it.
func (w *Window) XState(k int) []byte {
	if k == len(w.steps) {
		return w.end.XState()
	}
	return w.steps[k].xstate
}

// ReadMemory reads memory as it was at step k and returns how many bytes of p
// could be read.
func (w *Window) ReadMemory(k int, addr uint64, p []byte) int {
	n := w.end.Space.Read(addr, p)
	for i := len(w.steps) - 1; i >= k; i-- {
		for _, s := range w.steps[i].old {
			overlay(p[:n], addr, s)
		}
	}
	return n
}

// overlay puts those bytes of s into p, the memory at addr, that lie there.
func overlay(p []byte, addr uint64, s saved) {
	if s.addr >= addr {
		if o := s.addr - addr; o < uint64(len(p)) {
			copy(p[o:], s.data)
		}
	} else if o := addr - s.addr; o < uint64(len(s.data)) {
		copy(p, s.data[o:])
	}
}

// Materialise returns a new runner at step k.
func (w *Window) Materialise(k int) (*replay.Runner, error) {
	r, err := w.end.Fork()
	if err != nil {
		return nil, fmt.Errorf("window: %w", err)
	}
	for i := len(w.steps) - 1; i >= k; i-- {
		for _, s := range w.steps[i].old {
			if err := r.Space.Write(s.addr, s.data); err != nil {
				r.Kill()
				return nil, fmt.Errorf("window: %w", err)
			}
		}
	}
	if k < len(w.steps) {
		r.SetRegs(w.steps[k].regs)
		r.SetXState(w.steps[k].xstate)
	}
	return r, r.Err()
}

// Before returns the window that ends where this one begins. The error is
// ErrAtBase when there is nothing before it in the slice since the base.
func (w *Window) Before(ctx context.Context) (*Window, error) {
	return w.l.windowFrom(ctx, w.from, w.at, WindowLen)
}

// Close ends the processes that the window owns.
func (w *Window) Close() {
	w.end.Kill()
	w.from.release()
}

// Window returns a window that ends at the point at, with at least one
// instruction and, where that is cheap, WindowLen of them. base must stay alive
// and frozen as long as the window, and those got from it by Before. The error is
// ErrAtBase when at is the base itself.
func (l *Locator) Window(ctx context.Context, base *replay.Runner, at Coord) (*Window, error) {
	n := &node{r: base, uses: 1}
	defer n.release()
	return l.windowFrom(ctx, n, at, WindowLen)
}

// WindowLen is how many instructions a window is meant to have.
const WindowLen = 256

// Predecessor returns a new runner one instruction before the point at: a Step of
// it leads there. A repeated string instruction is one instruction. The error is
// ErrAtBase when at is the base itself.
func (l *Locator) Predecessor(ctx context.Context, base *replay.Runner, at Coord) (*replay.Runner, error) {
	n := &node{r: base, uses: 1}
	defer n.release()
	w, err := l.windowFrom(ctx, n, at, 1)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.Materialise(w.Len() - 1)
}

// stepper steps r and fills a table.
type stepper struct {
	r     *replay.Runner
	steps []step
}

// step executes one instruction. ok is false when an event was in the way.
func (t *stepper) step(ctx context.Context) (ok bool, err error) {
	s := step{regs: *t.r.Regs()}
	s.regs.Orig_rax = ^uint64(0)
	s.xstate = t.r.XState()
	if n := len(t.steps); n > 0 && slices.Equal(s.xstate, t.steps[n-1].xstate) {
		s.xstate = t.steps[n-1].xstate
	}
	if stub := t.r.StubAt(s.regs.Rip); stub != nil { // the recorder's count goes back, too
		s.old = save(t.r.Space, s.old, stub.Counter, 8)
	}
	in, known := decode(t.r, s.regs.Rip)
	var before *replay.Runner
	if known {
		as, exact := in.Accesses(&s.regs)
		known = exact || !in.Stores()
		for _, a := range as {
			if a.Write && known {
				s.old = save(t.r.Space, s.old, a.Addr, a.Len)
			}
		}
	}
	if !known { // what it writes is found by comparing pages
		if before, err = t.r.Fork(); err != nil {
			return false, err
		}
		defer before.Kill()
	}
	stop, err := stepOne(ctx, t.r)
	if err != nil || stop != replay.Trap {
		return false, err
	}
	if before != nil {
		set, err := tracee.Differing(before.Space, before.Lineage, t.r.Space, t.r.Lineage)
		if err != nil {
			return false, err
		}
		for _, p := range set {
			for lo := p.Lo; lo < p.Hi; lo += tracee.PageSize {
				if _, d := tracee.FirstDifference(before.Space, t.r.Space, tracee.PageSet{{Lo: lo, Hi: lo + tracee.PageSize}}, ours); d {
					s.old = save(before.Space, s.old, lo, tracee.PageSize)
				}
			}
		}
	}
	t.steps = append(t.steps, s)
	return true, nil
}

// save appends what can be read of [addr, addr+n).
func save(m *tracee.Space, to []saved, addr, n uint64) []saved {
	if addr+n < addr {
		n = -addr
	}
	for n > 0 {
		b := make([]byte, n)
		k := m.Read(addr, b)
		if k > 0 {
			to = append(to, saved{addr, b[:k]})
		}
		// Over a hole, to the next page.
		skip := uint64(k)
		if skip < n {
			skip = min(n, (addr+skip)&^4095+4096-addr)
		}
		addr += skip
		n -= skip
	}
	return to
}
