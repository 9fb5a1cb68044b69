package gdb

import (
	"fmt"
	"strings"
	"testing"
)

// TestInspect: variables of any frame, arguments first, and the breakpoints.
func TestInspect(t *testing.T) {
	g, s := begin(t, Options{})
	say(t, g, s, "break depth if n == 0")
	say(t, g, s, "tbreak hide")
	say(t, g, s, "watch pair.b")
	say(t, g, s, "disable 2")
	say(t, g, s, "run")
	for range 5 { // the watchpoint's changes, one for each turn of the loop but the first
		if l, err := g.Where(t.Context()); err != nil || l.Function == "depth" {
			break
		}
		say(t, g, s, "continue")
	}
	if thread, level, err := g.Selected(t.Context()); err != nil || thread != 1 || level != 0 {
		t.Errorf("selected: thread %d, frame %d, %v", thread, level, err)
	}
	show := func(level int) string {
		t.Helper()
		list, err := g.Variables(t.Context(), 0, level)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, v := range list {
			out = append(out, fmt.Sprintf("%v %s %s=%s", v.Argument, v.Type, v.Name, v.Value))
		}
		return strings.Join(out, "; ")
	}
	if got := show(1); got != "true int n=1; false int mine=1" {
		t.Errorf("depth(1): %s", got)
	}
	if got := show(3); !strings.HasPrefix(got, "false int d=") {
		t.Errorf("main: %s", got)
	}
	say(t, g, s, "frame 2")
	if _, level, err := g.Selected(t.Context()); err != nil || level != 2 {
		t.Errorf("after frame 2 frame %d is selected, %v", level, err)
	}
	var got []string
	for _, b := range g.Breakpoints() {
		line := 0
		if len(b.Locations) == 1 {
			line = b.Locations[0].Line
		}
		got = append(got, fmt.Sprintf("%s %s %v %v %s %s %d:%d", b.Number, b.Kind, b.Enabled, b.Temporary, b.What, b.Condition, line, b.Hits))
	}
	want := []string{
		"1 breakpoint true false depth n == 0 13:1",
		"2 breakpoint false true hide  19:0",
		"3 hw watchpoint true false pair.b  0:3",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("breakpoints:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	say(t, g, s, "delete")
	if list := g.Breakpoints(); len(list) != 0 {
		t.Errorf("after delete: %+v", list)
	}
}
