package delve

import (
	"context"
	"errors"
	"sort"
	"strconv"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

var (
	_ debugger.Beginner         = (*Backend)(nil)
	_ debugger.Inspector        = (*Backend)(nil)
	_ debugger.BreakpointLister = (*Backend)(nil)
)

// ToMain is part of debugger.Beginner.
func (b *Backend) ToMain(ctx context.Context) (out debugger.Outcome, named bool, err error) {
	err = b.do(ctx, func() error {
		pcs, err := proc.FindFunctionLocation(b.target(), "main.main", 0)
		if err != nil || len(pcs) == 0 {
			return errors.New("the program has no main.main")
		}
		lbp, err := b.set(api.Location{PCs: pcs[:1]}, plan{temporary: true, quiet: true})
		if err != nil {
			return err
		}
		b.breaks.next-- // it leaves no trace
		out, err = b.resume(proc.Forward)
		hit := b.hit() == lbp
		if rerr := b.remove(lbp); err == nil {
			err = rerr
		}
		if hit {
			b.target().CurrentThread().Breakpoint().Clear()
		}
		if serr := b.showStop(); err == nil {
			err = serr
		}
		return err
	})
	return out, true, err
}

// Selected is part of debugger.Inspector.
func (b *Backend) Selected(ctx context.Context) (thread, level int, err error) {
	err = b.do(ctx, func() error {
		thread, level = b.target().CurrentThread().ThreadID(), b.frame
		return nil
	})
	return thread, level, err
}

// Variables is part of debugger.Inspector.
func (b *Backend) Variables(ctx context.Context, thread, level int) (out []debugger.Variable, err error) {
	err = b.do(ctx, func() error {
		t := b.target()
		g, th := t.SelectedGoroutine(), t.CurrentThread()
		if thread != 0 && thread != th.ThreadID() {
			other, ok := b.p.threads[thread]
			if !ok {
				return errors.New("there is no such thread now")
			}
			th = other
			g, _ = proc.GetG(th) // a thread without one has frames all the same
		}
		frames, err := b.stackOf(g, th, level, 0)
		if err != nil || level >= len(frames) {
			return err
		}
		scope := proc.FrameToScope(t, t.Memory(), g, th.ThreadID(), frames[level:]...)
		args, err := scope.FunctionArguments(b.config.load)
		if err != nil {
			return nil // no debug information
		}
		locals, err := scope.LocalVariables(b.config.load)
		if err != nil {
			return nil
		}
		for i, list := range [][]*proc.Variable{args, locals} {
			sort.SliceStable(list, func(i, j int) bool { return list[i].DeclLine > list[j].DeclLine })
			for _, v := range list {
				out = append(out, debugger.Variable{Name: v.Name, Type: v.TypeString(),
					Value: api.ConvertVar(v).SinglelineString(), Argument: i == 0})
			}
		}
		return nil
	})
	return out, err
}

// Breakpoints is part of debugger.BreakpointLister.
func (b *Backend) Breakpoints() []debugger.Breakpoint {
	b.busy.Lock()
	defer b.busy.Unlock()
	var out []debugger.Breakpoint
	for _, lbp := range b.all() {
		k := debugger.Breakpoint{Number: strconv.Itoa(lbp.LogicalID), Kind: "breakpoint", Enabled: lbp.Enabled(),
			Temporary: b.breaks.temporary[lbp.LogicalID], Condition: conditionText(lbp), Hits: int(lbp.TotalHitCount)}
		switch {
		case b.isWatch(lbp):
			k.Kind = "hw watchpoint"
		case lbp.Tracepoint:
			k.Kind = "tracepoint"
		}
		for _, bp := range b.physical(lbp.LogicalID) {
			if bp.WatchType != 0 {
				k.What = bp.WatchExpr
				continue
			}
			f, l, fn := b.p.bi.PCToLine(bp.Addr)
			k.Locations = append(k.Locations, b.location(proc.Location{PC: bp.Addr, File: f, Line: l, Fn: fn}))
		}
		if k.What == "" {
			k.What = lbp.FunctionName
		}
		out = append(out, k)
	}
	return out
}
