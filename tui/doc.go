// Package tui is yore's full-screen front-end: a program, its source and values,
// and across the bottom all of its history, along which one moves as a hand moves
// a tape.
//
// # Words
//
//   - pane: a part of the screen with one subject. One pane has the focus; keys
//     that scroll and choose are its.
//   - work: something that the debugger does. There is one work at a time; the
//     others wait. Foreground work is what a person asked for; background work
//     (looking at all events, say) gives way to it.
//   - strip: what is known of history, for drawing: who ran when, signals, output,
//     marked points.
//   - window: the part of the strip that is on the screen. Zooming changes it.
//   - scrub: to move the present along the strip. Only the newest target counts;
//     those that keys asked for on the way are skipped.
//
// # Files
//
//	tui.go        Run: the terminal, the session, their end
//	bridge.go     the Debugger's UI: from its goroutines to the model
//	model.go      Model: messages in, state changed
//	work.go       the one work at a time, cancelling, progress
//	keys.go       the table of keys; help is printed from it
//	input.go      the lines at the bottom: console, questions, search
//	layout.go     which pane is where at which size
//	panes.go      stack, values, threads, terminal, console
//	source.go     the source pane and its files
//	strip.go      history as drawn things (pure)
//	ruler.go      the timeline pane: columns and times (pure), drawing
//	feed.go       the program's terminal: what comes out, what is typed
//	marks.go      a chosen expression along the timeline
//	canvas.go     a screen of cells (pure)
//	theme.go      colours
//	syntax.go     colours of source text
//	edit.go       a line being typed (pure)
//	guard.go      a process that gives the terminal back if this one cannot
//
// # Threads
//
// The Model belongs to Bubble Tea's goroutine and never waits. All calls of the
// Debugger are made by work, in goroutines of their own, one at a time.
//
// The package has no logic of the debugger: what a key does is a command of the
// prompt, or one call of the Debugger.
package tui
