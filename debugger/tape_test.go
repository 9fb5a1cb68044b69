package debugger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yore/engine/timeline"
)

// tape is a program that has already run: a list of states, each the point
// before a statement. It is a Timeline, a Backend and a UI at once, with a small
// command language of its own, so that the command set can be tested without
// processes. Every state is an event; a second has ten.
type tape struct {
	states []state
	pos    int
	ended  *timeline.Ending
	hidden int // states that have not happened yet: the program can run on

	armed   func(context.Context) (timeline.Stop, error)
	breaks  []int // lines
	quiet   bool
	cps     []CheckpointInfo
	marks   int // alive
	depth   int
	out     strings.Builder
	answers []bool // to questions
	seeks   int
	evals   int
	ends    int // calls of EndDiversion
	failing error
	noWatch bool
	between bool
	limit   time.Duration
	// endless makes the way back to a statement's beginning one without an end.
	endless bool
}

// state is a point of the program: where it is and what its variables are.
type state struct {
	function string
	line     int
	vars     map[string]int
}

type tapeMark struct {
	t        *tape
	pos      int
	released bool
}

func (m *tapeMark) Release() {
	if m.released {
		panic("mark released twice")
	}
	m.released = true
	m.t.marks--
}

// counting is a tape of a loop: total grows by i at line 5 and is set once at
// line 7; f is called in between; x exists in f only.
func counting(n int) *tape {
	t := &tape{ended: &timeline.Ending{Code: 3}}
	add := func(f string, line int, vars ...any) {
		m := map[string]int{}
		for i := 0; i < len(vars); i += 2 {
			m[vars[i].(string)] = vars[i+1].(int)
		}
		t.states = append(t.states, state{f, line, m})
	}
	total := 0
	add("_start", 0)
	for i := range n {
		add("main", 4, "total", total, "i", i)
		add("f", 9, "total", total, "x", i)
		add("f", 10, "total", total, "x", i+1)
		add("main", 5, "total", total, "i", i)
		total += i
	}
	add("main", 7, "total", total, "i", n)
	add("main", 8, "total", total, "i", n)
	return t
}

func (t *tape) end() int { return len(t.states) - 1 - t.hidden }

// Timeline.

func (t *tape) Position(context.Context) (timeline.Position, error) { return at(t.pos), nil }

func at(pos int) timeline.Position { return timeline.Position{Event: int64(pos)} }

func (t *tape) Mark(context.Context) (Mark, error) {
	t.marks++
	return &tapeMark{t: t, pos: t.pos}, nil
}

func (t *tape) MarkPosition(_ context.Context, m Mark) (timeline.Position, error) {
	return at(m.(*tapeMark).pos), nil
}

func (t *tape) SeekPosition(ctx context.Context, p timeline.Position) (timeline.Stop, error) {
	t.seeks++
	if t.failing != nil {
		return timeline.Stop{}, t.failing
	}
	if err := ctx.Err(); err != nil {
		return timeline.Stop{}, err
	}
	t.pos = int(p.Event)
	return timeline.Stop{Reason: timeline.Arrived, Thread: 1}, nil
}

func (t *tape) SeekMark(ctx context.Context, m Mark) (timeline.Stop, error) {
	if m.(*tapeMark).released {
		panic("seek to a released mark")
	}
	return t.SeekPosition(ctx, at(m.(*tapeMark).pos))
}

func (t *tape) SeekCheckpoint(ctx context.Context, id int) (timeline.Stop, error) {
	for _, c := range t.cps {
		if c.ID == id {
			return t.SeekPosition(ctx, timeline.Position{Event: c.Event})
		}
	}
	return timeline.Stop{}, errors.New("no such checkpoint")
}

func (t *tape) ArmNext(f func(context.Context) (timeline.Stop, error)) { t.armed = f }

func (t *tape) Compare(_ context.Context, a, b timeline.Position) (int, error) {
	return int(a.Event - b.Event), nil
}

func (t *tape) Events() int64                   { return int64(t.end()) }
func (t *tape) Event() int64                    { return int64(t.pos) }
func (t *tape) EventTime(e int64) time.Duration { return time.Duration(e) * 100 * time.Millisecond }
func (t *tape) EventAtTime(d time.Duration) int64 {
	return min(int64(d/(100*time.Millisecond)), t.Events())
}
func (t *tape) AtFrontier() bool               { return t.pos == t.end() }
func (t *tape) EndDiversion()                  { t.ends++ }
func (t *tape) Progress(func(string, float64)) {}
func (t *tape) Ended() *timeline.Ending {
	if t.hidden > 0 {
		return nil
	}
	return t.ended
}

func (t *tape) Checkpoints() []CheckpointInfo {
	out := slices.Clone(t.cps)
	for i := range out {
		out[i].Past = out[i].Event < int64(t.pos)
	}
	return out
}

func (t *tape) AddCheckpoint(_ context.Context, name string) (CheckpointInfo, error) {
	return t.add(name, t.pos, false), nil
}

func (t *tape) add(name string, pos int, auto bool) CheckpointInfo {
	c := CheckpointInfo{ID: len(t.cps) + 1, Name: name, Auto: auto, Event: int64(pos), Time: t.EventTime(int64(pos)), Bytes: 3 << 20}
	t.cps = append(t.cps, c)
	slices.SortStableFunc(t.cps, func(a, b CheckpointInfo) int { return int(a.Event - b.Event) })
	return c
}

func (t *tape) DeleteCheckpoint(id int) error {
	n := len(t.cps)
	t.cps = slices.DeleteFunc(t.cps, func(c CheckpointInfo) bool { return c.ID == id })
	if len(t.cps) == n {
		return fmt.Errorf("no checkpoint %d", id)
	}
	return nil
}

// Backend.

func (t *tape) place() Place {
	s := t.states[t.pos]
	p := Place{Thread: 1, Location: Location{Addr: uint64(0x1000 + s.line), Function: s.function, Line: s.line}}
	if s.line > 0 {
		p.File = "tape.c"
	}
	return p
}

func (t *tape) stop(why string) Outcome {
	return Outcome{Moved: true, Edge: why == "", At: t.place(), Why: why}
}

func (t *tape) step(dir int) Outcome {
	if p := t.pos + dir; p < 0 || p > t.end() {
		return t.stop("")
	}
	t.pos += dir
	return t.stop("end-stepping-range")
}

func (t *tape) goOn(dir int) Outcome {
	for {
		if dir > 0 && t.pos == t.end() && t.hidden > 0 {
			t.hidden--
		}
		if o := t.step(dir); o.Edge {
			return o
		}
		if !t.quiet && slices.Contains(t.breaks, t.states[t.pos].line) {
			return t.stop("breakpoint-hit")
		}
	}
}

func (t *tape) Console(ctx context.Context, line string) (Outcome, error) {
	word, args, _ := strings.Cut(line, " ")
	dir := 1
	if strings.HasPrefix(word, "reverse-") || word == "rs" || word == "rc" || word == "reverse-finish" {
		dir = -1
	}
	var o Outcome
	switch word {
	case "next", "n", "step", "reverse-step", "rs":
		o = t.step(dir)
	case "continue", "c", "reverse-continue", "rc":
		o = t.goOn(dir)
	case "reverse-finish":
		o = t.leave()
	case "break", "b", "tbreak":
		if args == "main" {
			args = "4"
		}
		n, err := strconv.Atoi(args)
		if err != nil {
			return Outcome{}, fmt.Errorf("Function \"%s\" not defined.", args)
		}
		t.breaks = append(t.breaks, n)
		t.Print(fmt.Sprintf("Breakpoint %d at line %d\n", len(t.breaks), n))
		return Outcome{}, nil
	case "delete":
		t.breaks = nil
		return Outcome{}, nil
	case "print", "p":
		v, ok := t.states[t.pos].vars[args]
		if !ok {
			return Outcome{}, fmt.Errorf("No symbol \"%s\" in current context.", args)
		}
		t.Print(fmt.Sprintf("$1 = %d\n", v))
		return Outcome{}, nil
	default:
		return Outcome{}, fmt.Errorf("Undefined command: \"%s\".  Try \"help\".", word)
	}
	t.show()
	return o, nil
}

// leave goes back to before the present function was entered.
func (t *tape) leave() Outcome {
	f := t.states[t.pos].function
	for t.states[t.pos].function == f {
		if o := t.step(-1); o.Edge {
			return o
		}
	}
	return t.stop("function-finished")
}

func (t *tape) Script(_ context.Context, lines []string) (Outcome, error) {
	t.Print("script: " + strings.Join(lines, "; ") + "\n")
	return Outcome{}, nil
}

func (t *tape) Arrive(ctx context.Context) (Outcome, error) {
	f := t.armed
	if f == nil {
		return Outcome{}, errors.New("tape: nothing armed")
	}
	t.armed = nil
	stop, err := f(ctx)
	if err != nil || stop.Reason != timeline.Arrived {
		return Outcome{}, fmt.Errorf("tape: armed function gave %v, %v", stop, err)
	}
	return t.stop("signal-received"), nil
}

func (t *tape) show() {
	p := t.place()
	t.Print(fmt.Sprintf("%s:%d\n", p.Function, p.Line))
}

func (t *tape) ShowStop(context.Context) error {
	t.show()
	return nil
}

func (t *tape) Quietly(ctx context.Context, f func(context.Context) error) error {
	t.quiet = true
	defer func() { t.quiet = false }()
	return f(ctx)
}

func (t *tape) Move(ctx context.Context, m Motion) (Outcome, error) {
	if !t.quiet {
		return Outcome{}, errors.New("tape: Move outside Quietly")
	}
	switch m.Kind {
	case ToEntry:
		return t.leave(), nil
	case StepInsn:
		var o Outcome
		for range max(1, m.Count) {
			if o = t.step(-1); o.Edge {
				break
			}
		}
		return o, nil
	case ToStatement:
		if t.endless {
			t.pos--
			<-ctx.Done()
			return t.stop(""), ctx.Err()
		}
	}
	return Outcome{}, nil // every state begins a statement
}

func (t *tape) Watch(_ context.Context, expr string) (Outcome, bool, error) {
	if t.noWatch || strings.Contains(expr, "(") {
		return Outcome{}, false, nil
	}
	now, known := t.value(expr)
	for t.pos > 0 && known {
		t.pos--
		if v, ok := t.value(expr); !ok || v != now {
			return t.stop("watchpoint-trigger"), true, nil
		}
	}
	return t.stop(""), true, nil
}

func (t *tape) EvalTimeout() time.Duration     { return t.limit }
func (t *tape) SetEvalTimeout(d time.Duration) { t.limit = d }

// tapeExpr is a variable, or f(variable), which only evaluation by a call gives.
type tapeExpr struct {
	name  string
	local bool
}

func (e tapeExpr) String() string   { return e.name }
func (e tapeExpr) Activation() bool { return e.local }

func (t *tape) Bind(_ context.Context, expr string) (Expression, error) {
	if expr == "nonsense(" {
		return nil, errors.New("A syntax error in expression, near `'.")
	}
	return tapeExpr{expr, expr == "x" || expr == "f(x)"}, nil
}

func (t *tape) value(expr string) (int, bool) {
	if inner, ok := strings.CutPrefix(expr, "f("); ok {
		v, ok := t.value(strings.TrimSuffix(inner, ")"))
		return 2 * v, ok
	}
	v, ok := t.states[t.pos].vars[expr]
	return v, ok
}

func (t *tape) Evaluate(_ context.Context, e Expression) (string, error) {
	t.evals++
	v, ok := t.value(e.String())
	if !ok {
		return "", &UnknownError{fmt.Sprintf("No symbol \"%s\" in current context.", e)}
	}
	return strconv.Itoa(v), nil
}

func (t *tape) Where(context.Context) (Location, error)         { return t.place().Location, nil }
func (t *tape) Line(context.Context, Location) (string, error)  { return "text", nil }
func (t *tape) Backtrace(context.Context, int) ([]Frame, error) { return nil, nil }
func (t *tape) Threads(context.Context) ([]Thread, error)       { return nil, nil }
func (t *tape) Help(_ context.Context, topic string) error {
	t.Print("backend help: " + topic + "\n")
	return nil
}

var tapeCommands = []string{"backtrace", "break", "continue", "delete", "finish", "next", "print", "reverse-continue", "reverse-step", "run",
	"step", "tbreak", "undisplay", "until", "watch", "where", "window"}

func (t *tape) Resolve(_ context.Context, word string) (Resolution, error) {
	var r Resolution
	for _, c := range tapeCommands {
		if strings.HasPrefix(c, word) {
			r.Matches = append(r.Matches, c)
		}
	}
	r.Exact = slices.Contains(tapeCommands, word) || slices.Contains([]string{"b", "c", "n", "p", "rc", "rs", "u"}, word)
	return r, nil
}

func (t *tape) Complete(_ context.Context, line string) ([]string, error) {
	var out []string
	for _, c := range append(tapeCommands, "print total", "print i") {
		if strings.HasPrefix(c, line) {
			out = append(out, c)
		}
	}
	return out, nil
}

// UI; Print is the Backend's output too. Progress collides with the Timeline's.

type tapeUI struct{ *tape }

func (u tapeUI) Progress(string, float64) {}

func (t *tape) Print(s string) { t.out.WriteString(s) }
func (t *tape) Width() int     { return 60 }
func (t *tape) Confirm(q string) bool {
	t.Print(q + "\n")
	if len(t.answers) == 0 {
		return true
	}
	a := t.answers[0]
	t.answers = t.answers[1:]
	return a
}

func (t *tape) Shell(_ context.Context, c string) error {
	t.Print("shell: " + c + "\n")
	return nil
}

// ToMain is part of Beginner.
func (t *tape) ToMain(ctx context.Context) (Outcome, bool, error) {
	if _, err := t.Console(ctx, "tbreak main"); err != nil {
		return Outcome{}, false, err
	}
	out, err := t.Console(ctx, "continue")
	return out, true, err
}
