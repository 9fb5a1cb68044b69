package gdb

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"yore/gdbmi"
)

// gdb compares what a watchpoint's expression is with what it was at the last stop
// that gdb knows of. After an arrival that was elsewhere: a change to a value that
// it happened to have there would be taken for none, and passed over. gdb reads the
// value anew when the watchpoint is enabled.
//
// It also parses the expression anew then, in the frame that is selected, and
// deletes the watchpoint of a local whose frame is gone. So only watchpoints are
// read anew that mean the same everywhere.

// rewatch has gdb read the values of watchpoints anew.
func (g *Backend) rewatch(ctx context.Context) error {
	g.mu.Lock()
	watches := g.breaks.watches()
	g.mu.Unlock()
	if len(watches) == 0 {
		return nil
	}
	internal, err := g.captured(ctx, console("maint info breakpoints"))
	if err != nil {
		return notRefusal(err)
	}
	if strings.Contains(internal, "watchpoint scope") { // one is of a local
		return nil
	}
	for _, w := range watches {
		same, err := g.everywhere(ctx, w.Text("original-location"))
		if err != nil {
			return err
		}
		if same {
			if _, err := g.captured(ctx, console("enable "+w.Text("number"))); notRefusal(err) != nil {
				return err
			}
		}
	}
	return nil
}

// watches returns the enabled hardware watchpoints that look at values.
func (b *breakpoints) watches() []gdbmi.Tuple {
	return slices.DeleteFunc(slices.Clone(b.list), func(t gdbmi.Tuple) bool {
		kind := t.Text("type")
		return t.Text("enabled") != "y" || kind != "hw watchpoint" && kind != "acc watchpoint"
	})
}

// rootNames finds the names in an expression, members with what precedes them, and
// numbers.
var rootNames = regexp.MustCompile(`(?:->|\.)\s*[A-Za-z_]\w*|[0-9]\w*|[A-Za-z_$](?:\w|::)*`)

// everywhere reports whether an expression has a value here, and all its names are
// of static storage here.
func (g *Backend) everywhere(ctx context.Context, expr string) (bool, error) {
	expr = strings.TrimPrefix(expr, "-location ")
	for _, name := range rootNames.FindAllString(expr, -1) {
		if memberOrNumber(name) {
			continue
		}
		text, err := g.captured(ctx, console("info symbol &"+name))
		if err != nil || strings.Contains(text, "No symbol") {
			return false, notRefusal(err)
		}
	}
	_, err := g.captured(ctx, "-data-evaluate-expression "+gdbmi.Quote(expr))
	return err == nil, notRefusal(err)
}

func memberOrNumber(name string) bool { return strings.ContainsAny(name[:1], "-.0123456789") }
