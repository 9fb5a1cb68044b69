package delve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/go-delve/delve/pkg/proc"

	"yore/debugger"
)

// verb is an entry of the table: gdb's name first, Delve's and the short ones
// behind it.
type verb struct {
	names []string // of one word, or two for `info locals`
	args  string
	short string // for help, a capital first, no full stop
	run   func(*Backend, context.Context, string) (debugger.Outcome, error)
}

func (v *verb) name() string { return v.names[0] }

// still makes a verb that does not move the program.
func still(f func(*Backend, context.Context, string) error) func(*Backend, context.Context, string) (debugger.Outcome, error) {
	return func(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
		return debugger.Outcome{}, f(b, ctx, args)
	}
}

func forth(name string, m func(*Backend, proc.Direction) (debugger.Outcome, error)) func(*Backend, context.Context, string) (debugger.Outcome, error) {
	return times(name, func(b *Backend) (debugger.Outcome, error) { return m(b, proc.Forward) })
}

func back(name string, m func(*Backend, proc.Direction) (debugger.Outcome, error)) func(*Backend, context.Context, string) (debugger.Outcome, error) {
	return times(name, func(b *Backend) (debugger.Outcome, error) { return m(b, proc.Backward) })
}

func insn(b *Backend, d proc.Direction) (debugger.Outcome, error)     { return b.stepInsn(d, false) }
func insnOver(b *Backend, d proc.Direction) (debugger.Outcome, error) { return b.stepInsn(d, true) }

// verbs is filled by init because help refers to it.
var verbs []*verb

func init() {
	verbs = []*verb{
		{[]string{"continue", "c", "fg"}, "[N | LOCATION]", "Go on until a breakpoint, or to a location", continueVerb},
		{[]string{"next", "n"}, "[N]", "Go to the next line, over calls", forth("next", (*Backend).next)},
		{[]string{"step", "s"}, "[N]", "Go to the next line, into calls", forth("step", (*Backend).step)},
		{[]string{"finish", "fin", "stepout", "so"}, "", "Go on until the selected frame's function has returned",
			times("finish", (*Backend).finish)},
		{[]string{"stepi", "si", "step-instruction"}, "[N]", "Execute one instruction", forth("stepi", insn)},
		{[]string{"nexti", "ni", "next-instruction"}, "[N]", "Execute one instruction, over calls", forth("nexti", insnOver)},
		{[]string{"until", "u"}, "[LOCATION]", "Go on past the end of a loop, or to a location", untilVerb},
		{[]string{"advance"}, "LOCATION", "Go on to a location", func(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
			return b.advance(ctx, args, proc.Forward)
		}},
		{[]string{"reverse-continue", "rc", "rewind", "rw"}, "[N | LOCATION]", "Go back to a breakpoint, or to a location", rewindVerb},
		{[]string{"reverse-next", "rn"}, "[N]", "Go back to the line before, over calls", back("reverse-next", (*Backend).next)},
		{[]string{"reverse-step", "rs"}, "[N]", "Go back to the line before, into calls", back("reverse-step", (*Backend).step)},
		{[]string{"reverse-stepi", "rsi"}, "[N]", "Go back one instruction", back("reverse-stepi", insn)},
		{[]string{"reverse-nexti", "rni"}, "[N]", "Go back one instruction, over calls", back("reverse-nexti", insnOver)},
		{[]string{"reverse-finish"}, "", "Go back to where the selected frame's function was called", times("reverse-finish", (*Backend).backOut)},
		{[]string{"rev"}, "COMMAND", "Do next, step, stepout, step-instruction or continue backwards", revVerb},

		{[]string{"break", "b", "br", "bre", "brea"}, "[NAME] [LOCATION] [if EXPR]", "Stop at a location", still(breakVerb(plan{}))},
		{[]string{"tbreak", "tb", "tbr"}, "[NAME] [LOCATION] [if EXPR]", "Stop at a location once", still(breakVerb(plan{temporary: true}))},
		{[]string{"trace", "t"}, "[NAME] [LOCATION] [if EXPR]", "Print a line at a location, without stopping", still(breakVerb(plan{trace: true}))},
		{[]string{"watch"}, "[-r|-w|-rw] EXPR [if EXPR]", "Stop when a variable changes", still(watchVerb(proc.WatchWrite))},
		{[]string{"rwatch"}, "EXPR", "Stop when a variable is read", still(watchVerb(proc.WatchRead))},
		{[]string{"awatch"}, "EXPR", "Stop when a variable is read or written", still(watchVerb(proc.WatchRead | proc.WatchWrite))},
		{[]string{"info breakpoints", "breakpoints", "bp", "info watchpoints"}, "[-a]", "List the breakpoints", still((*Backend).listBreakpoints)},
		{[]string{"condition", "cond"}, "[-hitcount | -per-g-hitcount | -clear] N [EXPR]", "Give a breakpoint a condition", still((*Backend).condition)},
		{[]string{"ignore"}, "N HITS", "Have a breakpoint not stop for its next hits", still((*Backend).ignore)},
		{[]string{"on"}, "N COMMAND", "Execute a command when a breakpoint stops the program", still((*Backend).on)},
		{[]string{"delete", "d", "del", "clearall"}, "[N…]", "Delete breakpoints, all without a number", still((*Backend).deleteBreakpoints)},
		{[]string{"clear"}, "N | NAME | LOCATION", "Delete a breakpoint", still((*Backend).clear)},
		{[]string{"enable", "en"}, "[N…]", "Enable breakpoints", still(enableVerb(func(bool) bool { return true }))},
		{[]string{"disable", "dis", "disa"}, "[N…]", "Disable breakpoints", still(enableVerb(func(bool) bool { return false }))},
		{[]string{"toggle"}, "N", "Enable or disable a breakpoint", still(enableVerb(func(old bool) bool { return !old }))},

		{[]string{"print", "p", "inspect"}, "[/F | %F] EXPR", "Print the value of a Go expression", still((*Backend).printVerb)},
		{[]string{"call"}, "EXPR", "Print the value of an expression that calls functions", still((*Backend).printVerb)},
		{[]string{"whatis", "ptype"}, "EXPR", "Print the type of an expression", still((*Backend).whatis)},
		{[]string{"set", "set var", "set variable"}, "VARIABLE = VALUE", "Change a variable", still((*Backend).setVerb)},
		{[]string{"display"}, "[-a] [/F | %F] EXPR | -d N", "Print an expression at every stop", still((*Backend).displayVerb)},
		{[]string{"undisplay"}, "[N]", "Do so no longer", still((*Backend).undisplay)},
		{[]string{"info locals", "locals"}, "[-v] [REGEX]", "Print the local variables", still((*Backend).locals)},
		{[]string{"info args", "args"}, "[-v] [REGEX]", "Print the function's arguments", still((*Backend).args)},
		{[]string{"info variables", "vars"}, "[-v] [REGEX]", "Print the packages' variables", still((*Backend).vars)},
		{[]string{"x"}, "[/NFU] ADDRESS", "Print memory, as gdb does", still((*Backend).examine)},
		{[]string{"examinemem"}, "[-fmt F] [-count N] [-size N] ADDRESS", "Print memory, as Delve does", still((*Backend).examineMemory)},
		{[]string{"info registers", "regs"}, "[-a] [NAME…]", "Print the registers", still((*Backend).registers)},
		{[]string{"disassemble", "disass"}, "[-a FROM TO | LOCATION]", "Print a function's instructions", still((*Backend).disassemble)},
		{[]string{"list", "l", "ls"}, "[LOCATION | FIRST,LAST | -]", "Print source", still((*Backend).listVerb)},

		{[]string{"backtrace", "bt", "where", "stack", "info stack"}, "[N] [-full] [-defer]", "Print the stack", still((*Backend).backtrace)},
		{[]string{"frame", "f", "info frame"}, "[N [COMMAND]]", "Select a frame, or execute a command in it", frameVerb},
		{[]string{"up"}, "[N]", "Select the caller's frame", still(moveFrame(1))},
		{[]string{"down", "do", "dow"}, "[N]", "Select the callee's frame", still(moveFrame(-1))},
		{[]string{"deferred"}, "N COMMAND", "Execute a command in a deferred call", deferredVerb},

		{[]string{"info goroutines", "goroutines", "grs"}, "[-u|-r|-g|-s] [-t [N]] [-l] [-with|-without KIND [TEXT]] [-group KIND] [-chan EXPR] [-exec COMMAND]",
			"List the goroutines", goroutinesVerb},
		{[]string{"goroutine", "gr"}, "[N [COMMAND]]", "Select a goroutine, or execute a command on it", goroutineVerb},
		{[]string{"info threads", "threads"}, "", "List the threads", still((*Backend).listThreads)},
		{[]string{"thread", "tr"}, "[N]", "Select a thread", still((*Backend).threadVerb)},

		{[]string{"info functions", "funcs"}, "[REGEX]", "List the functions", still((*Backend).funcs)},
		{[]string{"info types", "types"}, "[REGEX]", "List the types", still((*Backend).types)},
		{[]string{"info sources", "sources"}, "[REGEX]", "List the source files", still((*Backend).sources)},
		{[]string{"packages"}, "[REGEX]", "List the packages", still((*Backend).packages)},
		{[]string{"info sharedlibrary", "libraries"}, "", "List the shared libraries", still((*Backend).libraries)},
		{[]string{"info line"}, "[LOCATION]", "Say where a line's code begins", still((*Backend).infoLine)},
		{[]string{"info symbol"}, "ADDRESS", "Say which function an address belongs to", still((*Backend).infoSymbol)},
		{[]string{"info program", "info source"}, "", "Say what the program is", still((*Backend).infoProgram)},

		{[]string{"config"}, "-list | NAME VALUE | substitute-path FROM TO", "Show or change Delve's settings", still((*Backend).configure)},
		{[]string{"set print"}, "elements N", "Limit what is printed of strings, slices and maps", still((*Backend).setPrint)},
		{[]string{"set listsize"}, "N", "Set how many lines `list` prints", still((*Backend).setListSize)},
		{[]string{"echo"}, "TEXT", "Print a text", still(func(b *Backend, _ context.Context, args string) error {
			b.print(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(args))
			return nil
		})},
	}
	for _, name := range []string{"set confirm", "set pagination", "set width", "set height", "set logging"} {
		verbs = append(verbs, &verb{[]string{name}, "", "", still(func(*Backend, context.Context, string) error { return nil })})
	}
}

// families are first words of verbs with two, and their abbreviations.
var families = map[string]string{"info": "info", "inf": "info", "i": "info", "set": "set"}

// find returns the verb that a line means, and its arguments.
func find(line string) (*verb, string, error) {
	word, args := firstWord(line)
	if family := families[word]; family != "" {
		second, rest := cut(args)
		var begun []*verb
		for _, v := range verbs {
			for _, n := range v.names {
				first, name, two := strings.Cut(n, " ")
				if !two || first != family || second == "" {
					continue
				}
				if name == second {
					return v, rest, nil
				}
				if strings.HasPrefix(name, second) && family == "info" && !slices.Contains(begun, v) {
					begun = append(begun, v)
				}
			}
		}
		switch {
		case len(begun) > 0: // the table's order says which is meant most often
			return begun[0], rest, nil
		case family == "info":
			return nil, "", fmt.Errorf("info %s is not known; `help all` lists what is", second)
		}
	}
	var begun []*verb
	for _, v := range verbs {
		for _, n := range v.names {
			if n == word {
				return v, args, nil
			}
			if strings.HasPrefix(n, word) && !strings.Contains(n, " ") && !slices.Contains(begun, v) {
				begun = append(begun, v)
			}
		}
	}
	switch {
	case word == "" || len(begun) == 0:
		return nil, "", fmt.Errorf("%q is no command; `help` lists what there is", line)
	case len(begun) > 1:
		return nil, "", fmt.Errorf("%s is ambiguous: %s", word, strings.Join(names(begun), ", "))
	}
	return begun[0], args, nil
}

func names(list []*verb) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.name())
	}
	sort.Strings(out)
	return out
}

// firstWord splits a line where gdb would: `x/4x`, `p*q` are words with arguments.
func firstWord(line string) (word, rest string) {
	line = strings.TrimSpace(line)
	i := strings.IndexFunc(line, func(r rune) bool {
		return !(r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
	if i < 0 {
		i = len(line)
	}
	return line[:i], strings.TrimSpace(line[i:])
}

// command executes a line of the person's; the caller holds busy.
func (b *Backend) command(ctx context.Context, line string) (debugger.Outcome, error) {
	const deepest = 50
	if b.depth == deepest {
		return debugger.Outcome{}, errors.New("commands call each other too deeply")
	}
	b.depth++
	defer func() { b.depth-- }()
	if word, args := firstWord(line); b.macros[word] != nil {
		return b.macro(ctx, b.macros[word], args)
	}
	v, args, err := find(line)
	if err != nil {
		return debugger.Outcome{}, err
	}
	return v.run(b, ctx, args)
}

// Console is part of debugger.Backend.
func (b *Backend) Console(ctx context.Context, line string) (out debugger.Outcome, err error) {
	err = b.do(ctx, func() error {
		var err error
		out, err = b.command(ctx, line)
		return err
	})
	return out, err
}

// Resolve is part of debugger.Backend.
func (b *Backend) Resolve(_ context.Context, word string) (debugger.Resolution, error) {
	var r debugger.Resolution
	if b.macros[word] != nil || families[word] != "" {
		r.Exact = true
	}
	for _, v := range verbs {
		for _, n := range v.names {
			if n == word {
				r.Exact = true
			}
			if strings.HasPrefix(n, word) && !strings.Contains(n, " ") && !slices.Contains(r.Matches, v.name()) {
				r.Matches = append(r.Matches, v.name())
			}
		}
	}
	return r, nil
}

// Help is part of debugger.Backend.
func (b *Backend) Help(_ context.Context, topic string) error {
	if topic != "" && topic != "all" {
		v, _, err := find(topic)
		if err != nil {
			return err
		}
		b.printf("%s\n%s.\n", strings.Join(v.names, ", "), v.short)
		if v.args != "" {
			b.printf("Usage: %s %s\n", v.name(), v.args)
		}
		return nil
	}
	for _, v := range verbs {
		if v.short != "" {
			b.printf("%-36s %s\n", strings.Join(v.names, " "), v.short)
		}
	}
	return nil
}

// mostCompletions bounds what completion offers.
const mostCompletions = 500

// Complete is part of debugger.Backend.
func (b *Backend) Complete(ctx context.Context, line string) (out []string, err error) {
	word, args := firstWord(line)
	if args == "" && !strings.HasSuffix(line, " ") {
		for _, v := range verbs {
			for _, n := range v.names {
				if strings.HasPrefix(n, word) && (len(n) > 2 || n == word) {
					out = append(out, n)
				}
			}
		}
		sort.Strings(out)
		return slices.Compact(out), nil
	}
	v, _, err := find(line)
	if err != nil {
		return nil, nil
	}
	err = b.do(ctx, func() error {
		head := line[:len(line)-len(lastWord(line))]
		for _, c := range b.candidates(v, lastWord(line)) {
			if out = append(out, head+c); len(out) == mostCompletions {
				break
			}
		}
		return nil
	})
	return out, err
}

// lastWord is the name that ends a line.
func lastWord(line string) string {
	i := strings.LastIndexFunc(line, func(r rune) bool { return strings.ContainsRune(" \t()[]+-*/&|<>=!,", r) })
	return line[i+1:]
}

// candidates are the names that begin with prefix, as a verb takes them.
func (b *Backend) candidates(v *verb, prefix string) []string {
	var out []string
	add := func(s string) {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	switch v.name() {
	case "break", "tbreak", "trace", "advance", "until", "continue", "list", "clear", "disassemble":
		for i := range b.p.bi.Functions {
			add(b.p.bi.Functions[i].Name)
		}
	case "print", "call", "display", "whatis", "watch", "set":
		scope, err := b.scope()
		if err != nil {
			return nil
		}
		if vars, err := scope.Locals(0, ""); err == nil {
			for _, x := range vars {
				add(x.Name)
			}
		}
		if vars, err := scope.PackageVariables(proc.LoadConfig{}); err == nil && strings.Contains(prefix, ".") {
			for _, x := range vars {
				add(x.Name)
			}
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}
