package engine

import "time"

// Checkpoints are taken while the program runs, at a spacing that adapts: they
// may cost a few per cent of the run time, and when there are too many every
// second one goes and the spacing doubles.

const (
	minSpacing     = 100 * time.Millisecond
	maxCheckpoints = 64
	costShare      = 30 // a checkpoint may cost 1/30 of the time to the next
)

type pacing struct {
	spacing time.Duration
	last    time.Time
	fresh   bool // the newest checkpoint is of the present state of the frontier
}

func (p *pacing) took(s *Session) {
	now := time.Now()
	p.last, p.fresh = now, true
}

// due takes a checkpoint of the running frontier when it is time to.
func (s *Session) due() error {
	p := &s.pacing
	p.fresh = false
	if p.spacing == 0 {
		p.spacing = max(minSpacing, s.opts.CheckpointEvery)
	}
	if time.Since(p.last) < p.spacing {
		return nil
	}
	t0 := time.Now()
	_, err := s.keepFrontier("")
	p.spacing = max(p.spacing, time.Since(t0)*costShare)
	p.fresh = false
	s.thin()
	return err
}

func (s *Session) atBoundary() error { return s.due() }
func (s *Session) onTick() error     { return s.due() }

// thin drops every second automatic checkpoint of the older half when there are
// too many.
func (s *Session) thin() {
	if len(s.cps) <= maxCheckpoints {
		return
	}
	var drop []*checkpoint
	for i := 1; i < len(s.cps)-8; i++ {
		c := s.cps[i]
		if i%2 == 1 && !c.asked && c.users == 0 && c != s.here.base {
			drop = append(drop, c)
		}
	}
	for _, c := range drop {
		s.remove(c)
	}
	s.pacing.spacing *= 2
}

// trim bounds the number of checkpoints after n was added in the past.
func (s *Session) trim(n *checkpoint) {
	if len(s.cps) <= 2*maxCheckpoints {
		return
	}
	for _, c := range s.cps[1:] {
		if c != n && !c.asked && c.users == 0 && c != s.here.base && c.id < n.id-8 {
			s.remove(c)
			return
		}
	}
}
