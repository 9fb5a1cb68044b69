package dap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/google/go-dap"

	"yore/debugger"
)

// frames gives frames numbers that no other stop's frames have.
type frames struct {
	next int
	of   map[int]debugger.FrameID
	ids  map[debugger.FrameID]int
}

func (f *frames) id(of debugger.FrameID) int {
	if id, ok := f.ids[of]; ok {
		return id
	}
	if f.of == nil {
		f.of, f.ids = map[int]debugger.FrameID{}, map[debugger.FrameID]int{}
	}
	f.next++
	f.of[f.next], f.ids[of] = of, f.next
	return f.next
}

func (f *frames) get(id int) (debugger.FrameID, error) {
	of, ok := f.of[id]
	if !ok {
		return of, errNoFrame
	}
	return of, nil
}

// orCurrent is get for requests where the frame may be left out.
func (f *frames) orCurrent(id int) (debugger.FrameID, error) {
	if id == 0 {
		return debugger.FrameID{}, nil
	}
	return f.get(id)
}

func (f *frames) forget() {
	clear(f.of)
	clear(f.ids)
}

// threads lists the threads. While the program runs they are those of the last
// stop.
func (s *session) threads(ctx context.Context, _ struct{}) (any, error) {
	if s.act == nil {
		b, err := ability[debugger.Viewer](s)
		if err != nil {
			return nil, err
		}
		tasks, err := b.Tasks(ctx)
		if err != nil {
			return nil, err
		}
		s.stop.tasks = tasks
	}
	list := []dap.Thread{}
	for _, t := range s.stop.tasks {
		name := t.Name
		if name == "" {
			name = fmt.Sprintf("thread %d", t.ID)
		}
		list = append(list, dap.Thread{Id: t.ID, Name: name})
	}
	if len(list) == 0 {
		list = append(list, dap.Thread{Id: max(1, s.stop.thread), Name: s.target.Name})
	}
	return dap.ThreadsResponseBody{Threads: list}, nil
}

func (s *session) stackTrace(ctx context.Context, a dap.StackTraceArguments) (any, error) {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	if a.StartFrame < 0 || a.Levels < 0 {
		return nil, errors.New("stackTrace: startFrame and levels are not negative")
	}
	list, total, err := b.Stack(ctx, a.ThreadId, a.StartFrame, a.Levels)
	if err != nil {
		return nil, plainError(err)
	}
	body := dap.StackTraceResponseBody{StackFrames: []dap.StackFrame{}, TotalFrames: total}
	for _, f := range list {
		sf := dap.StackFrame{
			Id: s.frames.id(debugger.FrameID{Task: a.ThreadId, Level: f.Level}), Name: f.Function,
			InstructionPointerReference: reference(f.Addr), CanRestart: true,
		}
		if sf.Name == "" {
			sf.Name = fmt.Sprintf("%#x", f.Addr)
		}
		if src := s.sourceOf(f.Location); src != nil {
			sf.Source, sf.Line, sf.Column = src, f.Line-1+s.lineBase, s.colBase
		} else {
			sf.PresentationHint = "subtle"
			if f.Object != "" {
				sf.Name += " (" + filepath.Base(f.Object) + ")"
			}
		}
		body.StackFrames = append(body.StackFrames, sf)
	}
	return body, nil
}

// sourceOf is a place's source as the client knows it, nil when there is no line.
func (s *session) sourceOf(l debugger.Location) *dap.Source {
	if l.Line == 0 || l.FullName == "" && l.File == "" {
		return nil
	}
	full := l.FullName
	if full == "" {
		full = l.File
	}
	local := s.launch.paths.local(full)
	src := &dap.Source{Name: filepath.Base(local), Path: local}
	if _, err := os.Stat(local); err != nil {
		src.PresentationHint = "deemphasize" // it is not on this machine
	}
	return src
}

// source is asked for sources that have no path, of which there are none.
func (s *session) source(context.Context, dap.SourceArguments) (any, error) {
	return nil, errors.New("the source is not on this machine; sourceFileMap or substitutePath say where it is")
}

func (s *session) scopes(ctx context.Context, a dap.ScopesArguments) (any, error) {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	f, err := s.frames.get(a.FrameId)
	if err != nil {
		return nil, err
	}
	list, err := b.Scopes(ctx, f)
	if err != nil {
		return nil, plainError(err)
	}
	body := dap.ScopesResponseBody{Scopes: []dap.Scope{}}
	for _, sc := range list {
		hint := map[debugger.ScopeKind]string{debugger.Locals: "locals", debugger.Registers: "registers"}[sc.Kind]
		body.Scopes = append(body.Scopes, dap.Scope{Name: sc.Name, PresentationHint: hint, VariablesReference: int(sc.Ref), Expensive: sc.Slow})
	}
	return body, nil
}

func (s *session) variables(ctx context.Context, a dap.VariablesArguments) (any, error) {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	if a.Start < 0 || a.Count < 0 {
		return nil, errors.New("variables: start and count are not negative")
	}
	s.format(b, a.Format)
	list, err := b.Parts(ctx, debugger.Ref(a.VariablesReference), a.Start, a.Count)
	if err != nil {
		return nil, plainError(err)
	}
	body := dap.VariablesResponseBody{Variables: []dap.Variable{}}
	for _, v := range list {
		dv := dap.Variable{
			Name: v.Name, Value: v.Text, Type: v.Type, EvaluateName: v.Expr,
			VariablesReference: int(v.Ref), NamedVariables: v.Named, IndexedVariables: v.Indexed, MemoryReference: reference(v.Addr),
		}
		if !s.client.SupportsVariableType {
			dv.Type = ""
		}
		if v.Fixed {
			dv.PresentationHint = &dap.VariablePresentationHint{Attributes: []string{"readOnly"}}
		}
		body.Variables = append(body.Variables, dv)
	}
	return body, nil
}

// format has values shown as a request wants them.
func (s *session) format(b debugger.Viewer, f *dap.ValueFormat) {
	if h, ok := b.(debugger.Formatter); ok {
		h.Hex(f != nil && f.Hex)
	}
}

func (s *session) setVariable(ctx context.Context, a dap.SetVariableArguments) (any, error) {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	if a.VariablesReference <= 0 {
		return nil, debugger.ErrStale
	}
	s.format(b, a.Format)
	v, err := s.assign(ctx, debugger.FrameID{}, debugger.Ref(a.VariablesReference), a.Name, a.Value)
	if err != nil {
		return nil, plainError(err)
	}
	return dap.SetVariableResponseBody{Value: v.Text, Type: v.Type, VariablesReference: int(v.Ref), NamedVariables: v.Named, IndexedVariables: v.Indexed}, nil
}

func (s *session) setExpression(ctx context.Context, a dap.SetExpressionArguments) (any, error) {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	f, err := s.frames.orCurrent(a.FrameId)
	if err != nil {
		return nil, err
	}
	s.format(b, a.Format)
	v, err := s.assign(ctx, f, 0, a.Expression, a.Value)
	if err != nil {
		return nil, plainError(err)
	}
	return dap.SetExpressionResponseBody{Value: v.Text, Type: v.Type, VariablesReference: int(v.Ref), NamedVariables: v.Named, IndexedVariables: v.Indexed}, nil
}

// evalLimit bounds evaluations that nobody waits for: hovers and watches.
const evalLimit = 2 * time.Second

// evaluate evaluates an expression, or in the debug console executes a command.
func (s *session) evaluate(ctx context.Context, m *message) (any, error) {
	var a dap.EvaluateArguments
	if err := decode(m, &a); err != nil {
		return nil, err
	}
	f, err := s.frames.orCurrent(a.FrameId)
	if err != nil {
		return nil, err
	}
	if a.Context == "repl" {
		return nil, s.console(m, a, f)
	}
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(a.Expression) == "" {
		return nil, errors.New("there is no expression")
	}
	s.format(b, a.Format)
	limited, cancel := context.WithTimeout(ctx, evalLimit)
	defer cancel()
	v, err := s.eval(limited, f, a.Expression)
	switch {
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return nil, fmt.Errorf("its evaluation takes longer than %v", evalLimit)
	case err != nil:
		return nil, plainError(err)
	}
	return evaluated(v), nil
}

func evaluated(v debugger.Value) dap.EvaluateResponseBody {
	return dap.EvaluateResponseBody{
		Result: v.Text, Type: v.Type, VariablesReference: int(v.Ref),
		NamedVariables: v.Named, IndexedVariables: v.Indexed, MemoryReference: reference(v.Addr),
	}
}

// console executes what was typed at the debug console: a command of the prompt,
// or an expression. Lines that belong together may come one by one.
func (s *session) console(m *message, a dap.EvaluateArguments, f debugger.FrameID) error {
	text := strings.TrimSpace(a.Expression)
	for _, prefix := range []string{"-exec ", "`"} { // what other adapters want before a command
		text = strings.TrimSpace(strings.TrimPrefix(text, prefix))
	}
	if s.block == nil && !strings.Contains(text, "\n") {
		s.block = debugger.NewBlock(text)
	} else if s.block != nil {
		done := false
		for _, line := range strings.Split(text, "\n") {
			done = s.block.Add(line)
		}
		if done {
			text = strings.Join(s.block.Lines(), "\n")
			s.block = nil
		}
	}
	if s.block != nil {
		s.out.respond(m, dap.EvaluateResponseBody{Result: ">"})
		return errLater
	}
	s.start(&activity{request: m, reason: motionReason(text), run: func(ctx context.Context) (result, error) {
		if b, err := ability[debugger.Viewer](s); err == nil && a.FrameId != 0 {
			if err := b.Select(ctx, f); err != nil {
				return result{}, err
			}
		}
		collected := s.printer.collect()
		var err error
		if strings.Contains(text, "\n") {
			err = s.d().ExecuteText(ctx, "console", text)
		} else {
			err = s.d().Execute(ctx, text)
		}
		out := strings.TrimRight(collected(), "\n")
		var rerun *debugger.RerunError
		switch {
		case errors.Is(err, debugger.ErrQuit):
			return result{body: dap.EvaluateResponseBody{Result: out}, after: s.terminated}, nil
		case errors.As(err, &rerun):
			return result{body: dap.EvaluateResponseBody{Result: "a new session is asked for"}, after: s.relaunch}, nil
		case err != nil && undefined(err):
			if v, verr := s.eval(ctx, f, text); verr == nil {
				return result{body: evaluated(v)}, nil
			}
			return result{}, err
		case err != nil && out != "":
			return result{}, fmt.Errorf("%s\n%w", out, err)
		case err != nil:
			return result{}, err
		}
		return result{body: dap.EvaluateResponseBody{Result: out}, after: func() { s.changed(text) }}, nil
	}})
	return errLater
}

// undefined reports whether an error only says that a command does not exist.
func undefined(err error) bool { return strings.HasPrefix(err.Error(), "Undefined command") }

// motionReason is the reason of the stop that a command of the console leads to,
// for the commands that go somewhere rather than run.
func motionReason(line string) string {
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "goto", "undo", "redo", "restart", "reverse-watch", "last":
		return "goto"
	}
	return ""
}

// changed tells the client what a command of the console may have changed without
// moving the program.
func (s *session) changed(line string) {
	if !s.client.SupportsInvalidatedEvent || s.phase != debugging {
		return
	}
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "set", "call", "print", "p", "output", "compile", "python", "py", "thread", "frame", "f", "up", "down":
		s.out.event("invalidated", dap.InvalidatedEventBody{Areas: []dap.InvalidatedAreas{"variables"}})
	}
}

// completions completes a line of the debug console.
func (s *session) completions(ctx context.Context, a dap.CompletionsArguments) (any, error) {
	units := utf16.Encode([]rune(a.Text))
	n := a.Column - s.colBase
	if n < 0 || n > len(units) {
		n = len(units)
	}
	line := string(utf16.Decode(units[:n]))
	// What is completed is the last word, of which the client may know more.
	cut := strings.LastIndexAny(line, " \t(") + 1
	start := len(utf16.Encode([]rune(line[:cut])))
	body := dap.CompletionsResponseBody{Targets: []dap.CompletionItem{}}
	for _, whole := range s.d().Complete(ctx, line) {
		if len(whole) < cut || whole[:cut] != line[:cut] {
			continue
		}
		body.Targets = append(body.Targets, dap.CompletionItem{Label: whole[cut:], Text: whole[cut:], Start: start + s.colBase, Length: n - start})
		if len(body.Targets) == maxCompletions {
			break
		}
	}
	return body, nil
}

const maxCompletions = 500

// exceptionInfo says more about the signal or exception of the present stop.
func (s *session) exceptionInfo(ctx context.Context, a dap.ExceptionInfoArguments) (any, error) {
	c := s.stop.cause
	if c == nil || c.Kind != debugger.HitSignal && c.Kind != debugger.HitException {
		return nil, errors.New("the program has not stopped for an exception")
	}
	body := dap.ExceptionInfoResponseBody{ExceptionId: c.Signal, Description: c.Text, BreakMode: "always"}
	switch {
	case c.Type != "":
		body.ExceptionId = c.Type
	case body.ExceptionId == "":
		body.ExceptionId = c.Text
	}
	details := &dap.ExceptionDetails{Message: c.Text, TypeName: body.ExceptionId, FullTypeName: c.Type}
	if list, err := s.d().Backend().Backtrace(ctx, 50); err == nil {
		var b strings.Builder
		for _, f := range list {
			fmt.Fprintf(&b, "#%d %s", f.Level, f.Function)
			if f.Line > 0 {
				fmt.Fprintf(&b, " at %s:%d", f.File, f.Line)
			}
			b.WriteByte('\n')
		}
		details.StackTrace = b.String()
	}
	body.Details = details
	return body, nil
}

// reference is an address as the client names it, "" for none.
func reference(addr uint64) string {
	if addr == 0 {
		return ""
	}
	return fmt.Sprintf("%#x", addr)
}

// eval evaluates an expression, whatever the backend can do.
func (s *session) eval(ctx context.Context, f debugger.FrameID, expr string) (debugger.Value, error) {
	if _, ok := s.d().Backend().(debugger.Viewer); !ok {
		return s.plain.Value(ctx, f, expr)
	}
	return s.d().Evaluate(ctx, f, expr)
}

// assign sets what an expression, or a part of a value, stands for.
func (s *session) assign(ctx context.Context, f debugger.FrameID, of debugger.Ref, name, value string) (debugger.Value, error) {
	if _, ok := s.d().Backend().(debugger.Viewer); ok {
		return s.d().Assign(ctx, f, of, name, value)
	}
	if of == 0 {
		return s.plain.AssignTo(ctx, f, name, value)
	}
	return s.plain.Assign(ctx, of, name, value)
}
