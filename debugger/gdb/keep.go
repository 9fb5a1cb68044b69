package gdb

import (
	"context"
	"fmt"
	"strings"

	"yore/debugger"
)

var _ debugger.Keeper = (*Backend)(nil)

// SavedBreakpoints is part of debugger.Keeper.
func (g *Backend) SavedBreakpoints() []debugger.SavedBreakpoint {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []debugger.SavedBreakpoint
	for _, t := range g.breaks.list {
		verb, where := wording(t)
		if verb == "" {
			continue
		}
		b := debugger.SavedBreakpoint{Kind: verb, Where: where, Ignore: number(t.Text("ignore")),
			Disabled: t.Text("enabled") == "n", Commands: t.List("script").Strings()}
		if c := t.Text("cond"); !strings.Contains(where, " if ") {
			b.Condition = c
		}
		out = append(out, b)
	}
	return out
}

// RestoreBreakpoint is part of debugger.Keeper. One whose place is not known yet
// stays pending.
func (g *Backend) RestoreBreakpoint(ctx context.Context, b debugger.SavedBreakpoint) error {
	return g.do(ctx, func() error {
		if _, err := g.captured(ctx, console("set breakpoint pending on")); err != nil {
			return err
		}
		_, err := g.captured(ctx, console(b.Kind+" "+b.Where))
		g.mu.Lock()
		n := g.ev.created
		g.mu.Unlock()
		g.captured(ctx, console("set breakpoint pending auto"))
		if err == nil && n == "" {
			err = fmt.Errorf("gdb made none")
		}
		if err != nil {
			return err
		}
		var more []string
		if b.Condition != "" {
			more = append(more, fmt.Sprintf("condition %s %s", n, b.Condition))
		}
		if b.Ignore > 0 {
			more = append(more, fmt.Sprintf("ignore %s %d", n, b.Ignore))
		}
		if b.Disabled {
			more = append(more, "disable "+n)
		}
		for _, line := range more {
			if _, err := g.captured(ctx, console(line)); err != nil {
				return err
			}
		}
		return nil
	})
}
