package gdb

// What an expression means must not change from one place to another: `n` in
// one function is not the `n` of the next. So binding an expression looks at
// its names where it was given. When one is a variable of the frame (or of the
// object whose method it is), the expression belongs to that activation: a
// frame with the same function, the same canonical frame address and the same
// thread. Otherwise its variables are global, and at places where a local hides
// one of them the expression is evaluated in an outer frame that does not. Its
// language is that of the place where it was given: with gdb's `set language auto`
// a comparison is "true" in C++ code and "1" in the C library that the code calls.

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"yore/debugger"
	"yore/gdbmi"
)

// expression is a bound expression.
type expression struct {
	text     string
	global   []string // names that were not variables of the frame
	language string   // gdb's name of the language it was given in

	activation bool
	loose      string // why its variables are not at fixed addresses, "" when they are
	function   string
	cfa        string // the frame's canonical address
	tid        int
}

func (e *expression) String() string   { return e.text }
func (e *expression) Activation() bool { return e.activation }

// Bind is part of debugger.Backend.
func (g *Backend) Bind(ctx context.Context, text string) (debugger.Expression, error) {
	e := &expression{text: text}
	err := g.do(ctx, func() error { return g.bind(ctx, e) })
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (g *Backend) bind(ctx context.Context, e *expression) error {
	_, res, err := g.capture(ctx, "-stack-info-frame")
	if err != nil {
		return err
	}
	frame := res.Fields.Tuple("frame")
	level := number(frame.Text("level"))
	if e.language, err = g.language(ctx); err != nil {
		return err
	}
	locals, err := g.locals(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(e.text, "$") {
		e.loose = "it names registers or gdb's own variables"
	}
	for _, n := range names(e.text) {
		if slices.Contains(locals, n) {
			e.activation = true
			if e.loose == "" {
				if e.loose, err = g.looseVariable(ctx, n); err != nil {
					return err
				}
			}
			continue
		}
		if slices.Contains(locals, "this") && n != "this" {
			_, err := g.captured(ctx, "-data-evaluate-expression "+gdbmi.Quote("sizeof(this->"+n+")"))
			if err == nil {
				e.activation = true
				continue
			}
			if refusal(err) == nil {
				return err
			}
		}
		e.global = append(e.global, n)
	}
	if !e.activation {
		return nil
	}
	e.function = frame.Text("func")
	threads, err := g.listThreads(ctx)
	if err != nil {
		return err
	}
	for _, t := range threads {
		if t.Current {
			e.tid = t.ID
		}
	}
	e.cfa, err = g.frameAddress(ctx, "", level)
	return err
}

var languageNow = regexp.MustCompile(`"(?:auto; currently )?([^"]+)"`)

// language returns gdb's name of the language that expressions have here.
func (g *Backend) language(ctx context.Context) (string, error) {
	text, err := g.captured(ctx, `-interpreter-exec console "show language"`)
	if err != nil {
		return "", err
	}
	m := languageNow.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("gdb does not say which language it uses: %s", text)
	}
	return m[1], nil
}

// fixedVariable matches what `info address` says of a variable that stays at one
// address while its frame lives.
var fixedVariable = regexp.MustCompile(`^Symbol ".*" is (?:a variable at frame base |a variable at |static storage at |a complex DWARF expression:\s+0: DW_OP_fbreg -?\d+\s*\.?\s*$)`)

// looseVariable says why a local variable is not at one address all the time, ""
// when it is.
func (g *Backend) looseVariable(ctx context.Context, name string) (string, error) {
	text, err := g.captured(ctx, console("info address "+name))
	if err != nil && refusal(err) == nil {
		return "", err
	}
	if err == nil && fixedVariable.MatchString(text) {
		return "", nil
	}
	return name + " is not at one address in memory all the time", nil
}

// locals returns the names of the selected frame's variables and arguments.
func (g *Backend) locals(ctx context.Context) ([]string, error) {
	_, res, err := g.capture(ctx, "-stack-list-variables --no-values")
	if err != nil {
		return nil, notRefusal(err) // without symbols there are no variables
	}
	var out []string
	for _, v := range res.Fields.List("variables").Tuples() {
		out = append(out, v.Text("name"))
	}
	return out, nil
}

var frameAt = regexp.MustCompile(`(?:Stack frame|, frame) at (0x[0-9a-f]+):`)

// frameAddress returns a frame's canonical address, which stays the same while
// the frame lives. thread is an option such as "--thread 2 ", or "" for the
// selected one.
func (g *Backend) frameAddress(ctx context.Context, thread string, level int) (string, error) {
	if thread == "" {
		_, res, err := g.capture(ctx, "-thread-info")
		if err != nil {
			return "", err
		}
		thread = "--thread " + res.Fields.Text("current-thread-id") + " "
	}
	text, err := g.captured(ctx, fmt.Sprintf("-interpreter-exec %s--frame %d console \"info frame\"", thread, level))
	if err != nil {
		return "", err
	}
	m := frameAt.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("gdb does not say where frame %d is", level)
	}
	return m[1], nil
}

// errNoFrame says that an activation does not exist at present.
var errNoFrame = errors.New("The frame of its function does not exist.")

// findFrame returns the level of an expression's frame and the option that
// names its thread.
func (g *Backend) findFrame(ctx context.Context, e *expression) (level int, thread string, err error) {
	threads, err := g.listThreads(ctx)
	if err != nil {
		return 0, "", err
	}
	for _, t := range threads {
		if t.ID == e.tid {
			thread = fmt.Sprintf("--thread %d ", t.Number)
		}
	}
	if thread == "" {
		return 0, "", errNoFrame
	}
	_, res, err := g.capture(ctx, "-stack-list-frames "+thread)
	if err != nil {
		return 0, "", err
	}
	for _, f := range res.Fields.List("stack").Tuples() {
		if f.Text("func") != e.function {
			continue
		}
		level := number(f.Text("level"))
		cfa, err := g.frameAddress(ctx, thread, level)
		if err != nil {
			return 0, "", err
		}
		if cfa == e.cfa {
			return level, thread, nil
		}
	}
	return 0, "", errNoFrame
}

// Evaluate is part of debugger.Backend.
func (g *Backend) Evaluate(ctx context.Context, x debugger.Expression) (string, error) {
	value, _, err := g.evaluation(ctx, x, g.evalLimit, func() {})
	return value, err
}

// readingSlows is how much more time an evaluation may take whose called functions
// are stepped.
const readingSlows = 10

// EvaluateReading is part of debugger.Reader. After an evaluation gdb has the
// stack's frames in its cache, unless that called a function.
func (g *Backend) EvaluateReading(ctx context.Context, x debugger.Expression, begin func()) (value, loose string, err error) {
	return g.evaluation(ctx, x, readingSlows*g.evalLimit, begin)
}

func (g *Backend) evaluation(ctx context.Context, x debugger.Expression, limit time.Duration, begin func()) (value, loose string, err error) {
	e, ok := x.(*expression)
	if !ok {
		return "", "", fmt.Errorf("expression %s was not bound by this backend", x)
	}
	err = g.do(ctx, func() error {
		limited, cancel := ctx, func() {}
		if limit > 0 {
			limited, cancel = context.WithTimeout(ctx, limit)
		}
		defer cancel()
		var err error
		value, err = g.evaluate(limited, e, begin)
		switch {
		case err == nil || gone(err):
			return err
		case deadline(ctx, limited):
			return &debugger.UnknownError{Reason: fmt.Sprintf("Its evaluation takes longer than %v.", limit)}
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNoFrame), refusal(err) != nil:
			return &debugger.UnknownError{Reason: err.Error()}
		}
		return err
	})
	return value, e.loose, err
}

// EvalTimeout is part of debugger.Limiter.
func (g *Backend) EvalTimeout() time.Duration { return g.evalLimit }

// SetEvalTimeout is part of debugger.Limiter.
func (g *Backend) SetEvalTimeout(d time.Duration) { g.evalLimit = d }

// evaluate calls begin when the frame to evaluate in has been found.
func (g *Backend) evaluate(ctx context.Context, e *expression, begin func()) (string, error) {
	where := ""
	if e.activation {
		level, thread, err := g.findFrame(ctx, e)
		if err != nil {
			return "", err
		}
		where = fmt.Sprintf("%s--frame %d ", thread, level)
	} else if len(e.global) > 0 {
		var err error
		if where, err = g.unhidden(ctx, e); err != nil {
			return "", err
		}
	}
	begin()
	_, res, err := g.capture(ctx, "-data-evaluate-expression "+where+"--language "+e.language+" "+gdbmi.Quote(e.text))
	return res.Fields.Text("value"), err
}

// unhidden returns the options for a frame in which no local hides a global of
// the expression: usually none, for the innermost.
func (g *Backend) unhidden(ctx context.Context, e *expression) (string, error) {
	where := ""
	thread := ""
	for level := 0; ; level++ {
		_, res, err := g.capture(ctx, "-stack-list-variables "+where+"--no-values")
		if err != nil {
			if refusal(err) != nil {
				return where, nil // no symbols, or no more frames: nothing hides it
			}
			return "", err
		}
		hidden := false
		for _, v := range res.Fields.List("variables").Tuples() {
			hidden = hidden || slices.Contains(e.global, v.Text("name"))
		}
		if !hidden {
			return where, nil
		}
		if thread == "" {
			_, res, err := g.capture(ctx, "-thread-info")
			if err != nil {
				return "", err
			}
			thread = "--thread " + res.Fields.Text("current-thread-id") + " "
		}
		where = fmt.Sprintf("%s--frame %d ", thread, level+1)
	}
}
