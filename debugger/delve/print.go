package delve

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// display is an expression shown at every stop.
type display struct {
	number int
	format string
	expr   string
}

// format takes a format before an expression: gdb's /x, Delve's %x.
func format(args string) (verb, expr string, err error) {
	if args == "" {
		return "", "", nil
	}
	switch args[0] {
	case '%':
		word, rest, _ := strings.Cut(args, " ")
		return word, strings.TrimSpace(rest), nil
	case '/':
		word, rest, _ := strings.Cut(args[1:], " ")
		f := strings.TrimLeft(word, "0123456789")
		known := map[string]string{"": "", "x": "%#x", "d": "%d", "u": "%d", "o": "%#o", "t": "%b", "c": "%q", "s": "%s", "f": "%f", "z": "%016x"}
		v, ok := known[f]
		if !ok {
			return "", "", fmt.Errorf("format /%s is not known: want x d o t c s f or z", word)
		}
		return v, strings.TrimSpace(rest), nil
	}
	return "", args, nil
}

func (b *Backend) printVerb(ctx context.Context, args string) error {
	f, expr, err := format(args)
	if err != nil {
		return err
	}
	if expr == "" {
		return errors.New("print: want an expression")
	}
	v, err := b.value(ctx, expr)
	if err != nil {
		return err
	}
	b.print(api.ConvertVar(v).StringWithOptions("", f, api.PrettyNewlines) + "\n")
	return nil
}

// value evaluates an expression of the person's in the selected frame.
func (b *Backend) value(ctx context.Context, expr string) (*proc.Variable, error) {
	scope, err := b.scope()
	if err != nil {
		return nil, err
	}
	v, err := b.evalIn(scope, expr)
	if err == nil && v.Unreadable != nil {
		err = v.Unreadable
	}
	if err != nil && needsCall(err) {
		return b.call(ctx, expr)
	}
	return v, err
}

// evalIn evaluates an expression in a scope. In the runtime, where the program may
// have stopped, main's names are meant.
func (b *Backend) evalIn(scope *proc.EvalScope, expr string) (*proc.Variable, error) {
	v, err := scope.EvalExpression(expr, b.config.load)
	if err == nil || !strings.HasPrefix(err.Error(), "could not find symbol") {
		return v, err
	}
	x, perr := parser.ParseExpr(expr)
	if perr != nil {
		return v, err
	}
	b.qualify(x, freeNames(x), packagesOf(scope))
	if full := sourceOf(x); full != expr {
		return scope.EvalExpression(full, b.config.load)
	}
	return v, err
}

func (b *Backend) whatis(ctx context.Context, expr string) error {
	scope, err := b.scope()
	if err != nil {
		return err
	}
	v, err := scope.EvalExpression(expr, proc.LoadConfig{MaxVariableRecurse: 1})
	if err != nil {
		return err
	}
	text := v.TypeString()
	if v.RealType != nil && v.RealType.String() != text {
		text += "\nReal type: " + v.RealType.String()
	}
	if len(v.Children) > 0 && v.Children[0].RealType != nil && v.DwarfType != nil && strings.HasPrefix(v.DwarfType.String(), "interface") {
		text += "\nConcrete type: " + v.Children[0].TypeString()
	}
	b.print(text + "\n")
	return nil
}

var assignment = regexp.MustCompile(`^(.*[^=!<>:+\-*/%&|^])=([^=].*)$`)

// set is `set [variable] LVALUE = EXPR`.
func (b *Backend) setVerb(_ context.Context, args string) error {
	for _, word := range []string{"variable ", "var "} {
		args = strings.TrimPrefix(args, word)
	}
	m := assignment.FindStringSubmatch(args)
	if m == nil {
		return fmt.Errorf("set %s: want a variable = a value", args)
	}
	scope, err := b.scope()
	if err != nil {
		return err
	}
	return scope.SetVariable(strings.TrimSpace(m[1]), strings.TrimSpace(m[2]))
}

// variables makes the verbs that list variables: [-v] [REGEX].
func (b *Backend) showVariables(args, none string, get func(*proc.EvalScope) ([]*proc.Variable, error)) error {
	args, long := strings.CutPrefix(args, "-v")
	args = strings.TrimSpace(args)
	re, err := regexp.Compile(args)
	if err != nil {
		return err
	}
	scope, err := b.scope()
	if err != nil {
		return err
	}
	vars, err := get(scope)
	if err != nil {
		return err
	}
	n := 0
	for _, v := range vars {
		if !re.MatchString(v.Name) {
			continue
		}
		n++
		name := v.Name
		if v.Flags&proc.VariableShadowed != 0 {
			name = "(" + name + ")"
		}
		text := api.ConvertVar(v).SinglelineString()
		if long {
			text = api.ConvertVar(v).StringWithOptions("", "", api.PrettyNewlines)
		}
		b.printf("%s = %s\n", name, text)
	}
	if n == 0 {
		b.print(none + "\n")
	}
	return nil
}

func (b *Backend) locals(_ context.Context, args string) error {
	return b.showVariables(args, "No locals.", func(s *proc.EvalScope) ([]*proc.Variable, error) { return s.LocalVariables(b.config.load) })
}

func (b *Backend) args(_ context.Context, args string) error {
	return b.showVariables(args, "No arguments.", func(s *proc.EvalScope) ([]*proc.Variable, error) { return s.FunctionArguments(b.config.load) })
}

func (b *Backend) vars(_ context.Context, args string) error {
	return b.showVariables(args, "No package variables match.", func(s *proc.EvalScope) ([]*proc.Variable, error) { return s.PackageVariables(b.config.load) })
}

// displayVerb is gdb's `display EXPR` and Delve's `display -a EXPR`, `-d N`.
func (b *Backend) displayVerb(_ context.Context, args string) error {
	if args == "" {
		b.showDisplays()
		return nil
	}
	if rest, ok := strings.CutPrefix(args, "-d "); ok {
		return b.undisplay(nil, rest)
	}
	f, expr, err := format(strings.TrimSpace(strings.TrimPrefix(args, "-a ")))
	if err != nil {
		return err
	}
	n := 1
	if len(b.displays) > 0 {
		n = b.displays[len(b.displays)-1].number + 1
	}
	d := display{n, f, expr}
	b.displays = append(b.displays, d)
	b.showDisplay(d)
	return nil
}

func (b *Backend) undisplay(_ context.Context, args string) error {
	if args == "" {
		b.displays = nil
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(args))
	if err == nil {
		for i, d := range b.displays {
			if d.number == n {
				b.displays = append(b.displays[:i], b.displays[i+1:]...)
				return nil
			}
		}
	}
	return fmt.Errorf("there is no display %s", args)
}

func (b *Backend) showDisplays() {
	for _, d := range b.displays {
		b.showDisplay(d)
	}
}

func (b *Backend) showDisplay(d display) {
	scope, err := b.scope()
	if err == nil {
		var v *proc.Variable
		if v, err = scope.EvalExpression(d.expr, b.config.load); err == nil {
			b.printf("%d: %s = %s\n", d.number, d.expr, api.ConvertVar(v).StringWithOptions("", d.format, 0))
			return
		}
	}
	b.printf("%d: %s = (%v)\n", d.number, d.expr, err)
}
