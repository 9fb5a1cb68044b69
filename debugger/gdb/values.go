package gdb

// gdb keeps a "variable object" for each value whose parts are to be seen. They
// are made for the present stop only: one frame's variable may be another's after
// the next motion. A Ref stands for one of them, or for a scope.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

type nodeKind uint8

const (
	localScope nodeKind = iota
	registerScope
	objectValue // a variable object
	lazyValue   // one that is made when its parts are asked for
)

// node is what a Ref stands for.
type node struct {
	kind   nodeKind
	where  string // the options that name the frame
	level  int    // the frame's
	expr   string // "" when there is none
	object string // gdb's name of the variable object
	typ    string
	hint   string          // the pretty printer's: array, map, string
	parts  map[string]part // those that were listed, by the name shown
}

// part says how to name a part of a node to gdb: by its object, else by an
// expression.
type part struct{ expr, object string }

func (n *node) part(name string, p part) {
	if n.parts == nil {
		n.parts = map[string]part{}
	}
	n.parts[name] = p
}

// values are the nodes of the present stop. The caller of its methods holds busy.
type values struct {
	next   debugger.Ref
	nodes  map[debugger.Ref]*node
	roots  []string // objects that gdb has, to be deleted
	dead   []string // of earlier stops
	stale  bool     // something was assigned to since they were read
	pretty bool     // gdb was told to use pretty printers
	hex    bool
}

func (v *values) add(n node) debugger.Ref {
	if v.nodes == nil {
		v.nodes = map[debugger.Ref]*node{}
	}
	v.next++
	v.nodes[v.next] = &n
	return v.next
}

func (v *values) get(r debugger.Ref) (*node, error) {
	n, ok := v.nodes[r]
	if !ok {
		return nil, debugger.ErrStale
	}
	return n, nil
}

// object is the variable object of a Ref, "" for none.
func (v *values) object(r debugger.Ref) string {
	if n := v.nodes[r]; n != nil {
		return n.object
	}
	return ""
}

// forget ends all Refs: the program has moved.
func (v *values) forget() {
	clear(v.nodes)
	v.dead = append(v.dead, v.roots...)
	v.roots = nil
	v.stale = false
}

// lost is forget when gdb and its objects are gone.
func (v *values) lost() {
	v.forget()
	v.dead = nil
	v.pretty = false
}

// refresh deletes the objects of earlier stops and has gdb read the others again
// when something may have changed.
func (g *Backend) refresh(ctx context.Context) error {
	for _, name := range g.values.dead {
		if _, err := g.captured(ctx, "-var-delete "+name); notRefusal(err) != nil {
			return err
		}
	}
	g.values.dead = nil
	if !g.values.stale {
		return nil
	}
	if _, err := g.captured(ctx, "-var-update --no-values *"); notRefusal(err) != nil {
		return err
	}
	g.values.stale = false
	return nil
}

// create makes the variable object of an expression.
func (g *Backend) create(ctx context.Context, where, expr string) (debugger.Value, error) {
	if err := g.refresh(ctx); err != nil {
		return debugger.Value{}, err
	}
	if !g.values.pretty {
		if _, err := g.captured(ctx, "-enable-pretty-printing"); notRefusal(err) != nil {
			return debugger.Value{}, err
		}
		g.values.pretty = true
	}
	_, res, err := g.capture(ctx, "-var-create "+where+"- * "+gdbmi.Quote(expr))
	if refusal(err) != nil && ctx.Err() == nil {
		// gdb does not say why there, but does here.
		if _, _, why := g.capture(ctx, "-data-evaluate-expression "+where+gdbmi.Quote(expr)); why != nil {
			err = why
		}
	}
	if err != nil {
		return debugger.Value{}, err
	}
	name := res.Fields.Text("name")
	g.values.roots = append(g.values.roots, name)
	n := node{kind: objectValue, where: where, expr: expr}
	return g.value(ctx, res.Fields, n)
}

// value reads the tuple of a variable object, and keeps it as n when it has parts.
func (g *Backend) value(ctx context.Context, t gdbmi.Tuple, n node) (debugger.Value, error) {
	n.object, n.typ, n.hint = t.Text("name"), t.Text("type"), t.Text("displayhint")
	v := debugger.Value{Text: t.Text("value"), Type: n.typ, Expr: n.expr}
	if g.values.hex {
		_, res, err := g.capture(ctx, "-var-set-format "+n.object+" hexadecimal")
		if err != nil && refusal(err) == nil {
			return v, err
		}
		if err == nil && res.Fields.Get("value") != nil {
			v.Text = res.Fields.Text("value")
		}
	}
	v.Addr = pointer(v.Text)
	if v.Text == "" && n.typ != "" {
		v.Text = "{…}"
	}
	count := number(t.Text("numchild"))
	if count == 0 && t.Text("has_more") != "1" && (t.Text("dynamic") != "1" || n.hint == "string") {
		return v, nil // its object is named by the node that it is a part of
	}
	switch {
	case n.hint == "array" || strings.HasSuffix(n.typ, "]"):
		v.Indexed = count
	default:
		v.Named = count
	}
	if t.Text("dynamic") == "1" {
		v.Named, v.Indexed = 0, 0 // the printer is asked when they are wanted
	}
	v.Ref = g.values.add(n)
	return v, nil
}

// children lists parts of a value.
func (g *Backend) children(ctx context.Context, r debugger.Ref, first, n int) ([]debugger.Value, error) {
	of := g.values.nodes[r]
	if of.kind == lazyValue {
		v, err := g.create(ctx, of.where, of.expr)
		if err != nil {
			return nil, err
		}
		made, ok := g.values.nodes[v.Ref]
		if !ok {
			return nil, nil
		}
		*of = *made
		delete(g.values.nodes, v.Ref)
	}
	if of.hint == "map" {
		return g.mapValues(ctx, of, first, n)
	}
	list, err := g.listChildren(ctx, of.object, first, n)
	if err != nil {
		return nil, err
	}
	var out []debugger.Value
	for _, t := range list {
		if access(t) {
			// gdb groups a class's members by who may use them; we do not.
			inner, err := g.listChildren(ctx, t.Text("name"), 0, 0)
			if err != nil {
				return nil, err
			}
			for _, t := range inner {
				v, err := g.child(ctx, of, t)
				if err != nil {
					return nil, err
				}
				out = append(out, v)
			}
			continue
		}
		v, err := g.child(ctx, of, t)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// listChildren lists the child objects of an object.
func (g *Backend) listChildren(ctx context.Context, object string, first, n int) ([]gdbmi.Tuple, error) {
	command := "-var-list-children --all-values " + object
	if first > 0 || n > 0 {
		to := 1 << 30
		if n > 0 {
			to = first + n
		}
		command += fmt.Sprintf(" %d %d", first, to)
	} else {
		command += fmt.Sprintf(" 0 %d", most)
	}
	_, res, err := g.capture(ctx, command)
	if err != nil {
		return nil, err
	}
	return res.Fields.List("children").Tuples(), nil
}

// most bounds the parts of one value that are listed when nobody says how many.
const most = 10_000

// access reports whether a child is a group of members rather than a part.
func access(t gdbmi.Tuple) bool {
	exp := t.Text("exp")
	return t.Get("type") == nil && (exp == "public" || exp == "private" || exp == "protected")
}

// child is a part of a value.
func (g *Backend) child(ctx context.Context, of *node, t gdbmi.Tuple) (debugger.Value, error) {
	name := t.Text("exp")
	n := node{kind: objectValue, where: of.where, expr: partExpr(of.expr, of.typ, name, of.hint != "")}
	if strings.HasSuffix(of.typ, "]") && isNumber(name) {
		name = "[" + name + "]"
	}
	v, err := g.value(ctx, t, n)
	v.Name = name
	of.part(name, part{expr: n.expr, object: t.Text("name")})
	return v, err
}

// partExpr is the expression for a part of a value, "" when its name is not one.
func partExpr(of, typ, name string, printed bool) string {
	switch {
	case of == "" || name == "" || printed:
		return ""
	case name[0] == '*':
		return "*(" + of + ")"
	case strings.HasSuffix(typ, "]") && isNumber(name):
		return "(" + of + ")[" + name + "]"
	case !isName(name):
		return ""
	case strings.HasSuffix(typ, "*") || strings.HasSuffix(typ, "* const"):
		return "(" + of + ")->" + name
	case simple(of):
		return of + "." + name
	}
	return "(" + of + ")." + name
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// simple reports whether an expression needs no parentheses before a dot.
func simple(s string) bool {
	return !strings.ContainsAny(s, " *&+-/%|^!~?<>=,") || strings.HasPrefix(s, "(") && strings.HasSuffix(s, "]")
}

// mapValues lists a map, whose printer gives keys and values in turn.
func (g *Backend) mapValues(ctx context.Context, of *node, first, n int) ([]debugger.Value, error) {
	list, err := g.listChildren(ctx, of.object, 2*first, 2*n)
	if err != nil {
		return nil, err
	}
	var out []debugger.Value
	for pair := range slices.Chunk(list, 2) {
		if len(pair) < 2 {
			break
		}
		v, err := g.value(ctx, pair[1], node{kind: objectValue, where: of.where})
		if err != nil {
			return nil, err
		}
		v.Name = "[" + pair[0].Text("value") + "]"
		of.part(v.Name, part{object: pair[1].Text("name")})
		out = append(out, v)
	}
	return out, nil
}

// partOf returns how to name a part of a Ref to gdb.
func (g *Backend) partOf(ctx context.Context, r debugger.Ref, name string) (*node, part, error) {
	n, err := g.values.get(r)
	if err != nil {
		return nil, part{}, err
	}
	if _, ok := n.parts[name]; !ok { // they may not have been listed yet
		if _, err := g.list(ctx, r, n, 0, 0); err != nil {
			return nil, part{}, err
		}
	}
	p, ok := n.parts[name]
	if !ok {
		return nil, part{}, fmt.Errorf("there is no variable or part named %s", name)
	}
	return n, p, nil
}

// assign sets what a part stands for.
func (g *Backend) assign(ctx context.Context, where string, p part, value string) (debugger.Value, error) {
	if p.object == "" {
		v, err := g.create(ctx, where, p.expr)
		if err != nil {
			return debugger.Value{}, err
		}
		if p.object = g.values.object(v.Ref); p.object == "" {
			p.object = g.values.roots[len(g.values.roots)-1]
		}
	}
	_, res, err := g.capture(ctx, "-var-assign "+p.object+" "+gdbmi.Quote(value))
	g.values.stale = true
	if err != nil {
		return debugger.Value{}, err
	}
	text := res.Fields.Text("value")
	_, info, err := g.capture(ctx, "-var-info-type "+p.object)
	if err != nil {
		return debugger.Value{}, err
	}
	return debugger.Value{Text: text, Type: info.Fields.Text("type"), Expr: p.expr, Addr: pointer(text)}, nil
}

// sortRegisters sorts ymm0 … ymm15 by their numbers.
func sortRegisters(names []string) {
	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}
