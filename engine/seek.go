package engine

import (
	"context"
	"fmt"
	"time"

	"yore/engine/internal/locate"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
)

// Position returns the coordinate of the present.
func (s *Session) Position(ctx context.Context) (pos timeline.Position, err error) {
	err = s.do(ctx, func() error {
		p := s.here
		if p.frontier {
			if s.rec.Boundary() {
				pos = timeline.Position{Event: p.event}
				return nil
			}
			var err error
			if p, err = s.keep(); err != nil {
				return err
			}
			defer p.r.Kill()
		}
		if !s.here.frontier {
			if _, err := s.proc(); err != nil {
				return err
			}
			p = s.here
		}
		var err error
		pos, err = s.position(ctx, &p)
		return err
	})
	return pos, err
}

// position returns the coordinate of a place, counted from its slice's start.
func (s *Session) position(ctx context.Context, p *place) (timeline.Position, error) {
	if p.atStart() {
		return timeline.Position{Event: p.event}, nil
	}
	if p.known && (p.base == nil || p.base.start) {
		return timeline.Position{Event: p.event, Count: p.at.Count, Addr: p.at.Addr}, nil
	}
	c, err := s.sliceStart(ctx, p.event)
	if err != nil {
		return timeline.Position{}, err
	}
	at, err := s.loc.Find(ctx, c.r, p.r.Copy)
	if err != nil {
		return timeline.Position{}, fmt.Errorf("position: %w", err)
	}
	if at.AtBase() {
		return timeline.Position{Event: p.event}, nil
	}
	return timeline.Position{Event: p.event, Count: at.Count, Addr: at.Addr}, nil
}

// SeekPosition moves the present to a position.
func (s *Session) SeekPosition(ctx context.Context, pos timeline.Position) (stop timeline.Stop, err error) {
	err = s.do(ctx, func() error {
		stop, err = s.seek(ctx, pos)
		return err
	})
	return stop, err
}

func (s *Session) seek(ctx context.Context, pos timeline.Position) (timeline.Stop, error) {
	first := s.first()
	if pos == timeline.Start {
		pos.Event = first
	}
	if pos.Event >= 0 && pos.Event < first {
		return timeline.Stop{}, fmt.Errorf("position %v is before the part of history that was kept, which begins with event %d", pos, first)
	}
	if pos.Event < 0 || pos.Event >= s.log.Len() {
		return timeline.Stop{}, fmt.Errorf("position %v is outside of history, which ends at event %d", pos, s.log.Len()-1)
	}
	s.endDiversion()
	if pos.Count == 0 && pos.Event == s.log.Len()-1 && s.rec != nil && s.rec.Boundary() {
		s.toFrontier()
		return timeline.Stop{Reason: timeline.Arrived, Thread: s.here.thread}, nil
	}
	c, err := s.sliceStart(ctx, pos.Event)
	if err != nil {
		return timeline.Stop{}, err
	}
	p := place{event: pos.Event, base: c, known: true, at: locate.Coord{Addr: pos.Addr, Count: pos.Count}}
	if p.r, err = s.loc.Seek(ctx, c.r, p.at); err != nil {
		return timeline.Stop{}, fmt.Errorf("position %v: %w", pos, err)
	}
	p.thread = p.r.Active
	s.moved(p)
	return timeline.Stop{Reason: timeline.Arrived, Thread: p.thread}, nil
}

// Mark is a handle to a point of history, good as long as the session. It holds
// a frozen process.
type Mark struct {
	s *Session
	p place
	// at is the coordinate since mark from, when that is not nil.
	from     *Mark
	at       locate.Coord
	released bool
	// pending is the signal that was shown at the frontier when the mark was made
	// there; p.signal is the number of its event if it is delivered next.
	pending *tracee.Signal
	span    time.Duration // about what lies between the last split and it
}

// Mark returns a handle to the present.
func (s *Session) Mark(ctx context.Context) (m *Mark, err error) {
	err = s.do(ctx, func() error {
		p := s.here
		if p.frontier {
			c, err := s.keepFrontier("")
			if err != nil {
				return err
			}
			p.frontier, p.base, p.known, p.win = false, c, true, nil
			p.at = locate.Coord{}
			c.users++
			m = &Mark{s: s, p: p}
			if p.told {
				m.pending, m.p.signal = s.rec.Pending(), s.log.Len()
			}
			return nil
		}
		kept, err := s.keep()
		if err != nil {
			return err
		}
		if kept.base != nil {
			kept.base.users++
		}
		m = &Mark{s: s, p: kept}
		return nil
	})
	return m, err
}

// Release gives the mark up.
func (m *Mark) Release() {
	m.s.do(context.Background(), func() error {
		m.s.release(m)
		return nil
	})
}

func (s *Session) release(m *Mark) {
	m.released, m.from = true, nil
	if m.p.r != nil {
		m.p.r.Kill()
		m.p.r = nil
	}
	if m.p.base != nil {
		m.p.base.users--
		m.p.base = nil
	}
}

// MarkPosition returns a mark's coordinate.
func (s *Session) MarkPosition(ctx context.Context, m *Mark) (pos timeline.Position, err error) {
	err = s.do(ctx, func() error {
		p := m.p
		if p.r == nil && p.base != nil {
			p.r = p.base.r
		}
		pos, err = s.position(ctx, &p)
		return err
	})
	return pos, err
}

// SeekMark moves the present to a mark.
func (s *Session) SeekMark(ctx context.Context, m *Mark) (stop timeline.Stop, err error) {
	err = s.do(ctx, func() error {
		s.endDiversion()
		p := m.p
		from := p.r
		if from == nil {
			from = p.base.r
		}
		// The newest point of history is the frontier itself.
		waits := m.pending != nil && s.rec.Pending() == m.pending && s.log.Len() == p.signal
		if waits || p.r == nil && s.pacing.fresh && len(s.cps) > 0 && s.cps[len(s.cps)-1] == p.base {
			s.toFrontier()
			s.here.told = false // an arrival shows no signal
		} else {
			if m.pending != nil && !s.delivered(m, from) {
				p.signal = 0
			}
			r, err := from.Fork()
			if err != nil {
				return err
			}
			p.r = r
			s.moved(p)
		}
		stop = timeline.Stop{Reason: timeline.Arrived, Thread: s.here.thread}
		return nil
	})
	return stop, err
}

// delivered reports whether the signal that was pending at mark m, where from
// stands, was delivered there.
func (s *Session) delivered(m *Mark, from *replay.Runner) bool {
	e, err := s.log.At(m.p.signal)
	if err != nil {
		return false
	}
	x := from.Regs()
	return s.announced(m.p.signal, e) && int(e.Sig) == m.pending.No && int(e.TID) == m.p.thread && e.PC == x.Rip && e.SP == x.Rsp
}

// Compare orders two positions: negative, zero or positive.
func (s *Session) Compare(ctx context.Context, a, b timeline.Position) (n int, err error) {
	switch {
	case a.Event != b.Event:
		return cmp(a.Event, b.Event), nil
	case a == b:
		return 0, nil
	case a.Count == 0:
		return -1, nil
	case b.Count == 0:
		return 1, nil
	case a.Addr == b.Addr:
		return cmp(int64(a.Count), int64(b.Count)), nil
	}
	err = s.do(ctx, func() error {
		c, err := s.sliceStart(ctx, a.Event)
		if err != nil {
			return err
		}
		n, err = s.loc.Order(ctx, c.r, locate.Coord{Addr: a.Addr, Count: a.Count}, locate.Coord{Addr: b.Addr, Count: b.Count})
		return err
	})
	return n, err
}

func cmp(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Events returns the newest event's number.
func (s *Session) Events() int64 { return s.log.Len() - 1 }

// Event returns the event in whose slice the present is.
func (s *Session) Event() int64 {
	var n int64
	s.do(context.Background(), func() error {
		n = s.here.event
		return nil
	})
	return n
}

// AtFrontier reports whether the present is the newest point of history.
func (s *Session) AtFrontier() (yes bool) {
	s.do(context.Background(), func() error {
		yes = s.here.frontier || s.rec == nil && s.diskEnd == nil && s.here.event == s.log.Len()-1 && s.here.atStart()
		if s.diskEnd != nil {
			end, err := s.isEnd(s.background())
			yes = end && err == nil
		}
		return nil
	})
	return yes
}

// EventTime is how long the program had run at an event.
func (s *Session) EventTime(event int64) time.Duration { return s.eventTime(event) }

// EventAtTime returns the last event that is not after a time.
func (s *Session) EventAtTime(d time.Duration) int64 { return s.eventAtTime(d) }

func (s *Session) eventAtTime(d time.Duration) int64 {
	lo, hi := s.first(), s.log.Len()
	for lo+1 < hi {
		m := (lo + hi) / 2
		if s.eventTime(m) <= d {
			lo = m
		} else {
			hi = m
		}
	}
	return lo
}

// Clock is what the wall clock said when the program had run for d: events and
// checkpoints do not count the time in which the program waits for its debugger.
func (s *Session) Clock(d time.Duration) (t time.Time) {
	t = s.began.Add(d)
	s.do(context.Background(), func() error {
		if s.rec != nil {
			t = s.rec.Wall(d)
		}
		return nil
	})
	return t
}

// Checkpoint describes a checkpoint.
type Checkpoint struct {
	ID    int
	Name  string
	Auto  bool // kept by the engine on its own account
	Event int64
	Time  time.Duration // since the recording began
	Bytes int64         // memory it holds for itself
}

func (s *Session) describe(c *checkpoint) Checkpoint {
	d := Checkpoint{ID: c.id, Name: c.name, Auto: !c.asked, Event: c.event, Time: c.time}
	if set, err := c.r.Written(); err == nil {
		d.Bytes = int64(set.Pages()) * 4096
	}
	return d
}

// Checkpoints returns all checkpoints, oldest point of history first.
func (s *Session) Checkpoints() (out []Checkpoint) {
	s.do(context.Background(), func() error {
		for _, c := range s.cps {
			out = append(out, s.describe(c))
		}
		return nil
	})
	return out
}

// AddCheckpoint makes a checkpoint of the present.
func (s *Session) AddCheckpoint(ctx context.Context, name string) (d Checkpoint, err error) {
	err = s.do(ctx, func() error {
		var c *checkpoint
		if s.here.frontier {
			if c, err = s.keepFrontier(name); err != nil {
				return err
			}
		} else {
			p, err := s.keep()
			if err != nil {
				return err
			}
			c = s.add(&checkpoint{r: p.r, event: p.event, start: p.atStart(), time: s.eventTime(p.event)}, p.base)
		}
		c.asked, c.name = true, name
		d = s.describe(c)
		return nil
	})
	return d, err
}

// DeleteCheckpoint removes a checkpoint that was asked for.
func (s *Session) DeleteCheckpoint(id int) error {
	return s.do(context.Background(), func() error {
		for i, c := range s.cps {
			if c.id == id {
				if i == 0 {
					return fmt.Errorf("checkpoint %d is the start of history and stays", id)
				}
				c.asked = false
				if c.users == 0 && c != s.here.base {
					s.remove(c)
				}
				return nil
			}
		}
		return fmt.Errorf("no checkpoint %d", id)
	})
}

// SeekCheckpoint moves the present to a checkpoint.
func (s *Session) SeekCheckpoint(ctx context.Context, id int) (stop timeline.Stop, err error) {
	err = s.do(ctx, func() error {
		for _, c := range s.cps {
			if c.id != id {
				continue
			}
			s.endDiversion()
			r, err := c.r.Fork()
			if err != nil {
				return err
			}
			s.moved(place{event: c.event, thread: r.Active, base: c, known: true, r: r})
			stop = timeline.Stop{Reason: timeline.Arrived, Thread: r.Active}
			return nil
		}
		return fmt.Errorf("no checkpoint %d", id)
	})
	return stop, err
}
