// Package session makes the engine's Session a Timeline of the debugger.
//
// It adds nothing but names: the engine must not know the debugger, and the
// debugger's tests must not need an engine. The one thing that it works out is
// which checkpoints lie before the present.
package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yore/debugger"
	"yore/engine"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// Timeline is a debugger.Timeline on an engine's Session.
type Timeline struct {
	*engine.Session
}

var (
	_ debugger.Timeline = Timeline{}
	_ debugger.Calendar = Timeline{}
	_ debugger.Stepper  = Timeline{}
	_ debugger.Splitter = Timeline{}
	_ debugger.Strider  = Timeline{}
	_ debugger.Scribe   = Timeline{}
	_ debugger.Surveyor = Timeline{}
	_ debugger.Witness  = Timeline{}
	_ debugger.Living   = Timeline{}
)

// New returns the Timeline of a session.
func New(s *engine.Session) Timeline { return Timeline{s} }

// Mark is part of debugger.Timeline.
func (t Timeline) Mark(ctx context.Context) (debugger.Mark, error) {
	m, err := t.Session.Mark(ctx)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func own(m debugger.Mark) (*engine.Mark, error) {
	e, ok := m.(*engine.Mark)
	if !ok {
		return nil, fmt.Errorf("mark %T is not of this session", m)
	}
	return e, nil
}

// MarkPosition is part of debugger.Timeline.
func (t Timeline) MarkPosition(ctx context.Context, m debugger.Mark) (timeline.Position, error) {
	e, err := own(m)
	if err != nil {
		return timeline.Position{}, err
	}
	return t.Session.MarkPosition(ctx, e)
}

// SeekMark is part of debugger.Timeline.
func (t Timeline) SeekMark(ctx context.Context, m debugger.Mark) (timeline.Stop, error) {
	e, err := own(m)
	if err != nil {
		return timeline.Stop{}, err
	}
	return t.Session.SeekMark(ctx, e)
}

// Checkpoints is part of debugger.Timeline.
func (t Timeline) Checkpoints() []debugger.CheckpointInfo {
	list := t.Session.Checkpoints()
	out := make([]debugger.CheckpointInfo, len(list))
	frontier, event := t.AtFrontier(), t.Event()
	for i, c := range list {
		out[i] = info(c)
		out[i].Past = frontier || c.Event < event
	}
	return out
}

// AddCheckpoint is part of debugger.Timeline.
func (t Timeline) AddCheckpoint(ctx context.Context, name string) (debugger.CheckpointInfo, error) {
	c, err := t.Session.AddCheckpoint(ctx, name)
	return info(c), err
}

func info(c engine.Checkpoint) debugger.CheckpointInfo {
	return debugger.CheckpointInfo{ID: c.ID, Name: c.Name, Auto: c.Auto, Event: c.Event, Time: c.Time, Bytes: c.Bytes}
}

// StepBack is part of debugger.Stepper.
func (t Timeline) StepBack(ctx context.Context, n int) (timeline.Stop, error) {
	stop := timeline.Stop{Reason: timeline.Arrived, Thread: t.Session.Current()}
	for range n {
		s, err := t.Session.Resume(ctx, gdbserver.Resume{Dir: timeline.Backward, Mode: gdbserver.Step})
		if err != nil {
			return s, err
		}
		switch s.Reason {
		case timeline.HistoryBegin:
			return s, nil
		case timeline.Interrupted:
			if err := ctx.Err(); err != nil {
				return s, err
			}
		}
		stop.Thread = s.Thread
	}
	return stop, nil
}

// Survey is part of debugger.Surveyor.
func (t Timeline) Survey(ctx context.Context, from int64, fn func(debugger.Happening) bool) error {
	return t.Session.Survey(ctx, from, func(i int64, e *trace.Event) bool { return fn(happening(i, e)) })
}

func happening(i int64, e *trace.Event) debugger.Happening {
	h := debugger.Happening{Event: i, Time: time.Duration(e.Time), Thread: int(e.TID), Output: e.Out}
	switch e.Kind {
	case trace.Signal, trace.Fault:
		h.Kind, h.Signal = debugger.Signalled, int(e.Sig)
	case trace.Clone:
		h.Kind, h.Child = debugger.ThreadStart, int(e.Child)
	case trace.Exit:
		h.Kind = debugger.ThreadEnd
	case trace.Exec:
		h.Kind = debugger.Executed
	case trace.End:
		h.Kind, h.Signal = debugger.ProgramEnd, int(e.Sig)
	}
	return h
}

// Between is part of debugger.Splitter.
func (t Timeline) Between(ctx context.Context, a, b debugger.Mark) (debugger.Mark, bool, error) {
	from, to, err := both(a, b)
	if err != nil {
		return nil, false, err
	}
	m, ok, err := t.Session.Between(ctx, from, to)
	if err != nil || !ok {
		return nil, false, err
	}
	return m, true, nil
}

// Stride is part of debugger.Strider.
func (t Timeline) Stride(ctx context.Context, a, b debugger.Mark, most int) (int, bool, error) {
	from, to, err := both(a, b)
	if err != nil {
		return 0, false, err
	}
	return t.Session.Stride(ctx, from, to, most)
}

// Ahead is part of debugger.Strider.
func (t Timeline) Ahead(ctx context.Context, a debugger.Mark, n int) (debugger.Mark, error) {
	from, err := own(a)
	if err != nil {
		return nil, err
	}
	m, err := t.Session.Ahead(ctx, from, n)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// CanRunOn is part of debugger.Living.
func (t Timeline) CanRunOn() bool { return t.Session.Meta() == nil && t.Ended() == nil }

// EndReads is part of debugger.Witness.
func (t Timeline) EndReads() debugger.Reads {
	r := t.Session.EndReads()
	return debugger.Reads{Set: &r, Opaque: r.Opaque}
}

// LastWrite is part of debugger.Witness.
func (t Timeline) LastWrite(ctx context.Context, r debugger.Reads, before debugger.Mark, floor int64) (*debugger.Write, error) {
	set, ok := r.Set.(*engine.Reads)
	if !ok {
		return nil, fmt.Errorf("reads %T are not of this session", r.Set)
	}
	m, err := own(before)
	if err != nil {
		return nil, err
	}
	w, err := t.Session.LastWrite(ctx, set, m, floor)
	if errors.Is(err, engine.ErrTooManyWords) {
		return nil, &debugger.UnprovedError{Reason: err.Error()}
	}
	if w == nil || err != nil {
		return nil, err
	}
	out := &debugger.Write{After: w.After, Searches: w.Searches}
	if w.Before != nil {
		out.Before = w.Before
	}
	return out, nil
}

func both(a, b debugger.Mark) (from, to *engine.Mark, err error) {
	if from, err = own(a); err != nil {
		return nil, nil, err
	}
	to, err = own(b)
	return from, to, err
}
