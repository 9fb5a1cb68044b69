package gdb

import (
	"fmt"
	"slices"
	"strings"

	"yore/gdbmi"
)

// breakpoints is what gdb's notifications told of its breakpoints.
type breakpoints struct {
	list []gdbmi.Tuple // in the order of their numbers
}

func (b *breakpoints) set(t gdbmi.Tuple) {
	if t == nil {
		return
	}
	n := t.Text("number")
	for i, old := range b.list {
		if old.Text("number") == n {
			b.list[i] = t
			return
		}
	}
	b.list = append(b.list, t)
	slices.SortStableFunc(b.list, func(x, y gdbmi.Tuple) int { return number(x.Text("number")) - number(y.Text("number")) })
}

func (b *breakpoints) remove(n string) {
	b.list = slices.DeleteFunc(b.list, func(t gdbmi.Tuple) bool { return t.Text("number") == n })
}

// enabled returns the numbers of those that act.
func (b *breakpoints) enabled() []string {
	var out []string
	for _, t := range b.list {
		if t.Text("enabled") == "y" {
			out = append(out, t.Text("number"))
		}
	}
	return out
}

// get returns a breakpoint by number, nil when there is none.
func (b *breakpoints) get(n string) gdbmi.Tuple {
	for _, t := range b.list {
		if t.Text("number") == n {
			return t
		}
	}
	return nil
}

// restore returns console scripts, each a list of lines, that make the
// breakpoints in a fresh gdb, with their numbers. Hit counts begin anew.
func (b *breakpoints) restore() [][]string {
	var out [][]string
	next := 1
	for _, t := range b.list {
		command := recreate(t)
		n := number(t.Text("number"))
		if command == "" || n < next {
			continue
		}
		for ; next < n; next++ { // use up a number
			// A pending one has a number and is never inserted.
			out = append(out, []string{"set breakpoint pending on", "tbreak yore_uses_up_a_number", fmt.Sprintf("delete %d", next), "set breakpoint pending auto"})
		}
		next++
		script := []string{command}
		if c := t.Text("cond"); c != "" && !strings.Contains(command, " if ") {
			script = append(script, fmt.Sprintf("condition %d %s", n, c))
		}
		if i := t.Text("ignore"); i != "" && i != "0" {
			script = append(script, fmt.Sprintf("ignore %d %s", n, i))
		}
		if lines := t.List("script").Strings(); len(lines) > 0 {
			script = append(script, fmt.Sprintf("commands %d", n))
			script = append(script, lines...)
			script = append(script, "end")
		}
		if t.Text("enabled") == "n" {
			script = append(script, fmt.Sprintf("disable %d", n))
		}
		for _, loc := range t.List("locations").Tuples() {
			if loc.Text("enabled") == "n" {
				script = append(script, "disable "+loc.Text("number"))
			}
		}
		out = append(out, script)
	}
	return out
}

// recreate is the console command that makes a breakpoint, "" for kinds that
// cannot be made again from what gdb tells.
func recreate(t gdbmi.Tuple) string {
	verb, where := wording(t)
	if verb == "" {
		return ""
	}
	return verb + " " + where
}

// wording is recreate, verb and place apart.
func wording(t gdbmi.Tuple) (verb, where string) {
	once := t.Text("disp") == "del"
	where = t.Text("original-location")
	if th := t.Text("thread"); th != "" && where != "" {
		where += " thread " + th
	}
	switch kind := t.Text("type"); {
	case where == "":
		return "", ""
	case kind == "breakpoint" && once:
		return "tbreak", where
	case kind == "breakpoint":
		return "break", where
	case kind == "hw breakpoint" && once:
		return "thbreak", where
	case kind == "hw breakpoint":
		return "hbreak", where
	case kind == "hw watchpoint" || kind == "watchpoint":
		return "watch", where
	case kind == "read watchpoint":
		return "rwatch", where
	case kind == "acc watchpoint":
		return "awatch", where
	}
	return "", ""
}

// params are gdb's settings that were changed, in the order of their changes.
type params struct {
	names  []string
	values map[string]string
}

func (p *params) set(name, value string) {
	if name == "" {
		return
	}
	if p.values == nil {
		p.values = map[string]string{}
	}
	if _, ok := p.values[name]; !ok {
		p.names = append(p.names, name)
	}
	p.values[name] = value
}

func (p *params) forget() { *p = params{} }

// restore returns the console commands that make the settings again.
func (p *params) restore() []string {
	var out []string
	for _, n := range p.names {
		out = append(out, strings.TrimSpace("set "+n+" "+p.values[n]))
	}
	return out
}

// numbers writes breakpoint numbers as arguments.
func numbers(list []string) string { return strings.Join(list, " ") }
