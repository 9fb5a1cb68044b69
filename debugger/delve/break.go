package delve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// breakVerb makes a breakpoint: [NAME] LOCATION [if COND]. Without a location it
// is the present instruction's line.
func breakVerb(p plan) func(*Backend, context.Context, string) error {
	return func(b *Backend, _ context.Context, args string) error {
		spec, cond := splitCondition(args)
		p := p
		p.cond = cond
		locs, err := b.breakAt(spec, &p)
		if err != nil {
			return err
		}
		for _, l := range locs {
			if _, err := b.set(l, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// breakAt finds the places of a breakpoint; a first word that is no part of the
// location names it.
func (b *Backend) breakAt(spec string, p *plan) ([]api.Location, error) {
	if spec == "" {
		l, err := b.where()
		if err != nil {
			return nil, err
		}
		return []api.Location{{PC: l.Addr, File: l.File, Line: l.Line, PCs: []uint64{l.Addr}}}, nil
	}
	locs, err := b.locate(spec)
	if err == nil {
		return locs, nil
	}
	first, rest, ok := strings.Cut(spec, " ")
	if !ok || number(first) || strings.ContainsAny(first, ":./*") {
		return nil, err
	}
	if locs, rerr := b.locate(strings.TrimSpace(rest)); rerr == nil {
		p.name = first
		return locs, nil
	}
	return nil, err
}

func (b *Backend) listBreakpoints(_ context.Context, args string) error {
	all := b.all()
	if args == "-a" {
		for id := -3; id < 0; id++ {
			if lbp := b.grp.LogicalBreakpoints[id]; lbp != nil {
				all = append(all, lbp)
			}
		}
	}
	if len(all) == 0 {
		b.print("No breakpoints or watchpoints.\n")
	}
	for _, lbp := range all {
		b.describe(lbp)
	}
	return nil
}

func (b *Backend) deleteBreakpoints(_ context.Context, args string) error {
	args = strings.TrimSpace(strings.TrimPrefix(args, "breakpoints"))
	list := b.all()
	if args != "" {
		var err error
		if list, err = b.several(args); err != nil {
			return err
		}
	}
	for _, lbp := range list {
		if err := b.remove(lbp); err != nil {
			return err
		}
		b.printf("%s deleted\n", breakpointName(lbp))
	}
	return nil
}

// clear deletes a breakpoint by number or name (Delve), or those at a location
// (gdb).
func (b *Backend) clear(ctx context.Context, args string) error {
	if args == "" {
		return errors.New("clear: want a breakpoint's number or name, or a location")
	}
	if _, err := b.named(args); err == nil {
		return b.deleteBreakpoints(ctx, args)
	}
	locs, err := b.locate(args)
	if err != nil {
		return err
	}
	found := false
	for _, l := range locs {
		for _, pc := range addresses(l) {
			if bp, ok := b.p.bps.M[pc]; ok && bp.LogicalID() > 0 {
				found = true
				if err := b.deleteBreakpoints(ctx, strconv.Itoa(bp.LogicalID())); err != nil {
					return err
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("no breakpoint at %s", args)
	}
	return nil
}

// enable makes the verb that enables or disables breakpoints, all without
// arguments.
func enableVerb(change func(old bool) bool) func(*Backend, context.Context, string) error {
	return func(b *Backend, _ context.Context, args string) error {
		args = strings.TrimSpace(strings.TrimPrefix(args, "breakpoints"))
		list := b.all()
		if args != "" {
			var err error
			if list, err = b.several(args); err != nil {
				return err
			}
		}
		for _, lbp := range list {
			if b.isWatch(lbp) {
				return fmt.Errorf("watchpoint %d cannot be disabled; delete it", lbp.LogicalID)
			}
			if err := b.grp.SetBreakpointEnabled(lbp, change(lbp.Enabled())); err != nil {
				return err
			}
		}
		return nil
	}
}

// condition sets a breakpoint's condition: N EXPR, N (none), -hitcount N CONDITION,
// -per-g-hitcount N CONDITION, -clear N.
func (b *Backend) condition(_ context.Context, args string) error {
	words := strings.Fields(args)
	hit, perG, clear := false, false, false
	if len(words) > 0 && strings.HasPrefix(words[0], "-") {
		switch words[0] {
		case "-hitcount":
			hit = true
		case "-per-g-hitcount":
			hit, perG = true, true
		case "-clear":
			clear = true
		default:
			return fmt.Errorf("condition %s: want -hitcount, -per-g-hitcount or -clear", words[0])
		}
		args = strings.TrimSpace(strings.TrimPrefix(args, words[0]))
	}
	which, text, _ := strings.Cut(args, " ")
	text = strings.TrimSpace(text)
	if which == "" {
		return errors.New("condition: want a breakpoint's number and an expression")
	}
	lbp, err := b.named(which)
	if err != nil {
		return err
	}
	switch {
	case clear:
		return b.grp.ChangeBreakpointCondition(lbp, "", "", false)
	case hit:
		return b.grp.ChangeBreakpointCondition(lbp, conditionText(lbp), text, perG)
	}
	if err := b.grp.ChangeBreakpointCondition(lbp, text, lbp.HitCond(), lbp.HitCondPerG); err != nil {
		return fmt.Errorf("condition %s: %w", text, syntaxError(err))
	}
	if text == "" {
		b.printf("%s is unconditional now.\n", breakpointName(lbp))
	}
	return nil
}

// ignore has a breakpoint not stop for its next N hits.
func (b *Backend) ignore(_ context.Context, args string) error {
	which, text, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return errors.New("ignore: want a breakpoint's number and a number of hits")
	}
	lbp, err := b.named(which)
	if err != nil {
		return err
	}
	if n == 0 {
		return b.grp.ChangeBreakpointCondition(lbp, conditionText(lbp), "", false)
	}
	b.printf("%s is ignored for its next %d hits.\n", breakpointName(lbp), n)
	return b.grp.ChangeBreakpointCondition(lbp, conditionText(lbp), fmt.Sprintf("> %d", lbp.TotalHitCount+uint64(n)), false)
}

// watchVerb makes a watchpoint: [-r|-w|-rw] EXPR [if COND].
func watchVerb(kind proc.WatchType) func(*Backend, context.Context, string) error {
	return func(b *Backend, _ context.Context, args string) error {
		kind := kind
		for _, f := range []struct {
			flag string
			kind proc.WatchType
		}{{"-rw ", proc.WatchRead | proc.WatchWrite}, {"-r ", proc.WatchRead}, {"-w ", proc.WatchWrite}, {"-l ", kind}} {
			if rest, ok := strings.CutPrefix(args, f.flag); ok {
				args, kind = strings.TrimSpace(rest), f.kind
			}
		}
		expr, cond := splitCondition(args)
		if expr == "" {
			return errors.New("watch: want an expression")
		}
		scope, err := b.scope()
		if err != nil {
			return err
		}
		id := b.breaks.next
		bp, err := b.target().SetWatchpoint(id, scope, expr, kind, nil)
		if err != nil {
			return fmt.Errorf("%w; `reverse-watch %s` finds its latest change", err, expr)
		}
		b.breaks.next++
		if cond != "" {
			if err := b.grp.ChangeBreakpointCondition(bp.Logical, cond, "", false); err != nil {
				b.remove(bp.Logical)
				return fmt.Errorf("condition %s: %w", cond, syntaxError(err))
			}
		}
		b.printf("Watchpoint %d set at %s\n", id, b.sites(bp.Logical))
		return nil
	}
}

// on attaches a command to a breakpoint: NAME COMMAND, or NAME -edit is gdb's
// `commands`.
func (b *Backend) on(_ context.Context, args string) error {
	which, command, _ := strings.Cut(args, " ")
	command = strings.TrimSpace(command)
	lbp, err := b.named(which)
	if err != nil {
		return err
	}
	if command == "" {
		return errors.New("on: want a breakpoint and a command")
	}
	verb, rest, _ := strings.Cut(command, " ")
	if verb == "print" || verb == "p" {
		lbp.Variables = append(lbp.Variables, strings.TrimSpace(rest))
		return nil
	}
	b.breaks.commands[lbp.LogicalID] = append(b.breaks.commands[lbp.LogicalID], command)
	return nil
}
