package gdbserver

import (
	"context"
	"errors"
	"fmt"

	"yore/engine/timeline"
)

// This file moves the program and tells gdb where and why it stopped.

// oldResume answers c, s, C and S, which gdb uses for stubs without vCont.
func (c *client) oldResume(p []byte) []byte {
	s := scanner{rest: p[1:]}
	r := Resume{Thread: c.cThread}
	if p[0] == 'C' || p[0] == 'S' {
		r.Signal = linuxSignal(s.size())
	}
	s.end() // no resumption at another address
	if s.err != nil {
		return c.failure(s.err)
	}
	if p[0] == 's' || p[0] == 'S' {
		r.Mode = Step
		r.Thread = c.stepThread()
	}
	return c.move(r)
}

// reverse answers bc and bs.
func (c *client) reverse(p []byte) []byte {
	switch string(p) {
	case "c":
		return c.move(Resume{Dir: timeline.Backward, Thread: c.cThread})
	case "s":
		return c.move(Resume{Dir: timeline.Backward, Mode: Step, Thread: c.stepThread()})
	}
	return empty
}

// stepThread is the thread that a step without a thread means. gdb says Hc0
// even when it steps one thread backwards: that of the last stop unless the
// person has selected another. yore's script tells (packet QYore.Select); else
// there is only that gdb asks whether a thread lives before it selects it, as
// it does for commands that concern all threads.
func (c *client) stepThread() int {
	switch {
	case c.cThread > 0:
		return c.cThread
	case c.selected > 0 && c.exists(c.selected):
		return c.selected
	case c.asked > 0 && c.exists(c.asked):
		return c.asked
	}
	return c.target.Current()
}

// move resumes the target and returns the stop reply.
func (c *client) move(r Resume) []byte {
	c.threadsXML = ""
	if c.restarted {
		c.restarted = false
		return c.status()
	}
	ctx := c.begin(true)
	stop, err := c.target.Resume(ctx, r)
	if err != nil && errors.Is(err, context.Canceled) && ctx.Err() != nil && c.ctx.Err() == nil {
		stop, err = timeline.Stop{Reason: timeline.Interrupted, Thread: c.target.Current()}, nil
	}
	if c.flow != nil && err == nil && stop.Reason == timeline.Interrupted {
		c.flow.interrupted = true // gdb's script takes the stop for an arrival
	}
	if err != nil {
		c.report(fmt.Sprintf("yore: %v\n", err))
	} else if c.opts.Console && stop.Reason == timeline.HistoryEnd {
		c.report(endText(stop.Ended))
	}
	c.end(err == nil && stop.Reason == timeline.Interrupted)
	if stop.Thread <= 0 {
		stop.Thread = c.target.Current()
	}
	if c.opts.RR != nil {
		return c.rrMoved(r, stop, err)
	}
	if err != nil {
		// Signal 0 makes gdb stop whatever it was in the middle of.
		return c.stopReply(0, c.target.Current(), "")
	}
	return c.stopped(stop)
}

// endText says how history ends.
func endText(e *timeline.Ending) string {
	switch {
	case e == nil:
		return "[history ends here]\n"
	case e.Signaled:
		return fmt.Sprintf("[the program was killed by signal %d; its history ends here]\n", e.Code)
	}
	return fmt.Sprintf("[the program exited with status %d; its history ends here]\n", e.Code)
}

// stopped is the stop reply for a stop.
func (c *client) stopped(s timeline.Stop) []byte {
	switch s.Reason {
	case timeline.Breakpoint:
		switch {
		case c.in.hardwareOnly(s.Addr) && c.hwbreak:
			return c.stopReply(gdbSigTrap, s.Thread, "hwbreak:;")
		case !c.in.hardwareOnly(s.Addr) && c.swbreak:
			return c.stopReply(gdbSigTrap, s.Thread, "swbreak:;")
		}
	case timeline.Watchpoint:
		kind := [...]string{timeline.WatchWrite: "watch", timeline.WatchRead: "rwatch", timeline.WatchAccess: "awatch"}[s.Watch]
		return c.stopReply(gdbSigTrap, s.Thread, fmt.Sprintf("%s:%x;", kind, s.Addr))
	case timeline.Signal:
		return c.stopReply(gdbSignal(s.Signal), s.Thread, "")
	case timeline.Interrupted:
		return c.stopReply(gdbSigInt, s.Thread, "")
	case timeline.HistoryBegin:
		return c.stopReply(gdbSigTrap, s.Thread, "replaylog:begin;")
	case timeline.HistoryEnd:
		// Never W or X, after which gdb would have no program to go back in.
		return c.stopReply(gdbSigTrap, s.Thread, "replaylog:end;")
	case timeline.Arrived:
		// Signal 0 ends whatever command gdb was carrying out, shows where the
		// program is, and counts as no breakpoint's hit.
		return c.stopReply(0, s.Thread, "")
	}
	return c.stopReply(gdbSigTrap, s.Thread, "")
}

// stopReply is a T packet with the registers that gdb wants at each stop. The
// stop's thread becomes the one of register packets, as gdb assumes.
func (c *client) stopReply(signal, tid int, extra string) []byte {
	c.gThread = tid
	c.selected, c.asked = 0, 0
	p := fmt.Appendf(nil, "T%02x", signal)
	if st, err := c.state(tid); err == nil {
		for _, n := range []int{regRBP, regRSP, regRIP} {
			p = fmt.Appendf(p, "%02x:", n)
			p = c.registers().hex(p, n, st)
			p = append(p, ';')
		}
	}
	p = append(p, "thread:"...)
	p = append(p, c.appendThread(nil, tid)...)
	p = append(p, ';')
	return append(p, extra...)
}

// status answers "?": a stop without a reason, with the signal that the
// thread is about to get, if any.
func (c *client) status() []byte {
	tid := c.target.Current()
	if sig := signalOf(c.target.Siginfo(tid)); sig > 0 && sig != gdbSigTrap {
		return c.stopReply(gdbSignal(sig), tid, "")
	}
	return c.stopReply(gdbSigTrap, tid, "")
}
