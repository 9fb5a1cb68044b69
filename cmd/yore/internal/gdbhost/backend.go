package gdbhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// noted begins a line that no person types: it stands for a motion that gdb has
// made and shown by itself.
const noted = "(gdb)"

// evalLimit bounds the evaluation of one expression, watchLimit a search by
// hardware watchpoint.
const (
	evalLimit  = time.Second
	watchLimit = 20 * time.Second
)

// backend is the gdb that sent the verb under way.
type backend struct {
	target *live.Target
	asker  *gdbserver.Asker // nil when nobody answers
	noted  debugger.Outcome // what a line that begins with noted did
}

var _ debugger.Backend = (*backend)(nil)

var errNoAsker = errors.New("this needs yore's commands in gdb")

// since returns what has happened since the target had made that many moves.
func (b *backend) since(moves int64) debugger.Outcome {
	if b.target.Moves() == moves {
		return debugger.Outcome{}
	}
	out := debugger.Outcome{Moved: true}
	if stop := b.target.LastStop(); stop != nil {
		out.Edge = stop.Reason == timeline.HistoryBegin || stop.Reason == timeline.HistoryEnd
		out.Why = stop.Reason.String()
	}
	return out
}

// act does something that may move the program.
func (b *backend) act(f func(*gdbserver.Asker) error) (debugger.Outcome, error) {
	if b.asker == nil {
		return debugger.Outcome{}, errNoAsker
	}
	moves := b.target.Moves()
	err := f(b.asker)
	return b.since(moves), err
}

// ask calls a function of helper.py and reads what it returns into answer, unless
// that is nil. The error is gdb's refusal.
func (b *backend) ask(ctx context.Context, answer any, function string, args ...any) error {
	if b.asker == nil {
		return errNoAsker
	}
	if args == nil {
		args = []any{}
	}
	list, err := json.Marshal(args)
	if err != nil {
		panic("gdbhost: " + err.Error()) // strings, numbers and our own types always encode
	}
	out, err := b.asker.Capture(ctx, fmt.Sprintf("python _yore_helper.do(%s, %s)", pyString(function), pyString(string(list))))
	if err != nil {
		return err
	}
	// What gdb itself printed meanwhile comes before the last line.
	var reply struct {
		Value json.RawMessage
		Error *string
	}
	line := out[strings.LastIndexByte(out, '\n')+1:]
	if err := json.Unmarshal([]byte(line), &reply); err != nil {
		return fmt.Errorf("gdb's answer to %s is not understood: %q", function, out)
	}
	if reply.Error != nil {
		return errors.New(*reply.Error)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Value, answer); err != nil {
		return fmt.Errorf("gdb's answer to %s: %w", function, err)
	}
	return nil
}

// pyString quotes text as a Python literal of one line. Go's escapes are Python's.
func pyString(s string) string { return strconv.QuoteToASCII(strings.ToValidUTF8(s, "?")) }

// Console is part of debugger.Backend.
func (b *backend) Console(ctx context.Context, line string) (debugger.Outcome, error) {
	if strings.HasPrefix(line, noted) {
		return b.noted, nil
	}
	return b.act(func(a *gdbserver.Asker) error { return a.Show(ctx, line) })
}

// Script is part of debugger.Backend.
func (b *backend) Script(ctx context.Context, lines []string) (debugger.Outcome, error) {
	return b.act(func(a *gdbserver.Asker) error {
		return a.Show(ctx, "python gdb.execute("+pyString(strings.Join(lines, "\n"))+")")
	})
}

// Arrive is part of debugger.Backend.
func (b *backend) Arrive(ctx context.Context) (debugger.Outcome, error) {
	return b.act(func(a *gdbserver.Asker) error { return a.Arrive(ctx) })
}

// ShowStop is part of debugger.Backend.
func (b *backend) ShowStop(ctx context.Context) error {
	if b.asker == nil {
		return errNoAsker
	}
	if err := b.asker.Show(ctx, "frame"); err != nil {
		return err
	}
	return b.asker.Show(ctx, "display")
}

// Quietly is part of debugger.Backend.
func (b *backend) Quietly(ctx context.Context, f func(context.Context) error) error {
	if err := b.ask(ctx, nil, "quiet"); err != nil {
		return err
	}
	err := f(ctx)
	if uerr := b.ask(context.WithoutCancel(ctx), nil, "unquiet"); err == nil {
		err = uerr
	}
	return err
}

// Move is part of debugger.Backend.
func (b *backend) Move(ctx context.Context, m debugger.Motion) (debugger.Outcome, error) {
	return b.act(func(a *gdbserver.Asker) error {
		switch m.Kind {
		case debugger.StepInsn:
			verb := "stepi"
			if m.Backward {
				verb = "reverse-stepi"
			}
			return b.ask(ctx, nil, "move", fmt.Sprintf("%s %d", verb, max(1, m.Count)))
		case debugger.ToStatement:
			return b.ask(ctx, nil, "to_statement")
		case debugger.ToEntry:
			var act *activation
			if e, ok := m.Of.(*expression); ok {
				act = e.act
			}
			return b.ask(ctx, nil, "to_entry", act)
		}
		return fmt.Errorf("gdb: no motion %d", m.Kind)
	})
}

// Watch is part of debugger.Backend.
func (b *backend) Watch(ctx context.Context, expr string) (out debugger.Outcome, ok bool, err error) {
	var number int
	if err := b.ask(ctx, &number, "watch", expr); err != nil || number == 0 {
		return out, false, ctx.Err() // gdb refuses to watch it: then it is searched for
	}
	defer func() {
		if uerr := b.ask(context.WithoutCancel(ctx), nil, "unwatch", number); err == nil {
			err = uerr
		}
	}()
	limited, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	for {
		defer b.target.Limit(limited)()
		o, err := b.act(func(*gdbserver.Asker) error { return b.ask(ctx, nil, "move", "reverse-continue") })
		out.Moved = out.Moved || o.Moved
		out.Edge, out.Why = o.Edge, o.Why
		if err != nil || limited.Err() != nil {
			return out, false, ctx.Err()
		}
		var there bool
		if err := b.ask(ctx, &there, "watched", number); err != nil {
			return out, false, err
		}
		stop := b.target.LastStop()
		switch {
		case !there:
			out.Edge = true // the variable begins here
			return out, true, nil
		case out.Edge, stop.Reason == timeline.Watchpoint:
			return out, true, nil
		case stop.Reason == timeline.Signal:
			continue // the program's own, on the way
		}
		return out, false, nil
	}
}

// place is a frame as helper.py describes it.
type place struct {
	Addr     uint64
	Function string
	File     string
	FullName string
	Line     int
	Object   string
}

func (p place) location() debugger.Location {
	return debugger.Location{Addr: p.Addr, Function: p.Function, File: p.File, FullName: p.FullName, Line: p.Line, Object: p.Object}
}

// Where is part of debugger.Backend.
func (b *backend) Where(ctx context.Context) (debugger.Location, error) {
	frames, err := b.Backtrace(ctx, 1)
	if err != nil || len(frames) == 0 {
		return debugger.Location{}, err
	}
	return frames[0].Location, nil
}

// Line is part of debugger.Backend.
func (b *backend) Line(ctx context.Context, l debugger.Location) (string, error) {
	if b.asker == nil || l.Line == 0 {
		return "", nil
	}
	file := l.FullName
	if file == "" {
		file = l.File
	}
	out, err := b.asker.Capture(ctx, fmt.Sprintf("list %s:%d,%d", file, l.Line, l.Line))
	if err != nil {
		return "", ctx.Err() // the file is not here
	}
	number, text, _ := strings.Cut(strings.TrimSuffix(out, "\n"), "\t")
	if number != strconv.Itoa(l.Line) {
		return "", nil
	}
	return text, nil
}

// Backtrace is part of debugger.Backend.
func (b *backend) Backtrace(ctx context.Context, n int) ([]debugger.Frame, error) {
	var list []place
	if err := b.ask(ctx, &list, "frames", n); err != nil {
		return nil, err
	}
	var out []debugger.Frame
	for i, p := range list {
		out = append(out, debugger.Frame{Level: i, Location: p.location()})
	}
	return out, nil
}

// Threads is part of debugger.Backend.
func (b *backend) Threads(ctx context.Context) ([]debugger.Thread, error) {
	var list []struct {
		place
		Number, ID int
		Name       string
		Current    bool
	}
	if err := b.ask(ctx, &list, "threads"); err != nil {
		return nil, err
	}
	var out []debugger.Thread
	for _, t := range list {
		out = append(out, debugger.Thread{Number: t.Number, ID: t.ID, Name: t.Name, Current: t.Current, Location: t.location()})
	}
	return out, nil
}

// expression is a bound expression.
type expression struct {
	text    string
	act     *activation
	globals []string
}

// activation names one activation of a function.
type activation struct {
	Function string `json:"function"`
	CFA      string `json:"cfa"`
	TID      int    `json:"tid"`
}

func (e *expression) String() string   { return e.text }
func (e *expression) Activation() bool { return e.act != nil }

// Bind is part of debugger.Backend.
func (b *backend) Bind(ctx context.Context, text string) (debugger.Expression, error) {
	var a struct {
		Activation *activation
		Globals    []string
	}
	if err := b.ask(ctx, &a, "bind", text); err != nil {
		return nil, err
	}
	return &expression{text, a.Activation, a.Globals}, nil
}

// Evaluate is part of debugger.Backend.
func (b *backend) Evaluate(ctx context.Context, x debugger.Expression) (string, error) {
	e, ok := x.(*expression)
	if !ok {
		return "", fmt.Errorf("expression %s was not bound by this backend", x)
	}
	limited, cancel := context.WithTimeout(ctx, evalLimit)
	defer cancel()
	defer b.target.Limit(limited)()
	var a struct {
		Value   *string
		Unknown string
	}
	if err := b.ask(ctx, &a, "evaluate", e.text, e.act, e.globals); err != nil {
		return "", err
	}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case a.Value != nil:
		return *a.Value, nil
	case limited.Err() != nil:
		return "", &debugger.UnknownError{Reason: fmt.Sprintf("Its evaluation takes longer than %v.", evalLimit)}
	}
	return "", &debugger.UnknownError{Reason: a.Unknown}
}

// Resolve is part of debugger.Backend. gdb has resolved the verb already.
func (b *backend) Resolve(context.Context, string) (debugger.Resolution, error) {
	return debugger.Resolution{Exact: true}, nil
}

// Complete is part of debugger.Backend. gdb completes by itself.
func (b *backend) Complete(context.Context, string) ([]string, error) { return nil, nil }

// Help is part of debugger.Backend.
func (b *backend) Help(ctx context.Context, topic string) error {
	if b.asker == nil {
		return errNoAsker
	}
	return b.asker.Show(ctx, strings.TrimSpace("help "+topic))
}
