package gdbserver

import (
	"fmt"

	"yore/engine/timeline"
)

// This file reads vCont, gdb's request to move forwards. A vCont lists actions
// for threads, the leftmost that matches a thread being its own. The Target
// runs one thread at a time, so the list is reduced to one Resume: a step or
// range step if there is one, else a continue.

// action is one element of a vCont list.
type action struct {
	kind   byte // c, s, r or t; C and S arrive as c and s with signal
	signal int  // gdb's number
	lo, hi uint64
	thread threadID
}

// maxActions bounds the list. gdb names each thread once at most.
const maxActions = 4096

// parseVCont reads what follows "vCont": ";ACTION[:THREAD]" repeated.
func parseVCont(p []byte) ([]action, error) {
	s := scanner{rest: p}
	var list []action
	for len(s.rest) > 0 && s.err == nil {
		s.want(";")
		a := action{thread: threadID{tid: allThread}}
		switch {
		case s.lit("c"):
			a.kind = 'c'
		case s.lit("s"):
			a.kind = 's'
		case s.lit("t"):
			a.kind = 't'
		case s.lit("C"):
			a.kind, a.signal = 'c', s.size()
		case s.lit("S"):
			a.kind, a.signal = 's', s.size()
		case s.lit("r"):
			a.kind, a.lo = 'r', s.hex()
			s.want(",")
			a.hi = s.hex()
		default:
			s.fail("an action")
		}
		if s.lit(":") {
			a.thread = s.thread()
		}
		list = append(list, a)
		if len(list) > maxActions {
			return nil, fmt.Errorf("malformed packet: more than %d actions", maxActions)
		}
	}
	if s.err == nil && len(list) == 0 {
		s.fail("an action")
	}
	return list, s.err
}

// plan reduces a vCont list to one motion; false when it only stops threads.
// current is the thread of the last stop, which steps that name no thread
// mean.
func plan(list []action, current int) (Resume, bool) {
	var r Resume
	moves := false
	everyone := false
	for _, a := range list {
		one := a.thread.tid > 0
		switch a.kind {
		case 't':
			continue
		case 'c':
			everyone = everyone || !one
			if !moves && one {
				r.Thread = a.thread.tid
			}
			if sig := linuxSignal(a.signal); sig != 0 && r.Signal == 0 {
				r.Signal = sig
			}
		case 's', 'r':
			if r.Mode != Continue {
				break
			}
			r.Mode, r.Thread = Step, current
			if one {
				r.Thread = a.thread.tid
			}
			if a.kind == 'r' {
				r.Mode, r.Lo, r.Hi = Range, a.lo, a.hi
			}
			if sig := linuxSignal(a.signal); sig != 0 && r.Signal == 0 {
				r.Signal = sig
			}
		}
		moves = true
	}
	if r.Mode == Continue && everyone && r.Signal == 0 {
		r.Thread = 0
	}
	r.Dir = timeline.Forward
	return r, moves
}
