package gdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

// Console is part of debugger.Backend.
func (g *Backend) Console(ctx context.Context, line string) (debugger.Outcome, error) {
	if background(line) {
		return debugger.Outcome{}, errors.New("running in the background (&) is not possible: history has one present")
	}
	var out debugger.Outcome
	err := g.do(ctx, func() error {
		defer g.show()()
		_, err := g.send(ctx, console(line))
		out = g.outcome()
		if gone(err) {
			return err
		}
		err = errors.Join(err, g.after(context.WithoutCancel(ctx), out))
		out.InCall = g.inCall
		return err
	})
	return out, unjoin(err)
}

// Script is part of debugger.Backend.
func (g *Backend) Script(ctx context.Context, lines []string) (debugger.Outcome, error) {
	file, remove, err := scriptFile(lines)
	if err != nil {
		return debugger.Outcome{}, err
	}
	defer remove()
	var out debugger.Outcome
	err = g.do(ctx, func() error {
		defer g.show()()
		// The error's text names the file: it is shown from the result alone.
		_, err := g.send(ctx, console("source "+file))
		out = g.outcome()
		if gone(err) {
			return err
		}
		err = errors.Join(plain(file, err), g.after(context.WithoutCancel(ctx), out))
		out.InCall = g.inCall
		return err
	})
	return out, unjoin(err)
}

// unjoin gives back the only error of a join.
func unjoin(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		if list := j.Unwrap(); len(list) == 1 {
			return list[0]
		}
	}
	return err
}

// scriptFile writes lines to a temporary file for gdb to source.
func scriptFile(lines []string) (name string, remove func(), err error) {
	f, err := os.CreateTemp("", "yore-script-*.gdb")
	if err != nil {
		return "", nil, fmt.Errorf("script for gdb: %w", err)
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("script for gdb: %w", err)
	}
	return f.Name(), remove, nil
}

// background reports whether a line asks gdb to run the program without
// waiting.
func background(line string) bool {
	line = strings.TrimSpace(line)
	body, amp := strings.CutSuffix(line, "&")
	if !amp || strings.HasSuffix(body, "&") {
		return false
	}
	word, _, _ := strings.Cut(strings.TrimSpace(body), " ")
	switch word {
	case "continue", "c", "fg", "step", "s", "next", "n", "stepi", "si", "nexti", "ni", "finish", "fin", "until", "u", "advance",
		"jump", "j", "signal", "reverse-continue", "rc", "reverse-step", "rs", "reverse-next", "rn", "reverse-stepi", "rsi",
		"reverse-nexti", "rni", "reverse-finish", "run", "r", "start", "attach":
		return true
	}
	return false
}

// after does what the person's last command calls for: the server must know
// which thread is selected, because gdb does not tell it for backward steps;
// and a watchpoint that gdb would check after every instruction is not kept.
func (g *Backend) after(ctx context.Context, out debugger.Outcome) error {
	g.mu.Lock()
	selected, created := g.ev.selected, g.ev.created
	bp := g.breaks.get(created)
	g.mu.Unlock()
	if out.Moved {
		if _, err := g.switched(ctx); err != nil { // gdb has said it
			return err
		}
	}
	if out.InCall {
		if err := g.callOver(ctx); err != nil {
			return err
		}
	}
	if out.Edge {
		if err := g.libraries(ctx); err != nil {
			return err
		}
	}
	if selected {
		if err := g.tellThread(ctx); err != nil {
			return err
		}
	}
	if bp.Text("type") != "watchpoint" {
		return nil
	}
	if _, res, err := g.capture(ctx, "-gdb-show can-use-hw-watchpoints"); err != nil || res.Fields.Text("value") == "0" {
		return err // the person wants it so
	}
	if _, err := g.captured(ctx, console("delete "+created)); err != nil {
		return err
	}
	what := bp.Text("what")
	return fmt.Errorf("watchpoint %s is not kept: gdb could check %s only after every instruction; `reverse-watch %s` finds its latest change", created, what, what)
}

// callOver finds out whether the program has left the function that an
// expression called.
func (g *Backend) callOver(ctx context.Context) error {
	_, res, err := g.capture(ctx, "-stack-list-frames")
	if err != nil {
		return notRefusal(err)
	}
	for _, f := range res.Fields.List("stack").Tuples() {
		if f.Text("func") == "<function called from gdb>" {
			return nil
		}
	}
	g.mu.Lock()
	g.inCall = false
	g.mu.Unlock()
	return nil
}

// tellThread tells the server which thread is selected.
func (g *Backend) tellThread(ctx context.Context) error {
	_, res, err := g.capture(ctx, "-thread-info")
	if err != nil {
		return err
	}
	current := res.Fields.Text("current-thread-id")
	for _, t := range res.Fields.List("threads").Tuples() {
		m := threadID.FindStringSubmatch(t.Text("target-id"))
		if t.Text("id") != current || m == nil {
			continue
		}
		id := fmt.Sprintf("%x", number(m[2]))
		if m[1] != "" {
			id = fmt.Sprintf("p%x.%s", number(m[1]), id)
		}
		_, err := g.captured(ctx, console("maintenance packet QYore.Select:"+id))
		return err
	}
	return nil
}

// Resolve is part of debugger.Backend.
func (g *Backend) Resolve(ctx context.Context, word string) (debugger.Resolution, error) {
	var r debugger.Resolution
	err := g.do(ctx, func() error {
		_, res, err := g.capture(ctx, "-complete "+gdbmi.Quote(word))
		if err != nil {
			return err
		}
		r.Matches = res.Fields.List("matches").Strings()
		if slices.Contains(r.Matches, word) {
			r.Exact = true
			return nil
		}
		// Aliases such as `b` are not among the completions; help names them.
		text, err := g.captured(ctx, console("help "+word))
		if err != nil {
			if refusal(err) != nil {
				return nil
			}
			return err
		}
		first, _, _ := strings.Cut(text, "\n")
		r.Exact = slices.Contains(strings.Split(first, ", "), word)
		return nil
	})
	return r, err
}

// Complete is part of debugger.Backend.
func (g *Backend) Complete(ctx context.Context, line string) ([]string, error) {
	var out []string
	err := g.do(ctx, func() error {
		_, res, err := g.capture(ctx, "-complete "+gdbmi.Quote(line))
		out = res.Fields.List("matches").Strings()
		return err
	})
	return out, err
}

// Help is part of debugger.Backend.
func (g *Backend) Help(ctx context.Context, topic string) error {
	if topic == "all" {
		topic = ""
	}
	return g.do(ctx, func() error {
		defer g.show()()
		_, err := g.send(ctx, console(strings.TrimSpace("help "+topic)))
		return err
	})
}

// refusal returns the error as gdb's refusal of a command, nil when it is
// something else.
func refusal(err error) *gdbmi.CommandError {
	var e *gdbmi.CommandError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
