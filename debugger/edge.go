package debugger

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/timeline"
)

// endingText says how a program ended, as the rest of a sentence.
func endingText(e *timeline.Ending) string {
	if !e.Signaled {
		return fmt.Sprintf("the program exited with status %d", e.Code)
	}
	name := unix.SignalName(unix.Signal(e.Code))
	if name == "" {
		name = fmt.Sprintf("signal %d", e.Code)
	}
	return "the program was killed by " + name
}

// edgeText says at which edge of history the program stopped. Backends only
// say that history goes no further.
func (d *Debugger) edgeText() string {
	switch {
	case !d.tl.AtFrontier():
		return "At the start of history.\n"
	case d.tl.Ended() != nil:
		return "At the end of history: " + endingText(d.tl.Ended()) + ".\n"
	}
	return "At the end of history.\n"
}
