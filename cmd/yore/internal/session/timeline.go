package session

import (
	"context"
	"fmt"
	"time"

	"yore/debugger"
	"yore/engine"
	"yore/engine/timeline"
)

// Timeline shows an engine session as the debugger wants to see it.
type Timeline struct{ *engine.Session }

var (
	_ debugger.Timeline = Timeline{}
	_ debugger.Calendar = Timeline{}
)

// Mark returns a handle to the present.
func (t Timeline) Mark(ctx context.Context) (debugger.Mark, error) {
	m, err := t.Session.Mark(ctx)
	if err != nil {
		return nil, err // not a nil *engine.Mark in an interface
	}
	return m, nil
}

// MarkPosition returns a mark's coordinate.
func (t Timeline) MarkPosition(ctx context.Context, m debugger.Mark) (timeline.Position, error) {
	e, err := ours(m)
	if err != nil {
		return timeline.Position{}, err
	}
	return t.Session.MarkPosition(ctx, e)
}

// SeekMark moves the present to a mark.
func (t Timeline) SeekMark(ctx context.Context, m debugger.Mark) (timeline.Stop, error) {
	e, err := ours(m)
	if err != nil {
		return timeline.Stop{}, err
	}
	return t.Session.SeekMark(ctx, e)
}

func ours(m debugger.Mark) (*engine.Mark, error) {
	e, ok := m.(*engine.Mark)
	if !ok {
		return nil, fmt.Errorf("mark of another session (%T)", m)
	}
	return e, nil
}

// CurrentEvent returns the event in whose slice the present is.
func (t Timeline) CurrentEvent() int64 { return t.Session.Event() }

// Checkpoints returns those that exist, oldest point of history first.
func (t Timeline) Checkpoints() []debugger.CheckpointInfo {
	var out []debugger.CheckpointInfo
	now, end := t.Session.Event(), t.Session.AtFrontier()
	for _, c := range t.Session.Checkpoints() {
		d := describe(c)
		// Within one slice only the frontier is known to be behind them all.
		d.Past = c.Event < now || c.Event == now && end
		out = append(out, d)
	}
	return out
}

func describe(c engine.Checkpoint) debugger.CheckpointInfo {
	return debugger.CheckpointInfo{ID: c.ID, Name: c.Name, Auto: c.Auto, Event: c.Event, Time: c.Time, Bytes: c.Bytes}
}

// AddCheckpoint makes a checkpoint of the present.
func (t Timeline) AddCheckpoint(ctx context.Context, name string) (debugger.CheckpointInfo, error) {
	c, err := t.Session.AddCheckpoint(ctx, name)
	return describe(c), err
}

// Began is when the recording began.
func (t Timeline) Began() time.Time { return t.Session.Began() }
