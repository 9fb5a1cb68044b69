package gdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"yore/debugger"
	"yore/gdbmi"
)

// Arrive is part of debugger.Backend.
//
// The server answers with signal 0: gdb drops what it was in the middle of
// (stepping off a breakpoint, say), shows where it is, and counts no hit of a
// breakpoint there.
func (g *Backend) Arrive(ctx context.Context) (debugger.Outcome, error) {
	var out debugger.Outcome
	err := g.do(ctx, func() error {
		var err error
		if out, err = g.resume(ctx, "-exec-continue"); err != nil {
			return err
		}
		if err := g.libraries(ctx); err != nil || g.quiet {
			return err
		}
		return g.rewatch(ctx)
	})
	return out, err
}

// libraries has gdb look which libraries are loaded. Otherwise it does so only
// when the program passes the place where the loader reports a change.
func (g *Backend) libraries(ctx context.Context) error {
	_, err := g.captured(ctx, console("sharedlibrary"))
	return notRefusal(err)
}

// resume executes a machine command that moves the program, and shows nothing.
func (g *Backend) resume(ctx context.Context, command string) (debugger.Outcome, error) {
	text, err := g.captured(ctx, command)
	if refused := refusal(err); refused != nil && refused.Msg == "Command aborted." {
		refused.Msg = strings.TrimSpace(text) // which says why
	}
	return g.outcome(), err
}

// Quietly is part of debugger.Backend.
func (g *Backend) Quietly(ctx context.Context, f func(context.Context) error) error {
	if g.quiet {
		return f(ctx)
	}
	var undo []string
	err := g.do(ctx, func() error {
		g.mu.Lock()
		on := g.breaks.enabled()
		g.mu.Unlock()
		if len(on) > 0 {
			if _, err := g.captured(ctx, console("disable "+numbers(on))); err != nil {
				return err
			}
			undo = append(undo, "enable "+numbers(on))
		}
		for _, s := range []struct{ name, value string }{
			{"print elements", "4000"}, {"print repeats", "unlimited"}, {"unwindonsignal", "on"}, {"unwind-on-terminating-exception", "on"},
			{"stack-cache", "off"}, // a Witness sees what is read
		} {
			_, res, err := g.capture(ctx, "-gdb-show "+s.name)
			if err != nil {
				return err
			}
			if _, err := g.captured(ctx, "-gdb-set "+s.name+" "+s.value); err != nil {
				return err
			}
			undo = append(undo, "set "+s.name+" "+res.Fields.Text("value"))
		}
		return nil
	})
	if err == nil {
		g.quiet = true
		err = f(ctx)
		g.quiet = false
	}
	uerr := g.do(ctx, func() error {
		var errs []error
		for _, line := range undo {
			if _, err := g.captured(context.WithoutCancel(ctx), console(line)); err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
	if err == nil {
		err = uerr
	}
	return err
}

// Move is part of debugger.Backend.
func (g *Backend) Move(ctx context.Context, m debugger.Motion) (debugger.Outcome, error) {
	var out debugger.Outcome
	err := g.do(ctx, func() error {
		var err error
		switch m.Kind {
		case debugger.StepInsn:
			verb := "stepi"
			if m.Backward {
				verb = "reverse-stepi"
			}
			out, err = g.resume(ctx, console(fmt.Sprintf("%s %d", verb, max(1, m.Count))))
		case debugger.ToEntry:
			out, err = g.toEntry(ctx, m.Of)
		case debugger.ToBreak:
			out, err = g.resume(ctx, "-exec-continue")
		case debugger.ToStatement:
			out, err = g.toStatement(ctx)
		default:
			err = fmt.Errorf("gdb backend: no motion %d", m.Kind)
		}
		return err
	})
	return out, err
}

// BreakAt is part of debugger.Logger.
func (g *Backend) BreakAt(ctx context.Context, place string) (remove func(context.Context) error, err error) {
	var made string
	err = g.do(ctx, func() error {
		if _, err := g.captured(ctx, console("break "+place)); err != nil {
			return err
		}
		g.mu.Lock()
		made = g.ev.created
		g.mu.Unlock()
		if made == "" {
			return fmt.Errorf("there is no place %s to stop at", place)
		}
		return nil
	})
	return func(ctx context.Context) error {
		return g.do(ctx, func() error {
			_, err := g.captured(ctx, console("delete "+made))
			return err
		})
	}, err
}

var symbolOffset = regexp.MustCompile(` \+ (\d+) in section `)

// toEntry goes back to the call of an expression's frame. gdb's own reverse-finish
// leaves the innermost function whichever frame is selected, so a breakpoint at the
// function's first instruction does it, which counts only where the stack is as it
// was when this activation began.
func (g *Backend) toEntry(ctx context.Context, of debugger.Expression) (debugger.Outcome, error) {
	var out debugger.Outcome
	e, ok := of.(*expression)
	if !ok || !e.activation {
		return g.resume(ctx, "-exec-finish --reverse")
	}
	level, thread, err := g.findFrame(ctx, e)
	if err != nil {
		return out, err
	}
	_, res, err := g.capture(ctx, fmt.Sprintf("-stack-list-frames %s%d %d", thread, level, level))
	if err != nil {
		return out, err
	}
	frames := res.Fields.List("stack").Tuples()
	if len(frames) == 0 {
		return out, errNoFrame
	}
	pc := location(frames[0]).Addr
	text, err := g.captured(ctx, console(fmt.Sprintf("info symbol %#x", pc)))
	if err != nil {
		return out, err
	}
	if m := symbolOffset.FindStringSubmatch(text); m != nil {
		pc -= uint64(number(m[1]))
	}
	threads, err := g.listThreads(ctx)
	if err != nil {
		return out, err
	}
	for _, t := range threads {
		if t.ID == e.tid {
			thread = fmt.Sprintf(" thread %d", t.Number)
		}
	}
	const returnAddress = 8 // bytes that the call has pushed
	if _, err := g.captured(ctx, console(fmt.Sprintf("tbreak *%#x%s if $rsp + %d == %s", pc, thread, returnAddress, e.cfa))); err != nil {
		return out, err
	}
	g.mu.Lock()
	made := g.ev.created
	g.mu.Unlock()
	out, err = g.resume(ctx, "-exec-continue --reverse")
	if _, derr := g.captured(context.WithoutCancel(ctx), console("delete "+made)); derr != nil && refusal(derr) == nil && err == nil {
		err = derr
	}
	if err != nil || out.Edge {
		return out, err
	}
	return g.resume(ctx, console("reverse-stepi"))
}

// beyondMain calls f with the callers of main in sight, so that main, too, has a
// call to go back to.
func (g *Backend) beyondMain(ctx context.Context, f func() (debugger.Outcome, error)) (debugger.Outcome, error) {
	_, res, err := g.capture(ctx, "-gdb-show backtrace past-main")
	if err != nil {
		return debugger.Outcome{}, err
	}
	if _, err := g.captured(ctx, "-gdb-set backtrace past-main on"); err != nil {
		return debugger.Outcome{}, err
	}
	out, err := f()
	if _, uerr := g.captured(context.WithoutCancel(ctx), "-gdb-set backtrace past-main "+res.Fields.Text("value")); err == nil {
		err = uerr
	}
	return out, err
}

// toStatement goes back to the beginning of a statement.
func (g *Backend) toStatement(ctx context.Context) (debugger.Outcome, error) {
	out, err := g.toSource(ctx)
	if err != nil || out.Edge {
		return out, err
	}
	// Each round leaves a function, reaches the beginning of a line, or makes a
	// step in a function's prologue. Lines with several ranges of code take more
	// than one.
	const rounds = 200
	for range rounds {
		here, err := g.where(ctx)
		if err != nil {
			return out, err
		}
		command := "-exec-next --reverse"
		if here.Line == 0 {
			command = "-exec-finish --reverse"
		} else {
			line, err := g.lineOf(ctx, here.Addr)
			switch {
			case err != nil || line.start == here.Addr:
				return out, err
			case line.entry:
				// In a function's first line gdb would go on to the caller.
				command = console("reverse-stepi")
			}
		}
		o, err := g.resume(ctx, command)
		if err != nil && refusal(err) != nil {
			return out, nil // the outermost frame: nothing called it
		}
		if err != nil {
			return out, err
		}
		out = o
		if o.Edge {
			return out, nil
		}
	}
	return out, nil
}

// toSource goes back from library code to where the innermost frame whose source
// is at hand called it. Where there is none it stays.
func (g *Backend) toSource(ctx context.Context) (out debugger.Outcome, err error) {
	const deepest = 64
	for range deepest {
		_, res, err := g.capture(ctx, "-stack-list-frames")
		if err != nil {
			return out, notRefusal(err)
		}
		frames := res.Fields.List("stack").Tuples()
		level := slices.IndexFunc(frames, func(f gdbmi.Tuple) bool {
			_, err := os.Stat(f.Text("fullname"))
			return f.Text("fullname") != "" && err == nil
		})
		if level <= 0 {
			break
		}
		o, err := g.resume(ctx, "-exec-finish --reverse")
		if err != nil {
			return out, notRefusal(err)
		}
		if out = o; out.Edge {
			break
		}
	}
	return out, nil
}

// watchTime bounds the attempt to answer by a hardware watchpoint: it is much
// longer than such a search takes, unless what is watched changes often in ways
// that do not matter.
const watchTime = 20 * time.Second

// Watch is part of debugger.Backend.
func (g *Backend) Watch(ctx context.Context, expr string) (out debugger.Outcome, ok bool, err error) {
	err = g.do(ctx, func() error {
		out, ok, err = g.watch(ctx, expr)
		return err
	})
	return out, ok, err
}

func (g *Backend) watch(ctx context.Context, expr string) (out debugger.Outcome, ok bool, err error) {
	if calls(expr) {
		return out, false, nil // gdb would step through all of history
	}
	_, _, err = g.capture(ctx, console("watch "+expr))
	if err != nil {
		return out, false, notRefusal(err)
	}
	g.mu.Lock()
	n := g.ev.created
	kind := g.breaks.get(n).Text("type")
	g.mu.Unlock()
	if n == "" {
		return out, false, nil
	}
	defer func() {
		// It may have deleted itself at the end of its scope.
		if _, derr := g.captured(context.WithoutCancel(ctx), console("delete "+n)); derr != nil && refusal(derr) == nil && err == nil {
			err = derr
		}
	}()
	if kind != "hw watchpoint" {
		return out, false, nil
	}
	limited, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	for {
		o, err := g.resume(limited, "-exec-continue --reverse")
		o.Moved = o.Moved || out.Moved
		out = o
		if err != nil {
			if deadline(ctx, limited) {
				return out, false, nil
			}
			return out, false, notRefusal(err)
		}
		if deadline(ctx, limited) {
			return out, false, nil
		}
		if ctx.Err() != nil {
			return out, false, ctx.Err()
		}
		switch {
		case o.Why == "watchpoint-trigger" || o.Edge:
			return out, true, nil
		case o.Why == "watchpoint-scope":
			out.Edge = true // the variable begins here
			return out, true, nil
		case o.Why == "signal-received":
			continue // the program's own, on the way
		case !o.Moved:
			return out, false, nil
		}
	}
}

// notRefusal keeps errors other than gdb's refusal of a command.
func notRefusal(err error) error {
	if refusal(err) != nil {
		return nil
	}
	return err
}
