// Package inspect prints recordings without replaying them: what the store
// holds, what a recording is, its events as text.
//
// Everything printed for people comes from files that may be foreign: control
// characters in it are escaped, so that no terminal acts on them.
package inspect
