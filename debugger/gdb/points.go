package gdb

// Breakpoints by values. gdb knows lines, functions, addresses, conditions and
// "not before the Nth hit" by itself, and has the server test conditions where
// the program runs. Log points and other hit conditions need its Python: as
// breakpoint commands they would break up the step that passes them.

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

var _ debugger.Breakpointer = (*Backend)(nil)

//go:embed helper.py
var helper string

// quotePython writes text as a Python literal of one line; Go's escapes are
// Python's.
func quotePython(s string) string { return strconv.QuoteToASCII(strings.ToValidUTF8(s, "?")) }

// SetBreakpoint is part of debugger.Breakpointer.
func (g *Backend) SetBreakpoint(ctx context.Context, b debugger.BreakpointSpec) (debugger.Breakpoint, error) {
	var made debugger.Breakpoint
	err := g.do(ctx, func() error {
		var n string
		var err error
		switch {
		case b.Kind == debugger.AtData:
			n, err = g.insertData(ctx, b)
		case b.Log != nil, b.Hits != nil && b.Hits.Op != ">=" && b.Hits.Op != ">":
			n, err = g.insertPython(ctx, b)
		default:
			n, err = g.insert(ctx, b)
		}
		if err != nil {
			return err
		}
		g.mu.Lock()
		made = breakpoint(g.breaks.get(n))
		g.mu.Unlock()
		made.Number = n
		return nil
	})
	return made, err
}

// where is a breakpoint's place in gdb's words.
func where(b debugger.BreakpointSpec) string {
	switch b.Kind {
	case debugger.AtFunction:
		return "-function " + b.Function
	case debugger.AtAddress:
		return fmt.Sprintf("*%#x", b.Addr)
	}
	return fmt.Sprintf("-source %s -line %d", quoteWord(b.File), b.Line)
}

// quoteWord quotes a file's name for gdb when it needs that.
func quoteWord(s string) string {
	if strings.ContainsAny(s, " \"'\\:") {
		return gdbmi.Quote(s)
	}
	return s
}

// insert makes a breakpoint of code by a machine command, which unlike the
// console's waits for libraries without asking.
func (g *Backend) insert(ctx context.Context, b debugger.BreakpointSpec) (string, error) {
	command := "-break-insert -f "
	if b.Condition != "" {
		command += "-c " + gdbmi.Quote(b.Condition) + " "
	}
	if h := b.Hits; h != nil {
		skip := h.N
		if h.Op == ">=" {
			skip--
		}
		command += fmt.Sprintf("-i %d ", max(0, skip))
	}
	switch b.Kind {
	case debugger.AtFunction:
		command += "--function " + gdbmi.Quote(b.Function)
	case debugger.AtAddress:
		command += where(b)
	default:
		command += fmt.Sprintf("--source %s --line %d", gdbmi.Quote(b.File), b.Line)
	}
	_, res, err := g.capture(ctx, command)
	if err != nil {
		return "", err
	}
	t := res.Fields.Tuple("bkpt")
	g.mu.Lock()
	g.breaks.set(t) // of our own commands gdb does not tell otherwise
	g.mu.Unlock()
	return t.Text("number"), nil
}

// insertPython makes a breakpoint of the helper's.
func (g *Backend) insertPython(ctx context.Context, b debugger.BreakpointSpec) (string, error) {
	if err := g.help(ctx); err != nil {
		return "", err
	}
	hits, log := "None", "None"
	if b.Hits != nil {
		hits = fmt.Sprintf("(%s, %d)", quotePython(b.Hits.Op), b.Hits.N)
	}
	if b.Log != nil {
		var list []string
		for _, p := range b.Log {
			list = append(list, quotePython(p))
		}
		log = "[" + strings.Join(list, ", ") + "]"
	}
	return g.makePoint(ctx, fmt.Sprintf("make(%s, %s, %s, %s)", quotePython(where(b)), quotePython(b.Condition), hits, log))
}

// help gives gdb the helper, once.
func (g *Backend) help(ctx context.Context) error {
	if g.helped {
		return nil
	}
	_, err := g.captured(ctx, console("python import gdb, types; yore_points = types.ModuleType('yore_points'); exec("+quotePython(helper)+", yore_points.__dict__)"))
	if refusal(err) != nil {
		return fmt.Errorf("log points and such conditions need a gdb with Python: %w", err)
	}
	g.helped = err == nil
	return err
}

// makePoint calls a function of the helper's that makes a breakpoint, and returns
// its number.
func (g *Backend) makePoint(ctx context.Context, call string) (string, error) {
	if _, err := g.captured(ctx, console("python yore_points."+call)); err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ev.created, nil
}

// insertData makes a watchpoint, by hardware or not at all.
func (g *Backend) insertData(ctx context.Context, b debugger.BreakpointSpec) (string, error) {
	verb := map[debugger.Access]string{debugger.OnWrite: "watch", debugger.OnRead: "rwatch", debugger.OnAccess: "awatch"}[b.Access]
	frame, expr, local := strings.Cut(b.Data, frameMark)
	if !local {
		expr = b.Data
	}
	command := console(verb + " " + expr)
	if local {
		command = "-interpreter-exec " + frame + " console " + gdbmi.Quote(verb+" "+expr)
	}
	if _, err := g.captured(ctx, command); err != nil {
		return "", err
	}
	g.mu.Lock()
	n := g.ev.created
	kind := g.breaks.get(n).Text("type")
	g.mu.Unlock()
	if kind == "watchpoint" {
		if _, err := g.captured(ctx, console("delete "+n)); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s is too much for the processor to watch", expr)
	}
	var lines []string
	if b.Condition != "" {
		lines = append(lines, fmt.Sprintf("condition %s %s", n, b.Condition))
	}
	if h := b.Hits; h != nil {
		skip := h.N
		switch h.Op {
		case ">=":
			skip--
		case ">":
		default:
			g.captured(ctx, console("delete "+n))
			return "", errors.New("a data breakpoint can only wait for a number of hits: N, >= N or > N")
		}
		lines = append(lines, fmt.Sprintf("ignore %s %d", n, max(0, skip)))
	}
	for _, l := range lines {
		if _, err := g.captured(ctx, console(l)); err != nil {
			g.captured(ctx, console("delete "+n))
			return "", err
		}
	}
	return n, nil
}

// ClearBreakpoint is part of debugger.Breakpointer.
func (g *Backend) ClearBreakpoint(ctx context.Context, n string) error {
	return g.do(ctx, func() error {
		// By the console: gdb tells that it is gone, which it may have been.
		_, err := g.captured(ctx, console("delete "+n))
		return notRefusal(err)
	})
}

// Lines is part of debugger.Breakpointer.
func (g *Backend) Lines(ctx context.Context, file string, from, to int) ([]int, error) {
	var out []int
	err := g.do(ctx, func() error {
		_, res, err := g.capture(ctx, "-symbol-list-lines "+gdbmi.Quote(file))
		if err != nil {
			return notRefusal(err) // gdb knows no such file
		}
		for _, t := range res.Fields.List("lines").Tuples() {
			if n := number(t.Text("line")); n >= from && n <= to {
				out = append(out, n)
			}
		}
		slices.Sort(out)
		out = slices.Compact(out)
		return nil
	})
	return out, err
}

// frameMark parts the options of a frame from an expression that belongs to it.
const frameMark = "\x1f"

// Watchable is part of debugger.Breakpointer. What has an address is watched
// there, so that the end of its scope does not end the watching.
func (g *Backend) Watchable(ctx context.Context, f debugger.FrameID, of debugger.Ref, name string) (data, shown string, err error) {
	err = g.do(ctx, func() error {
		opts, err := g.frameOption(ctx, f)
		if err != nil {
			return err
		}
		expr := name
		if of != 0 {
			n, p, err := g.partOf(ctx, of, name)
			if err != nil {
				return err
			}
			if opts, expr = n.where, p.expr; expr == "" {
				return fmt.Errorf("%s has no expression of its own", name)
			}
		}
		shown = expr
		_, res, err := g.capture(ctx, "-data-evaluate-expression "+opts+gdbmi.Quote("&("+expr+")"))
		if err != nil {
			if refusal(err) == nil {
				return err
			}
			// It has no address: it may be in a register, or no variable at all.
			if _, err := g.create(ctx, opts, expr); err != nil {
				return err
			}
			_, res, err := g.capture(ctx, "-var-show-attributes "+g.values.roots[len(g.values.roots)-1])
			if err != nil {
				return err
			}
			if attr := res.Fields.Text("status") + res.Fields.Text("attr"); attr != "editable" {
				return fmt.Errorf("%s is a value, not a place that could change", expr)
			}
			data = strings.TrimSpace(opts) + frameMark + expr
			return nil
		}
		addr := address(lastAddress.FindString(res.Fields.Text("value")))
		if addr == 0 {
			return fmt.Errorf("%s has no address", expr)
		}
		text, err := g.captured(ctx, "-interpreter-exec "+opts+"console "+gdbmi.Quote("output sizeof("+expr+")"))
		if err != nil {
			return err
		}
		size := number(strings.TrimSpace(text))
		typ := map[int]string{1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long"}[size]
		name, err := g.captured(ctx, "-interpreter-exec "+opts+"console "+gdbmi.Quote("whatis "+expr))
		if err != nil {
			return err
		}
		if name = strings.TrimSpace(strings.TrimPrefix(name, "type = ")); castable.MatchString(name) {
			typ = name
		}
		switch {
		case size == 0 || size > 32:
			return fmt.Errorf("%s has %d bytes; the processor watches 32 at most", expr, size)
		case typ == "":
			typ = fmt.Sprintf("char[%d]", size)
		}
		data = fmt.Sprintf("*(%s *) %#x", typ, addr)
		if strings.HasSuffix(typ, "]") {
			base, dims, _ := strings.Cut(typ, "[")
			data = fmt.Sprintf("*(%s (*)[%s) %#x", base, dims, addr)
		}
		return nil
	})
	return data, shown, err
}

var (
	lastAddress = regexp.MustCompile(`0x[0-9a-f]+`)
	// castable are types that a cast may name whatever the frame.
	castable = regexp.MustCompile(`^[A-Za-z_][\w ]*( ?\*+)?$`)
)

// Filters is part of debugger.Breakpointer.
func (g *Backend) Filters() []debugger.Filter {
	return []debugger.Filter{
		{Name: filterSignals, Label: "Signals", Default: true, Condition: "names of signals, such as SIGSEGV SIGABRT",
			Description: "Stop when the program gets a signal, such as SIGSEGV"},
		{Name: "throw", Label: "C++: throw", Condition: "regular expression for the type's name", Description: "Stop when a C++ exception is thrown"},
		{Name: "catch", Label: "C++: catch", Description: "Stop when a C++ exception is caught"},
		{Name: "rethrow", Label: "C++: rethrow", Description: "Stop when a C++ exception is thrown again"},
		{Name: "panic", Label: "Rust: panic", Default: true, Description: "Stop when a Rust program panics"},
	}
}

const filterSignals = "signals"

// filterPoints are the functions that language runtimes call. gdb's own
// catchpoints would do for C++, but gdb 13 crashes when one is disabled or deleted
// after the library was unloaded, as it is when the program is back at its start.
var filterPoints = map[string]struct{ function, what string }{
	"throw":   {"__cxa_throw", "exception thrown"},
	"catch":   {"__cxa_begin_catch", "exception caught"},
	"rethrow": {"__cxa_rethrow", "exception thrown again"},
	"panic":   {"rust_panic", "panic"},
}

// SetFilters is part of debugger.Breakpointer.
func (g *Backend) SetFilters(ctx context.Context, chosen []debugger.FilterChoice) error {
	return g.do(ctx, func() error {
		for n := range g.filters {
			if _, err := g.captured(ctx, console("delete "+n)); notRefusal(err) != nil {
				return err
			}
			g.mu.Lock()
			delete(g.filters, n)
			g.mu.Unlock()
		}
		signals := false
		for _, c := range chosen {
			if c.Name == filterSignals {
				signals = true
				if err := g.stopFor(ctx, true, strings.Fields(strings.ReplaceAll(c.Condition, ",", " "))); err != nil {
					return err
				}
				continue
			}
			p, ok := filterPoints[c.Name]
			if !ok {
				return fmt.Errorf("there is no exception filter %s", c.Name)
			}
			spec := debugger.BreakpointSpec{Kind: debugger.AtFunction, Function: p.function}
			insert := g.insert
			if c.Condition != "" {
				insert = func(ctx context.Context, b debugger.BreakpointSpec) (string, error) {
					return g.insertThrown(ctx, b, c.Condition)
				}
			}
			n, err := insert(ctx, spec)
			if err != nil {
				return err
			}
			g.mu.Lock()
			if g.filters == nil {
				g.filters = map[string]string{}
			}
			g.filters[n] = p.what
			g.mu.Unlock()
		}
		if !signals {
			return g.stopFor(ctx, false, nil)
		}
		return nil
	})
}

// insertThrown makes a breakpoint of the helper's that looks at the type thrown.
func (g *Backend) insertThrown(ctx context.Context, b debugger.BreakpointSpec, pattern string) (string, error) {
	if err := g.help(ctx); err != nil {
		return "", err
	}
	return g.makePoint(ctx, fmt.Sprintf("thrown(%s, %s)", quotePython(where(b)), quotePython(pattern)))
}

var typeInfo = regexp.MustCompile(`^typeinfo for (.*) in section `)

// thrownType is the type of the exception that __cxa_throw was just called for
// (Itanium C++ ABI: its second argument is the std::type_info), "" when it cannot
// be told.
func (g *Backend) thrownType(ctx context.Context) (string, error) {
	text, err := g.captured(ctx, console("info symbol $rsi"))
	if err != nil {
		return "", notRefusal(err)
	}
	if m := typeInfo.FindStringSubmatch(text); m != nil {
		name, _, _ := strings.Cut(m[1], "@") // without the symbol's version
		return name, nil
	}
	return "", nil
}

var stopsFor = regexp.MustCompile(`(?m)^(SIG\w+)\s+Yes\s`)

// stopFor makes gdb stop for signals, the names given only when there are any,
// or for none.
func (g *Backend) stopFor(ctx context.Context, on bool, names []string) error {
	if g.signals == nil {
		text, err := g.captured(ctx, console("info signals"))
		if err != nil {
			return err
		}
		for _, m := range stopsFor.FindAllStringSubmatch(text, -1) {
			if m[1] != "SIGINT" && m[1] != "SIGTRAP" { // gdb's own
				g.signals = append(g.signals, m[1])
			}
		}
	}
	handle := func(names []string, how string) error {
		if len(names) == 0 {
			return nil
		}
		_, err := g.captured(ctx, console("handle "+strings.Join(names, " ")+" "+how))
		return err
	}
	if on && len(names) == 0 {
		return handle(g.signals, "stop print")
	}
	if err := handle(g.signals, "nostop noprint"); err != nil || !on {
		return err
	}
	return handle(names, "stop print")
}
