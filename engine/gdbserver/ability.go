package gdbserver

import (
	"context"
	"io"
)

// Abilities that a Target may have beyond the interface. The server looks for
// each when a connection begins.

// Streamer runs monitor commands whose output is to be seen while they run. A
// Target that has it is asked this way instead of by Monitor.
type Streamer interface {
	MonitorTo(ctx context.Context, cmd string, out io.Writer) error
}

// Armer can say whether a monitor command has chosen a place to which the next
// Resume goes, wherever that Resume would lead; it is answered with
// timeline.Arrived. Without it no verb of the script moves the program by itself.
type Armer interface {
	Armed() bool
}

// Reporter wants to tell the person something while the program moves:
// progress, warnings. SetReport is called with a function that may be called
// from any goroutine while a Resume or Monitor runs (it does nothing at other
// times), and with nil when the connection ends. Text needs its own newlines.
type Reporter interface {
	SetReport(report func(text string))
}

// Restarter can go back to the program's start when gdb's person says "run".
// Without it the server refuses.
type Restarter interface {
	Restart(ctx context.Context) error
}

// SiginfoSetter can change the signal information of a thread at a signal
// stop. Without it the server accepts only what is there already.
type SiginfoSetter interface {
	SetSiginfo(tid int, info []byte) error
}

// XSAVELayouter knows the layout of its XSAVE areas, which matters when they
// come from another machine. Without it LayoutOf decides.
type XSAVELayouter interface {
	XSAVELayout() XSAVELayout
}
