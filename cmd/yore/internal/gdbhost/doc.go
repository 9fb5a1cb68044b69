// Package gdbhost runs yore's commands inside a stock gdb that a person started
// with her own configuration.
//
// gdb is connected to yore's remote-protocol server. The server's script defines
// yore's verbs in gdb; each sends itself to the server as a monitor command,
// which arrives here (Host.MonitorTo) and is executed by a Debugger, as at yore's
// own prompt. What the Debugger wants of its backend (values, frames, motions)
// is asked of the same gdb, through the server's Asker, while the verb waits.
//
//	gdb: reverse-watch x ── monitor ──► Host ── Execute ──► Debugger
//	gdb: evaluates x     ◄──── ask ──── Backend ◄── Evaluate ──┘
//
// helper.py is sent along with the server's script and does inside gdb what
// would take many questions. It also tells the Host of each stop that gdb shows
// (the command @stopped), so that undo knows gdb's own motions too.
//
// Threads: all calls come from the server, one at a time.
package gdbhost
