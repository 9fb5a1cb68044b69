package replay

import "fmt"

// Divergence says that replay did something other than what was recorded.
type Divergence struct {
	Event  int64  // the event that was to come
	Thread int    // recorded thread id
	PC     uint64 // where the thread was
	What   string // what differs
	Want   string // recorded
	Got    string // replayed
}

func (d *Divergence) Error() string {
	return fmt.Sprintf("replay diverged at event %d, thread %d, pc %#x: %s: recorded %s, got %s",
		d.Event, d.Thread, d.PC, d.What, d.Want, d.Got)
}

func (r *Runner) diverged(what, want, got string) error {
	return &Divergence{Event: r.Next, Thread: r.Active, PC: r.Regs().Rip, What: what, Want: want, Got: got}
}
