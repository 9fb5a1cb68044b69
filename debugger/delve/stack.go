package delve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
)

// backtrace is `stack`, `bt`: [N] [-full] [-defer] [-offsets].
func (b *Backend) backtrace(_ context.Context, args string) error {
	depth, full, defers, offsets := 50, false, false, false
	for _, w := range strings.Fields(args) {
		n, err := strconv.Atoi(w)
		switch {
		case err == nil && n > 0:
			depth = n
		case w == "-full" || w == "full":
			full = true
		case w == "-defer":
			defers = true
		case w == "-offsets":
			offsets = true
		default:
			return fmt.Errorf("bt %s: want a number of frames, -full, -defer or -offsets", w)
		}
	}
	t := b.target()
	opts := proc.StacktraceOptions(0)
	if defers {
		opts = proc.StacktraceReadDefers
	}
	frames, err := b.stackOf(t.SelectedGoroutine(), t.CurrentThread(), depth, opts)
	if err != nil {
		return err
	}
	more := len(frames) > depth
	if more {
		frames = frames[:depth]
	}
	for i := range frames {
		b.showFrame(i, &frames[i], offsets)
		for j, d := range frames[i].Defers {
			if d.Unreadable != nil {
				b.printf("    defer %d: (unreadable: %v)\n", j+1, d.Unreadable)
				continue
			}
			file, line, fn := d.DeferredFunc(t)
			b.printf("    defer %d: %s() at %s:%d\n", j+1, name(fn), b.short(file), line)
		}
		if full {
			b.showFrameVariables(frames[i:])
		}
		if frames[i].Err != nil {
			b.printf("(the stack cannot be followed further: %v)\n", frames[i].Err)
		}
	}
	if more {
		b.print("(more frames: `bt N` shows N)\n")
	}
	return nil
}

func (b *Backend) showFrame(i int, f *proc.Stackframe, offsets bool) {
	sign := " "
	if i == b.frame {
		sign = "*"
	}
	kind := ""
	if f.Inlined {
		kind = " (inlined)"
	}
	b.printf("%s%2d  0x%016x in %s%s\n       at %s\n", sign, i, f.Current.PC, name(f.Call.Fn), kind, b.line(f.Call))
	if offsets {
		b.printf("       frame: %+#x\n", f.FrameOffset())
	}
}

func (b *Backend) showFrameVariables(frames []proc.Stackframe) {
	t := b.target()
	scope := proc.FrameToScope(t, t.Memory(), t.SelectedGoroutine(), t.CurrentThread().ThreadID(), frames...)
	for _, get := range []func(proc.LoadConfig) ([]*proc.Variable, error){scope.FunctionArguments, scope.LocalVariables} {
		vars, err := get(b.config.load)
		if err != nil {
			continue
		}
		for _, v := range vars {
			b.printf("         %s = %s\n", v.Name, api.ConvertVar(v).SinglelineString())
		}
	}
}

// selectFrame selects a frame and shows it.
func (b *Backend) selectFrame(level int) error {
	if level < 0 {
		return errors.New("this is the innermost frame")
	}
	frames, err := b.stack(level)
	if err != nil {
		return err
	}
	if level >= len(frames) {
		return fmt.Errorf("there is no frame %d; the outermost is %d", level, len(frames)-1)
	}
	b.frame, b.deferred = level, 0
	return nil
}

// showSelected prints the selected frame and its source.
func (b *Backend) showSelected() error {
	frames, err := b.stack(b.frame)
	if err != nil || b.frame >= len(frames) {
		return fmt.Errorf("there is no frame %d", b.frame)
	}
	f := &frames[b.frame]
	b.printf("Frame %d: %s() %s (PC: %#x)\n", b.frame, name(f.Call.Fn), b.line(f.Call), f.Current.PC)
	if f.Call.Line > 0 {
		if b.around(f.Call.File, f.Call.Line) != nil {
			b.printf("%d\tin %s\n", f.Call.Line, b.short(f.Call.File))
		}
	}
	return nil
}

// frameVerb is `frame [N [COMMAND]]`.
func frameVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	word, command := cut(args)
	if word == "" {
		return debugger.Outcome{}, b.showSelected()
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return debugger.Outcome{}, fmt.Errorf("frame %s: want a frame's number", word)
	}
	if command == "" {
		if err := b.selectFrame(n); err != nil {
			return debugger.Outcome{}, err
		}
		return debugger.Outcome{}, b.showSelected()
	}
	old, oldDeferred := b.frame, b.deferred
	if err := b.selectFrame(n); err != nil {
		return debugger.Outcome{}, err
	}
	out, err := b.command(ctx, command)
	if !out.Moved {
		b.frame, b.deferred = old, oldDeferred
	}
	return out, err
}

// moveFrame makes `up` and `down`: [N].
func moveFrame(dir int) func(*Backend, context.Context, string) error {
	return func(b *Backend, _ context.Context, args string) error {
		n := 1
		if args != "" {
			var err error
			if n, err = strconv.Atoi(args); err != nil {
				return fmt.Errorf("%s: want a number of frames", args)
			}
		}
		if err := b.selectFrame(b.frame + dir*n); err != nil {
			return err
		}
		return b.showSelected()
	}
}

// deferredVerb is `deferred N COMMAND`.
func deferredVerb(b *Backend, ctx context.Context, args string) (debugger.Outcome, error) {
	word, command := cut(args)
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || command == "" {
		return debugger.Outcome{}, errors.New("deferred: want a deferred call's number, as `bt -defer` shows it, and a command")
	}
	old := b.deferred
	b.deferred = n
	out, err := b.command(ctx, command)
	if !out.Moved {
		b.deferred = old
	}
	return out, err
}

// listVerb is `list [LOCATION | FIRST,LAST | -]`, each time further on.
func (b *Backend) listVerb(_ context.Context, args string) error {
	n := b.config.listLines
	switch {
	case args == "" && b.lists.name != "":
		return b.source(b.lists.name, b.lists.last+1, b.lists.last+2*n, b.present(b.lists.name))
	case args == "-" && b.lists.name != "":
		if b.lists.first <= 1 {
			return errors.New("this is the beginning of the file")
		}
		return b.source(b.lists.name, b.lists.first-2*n, b.lists.first-1, b.present(b.lists.name))
	case args == "":
		l, err := b.where()
		if err != nil {
			return err
		}
		if l.Line == 0 {
			return errors.New("there is no source here")
		}
		return b.around(l.FullName, l.Line)
	}
	if lo, hi, ok := strings.Cut(args, ","); ok {
		from, err1 := strconv.Atoi(strings.TrimSpace(lo))
		to, err2 := strconv.Atoi(strings.TrimSpace(hi))
		if err1 == nil && err2 == nil {
			file := b.lists.name
			if file == "" {
				l, err := b.where()
				if err != nil {
					return err
				}
				file = l.FullName
			}
			return b.source(file, from, to, b.present(file))
		}
	}
	locs, err := b.locateLines(args)
	if err != nil {
		return err
	}
	if err := b.source(locs.File, locs.Line-n, locs.Line+n, b.present(locs.File)); err != nil {
		return err
	}
	return nil
}

// locateLines is locate for places that may have no code.
func (b *Backend) locateLines(spec string) (api.Location, error) {
	if n, err := strconv.Atoi(spec); err == nil {
		file := b.lists.name
		if file == "" {
			l, err := b.where()
			if err != nil {
				return api.Location{}, err
			}
			file = l.FullName
		}
		return api.Location{File: file, Line: n}, nil
	}
	locs, err := b.locate(spec)
	if err != nil {
		return api.Location{}, err
	}
	l := locs[0]
	if fn := b.p.bi.PCToFunc(l.PC); fn != nil && fn.Entry != 0 && !strings.Contains(spec, ":") && !strings.HasPrefix(spec, "*") {
		l.File, l.Line = b.p.bi.EntryLineForFunc(fn)
	}
	return l, nil
}

// present is the present line when the program is in that file, else 0.
func (b *Backend) present(file string) int {
	frames, err := b.stack(b.frame)
	if err != nil || b.frame >= len(frames) || b.config.local(frames[b.frame].Call.File) != b.config.local(file) {
		return 0
	}
	return frames[b.frame].Call.Line
}

// cut splits the first word off a line.
func cut(s string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimSpace(s), " ")
	return word, strings.TrimSpace(rest)
}
