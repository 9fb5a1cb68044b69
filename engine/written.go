package engine

import (
	"context"
	"errors"
	"fmt"

	"yore/engine/internal/locate"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// The latest change of a set of memory that may be larger than what the debug
// registers hold. Intervals between checkpoints are searched, newest first:
//
//  1. Words on pages that differ nowhere between the two ends of an interval were
//     not written in it. Most words of most intervals go this way.
//  2. The rest is searched four words at a time. What has been found bounds the
//     search for the others: they matter only where they change later.

// Write is a change of memory. Its marks are the caller's to release.
type Write struct {
	// Before stands just before the instruction that made the change; of a change
	// that an event made, just before the event. It is nil when the program had
	// no earlier point.
	Before *Mark
	// After stands just behind it.
	After  *Mark
	Kernel bool // an event made it: a system call's output, a signal's frame
	// Searches is how often an interval was searched for a few words.
	Searches int
}

// Release gives up the marks of a Write.
func (w *Write) Release() {
	for _, m := range []*Mark{w.Before, w.After} {
		if m != nil {
			m.Release()
		}
	}
}

// maxWatched is how many words may have to be watched in one interval.
const maxWatched = 64

// ErrTooManyWords says that more memory would have to be watched than is done.
var ErrTooManyWords = errors.New("it reads too many words that are written again and again")

// LastWrite returns the latest change of what reads holds strictly before a
// mark, and not before the start of slice floor; nil when there is none.
func (s *Session) LastWrite(ctx context.Context, reads *Reads, before *Mark, floor int64) (w *Write, err error) {
	err = s.do(ctx, func() error {
		w, err = s.lastWrite(ctx, reads.pieces(), before, floor)
		return err
	})
	return w, err
}

func (s *Session) lastWrite(ctx context.Context, words []locate.Watch, before *Mark, floor int64) (*Write, error) {
	to := before.p
	at := before.runner()
	if to.r == nil {
		to.r = at
	}
	if _, err := s.baseOf(ctx, &to); err != nil {
		return nil, err
	}
	if err := s.locate(ctx, &to); err != nil {
		return nil, err
	}
	total, searches := max(to.event, 1), 0
	for from := to.base; ; {
		if !(from == to.base && to.at.AtBase()) {
			from.users++
			w, n, err := s.lastWriteIn(ctx, words, from, at, locate.End{Event: to.event, At: to.at})
			from.users--
			searches += n
			if w != nil {
				w.Searches = searches
			}
			if w != nil || err != nil {
				return w, err
			}
		}
		s.note("searching backwards", 1-float64(from.event)/float64(total))
		if from.event < floor || from.event == floor && from.start {
			return nil, nil
		}
		if err := s.bring(0, from); err != nil {
			return nil, err
		}
		i := s.index(from)
		if i <= 0 {
			return nil, nil
		}
		prev := s.cps[i-1]
		at = from.r
		to = place{event: from.event, base: from, known: true}
		if !from.start {
			if prev.event != from.event {
				c, err := s.sliceStart(ctx, from.event)
				if err != nil {
					return nil, err
				}
				prev = c
			}
			c, err := s.coordOf(ctx, prev, from)
			if err != nil {
				return nil, err
			}
			to.base, to.at = prev, c
		}
		from = prev
	}
}

// lastWriteIn searches the interval from a checkpoint to end, where at stands. It
// also returns the number of its searches.
func (s *Session) lastWriteIn(ctx context.Context, words []locate.Watch, from *checkpoint, at *replay.Runner, end locate.End) (w *Write, n int, err error) {
	dirty, err := tracee.Differing(from.r.Space, from.r.Lineage, at.Space, at.Lineage)
	if err != nil {
		return nil, n, err
	}
	var left []locate.Watch
	for _, x := range words {
		if dirty.Has(x.Addr) {
			left = append(left, x)
		}
	}
	if len(left) > maxWatched {
		return nil, n, ErrTooManyWords
	}
	var best *locate.Change
	start := from.r
	const registers = 4
	for len(left) > 0 {
		few := min(registers, len(left))
		n++
		c, err := s.loc.LastChange(ctx, start, end, left[:few])
		left = left[few:]
		if err != nil {
			best.Kill()
			return nil, n, err
		}
		if c == nil {
			continue
		}
		if c.Relative && start != from.r {
			c.Known = false
		}
		best.Kill()
		best, start = c, c.After
		if len(left) > 0 && start.Next-1 == end.Event {
			if end.At, err = s.loc.Find(ctx, start, at.Copy); err != nil {
				best.Kill()
				return nil, n, fmt.Errorf("last change: %w", err)
			}
			if end.At.AtBase() {
				break
			}
		}
	}
	if best == nil {
		return nil, n, nil
	}
	w, err = s.write(ctx, from, best)
	return w, n, err
}

// write makes marks of a change, whose runners it takes.
func (s *Session) write(ctx context.Context, from *checkpoint, c *locate.Change) (*Write, error) {
	w := &Write{Kernel: c.Kernel}
	after := place{event: c.After.Next - 1, thread: c.After.Active, known: c.Kernel, r: c.After}
	if after.event == from.event {
		after.base = from
	}
	var before *place
	var err error
	switch {
	case c.Kernel:
		var thread int
		if thread, err = s.eventThread(c.Event); err == nil {
			before, err = s.beforeEvent(ctx, c.Event, thread)
		}
	case c.Before != nil:
		before = &place{event: c.Before.Next - 1, thread: c.Before.Active, at: c.At, known: c.Known, r: c.Before}
		if before.event == from.event && (c.Relative || !c.Known) {
			before.base = from
		}
	default:
		before, err = s.before(ctx, after, after.thread)
	}
	if err != nil {
		c.Kill()
		return nil, err
	}
	w.After = s.markAt(after)
	if before != nil {
		if before.r == nil {
			if before.r, err = before.win.Materialise(before.k); err != nil {
				before.win.close()
				return nil, err
			}
		}
		if before.win != nil {
			before.win.close()
			before.win, before.known = nil, false
		}
		w.Before = s.markAt(*before)
	}
	return w, nil
}

// markAt makes a mark of a place, whose process it takes.
func (s *Session) markAt(p place) *Mark {
	if p.base != nil {
		p.base.users++
	}
	return &Mark{s: s, p: p}
}

// eventThread is the thread that an event belongs to.
func (s *Session) eventThread(i int64) (int, error) {
	e, err := s.log.At(i)
	if err != nil {
		return 0, err
	}
	return int(e.TID), nil
}
