package gdb

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

// location reads a frame tuple.
func location(t gdbmi.Tuple) debugger.Location {
	l := debugger.Location{
		Function: t.Text("func"), File: t.Text("file"), FullName: t.Text("fullname"),
		Line: number(t.Text("line")), Object: t.Text("from"),
	}
	l.Addr = address(t.Text("addr"))
	return l
}

// address reads 0x…, 0 for anything else.
func address(s string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// number reads a decimal number, 0 for anything else.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// Where is part of debugger.Backend.
func (g *Backend) Where(ctx context.Context) (debugger.Location, error) {
	g.busy.Lock()
	defer g.busy.Unlock()
	return g.where(ctx)
}

func (g *Backend) where(ctx context.Context) (debugger.Location, error) {
	_, res, err := g.capture(ctx, "-stack-list-frames 0 0")
	if err != nil {
		return debugger.Location{}, err
	}
	frames := res.Fields.List("stack").Tuples()
	if len(frames) == 0 {
		return debugger.Location{}, fmt.Errorf("no frame")
	}
	return location(frames[0]), nil
}

// Instruction is part of debugger.Disassembler.
func (g *Backend) Instruction(ctx context.Context) (string, error) {
	g.busy.Lock()
	defer g.busy.Unlock()
	text, err := g.captured(ctx, console("x/i $pc"))
	if err != nil {
		return "", notRefusal(err)
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "=>")
	return strings.Join(strings.Fields(text), " "), nil
}

// Line is part of debugger.Backend.
func (g *Backend) Line(ctx context.Context, l debugger.Location) (string, error) {
	if l.Line == 0 || l.FullName == "" && l.File == "" {
		return "", nil
	}
	file := l.FullName
	if file == "" {
		file = l.File
	}
	g.busy.Lock()
	defer g.busy.Unlock()
	text, err := g.captured(ctx, console(fmt.Sprintf("list %s:%d,%d", file, l.Line, l.Line)))
	if err != nil {
		if gone(err) || ctx.Err() != nil {
			return "", err
		}
		return "", nil // the file is not here
	}
	num, line, ok := strings.Cut(strings.TrimSuffix(text, "\n"), "\t")
	if !ok || number(num) != l.Line {
		return "", nil
	}
	return line, nil
}

// Backtrace is part of debugger.Backend.
func (g *Backend) Backtrace(ctx context.Context, n int) ([]debugger.Frame, error) {
	g.busy.Lock()
	defer g.busy.Unlock()
	command := "-stack-list-frames"
	if n > 0 {
		command += fmt.Sprintf(" 0 %d", n-1)
	}
	_, res, err := g.capture(ctx, command)
	if err != nil {
		return nil, err
	}
	var out []debugger.Frame
	for _, t := range res.Fields.List("stack").Tuples() {
		out = append(out, debugger.Frame{Level: number(t.Text("level")), Location: location(t)})
	}
	return out, nil
}

// Threads is part of debugger.Backend.
func (g *Backend) Threads(ctx context.Context) ([]debugger.Thread, error) {
	g.busy.Lock()
	defer g.busy.Unlock()
	return g.listThreads(ctx)
}

var threadID = regexp.MustCompile(`^Thread (?:(\d+)\.)?(\d+)`)

func (g *Backend) listThreads(ctx context.Context) ([]debugger.Thread, error) {
	_, res, err := g.capture(ctx, "-thread-info")
	if err != nil {
		return nil, err
	}
	current := res.Fields.Text("current-thread-id")
	var out []debugger.Thread
	for _, t := range res.Fields.List("threads").Tuples() {
		th := debugger.Thread{
			Number: number(t.Text("id")), Name: t.Text("name"),
			Current: t.Text("id") == current, Location: location(t.Tuple("frame")),
		}
		if m := threadID.FindStringSubmatch(t.Text("target-id")); m != nil {
			th.ID = number(m[2])
		}
		out = append(out, th)
	}
	return out, nil
}

// ShowStop is part of debugger.Backend.
func (g *Backend) ShowStop(ctx context.Context) error {
	g.busy.Lock()
	defer g.busy.Unlock()
	text, err := g.captured(ctx, console("frame"))
	if err != nil {
		return err
	}
	switched, err := g.switched(ctx)
	if err != nil {
		return err
	}
	g.opts.Print(switched + stopText(text))
	text, err = g.captured(ctx, console("display"))
	if err == nil {
		g.opts.Print(text)
	}
	return err
}

// switched says which thread is selected, in gdb's words, when it is another one
// than at the last stop that was shown.
func (g *Backend) switched(ctx context.Context) (string, error) {
	_, res, err := g.capture(ctx, "-thread-info")
	if err != nil {
		return "", err
	}
	current := res.Fields.Text("current-thread-id")
	for _, t := range res.Fields.List("threads").Tuples() {
		id := t.Text("target-id")
		if t.Text("id") != current {
			continue
		}
		g.mu.Lock()
		old := g.shown
		g.shown = id
		g.mu.Unlock()
		if old != "" && old != id {
			return fmt.Sprintf("[Switching to %s]\n", id), nil
		}
	}
	return "", nil
}

var frameLevel = regexp.MustCompile(`^#\d+ +`)

// stopText makes what `frame` prints into what gdb prints at a stop: the same
// without the frame's level.
func stopText(s string) string { return frameLevel.ReplaceAllString(s, "") }

var (
	lineStart = regexp.MustCompile(`^Line \d+ of .* starts at address (0x[0-9a-f]+)(?: <(.*)>)? and ends at`)
	offset    = regexp.MustCompile(`\+\d+$`) // behind a symbol's name
)

// lineRange is a range of code that belongs to one line of the source.
type lineRange struct {
	start uint64 // 0 when there is none
	entry bool   // it begins a function
}

// lineOf returns the range that an address is in.
func (g *Backend) lineOf(ctx context.Context, addr uint64) (lineRange, error) {
	text, err := g.captured(ctx, console(fmt.Sprintf("info line *%#x", addr)))
	if err != nil {
		return lineRange{}, notRefusal(err)
	}
	return parseLine(text), nil
}

// parseLine reads what `info line` prints.
func parseLine(text string) lineRange {
	m := lineStart.FindStringSubmatch(text)
	if m == nil {
		return lineRange{}
	}
	start, _ := strconv.ParseUint(m[1], 0, 64)
	return lineRange{start: start, entry: m[2] != "" && !offset.MatchString(m[2])}
}
