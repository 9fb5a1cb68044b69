// Package dap is yore as a debug adapter: it speaks the Debug Adapter Protocol
// with an editor, on the same Debugger that the prompt has.
//
// # Words
//
//   - client: the editor.
//   - activity: what may move the program or takes long: a motion, a command of
//     the debug console, a launch. There is one at a time; it runs beside the
//     loop that answers requests.
//   - announced: the client believes that the program runs, because it asked
//     for the motion or was told by a `continued` event. After an announced
//     activity there is always a `stopped` event.
//   - stop: where an activity left the program. Ids of frames and references of
//     variables belong to one stop; older ones get an error, never another
//     stop's values.
//
// # Order
//
// initialize is answered first; launch is answered when the program is there, and
// then comes the `initialized` event, since breakpoints need the program's symbols;
// the client configures, ends that by configurationDone, and the program runs. A request that
// is out of order or not understood gets an error response. The response of a
// motion precedes its `stopped` event. What the program wrote before a stop is
// sent before it.
//
// The program's end is an edge of history, not the session's end: `stopped` with
// the text "end of history: …". `exited` and `terminated` follow when the client
// disconnects or terminates.
//
// # While the program runs
//
// Requests that change breakpoints interrupt a continue in either direction, act,
// and let it go on. Requests about the program's state get an error. During an
// activity that was not announced (a command of the console) requests wait.
// cancel, pause, disconnect and terminate act at once.
//
// # Beyond the protocol
//
// requests.go lists all requests. Those that begin with "yore." are ours, and are
// described in REQUESTS.md beside this file; scripts/vscode uses them. The debug
// console takes the prompt's commands.
//
// # Files
//
//	wire.go         messages and their framing
//	session.go      a session: the loop, the state, dispatch
//	requests.go     the table of requests
//	activity.go     motions, stops
//	launch.go       what a launch request may say (pure)
//	start.go        launch and configuration
//	breakpoints.go  breakpoints, exception filters
//	syntax.go       log messages and hit conditions (pure)
//	values.go       threads, frames, variables, evaluation
//	plain.go        what is done for a backend that gives text only
//	machine.go      memory and disassembly
//	extra.go        our own requests
//	output.go       the debugger.UI: text, progress, the program's output
//	terminal.go     the client's terminal for the program
//	paths.go        where sources are (pure)
//	serve.go        stdio and TCP
//
// # Threads
//
// A session's loop owns its state. Functions that others call (UI, Running, the
// reader of requests) hand the loop a function by post, which does not wait.
package dap
