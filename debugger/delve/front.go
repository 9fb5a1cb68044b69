package delve

// Motions and breakpoints by values, for front-ends that draw.

import (
	"context"
	"errors"
	"fmt"
	"go/constant"
	"sort"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

var (
	_ debugger.Runner       = (*Backend)(nil)
	_ debugger.Breakpointer = (*Backend)(nil)
	_ debugger.Machine      = (*Backend)(nil)
)

// Run is part of debugger.Runner.
func (b *Backend) Run(ctx context.Context, r debugger.Run) (out debugger.Outcome, err error) {
	err = b.do(ctx, func() error {
		if err := b.selectTask(r.Task); err != nil {
			return err
		}
		dir := proc.Forward
		if r.Backward {
			dir = proc.Backward
		}
		var err error
		switch {
		case r.Kind == debugger.RunOn:
			out, err = b.resume(dir)
		case r.Kind == debugger.IntoLine:
			out, err = b.step(dir)
		case r.Kind == debugger.OverLine:
			out, err = b.next(dir)
		case r.Kind == debugger.IntoInsn, r.Kind == debugger.OverInsn:
			out, err = b.stepInsn(dir, r.Kind == debugger.OverInsn)
		case r.Backward:
			out, err = b.backOut()
		default:
			out, err = b.finish()
		}
		out.Cause = b.cause(ctx, out)
		return err
	})
	return out, err
}

// cause says why the program stopped.
func (b *Backend) cause(ctx context.Context, out debugger.Outcome) *debugger.Cause {
	c := &debugger.Cause{}
	lbp := b.hit()
	switch {
	case out.Edge:
		c.Kind = debugger.HitEdge
	case ctx.Err() != nil:
		c.Kind = debugger.Paused
	case b.failed:
		c.Kind = debugger.HitException
		c.Text = b.failure(lbp)
	case lbp != nil:
		c.Kind, c.Breakpoints = debugger.HitCode, []string{strconv.Itoa(lbp.LogicalID)}
		if bp := b.target().CurrentThread().Breakpoint(); bp.WatchType != 0 {
			c.Kind, c.Expr = debugger.HitData, bp.WatchExpr
		}
	}
	return c
}

// failure is what a panic was given, or a fatal error's name.
func (b *Backend) failure(lbp *proc.LogicalBreakpoint) string {
	if lbp.Name == proc.FatalThrow {
		if scope, err := proc.ThreadScope(b.target(), b.target().CurrentThread()); err == nil {
			if v, err := scope.EvalExpression("s", b.config.load); err == nil && v.Value != nil && v.Value.Kind() == constant.String {
				return "fatal error: " + constant.StringVal(v.Value)
			}
		}
		return "fatal error"
	}
	scope, err := b.scope()
	if err != nil {
		return "panic"
	}
	v, err := scope.EvalExpression("runtime.curg._panic.arg", b.config.load)
	if err != nil {
		return "panic"
	}
	return "panic: " + api.ConvertVar(v).SinglelineString()
}

// SetBreakpoint is part of debugger.Breakpointer.
func (b *Backend) SetBreakpoint(ctx context.Context, s debugger.BreakpointSpec) (made debugger.Breakpoint, err error) {
	number := ""
	err = b.do(ctx, func() error {
		if s.Kind == debugger.AtData {
			kind := map[debugger.Access]proc.WatchType{debugger.OnWrite: proc.WatchWrite, debugger.OnRead: proc.WatchRead,
				debugger.OnAccess: proc.WatchRead | proc.WatchWrite}[s.Access]
			scope, err := b.scope()
			if err != nil {
				return err
			}
			bp, err := b.target().SetWatchpoint(b.breaks.next, scope, s.Data, kind, nil)
			if err != nil {
				return err
			}
			number = strconv.Itoa(b.breaks.next)
			b.breaks.next++
			return b.grp.ChangeBreakpointCondition(bp.Logical, s.Condition, hitText(s.Hits), false)
		}
		l, err := b.placeOfSpec(s)
		if err != nil {
			return err
		}
		lbp, err := b.set(l, plan{cond: s.Condition, trace: s.Log != nil, quiet: true})
		if err != nil {
			return err
		}
		number = strconv.Itoa(lbp.LogicalID)
		if s.Log != nil {
			b.breaks.logs[lbp.LogicalID] = s.Log
		}
		if s.Hits != nil {
			return b.grp.ChangeBreakpointCondition(lbp, s.Condition, hitText(s.Hits), false)
		}
		return nil
	})
	if err != nil {
		return made, err
	}
	for _, k := range b.Breakpoints() {
		if k.Number == number {
			return k, nil
		}
	}
	return made, errors.New("the breakpoint is gone")
}

func hitText(h *debugger.HitCondition) string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf("%s %d", h.Op, h.N)
}

func (b *Backend) placeOfSpec(s debugger.BreakpointSpec) (api.Location, error) {
	switch s.Kind {
	case debugger.AtAddress:
		return api.Location{PC: s.Addr, PCs: []uint64{s.Addr}}, nil
	case debugger.AtFunction:
		locs, err := b.locate(s.Function)
		if err != nil {
			return api.Location{}, err
		}
		var all api.Location
		for _, l := range locs {
			all.PCs = append(all.PCs, addresses(l)...)
		}
		return all, nil
	}
	pcs, err := proc.FindFileLocation(b.target(), b.remote(s.File), s.Line)
	if err != nil {
		return api.Location{}, err
	}
	return api.Location{PCs: pcs}, nil
}

// remote is the path of a source file in the debug information.
func (b *Backend) remote(path string) string {
	for _, src := range b.p.bi.Sources {
		if src == path || b.config.local(src) == path {
			return src
		}
	}
	return path
}

// ClearBreakpoint is part of debugger.Breakpointer.
func (b *Backend) ClearBreakpoint(ctx context.Context, number string) error {
	return b.do(ctx, func() error {
		if lbp, err := b.named(number); err == nil {
			return b.remove(lbp)
		}
		return nil
	})
}

// Lines is part of debugger.Breakpointer.
func (b *Backend) Lines(ctx context.Context, file string, from, to int) (out []int, err error) {
	err = b.do(ctx, func() error {
		const most = 10000
		if to-from > most {
			to = from + most
		}
		var want []int
		for n := from; n <= to; n++ {
			want = append(want, n)
		}
		for n, pcs := range b.p.bi.AllPCsForFileLines(b.remote(file), want) {
			if len(pcs) > 0 {
				out = append(out, n)
			}
		}
		sort.Ints(out)
		return nil
	})
	return out, err
}

// Watchable is part of debugger.Breakpointer.
func (b *Backend) Watchable(ctx context.Context, f debugger.FrameID, of debugger.Ref, name string) (data, shown string, err error) {
	err = b.do(ctx, func() error {
		expr := name
		if of != 0 {
			k, err := b.node(of)
			if err != nil {
				return err
			}
			f = k.frame
			var parts []debugger.Value
			if k.v == nil {
				parts, err = b.scopeParts(k)
			} else {
				parts, err = b.parts(k, 0, 0)
			}
			if err != nil {
				return err
			}
			expr = ""
			for _, p := range parts {
				if p.Name == name {
					expr = p.Expr
				}
			}
		}
		scope, err := b.scopeAt(f)
		if err != nil {
			return err
		}
		v, err := scope.EvalExpression(expr, b.config.load)
		const word = 8
		switch {
		case err != nil:
			return err
		case v.Addr == 0 || v.Flags&proc.VariableFakeAddress != 0 || v.RealType == nil:
			return fmt.Errorf("%s has no place in memory", name)
		case v.RealType.Size() > word:
			return fmt.Errorf("%s is larger than the %d bytes that can be watched; reverse-watch finds its latest change", name, word)
		}
		// By its address, so that it stays the same variable elsewhere.
		data, shown = fmt.Sprintf("*(*%q)(%#x)", v.TypeString(), v.Addr), expr
		return nil
	})
	return data, shown, err
}

// Filters is part of debugger.Breakpointer. What Go's runtime reports always stops
// the program, unless a filter is not chosen.
func (b *Backend) Filters() []debugger.Filter {
	return []debugger.Filter{
		{Name: "panic", Label: "Panics", Description: "Stop when a panic is about to end the program", Default: true},
		{Name: "fatal", Label: "Fatal errors", Description: "Stop at a fatal error of the runtime, such as a deadlock", Default: true},
	}
}

// SetFilters is part of debugger.Breakpointer.
func (b *Backend) SetFilters(ctx context.Context, chosen []debugger.FilterChoice) error {
	return b.do(ctx, func() error {
		on := map[string]bool{}
		for _, c := range chosen {
			on[c.Name] = true
		}
		for id, lbp := range b.grp.LogicalBreakpoints {
			want := true
			switch {
			case id >= 0:
				continue
			case lbp.Name == proc.UnrecoveredPanic:
				want = on["panic"]
			case lbp.Name == proc.FatalThrow:
				want = on["fatal"]
			}
			if err := b.grp.SetBreakpointEnabled(lbp, want); err != nil {
				return err
			}
		}
		return nil
	})
}

// Disassemble is part of debugger.Machine. What lies before addr is decoded from
// the beginning of its function.
func (b *Backend) Disassemble(ctx context.Context, addr uint64, skip, count int) (out []debugger.Instruction, err error) {
	err = b.do(ctx, func() error {
		const longest = 15
		start := addr
		fn := b.p.bi.PCToFunc(addr)
		if fn != nil {
			start = fn.Entry
		}
		text, _ := proc.Disassemble(b.p, nil, b.p.Breakpoints(), b.p.bi, start, addr+uint64(max(0, skip)+count)*longest)
		at := -1
		for i := range text {
			if text[i].Loc.PC == addr {
				at = i
			}
		}
		for i := at + skip; i < at+skip+count; i++ {
			if at < 0 || i < 0 || i >= len(text) {
				out = append(out, debugger.Instruction{Text: "??"})
				continue
			}
			in := &text[i]
			k := debugger.Instruction{Addr: in.Loc.PC, Bytes: in.Bytes, Text: in.Text(proc.IntelFlavour, b.p.bi), Location: b.location(in.Loc)}
			if in.Loc.Fn != nil {
				k.Symbol = fmt.Sprintf("%s+%d", in.Loc.Fn.Name, in.Loc.PC-in.Loc.Fn.Entry)
			}
			out = append(out, k)
		}
		return nil
	})
	return out, err
}

// ReadMemory is part of debugger.Machine.
func (b *Backend) ReadMemory(ctx context.Context, addr uint64, n int) (out []byte, err error) {
	err = b.do(ctx, func() error {
		out = make([]byte, n)
		got, err := b.prog.ReadMemory(addr, out)
		out = out[:got]
		return err
	})
	return out, err
}

// WriteMemory is part of debugger.Machine.
func (b *Backend) WriteMemory(ctx context.Context, addr uint64, p []byte) error {
	return b.do(ctx, func() error {
		_, err := b.p.WriteMemory(addr, p)
		return err
	})
}

// logLine is what a log point prints at a hit: texts and expressions in turn.
func (b *Backend) logLine(parts []string) string {
	var out strings.Builder
	scope, err := b.scope()
	for i, part := range parts {
		if i%2 == 0 {
			out.WriteString(part)
			continue
		}
		if err != nil {
			fmt.Fprintf(&out, "(%v)", err)
			continue
		}
		v, verr := b.evalIn(scope, part)
		if verr != nil {
			fmt.Fprintf(&out, "(%v)", verr)
			continue
		}
		out.WriteString(api.ConvertVar(v).SinglelineString())
	}
	return out.String() + "\n"
}
