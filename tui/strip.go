package tui

import (
	"bytes"
	"sort"
	"time"

	"yore/debugger"
)

// strip is what is known of history, for drawing. It grows at its end only.
type strip struct {
	next    int64 // the first event that is not in it
	total   time.Duration
	times   []time.Duration // of events, while there are few
	runs    []run           // who ran when, in order
	lanes   []lane          // in order of appearance
	signals []point
	output  []chunk
	kept    int // bytes of output

	lost bool // there was more than is kept
}

// run is a stretch of time in which one thread ran.
type run struct {
	thread   int
	from, to time.Duration
}

// lane is a thread's life.
type lane struct {
	thread   int
	from, to time.Duration
	ended    bool
}

// point is something at one event.
type point struct {
	time   time.Duration
	event  int64
	thread int
	signal int
}

// chunk is output.
type chunk struct {
	time  time.Duration
	event int64
	text  []byte
}

const (
	maxTimes  = 1 << 20
	maxRuns   = 1 << 18
	maxPoints = 1 << 16
	maxOutput = 4 << 20
)

// batch is a piece of a survey.
type batch struct {
	list []debugger.Happening
	more bool // there is more behind it
}

// batchSize is how many events a survey looks at before others get a turn.
const batchSize = 50000

// add takes the next piece of a survey.
func (s *strip) add(b batch) {
	for _, h := range b.list {
		if h.Event < s.next {
			continue
		}
		s.next = h.Event + 1
		from := s.total
		s.total = max(s.total, h.Time)
		if len(s.times) < maxTimes && int64(len(s.times)) == h.Event {
			s.times = append(s.times, h.Time)
		}
		l := s.lane(h.Thread, from)
		l.to = max(l.to, h.Time)
		s.ran(h.Thread, from, h.Time)
		switch h.Kind {
		case debugger.Signalled:
			s.point(point{h.Time, h.Event, h.Thread, h.Signal})
		case debugger.ThreadStart:
			s.lane(h.Child, h.Time)
		case debugger.ThreadEnd:
			l.ended = true
		case debugger.ProgramEnd:
			for i := range s.lanes {
				if !s.lanes[i].ended {
					s.lanes[i].to, s.lanes[i].ended = h.Time, true
				}
			}
			if h.Signal != 0 {
				s.point(point{h.Time, h.Event, h.Thread, h.Signal})
			}
		}
		if len(h.Output) > 0 {
			if s.kept += len(h.Output); s.kept > maxOutput {
				s.lost = true
			} else {
				s.output = append(s.output, chunk{h.Time, h.Event, bytes.Clone(h.Output)})
			}
		}
	}
}

func (s *strip) point(p point) {
	if len(s.signals) >= maxPoints {
		s.lost = true
		return
	}
	s.signals = append(s.signals, p)
}

// lane returns a thread's lane, which begins now if there was none.
func (s *strip) lane(thread int, now time.Duration) *lane {
	for i := range s.lanes {
		if s.lanes[i].thread == thread && !s.lanes[i].ended {
			return &s.lanes[i]
		}
	}
	s.lanes = append(s.lanes, lane{thread: thread, from: now, to: now})
	return &s.lanes[len(s.lanes)-1]
}

// ran adds a stretch. What follows a stretch of the same thread continues it.
func (s *strip) ran(thread int, from, to time.Duration) {
	if n := len(s.runs); n > 0 && s.runs[n-1].thread == thread {
		s.runs[n-1].to = to
		return
	}
	if len(s.runs) >= maxRuns {
		s.lost = true
		s.runs[len(s.runs)-1].to = to
		return
	}
	s.runs = append(s.runs, run{thread, from, to})
}

// active returns which part of each of n equal pieces of [from, to) a thread ran.
func (s *strip) active(thread int, from, to time.Duration, n int) []float64 {
	out := make([]float64, n)
	if to <= from || n == 0 {
		return out
	}
	per := float64(to-from) / float64(n)
	i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].to >= from })
	for ; i < len(s.runs) && s.runs[i].from <= to; i++ {
		r := s.runs[i]
		if r.thread != thread {
			continue
		}
		a, b := max(0, float64(r.from-from)/per), min(float64(n), float64(r.to-from)/per)
		for k := int(a); k < n && float64(k) <= b; k++ {
			part := min(b, float64(k+1)) - max(a, float64(k))
			out[k] += max(part, 0.001) // however short, it was there
		}
	}
	return out
}

// printed returns the program's output up to and including an event, and what
// comes after it.
func (s *strip) printed(event int64) (past, future []chunk) {
	i := sort.Search(len(s.output), func(i int) bool { return s.output[i].event > event })
	return s.output[:i], s.output[i:]
}

// timeOf is the time of an event, ok false when it is not known.
func (s *strip) timeOf(event int64) (time.Duration, bool) {
	if event >= 0 && event < int64(len(s.times)) {
		return s.times[event], true
	}
	return 0, false
}
