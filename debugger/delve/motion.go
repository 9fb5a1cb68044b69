package delve

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
	"yore/engine/timeline"
)

// motion makes f move the program in a direction and says what came of it.
func (b *Backend) motion(dir proc.Direction, f func() error) (debugger.Outcome, error) {
	if err := b.grp.ChangeDirection(dir); err != nil {
		return debugger.Outcome{}, err
	}
	before := b.p.moves
	b.p.edge = false
	b.opts.OnRun(true)
	err := f()
	b.opts.OnRun(false)
	if cerr := b.grp.ClearSteppingBreakpoints(); err == nil {
		err = cerr
	}
	b.p.dir = proc.Forward
	out := debugger.Outcome{Moved: b.p.moves > before, Edge: b.p.edge}
	if !out.Moved {
		return out, err
	}
	b.frame, b.deferred = 0, 0
	if serr := b.settle(); err == nil {
		err = serr
	}
	b.atFailure()
	if out.Edge {
		err = edgeError(err)
	}
	out.Why = b.target().StopReason.String()
	if l, werr := b.where(); werr == nil {
		out.At = debugger.Place{Location: l, Thread: b.taskID()}
	}
	return out, err
}

// edgeError drops what Delve says when a step could not be completed because
// history ended.
func edgeError(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// settle makes the thread that the program stopped in the selected one, where
// Delve has not chosen.
func (b *Backend) settle() error {
	t := b.target()
	if _, ok := b.p.threads[t.CurrentThread().ThreadID()]; ok && t.CurrentThread().ThreadID() == b.prog.Current() {
		return nil
	}
	t.ClearCaches()
	return t.SwitchThread(b.prog.Current())
}

// atFailure selects the innermost frame of the program's own when it has stopped
// because it fails.
func (b *Backend) atFailure() {
	lbp := b.hit()
	b.failed = lbp != nil && (lbp.Name == proc.UnrecoveredPanic || lbp.Name == proc.FatalThrow)
	if !b.failed {
		return
	}
	frames, err := b.stack(64)
	if err != nil {
		return
	}
	for i := range frames {
		if !private(frames[i].Current.Fn) {
			b.frame = i
			return
		}
	}
}

// goOn continues past tracepoints, whose lines it prints. A step that meets one
// goes on too.
func (b *Backend) goOn(err error) error {
	for err == nil && b.p.ctx.Err() == nil {
		lbp := b.hit()
		if lbp == nil || !lbp.Tracepoint {
			return nil
		}
		b.showTrace(lbp)
		if b.target().StopReason != proc.StopBreakpoint {
			return nil
		}
		err = b.grp.Continue()
	}
	return err
}

// hit returns the person's breakpoint that the program stopped at.
func (b *Backend) hit() *proc.LogicalBreakpoint {
	bp := b.target().CurrentThread().Breakpoint()
	if bp == nil || bp.Breakpoint == nil || !bp.Active {
		return nil
	}
	return bp.Logical
}

// forwards and backwards make Delve's motions.
func (b *Backend) resume(dir proc.Direction) (debugger.Outcome, error) {
	return b.motion(dir, func() error { return b.goOn(b.grp.Continue()) })
}

func (b *Backend) next(dir proc.Direction) (debugger.Outcome, error) {
	return b.motion(dir, func() error {
		if done, err := b.backFirst(dir); done || err != nil {
			return err
		}
		return b.goOn(b.grp.Next())
	})
}

func (b *Backend) step(dir proc.Direction) (debugger.Outcome, error) {
	return b.motion(dir, func() error {
		if done, err := b.backFirst(dir); done || err != nil {
			return err
		}
		if dir == proc.Backward {
			if done, err := b.backInto(); done || err != nil {
				return err
			}
		}
		return b.goOn(b.grp.Step())
	})
}

// backInto goes back into the function that has just returned to the present
// instruction. Delve stops there when it meets a return on the way, but cannot
// meet the one that it begins at.
func (b *Backend) backInto() (done bool, err error) {
	frames, err := b.stack(1)
	if err != nil {
		return false, nil // no frame to tell by
	}
	fn := frames[0].Current.Fn
	if fn == nil {
		return false, nil
	}
	before, err := b.instructionBefore(fn, frames[0].Current.PC)
	if err != nil || before == nil || !before.IsCall() {
		return false, nil
	}
	deferred := before.DestLoc != nil && name(before.DestLoc.Fn) == "runtime.deferreturn"
	if before.DestLoc != nil && private(before.DestLoc.Fn) && !deferred {
		return false, nil
	}
	if err := b.grp.StepInstruction(false); err != nil || b.p.edge {
		return true, err
	}
	pc, err := b.pc()
	if err != nil {
		return true, err
	}
	// The last deferred function returned some instructions ago.
	const most = 200
	for n := 0; deferred && n < most && private(b.p.bi.PCToFunc(pc)); n++ {
		if err := b.grp.StepInstruction(false); err != nil || b.p.edge || b.p.ctx.Err() != nil {
			return true, err
		}
		if pc, err = b.pc(); err != nil {
			return true, err
		}
	}
	// A call through a pointer may have been of the runtime; one that was jumped
	// behind was not made at all.
	in := b.p.bi.PCToFunc(pc)
	switch {
	case in == fn:
		return false, nil
	case private(in):
		return false, b.toCall(0)
	}
	return true, nil
}

// backFirst goes back where a line is not what one goes back by: out of a function
// at whose beginning the program is, and out of the runtime that reports a
// failure.
func (b *Backend) backFirst(dir proc.Direction) (done bool, err error) {
	if dir != proc.Backward {
		return false, nil
	}
	if b.failed {
		return true, b.fromFailure()
	}
	entry, err := b.atEntry()
	if err != nil || !entry {
		return false, err
	}
	return true, b.toCall(0)
}

func (b *Backend) stepInsn(dir proc.Direction, over bool) (debugger.Outcome, error) {
	return b.motion(dir, func() error {
		if over && dir == proc.Backward {
			return b.backOver()
		}
		return b.goOn(b.grp.StepInstruction(over))
	})
}

// backOver goes back one instruction, and where that is a function's return, to
// the call of it.
func (b *Backend) backOver() error {
	frames, err := b.stack(1)
	if err != nil {
		return err
	}
	depth := frames[0].FrameOffset()
	if err := b.grp.StepInstruction(false); err != nil || b.p.edge {
		return err
	}
	after, err := b.stack(1)
	if err != nil {
		return nil // no frame to tell by: it is where it is
	}
	if after[0].Current.Fn == frames[0].Current.Fn || after[0].FrameOffset() >= depth {
		return nil
	}
	return b.toCall(0)
}

// finish goes on until the selected frame's function has returned.
func (b *Backend) finish() (debugger.Outcome, error) {
	level := b.frame
	return b.motion(proc.Forward, func() error {
		if level == 0 {
			return b.goOn(b.grp.StepOut())
		}
		frames, err := b.stack(level + 1)
		if err != nil {
			return err
		}
		if level+1 >= len(frames) || frames[level].Ret == 0 {
			return errors.New("the outermost function has nowhere to return to")
		}
		return b.goOn(b.runTo([]uint64{frames[level+1].Current.PC}, &frames[level+1]))
	})
}

// backOut goes back to where the selected frame's function was called.
func (b *Backend) backOut() (debugger.Outcome, error) {
	level := b.frame
	return b.motion(proc.Backward, func() error {
		if b.failed {
			return b.fromFailure()
		}
		return b.toCall(level)
	})
}

// runTo continues in the present direction until the selected goroutine is about
// to execute one of the instructions at pcs in a frame, nil for any.
func (b *Backend) runTo(pcs []uint64, frame *proc.Stackframe) error {
	cond, err := b.sameActivation(frame)
	if err != nil {
		return err
	}
	for _, pc := range pcs {
		if _, err := b.target().SetBreakpoint(0, pc, proc.NextBreakpoint, cond); err != nil {
			var exists proc.BreakpointExistsError
			if !errors.As(err, &exists) {
				return err
			}
		}
	}
	return b.grp.Continue()
}

// sameActivation is the condition that the selected goroutine runs, in a frame.
func (b *Backend) sameActivation(frame *proc.Stackframe) (ast.Expr, error) {
	t := b.target()
	text := fmt.Sprintf("runtime.threadid == %d", t.CurrentThread().ThreadID())
	if g := t.SelectedGoroutine(); g != nil {
		text = fmt.Sprintf("runtime.curg.goid == %d", g.ID)
	}
	if frame != nil {
		text += fmt.Sprintf(" && runtime.frameoff == %d", frame.FrameOffset())
	}
	return parser.ParseExpr(text)
}

// atEntry reports whether the program is at the beginning of a function, where
// going back means leaving it.
func (b *Backend) atEntry() (bool, error) {
	frames, err := b.stack(1)
	if err != nil {
		return false, err
	}
	f := frames[0]
	if f.Current.Fn == nil || f.Inlined {
		return false, nil
	}
	body, err := proc.FirstPCAfterPrologue(b.target(), f.Current.Fn, false)
	if err != nil {
		return false, nil // a function without lines has no prologue to tell
	}
	return f.Current.PC <= body, nil
}

// stopped reports whether a resume ended for another reason than a step's: at an
// edge, by the person's breakpoint, or interrupted.
func (b *Backend) stopped() bool {
	return b.p.edge || b.p.ctx.Err() != nil || b.target().StopReason != proc.StopNextFinished ||
		b.p.last.Reason == timeline.Interrupted
}
