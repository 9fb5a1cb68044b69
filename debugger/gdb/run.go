package gdb

// The person's motions by machine commands. gdb's own account of the stop is not
// shown, since a front-end draws it; what breakpoints print on the way is.

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

var _ debugger.Runner = (*Backend)(nil)

// Run is part of debugger.Runner.
func (g *Backend) Run(ctx context.Context, r debugger.Run) (debugger.Outcome, error) {
	var out debugger.Outcome
	err := g.do(ctx, func() error {
		if err := g.selectThread(ctx, r.Task); err != nil {
			return err
		}
		var text string
		run := func() (debugger.Outcome, error) {
			var err error
			text, err = g.captured(ctx, runCommand(r))
			return g.outcome(), err
		}
		var err error
		if out, err = run(); r.Kind == debugger.OutOf && refusal(err) != nil && !out.Moved {
			out, err = g.beyondMain(ctx, run)
		}
		if gone(err) {
			return err
		}
		if c := out.Cause; c != nil && c.Kind == debugger.Failed {
			c.Text = complaint(text)
		}
		if shown := reportless(text); shown != "" && err == nil {
			g.opts.Print(shown)
		}
		if refused := refusal(err); refused != nil && refused.Msg == "Command aborted." {
			refused.Msg = strings.TrimSpace(text) // which says why
		}
		if err == nil {
			err = g.settled(context.WithoutCancel(ctx), out)
		}
		out.InCall = g.inCall
		return err
	})
	return out, err
}

func runCommand(r debugger.Run) string {
	verb := "-exec-continue"
	switch r.Kind {
	case debugger.IntoLine:
		verb = "-exec-step"
	case debugger.OverLine:
		verb = "-exec-next"
	case debugger.OutOf:
		verb = "-exec-finish"
	case debugger.IntoInsn:
		verb = "-exec-step-instruction"
	case debugger.OverInsn:
		verb = "-exec-next-instruction"
	}
	if r.Backward {
		verb += " --reverse"
	}
	return verb
}

// settled is what a motion of ours leaves to do: see after.
func (g *Backend) settled(ctx context.Context, out debugger.Outcome) error {
	if out.InCall {
		return g.callOver(ctx)
	}
	if out.Edge {
		return g.libraries(ctx)
	}
	if c := out.Cause; c != nil && c.Kind == debugger.HitException && out.At.Function == filterPoints["throw"].function {
		typ, err := g.thrownType(ctx)
		if err != nil {
			return err
		}
		c.Type = typ
	}
	return nil
}

// returned is what the function that the last motion left returned: the name of
// a variable of gdb's, "" for none.
type returned struct{ variable string }

// cause reads why the program stopped. The caller holds mu.
func (g *Backend) cause(stop gdbmi.Tuple, edge bool) *debugger.Cause {
	c := &debugger.Cause{Kind: debugger.Stepped}
	if n := stop.Text("bkptno"); n != "" {
		c.Breakpoints = append(c.Breakpoints, n)
	}
	if edge {
		c.Kind = debugger.HitEdge
		return c
	}
	switch reason := stop.Text("reason"); reason {
	case "breakpoint-hit":
		c.Kind = debugger.HitCode
		n := stop.Text("bkptno")
		if b := g.breaks.get(n); b.Text("type") == "catchpoint" {
			c.Kind, c.Text = debugger.HitException, b.Text("what")
		}
		if what, ok := g.filters[n]; ok {
			c.Kind, c.Text = debugger.HitException, what
		}
	case "watchpoint-trigger", "read-watchpoint-trigger", "access-watchpoint-trigger", "watchpoint-scope":
		c.Kind = debugger.HitData
		for _, field := range []string{"wpt", "hw-rwpt", "hw-awpt"} {
			if t := stop.Tuple(field); t != nil {
				c.Breakpoints = append(c.Breakpoints, t.Text("number"))
				c.Expr = t.Text("exp")
			}
		}
		value := stop.Tuple("value")
		c.Old, c.New = value.Text("old"), value.Text("new")
		if c.New == "" {
			c.New = value.Text("value")
		}
		if reason == "watchpoint-scope" {
			c.Breakpoints = append(c.Breakpoints, stop.Text("wpnum"))
			c.Text = "the variable does not exist beyond this point"
		}
	case "signal-received":
		c.Kind, c.Signal, c.Text = debugger.HitSignal, stop.Text("signal-name"), stop.Text("signal-meaning")
		switch {
		case c.Signal == "SIGINT" && g.ev.interrupted:
			c.Kind = debugger.Paused
		case c.Signal == "0": // the server's word for an error, or an arrival
			c.Kind = debugger.Failed
		}
	}
	c.Breakpoints = slices.Compact(c.Breakpoints)
	return c
}

// report is what gdb prints about a stop, to the end of the text.
var report = regexp.MustCompile(`(?s)(\n|^)(\[Switching to [^\n]*\]\n)?(Thread [^\n]* hit |Thread [^\n]* received |` +
	`Breakpoint \d|Temporary breakpoint \d|Catchpoint \d|Hardware (access \(read/write\) |read )?watchpoint \d|Watchpoint \d|` +
	`Program received |Program terminated |No more reverse-execution history).*$`)

// complaint is what the server said of its failure in the text of a motion.
func complaint(text string) string {
	for line := range strings.Lines(text) {
		if why, ok := strings.CutPrefix(line, "yore: "); ok {
			return strings.TrimSpace(why)
		}
	}
	return ""
}

// lead is what it prints before a motion.
var lead = regexp.MustCompile(`^(Continuing\.\n|Run (till exit from|back to call of) [^\n]*\n|Single stepping until exit from function [^\n]*\nwhich has no line number information\.\n)`)

// reportless takes gdb's account of a stop out of the text of a motion, and
// leaves what breakpoints and the program's debugger scripts printed.
func reportless(text string) string {
	text = report.ReplaceAllString(text, "")
	return lead.ReplaceAllString(text, "")
}

// logMark begins a message of a log point, which is shown whatever else is not.
const logMark = "\x1eyore "
