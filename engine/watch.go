package engine

import (
	"context"
	"errors"
	"math"
	"time"

	"yore/engine/gdbserver"
	"yore/engine/internal/locate"
	"yore/engine/internal/record"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// debugWords cuts watched ranges into aligned words for the debug registers.
func debugWords(ws []gdbserver.Watchpoint) []record.DebugWord {
	var out []record.DebugWord
	for _, w := range ws {
		for lo, hi := w.Addr, w.Addr+uint64(w.Len); lo < hi; {
			n := uint64(8)
			for lo%n != 0 || lo+n > hi {
				n /= 2
			}
			out = append(out, record.DebugWord{Addr: lo, Len: int(n), Reads: w.Kind != timeline.WatchWrite})
			lo += n
		}
	}
	return out
}

// watchValues reads all watched ranges.
func (s *Session) watchValues(sp *tracee.Space) [][]byte {
	var out [][]byte
	for _, w := range s.watches {
		out = append(out, value(sp, w))
	}
	return out
}

// changedWatch returns the first watchpoint whose value differs from before,
// or one that looks for reads.
func (s *Session) changedWatch(sp *tracee.Space, before [][]byte) *gdbserver.Watchpoint {
	for i := range s.watches {
		w := &s.watches[i]
		if i < len(before) && !sameValue(before[i], value(sp, *w)) {
			return w
		}
	}
	return nil
}

// afterEvent has the frontier stop when the kernel wrote into watched memory,
// which debug registers do not see.
func (s *Session) afterEvent(e *trace.Event) bool {
	for _, w := range s.watches {
		for _, m := range e.Writes {
			if m.Addr < w.Addr+uint64(w.Len) && w.Addr < m.Addr+uint64(len(m.Data)) {
				return true
			}
		}
	}
	return false
}

// watchWords are the watched words as replay wants them.
func (s *Session) watchWords() []locate.Watch {
	var out []locate.Watch
	for _, w := range debugWords(s.watches) {
		out = append(out, locate.Watch{Addr: w.Addr, Len: w.Len, Reads: w.Reads})
	}
	return out
}

// watchOf returns the watchpoint that the word at addr belongs to.
func (s *Session) watchOf(addr uint64) gdbserver.Watchpoint {
	for _, w := range s.watches {
		if addr >= w.Addr && addr < w.Addr+uint64(w.Len) {
			return w
		}
	}
	return gdbserver.Watchpoint{Addr: addr}
}

// manyHits is the number of debug register hits (some 25 µs each) after which
// an interval is rather split.
const manyHits = 2000

// lastChange returns a runner right after the last change of watched memory
// between a and end, nil when there is none. An interval with many hits is
// halved: what changed last lies in its later half, or else in the earlier. span
// is about how long the interval takes, 0 when that is not known.
func (s *Session) lastChange(ctx context.Context, a *Mark, end locate.End, span time.Duration) (*replay.Runner, locate.Changes, error) {
	words := s.watchWords()
	run := func(stop, most int) (*replay.Runner, locate.Changes, error) {
		r, err := a.runner().Fork()
		if err != nil {
			return nil, locate.Changes{}, err
		}
		c, why, err := s.loc.RunWatched(ctx, r, end, words, stop, most)
		if err == nil && why == locate.Cancelled {
			err = context.Cause(ctx)
		}
		if err != nil {
			r.Kill()
			return nil, c, err
		}
		return r, c, nil
	}
	again := func(n int) (*replay.Runner, locate.Changes, error) {
		if n == 0 {
			return nil, locate.Changes{}, nil
		}
		return run(n, math.MaxInt)
	}
	r, c, err := run(0, manyHits)
	if err == nil {
		r.Kill()
		return again(c.N)
	}
	if !errors.Is(err, locate.ErrMany) {
		return nil, c, err
	}
	b := &Mark{s: s, p: place{event: end.Event, at: end.At, known: true}, span: span}
	if end.Event == a.p.event {
		b.from, b.at = a, end.At
	}
	m, err := s.between(ctx, a, b)
	if err != nil {
		return nil, c, err
	}
	if m == nil { // too close to split
		if r, c, err = run(0, math.MaxInt); err != nil {
			return nil, c, err
		}
		r.Kill()
		return again(c.N)
	}
	defer s.release(m)
	later := end
	if m.from != nil && end.Event == m.p.event && !end.Last {
		if later.At, err = s.since(ctx, m, b); err != nil {
			return nil, c, err
		}
	}
	if r, c, err = s.lastChange(ctx, m, later, b.span); r != nil || err != nil {
		return r, c, err
	}
	return s.lastChange(ctx, a, locate.End{Event: m.p.event, At: m.at}, b.span)
}

// lastWatched is lastHit for watchpoints.
func (s *Session) lastWatched(ctx context.Context, from *checkpoint, end locate.End) (after *replay.Runner, p *place, stop timeline.Stop, err error) {
	a := &Mark{s: s, p: place{event: from.event, base: from, known: true}}
	after, c, err := s.lastChange(ctx, a, end, 0)
	if err != nil || after == nil {
		return nil, nil, stop, err
	}
	w := s.watchOf(s.watchWords()[c.Watch].Addr)
	e := after.Next - 1
	if c.Kernel {
		ev, err := s.log.At(e)
		if err != nil {
			return after, nil, stop, err
		}
		p, err = s.beforeEvent(ctx, e, int(ev.TID))
		if err != nil {
			return after, nil, stop, err
		}
	} else {
		at := place{event: e, thread: after.Active, r: after}
		if from.event == e {
			at.base = from
		}
		if p, err = s.before(ctx, at, after.Active); err != nil {
			return after, nil, stop, err
		}
	}
	if p == nil {
		return after, nil, stop, nil
	}
	return after, p, timeline.Stop{Reason: timeline.Watchpoint, Thread: p.thread, Addr: w.Addr, Watch: w.Kind}, nil
}
