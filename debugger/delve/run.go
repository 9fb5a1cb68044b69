package delve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
)

// mover is a verb that moves the program once.
type mover func(*Backend) (debugger.Outcome, error)

// times makes a verb that moves the program as often as its argument says, and
// then shows where it is.
func times(name string, m mover) func(*Backend, context.Context, string) (debugger.Outcome, error) {
	return func(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
		n := 1
		if args != "" {
			var err error
			if n, err = strconv.Atoi(args); err != nil || n < 1 {
				return debugger.Outcome{}, fmt.Errorf("%s %s: want a number of times, 1 or more", name, args)
			}
		}
		return b.repeat(ctx, n, m)
	}
}

// repeat moves n times, until something else than the motion's own end stops the
// program.
func (b *Backend) repeat(ctx context.Context, n int, m mover) (out debugger.Outcome, err error) {
	for i := range n {
		var o debugger.Outcome
		o, err = m(b)
		o.Moved = o.Moved || out.Moved
		out = o
		if err != nil || out.Edge || ctx.Err() != nil {
			break
		}
		if lbp := b.hit(); lbp != nil && i < n-1 && b.target().StopReason != proc.StopBreakpoint {
			break
		}
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return b.stopHere(ctx, out, err)
}

// stopHere shows a stop and does what hangs on it.
func (b *Backend) stopHere(ctx context.Context, out debugger.Outcome, err error) (debugger.Outcome, error) {
	if !out.Moved {
		return out, err
	}
	lbp := b.hit()
	if lbp != nil && b.breaks.temporary[lbp.LogicalID] {
		if rerr := b.remove(lbp); err == nil {
			err = rerr
		}
	}
	var commands []string
	if lbp != nil && err == nil {
		commands = b.breaks.commands[lbp.LogicalID]
	}
	if len(commands) == 0 || commands[0] != "silent" {
		if serr := b.showStop(); err == nil {
			err = serr
		}
	}
	for _, line := range commands {
		if err != nil || line == "silent" {
			continue
		}
		var o debugger.Outcome
		o, err = b.command(ctx, line)
		if o.Moved {
			out = o
		}
	}
	return out, err
}

// continueVerb is `continue`: [N | LOCATION].
func continueVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	if args == "" || number(args) {
		return times("continue", func(b *Backend) (debugger.Outcome, error) { return b.resume(proc.Forward) })(b, ctx, args)
	}
	return b.advance(ctx, args, proc.Forward)
}

// rewindVerb is `reverse-continue`: [N | LOCATION].
func rewindVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	if args == "" || number(args) {
		return times("reverse-continue", func(b *Backend) (debugger.Outcome, error) { return b.resume(proc.Backward) })(b, ctx, args)
	}
	return b.advance(ctx, args, proc.Backward)
}

// advance goes on until a location.
func (b *Backend) advance(ctx context.Context, spec string, dir proc.Direction) (debugger.Outcome, error) {
	locs, err := b.locate(spec)
	if err != nil {
		return debugger.Outcome{}, err
	}
	var made []*proc.LogicalBreakpoint
	defer func() {
		for _, lbp := range made {
			if b.grp.LogicalBreakpoints[lbp.LogicalID] == lbp {
				b.remove(lbp)
			}
		}
	}()
	for _, l := range locs {
		lbp, err := b.set(l, plan{temporary: true, quiet: true})
		if err != nil && !b.userAt(addresses(l)) {
			return debugger.Outcome{}, err
		}
		if lbp != nil {
			made = append(made, lbp)
			b.breaks.next-- // it leaves no trace
		}
	}
	return b.repeat(ctx, 1, func(b *Backend) (debugger.Outcome, error) { return b.resume(dir) })
}

func (b *Backend) userAt(pcs []uint64) bool {
	for _, pc := range pcs {
		if bp := b.p.bps.M[pc]; bp == nil || !bp.IsUser() {
			return false
		}
	}
	return true
}

// until is `until`: [LOCATION]. Without one it is next that never goes back in the
// code, as out of a loop.
func untilVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	if args != "" {
		return b.advance(ctx, args, proc.Forward)
	}
	start, err := b.where()
	if err != nil {
		return debugger.Outcome{}, err
	}
	frames, err := b.stack(1)
	if err != nil {
		return debugger.Outcome{}, err
	}
	const most = 100000 // steps
	return b.repeat(ctx, 1, func(b *Backend) (out debugger.Outcome, err error) {
		for range most {
			o, err := b.next(proc.Forward)
			o.Moved = o.Moved || out.Moved
			out = o
			if err != nil || o.Edge || b.hit() != nil || ctx.Err() != nil {
				return out, err
			}
			now, err := b.stack(1)
			if err != nil {
				return out, nil
			}
			if now[0].FrameOffset() != frames[0].FrameOffset() || now[0].Call.Line > start.Line || now[0].Call.File != start.File {
				return out, nil
			}
		}
		return out, errors.New("until: the loop does not end")
	})
}

// revVerb is Delve's `rev COMMAND`.
func revVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	word, rest, _ := strings.Cut(args, " ")
	back := map[string]string{
		"": "reverse-continue", "continue": "reverse-continue", "c": "reverse-continue",
		"next": "reverse-next", "n": "reverse-next", "step": "reverse-step", "s": "reverse-step",
		"stepout": "reverse-finish", "so": "reverse-finish", "finish": "reverse-finish",
		"step-instruction": "reverse-stepi", "si": "reverse-stepi", "stepi": "reverse-stepi",
		"next-instruction": "reverse-nexti", "ni": "reverse-nexti", "nexti": "reverse-nexti",
	}[word]
	if back == "" {
		return debugger.Outcome{}, fmt.Errorf("rev %s: want next, step, stepout, step-instruction, next-instruction or continue", word)
	}
	return b.command(ctx, strings.TrimSpace(back+" "+rest))
}
