package gdb

// Stacks and values for front-ends that draw. Frames are named by thread and
// level in each command, so what the person has selected stays selected.

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

var (
	_ debugger.Viewer    = (*Backend)(nil)
	_ debugger.Formatter = (*Backend)(nil)
)

// Tasks is part of debugger.Viewer: gdb's threads.
func (g *Backend) Tasks(ctx context.Context) ([]debugger.Task, error) {
	var out []debugger.Task
	err := g.do(ctx, func() error {
		threads, err := g.listThreads(ctx)
		for _, t := range threads {
			name := t.Name
			if t.ID != 0 {
				name = strings.TrimSpace(fmt.Sprintf("%s (%d)", name, t.ID))
			}
			out = append(out, debugger.Task{ID: t.Number, Name: name, Current: t.Current, Location: t.Location})
		}
		return err
	})
	return out, err
}

// Stack is part of debugger.Viewer.
func (g *Backend) Stack(ctx context.Context, task, first, n int) (frames []debugger.Frame, total int, err error) {
	err = g.do(ctx, func() error {
		// Unwinding is what takes time, so the depth is looked for only as far as a
		// front-end needs it: one further page.
		thread := threadOption(task)
		if first > 0 {
			// gdb refuses to begin behind the last frame.
			_, res, err := g.capture(ctx, fmt.Sprintf("-stack-info-depth %s%d", thread, first+1))
			if err != nil {
				return err
			}
			if total = number(res.Fields.Text("depth")); total <= first {
				return nil
			}
		}
		bounds, look := "", 0
		if n > 0 {
			bounds = fmt.Sprintf("%d %d", first, first+n-1)
			look = first + n + 1
		} else if first > 0 {
			bounds = fmt.Sprintf("%d %d", first, 1<<30)
		}
		_, res, err := g.capture(ctx, "-stack-list-frames "+thread+bounds)
		if err != nil {
			return err
		}
		for _, t := range res.Fields.List("stack").Tuples() {
			frames = append(frames, debugger.Frame{Level: number(t.Text("level")), Location: location(t)})
		}
		total = first + len(frames)
		if look > 0 && len(frames) == n {
			_, res, err := g.capture(ctx, fmt.Sprintf("-stack-info-depth %s%d", thread, look))
			if err != nil {
				return err
			}
			total = number(res.Fields.Text("depth"))
		}
		return nil
	})
	return frames, total, err
}

// threadOption is the option that names a thread, with a blank behind it.
func threadOption(task int) string {
	if task == 0 {
		return ""
	}
	return fmt.Sprintf("--thread %d ", task)
}

// frameOption is the options that name a frame, with a blank behind them. gdb
// takes no frame without its thread.
func (g *Backend) frameOption(ctx context.Context, f debugger.FrameID) (string, error) {
	if f.Task == 0 {
		_, res, err := g.capture(ctx, "-thread-info")
		if err != nil {
			return "", err
		}
		f.Task = number(res.Fields.Text("current-thread-id"))
	}
	return fmt.Sprintf("--thread %d --frame %d ", f.Task, f.Level), nil
}

// Select is part of debugger.Viewer.
func (g *Backend) Select(ctx context.Context, f debugger.FrameID) error {
	return g.do(ctx, func() error {
		if err := g.selectThread(ctx, f.Task); err != nil {
			return err
		}
		_, err := g.captured(ctx, fmt.Sprintf("-stack-select-frame %d", f.Level))
		return err
	})
}

// selectThread selects a thread in gdb and, because gdb does not tell it for
// backward steps, in the server.
func (g *Backend) selectThread(ctx context.Context, task int) error {
	if task == 0 {
		return nil
	}
	_, res, err := g.capture(ctx, "-thread-info")
	if err != nil || number(res.Fields.Text("current-thread-id")) == task {
		return err
	}
	if _, err := g.captured(ctx, fmt.Sprintf("-thread-select %d", task)); err != nil {
		return err
	}
	return g.tellThread(ctx)
}

// Scopes is part of debugger.Viewer.
func (g *Backend) Scopes(ctx context.Context, f debugger.FrameID) ([]debugger.Scope, error) {
	var out []debugger.Scope
	err := g.do(ctx, func() error {
		where, err := g.frameOption(ctx, f)
		if err != nil {
			return err
		}
		out = []debugger.Scope{
			{Name: "Locals", Kind: debugger.Locals, Ref: g.values.add(node{kind: localScope, where: where, level: f.Level})},
			{Name: "Registers", Kind: debugger.Registers, Slow: true, Ref: g.values.add(node{kind: registerScope, where: where})},
		}
		return nil
	})
	return out, err
}

// Parts is part of debugger.Viewer.
func (g *Backend) Parts(ctx context.Context, r debugger.Ref, first, n int) ([]debugger.Value, error) {
	var out []debugger.Value
	err := g.do(ctx, func() error {
		of, err := g.values.get(r)
		if err != nil {
			return err
		}
		out, err = g.list(ctx, r, of, first, n)
		return err
	})
	return out, err
}

// list is Parts for a node.
func (g *Backend) list(ctx context.Context, r debugger.Ref, of *node, first, n int) (out []debugger.Value, err error) {
	if err := g.refresh(ctx); err != nil {
		return nil, err
	}
	switch of.kind {
	case localScope:
		out, err = g.localValues(ctx, of)
	case registerScope:
		out, err = g.registerValues(ctx, of)
	default:
		return g.children(ctx, r, first, n)
	}
	out = out[min(first, len(out)):]
	if n > 0 {
		out = out[:min(n, len(out))]
	}
	return out, err
}

// localValues lists a frame's variables, arguments first, and what the function
// that a step has just left returned.
func (g *Backend) localValues(ctx context.Context, scope *node) ([]debugger.Value, error) {
	_, res, err := g.capture(ctx, "-stack-list-variables "+scope.where+"--simple-values")
	if err != nil {
		return nil, notRefusal(err) // without symbols there are no variables
	}
	var out []debugger.Value
	if scope.level == 0 && g.returned.variable != "" {
		v, err := g.create(ctx, scope.where, g.returned.variable)
		if err != nil && refusal(err) == nil {
			return nil, err
		}
		if err == nil {
			v.Name, v.Fixed = "(returned)", true
			out = append(out, v)
		}
	}
	seen := map[string]bool{}
	for _, t := range res.Fields.List("variables").Tuples() {
		v := debugger.Value{Name: t.Text("name"), Type: t.Text("type"), Text: t.Text("value"), Expr: t.Text("name")}
		if seen[v.Name] {
			// Of an outer block, hidden by the one above: gdb has no expression for it.
			v.Name, v.Expr, v.Fixed = "("+v.Name+")", "", true
			out = append(out, v)
			continue
		}
		seen[v.Name] = true
		if compound(t) {
			full, err := g.create(ctx, scope.where, v.Expr)
			switch {
			case err == nil:
				full.Name = v.Name
				v = full
			case refusal(err) == nil:
				return nil, err
			case v.Text == "":
				v.Text = "<" + err.Error() + ">"
			}
		}
		out = append(out, v)
		scope.part(v.Name, part{expr: v.Expr, object: g.values.object(v.Ref)})
	}
	return out, nil
}

// compound reports whether a variable may have parts: gdb gives no value for
// aggregates, and a pointer has what it points to.
func compound(t gdbmi.Tuple) bool {
	typ := t.Text("type")
	return t.Get("value") == nil || strings.HasSuffix(typ, "*") || strings.HasSuffix(typ, "&") || strings.Contains(typ, "* const")
}

// registerNames are the registers to show, as far as the target has them.
var registerNames = strings.Fields("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs fs_base gs_base")

func (g *Backend) registerValues(ctx context.Context, scope *node) ([]debugger.Value, error) {
	_, res, err := g.capture(ctx, "-data-list-register-names")
	if err != nil {
		return nil, err
	}
	numberOf := map[string]int{}
	var vectors []string
	for i, n := range res.Fields.List("register-names").Strings() {
		numberOf[n] = i
		if strings.HasPrefix(n, "ymm") && !strings.HasSuffix(n, "h") {
			vectors = append(vectors, n)
		}
	}
	var wanted []string
	command := "-data-list-register-values " + scope.where + "--skip-unavailable x"
	for _, n := range registerNames {
		if i, ok := numberOf[n]; ok {
			command += fmt.Sprintf(" %d", i)
			wanted = append(wanted, n)
		}
	}
	if _, res, err = g.capture(ctx, command); err != nil {
		return nil, err
	}
	values := map[int]string{}
	for _, t := range res.Fields.List("register-values").Tuples() {
		values[number(t.Text("number"))] = t.Text("value")
	}
	var out []debugger.Value
	for _, n := range wanted {
		text, ok := values[numberOf[n]]
		if !ok {
			continue
		}
		v := debugger.Value{Name: n, Text: text, Type: "register", Expr: "$" + n, Addr: pointer(text)}
		scope.part(n, part{expr: v.Expr})
		out = append(out, v)
	}
	if len(vectors) == 0 {
		for n := range numberOf {
			if strings.HasPrefix(n, "xmm") {
				vectors = append(vectors, n)
			}
		}
	}
	sortRegisters(vectors)
	for _, n := range vectors {
		out = append(out, debugger.Value{Name: n, Text: "{…}", Type: "vector register", Expr: "$" + n,
			Ref: g.values.add(node{kind: lazyValue, where: scope.where, expr: "$" + n})})
	}
	return out, nil
}

var hexAddress = regexp.MustCompile(`^(?:\([^)]*\) )?@?0x[0-9a-f]+`)

// pointer reads the address that a value begins with, 0 when it does not.
func pointer(text string) uint64 {
	m := hexAddress.FindString(text)
	if m == "" {
		return 0
	}
	return address(m[strings.LastIndex(m, "0x"):])
}

// Value is part of debugger.Viewer.
func (g *Backend) Value(ctx context.Context, f debugger.FrameID, expr string) (debugger.Value, error) {
	var v debugger.Value
	err := g.do(ctx, func() error {
		where, err := g.frameOption(ctx, f)
		if err != nil {
			return err
		}
		v, err = g.create(ctx, where, expr)
		v.Name = ""
		return err
	})
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return v, err
}

// Assign is part of debugger.Viewer.
func (g *Backend) Assign(ctx context.Context, of debugger.Ref, name, value string) (debugger.Value, error) {
	var v debugger.Value
	err := g.do(ctx, func() error {
		n, p, err := g.partOf(ctx, of, name)
		if err != nil {
			return err
		}
		v, err = g.assign(ctx, n.where, p, value)
		v.Name = name
		return err
	})
	return v, err
}

// AssignTo is part of debugger.Viewer.
func (g *Backend) AssignTo(ctx context.Context, f debugger.FrameID, expr, value string) (debugger.Value, error) {
	var v debugger.Value
	err := g.do(ctx, func() error {
		where, err := g.frameOption(ctx, f)
		if err != nil {
			return err
		}
		v, err = g.assign(ctx, where, part{expr: expr}, value)
		v.Name = ""
		return err
	})
	return v, err
}

// Hex is part of debugger.Formatter.
func (g *Backend) Hex(on bool) {
	g.busy.Lock()
	defer g.busy.Unlock()
	g.values.hex = on
}
