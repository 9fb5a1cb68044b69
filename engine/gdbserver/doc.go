// Package gdbserver speaks gdb's remote protocol on behalf of a Target: stock
// gdb, or anything else that speaks it, debugs a recorded program with it,
// forwards and backwards.
//
// # Words
//
//   - packet: $PAYLOAD#CHECKSUM, one way or the other; gdb asks, we answer. A
//     byte 0x03 between packets is an interrupt (^C).
//   - stop reply: the answer to a packet that moves the program: T, a signal in
//     gdb's own numbering, registers, the thread, and why (swbreak, watch,
//     replaylog).
//   - edge: the begin or end of recorded history, told as replaylog:begin or
//     replaylog:end. A program that has ended is at the end of its history;
//     gdb is never told that it exited, or it would let go of it.
//   - verb: one of yore's own commands, which reach us as "monitor" text.
//   - flow: a verb that asks gdb things while it runs (dialogue.go).
//
// # Files
//
//	target.go, ability.go   what the server needs of a debuggee, and may use
//	packet.go, codec.go     framing, numbers, thread ids (pure)
//	vcont.go                requests to move (pure)
//	signals.go              gdb's signal numbers (pure)
//	xsave.go, x87.go        where an XSAVE area keeps what (pure)
//	registers.go            the table of registers, their wire form (pure)
//	features.go             the target description made from it (pure)
//	breakpoints.go          what gdb has inserted
//	server.go               connections, the two goroutines
//	commands.go, query.go   answers
//	motion.go               moving, and stop replies
//	rr.go                   Delve's dialect for an rr
//	tls.go                  addresses of thread-local variables
//	dialogue.go             verbs that ask gdb
//	script.go, yore.py      the verbs as gdb's commands
//	listen.go               sockets
//
// Package agent, below this one, evaluates the conditions of breakpoints.
//
// # What a peer can do
//
// Whatever a peer sends is answered or ends the connection: malformed packets
// get an error, unknown ones the empty answer, nothing makes the server panic or
// use memory without bound. But the protocol is a debugger's: who can connect
// can do to the program, and through it on this machine, whatever the user can.
//
// # Not here
//
// The server knows nothing of positions, checkpoints or recordings; the Target
// does. No file transfer (gdb reads files itself: set sysroot /), no second
// program, no non-stop mode, no tracepoints, no catching of system calls, fork
// or exec.
package gdbserver
