package debugger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yore/engine/timeline"
)

// What a Change is guaranteed to be.
const (
	Latest     = "latest"       // there is no later change
	Transition = "a transition" // a change; Reason says why there may be later ones
)

// Change is a statement that gave an expression its value, and how it was found.
type Change struct {
	Expr          string // as the person wrote it
	Before, After string // values, as the backend prints them
	Guarantee     string // Latest or Transition
	Reason        string // why it is no more than a transition
	Evaluations   int
	Unknowns      int    // evaluations that gave no value
	LastUnknown   string // why the last of them gave none
	Elapsed       time.Duration
	// Instruction is the one that made the change, "" when it is not known: of an
	// event's change, the system call.
	Instruction string

	// Where the program stands, just before the statement: see describe.
	Position  timeline.Position
	Thread    Thread
	Location  Location
	Source    string // the text of the line, "" when it is not known
	Backtrace []Frame
}

// UnchangedError says that an expression had its value all the time.
type UnchangedError struct{ text string }

func (e *UnchangedError) Error() string { return e.text }

// Question is what Bisect answers.
type Question struct {
	Expr string
	// Good and Bad bound the search, as `goto` takes places. The value asked for
	// is the one at Bad, "" for the end; "" for Good is the start of history.
	Good, Bad string
}

// Bisect finds the statement that gave an expression the value it has at q.Bad
// and leaves the program just before it. Nothing is shown. When there is none the
// error is an *UnchangedError; whatever the error is, the Change returned has the
// numbers of the search.
func (d *Debugger) Bisect(ctx context.Context, q Question) (Change, error) {
	c := Change{Expr: q.Expr}
	if strings.TrimSpace(q.Expr) == "" {
		return c, errors.New("there is no expression")
	}
	if q.Bad == "" {
		q.Bad = "end"
	}
	h := &hunt{d: d, since: q.Good}
	var err error
	if q.Good != "" && q.Good != "start" {
		if h.floor, err = d.destination(q.Good); err != nil {
			return c, err
		}
	}
	bad, err := d.destination(q.Bad)
	if err != nil {
		return c, err
	}
	if _, err := d.arrive(ctx, bad); err != nil {
		return c, fmt.Errorf("go to %s: %w", q.Bad, err)
	}
	if err := d.inOrder(ctx, h.floor, q); err != nil {
		return c, err
	}
	if h.bound, err = d.back.Bind(ctx, q.Expr); err != nil {
		return c, err
	}
	if c, _, err = d.findChange(ctx, h); err != nil {
		return c, err
	}
	return c, d.describe(ctx, &c)
}

// inOrder checks that the present is after a question's good point, and returns
// to it.
func (d *Debugger) inOrder(ctx context.Context, good seek, q Question) error {
	if good == nil {
		return nil
	}
	home, err := d.tl.Mark(ctx)
	if err != nil {
		return err
	}
	defer home.Release()
	if _, err := d.arrive(ctx, good); err != nil {
		return fmt.Errorf("go to %s: %w", q.Good, err)
	}
	early, err := d.tl.Position(ctx)
	if err != nil {
		return err
	}
	late, err := d.tl.MarkPosition(ctx, home)
	if err != nil {
		return err
	}
	order, err := d.tl.Compare(ctx, early, late)
	if err != nil {
		return err
	}
	if order >= 0 {
		return fmt.Errorf("%s is not before %s", q.Good, q.Bad)
	}
	_, err = d.arrive(ctx, d.toMark(home))
	return err
}

// describe fills in where the program stands.
func (d *Debugger) describe(ctx context.Context, c *Change) error {
	var err error
	if c.Position, err = d.tl.Position(ctx); err != nil {
		return err
	}
	threads, err := d.back.Threads(ctx)
	if err != nil {
		return err
	}
	for _, t := range threads {
		if t.Current {
			c.Thread = t
		}
	}
	if c.Location, err = d.back.Where(ctx); err != nil {
		return err
	}
	if c.Source, err = d.back.Line(ctx, c.Location); err != nil {
		return err
	}
	c.Backtrace, err = d.back.Backtrace(ctx, 0)
	return err
}
