package debugger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"yore/engine/timeline"
)

// command is an entry of the table. Its run gets what follows the name.
type command struct {
	name    string // one word, or two for `info checkpoints`
	aliases []string
	args    string // for help
	short   string // one line for help, a capital first, no full stop
	long    string // more, for `help NAME`
	run     func(d *Debugger, ctx context.Context, args string) (Outcome, error)
}

// still makes a command that does not move the program.
func still(f func(d *Debugger, ctx context.Context, args string) error) func(*Debugger, context.Context, string) (Outcome, error) {
	return func(d *Debugger, ctx context.Context, args string) (Outcome, error) {
		return Outcome{}, f(d, ctx, args)
	}
}

// commands is filled by init because help refers to it.
var commands []*command

func init() {
	commands = []*command{
		{name: "undo", args: "[N]", short: "Take back the last N commands that moved the program",
			long: "The program returns to where it was stopped before. `redo` goes forth again, `info undo` lists the stops.",
			run:  func(d *Debugger, ctx context.Context, args string) (Outcome, error) { return d.undo(ctx, args, -1) }},
		{name: "redo", args: "[N]", short: "Make N motions again that undo took back",
			run: func(d *Debugger, ctx context.Context, args string) (Outcome, error) { return d.undo(ctx, args, 1) }},
		{name: "info undo", short: "List the stops that undo and redo go to",
			run: still((*Debugger).infoUndo)},
		{name: "when", short: "Say where in time the program is",
			long: "Prints the position, which `goto` takes, the time since the start, and the part of history before it.",
			run:  still(func(d *Debugger, ctx context.Context, _ string) error { return d.when(ctx) })},
		{name: "goto", args: "PLACE", short: "Go to a point of history",
			long: "PLACE is a position as `when` prints it, the name of a bookmark or checkpoint, start, end,\n" +
				"a part of history such as 37%, a time since the start such as 12.5s, or output REGEX: just after the\n" +
				"first line of the program's output that matches, see `output`.",
			run: func(d *Debugger, ctx context.Context, args string) (Outcome, error) {
				s, err := d.destination(args)
				if err != nil {
					return Outcome{}, err
				}
				return d.jump(ctx, s)
			}},
		{name: "bookmark", args: "NAME", short: "Give the present point a name for `goto`",
			run: still((*Debugger).bookmark)},
		{name: "info bookmarks", short: "List the bookmarks", run: still((*Debugger).infoBookmarks)},
		{name: "delete bookmark", args: "NAME", short: "Forget a bookmark", run: still((*Debugger).deleteBookmark)},
		{name: "checkpoint", args: "[NAME]", short: "Keep a copy of the program at the present point",
			long: "Going back to a checkpoint, and to what follows it, is fast. `restart N` goes to it.",
			run:  still((*Debugger).checkpoint)},
		{name: "info checkpoints", short: "List the checkpoints", run: still((*Debugger).infoCheckpoints)},
		{name: "delete checkpoint", args: "N", short: "Drop a checkpoint", run: still((*Debugger).deleteCheckpoint)},
		{name: "restart", args: "[N]", short: "Go to checkpoint N, or to the start of history",
			run: (*Debugger).restart},
		{name: "timeline", short: "Draw history, with checkpoints, bookmarks and the present",
			run: still(func(d *Debugger, _ context.Context, _ string) error { return d.timeline() })},
		{name: "reverse-watch", aliases: []string{"last"}, args: "EXPR",
			short: "Go back to the statement that gave EXPR its value",
			long: "Finds the latest change of EXPR's value before the present, and stops just before the statement that\n" +
				"made it: `next` shows the change. EXPR may call functions of the program. Points where it has no\n" +
				"value never count as a change.",
			run: (*Debugger).reverseWatch},
		{name: "pack", args: "[FILE]", short: "Put the session into one file that opens anywhere, at this point",
			long: "The bundle holds the program with all that it needs, history, breakpoints, bookmarks, the undo list\n" +
				"and the present position. `yore replay FILE` opens it on any machine.",
			run: still((*Debugger).pack)},
		{name: "changes", args: "EXPR [N]", short: "List the last N changes of EXPR's value (10)",
			long: "The latest first: position, thread, statement, the value before and after. The program stays where it is.",
			run:  (*Debugger).changes},
		{name: "log", args: "LOCATION EXPR…", short: "Print expressions at each pass of a place, after the fact",
			long: "History is gone through once; each pass of LOCATION, which is what `break` takes, is a line with its\n" +
				"position, which `goto` takes. Expressions are separated by blanks or commas: one that has some itself\n" +
				"goes in parentheses.",
			run: (*Debugger).logAt},
		{name: "plot", args: "EXPR [--svg FILE]", short: "Draw EXPR's value over the timeline",
			long: "EXPR is a number or a boolean. It is looked at in even steps, and more closely where it changes.",
			run:  still((*Debugger).plot)},
		{name: "output", args: "[REGEX]", short: "List the program's output lines with their positions",
			long: "Each line is shown with the event that completed it, which `goto` takes. With REGEX, only lines that match.",
			run:  still((*Debugger).output)},
		{name: "set eval-timeout", args: "SECONDS", short: "Limit the time for evaluating an expression in the past, 0 for none",
			run: still((*Debugger).setEvalTimeout)},
		{name: "show eval-timeout", short: "Show that limit", run: still((*Debugger).showEvalTimeout)},
		{name: "reverse-finish", aliases: []string{"rf"}, args: "[N]",
			short: "Go back to where the selected frame's function was called; N times",
			run:   (*Debugger).reverseFinish},
		{name: "run", aliases: []string{"r"}, args: "[ARGS]", short: "Begin a new live run, with new arguments when given",
			run: func(d *Debugger, ctx context.Context, args string) (Outcome, error) {
				return d.rerun(ctx, args, "none")
			}},
		{name: "start", args: "[ARGS]", short: "Begin a new live run and stop at main",
			run: func(d *Debugger, ctx context.Context, args string) (Outcome, error) {
				return d.rerun(ctx, args, "main")
			}},
		{name: "source", args: "FILE", short: "Execute the commands in a file", run: (*Debugger).source},
		{name: "shell", aliases: []string{"!"}, args: "[COMMAND]", short: "Run a command of the system's shell",
			run: still(func(d *Debugger, ctx context.Context, args string) error { return d.ui.Shell(ctx, args) })},
		{name: "make", args: "[ARGS]", short: "Run make",
			run: still(func(d *Debugger, ctx context.Context, args string) error {
				return d.ui.Shell(ctx, strings.TrimSpace("make "+args))
			})},
		{name: "kill", short: "Not possible: history needs its program", run: refuse("kill: the program stays as long as the session does; `quit` ends both")},
		{name: "detach", short: "Not possible: history needs its program", run: refuse("detach: the program cannot run without yore; `quit` ends both")},
		{name: "disconnect", short: "Not possible: history needs its program", run: refuse("disconnect: gdb and yore stay together; `quit` ends both")},
		{name: "help", aliases: []string{"h"}, args: "[COMMAND]", short: "Say what there is, or explain a command", run: still((*Debugger).help)},
		{name: "quit", aliases: []string{"q", "exit"}, short: "End the session", run: still(func(d *Debugger, _ context.Context, _ string) error {
			if d.opts.OnQuit != nil && !d.opts.OnQuit(d.ui) {
				return nil
			}
			return ErrQuit
		})},
	}
}

func refuse(sentence string) func(*Debugger, context.Context, string) (Outcome, error) {
	return still(func(*Debugger, context.Context, string) error { return errors.New(sentence) })
}

// families are the first words of commands with two, with the backend's
// abbreviations for them.
var families = map[string]string{
	"info": "info", "inf": "info", "i": "info",
	"delete": "delete", "del": "delete", "dele": "delete", "d": "delete",
	"set": "set", "show": "show",
}

// find returns the command that a line means and its arguments; a nil command
// means that the line is the backend's. A name wins over an abbreviation, the
// backend's names and aliases win over abbreviations of ours, and what could
// still be several is refused.
func (d *Debugger) find(ctx context.Context, line string) (*command, string, error) {
	word, args := cutWord(line)
	if word == "" {
		return nil, "", nil
	}
	if family := families[word]; family != "" {
		second, rest := cutWord(args)
		for _, c := range commands {
			first, name, two := strings.Cut(c.name, " ")
			if two && first == family && len(second) >= min(3, len(name)) && strings.HasPrefix(name, second) {
				return c, rest, nil
			}
		}
		return nil, "", nil
	}
	var begun []*command
	for _, c := range commands {
		switch {
		case strings.Contains(c.name, " "):
		case c.name == word, slices.Contains(c.aliases, word):
			return c, args, nil
		case strings.HasPrefix(c.name, word):
			begun = append(begun, c)
		default:
			for _, a := range c.aliases {
				if strings.HasPrefix(a, word) {
					begun = append(begun, c)
					break
				}
			}
		}
	}
	if len(begun) == 0 || d.exact[word] {
		return nil, "", nil
	}
	res, err := d.back.Resolve(ctx, word)
	if err != nil {
		return nil, "", err
	}
	if res.Exact {
		d.exact[word] = true
		return nil, "", nil
	}
	names := map[string]bool{}
	for _, c := range begun {
		names[c.name] = true
	}
	for _, m := range res.Matches {
		names[m] = true
	}
	if len(names) == 1 {
		return begun[0], args, nil
	}
	return nil, "", fmt.Errorf("Ambiguous command \"%s\": %s.", word, strings.Join(sorted(names), ", "))
}

func sorted(set map[string]bool) []string {
	var out []string
	for s := range set {
		out = append(out, s)
	}
	sort.Strings(out)
	return out
}

// Complete returns the whole lines that begin with the line given, ours first.
func (d *Debugger) Complete(ctx context.Context, line string) []string {
	typed := strings.TrimLeft(line, " ")
	var out []string
	add := func(s string) {
		if strings.HasPrefix(s, typed) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if strings.HasPrefix(typed, "goto ") {
		for _, p := range append([]string{"start", "end", "output "}, d.placeNames()...) {
			add("goto " + p)
		}
		return out
	}
	for _, c := range commands {
		add(c.name)
	}
	// Expressions complete for reverse-watch as they do for print.
	for _, verb := range []string{"reverse-watch ", "last "} {
		if expr, ok := strings.CutPrefix(typed, verb); ok {
			for _, s := range d.complete(ctx, "print "+expr) {
				add(verb + strings.TrimPrefix(s, "print "))
			}
			return out
		}
	}
	for _, s := range d.complete(ctx, typed) {
		add(s)
	}
	return out
}

func (d *Debugger) complete(ctx context.Context, line string) []string {
	out, err := d.back.Complete(ctx, line)
	if err != nil {
		return nil // nothing to offer; the command itself will say why
	}
	return out
}

// placeNames returns the names that goto takes, sorted.
func (d *Debugger) placeNames() []string {
	names := map[string]bool{}
	for n := range d.bookmarks {
		names[n] = true
	}
	for _, c := range d.tl.Checkpoints() {
		if c.Name != "" {
			names[c.Name] = true
		}
	}
	return sorted(names)
}

// Repeat returns the line that an empty line stands for after the line given,
// "" for nothing. As in gdb, `list` and `x` go on where they ended, and what
// should not happen twice by accident does not.
func Repeat(line string) string {
	word, _ := cutWord(line)
	switch word {
	case "list", "l", "x":
		return word
	case "run", "r", "start", "quit", "q", "exit", "shell", "!", "make", "source", "delete", "d", "del", "define", "document",
		"commands", "file", "goto", "restart", "bookmark", "checkpoint", "reverse-watch", "last", "help", "h":
		return ""
	}
	return line
}

// count parses an optional number of times.
func count(name, args string) (int, error) {
	if args == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(args)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s %s: want a number of times, 1 or more", name, args)
	}
	return n, nil
}

// undo walks the history of motions, back with dir -1, forth with 1.
func (d *Debugger) undo(ctx context.Context, args string, dir int) (Outcome, error) {
	name := map[int]string{-1: "undo", 1: "redo"}[dir]
	n, err := count(name, args)
	if err != nil {
		return Outcome{}, err
	}
	i, ok := d.history.look(n * dir)
	if !ok {
		have := d.history.cur
		if dir > 0 {
			have = len(d.history.stops) - 1 - d.history.cur
		}
		if have == 0 {
			return Outcome{}, fmt.Errorf("nothing to %s", name)
		}
		return Outcome{}, fmt.Errorf("there is only so much to %s: %d", name, have)
	}
	out, err := d.jump(ctx, d.toMark(d.history.stops[i].mark))
	if err != nil {
		return Outcome{}, err
	}
	d.history.cur = i
	d.moved(out)
	d.guess = guess{d.history.stops[i].event, d.history.stops[i].time, true}
	return Outcome{}, nil // moved, but not as a new stop
}

func (d *Debugger) infoUndo(_ context.Context, _ string) error {
	for i, v := range d.history.stops {
		sign := "  "
		if i == d.history.cur {
			sign = "=>"
		}
		what := v.command
		if v.what != "" {
			what = fmt.Sprintf("%-24s %s", v.command, v.what)
		}
		d.printf("%s %+3d  %s\n", sign, i-d.history.cur, what)
	}
	return nil
}

func (d *Debugger) bookmark(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	m, err := d.tl.Mark(ctx)
	if err != nil {
		return err
	}
	where, _ := d.back.Where(ctx) // a bookmark without a place is as good
	if old, ok := d.bookmarks[name]; ok {
		old.mark.Release()
	}
	d.bookmarks[name] = bookmark{mark: m, event: d.tl.Event(), time: d.presentTime(), what: placeText(Place{Location: where})}
	d.printf("Bookmark %s at event %d.\n", name, d.tl.Event())
	return nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("bookmark needs a name")
	case name == "start" || name == "end" || strings.ContainsAny(name, " \t%") || name[0] >= '0' && name[0] <= '9' || printable(name) != name:
		return fmt.Errorf("bookmark %s: a name begins with a letter, has no blanks, and is not start or end", printable(name))
	}
	return nil
}

func (d *Debugger) infoBookmarks(ctx context.Context, _ string) error {
	if len(d.bookmarks) == 0 {
		d.print("No bookmarks.\n")
		return nil
	}
	for _, name := range sortedKeys(d.bookmarks) {
		b := d.bookmarks[name]
		p, err := d.positionOf(ctx, b.mark)
		if err != nil {
			return fmt.Errorf("bookmark %s: %w", name, err)
		}
		d.printf("%-12s %-24v %s\n", name, p, b.what)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	set := map[string]bool{}
	for k := range m {
		set[k] = true
	}
	return sorted(set)
}

func (d *Debugger) deleteBookmark(_ context.Context, name string) error {
	b, ok := d.bookmarks[name]
	if !ok {
		return fmt.Errorf("there is no bookmark named %s", name)
	}
	b.mark.Release()
	delete(d.bookmarks, name)
	return nil
}

func (d *Debugger) checkpoint(ctx context.Context, name string) error {
	c, err := d.tl.AddCheckpoint(ctx, name)
	if err != nil {
		return err
	}
	d.printf("Checkpoint %s at event %d, %s.\n", checkpointName(c), c.Event, seconds(c.Time))
	return nil
}

func checkpointName(c CheckpointInfo) string {
	if c.Name == "" {
		return strconv.Itoa(c.ID)
	}
	return fmt.Sprintf("%d (%s)", c.ID, c.Name)
}

func (d *Debugger) infoCheckpoints(_ context.Context, _ string) error {
	auto, held := 0, int64(0)
	own := 0
	for _, c := range d.tl.Checkpoints() {
		if c.Auto {
			auto++
			held += c.Bytes
			continue
		}
		if own == 0 {
			d.printf("%-5s %-16s %10s %12s %10s\n", "Num", "Name", "Event", "Time", "Memory")
		}
		own++
		d.printf("%-5d %-16s %10d %12s %10s\n", c.ID, c.Name, c.Event, seconds(c.Time), size(c.Bytes))
	}
	if own == 0 {
		d.print("No checkpoints.\n")
	}
	if auto > 0 {
		d.printf("yore keeps %d more on its own account (%s).\n", auto, size(held))
	}
	return nil
}

func (d *Debugger) deleteCheckpoint(_ context.Context, args string) error {
	id, err := strconv.Atoi(args)
	if err != nil {
		return fmt.Errorf("delete checkpoint %s: want the number that `info checkpoints` shows", args)
	}
	return d.tl.DeleteCheckpoint(id)
}

func (d *Debugger) setEvalTimeout(_ context.Context, args string) error {
	l, ok := d.back.(Limiter)
	if !ok {
		return errors.New("this backend has no limit for evaluations")
	}
	s, err := strconv.ParseFloat(args, 64)
	if err != nil || s < 0 || s > 1e6 {
		return fmt.Errorf("set eval-timeout %s: want a number of seconds", args)
	}
	l.SetEvalTimeout(time.Duration(s * float64(time.Second)))
	return nil
}

func (d *Debugger) showEvalTimeout(context.Context, string) error {
	l, ok := d.back.(Limiter)
	if !ok {
		return errors.New("this backend has no limit for evaluations")
	}
	if t := l.EvalTimeout(); t > 0 {
		d.printf("An evaluation in the past may take %v.\n", t)
	} else {
		d.print("An evaluation in the past may take any time.\n")
	}
	return nil
}

func (d *Debugger) restart(ctx context.Context, args string) (Outcome, error) {
	if args == "" {
		s, err := d.destination("start")
		if err != nil {
			return Outcome{}, err
		}
		return d.jump(ctx, s)
	}
	for _, c := range d.tl.Checkpoints() {
		if strconv.Itoa(c.ID) == args || c.Name == args {
			return d.jump(ctx, d.toCheckpoint(c.ID))
		}
	}
	return Outcome{}, fmt.Errorf("there is no checkpoint %s", args)
}

// reverseFinish is the backend's, with a count.
func (d *Debugger) reverseFinish(ctx context.Context, args string) (Outcome, error) {
	n, err := count("reverse-finish", args)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	for range n {
		o, err := d.back.Console(ctx, "reverse-finish")
		o.Moved = o.Moved || out.Moved
		out = o
		if err != nil || o.Edge {
			return out, err
		}
	}
	return out, nil
}

// rerun asks for a new live run. Where one has only just begun, as a script's first
// `run` finds it, that one is played from its first instruction instead, with the
// breakpoints that there are now.
func (d *Debugger) rerun(ctx context.Context, args, stop string) (Outcome, error) {
	if d.fresh && args == "" && stop == "main" {
		return Outcome{}, d.back.ShowStop(ctx)
	}
	if d.fresh && args == "" {
		if _, err := d.arrive(ctx, d.toPosition(timeline.Position{})); err != nil {
			return Outcome{}, err
		}
		return d.back.Console(ctx, "continue")
	}
	if !d.opts.CanRerun {
		return Outcome{}, errors.New("run: this is a recording, not a live program; `restart` goes to its start")
	}
	if !d.ui.Confirm("Begin a new live run? The history of this one is given up.") {
		return Outcome{}, nil
	}
	again := &RerunError{Args: args, Changed: args != "", StopAt: stop}
	if k, ok := d.back.(Keeper); ok {
		again.Breakpoints = k.SavedBreakpoints()
	}
	return Outcome{}, again
}

// source executes a file's commands, each as if typed. Options and Python files
// are the backend's.
func (d *Debugger) source(ctx context.Context, args string) (Outcome, error) {
	if args == "" || args[0] == '-' || strings.HasSuffix(args, ".py") || strings.HasSuffix(args, ".scm") {
		return d.back.Console(ctx, "source "+args)
	}
	const deepest = 20
	if d.depth == deepest {
		return Outcome{}, fmt.Errorf("source %s: files source each other too deeply", args)
	}
	read := d.opts.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	text, err := read(args)
	if err != nil {
		return Outcome{}, fmt.Errorf("source: %w", err)
	}
	d.depth++
	defer func() { d.depth-- }()
	return Outcome{}, d.ExecuteText(ctx, args, string(text))
}

// ExecuteText executes the lines of a script, blocks included, up to the first
// that fails. name is for errors.
func (d *Debugger) ExecuteText(ctx context.Context, name, text string) error {
	var block *Block
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		var err error
		switch {
		case block != nil:
			if block.Add(line) {
				err = d.ExecuteBlock(ctx, block.Lines())
				block = nil
			}
		default:
			if block = NewBlock(line); block == nil {
				err = d.Execute(ctx, line)
			}
		}
		if err != nil {
			var again *RerunError
			if errors.As(err, &again) {
				again.Rest += strings.Join(lines[i+1:], "\n") + "\n"
				return err
			}
			if errors.Is(err, ErrQuit) {
				return err
			}
			return fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	if block != nil {
		return fmt.Errorf("%s: %s has no `end`", name, block.Lines()[0])
	}
	return nil
}

// StopAt runs to where a session begins: main, entry (the first instruction)
// or none (run on).
func (d *Debugger) StopAt(ctx context.Context, where string) error {
	err := d.stopAt(ctx, where)
	d.fresh = err == nil && where != "none"
	return err
}

func (d *Debugger) stopAt(ctx context.Context, where string) error {
	switch where {
	case "entry":
		return d.back.ShowStop(ctx)
	case "none":
		return d.Execute(ctx, "continue")
	case "main":
		b, ok := d.back.(Beginner)
		if !ok {
			return fmt.Errorf("stop at main: this debugger cannot; want entry or none")
		}
		return d.top(ctx, "start", func(ctx context.Context) (Outcome, error) {
			out, named, err := b.ToMain(ctx)
			if err == nil && !named {
				d.print("The program has no symbol for main: this is where it begins, as far as can be told.\n")
			}
			return out, err
		})
	}
	return fmt.Errorf("stop at %s: want main, entry or none", where)
}
