package locate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
)

// Watch is a range of memory whose changes are looked for: 1, 2, 4 or 8 bytes at
// an aligned address, of which there are at most four. With Reads every access
// counts, not only one that changes the value.
type Watch struct {
	Addr  uint64
	Len   int
	Reads bool
}

// Changes is what RunWatched saw.
type Changes struct {
	N int // changes
	// Watch is the index of the last one's watch. Kernel is set when the last
	// came with an event: a system call's output, a signal's frame.
	Watch  int
	Kernel bool
}

// ErrMany means that a run was given up after too many hits.
var ErrMany = errors.New("too many hits")

// RunWatched moves r forwards to end with the words watched, and stops right
// after change number stop, if that is not 0. Debug registers find what the
// program writes; what events write is compared. After most hits, changes or
// not, it gives up with ErrMany: then, and when cancelled, r stands wherever it
// had come to. Whatever the outcome r is left with nothing of ours in its memory.
func (l *Locator) RunWatched(ctx context.Context, r *replay.Runner, end End, words []Watch, stop, most int) (c Changes, why Reason, err error) {
	ch, err := l.watchChase(r, end, words)
	if err != nil {
		return c, 0, fmt.Errorf("watch: %w", err)
	}
	w := watching{chase: ch, words: words}
	w.values = w.read()
	why, err = w.run(ctx, &c, stop, most)
	if serr := errors.Join(ch.g.strip(), setWatches(ch.g.r, nil)); err == nil {
		err = serr
	}
	if err != nil && !errors.Is(err, ErrMany) {
		err = fmt.Errorf("watch: %w", err)
	}
	return c, why, err
}

// watchChase prepares r for a run to end with the words watched.
func (l *Locator) watchChase(r *replay.Runner, end End, words []Watch) (*chase, error) {
	c := &chase{l: l, g: l.newRig(r), asked: map[uint64][]int{}, end: end, leg: leg{slice: r.Next - 1, first: true}}
	c.g.watch, c.g.spare = words, debugRegs-len(words)
	if err := enter(r); err != nil {
		return nil, err
	}
	clean(r)
	if err := c.last(); err != nil {
		return nil, err
	}
	if !c.end.Open && !c.end.Last && !c.end.At.AtBase() {
		p := c.g.point(c.end.At.Addr)
		p.limit = math.MaxUint64
		p.few = c.here() && c.end.At.Count < fewHits && c.g.spare > 0
	}
	return c, c.g.arm()
}

// untilFired runs until a watch fires, whose index it returns, or to the end.
func (c *chase) untilFired(ctx context.Context) (hit int, why Reason, err error) {
	for {
		p, st, err := c.run(ctx)
		switch {
		case err != nil:
			return -1, 0, err
		case ctx.Err() != nil || st == replay.Interrupted:
			return -1, Cancelled, nil
		case c.g.fired > 0:
			hit = c.g.fired - 1
			c.g.fired = 0
			return hit, AtHit, nil
		case p != nil:
			if n, err := c.g.count(p); err != nil || p == c.stop && n == p.limit {
				return -1, AtEndPoint, err
			}
			continue
		case st == replay.AtEnd:
			return -1, AtLogEnd, nil
		case c.end.Last && !c.end.Open && c.here():
			return -1, AtEndPoint, nil
		case c.stop != nil:
			return -1, 0, ErrNotFound
		}
		if err := c.apply(); err != nil {
			return -1, 0, err
		}
		if err := setWatches(c.g.r, c.g.watch); err != nil { // an Exec brings another task
			return -1, 0, err
		}
		c.leg.slice, c.leg.first = c.g.applied, false
		if done, err := c.begin(ctx); err != nil || done {
			return -1, AtEndPoint, err
		}
		c.progress()
	}
}

type watching struct {
	*chase
	words  []Watch
	values [][]byte
}

func (w *watching) read() [][]byte {
	out := make([][]byte, len(w.words))
	for i, x := range w.words {
		b := make([]byte, x.Len)
		out[i] = b[:w.g.r.Space.Read(x.Addr, b)]
	}
	return out
}

// changed notes which value has changed; -1 is none. hit is the watch whose
// register fired, -1 for none.
func (w *watching) changed(hit int) int {
	now := w.read()
	at := -1
	for i := range now {
		if !bytes.Equal(now[i], w.values[i]) {
			at = i
		}
	}
	w.values = now
	if at < 0 && hit >= 0 && w.words[hit].Reads {
		at = hit
	}
	return at
}

func (w *watching) run(ctx context.Context, c *Changes, stop, most int) (Reason, error) {
	done, err := w.begin(ctx)
	if done || err != nil {
		return AtEndPoint, err
	}
	for hits := 0; ; {
		p, st, err := w.chase.run(ctx)
		switch {
		case err != nil:
			return 0, err
		case ctx.Err() != nil || st == replay.Interrupted:
			return Cancelled, nil
		case w.g.fired > 0:
			hit := w.g.fired - 1
			w.g.fired = 0
			if hits++; hits > most {
				return 0, ErrMany
			}
			if at := w.changed(hit); at >= 0 {
				c.N, c.Watch, c.Kernel = c.N+1, at, false
				if c.N == stop {
					return AtHit, nil
				}
			}
			continue
		case p != nil:
			if n, err := w.g.count(p); err != nil || p == w.stop && n == p.limit {
				return AtEndPoint, err
			}
			continue
		case st == replay.AtEnd:
			return AtLogEnd, nil
		case w.end.Last && !w.end.Open && w.here():
			return AtEndPoint, nil
		case w.stop != nil:
			return 0, ErrNotFound
		}
		if err := w.g.apply(); err != nil {
			return 0, err
		}
		if err := setWatches(w.g.r, w.words); err != nil { // an Exec brings another task
			return 0, err
		}
		w.leg.slice, w.leg.first = w.g.applied, false
		if at := w.changed(-1); at >= 0 {
			c.N, c.Watch, c.Kernel = c.N+1, at, true
			if c.N == stop {
				return AtHit, nil
			}
		}
		done, err := w.begin(ctx)
		if err != nil || done {
			return AtEndPoint, err
		}
		w.progress()
	}
}

// setWatches loads the debug registers from the last one down, and disarms
// those that are left over of the words' share.
func setWatches(r *replay.Runner, words []Watch) error {
	if words == nil {
		for n := range debugRegs {
			if err := setDebug(r, n, 0, 0, 0); err != nil {
				return err
			}
		}
		return nil
	}
	const writes, accesses = 1, 3
	for i, x := range words {
		kind := uint64(writes)
		if x.Reads {
			kind = accesses
		}
		if err := setDebug(r, debugRegs-1-i, x.Addr, kind, uint64(x.Len)); err != nil {
			return err
		}
	}
	return nil
}

// watched reports, at a trap, the watch whose register has fired (its index + 1)
// and clears the register's flag; 0 is none.
func (g *rig) watched() (int, error) {
	if len(g.watch) == 0 {
		return 0, nil
	}
	v, err := ptrace.DebugReg(g.r.TID, 6)
	if err != nil {
		return 0, err
	}
	for i := range g.watch {
		if v>>(debugRegs-1-i)&1 != 0 {
			return i + 1, ptrace.SetDebugReg(g.r.TID, 6, 0)
		}
	}
	return 0, nil
}
