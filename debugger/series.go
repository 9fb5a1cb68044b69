package debugger

// An expression over time: `changes` lists its last changes, `log` its value at
// each pass of a place, `plot` (plot.go) draws it. All return to the present.

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"yore/engine/timeline"
)

// Logger is a Backend that stops at a place without the person's breakpoints.
type Logger interface {
	// BreakAt makes a breakpoint that only moves of kind ToBreak stop at, until
	// remove is called. Only inside Quietly.
	BreakAt(ctx context.Context, place string) (remove func(context.Context) error, err error)
}

// changesShown is how many changes are listed unless the person says.
const changesShown = 10

var countBehind = regexp.MustCompile(`^(.*[\w\])"'])\s+(\d+)$`)

// changes lists the last changes of an expression, the latest first.
func (d *Debugger) changes(ctx context.Context, args string) (out Outcome, err error) {
	n := changesShown
	if m := countBehind.FindStringSubmatch(args); m != nil {
		args = m[1]
		if n, err = strconv.Atoi(m[2]); err != nil || n < 1 {
			return out, fmt.Errorf("changes: %s is no number of changes", m[2])
		}
	}
	if args == "" {
		return out, errors.New("changes needs an expression")
	}
	bound, err := d.back.Bind(ctx, args)
	if err != nil {
		return out, err
	}
	home, err := d.tl.Mark(ctx)
	if err != nil {
		return out, err
	}
	defer home.Release()
	found, sampled := 0, false
	for ; found < n; found++ {
		h := &hunt{d: d, bound: bound, exact: true}
		var c Change
		if c, out.Moved, err = d.findChange(ctx, h); err != nil {
			break
		}
		err = d.describe(ctx, &c)
		if err == nil {
			_, err = d.arrive(ctx, d.toMark(h.insn))
		}
		h.insn.Release()
		if err != nil {
			break
		}
		if found == 0 {
			d.printf("  %-28s %-7s %-40s %s\n", "position", "thread", "statement", "before → after")
		}
		sign := ' '
		if c.Guarantee != Latest {
			sign, sampled = '~', true
		}
		d.printf("%c %-28v %-7d %-40s %s → %s\n", sign, c.Position, c.Thread.Number, statementText(c.Location), shorten(c.Before), shorten(c.After))
	}
	_, rerr := d.arrive(context.WithoutCancel(ctx), d.toMark(home))
	if rerr != nil {
		out.Moved = true
		err = errors.Join(err, fmt.Errorf("return to the present: %w", rerr))
	}
	if sampled {
		d.print("~ there may be changes between this and the row above: what lies there was only sampled\n")
	}
	var never *UnchangedError
	if rerr == nil && errors.As(err, &never) && found > 0 {
		d.printf("No earlier change: %v.\n", never)
		err = nil
	}
	return out, err
}

// statementText is a place without the directories of its file.
func statementText(l Location) string {
	l.File = filepath.Base(l.File)
	return placeText(Place{Location: l})
}

// logAt runs through all of history once and prints expressions at each pass of a
// place.
func (d *Debugger) logAt(ctx context.Context, args string) (out Outcome, err error) {
	place, rest, _ := strings.Cut(strings.TrimSpace(args), " ")
	exprs := splitExpressions(rest)
	if place == "" || len(exprs) == 0 {
		return out, errors.New("log needs a place, as `break` takes it, and expressions")
	}
	l, ok := d.back.(Logger)
	if !ok {
		return out, errors.New("this backend cannot stop at a place silently")
	}
	if r, ok := d.tl.(Living); ok && r.CanRunOn() {
		return out, errors.New("log goes through history to its end, from where this program would run on: let it end first (continue), or record it")
	}
	home, err := d.tl.Mark(ctx)
	if err != nil {
		return out, err
	}
	defer home.Release()
	n := 0
	err = d.back.Quietly(ctx, func(ctx context.Context) error {
		if _, err := d.arrive(ctx, d.toPosition(timeline.Start)); err != nil {
			return err
		}
		remove, err := l.BreakAt(ctx, place)
		if err != nil {
			return err
		}
		n, err = d.logHits(ctx, exprs)
		return errors.Join(err, remove(context.WithoutCancel(ctx)))
	})
	if _, rerr := d.arrive(context.WithoutCancel(ctx), d.toMark(home)); rerr != nil {
		out.Moved = true
		err = errors.Join(err, fmt.Errorf("return to the present: %w", rerr))
	}
	if err == nil {
		d.printf("%d hits.\n", n)
	}
	return out, err
}

// logHits goes on from one pass to the next, up to the end of recorded history.
func (d *Debugger) logHits(ctx context.Context, exprs []string) (n int, err error) {
	last := timeline.Position{Event: -1}
	counts := map[uint64]uint64{} // of the present slice, by address
	for {
		o, err := d.back.Move(ctx, Motion{Kind: ToBreak})
		if err != nil || o.Edge || ctx.Err() != nil {
			return n, errors.Join(err, ctx.Err())
		}
		if d.tl.AtFrontier() {
			return n, nil
		}
		if o.Why != "breakpoint-hit" {
			continue // a signal of the program's
		}
		// Each pass stops, so the next of the same address has the next count.
		p := timeline.Position{Event: d.tl.Event(), Addr: o.At.Addr}
		if p.Event != last.Event {
			clear(counts)
		}
		if k, ok := counts[p.Addr]; ok {
			p.Count = k + 1
		} else if p, err = d.tl.Position(ctx); err != nil {
			return n, err
		}
		counts[o.At.Addr], last = p.Count, p
		n++
		var line strings.Builder
		fmt.Fprintf(&line, "%-28v", p)
		for _, text := range exprs {
			value := ""
			e, err := d.back.Bind(ctx, text)
			if err == nil {
				value, err = d.back.Evaluate(ctx, e)
				d.tl.EndDiversion()
			}
			if ferr := fatal(ctx, err); ferr != nil {
				return n, ferr
			}
			if err != nil {
				first, _, _ := strings.Cut(err.Error(), "\n")
				value = "<" + strings.TrimSuffix(first, ".") + ">"
			}
			fmt.Fprintf(&line, "  %s = %s", text, shorten(value))
		}
		d.print(line.String() + "\n")
	}
}

// splitExpressions splits at commas and blanks outside parentheses, brackets and
// quotes.
func splitExpressions(s string) (out []string) {
	depth, start := 0, -1
	end := func(i int) {
		if start >= 0 {
			out = append(out, s[start:i])
		}
		start = -1
	}
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if quote == 0 && depth == 0 && (c == ',' || c == ' ' || c == '\t') {
			end(i)
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	end(len(s))
	return out
}
