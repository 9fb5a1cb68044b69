package debugger

// What a person has made in a session and wants to find again in another: see Save
// and Restore. Points are positions there, since marks live as long as the session.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yore/engine/timeline"
)

// Saved is the state of a session beside the program's.
type Saved struct {
	Position    string // "" for the end of history
	Breakpoints []SavedBreakpoint
	Bookmarks   []SavedBookmark
	Stops       []SavedStop // oldest first
	Current     int         // index of the present stop
}

// SavedBreakpoint is a breakpoint or watchpoint in gdb's words.
type SavedBreakpoint struct {
	Kind      string // break, tbreak, hbreak, thbreak, watch, rwatch, awatch
	Where     string
	Condition string
	Ignore    int
	Disabled  bool
	Commands  []string
}

// SavedBookmark is a named point.
type SavedBookmark struct{ Name, Position, What string }

// SavedStop is a stop of the history of motions.
type SavedStop struct{ Position, Command, What string }

// Keeper is a Backend whose breakpoints can be saved and made again.
type Keeper interface {
	SavedBreakpoints() []SavedBreakpoint
	// RestoreBreakpoint makes a breakpoint, without its commands.
	RestoreBreakpoint(ctx context.Context, b SavedBreakpoint) error
}

// maxSavedStops bounds the stops that are saved: finding the position of each can
// take a search.
const maxSavedStops = 30

// fixed is a Mark that is a position.
type fixed struct{ timeline.Position }

// Release is part of Mark.
func (fixed) Release() {}

// positionOf is the coordinate of a mark.
func (d *Debugger) positionOf(ctx context.Context, m Mark) (timeline.Position, error) {
	if f, ok := m.(fixed); ok {
		return f.Position, nil
	}
	return d.tl.MarkPosition(ctx, m)
}

// Save returns what there is to save.
func (d *Debugger) Save(ctx context.Context) (Saved, error) {
	var s Saved
	if !d.tl.AtFrontier() {
		p, err := d.tl.Position(ctx)
		if err != nil {
			return s, fmt.Errorf("position: %w", err)
		}
		s.Position = p.String()
	}
	if k, ok := d.back.(Keeper); ok {
		s.Breakpoints = k.SavedBreakpoints()
	}
	for _, name := range sortedKeys(d.bookmarks) {
		b := d.bookmarks[name]
		p, err := d.positionOf(ctx, b.mark)
		if err != nil {
			return s, fmt.Errorf("bookmark %s: %w", name, err)
		}
		s.Bookmarks = append(s.Bookmarks, SavedBookmark{name, p.String(), b.what})
	}
	from := max(0, min(d.history.cur-maxSavedStops/2, len(d.history.stops)-maxSavedStops))
	to := min(len(d.history.stops), from+maxSavedStops)
	for i, v := range d.history.stops[from:to] {
		p, err := d.positionOf(ctx, v.mark)
		if err != nil {
			return s, fmt.Errorf("stop %d: %w", i, err)
		}
		s.Stops = append(s.Stops, SavedStop{p.String(), v.command, v.what})
	}
	s.Current = d.history.cur - from
	return s, nil
}

// Restore takes over what was saved, which may come from anybody, and goes to its
// position. What cannot be taken over is said, and is no error.
func (d *Debugger) Restore(ctx context.Context, s Saved) error {
	for _, b := range s.Bookmarks {
		p, err := d.known(b.Position)
		if err == nil {
			err = checkName(b.Name)
		}
		if err != nil {
			d.printf("Not taken over: bookmark %s (%v).\n", printable(b.Name), err)
			continue
		}
		d.bookmarks[b.Name] = bookmark{mark: fixed{p}, event: p.Event, what: printable(b.What)}
	}
	if h, err := d.restoredHistory(s); err == nil && len(h.stops) > 0 {
		d.history.clear()
		d.history = h
	}
	if s.Position != "" {
		p, err := d.known(s.Position)
		if err != nil {
			return fmt.Errorf("position %s: %w", printable(s.Position), err)
		}
		if err := d.top(ctx, "", func(ctx context.Context) (Outcome, error) {
			_, err := d.jump(ctx, d.toPosition(p))
			return Outcome{}, err // moved, but not as a new stop
		}); err != nil {
			return err
		}
	}
	// Last, because a watchpoint's old value is that of the point where it is made.
	d.restoreBreakpoints(ctx, s.Breakpoints)
	return nil
}

func (d *Debugger) restoreBreakpoints(ctx context.Context, list []SavedBreakpoint) {
	commands := 0
	for _, b := range list {
		if len(b.Commands) > 0 {
			commands++
		}
		k, ok := d.back.(Keeper)
		err := errors.New("this backend cannot make it")
		if ok {
			err = checkBreakpoint(b)
		}
		if ok && err == nil {
			err = k.RestoreBreakpoint(ctx, b)
		}
		if err != nil {
			d.printf("Not taken over: %s %s (%v).\n", printable(b.Kind), printable(b.Where), err)
		}
	}
	if commands > 0 {
		d.printf("The commands of %d breakpoints are not taken over: they would be executed here.\n", commands)
	}
}

// Rearm makes the breakpoints of an earlier run of the same program again, with
// their commands. One that cannot be made is said, and is no error.
func (d *Debugger) Rearm(ctx context.Context, list []SavedBreakpoint) error {
	k, ok := d.back.(Keeper)
	if !ok {
		return nil
	}
	for _, b := range list {
		err := k.RestoreBreakpoint(ctx, b)
		if err == nil && len(b.Commands) > 0 {
			_, err = d.back.Script(ctx, slices.Concat([]string{"commands"}, b.Commands, []string{"end"}))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			d.printf("Not kept: %s %s (%v).\n", printable(b.Kind), printable(b.Where), err)
		}
	}
	return nil
}

// known reads a position of this history.
func (d *Debugger) known(text string) (timeline.Position, error) {
	p, err := timeline.Parse(text)
	if err == nil && p.Event > d.tl.Events() {
		err = fmt.Errorf("history ends with event %d", d.tl.Events())
	}
	return p, err
}

// restoredHistory makes a history of saved stops.
func (d *Debugger) restoredHistory(s Saved) (history, error) {
	h := newHistory()
	for _, v := range s.Stops {
		p, err := d.known(v.Position)
		if err != nil {
			return h, err
		}
		h.stops = append(h.stops, visit{mark: fixed{p}, command: printable(v.Command), what: printable(v.What)})
	}
	if len(h.stops) > maxVisits || s.Current < 0 || s.Current >= len(h.stops) {
		return newHistory(), errors.New("no present stop")
	}
	h.cur = s.Current
	return h, nil
}

// checkBreakpoint refuses what would be more than a breakpoint: another command, or
// an expression that reaches out of the program (gdb's $_shell and its like).
func checkBreakpoint(b SavedBreakpoint) error {
	switch b.Kind {
	case "break", "tbreak", "hbreak", "thbreak", "watch", "rwatch", "awatch":
	default:
		return errors.New("no kind of breakpoint")
	}
	for _, text := range []string{b.Where, b.Condition} {
		if len(text) > 1000 || strings.ContainsRune(text, '$') || printable(text) != text {
			return errors.New("it holds what only its owner may execute")
		}
	}
	if b.Where == "" || b.Ignore < 0 {
		return errors.New("it is none")
	}
	return nil
}

// printable escapes what is not printable text.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

func (d *Debugger) pack(ctx context.Context, file string) error {
	if d.opts.Pack == nil {
		return errors.New("pack: not possible in this session")
	}
	s, err := d.Save(ctx)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	text, err := d.opts.Pack(ctx, file, s)
	if err != nil {
		return err
	}
	d.print(text)
	return nil
}
