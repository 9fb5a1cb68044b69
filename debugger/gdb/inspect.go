package gdb

import (
	"context"
	"fmt"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

var (
	_ debugger.Inspector        = (*Backend)(nil)
	_ debugger.BreakpointLister = (*Backend)(nil)
)

// Selected is part of debugger.Inspector.
func (g *Backend) Selected(ctx context.Context) (thread, level int, err error) {
	err = g.do(ctx, func() error {
		_, res, err := g.capture(ctx, "-thread-info")
		if err != nil {
			return err
		}
		thread = number(res.Fields.Text("current-thread-id"))
		_, res, err = g.capture(ctx, "-stack-info-frame")
		level = number(res.Fields.Text("frame", "level"))
		return err
	})
	return thread, level, err
}

// Variables is part of debugger.Inspector. gdb prints values with all their parts
// or with types, not both.
func (g *Backend) Variables(ctx context.Context, thread, level int) ([]debugger.Variable, error) {
	var out []debugger.Variable
	err := g.do(ctx, func() error {
		where := ""
		if thread > 0 {
			where = fmt.Sprintf("--thread %d ", thread)
		} else {
			_, res, err := g.capture(ctx, "-thread-info")
			if err != nil {
				return err
			}
			where = "--thread " + res.Fields.Text("current-thread-id") + " "
		}
		where += fmt.Sprintf("--frame %d ", level)
		_, res, err := g.capture(ctx, "-stack-list-variables "+where+"--simple-values")
		if err != nil {
			return notRefusal(err) // without symbols there are no variables
		}
		list := res.Fields.List("variables").Tuples()
		_, res, err = g.capture(ctx, "-stack-list-variables "+where+"--all-values")
		if err != nil {
			return notRefusal(err)
		}
		out = variables(list, res.Fields.List("variables").Tuples())
		return nil
	})
	return out, err
}

// variables joins two lists of the same variables, one with types and one with
// values.
func variables(typed, valued []gdbmi.Tuple) []debugger.Variable {
	var args, locals []debugger.Variable
	for i, t := range typed {
		v := debugger.Variable{Name: t.Text("name"), Type: t.Text("type"), Value: t.Text("value"), Argument: t.Text("arg") == "1"}
		if i < len(valued) && valued[i].Text("name") == v.Name {
			v.Value = valued[i].Text("value")
		}
		v.Value = strings.ReplaceAll(v.Value, "\n", " ")
		if v.Argument {
			args = append(args, v)
		} else {
			locals = append(locals, v)
		}
	}
	return append(args, locals...)
}

// Breakpoints is part of debugger.BreakpointLister.
func (g *Backend) Breakpoints() []debugger.Breakpoint {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []debugger.Breakpoint
	for _, t := range g.breaks.list {
		out = append(out, breakpoint(t))
	}
	return out
}

// breakpoint reads what gdb tells of a breakpoint.
func breakpoint(t gdbmi.Tuple) debugger.Breakpoint {
	b := debugger.Breakpoint{
		Number: t.Text("number"), Kind: t.Text("type"), Enabled: t.Text("enabled") == "y", Temporary: t.Text("disp") == "del",
		What: t.Text("original-location"), Condition: t.Text("cond"), Hits: number(t.Text("times")),
	}
	if what := t.Text("what"); what != "" {
		b.What = what
	}
	for _, l := range append([]gdbmi.Tuple{t}, t.List("locations").Tuples()...) {
		if at := location(l); at.Addr != 0 {
			b.Locations = append(b.Locations, at)
		}
	}
	return b
}
