package delve

// What an expression means must not change from one place to another. So binding
// an expression looks at its names where it was given: when one is a variable of
// the frame, the expression belongs to that activation, and is evaluated in its
// frame wherever that is on the goroutine's stack. Otherwise its variables are
// the package's, and are named with their package from then on.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

// expression is a bound expression.
type expression struct {
	text string
	full string // with packages, for an expression of globals

	activation bool
	goid       int64 // 0 when the thread ran no goroutine
	tid        int
	function   string
	offset     int64 // of the frame, from the top of the stack
}

func (e *expression) String() string   { return e.text }
func (e *expression) Activation() bool { return e.activation }

// Bind is part of debugger.Backend.
func (b *Backend) Bind(ctx context.Context, text string) (debugger.Expression, error) {
	e := &expression{text: text}
	if err := b.do(ctx, func() error { return b.bind(e) }); err != nil {
		return nil, err
	}
	b.bound = e
	return e, nil
}

func (b *Backend) bind(e *expression) error {
	x, err := parser.ParseExpr(e.text)
	if err != nil {
		return fmt.Errorf("%s is not a Go expression: %w", e.text, syntaxError(err))
	}
	scope, err := b.scope()
	if err != nil {
		return err
	}
	locals := map[string]bool{}
	vars, err := scope.Locals(0, "")
	if err != nil {
		return err
	}
	for _, v := range vars {
		locals[v.Name] = true
	}
	names := slices.DeleteFunc(freeNames(x), func(id *ast.Ident) bool { return !locals[id.Name] && b.isPackage(x, id) })
	for _, id := range names {
		e.activation = e.activation || locals[id.Name]
	}
	if !e.activation {
		b.qualify(x, names, packagesOf(scope))
		e.full = sourceOf(x)
		return nil
	}
	e.full = e.text
	frames, err := b.stack(b.frame)
	if err != nil || b.frame >= len(frames) {
		return fmt.Errorf("there is no frame %d", b.frame)
	}
	f := frames[b.frame]
	e.function, e.offset = name(f.Call.Fn), f.FrameOffset()
	e.tid = b.target().CurrentThread().ThreadID()
	if g := b.target().SelectedGoroutine(); g != nil {
		e.goid = g.ID
	}
	return nil
}

// syntaxError is the parser's first complaint, without a position in a file that
// does not exist.
func syntaxError(err error) error {
	_, msg, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return err
	}
	msg, _, _ = strings.Cut(msg, " (and ")
	return errors.New(msg)
}

// freeNames returns the identifiers of an expression that are not fields, methods
// or predeclared.
func freeNames(x ast.Expr) []*ast.Ident {
	var out []*ast.Ident
	ast.Inspect(x, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			out = append(out, freeNames(n.X)...)
			return false
		case *ast.Ident:
			if !predeclared[n.Name] {
				out = append(out, n)
			}
		}
		return true
	})
	return out
}

var predeclared = map[string]bool{}

func init() {
	for _, n := range strings.Fields(`true false nil iota _ len cap min max real imag complex append copy delete new make
		bool byte rune string error any int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 uintptr
		float32 float64 complex64 complex128`) {
		predeclared[n] = true
	}
}

// packagesOf are the packages that a name without one may belong to: the scope's
// own, and main, which is meant where the program is in the runtime.
func packagesOf(scope *proc.EvalScope) []string {
	if scope.Fn == nil || scope.Fn.PackageName() == "main" {
		return []string{"main"}
	}
	return []string{scope.Fn.PackageName(), "main"}
}

// qualify puts the package before the names that are variables, constants or
// functions of one of pkgs.
func (b *Backend) qualify(x ast.Expr, names []*ast.Ident, pkgs []string) {
	known := map[string]string{}
	for _, id := range names {
		full, seen := known[id.Name]
		if !seen {
			full = id.Name
			for _, pkg := range pkgs {
				if strings.ContainsAny(pkg, "/.-") {
					pkg = strconv.Quote(pkg)
				}
				if b.isGlobal(pkg + "." + id.Name) {
					full = pkg + "." + id.Name
					break
				}
			}
			known[id.Name] = full
		}
		id.Name = full
	}
}

// isPackage reports whether a name is that of a package, before a name of it. main
// is a function, too.
func (b *Backend) isPackage(x ast.Expr, id *ast.Ident) (is bool) {
	ast.Inspect(x, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.X == id {
			is = b.isGlobal(id.Name + "." + s.Sel.Name)
		}
		return !is
	})
	return is
}

// isGlobal reports whether a qualified name means something.
func (b *Backend) isGlobal(name string) bool {
	scope, err := proc.ThreadScope(b.target(), b.target().CurrentThread())
	if err != nil {
		return false
	}
	_, err = scope.EvalExpression(name, proc.LoadConfig{})
	return err == nil
}

// sourceOf is an expression as Go source. Delve wants packages with a path in
// quotes, which an identifier's name carries through the printer.
func sourceOf(x ast.Expr) string {
	var buf bytes.Buffer
	if err := printer.Fprint(&buf, token.NewFileSet(), x); err != nil {
		return ""
	}
	return buf.String()
}

// scope is where the person's expressions are evaluated: the selected frame, or
// its deferred call.
func (b *Backend) scope() (*proc.EvalScope, error) {
	t := b.target()
	gid := int64(-1)
	if g := t.SelectedGoroutine(); g != nil {
		gid = g.ID
	}
	s, err := proc.ConvertEvalScope(t, gid, b.frame, b.deferred)
	if err != nil && b.frame == 0 && b.deferred == 0 {
		return proc.ThreadScope(t, t.CurrentThread())
	}
	return s, err
}

// errInactive says that an activation does not exist at present.
var errInactive = errors.New("its function is not active")

// find returns the goroutine, thread and frames of an activation from its own
// frame outwards, and its level.
func (b *Backend) find(e *expression) (g *proc.G, th proc.Thread, frames []proc.Stackframe, level int, err error) {
	t := b.target()
	th = t.CurrentThread()
	if e.goid != 0 {
		if g, err = proc.FindGoroutine(t, e.goid); err != nil {
			return nil, nil, nil, 0, errInactive
		}
		if g.Thread != nil {
			th = g.Thread
		}
	} else if own, ok := b.p.threads[e.tid]; ok {
		th = own
	} else {
		return nil, nil, nil, 0, errInactive
	}
	frames, err = b.stackOf(g, th, deepest, 0)
	if err != nil {
		return nil, nil, nil, 0, errInactive
	}
	for i := range frames {
		if frames[i].FrameOffset() == e.offset && name(frames[i].Call.Fn) == e.function {
			return g, th, frames[i:], i, nil
		}
	}
	return nil, nil, nil, 0, errInactive
}

// selectActivation selects an activation's goroutine and returns the level of its
// frame.
func (b *Backend) selectActivation(e *expression) (level int, err error) {
	g, _, _, level, err := b.find(e)
	if err != nil {
		return 0, err
	}
	if g != nil {
		err = b.target().SwitchGoroutine(g)
	}
	return level, err
}

// scopeOf is where a bound expression is evaluated.
func (b *Backend) scopeOf(e *expression) (*proc.EvalScope, error) {
	t := b.target()
	if !e.activation {
		return proc.ThreadScope(t, t.CurrentThread())
	}
	g, th, frames, _, err := b.find(e)
	if err != nil {
		return nil, err
	}
	return proc.FrameToScope(t, t.Memory(), g, th.ThreadID(), frames...), nil
}

// exact is how much of a value the debugger's own evaluations look at.
var exact = proc.LoadConfig{FollowPointers: true, MaxVariableRecurse: 2, MaxStringLen: 4000, MaxArrayValues: 1000, MaxStructFields: -1}

// Evaluate is part of debugger.Backend.
func (b *Backend) Evaluate(ctx context.Context, x debugger.Expression) (value string, err error) {
	e, ok := x.(*expression)
	if !ok {
		return "", fmt.Errorf("expression %s was not bound by this backend", x)
	}
	err = b.do(ctx, func() error {
		value, err = b.evaluate(e)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	return value, err
}

// evaluate returns an *debugger.UnknownError when there is no value.
func (b *Backend) evaluate(e *expression) (string, error) {
	scope, err := b.scopeOf(e)
	if err == nil {
		var v *proc.Variable
		if v, err = scope.EvalExpression(e.full, exact); err == nil {
			if v.Unreadable == nil {
				return api.ConvertVar(v).SinglelineString(), nil
			}
			err = v.Unreadable
		}
	}
	return "", &debugger.UnknownError{Reason: sentence(err)}
}

// sentence begins an error of Delve's with a capital and ends it with a full stop.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return "No value."
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
