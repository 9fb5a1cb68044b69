package dap

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"yore/debugger"
)

var hitSyntax = regexp.MustCompile(`^(>=|>|==|=|<=|<|%)?\s*(\d+)$`)

// parseHits reads a hit condition: a number, from which hit on the breakpoint
// acts, or a comparison, or % N for every Nth. nil is none.
func parseHits(text string) (*debugger.HitCondition, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	m := hitSyntax.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("hit condition %s: want a number, or one behind >= > == < <= %%", text)
	}
	n, err := strconv.ParseInt(m[2], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("hit condition %s: the number is too large", text)
	}
	op := m[1]
	switch op {
	case "":
		op = ">="
	case "=":
		op = "=="
	case "%":
		if n == 0 {
			return nil, fmt.Errorf("hit condition %s: every 0th hit is none", text)
		}
	}
	return &debugger.HitCondition{Op: op, N: int(n)}, nil
}

// parseLog reads a log message: texts and expressions in turn, a text first.
// Expressions stand in braces, which may hold braces; {{ and }} are braces of the
// text. nil is none.
func parseLog(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var parts []string
	var b strings.Builder
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			b.WriteByte(text[i])
			i += 2
		case text[i] == '{':
			n := closing(text[i:])
			if n < 0 {
				return nil, fmt.Errorf("log message %s: a { has no }", text)
			}
			expr := strings.TrimSpace(text[i+1 : i+n])
			if expr == "" {
				return nil, fmt.Errorf("log message %s: there is no expression in {}", text)
			}
			parts = append(parts, b.String(), expr)
			b.Reset()
			i += n + 1
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return append(parts, b.String()), nil
}

// closing returns where the brace that text begins with is closed, -1 for nowhere.
// Braces in string and character literals do not count.
func closing(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
