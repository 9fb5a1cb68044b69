// Package live starts a program under the engine and serves it to a debugger:
// its files, the remote protocol on a socket, and what the server must be told
// of the session beyond the engine's own methods.
//
// It adapts types and owns what must be closed together; it decides nothing.
package live
