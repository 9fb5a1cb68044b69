package engine

import (
	"context"
	"fmt"
	"sort"
	"time"

	"yore/engine/image"
	"yore/engine/internal/locate"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// checkpoint is a frozen process at a point of history.
type checkpoint struct {
	id    int
	name  string
	asked bool // by a person
	r     *replay.Runner
	event int64 // its slice
	start bool  // it stands at the slice's start
	time  time.Duration
	users int      // places that count from it
	image image.ID // from which it was made, 0 for none
	// rel is its coordinate since checkpoint relTo, of the same slice.
	relTo *checkpoint
	rel   locate.Coord
}

// place is a point of history.
type place struct {
	event    int64
	thread   int // whose point of view it is
	frontier bool
	signal   int64 // event whose signal is shown here, before it takes effect; 0 for none
	told     bool  // at the frontier: the pending signal, if any, was shown by the stop here
	// base is a checkpoint of the same slice at or before the point, nil for the
	// slice's start. at, when known, counts from it.
	base  *checkpoint
	at    locate.Coord
	known bool
	// r is a process that stands there; nil at the frontier, and in a window
	// as long as nobody needs one.
	r *replay.Runner
	// win, when set, is a table of what preceded a point reached backwards; the
	// place is its step k.
	win *window
	k   int
}

// window is a backward window with the checkpoint that it stands on.
type window struct {
	*locate.Window
	base *checkpoint
}

func (w *window) close() {
	w.base.users--
	w.Window.Close()
}

// proc returns a process that stands at the present, which is in the past.
func (s *Session) proc() (*replay.Runner, error) {
	if s.here.r == nil {
		r, err := s.here.win.Materialise(s.here.k)
		if err != nil {
			return nil, err
		}
		s.here.r = r
	}
	return s.here.r, s.here.r.Err()
}

// atStart reports whether p is the start of its slice.
func (p *place) atStart() bool { return p.known && p.at.AtBase() && (p.base == nil || p.base.start) }

// add puts c into the list, behind those that are not later.
func (s *Session) add(c *checkpoint, after *checkpoint) *checkpoint {
	s.nextID++
	c.id = s.nextID
	i := sort.Search(len(s.cps), func(i int) bool {
		x := s.cps[i]
		return x.event > c.event || x.event == c.event && c.start
	})
	if after != nil {
		for j, x := range s.cps {
			if x == after {
				i = j + 1
			}
		}
	}
	s.cps = append(s.cps, nil)
	copy(s.cps[i+1:], s.cps[i:])
	s.cps[i] = c
	return c
}

func (s *Session) index(c *checkpoint) int {
	for i, x := range s.cps {
		if x == c {
			return i
		}
	}
	return -1
}

// remove drops a checkpoint.
func (s *Session) remove(c *checkpoint) {
	if i := s.index(c); i >= 0 {
		s.cps = append(s.cps[:i], s.cps[i+1:]...)
		for _, x := range s.cps {
			if x.relTo == c {
				x.relTo = nil
			}
		}
		c.r.Kill()
	}
}

// floor returns the latest checkpoint at or before the start of slice event.
func (s *Session) floor(event int64) *checkpoint {
	var best *checkpoint
	for _, c := range s.cps {
		if c.event < event || c.event == event && c.start {
			best = c
		}
	}
	return best
}

// sliceStart returns a checkpoint at the start of slice event, making one if
// need be.
func (s *Session) sliceStart(ctx context.Context, event int64) (*checkpoint, error) {
	if err := s.bring(event, nil); err != nil {
		return nil, err
	}
	c := s.floor(event)
	if c == nil {
		return nil, fmt.Errorf("no checkpoint before event %d", event)
	}
	if c.event == event {
		return c, nil
	}
	r, err := c.r.Fork()
	if err != nil {
		return nil, err
	}
	if err := r.Advance(ctx, event+1); err != nil {
		r.Kill()
		return nil, err
	}
	n := s.add(&checkpoint{r: r, event: event, start: true, time: s.eventTime(event)}, nil)
	s.trim(n)
	return n, nil
}

// baseOf returns the checkpoint from which p.at counts.
func (s *Session) baseOf(ctx context.Context, p *place) (*checkpoint, error) {
	if p.base == nil {
		c, err := s.sliceStart(ctx, p.event)
		if err != nil {
			return nil, err
		}
		p.base = c
	}
	return p.base, nil
}

// locate finds out p's coordinate.
func (s *Session) locate(ctx context.Context, p *place) error {
	if p.known {
		return nil
	}
	b, err := s.baseOf(ctx, p)
	if err != nil {
		return err
	}
	at, err := s.loc.Find(ctx, b.r, p.r.Copy)
	if err != nil {
		return err
	}
	p.at, p.known = at, true
	return nil
}

// coordOf returns c's coordinate since checkpoint from, which is of the same
// slice and not later.
func (s *Session) coordOf(ctx context.Context, from, c *checkpoint) (locate.Coord, error) {
	if from == c {
		return locate.Coord{}, nil
	}
	if c.relTo == from {
		return c.rel, nil
	}
	at, err := s.loc.Find(ctx, from.r, c.r.Copy)
	if err == nil {
		c.relTo, c.rel = from, at
	}
	return at, err
}

// keep makes a frozen process of the present and returns it as p.r of a copy of
// here: the present can then move away.
func (s *Session) keep() (place, error) {
	p := s.here
	if p.frontier {
		p.frontier = false
		c, err := s.keepFrontier("")
		if err != nil {
			return p, err
		}
		p.base, p.at, p.known = c, locate.Coord{}, true
		if p.r, err = c.r.Fork(); err != nil {
			return p, err
		}
		return p, nil
	}
	from, err := s.proc()
	if err != nil {
		return p, err
	}
	p.r, err = from.Fork()
	p.win = nil
	return p, err
}

// keepFrontier makes a checkpoint of the frontier, or returns the one that was
// made there last.
func (s *Session) keepFrontier(name string) (*checkpoint, error) {
	event, start := s.log.Len()-1, s.rec.Boundary()
	if n := len(s.cps); n > 0 && s.pacing.fresh && s.cps[n-1].event == event {
		return s.cps[n-1], nil
	}
	copy, err := s.freeze()
	if err != nil {
		return nil, err
	}
	s.pacing.took(s)
	return s.add(&checkpoint{name: name, r: replay.New(copy, s.env, event+1), event: event, start: start,
		time: s.rec.Elapsed()}, nil), nil
}

// freeze returns a copy of the frontier without our breakpoints.
func (s *Session) freeze() (c *tracee.Copy, err error) {
	if s.inserted {
		if err := s.lift(); err != nil {
			return nil, err
		}
		defer func() {
			if ierr := s.insert(); ierr != nil && err == nil {
				c.Kill()
				c, err = nil, ierr
			}
		}()
	}
	return s.rec.Freeze()
}

// restore returns a copy of the state after Exec event i.
func (s *Session) restore(i int64) (*tracee.Copy, error) {
	c := s.execs[i]
	if c == nil {
		return nil, fmt.Errorf("no checkpoint after the execve at event %d", i)
	}
	return c.r.Copy.Fork()
}

// stateBefore returns the state just before event i, one that replay.Breaks.
func (s *Session) stateBefore(i int64) (*tracee.Copy, error) {
	c := s.breaks[i]
	if c == nil {
		return nil, fmt.Errorf("no checkpoint before the event")
	}
	return c.r.Copy, nil
}

// beforeBreak keeps the state before an event that only a checkpoint can cross.
func (s *Session) beforeBreak() error {
	s.pacing.fresh = false
	c, err := s.keepFrontier("")
	if err == nil {
		s.keepForSaving(c) // it stays: where its slice ends is known by it alone
		s.breaks[s.log.Len()] = c
	}
	return err
}

// afterExec keeps the state after an event that cannot be replayed.
func (s *Session) afterExec() error {
	copy, err := s.freeze()
	if err != nil {
		return err
	}
	event := s.log.Len() - 1
	r := replay.New(copy, s.env, event+1)
	s.execs[event] = &checkpoint{r: r, event: event, start: true}
	f, err := r.Fork()
	if err != nil {
		return err
	}
	s.keepForSaving(s.add(&checkpoint{r: f, event: event, start: true, time: s.rec.Elapsed()}, nil))
	s.pacing.fresh = false
	return nil
}

func (s *Session) eventTime(i int64) time.Duration {
	if e, err := s.log.At(i); err == nil {
		return time.Duration(e.Time)
	}
	return 0
}
