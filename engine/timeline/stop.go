package timeline

// Direction is the direction of a motion in time.
type Direction uint8

const (
	Forward Direction = iota
	Backward
)

// Reason says why a motion ended.
type Reason uint8

const (
	// Step: the instruction or range step completed.
	Step Reason = iota
	// Breakpoint: Thread is about to execute the breakpoint at Addr.
	Breakpoint
	// Watchpoint: the watched range at Addr was accessed. Forwards the stop is
	// after the access, backwards before it.
	Watchpoint
	// Signal: Signal is about to be delivered to Thread.
	Signal
	// Interrupted: the caller cancelled the motion.
	Interrupted
	// HistoryBegin and HistoryEnd: the edges of recorded history. At the end
	// of a finished program Stop.Ended tells how it finished.
	HistoryBegin
	HistoryEnd
	// Arrived: a seek reached its target.
	Arrived
)

func (r Reason) String() string {
	return [...]string{"step", "breakpoint", "watchpoint", "signal", "interrupted",
		"begin of history", "end of history", "arrived"}[r]
}

// WatchKind is the kind of access a watchpoint looks for.
type WatchKind uint8

const (
	WatchWrite WatchKind = iota
	WatchRead
	WatchAccess
)

// Ending says how the program ended.
type Ending struct {
	Signaled bool
	Code     int // exit status, or the signal's number
}

// Stop is where and why a motion ended.
type Stop struct {
	Reason Reason
	Thread int // recorded thread id of the thread that stopped
	Signal int // for Signal
	Addr   uint64
	Watch  WatchKind
	Ended  *Ending // for HistoryEnd, when the program has ended
}
