package delve

// Going back to where a function was called, or a goroutine made, and to the
// beginning of a statement. Delve's own way back out of a function looks at the
// goroutine only: in a recursion it may stop in another activation.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
)

// toCall goes back to where the function of the frame at level was called: the
// call instruction, the statement that made the runtime call it (a return with
// deferred functions, a panic), or the go statement. The direction is backward.
func (b *Backend) toCall(level int) error {
	frames, err := b.stack(level + 2)
	if err != nil {
		return err
	}
	if level >= len(frames) {
		return fmt.Errorf("there is no frame %d", level)
	}
	f := frames[level]
	for f.Inlined && level+1 < len(frames) { // inlined calls have no instruction of their own
		level++
		f = frames[level]
	}
	fn := f.Current.Fn
	if fn == nil {
		return errors.New("the frame's function is not known")
	}
	var caller *proc.Function
	if level+1 < len(frames) {
		caller = frames[level+1].Current.Fn
	}
	if caller == nil {
		return errors.New("the outermost function was called by nobody")
	}
	g := b.target().SelectedGoroutine()
	for {
		if here, err := b.stack(0); err != nil {
			return err
		} else if here[0].Current.PC != fn.Entry || here[0].FrameOffset() != f.FrameOffset() {
			if err := b.runTo([]uint64{fn.Entry}, &f); err != nil || b.stopped() {
				return err
			}
		}
		if err := b.grp.StepInstruction(false); err != nil || b.p.edge {
			return err
		}
		pc, err := b.pc()
		if err != nil {
			return err
		}
		if at := b.p.bi.PCToFunc(pc); at == caller {
			break
		}
		// A function begins again after its stack has been grown: that is not its
		// call. One that the scheduler entered is a goroutine's first.
		if g != nil && caller.Name == "runtime.goexit" {
			here, err := proc.GetG(b.target().CurrentThread())
			if err != nil || here == nil || here.ID != g.ID || !b.grown(fn) {
				return b.toCreation(g)
			}
		}
	}
	if private(caller) {
		return b.toUser()
	}
	return nil
}

// grown reports whether the program is where the runtime lets a function begin
// again, after it has grown its stack.
func (b *Backend) grown(fn *proc.Function) bool {
	frames, err := b.stack(10)
	if err != nil {
		return false
	}
	for _, f := range frames {
		if f.Current.Fn != nil && strings.HasPrefix(f.Current.Fn.Name, "runtime.newstack") {
			return true
		}
	}
	return false
}

// toCreation goes back to the go statement that made a goroutine.
func (b *Backend) toCreation(g *proc.G) error {
	t := b.target()
	creator := b.p.bi.PCToFunc(g.GoPC)
	if creator == nil {
		return errors.New("the goroutine was made by nobody")
	}
	call, err := b.callBefore(creator, g.GoPC)
	if err != nil {
		return err
	}
	for {
		if _, err := t.SetBreakpoint(0, call, proc.NextBreakpoint, nil); err != nil {
			return err
		}
		if err := b.grp.Continue(); err != nil || b.stopped() {
			return err
		}
		// The latest go statement here may have made another goroutine.
		if _, err := proc.FindGoroutine(t, g.ID); err != nil {
			return nil
		}
	}
}

// callBefore finds the call instruction that returns to ret.
func (b *Backend) callBefore(fn *proc.Function, ret uint64) (uint64, error) {
	before, err := b.instructionBefore(fn, ret)
	if err == nil && before == nil {
		err = fmt.Errorf("no call in %s returns to %#x", fn.Name, ret)
	}
	if err != nil {
		return 0, err
	}
	return before.Loc.PC, nil
}

// instructionBefore is the one before pc in a function, nil when pc is the first or
// none.
func (b *Backend) instructionBefore(fn *proc.Function, pc uint64) (*proc.AsmInstruction, error) {
	text, err := proc.Disassemble(b.p, nil, b.p.Breakpoints(), b.p.bi, fn.Entry, fn.End)
	if err != nil {
		return nil, err
	}
	for i := range text {
		if text[i].Loc.PC == pc && i > 0 {
			return &text[i-1], nil
		}
	}
	return nil, nil
}

// private reports whether a function is the runtime's own, not to be shown to a
// person as where something happened.
func private(fn *proc.Function) bool {
	if fn == nil {
		return true
	}
	name := fn.Name
	for _, p := range []string{"runtime/internal/", "internal/runtime/", "internal/abi.", "internal/bytealg."} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(name, "runtime.")
	if !ok {
		return !strings.Contains(name, ".") // assembly such as gcWriteBarrier, memeqbody
	}
	return rest == "" || rest[0] < 'A' || rest[0] > 'Z'
}

// errAsleep is where the runtime finds that no goroutine can go on.
var errAsleep = errors.New("no goroutine runs here; select one of those that wait (goroutines, goroutine N), or go back with reverse-continue")

// fromFailure goes back from where the runtime reports a failure to the statement
// that failed.
func (b *Backend) fromFailure() error {
	frames, err := b.stack(64)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(frames, func(f proc.Stackframe) bool { return !private(f.Current.Fn) }) {
		return errAsleep
	}
	return b.toUser()
}

// toUser goes back to the beginning of the statement, in the innermost function
// that is not the runtime's own, that the present instruction belongs to.
func (b *Backend) toUser() error {
	frames, err := b.stack(64)
	if err != nil {
		return err
	}
	i := 0
	for i < len(frames) && (private(frames[i].Current.Fn) || frames[i].Call.Line == 0) {
		i++
	}
	if i == len(frames) {
		return nil // the runtime works for itself
	}
	f := frames[i]
	at := f.Current.PC
	if i > 0 {
		at = f.Call.PC
	}
	body, err := proc.FirstPCAfterPrologue(b.target(), f.Current.Fn, false)
	if err != nil || at < body {
		return nil // before its first statement
	}
	var pcs []uint64
	for _, pc := range b.p.bi.AllPCsForFileLines(f.Call.File, []int{f.Call.Line})[f.Call.Line] {
		if pc >= f.Current.Fn.Entry && pc < f.Current.Fn.End {
			pcs = append(pcs, max(pc, body))
		}
		if i == 0 && pc == at {
			return nil
		}
	}
	if len(pcs) == 0 {
		return nil
	}
	return b.runTo(pcs, &f)
}
