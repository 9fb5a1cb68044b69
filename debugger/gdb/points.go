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
	if !g.helped {
		if _, err := g.captured(ctx, console("python import gdb, types; yore_points = types.ModuleType('yore_points'); exec("+quotePython(helper)+", yore_points.__dict__)")); err != nil {
			if refusal(err) != nil {
				return "", fmt.Errorf("log points and this hit condition need a gdb with Python: %w", err)
			}
			return "", err
		}
		g.helped = true
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
	_, err := g.captured(ctx, console(fmt.Sprintf("python yore_points.make(%s, %s, %s, %s)",
		quotePython(where(b)), quotePython(b.Condition), hits, log)))
	if err != nil {
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
			n, err := g.values.get(of)
			if err != nil {
				return err
			}
			p, ok := n.parts[name]
			if !ok {
				return fmt.Errorf("there is no %s to watch", name)
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
			if _, _, err := g.capture(ctx, "-data-evaluate-expression "+opts+gdbmi.Quote(expr)); err != nil {
				return err
			}
			data = strings.TrimSpace(opts) + frameMark + expr // in a register
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
		{Name: "catch", Label: "C++: catch", Condition: "regular expression for the type's name", Description: "Stop when a C++ exception is caught"},
		{Name: "rethrow", Label: "C++: rethrow", Condition: "regular expression for the type's name", Description: "Stop when a C++ exception is thrown again"},
		{Name: "panic", Label: "Rust: panic", Description: "Stop when a Rust program panics"},
	}
}

const filterSignals = "signals"

// SetFilters is part of debugger.Breakpointer.
func (g *Backend) SetFilters(ctx context.Context, chosen []debugger.FilterChoice) error {
	return g.do(ctx, func() error {
		for _, n := range g.filters {
			if _, err := g.captured(ctx, console("delete "+n)); notRefusal(err) != nil {
				return err
			}
		}
		g.filters = nil
		signals := false
		for _, c := range chosen {
			var command string
			switch c.Name {
			case filterSignals:
				signals = true
				if err := g.stopFor(ctx, true, strings.Fields(strings.ReplaceAll(c.Condition, ",", " "))); err != nil {
					return err
				}
				continue
			case "panic":
				command = "break rust_panic"
				if _, err := g.captured(ctx, "-break-insert -f rust_panic"); err != nil {
					return err
				}
			case "throw", "catch", "rethrow":
				command = strings.TrimSpace("catch " + c.Name + " " + c.Condition)
				if _, err := g.captured(ctx, console(command)); err != nil {
					return err
				}
			default:
				return fmt.Errorf("there is no exception filter %s", c.Name)
			}
			g.mu.Lock()
			n := g.ev.created
			g.mu.Unlock()
			if n != "" {
				g.filters = append(g.filters, n)
			}
		}
		if !signals {
			return g.stopFor(ctx, false, nil)
		}
		return nil
	})
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
