package debugger

import (
	"context"
	"time"

	"yore/engine/timeline"
)

// Mark is a handle to a point of history. It is cheap, is valid as long as the
// session, and keeps what it needs alive until it is released.
type Mark interface {
	Release()
}

// Timeline is what the debugger needs of the engine's session. Methods with a
// context may take a while; they leave the session where it was when they fail
// or are cancelled. The others answer at once.
type Timeline interface {
	// Position returns the coordinate of the present.
	Position(ctx context.Context) (timeline.Position, error)
	// Mark returns a handle to the present, MarkPosition its coordinate.
	Mark(ctx context.Context) (Mark, error)
	MarkPosition(ctx context.Context, m Mark) (timeline.Position, error)

	// SeekPosition and SeekMark move the present. When a backend is attached
	// they are called from inside the function given to ArmNext.
	SeekPosition(ctx context.Context, p timeline.Position) (timeline.Stop, error)
	SeekMark(ctx context.Context, m Mark) (timeline.Stop, error)
	// ArmNext has the next resume that the backend sends answered by f instead
	// of by running the program. nil disarms. An error of f reaches the backend
	// as a stop where the program is.
	ArmNext(f func(context.Context) (timeline.Stop, error))

	// Compare orders two positions: negative, zero or positive.
	Compare(ctx context.Context, a, b timeline.Position) (int, error)

	// Events returns the newest event's number, Event the event whose slice
	// the present is in. EventTime is the time of an event since the recording
	// began, EventAtTime the last event not after a time.
	Events() int64
	Event() int64
	EventTime(event int64) time.Duration
	EventAtTime(d time.Duration) int64
	// AtFrontier reports whether the present is the newest point of history.
	AtFrontier() bool
	// Ended says how the program ended, nil when it has not.
	Ended() *timeline.Ending

	// Checkpoints returns those that exist, oldest point of history first:
	// those asked for, and those the engine keeps on its own account.
	Checkpoints() []CheckpointInfo
	AddCheckpoint(ctx context.Context, name string) (CheckpointInfo, error)
	DeleteCheckpoint(id int) error
	// SeekCheckpoint moves the present to a checkpoint.
	SeekCheckpoint(ctx context.Context, id int) (timeline.Stop, error)

	// EndDiversion forgets changes that were made to the past, by calls in
	// expressions or by writes.
	EndDiversion()
	// Progress sets whom to tell how far long work is: what it is, and the part
	// done, from 0 to 1.
	Progress(f func(what string, fraction float64))
}

// CheckpointInfo describes a checkpoint.
type CheckpointInfo struct {
	ID    int
	Name  string
	Auto  bool // kept by the engine, not asked for by a person
	Event int64
	Time  time.Duration // since the recording began
	Bytes int64         // memory it holds for itself, as far as known
	Past  bool          // it lies before the present
}

// Splitter is a Timeline that finds points inside a slice, where events tell
// nothing. A reverse-watch without it ends with the slice, or walks.
type Splitter interface {
	// Between returns a mark strictly between two others, about halfway by
	// execution. ok is false when they are too close for that: some thousand
	// instructions.
	Between(ctx context.Context, a, b Mark) (m Mark, ok bool, err error)
}

// Stepper is a Timeline that goes back by instructions faster than a backend,
// which wants to see each of them.
type Stepper interface {
	// StepBack moves the present n instructions of the present's thread back, or
	// to the start of history. It is called as the Seek methods are.
	StepBack(ctx context.Context, n int) (timeline.Stop, error)
}

// Calendar is a Timeline that knows the wall clock.
type Calendar interface {
	// Clock is what it said when the program had run for d.
	Clock(d time.Duration) time.Time
}

// Witness is a Timeline that knows what memory an evaluation reads, and who wrote
// it last. With it the latest change of a value can be proved (proof.go).
type Witness interface {
	// BeginReads begins, and EndReads ends, a set of the memory that is read.
	BeginReads()
	EndReads() Reads
	// LastWrite returns the latest change of a set strictly before a mark and not
	// before the start of slice floor; nil when there is none. An *UnprovedError
	// says that it cannot be told.
	LastWrite(ctx context.Context, r Reads, before Mark, floor int64) (*Write, error)
}

// Reads is a set of memory.
type Reads struct {
	Set    any    // the Timeline's
	Opaque string // why more than the set may have been read; "" when it is whole
}

// Write is a change of memory, by an instruction or an event.
type Write struct {
	Before Mark // just before it; nil when nothing was before it
	After  Mark // just behind it
	// Searches is what finding it took: a search each of an interval for a few words.
	Searches int
}

// UnprovedError says why a value's latest change cannot be proved.
type UnprovedError struct{ Reason string }

func (e *UnprovedError) Error() string { return e.Reason }

// Living is a Timeline whose program may run on behind the end of history.
type Living interface {
	CanRunOn() bool
}
