package gdbserver

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// This file makes the commands file with which stock gdb gets yore's verbs.
// The work is done by yore.py; see there for how it talks to the server.

//go:embed yore.py
var pythonText string

// Verb is one of yore's commands as gdb is to know it. Typing it sends "NAME
// ARGUMENTS" to Target.Monitor.
type Verb struct {
	// Name may have several words: "info checkpoints". A verb takes the place
	// of gdb's own command of that name, but not of one that the person has
	// defined; "yore NAME" reaches it in any case.
	Name string `json:"name"`
	// Doc is what "help NAME" prints; its first line is the summary.
	Doc string `json:"doc"`
	// Expression says that the argument is completed as an expression.
	Expression bool `json:"expression,omitempty"`
	// Repeat says that an empty line repeats the verb.
	Repeat bool `json:"repeat,omitempty"`
}

// Verbs are yore's commands that stock gdb lacks.
var Verbs = []Verb{
	{Name: "when", Doc: `Show where in history the program is: position, time, per cent.
Usage: when
A position can be given to "goto" at any later time.`},
	{Name: "goto", Doc: `Go to a point of history.
Usage: goto POSITION | BOOKMARK | start | end | PERCENT% | SECONDSs
Positions are what "when" prints. Breakpoints on the way do not stop it.`},
	{Name: "undo", Repeat: true, Doc: `Take back the last command that moved the program.
Usage: undo [N]
With N, the last N of them. "redo" goes forward again; "info undo" lists them.`},
	{Name: "redo", Repeat: true, Doc: `Carry out again what "undo" took back.
Usage: redo [N]`},
	{Name: "info undo", Doc: `List the commands that "undo" can take back.
Usage: info undo`},
	{Name: "bookmark", Doc: `Name the present point of history.
Usage: bookmark NAME
"goto NAME" returns to it.`},
	{Name: "checkpoint", Doc: `Keep a copy of the program at the present point.
Usage: checkpoint [NAME]
"restart N" returns to it at once.`},
	{Name: "info checkpoints", Doc: `List the checkpoints that were asked for.
Usage: info checkpoints`},
	{Name: "delete checkpoint", Doc: `Drop a checkpoint.
Usage: delete checkpoint N
History itself loses nothing by it.`},
	{Name: "restart", Doc: `Go to a checkpoint, or to the start of history.
Usage: restart [N]
Without N, to the program's first instruction. Nothing is run anew.`},
	{Name: "reverse-watch", Expression: true, Doc: `Go back to the latest statement that changed an expression's value.
Usage: reverse-watch EXPRESSION
The program stops just before that statement. The expression may be anything
that "print" takes, calls of functions included.`},
	{Name: "last", Expression: true, Doc: `Go back to the latest statement that changed an expression's value.
Usage: last EXPRESSION
Short for "reverse-watch".`},
	{Name: "timeline", Doc: `Draw history with checkpoints, bookmarks and the present.
Usage: timeline`},
}

// ScriptOptions say what the commands file does.
type ScriptOptions struct {
	// Verbs to define; nil for the package's Verbs.
	Verbs []Verb
	// Exe is the program's file, loaded unless gdb has one; "" for none.
	Exe string
	// Address is what to connect to: a socket's path or HOST:PORT; "" to define
	// the verbs only.
	Address string
	// MI says that gdb's standard output is its machine interface.
	MI bool
}

// Script returns a gdb commands file (for gdb -x) that defines yore's verbs and
// connects. It needs a gdb with Python, asks nothing, and leaves alone what the
// person has set or defined.
func Script(o ScriptOptions) string {
	verbs := o.Verbs
	if verbs == nil {
		verbs = Verbs
	}
	var b strings.Builder
	b.WriteString("python\n")
	b.WriteString(pythonText)
	b.WriteString("\n\n_yore = _Yore(json.loads(" + pyString(toJSON(verbs)) + "), json.loads('" + toJSON(o.MI) + "'))\n")
	b.WriteString("_yore_connect(json.loads(" + pyString(toJSON(o.Exe)) + "), json.loads(" + pyString(toJSON(o.Address)) + "))\n")
	b.WriteString("end\n")
	return b.String()
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gdbserver: " + err.Error()) // strings and bools always encode
	}
	return string(b)
}

// pyString quotes ASCII-only JSON as a Python string literal. JSON escapes
// everything that would need care but the backslash and the quote.
func pyString(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x7f:
			b.WriteRune(r)
		default:
			b.WriteString(pyEscape(r))
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func pyEscape(r rune) string {
	const digits = "0123456789abcdef"
	out := []byte(`\U00000000`)
	for i := len(out) - 1; r > 0; i-- {
		out[i] = digits[r&15]
		r >>= 4
	}
	return string(out)
}
