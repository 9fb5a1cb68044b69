package engine

import (
	"fmt"

	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
)

// poke makes a diversion's writes real, at the frontier.
func (s *Session) poke(d *diversion) error {
	if err := s.beforeBreak(); err != nil {
		return err
	}
	for tid, r := range d.regs {
		if err := s.rec.SetThreadRegs(tid, r); err != nil {
			return err
		}
	}
	if err := s.rec.Poke(d.writes); err != nil {
		return err
	}
	s.toFrontier() // the writes are an event
	return s.afterExec()
}

// emulate executes a patched instruction in a copy of the program.
func emulate(c *tracee.Copy, code []byte) error {
	if _, err := record.Emulate(c.Task, code); err != nil {
		return fmt.Errorf("diversion: %w", err)
	}
	return c.Err()
}

// sayOutput prints what a called function wrote.
func (s *Session) sayOutput(b []byte) {
	if s.Output != nil {
		s.Output(b)
	}
}
