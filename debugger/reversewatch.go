package debugger

// reverse-watch EXPR: EXPR has some value now; find the statement that gave it
// that value, at the latest such change.
//
//  1. The memory that the evaluation reads is followed back from one change of it
//     to the one before (proof.go), which proves the answer to be the latest; with
//     a backend or a timeline that cannot tell, the backend's own hardware
//     watchpoints serve where they can.
//  2. Where that gives no answer: look at checkpoints back from the present in growing strides
//     until the value differs, bisect between the two, then over the events
//     between, then inside one slice as far as the timeline can split it.
//  3. The last few thousand instructions are walked backwards in blocks, and the
//     block that holds the change is halved down to one instruction. The result
//     is a transition: a value that changed and changed back between two points
//     looked at is not seen.
//
// An expression that names variables of a frame is followed inside that
// activation only: it ends where the function was entered.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yore/engine/timeline"
)

func (d *Debugger) reverseWatch(ctx context.Context, expr string) (Outcome, error) {
	if expr == "" {
		return Outcome{}, errors.New("reverse-watch needs an expression")
	}
	bound, err := d.back.Bind(ctx, expr)
	if err != nil {
		return Outcome{}, err
	}
	h := &hunt{d: d, bound: bound, exact: true}
	c, left, err := d.findChange(ctx, h)
	if h.insn != nil {
		defer h.insn.Release()
	}
	if err != nil {
		return Outcome{Moved: left}, err
	}
	d.printf("%s changed from %s to %s by this statement:\n", expr, shorten(c.Before), shorten(c.After))
	if err := d.back.ShowStop(ctx); err != nil {
		return Outcome{Moved: true}, err
	}
	if c.Instruction != "" {
		d.printf("The instruction: %s\n", c.Instruction)
	}
	if err := d.sayRepeated(ctx, h); err != nil {
		return Outcome{Moved: true}, err
	}
	text := "This is the latest change"
	if c.Guarantee != Latest {
		text = "This is a transition: " + c.Reason
	}
	d.printf("%s. %d evaluations, %s.\n", text, c.Evaluations, seconds(c.Elapsed))
	if c.Unknowns > 0 {
		d.printf("%d of them gave no value; the last: %s\n", c.Unknowns, c.LastUnknown)
	}
	where, err := d.back.Where(ctx)
	return Outcome{Moved: true, At: Place{Location: where}}, err
}

// sayRepeated tells of a statement (a loop in one line, a copy) that changes the
// value more than once: at its beginning, where the program stands, the value is not
// the one that the answer gives as that before the change.
func (d *Debugger) sayRepeated(ctx context.Context, h *hunt) error {
	var now string
	err := d.back.Quietly(ctx, func(ctx context.Context) (err error) {
		now, err = d.back.Evaluate(ctx, h.bound)
		d.tl.EndDiversion()
		return err
	})
	if isUnknown(err) || err == nil && now == h.answer.Before || h.insn == nil {
		return nil
	}
	if err != nil {
		return err
	}
	pos, err := d.tl.MarkPosition(ctx, h.insn)
	if err != nil {
		return err
	}
	d.printf("At the statement's beginning it is %s: `goto %v` stands at the instruction.\n", shorten(now), pos)
	return nil
}

// findChange runs a hunt from the present. Afterwards the program stands just
// before the statement that made the change; with an error it is where it was,
// unless left says that it could not return. The Change has the numbers of the
// search even then.
func (d *Debugger) findChange(ctx context.Context, h *hunt) (c Change, left bool, err error) {
	began := time.Now()
	if h.home, err = d.tl.Mark(ctx); err != nil {
		return c, false, err
	}
	defer h.home.Release()
	defer h.release()
	err = d.back.Quietly(ctx, func(ctx context.Context) error { return h.run(ctx) })
	if err != nil && h.moved {
		// Whatever went wrong, the program goes back to where it was.
		if _, rerr := d.arrive(context.WithoutCancel(ctx), d.toMark(h.home)); rerr != nil {
			left, err = true, errors.Join(err, fmt.Errorf("return to where it was: %w", rerr))
		}
	}
	c = h.answer
	c.Expr, c.Elapsed = h.bound.String(), time.Since(began)
	return c, left, err
}

func isUnknown(err error) bool { return errors.As(err, new(*UnknownError)) }

// shorten keeps a value readable in a sentence.
func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// hunt is one search for a change. It is the prober of search.go.
type hunt struct {
	d      *Debugger
	bound  Expression
	floor  seek   // the search goes no further back; nil for the start of history
	since  string // what the floor is, for people
	soft   bool   // do not try the hardware
	home   Mark   // the present
	now    string // the value there
	first  *point // the oldest point that matters
	marks  []Mark // made on the way
	from   Mark   // the earliest point up to which the value is known to be now's; nil for home
	why    string // why the latest change is not proved
	moved  bool   // the program has left the present
	exact  bool   // keep the instruction that made the change
	insn   Mark   // that, when exact; the caller releases it
	answer Change
}

func (h *hunt) release() {
	for _, m := range h.marks {
		m.Release()
	}
}

func (h *hunt) arrive(ctx context.Context, s seek) (Outcome, error) {
	out, err := h.d.arrive(ctx, s)
	h.moved = h.moved || err == nil
	return out, err
}

func (h *hunt) move(ctx context.Context, m Motion) (Outcome, error) {
	h.moved = true // a failed one may have moved, too
	return h.d.back.Move(ctx, m)
}

// value evaluates the expression where the program is.
func (h *hunt) value(ctx context.Context) (string, error) {
	h.answer.Evaluations++
	h.d.ui.Progress(fmt.Sprintf("reverse-watch: %d evaluations", h.answer.Evaluations), -1)
	v, err := h.d.back.Evaluate(ctx, h.bound)
	h.d.tl.EndDiversion()
	if isUnknown(err) {
		h.answer.Unknowns++
		h.answer.LastUnknown, _, _ = strings.Cut(err.Error(), "\n")
	}
	return v, err
}

func (h *hunt) sample(ctx context.Context) (sample, error) {
	v, err := h.value(ctx)
	switch {
	case isUnknown(err):
		return unknown, nil
	case err != nil:
		return unknown, err
	case v == h.now:
		return same, nil
	}
	h.answer.Before = v
	return differs, nil
}

// mark keeps the present point.
func (h *hunt) mark(ctx context.Context) (Mark, error) {
	m, err := h.d.tl.Mark(ctx)
	if err == nil {
		h.marks = append(h.marks, m)
	}
	return m, err
}

// look is part of prober.
func (h *hunt) look(ctx context.Context, p *point) (sample, error) {
	if _, err := h.arrive(ctx, p.seek); err != nil {
		return unknown, err
	}
	if p.mark == nil {
		m, err := h.mark(ctx)
		if err != nil {
			return unknown, err
		}
		p.mark, p.event = m, h.d.tl.Event()
	}
	return h.sample(ctx)
}

// between is part of prober: first the starts of slices, then whatever the
// timeline finds inside one.
func (h *hunt) between(ctx context.Context, lo, hi *point) (*point, bool, error) {
	if mid := lo.event + (hi.event-lo.event)/2; mid > lo.event && mid < hi.event {
		return h.slice(mid), true, nil
	}
	if lo.event+1 == hi.event && !hi.slice {
		return h.slice(hi.event), true, nil
	}
	s, ok := h.d.tl.(Splitter)
	if !ok {
		return nil, false, nil
	}
	m, ok, err := s.Between(ctx, lo.mark, hi.mark)
	if err != nil || !ok {
		return nil, false, err
	}
	h.marks = append(h.marks, m)
	return &point{seek: h.d.toMark(m), mark: m, event: lo.event}, true, nil
}

func (h *hunt) slice(event int64) *point {
	return &point{seek: h.d.toPosition(timeline.Position{Event: event}), event: event, slice: true}
}

func (h *hunt) run(ctx context.Context) error {
	var err error
	if h.now, err = h.value(ctx); isUnknown(err) {
		return fmt.Errorf("%s has no value here: %w", h.bound, err)
	} else if err != nil {
		return err
	}
	h.answer.After = h.now
	if err := h.findFirst(ctx); err != nil {
		return err
	}
	ok, err := h.prove(ctx)
	if err != nil {
		return err
	}
	if !ok {
		if err := h.bisect(ctx); err != nil {
			return err
		}
	}
	if dis, ok := h.d.back.(Disassembler); ok {
		if h.answer.Instruction, err = dis.Instruction(ctx); err != nil {
			return err
		}
	}
	at, err := h.mark(ctx)
	if err != nil {
		return err
	}
	if h.exact {
		if h.insn, err = h.d.tl.Mark(ctx); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, statementTime)
	defer cancel()
	_, err = h.move(limited, Motion{Kind: ToStatement, Backward: true})
	if limited.Err() != nil && ctx.Err() == nil {
		_, err = h.arrive(ctx, h.d.toMark(at))
	}
	return err
}

// statementTime bounds the way back to a statement's beginning. A backend steps
// there: that of a loop in one line may be hours away. The program then stands before
// the instruction.
var statementTime = 5 * time.Second

// unchanged is the answer that the value has been the present's all the time.
func (h *hunt) unchanged() error {
	if h.answer.Guarantee == Transition {
		text := fmt.Sprintf("%s has been %s wherever it was looked at, by %d evaluations", h.bound, shorten(h.now), h.answer.Evaluations)
		if n := h.answer.Unknowns; n > 0 {
			text += fmt.Sprintf(", %d of them without a value (the last: %s)", n, strings.TrimSuffix(h.answer.LastUnknown, "."))
		}
		text += "; it may have changed and changed back in between"
		if h.why != "" {
			text += ": " + h.why
		}
		return &UnchangedError{text}
	}
	since := "since the start of history"
	switch {
	case h.floor != nil:
		since = "since " + h.since
	case h.bound.Activation():
		since = "since the function was entered"
	}
	if h.answer.Unknowns > 0 {
		since = "wherever it has a value"
	}
	return &UnchangedError{fmt.Sprintf("%s has been %s %s; %d evaluations", h.bound, shorten(h.now), since, h.answer.Evaluations)}
}

// findFirst finds the oldest point that matters, and returns to the present.
func (h *hunt) findFirst(ctx context.Context) error {
	h.first = h.slice(0)
	if h.bound.Activation() {
		if _, err := h.move(ctx, Motion{Kind: ToEntry, Backward: true, Of: h.bound}); err != nil {
			return fmt.Errorf("find where the function was entered: %w", err)
		}
		if err := h.here(ctx); err != nil {
			return err
		}
	}
	if h.floor != nil {
		entry := h.first
		if _, err := h.arrive(ctx, h.floor); err != nil {
			return fmt.Errorf("go to %s: %w", h.since, err)
		}
		before := false
		if entry.mark != nil {
			var err error
			if before, err = h.passed(ctx, entry); err != nil {
				return err
			}
		}
		if !before {
			if err := h.here(ctx); err != nil {
				return err
			}
		}
	}
	if h.first.mark == nil {
		return nil
	}
	_, err := h.arrive(ctx, h.d.toMark(h.home))
	return err
}

// here makes the present point the oldest that matters.
func (h *hunt) here(ctx context.Context) error {
	m, err := h.mark(ctx)
	if err == nil {
		h.first = &point{seek: h.d.toMark(m), mark: m, event: h.d.tl.Event()}
	}
	return err
}

// watch tries the hardware. ok is false when it cannot answer; then the
// program is at the present.
func (h *hunt) watch(ctx context.Context) (out Outcome, ok bool, err error) {
	if h.soft {
		return out, false, nil
	}
	out, ok, err = h.d.back.Watch(ctx, h.bound.String())
	h.moved = h.moved || out.Moved || err != nil
	if err != nil || !ok {
		return out, false, err
	}
	h.answer.Guarantee = Latest
	if !out.Moved || out.Edge {
		return h.never(ctx, out)
	}
	if h.first.mark != nil {
		// A hit before the activation was entered is another variable's, and one
		// before the floor is not asked for.
		early, err := h.passed(ctx, h.first)
		if err != nil {
			return out, true, err
		}
		if early {
			out.Edge = true
			return h.never(ctx, out)
		}
	}
	v, err := h.value(ctx)
	if err != nil && !isUnknown(err) {
		return out, true, err
	}
	if err == nil && v != h.now {
		h.answer.Before = v
		return out, true, nil
	}
	// The watchpoint saw something else than a change of this value.
	_, err = h.arrive(ctx, h.d.toMark(h.home))
	return out, false, err
}

// bisect finds a transition and leaves the program just before the instruction
// that made it.
func (h *hunt) bisect(ctx context.Context) error {
	h.answer.Guarantee, h.answer.Reason = Transition, h.why
	if h.why == "" {
		h.answer.Reason = "a value that changed and changed back between two points looked at is not seen"
	}
	from := h.home
	if h.from != nil {
		from = h.from
		if _, err := h.arrive(ctx, h.d.toMark(from)); err != nil {
			return err
		}
	}
	points := []*point{h.first}
	for _, c := range h.d.tl.Checkpoints() {
		if c.Past && c.Event >= h.first.event {
			points = append(points, &point{seek: h.d.toCheckpoint(c.ID), event: c.Event})
		}
	}
	present := &point{seek: h.d.toMark(from), mark: from, event: h.d.tl.Event()}
	points = append(points, present)

	b, err := pastwards(ctx, h, points)
	if err != nil {
		return err
	}
	if !b.found {
		oldest, s := h.first, unknown
		if b.lo == nil {
			s = same
		}
		if oldest.mark == nil { // it serves to split what follows
			if s, err = h.look(ctx, oldest); err != nil {
				return err
			}
		}
		x, err := scatter(ctx, h, oldest, present, s, scattered)
		if err != nil {
			return err
		}
		if x.found {
			b = x
		}
	}
	if b.lo == nil {
		return h.unchanged()
	}
	for range recheckRounds {
		if b, err = narrow(ctx, h, b); err != nil {
			return err
		}
		done, err := h.stride(ctx, b)
		if err == nil && !done {
			err = h.walk(ctx, b)
		}
		if err != nil {
			return err
		}
		m, err := h.mark(ctx)
		if err != nil {
			return err
		}
		before := h.answer.Before
		var later bool
		if b, later, err = h.recheck(ctx, &point{seek: h.d.toMark(m), mark: m, event: h.d.tl.Event()}, present); err != nil {
			return err
		}
		if !later {
			h.answer.Before = before
			_, err = h.arrive(ctx, h.d.toMark(m))
			return err
		}
	}
	return fmt.Errorf("%s changes so often that none of its changes can be called the latest", h.bound)
}

// recheckRounds bounds how often a later change is looked for.
const recheckRounds = 12

// recheck looks for a point between a change and the present at which the value
// differs: then the change is not the latest. An invariant that is broken for a
// moment whenever its data are being changed leads a bisection astray if one of its
// points lies in such a moment. So it looks far from the change and ever nearer:
// what follows a moment is mostly another value.
func (h *hunt) recheck(ctx context.Context, change, present *point) (b bracket, later bool, err error) {
	hi, known := present, present // known has the present's value
	for {
		mid, ok, err := h.between(ctx, change, hi)
		if err != nil {
			return b, false, err
		}
		if !ok {
			break
		}
		s, err := h.look(ctx, mid)
		switch {
		case err != nil:
			return b, false, err
		case s == differs:
			return bracket{lo: mid, hi: known, found: true}, true, nil
		case s == same:
			known = mid
		}
		hi = mid
	}
	st, ok := h.d.tl.(Strider)
	if !ok || hi.mark == nil {
		return b, false, nil
	}
	n, ok, err := st.Stride(ctx, change.mark, hi.mark, strideMost)
	if err != nil || !ok {
		return b, false, err
	}
	for k := n / 2; k > 1; k /= 2 {
		m, err := st.Ahead(ctx, change.mark, k)
		if err != nil {
			return b, false, err
		}
		h.marks = append(h.marks, m)
		near := &point{seek: h.d.toMark(m), mark: m, event: change.event}
		s, err := h.look(ctx, near)
		switch {
		case err != nil:
			return b, false, err
		case s == differs:
			return bracket{lo: near, hi: known, found: true}, true, nil
		case s == same:
			known = near
		}
	}
	return b, false, nil
}

// scattered is how many points are looked at in between when the value is the same
// at all checkpoints.
const scattered = 24

// Blocks of instructions that walk goes back by.
const (
	firstBlock = 256
	maxBlock   = 1 << 16
)

// back goes n instructions back from where the program is. edge means that
// history begins before that.
func (h *hunt) back(ctx context.Context, n int) (edge bool, err error) {
	s, ok := h.d.tl.(Stepper)
	if !ok {
		out, err := h.move(ctx, Motion{Kind: StepInsn, Backward: true, Count: n})
		return out.Edge, err
	}
	_, err = h.arrive(ctx, func(ctx context.Context) (timeline.Stop, error) {
		stop, err := s.StepBack(ctx, n)
		edge = stop.Reason == timeline.HistoryBegin
		return stop, err
	})
	return edge, err
}

// walk goes backwards from b.hi in growing blocks until the value differs, then
// halves the block. It must not run past b.lo, where the value is known to
// differ: a block that does is gone through again, finely.
func (h *hunt) walk(ctx context.Context, b bracket) error {
	last := b.hi.mark // the earliest point with the present's value
	if _, err := h.arrive(ctx, h.d.toMark(last)); err != nil {
		return err
	}
	n := 0 // instructions since
	for block := firstBlock; ; {
		edge, err := h.back(ctx, block)
		if err != nil {
			return err
		}
		n += block
		s, err := h.sample(ctx)
		if err != nil {
			return err
		}
		past := edge && s != differs || s == unknown && !b.found
		if !past && b.found {
			if past, err = h.passed(ctx, b.lo); err != nil {
				return err
			}
		}
		switch {
		case s == differs && !past:
			return h.halve(ctx, last, n)
		case past && n <= firstBlock:
			return h.comb(ctx, last, n)
		case past:
			if _, err := h.arrive(ctx, h.d.toMark(last)); err != nil {
				return err
			}
			n, block = 0, firstBlock
			continue
		case s == same:
			if last, err = h.mark(ctx); err != nil {
				return err
			}
			n = 0
		}
		block = min(2*block, maxBlock)
	}
}

// never is the hardware's answer that there was no change. It is checked where
// that matters: at the oldest point.
func (h *hunt) never(ctx context.Context, out Outcome) (Outcome, bool, error) {
	s, err := h.look(ctx, h.first)
	if err != nil {
		return out, true, err
	}
	if s != differs {
		return out, true, nil
	}
	_, err = h.arrive(ctx, h.d.toMark(h.home))
	return out, false, err
}

// passed reports whether the program is before a point.
func (h *hunt) passed(ctx context.Context, p *point) (bool, error) {
	if e := h.d.tl.Event(); e != p.event {
		return e < p.event, nil
	}
	now, err := h.d.tl.Position(ctx)
	if err != nil {
		return false, err
	}
	then, err := h.d.tl.MarkPosition(ctx, p.mark)
	if err != nil {
		return false, err
	}
	c, err := h.d.tl.Compare(ctx, now, then)
	return c < 0, err
}

// comb looks at each of the n instructions before a mark, latest first.
func (h *hunt) comb(ctx context.Context, from Mark, n int) error {
	if _, err := h.arrive(ctx, h.d.toMark(from)); err != nil {
		return err
	}
	for range n {
		edge, err := h.back(ctx, 1)
		if err != nil {
			return err
		}
		if edge {
			break
		}
		s, err := h.sample(ctx)
		if err != nil {
			return err
		}
		if s == differs {
			return nil
		}
	}
	return h.unchanged()
}

// halve leaves the program just before the instruction that made the change,
// which lies in the n instructions before a mark with the present's value. The
// program is at their beginning, where the value differs.
func (h *hunt) halve(ctx context.Context, near Mark, n int) error {
	far, err := h.mark(ctx)
	if err != nil {
		return err
	}
	at, span := differs, n // what the expression is at far
	for n > 1 {
		mid := n / 2
		if _, err := h.arrive(ctx, h.d.toMark(near)); err != nil {
			return err
		}
		if _, err := h.back(ctx, mid); err != nil {
			return err
		}
		s, err := h.sample(ctx)
		if err != nil {
			return err
		}
		m, err := h.mark(ctx)
		if err != nil {
			return err
		}
		if s == same {
			near, n = m, n-mid
		} else {
			far, n, at = m, mid, s
		}
	}
	if at == unknown {
		// The change is hidden by points without a value: stop before those.
		return h.comb(ctx, far, span)
	}
	_, err = h.arrive(ctx, h.d.toMark(far))
	return err
}
