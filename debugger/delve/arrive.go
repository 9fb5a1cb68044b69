package delve

import (
	"context"
	"fmt"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
	"yore/engine/gdbserver"
)

// Arrive is part of debugger.Backend.
func (b *Backend) Arrive(ctx context.Context) (debugger.Outcome, error) {
	var out debugger.Outcome
	err := b.do(ctx, func() error {
		before := b.p.moves
		b.opts.OnRun(true)
		_, err := b.p.resume(gdbserver.Resume{})
		b.opts.OnRun(false)
		out.Moved, out.Edge = b.p.moves > before, b.p.edge
		if serr := b.look(); err == nil {
			err = serr
		}
		if err == nil {
			out.At.Location, err = b.where()
			out.At.Thread = b.taskID()
		}
		return err
	})
	return out, err
}

// look makes Delve look at a program that others have moved.
func (b *Backend) look() error {
	t := b.target()
	t.ClearCaches()
	t.StopReason = proc.StopUnknown
	b.frame, b.deferred, b.failed = 0, 0, false
	return t.SwitchThread(b.prog.Current())
}

// Quietly is part of debugger.Backend.
func (b *Backend) Quietly(ctx context.Context, f func(context.Context) error) error {
	if b.quiet {
		return f(ctx)
	}
	var gone []away
	err := b.do(ctx, func() (err error) {
		gone, err = b.takeAway()
		return err
	})
	if err == nil {
		b.quiet = true
		err = f(ctx)
		b.quiet = false
	}
	rerr := b.do(context.WithoutCancel(ctx), func() error { return b.putBack(gone) })
	if err == nil {
		err = rerr
	}
	return err
}

// away is a breakpoint of the person's that is out of the program.
type away struct {
	bp *proc.Breakpoint
	id int
}

// takeAway takes the person's breakpoints out of the program.
func (b *Backend) takeAway() (out []away, err error) {
	for _, bp := range b.p.bps.M {
		if bp.IsUser() {
			out = append(out, away{bp, bp.LogicalID()})
		}
	}
	for i, a := range out {
		if a.bp.WatchType != 0 {
			err = b.p.EraseBreakpoint(a.bp)
		} else {
			err = b.target().ClearBreakpoint(a.bp.Addr)
		}
		if err != nil {
			return out[:i], err
		}
	}
	return out, nil
}

// putBack puts them in again.
func (b *Backend) putBack(out []away) error {
	var first error
	for _, a := range out {
		var err error
		if a.bp.WatchType != 0 {
			err = b.p.WriteBreakpoint(a.bp)
		} else {
			_, err = b.target().SetBreakpoint(a.id, a.bp.Addr, proc.UserBreakpoint, nil)
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Move is part of debugger.Backend.
func (b *Backend) Move(ctx context.Context, m debugger.Motion) (debugger.Outcome, error) {
	var out debugger.Outcome
	err := b.do(ctx, func() (err error) {
		dir := proc.Forward
		if m.Backward {
			dir = proc.Backward
		}
		switch m.Kind {
		case debugger.StepInsn:
			for range max(1, m.Count) {
				var o debugger.Outcome
				o, err = b.stepInsn(dir, false)
				o.Moved = o.Moved || out.Moved
				if out = o; err != nil || o.Edge {
					break
				}
			}
		case debugger.ToEntry:
			level := 0
			if e, ok := m.Of.(*expression); ok && e.activation {
				if level, err = b.selectActivation(e); err != nil {
					return err
				}
			}
			out, err = b.motion(proc.Backward, func() error { return b.toCall(level) })
		case debugger.ToStatement:
			out, err = b.motion(proc.Backward, b.toUser)
		case debugger.ToBreak:
			out, err = b.toBreak()
		default:
			err = fmt.Errorf("delve backend: no motion %d", m.Kind)
		}
		return err
	})
	return out, err
}
