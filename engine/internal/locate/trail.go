package locate

import (
	"slices"
	"time"
)

// A trail is a list of forks that a run leaves behind, so that a second run to a
// point of its past need not begin at the start. They lie dense near the run's
// present and sparser with age: a point of age a is at most about a/2 behind one.
type trail struct {
	due   time.Time // when the next fork is to be taken
	forks []mark    // oldest first
	// note, when set, returns what is to be kept with a fork.
	note func(*rig) any
}

// mark is a fork of a run.
type mark struct {
	g    *rig
	at   time.Time
	note any
}

const (
	// trailMin is the least distance of two forks; trailCost how many times the
	// cost of a fork lies between two.
	trailMin  = 5 * time.Millisecond
	trailCost = 25
	trailMax  = 12
)

func newTrail(note func(*rig) any) *trail {
	return &trail{due: time.Now().Add(trailMin), note: note}
}

// take adds a fork of g, which was interrupted or stands at a stop.
func (t *trail) take(g *rig) error {
	t0 := time.Now()
	f, err := g.fork()
	if err != nil {
		return err
	}
	f.torn = true
	m := mark{g: f, at: t0}
	if t.note != nil {
		m.note = t.note(f)
	}
	t.forks = append(t.forks, m)
	t.thin()
	now := time.Now()
	t.due = now.Add(max(trailMin, trailCost*now.Sub(t0)))
	return nil
}

func (t *trail) thin() {
	now := t.forks[len(t.forks)-1].at
	drop := func(i int) {
		t.forks[i].g.r.Kill()
		t.forks = slices.Delete(t.forks, i, i+1)
	}
	for i := len(t.forks) - 2; i > 0; i-- {
		gap, age := t.forks[i+1].at.Sub(t.forks[i-1].at), now.Sub(t.forks[i+1].at)
		if gap < age/2 {
			drop(i)
		}
	}
	if len(t.forks) > trailMax {
		drop(0)
	}
}

// newest returns the newest fork of which ok holds, nil when there is none.
func (t *trail) newest(ok func(mark) (bool, error)) (*mark, error) {
	for i := len(t.forks) - 1; i >= 0; i-- {
		if yes, err := ok(t.forks[i]); yes || err != nil {
			return &t.forks[i], err
		}
	}
	return nil, nil
}

// latest takes the newest fork of which ok holds off the trail.
func (t *trail) latest(ok func(mark) (bool, error)) (*mark, error) {
	p, err := t.newest(ok)
	if p == nil || err != nil {
		return nil, err
	}
	m := *p
	t.forks = slices.DeleteFunc(t.forks, func(x mark) bool { return x.g == m.g })
	return &m, nil
}

func (t *trail) kill() {
	for _, m := range t.forks {
		m.g.r.Kill()
	}
	t.forks = nil
}
