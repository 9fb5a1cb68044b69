package dap

// For a backend that gives text rather than values: what an editor cannot do
// without, made of the prompt's commands and the little that every backend tells.
// Values have no parts, and only the selected task has a stack.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yore/debugger"
)

// plain is a Viewer and Breakpointer on such a backend. It belongs to the loop.
type plain struct {
	s      *session
	next   debugger.Ref
	scopes map[debugger.Ref]debugger.FrameID
}

var (
	_ debugger.Viewer       = (*plain)(nil)
	_ debugger.Breakpointer = (*plain)(nil)
)

func (p *plain) back() debugger.Backend { return p.s.d().Backend() }

// quiet executes a command of the backend and drops what it prints.
func (p *plain) quiet(ctx context.Context, line string) error {
	collected := p.s.printer.collect()
	_, err := p.back().Console(ctx, line)
	collected()
	return err
}

func (p *plain) Tasks(ctx context.Context) ([]debugger.Task, error) {
	list, err := p.back().Threads(ctx)
	var out []debugger.Task
	for _, t := range list {
		out = append(out, debugger.Task{ID: t.Number, Name: strings.TrimSpace(fmt.Sprintf("%s (%d)", t.Name, t.ID)), Current: t.Current, Location: t.Location})
	}
	return out, err
}

func (p *plain) Stack(ctx context.Context, task, first, n int) ([]debugger.Frame, int, error) {
	if task != 0 {
		tasks, err := p.Tasks(ctx)
		if err != nil {
			return nil, 0, err
		}
		for _, t := range tasks {
			if t.ID == task && !t.Current {
				return []debugger.Frame{{Location: t.Location}}[min(first, 1):], 1, nil
			}
		}
	}
	list, err := p.back().Backtrace(ctx, 0)
	if err != nil {
		return nil, 0, err
	}
	total := len(list)
	list = list[min(first, total):]
	if n > 0 {
		list = list[:min(n, len(list))]
	}
	return list, total, nil
}

func (p *plain) Select(ctx context.Context, f debugger.FrameID) error {
	return p.quiet(ctx, "frame "+strconv.Itoa(f.Level))
}

func (p *plain) Scopes(_ context.Context, f debugger.FrameID) ([]debugger.Scope, error) {
	if p.scopes == nil {
		p.scopes = map[debugger.Ref]debugger.FrameID{}
	}
	p.next++
	p.scopes[p.next] = f
	return []debugger.Scope{{Name: "Locals", Ref: p.next}}, nil
}

func (p *plain) Parts(ctx context.Context, r debugger.Ref, first, n int) ([]debugger.Value, error) {
	f, ok := p.scopes[r]
	if !ok || p.s.frames.ids[f] == 0 {
		return nil, debugger.ErrStale
	}
	b, ok := p.back().(debugger.Inspector)
	if !ok {
		return nil, nil
	}
	list, err := b.Variables(ctx, f.Task, f.Level)
	var out []debugger.Value
	for _, v := range list {
		out = append(out, debugger.Value{Name: v.Name, Text: v.Value, Type: v.Type, Expr: v.Name, Fixed: true})
	}
	out = out[min(first, len(out)):]
	if n > 0 {
		out = out[:min(n, len(out))]
	}
	return out, err
}

func (p *plain) Value(ctx context.Context, f debugger.FrameID, expr string) (debugger.Value, error) {
	if err := p.Select(ctx, f); err != nil {
		return debugger.Value{}, err
	}
	e, err := p.back().Bind(ctx, expr)
	if err != nil {
		return debugger.Value{}, err
	}
	text, err := p.back().Evaluate(ctx, e)
	return debugger.Value{Text: text, Expr: expr}, err
}

func (p *plain) Assign(ctx context.Context, of debugger.Ref, name, value string) (debugger.Value, error) {
	f, ok := p.scopes[of]
	if !ok {
		return debugger.Value{}, debugger.ErrStale
	}
	return p.AssignTo(ctx, f, name, value)
}

func (p *plain) AssignTo(ctx context.Context, f debugger.FrameID, expr, value string) (debugger.Value, error) {
	if err := p.Select(ctx, f); err != nil {
		return debugger.Value{}, err
	}
	if err := p.quiet(ctx, fmt.Sprintf("set %s = %s", expr, value)); err != nil {
		return debugger.Value{}, err
	}
	return p.Value(ctx, f, expr)
}

func (p *plain) Breakpoints() []debugger.Breakpoint {
	if l, ok := p.back().(debugger.BreakpointLister); ok {
		return l.Breakpoints()
	}
	return nil
}

func (p *plain) SetBreakpoint(ctx context.Context, b debugger.BreakpointSpec) (debugger.Breakpoint, error) {
	var line string
	switch b.Kind {
	case debugger.AtLine:
		line = fmt.Sprintf("break %s:%d", b.File, b.Line)
	case debugger.AtFunction:
		line = "break " + b.Function
	case debugger.AtAddress:
		line = fmt.Sprintf("break *%#x", b.Addr)
	default:
		line = "watch " + b.Data
	}
	if b.Log != nil || b.Hits != nil {
		return debugger.Breakpoint{}, errors.New("this backend has no log points and hit conditions here; the debug console takes its own commands for them")
	}
	old := p.Breakpoints()
	if err := p.quiet(ctx, line); err != nil {
		return debugger.Breakpoint{}, err
	}
	for _, made := range p.Breakpoints() {
		if slices.ContainsFunc(old, func(o debugger.Breakpoint) bool { return o.Number == made.Number }) {
			continue
		}
		if b.Condition != "" {
			if err := p.quiet(ctx, fmt.Sprintf("condition %s %s", made.Number, b.Condition)); err != nil {
				return made, errors.Join(err, p.ClearBreakpoint(ctx, made.Number))
			}
		}
		return made, nil
	}
	return debugger.Breakpoint{}, errors.New("the backend made no breakpoint")
}

func (p *plain) ClearBreakpoint(ctx context.Context, number string) error {
	if !slices.ContainsFunc(p.Breakpoints(), func(b debugger.Breakpoint) bool { return b.Number == number }) {
		return nil
	}
	return p.quiet(ctx, "delete "+number)
}

func (p *plain) Lines(context.Context, string, int, int) ([]int, error) { return nil, nil }

func (p *plain) Watchable(ctx context.Context, f debugger.FrameID, of debugger.Ref, name string) (data, shown string, err error) {
	if of != 0 {
		f = p.scopes[of]
	}
	if _, err := p.Value(ctx, f, name); err != nil {
		return "", "", err
	}
	return name, name, nil
}

func (p *plain) Filters() []debugger.Filter                                { return nil }
func (p *plain) SetFilters(context.Context, []debugger.FilterChoice) error { return nil }
