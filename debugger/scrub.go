package debugger

import (
	"context"
	"errors"
	"sort"
	"time"

	"yore/engine/timeline"
)

// Scrubbing: going along history by time, as a hand on a tape does. What is
// passed is not part of the history of motions; where the hand comes to rest is,
// once Settle is called.
//
// Points between two events have no time of their own. They are made by
// splitting the interval around the time wanted until its ends are near enough,
// and kept: the next scrub over the same part finds them. A point halfway by
// execution is taken to be halfway by time.

// waypoint is a point of history inside a slice, or at its start.
type waypoint struct {
	time  time.Duration
	event int64
	mark  Mark // nil: the start of the event's slice
}

// maxWaypoints bounds how many points are kept: each may hold a process.
const maxWaypoints = 160

// track is what scrubbing remembers.
type track struct {
	inside  map[int64][]waypoint // by event: the slice's start, points inside it, its end
	made    []Mark               // what inside holds, oldest first
	pending bool                 // the present is not in the history of motions yet
}

// Scrub moves the program to about time t, to a point at most off away from it
// where there is one. It tells where the program is then. Cancelling ctx leaves
// the program where it was.
func (d *Debugger) Scrub(ctx context.Context, t, off time.Duration) (at time.Duration, err error) {
	err = d.slide(ctx, func(ctx context.Context) (timeline.Stop, error) {
		w, err := d.near(ctx, t, off)
		if err != nil {
			return timeline.Stop{}, err
		}
		at = w.time
		return d.seekWaypoint(ctx, w)
	})
	if err == nil {
		d.guess = guess{d.tl.Event(), at, true}
	}
	return at, err
}

// ScrubEvent moves the program to just after an event.
func (d *Debugger) ScrubEvent(ctx context.Context, event int64) error {
	event = max(0, min(event, d.tl.Events()))
	return d.slide(ctx, d.toPosition(timeline.Position{Event: event}))
}

// ScrubEnd moves the program to the end of history.
func (d *Debugger) ScrubEnd(ctx context.Context) error { return d.slide(ctx, d.toEnd()) }

// seekWaypoint moves the present to a point. It is called while the backend waits.
func (d *Debugger) seekWaypoint(ctx context.Context, w waypoint) (timeline.Stop, error) {
	if w.mark != nil {
		return d.tl.SeekMark(ctx, w.mark)
	}
	return d.tl.SeekPosition(ctx, timeline.Position{Event: w.event})
}

var errInCall = errors.New("the program is inside a function that an expression called; finish it first")

// cancellable calls f with a context that ends when either of two does.
func cancellable(asked, served context.Context, f seek) (timeline.Stop, error) {
	both, cancel := context.WithCancel(served)
	defer cancel()
	defer context.AfterFunc(asked, cancel)()
	if err := asked.Err(); err != nil {
		return timeline.Stop{}, err
	}
	return f(both)
}

// slide moves the program without a word. Only the motion is cancelled by ctx:
// the backend, which waits for it, is not bothered.
func (d *Debugger) slide(ctx context.Context, s seek) error {
	if d.inCall {
		return errInCall
	}
	d.tl.EndDiversion()
	d.edited = false
	out, err := d.arrive(context.WithoutCancel(ctx), func(served context.Context) (timeline.Stop, error) {
		return cancellable(ctx, served, s)
	})
	if err == nil {
		d.moved(out)
		d.track.pending = true
	} else if errors.Is(err, context.Canceled) {
		err = ErrInterrupted
	}
	return err
}

// Settle makes the point that scrubbing came to rest at a stop, which undo
// leaves and returns to. It does nothing when nothing was scrubbed.
func (d *Debugger) Settle(ctx context.Context) error {
	if !d.track.pending {
		return nil
	}
	d.track.pending = false
	where, _ := d.back.Where(ctx) // a stop without a place is as good
	return d.visit(ctx, "scrub", Place{Location: where})
}

// near finds a point near a time. It is called while the backend waits.
func (d *Debugger) near(ctx context.Context, t, off time.Duration) (waypoint, error) {
	last := d.tl.Events()
	e := d.tl.EventAtTime(t)
	start := waypoint{time: d.tl.EventTime(e), event: e}
	if t-start.time <= off {
		return start, nil
	}
	end := waypoint{event: e + 1}
	if e < last {
		end.time = d.tl.EventTime(e + 1)
		if end.time-t <= off && end.time-t < t-start.time {
			return end, nil
		}
	}
	split, ok := d.tl.(Splitter)
	if !ok {
		return nearer(start, end, t, e < last), nil
	}
	list := d.track.inside[e]
	if len(list) > maxWaypoints {
		d.dropSlice(e, list)
		list = nil
	}
	if list == nil {
		var err error
		if list, err = d.ends(ctx, start, end, e < last); err != nil || len(list) == 0 {
			return nearer(start, end, t, e < last), err
		}
	}
	for {
		i := sort.Search(len(list), func(i int) bool { return list[i].time > t })
		i = max(1, min(i, len(list)-1))
		a, b := list[i-1], list[i]
		if min(t-a.time, b.time-t) <= off || b.time-a.time <= off {
			return nearer(a, b, t, true), nil
		}
		m, ok, err := split.Between(ctx, a.mark, b.mark)
		if err != nil {
			return waypoint{}, err
		}
		if !ok {
			return nearer(a, b, t, true), nil
		}
		w := waypoint{time: (a.time + b.time) / 2, event: e, mark: m}
		list = append(list[:i:i], append([]waypoint{w}, list[i:]...)...)
		d.keepWaypoint(e, list, m)
	}
}

// ends returns the slice's two ends as marks, none when it has no end to find
// points before.
func (d *Debugger) ends(ctx context.Context, start, end waypoint, closed bool) ([]waypoint, error) {
	home, err := d.tl.Mark(ctx)
	if err != nil {
		return nil, err
	}
	defer home.Release()
	at := func(w *waypoint) error {
		if _, err := d.tl.SeekPosition(ctx, timeline.Position{Event: w.event}); err != nil {
			return err
		}
		w.mark, err = d.tl.Mark(ctx)
		return err
	}
	back := func(err error) ([]waypoint, error) {
		for _, w := range []waypoint{start, end} {
			if w.mark != nil {
				w.mark.Release()
			}
		}
		if _, e := d.tl.SeekMark(context.WithoutCancel(ctx), home); err == nil {
			err = e
		}
		return nil, err
	}
	if err := at(&start); err != nil {
		return back(err)
	}
	switch {
	case closed:
		if err := at(&end); err != nil {
			return back(err)
		}
	case d.newest == nil || d.newestEvent != start.event || d.newestTime <= start.time:
		return back(nil)
	default:
		if _, err := d.tl.SeekMark(ctx, d.newest); err != nil {
			return back(err)
		}
		if end.mark, err = d.tl.Mark(ctx); err != nil {
			return back(err)
		}
		end.time = d.newestTime
	}
	list := []waypoint{start, end}
	d.keepWaypoint(start.event, list, start.mark, end.mark)
	return list, nil
}

// keepWaypoint remembers the points of a slice, of which some are new, and
// forgets slices that were looked at long ago.
func (d *Debugger) keepWaypoint(event int64, list []waypoint, made ...Mark) {
	if d.track.inside == nil {
		d.track.inside = map[int64][]waypoint{}
	}
	d.track.inside[event] = list
	d.track.made = append(d.track.made, made...)
	if len(d.track.made) > maxWaypoints {
		for e, old := range d.track.inside {
			if e != event {
				d.dropSlice(e, old)
			}
		}
	}
}

// dropSlice releases the points of a slice.
func (d *Debugger) dropSlice(event int64, list []waypoint) {
	gone := map[Mark]bool{}
	for _, w := range list {
		gone[w.mark] = true
		w.mark.Release()
	}
	delete(d.track.inside, event)
	kept := d.track.made[:0]
	for _, m := range d.track.made {
		if !gone[m] {
			kept = append(kept, m)
		}
	}
	d.track.made = kept
}

// nearer returns the point of two that is nearer to t, the first when the second
// does not exist.
func nearer(a, b waypoint, t time.Duration, both bool) waypoint {
	if both && b.time-t < t-a.time {
		return b
	}
	return a
}
