package engine

import (
	"fmt"
	"os"
	"strings"

	"yore/engine/internal/record"
	"yore/engine/timeline"
)

// facts is what a session must know of its program beside its log and what its
// processes show: of a live program the recorder tells, of a recorded one the
// recording (recorded.go).
//
// A session on a recording has no frontier: s.rec is nil and place.frontier is
// never set. History then ends at the start of its newest slice.
type facts interface {
	PID() int
	// Ended is nil while the program has not ended, or when that was not recorded.
	Ended() *timeline.Ending
	// Hide replaces the engine's patches in b, memory at addr, by the program's
	// own code.
	Hide(addr uint64, b []byte)
	// Original returns the program's own bytes of the patched instruction at
	// addr, nil when there is none.
	Original(addr uint64) []byte
	Auxv() []byte
	ExecFile() string
	ThreadName(tid int) string
}

// liveFacts are those of a live program.
type liveFacts struct {
	*record.Recorder
	path string // of the executable
}

func (f liveFacts) Ended() *timeline.Ending {
	e := f.Recorder.Ended()
	if e == nil {
		return nil
	}
	return &timeline.Ending{Signaled: e.Signaled, Code: e.Code}
}

func (f liveFacts) Original(addr uint64) []byte { return f.Patched()[addr] }

func (f liveFacts) Auxv() []byte {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", f.PID()))
	return b
}

func (f liveFacts) ExecFile() string {
	p, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", f.PID()))
	if err != nil {
		return f.path
	}
	return p
}

func (f liveFacts) ThreadName(tid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", f.PID(), tid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// wholeSlices reports whether the newest point of history is the start of the
// newest slice.
func (s *Session) wholeSlices() bool {
	if s.rec == nil {
		return s.diskEnd == nil
	}
	return s.rec.Boundary()
}

// newestPoint is a checkpoint of the newest point of history, which is inside a
// slice.
func (s *Session) newestPoint() (*checkpoint, error) {
	if s.rec == nil {
		return s.diskEnd, nil
	}
	return s.keepFrontier("")
}

// running returns the thread that runs next at the frontier, nil when there is
// none or no frontier.
func (s *Session) running() *record.Thread {
	if s.rec == nil {
		return nil
	}
	return s.rec.Current()
}

// frontierThread is the id of that thread, 0 for none.
func (s *Session) frontierThread() int {
	if t := s.running(); t != nil {
		return t.ID
	}
	return 0
}

// historyEnd is the stop at the end of recorded history.
func (s *Session) historyEnd() timeline.Stop {
	return timeline.Stop{Reason: timeline.HistoryEnd, Thread: s.here.thread, Ended: s.Ended()}
}
