package record

import "time"

// clock tells how long the program has run. The time in which it waits for its
// debugger does not count: a person who thinks for ten minutes at a prompt does not
// push everything else together at the ends of the timeline.
type clock struct {
	began  time.Time
	ran    time.Duration // until the last stop
	since  time.Time     // zero while stopped
	pauses []pause
}

// pause is a time in which the program stood still, after it had run for at.
type pause struct{ at, length time.Duration }

func (c *clock) start() {
	now := time.Now()
	if p := now.Sub(c.began) - c.ran - c.paused(c.ran); p > 0 {
		if n := len(c.pauses); n > 0 && c.pauses[n-1].at == c.ran {
			c.pauses[n-1].length += p
		} else {
			c.pauses = append(c.pauses, pause{c.ran, p})
		}
	}
	c.since = now
}

func (c *clock) stop() {
	c.ran, c.since = c.now(), time.Time{}
}

func (c *clock) now() time.Duration {
	if c.since.IsZero() {
		return c.ran
	}
	return c.ran + time.Since(c.since)
}

// paused returns the length of all pauses before the program had run for more
// than d.
func (c *clock) paused(d time.Duration) (sum time.Duration) {
	for _, p := range c.pauses {
		if p.at > d {
			break
		}
		sum += p.length
	}
	return sum
}

// Elapsed returns how long the program has run: the clock of its events.
func (r *Recorder) Elapsed() time.Duration { return r.clock.now() }

// Wall returns when the program had run for d.
func (r *Recorder) Wall(d time.Duration) time.Time { return r.clock.began.Add(d + r.clock.paused(d)) }
