package delve

import (
	"errors"
	"strconv"

	"github.com/go-delve/delve/pkg/proc"
)

// Delve's notion of a recording: a process with a direction. Positions and
// checkpoints are the debugger's own commands here; what Delve asks about them is
// answered as far as it needs.

// errOurs says that a thing is done by a command of the debugger.
var errOurs = errors.New("positions and checkpoints are commands of yore: when, goto, checkpoint, restart")

// Recorded is part of proc.RecordingManipulation. With it Delve does not try
// what only a live process allows.
func (p *process) Recorded() (bool, string) { return true, "" }

// ChangeDirection is part of proc.RecordingManipulation.
func (p *process) ChangeDirection(d proc.Direction) error {
	if p.dir != d && p.bps.HasSteppingBreakpoints() {
		return errors.New("a step is under way in the other direction")
	}
	p.dir = d
	return nil
}

// GetDirection is part of proc.RecordingManipulation.
func (p *process) GetDirection() proc.Direction { return p.dir }

// When is part of proc.RecordingManipulation.
func (p *process) When() (string, error) { return strconv.FormatInt(p.prog.Event(), 10), nil }

// Checkpoint is part of proc.RecordingManipulation.
func (p *process) Checkpoint(string) (int, error) { return 0, errOurs }

// Checkpoints is part of proc.RecordingManipulation.
func (p *process) Checkpoints() ([]proc.Checkpoint, error) { return nil, errOurs }

// ClearCheckpoint is part of proc.RecordingManipulation.
func (p *process) ClearCheckpoint(int) error { return errOurs }

// Restart is part of proc.RecordingManipulationInternal.
func (p *process) Restart(*proc.ContinueOnceContext, string) (proc.Thread, error) {
	return nil, errOurs
}
