package locate

import (
	"context"
	"errors"
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// Coord is a point of a slice, relative to a base in the same slice: the point
// at which the instruction at Addr is about to be executed for the Count-th time
// since the base. The base's own point counts: when the base's pc is Addr, it is
// execution 1 of Addr. Count 0 (Addr ignored) is the base itself.
type Coord struct {
	Addr, Count uint64
}

// AtBase reports whether c is written as the base itself.
func (c Coord) AtBase() bool { return c.Count == 0 }

func (c Coord) String() string {
	if c.AtBase() {
		return "base"
	}
	return fmt.Sprintf("%d@%#x", c.Count, c.Addr)
}

// ErrNotFound means that the slice ended without passing the point looked for.
var ErrNotFound = errors.New("no such point in this slice")

// ErrAtBase means that the point asked about is the base itself: what precedes
// it lies before the base.
var ErrAtBase = errors.New("nothing of this slice precedes the base")

// Locator finds and reaches points. It remembers what it learnt about the
// program's code, so one should serve a whole session. Its methods belong to the
// OS thread that traces.
type Locator struct {
	// Progress, when set, is called now and then by long operations with the
	// number of the event that replay has come to.
	Progress func(event int64)

	code patch.Cache
}

// New returns a locator.
func New() *Locator { return &Locator{} }

// stopped is the error of a cancelled operation, nil when ctx was not cancelled.
func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// enter passes over cuts and makes the runner show the thread that runs its slice.
func enter(r *replay.Runner) error {
	for {
		e, err := r.Event()
		if err != nil {
			return err
		}
		if e == nil {
			return r.EnterLast()
		}
		if e.Kind == cutKind {
			r.Next++
			continue
		}
		if int(e.TID) != r.Active {
			return r.Switch(int(e.TID))
		}
		return nil
	}
}

// fork returns a running copy of a frozen base, in its slice's thread and with
// no trace of the hardware breakpoints that stopped it.
func fork(base *replay.Runner) (*replay.Runner, error) {
	r, err := base.Fork()
	if err != nil {
		return nil, err
	}
	if err := enter(r); err != nil {
		r.Kill()
		return nil, err
	}
	clean(r)
	return r, nil
}

// stepOne executes one instruction. Behind popf the kernel leaves the trap flag
// that it stepped with in the program's flags: it is taken off.
func stepOne(ctx context.Context, r *replay.Runner) (replay.Stop, error) {
	stop, err := r.Step(ctx)
	if err == nil {
		clean(r)
	}
	return stop, err
}

// stepOn is stepOne that goes on behind the end of a slice that Breaks.
func stepOn(ctx context.Context, r *replay.Runner) (replay.Stop, error) {
	stop, err := r.StepOn(ctx)
	if err == nil {
		clean(r)
	}
	return stop, err
}

// clean removes the resume flag, which a debug register leaves behind, and the
// trap flag from the runner's registers.
func clean(r *replay.Runner) {
	regs := *r.Regs()
	if regs.Eflags&(flagTF|flagRF) != 0 {
		regs.Eflags &^= flagTF | flagRF
		r.SetRegs(regs)
	}
}
