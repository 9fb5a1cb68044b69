package delve

// Stacks and values for front-ends that draw. A task is a goroutine, by its number;
// a thread that runs none has its id, negated.

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

var _ debugger.Viewer = (*Backend)(nil)

// Tasks is part of debugger.Viewer.
func (b *Backend) Tasks(ctx context.Context) (out []debugger.Task, err error) {
	err = b.do(ctx, func() error {
		t := b.target()
		selected := t.SelectedGoroutine()
		if selected == nil {
			th := t.CurrentThread()
			l, err := b.where()
			if err != nil {
				return err
			}
			out = append(out, debugger.Task{ID: -th.ThreadID(), Name: fmt.Sprintf("thread %d", th.ThreadID()), Current: true, Location: l})
		}
		all, _, err := proc.GoroutinesInfo(t, 0, 0)
		if err != nil {
			return nil // the runtime has not begun
		}
		sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
		for _, g := range all {
			if g.Unreadable != nil {
				continue
			}
			at := g.UserCurrent()
			out = append(out, debugger.Task{ID: int(g.ID), Name: fmt.Sprintf("goroutine %d %s", g.ID, name(at.Fn)),
				Current: selected != nil && selected.ID == g.ID, Location: b.location(at)})
		}
		return nil
	})
	return out, err
}

// taskID is the selected task.
func (b *Backend) taskID() int {
	if g := b.target().SelectedGoroutine(); g != nil {
		return int(g.ID)
	}
	return -b.target().CurrentThread().ThreadID()
}

// task returns a task's goroutine, nil for a thread without one, and its thread.
func (b *Backend) task(id int) (*proc.G, proc.Thread, error) {
	t := b.target()
	switch {
	case id == 0:
		return t.SelectedGoroutine(), t.CurrentThread(), nil
	case id < 0:
		if th, ok := b.p.threads[-id]; ok {
			return nil, th, nil
		}
		return nil, nil, fmt.Errorf("there is no thread %d now", -id)
	}
	g, err := proc.FindGoroutine(t, int64(id))
	if err != nil {
		return nil, nil, fmt.Errorf("there is no goroutine %d now", id)
	}
	if g.Thread != nil {
		return g, g.Thread, nil
	}
	return g, t.CurrentThread(), nil
}

// Stack is part of debugger.Viewer.
func (b *Backend) Stack(ctx context.Context, task, first, n int) (out []debugger.Frame, total int, err error) {
	err = b.do(ctx, func() error {
		g, th, err := b.task(task)
		if err != nil {
			return err
		}
		depth := deepest
		if n > 0 {
			depth = first + n // one more than wanted
		}
		frames, err := b.stackOf(g, th, depth, 0)
		if err != nil {
			return err
		}
		total = len(frames)
		for i := first; i < len(frames) && (n == 0 || i < first+n); i++ {
			out = append(out, debugger.Frame{Level: i, Location: b.frameLocation(i, &frames[i])})
		}
		return nil
	})
	return out, total, err
}

// Select is part of debugger.Viewer.
func (b *Backend) Select(ctx context.Context, f debugger.FrameID) error {
	return b.do(ctx, func() error {
		if err := b.selectTask(f.Task); err != nil {
			return err
		}
		return b.selectFrame(f.Level)
	})
}

func (b *Backend) selectTask(task int) error {
	if task == 0 {
		return nil
	}
	g, th, err := b.task(task)
	if err != nil {
		return err
	}
	if s := b.target().SelectedGoroutine(); g != nil && s != nil && s.ID == g.ID {
		return nil
	}
	b.frame, b.deferred = 0, 0
	if g != nil {
		return b.target().SwitchGoroutine(g)
	}
	return b.target().SwitchThread(th.ThreadID())
}

// scopeAt is where a front-end's expressions of a frame are evaluated.
func (b *Backend) scopeAt(f debugger.FrameID) (*proc.EvalScope, error) {
	g, th, err := b.task(f.Task)
	if err != nil {
		return nil, err
	}
	frames, err := b.stackOf(g, th, f.Level, 0)
	if err != nil {
		return nil, err
	}
	if f.Level >= len(frames) {
		return nil, fmt.Errorf("there is no frame %d", f.Level)
	}
	return proc.FrameToScope(b.target(), b.p, g, th.ThreadID(), frames[f.Level:]...), nil
}

// refs are the scopes and values that a front-end may ask the parts of.
type refs struct {
	moves int // of the program, when they were made
	next  debugger.Ref
	nodes map[debugger.Ref]node
}

// node is a scope, or with v a value.
type node struct {
	frame debugger.FrameID
	kind  debugger.ScopeKind
	v     *proc.Variable
	expr  string
}

func (b *Backend) ref(n node) debugger.Ref {
	if b.refs.nodes == nil || b.refs.moves != b.p.moves {
		b.refs.nodes, b.refs.moves = map[debugger.Ref]node{}, b.p.moves
	}
	b.refs.next++
	b.refs.nodes[b.refs.next] = n
	return b.refs.next
}

func (b *Backend) node(r debugger.Ref) (node, error) {
	n, ok := b.refs.nodes[r]
	if !ok || b.refs.moves != b.p.moves {
		return n, debugger.ErrStale
	}
	return n, nil
}

// Scopes is part of debugger.Viewer.
func (b *Backend) Scopes(ctx context.Context, f debugger.FrameID) (out []debugger.Scope, err error) {
	err = b.do(ctx, func() error {
		scope, err := b.scopeAt(f)
		if err != nil {
			return err
		}
		out = []debugger.Scope{
			{Name: "Locals", Kind: debugger.Locals, Ref: b.ref(node{frame: f, kind: debugger.Locals})},
			{Name: "Registers", Kind: debugger.Registers, Slow: true, Ref: b.ref(node{frame: f, kind: debugger.Registers})},
		}
		if scope.Fn != nil {
			out = append(out, debugger.Scope{Name: "Globals of " + scope.Fn.PackageName(), Kind: debugger.Globals, Slow: true,
				Ref: b.ref(node{frame: f, kind: debugger.Globals, expr: scope.Fn.PackageName()})})
		}
		return nil
	})
	return out, err
}

// Parts is part of debugger.Viewer.
func (b *Backend) Parts(ctx context.Context, r debugger.Ref, first, n int) (out []debugger.Value, err error) {
	err = b.do(ctx, func() error {
		k, err := b.node(r)
		if err != nil {
			return err
		}
		if k.v != nil {
			out, err = b.parts(k, first, n)
			return err
		}
		if out, err = b.scopeParts(k); err == nil {
			out = slice(out, first, n)
		}
		return err
	})
	return out, err
}

func slice(list []debugger.Value, first, n int) []debugger.Value {
	first = min(max(first, 0), len(list))
	if n == 0 || first+n > len(list) {
		n = len(list) - first
	}
	return list[first : first+n]
}

// scopeParts are the variables of a scope.
func (b *Backend) scopeParts(k node) (out []debugger.Value, err error) {
	if k.kind == debugger.Registers {
		_, th, err := b.task(k.frame.Task)
		if err != nil {
			return nil, err
		}
		regs, err := th.Registers()
		if err != nil {
			return nil, err
		}
		list, err := regs.Slice(false)
		for _, x := range list {
			out = append(out, debugger.Value{Name: x.Name, Text: fmt.Sprintf("%#x", x.Reg.Uint64Val), Fixed: true})
		}
		return out, err
	}
	scope, err := b.scopeAt(k.frame)
	if err != nil {
		return nil, err
	}
	var vars []*proc.Variable
	if k.kind == debugger.Globals {
		all, err := scope.PackageVariables(b.config.load)
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			if short, ok := cutPackage(v.Name, k.expr); ok {
				out = append(out, b.show(k.frame, v, short, v.Name))
			}
		}
		return out, nil
	}
	for _, get := range []func(proc.LoadConfig) ([]*proc.Variable, error){scope.FunctionArguments, scope.LocalVariables} {
		list, err := get(b.config.load)
		if err != nil {
			return nil, nil // no debug information
		}
		vars = append(vars, list...)
	}
	for _, v := range vars {
		expr := v.Name
		if v.Flags&proc.VariableShadowed != 0 {
			expr = "" // the name means another
		}
		out = append(out, b.show(k.frame, v, v.Name, expr))
	}
	return out, nil
}

func cutPackage(name, pkg string) (string, bool) {
	if len(name) > len(pkg)+1 && name[:len(pkg)+1] == pkg+"." {
		return name[len(pkg)+1:], true
	}
	return "", false
}

// show is a variable as a Value.
func (b *Backend) show(f debugger.FrameID, v *proc.Variable, name, expr string) debugger.Value {
	out := debugger.Value{Name: name, Text: api.ConvertVar(v).SinglelineString(), Type: v.TypeString(), Expr: expr, Addr: v.Addr}
	if v.Flags&proc.VariableFakeAddress != 0 {
		out.Addr = 0
	}
	switch {
	case v.Unreadable != nil:
		out.Fixed = true
		return out
	case v.Flags&proc.VariableConstant != 0:
		out.Fixed = true
	}
	switch v.Kind {
	case reflect.Struct:
		out.Named = int(v.Len)
	case reflect.Slice, reflect.Array:
		out.Indexed = int(v.Len)
	case reflect.Map:
		out.Named = int(v.Len)
	case reflect.Ptr, reflect.Interface:
		if len(v.Children) > 0 && (v.Children[0].Addr != 0 || v.Kind == reflect.Interface && v.Children[0].Kind != reflect.Invalid) {
			out.Named = 1
			if v.Kind == reflect.Ptr {
				out.Addr = v.Children[0].Addr
			}
		}
	}
	if out.Named+out.Indexed > 0 {
		out.Ref = b.ref(node{frame: f, v: v, expr: expr})
	}
	return out
}

// loaded is a variable of which at least the first level has been read.
func (b *Backend) loaded(f debugger.FrameID, v *proc.Variable) (*proc.Variable, error) {
	if v.Kind != reflect.Struct || len(v.Children) >= int(v.Len) || v.Addr == 0 {
		return v, nil
	}
	scope, err := b.scopeAt(f)
	if err != nil {
		return nil, err
	}
	return scope.EvalExpression(fmt.Sprintf("*(*%q)(%#x)", v.TypeString(), v.Addr), b.config.load)
}

// mostParts bounds what is read of an array at once.
const mostParts = 1000

// parts are the parts of a value from index first on, n or all of them.
func (b *Backend) parts(k node, first, n int) (out []debugger.Value, err error) {
	v, err := b.loaded(k.frame, k.v)
	if err != nil {
		return nil, err
	}
	sub := func(format string, a ...any) string {
		if k.expr == "" {
			return ""
		}
		return k.expr + fmt.Sprintf(format, a...)
	}
	switch v.Kind {
	case reflect.Ptr:
		to, err := b.loaded(k.frame, &v.Children[0])
		if err != nil {
			return nil, err
		}
		if to.Kind == reflect.Struct {
			return b.parts(node{frame: k.frame, v: to, expr: k.expr}, first, n)
		}
		expr := ""
		if k.expr != "" {
			expr = "*" + k.expr
		}
		return []debugger.Value{b.show(k.frame, to, "*", expr)}, nil
	case reflect.Interface:
		data := &v.Children[0]
		return []debugger.Value{b.show(k.frame, data, "data", sub(".(%s)", data.TypeString()))}, nil
	case reflect.Struct:
		for i := range v.Children {
			c := &v.Children[i]
			out = append(out, b.show(k.frame, c, c.Name, sub(".%s", c.Name)))
		}
		return slice(out, first, n), nil
	case reflect.Slice, reflect.Array, reflect.Map:
		if first >= int(v.Len) {
			return nil, nil
		}
		cfg := b.config.load
		cfg.MaxArrayValues = mostParts
		if n > 0 {
			cfg.MaxArrayValues = min(n, mostParts)
		}
		part, err := v.LoadResliced(first, cfg)
		if err != nil {
			return nil, err
		}
		if v.Kind == reflect.Map {
			for i := 0; i+1 < len(part.Children); i += 2 {
				key := api.ConvertVar(&part.Children[i]).SinglelineString()
				out = append(out, b.show(k.frame, &part.Children[i+1], key, sub("[%s]", key)))
			}
			return out, nil
		}
		for i := range part.Children {
			out = append(out, b.show(k.frame, &part.Children[i], "["+strconv.Itoa(first+i)+"]", sub("[%d]", first+i)))
		}
	}
	return out, nil
}

// Value is part of debugger.Viewer.
func (b *Backend) Value(ctx context.Context, f debugger.FrameID, expr string) (out debugger.Value, err error) {
	err = b.do(ctx, func() error {
		scope, err := b.scopeAt(f)
		if err != nil {
			return err
		}
		v, err := b.evalIn(scope, expr)
		if err != nil {
			return err
		}
		out = b.show(f, v, "", expr)
		return nil
	})
	return out, err
}

// Assign is part of debugger.Viewer.
func (b *Backend) Assign(ctx context.Context, of debugger.Ref, name, value string) (out debugger.Value, err error) {
	var frame debugger.FrameID
	expr := ""
	err = b.do(ctx, func() error {
		k, err := b.node(of)
		if err != nil {
			return err
		}
		frame = k.frame
		var parts []debugger.Value
		if k.v == nil {
			parts, err = b.scopeParts(k)
		} else {
			parts, err = b.parts(k, 0, 0)
		}
		for _, p := range parts {
			if p.Name == name {
				expr = p.Expr
			}
		}
		if err == nil && expr == "" {
			err = errors.New(name + " cannot be assigned to")
		}
		return err
	})
	if err != nil {
		return out, err
	}
	return b.AssignTo(ctx, frame, expr, value)
}

// AssignTo is part of debugger.Viewer.
func (b *Backend) AssignTo(ctx context.Context, f debugger.FrameID, expr, value string) (out debugger.Value, err error) {
	err = b.do(ctx, func() error {
		scope, err := b.scopeAt(f)
		if err != nil {
			return err
		}
		if err := scope.SetVariable(expr, value); err != nil {
			return err
		}
		b.target().ClearCaches()
		if scope, err = b.scopeAt(f); err != nil {
			return err
		}
		v, err := scope.EvalExpression(expr, b.config.load)
		if err == nil {
			out = b.show(f, v, "", expr)
		}
		return err
	})
	return out, err
}
