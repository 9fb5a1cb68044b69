// Package session puts an engine session and the debugger together: it starts
// the program, serves the remote protocol on a socket of its own, and shows the
// engine to the debugger as its timeline.
//
// It adapts types and owns what must be closed together; it decides nothing.
package session
