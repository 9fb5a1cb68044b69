package engine

import (
	"fmt"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
)

// present returns the frontier's place with a checkpoint.
func (s *Session) present() (place, error) {
	p := s.here
	p.frontier = false
	c, err := s.keepFrontier("")
	if err != nil {
		return p, err
	}
	p.base, p.known = c, true
	return p, nil
}

// poke makes a diversion's writes real, at the frontier.
func (s *Session) poke(before place, d *diversion) error {
	for tid, r := range d.regs {
		if err := s.rec.SetThreadRegs(tid, r); err != nil {
			return err
		}
	}
	if err := s.rec.Poke(d.writes); err != nil {
		return err
	}
	s.pacing.fresh = false
	return s.afterExec() // cannot be replayed into, either
}

// emulate executes a patched instruction in a copy of the program.
func emulate(c *tracee.Copy, code []byte) error {
	x := *c.Regs()
	if err := record.Emulate(code, &x); err != nil {
		return fmt.Errorf("diversion: %w", err)
	}
	c.SetRegs(x)
	return c.Err()
}

// sayOutput prints what a called function wrote.
func (s *Session) sayOutput(b []byte) {
	if s.Output != nil {
		s.Output(b)
	}
}

var _ ptrace.Regs
