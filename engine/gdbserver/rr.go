package gdbserver

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"yore/engine/timeline"
)

// This file is the dialect that Delve speaks to an rr: what `dlv replay` and
// editors' Go replay mode send. It differs from gdb's so:
//
//   - QThreadSuffixSupported: packets about registers name their thread themselves,
//     `g;thread:T;`, and thread ids have no process in front.
//   - qRRCmd:NAME:THREAD[:HEX…]: rr's commands about time, answered in hex.
//   - vRun;;HEX: go to the start, to checkpoint `cN`, or to an event. The resume that
//     follows it is only for show and is answered at once.
//   - The begin of history is a stop by signal 0, the end one by signal 9 (rr's way
//     to say that the program is about to be gone). At signal 0 forwards, and at any
//     signal but SIGTRAP after a step, Delve resumes again, for ever; so what fails
//     is answered with an error, and a step at the end is said to have been made.
//   - Reading siginfo asks for a diversion in which Delve calls a function of the
//     program; that is refused, and Delve says that it cannot be done.
//   - A read of memory that comes out short would be taken for whole.

// RR is what a server needs to be taken for an rr. The text that it returns is for
// Delve to parse.
type RR interface {
	// RRCommand carries out a command: when; checkpoint WHERE; info checkpoints;
	// delete checkpoint N.
	RRCommand(ctx context.Context, name string, args []string) (string, error)
	// RRRestart goes to the start (""), to a checkpoint (cN) or to a position.
	RRRestart(ctx context.Context, at string) error
}

// asRR answers what a packet means to an rr; done is false when it means what it
// means to gdb: then that is what rest says.
func (c *client) asRR(p []byte) (answer []byte, done bool, rest []byte) {
	text := string(p)
	switch {
	case text == "QThreadSuffixSupported":
		return ok, true, nil
	case text == "qProcessInfo":
		return fmt.Appendf(nil, "pid:%x;", c.target.PID()), true, nil
	case strings.HasPrefix(text, "qRRCmd:"):
		return c.rrCommand(text[len("qRRCmd:"):]), true, nil
	case strings.HasPrefix(text, "vRun"):
		return c.rrRestart(text[len("vRun"):]), true, nil
	case strings.HasPrefix(text, "qXfer:siginfo:"):
		return e01, true, nil
	}
	if strings.IndexByte("gGpP", p[0]) >= 0 {
		body, suffix, has := bytes.Cut(p, []byte(";thread:"))
		if has {
			s := scanner{rest: suffix}
			t := s.thread()
			s.want(";")
			s.end()
			if s.err == nil && !c.exists(t.tid) {
				s.err = errNoThread
			}
			if s.err != nil {
				return c.failure(s.err), true, nil
			}
			c.gThread = t.tid
		}
		return nil, false, body
	}
	return nil, false, p
}

// rrCommand answers NAME:THREAD[:HEX…].
func (c *client) rrCommand(text string) []byte {
	parts := strings.Split(text, ":")
	var args []string
	for _, p := range parts[min(2, len(parts)):] {
		b, err := decodeHex([]byte(p))
		if err != nil {
			return c.failure(err)
		}
		args = append(args, string(b))
	}
	ctx := c.begin(false)
	out, err := c.opts.RR.RRCommand(ctx, parts[0], args)
	c.end(false)
	if err != nil {
		// rr's commands have no error: Delve shows text that it did not expect.
		out = err.Error()
	}
	if out == "" {
		out = "\n" // an empty answer is that of a packet nobody knows
	}
	return fmt.Appendf(nil, "%x", out)
}

// rrRestart answers vRun, with what follows it: ";" or ";;HEX".
func (c *client) rrRestart(rest string) []byte {
	_, hex, _ := strings.Cut(strings.TrimPrefix(rest, ";"), ";")
	at, err := decodeHex([]byte(hex))
	if err != nil {
		return c.failure(err)
	}
	ctx := c.begin(false)
	err = c.opts.RR.RRRestart(ctx, string(at))
	c.end(false)
	if err != nil {
		return append([]byte("E."), errorLine(err)...)
	}
	c.restarted = true
	c.gThread = c.target.Current()
	return c.status()
}

// rrMoved is the stop reply for a motion, as rr would give it. failed is the error
// of the motion, nil for none.
func (c *client) rrMoved(r Resume, s timeline.Stop, failed error) []byte {
	switch {
	case failed != nil:
		return e01
	case s.Reason == timeline.HistoryBegin:
		return c.stopReply(0, s.Thread, "replaylog:begin;")
	case s.Reason == timeline.HistoryEnd && r.Mode == Continue:
		return c.stopReply(gdbSigKill, s.Thread, "")
	}
	return c.stopped(s)
}
