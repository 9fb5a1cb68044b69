package delve

import (
	"context"
	"errors"
	"fmt"
	"go/constant"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
)

// Script is part of debugger.Backend. It knows gdb's commands of several lines as
// far as they make sense without gdb: commands, define, document, if and while.
func (b *Backend) Script(ctx context.Context, lines []string) (out debugger.Outcome, err error) {
	err = b.do(ctx, func() error {
		var err error
		out, _, err = b.block(ctx, lines)
		return err
	})
	return out, err
}

// block executes the block that lines begin with, and returns how many lines it
// had.
func (b *Backend) block(ctx context.Context, lines []string) (out debugger.Outcome, n int, err error) {
	body, n := bodyOf(lines)
	word, args := cut(lines[0])
	switch {
	case word == "define":
		b.macros[args] = body
	case word == "document":
	case word == "if":
		yes, no := branches(body)
		var ok bool
		if ok, err = b.truth(args); err != nil {
			return out, n, err
		}
		if !ok {
			yes = no
		}
		out, err = b.lines(ctx, yes)
	case word == "while":
		for ctx.Err() == nil {
			ok, err := b.truth(args)
			if err != nil || !ok {
				return out, n, err
			}
			o, err := b.lines(ctx, body)
			o.Moved = o.Moved || out.Moved
			if out = o; err != nil {
				return out, n, err
			}
		}
		err = ctx.Err()
	case strings.HasPrefix("commands", word):
		err = b.attach(args, body)
	default:
		err = fmt.Errorf("%s is gdb's; for a Go program there are commands, define, if and while", word)
	}
	return out, n, err
}

// attach gives breakpoints their commands: those named, or the newest.
func (b *Backend) attach(args string, body []string) error {
	if args == "" {
		all := b.all()
		if len(all) == 0 {
			return errors.New("commands: there is no breakpoint")
		}
		args = strconv.Itoa(all[len(all)-1].LogicalID)
	}
	list, err := b.several(args)
	if err != nil {
		return err
	}
	for _, lbp := range list {
		b.breaks.commands[lbp.LogicalID] = body
	}
	return nil
}

// lines executes lines of a script.
func (b *Backend) lines(ctx context.Context, lines []string) (out debugger.Outcome, err error) {
	for i := 0; i < len(lines); {
		var o debugger.Outcome
		n := 1
		if debugger.NewBlock(lines[i]) != nil {
			o, n, err = b.block(ctx, lines[i:])
		} else if strings.TrimSpace(lines[i]) != "" {
			o, err = b.command(ctx, lines[i])
		}
		o.Moved = o.Moved || out.Moved
		if out = o; err != nil {
			return out, err
		}
		i += n
	}
	return out, nil
}

// bodyOf returns the lines between a block's first and its `end`, and the number
// of all its lines.
func bodyOf(lines []string) (body []string, n int) {
	k := debugger.NewBlock(lines[0])
	if k == nil {
		return nil, 1
	}
	for n = 1; n < len(lines); n++ {
		if k.Add(lines[n]) {
			break
		}
		body = append(body, strings.TrimSpace(lines[n]))
	}
	return body, min(n+1, len(lines))
}

// branches splits the body of an `if` at its `else`.
func branches(body []string) (yes, no []string) {
	for i := 0; i < len(body); i++ {
		if debugger.NewBlock(body[i]) != nil {
			_, n := bodyOf(body[i:])
			i += n - 1
		} else if body[i] == "else" {
			return body[:i], body[i+1:]
		}
	}
	return body, nil
}

// truth evaluates a condition: a boolean, or a number that is not 0 as in gdb.
func (b *Backend) truth(expr string) (bool, error) {
	scope, err := b.scope()
	if err != nil {
		return false, err
	}
	v, err := scope.EvalExpression(expr, proc.LoadConfig{})
	if err != nil {
		return false, err
	}
	if v.Value == nil {
		return false, fmt.Errorf("%s is neither true nor false", expr)
	}
	switch v.Value.Kind() {
	case constant.Bool:
		return constant.BoolVal(v.Value), nil
	case constant.Int:
		return constant.Sign(v.Value) != 0, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", expr)
}

var argument = regexp.MustCompile(`\$arg(c|\d+)`)

// macro executes a command that the person defined.
func (b *Backend) macro(ctx context.Context, body []string, args string) (debugger.Outcome, error) {
	words := strings.Fields(args)
	lines := make([]string, len(body))
	for i, l := range body {
		lines[i] = argument.ReplaceAllStringFunc(l, func(s string) string {
			if s == "$argc" {
				return strconv.Itoa(len(words))
			}
			if n, _ := strconv.Atoi(s[len("$arg"):]); n < len(words) {
				return words[n]
			}
			return s
		})
	}
	return b.lines(ctx, lines)
}
