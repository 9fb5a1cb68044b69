package delve

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// ShowStop is part of debugger.Backend.
func (b *Backend) ShowStop(ctx context.Context) error {
	return b.do(ctx, func() error { return b.showStop() })
}

// showStop prints where the program is, as Delve's users know it: the place, what
// led there, and the source around it.
func (b *Backend) showStop() error {
	var out strings.Builder
	t := b.target()
	bp := t.CurrentThread().Breakpoint()
	lbp := b.hit()
	out.WriteString("> ")
	if lbp != nil {
		fmt.Fprintf(&out, "[%s] ", breakpointName(lbp))
	} else if t.StopReason == proc.StopHardcodedBreakpoint {
		out.WriteString("[hardcoded-breakpoint] ")
	}
	frames, err := b.stack(b.frame)
	if err != nil || b.frame >= len(frames) {
		pc, err := b.pc()
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%#x\n", pc)
		b.print(out.String())
		return nil
	}
	f := frames[0]
	l := f.Call
	fmt.Fprintf(&out, "%s() %s", name(l.Fn), b.line(l))
	g := t.SelectedGoroutine()
	switch {
	case lbp != nil && g != nil:
		fmt.Fprintf(&out, " (hits goroutine(%d):%d total:%d)", g.ID, lbp.HitCount[g.ID], lbp.TotalHitCount)
	case lbp != nil:
		fmt.Fprintf(&out, " (hits total:%d)", lbp.TotalHitCount)
	case g != nil:
		fmt.Fprintf(&out, " (goroutine %d)", g.ID)
	default:
		fmt.Fprintf(&out, " (thread %d)", t.CurrentThread().ThreadID())
	}
	fmt.Fprintf(&out, " (PC: %#x)\n", f.Current.PC)
	if l.Fn != nil && l.Fn.Optimized() && !private(l.Fn) && b.user(l.Fn) {
		out.WriteString("Warning: this function is optimized; build with -gcflags='all=-N -l' to see all of its variables\n")
	}
	b.print(out.String())
	b.showHitValues(bp, lbp)
	b.showReturns()
	if b.frame > 0 {
		if err := b.showSelected(); err != nil {
			return err
		}
	} else if l.Line > 0 && l.File != "" {
		if err := b.around(l.File, l.Line); err != nil {
			b.lists.name, b.lists.first, b.lists.last = l.File, l.Line, l.Line
			b.printf("%d\tin %s\n", l.Line, b.short(l.File))
		}
	}
	b.showDisplays()
	return nil
}

// user reports whether a function is the program's own rather than of Go's
// library, which is always built with optimisations unless asked otherwise.
func (b *Backend) user(fn *proc.Function) bool {
	pkg := fn.PackageName()
	first, _, _ := strings.Cut(pkg, "/")
	return pkg == "main" || strings.Contains(first, ".")
}

func breakpointName(lbp *proc.LogicalBreakpoint) string {
	switch {
	case lbp.Name != "":
		return lbp.Name
	case lbp.LogicalID <= 0:
		return "Breakpoint"
	}
	return fmt.Sprintf("Breakpoint %d", lbp.LogicalID)
}

// showHitValues prints what belongs to a breakpoint's hit: the values it was told
// to print, a watchpoint's expression, and what a panic was given.
func (b *Backend) showHitValues(bp *proc.BreakpointState, lbp *proc.LogicalBreakpoint) {
	if lbp == nil {
		return
	}
	if lbp.Name == proc.FatalThrow {
		b.printf("\t%s\n", b.failure(lbp))
	}
	exprs := lbp.Variables
	if bp.WatchExpr != "" && bp.WatchType != 0 {
		exprs = append(append([]string(nil), exprs...), bp.WatchExpr)
	}
	scope, err := b.scope()
	if err != nil {
		return
	}
	for _, x := range exprs {
		v, err := scope.EvalExpression(x, b.config.load)
		if err != nil {
			b.printf("\t%s: %v\n", x, err)
			continue
		}
		b.printf("\t%s: %s\n", x, api.ConvertVar(v).StringWithOptions("\t", "", api.PrettyNewlines))
	}
}

// showReturns prints the values that a finished function returned.
func (b *Backend) showReturns() {
	th := b.target().CurrentThread()
	vals := th.Common().ReturnValues(b.config.load)
	if len(vals) == 0 {
		return
	}
	b.print("Values returned:\n")
	for _, v := range vals {
		b.printf("\t%s: %s\n", v.Name, api.ConvertVar(v).StringWithOptions("\t", "", api.PrettyNewlines))
	}
	b.print("\n")
}

// showTrace prints the line of a tracepoint: the goroutine, the call and its
// arguments.
func (b *Backend) showTrace(lbp *proc.LogicalBreakpoint) {
	if parts := b.breaks.logs[lbp.LogicalID]; parts != nil {
		b.print(b.logLine(parts))
		return
	}
	t := b.target()
	who := fmt.Sprintf("thread(%d)", t.CurrentThread().ThreadID())
	if g := t.SelectedGoroutine(); g != nil {
		who = fmt.Sprintf("goroutine(%d)", g.ID)
	}
	var args []string
	where := ""
	if scope, err := b.scope(); err == nil {
		where = b.line(scope.Location)
		if vars, err := scope.FunctionArguments(b.config.load); err == nil {
			sort.SliceStable(vars, func(i, j int) bool { return vars[i].DeclLine < vars[j].DeclLine })
			for _, v := range vars {
				if v.Flags&proc.VariableReturnArgument == 0 {
					args = append(args, v.Name+" = "+api.ConvertVar(v).SinglelineString())
				}
			}
		}
	}
	b.printf("> %s: [%s] %s(%s) %s\n", who, breakpointName(lbp), lbp.FunctionName, strings.Join(args, ", "), where)
	b.showHitValues(t.CurrentThread().Breakpoint(), lbp)
}
