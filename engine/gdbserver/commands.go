package gdbserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// This file answers packets other than queries and motions. handle is the
// dispatcher: whatever a peer sends, it answers or returns an error, and does
// not panic.

// errDetached ends the loop without an error.
var errDetached = errors.New("detached")

var (
	ok    = []byte("OK")
	e01   = []byte("E01")
	empty = []byte{}
)

// errNoThread is for thread ids that name nobody.
var errNoThread = errors.New("no such thread")

// handle answers one packet. A nil answer sends nothing; an error ends the
// connection after the answer.
func (c *client) handle(p []byte) ([]byte, error) {
	if len(p) == 0 {
		return empty, nil
	}
	if c.opts.RR != nil {
		answer, done, meant := c.asRR(p)
		if done {
			return answer, nil
		}
		p = meant
	}
	rest := p[1:]
	switch p[0] {
	case '!':
		return ok, nil
	case '?':
		return c.status(), nil
	case 'H':
		return c.result(c.setThread(rest)), nil
	case 'T':
		return c.result(c.threadAlive(rest)), nil
	case 'g':
		return c.readAll(), nil
	case 'G':
		return c.result(c.writeAll(rest)), nil
	case 'p':
		return c.readOne(rest), nil
	case 'P':
		return c.result(c.writeOne(rest)), nil
	case 'm':
		return c.readMemory(rest, false), nil
	case 'x':
		return c.readMemory(rest, true), nil
	case 'M':
		return c.result(c.writeMemory(rest, false)), nil
	case 'X':
		return c.result(c.writeMemory(rest, true)), nil
	case 'Z', 'z':
		z, err := parseZ(rest)
		if err == nil && p[0] == 'Z' {
			err = c.in.insert(z)
		} else if err == nil {
			err = c.in.remove(z)
		}
		return c.result(err), nil
	case 'c', 's', 'C', 'S':
		return c.oldResume(p), nil
	case 'b':
		return c.reverse(rest), nil
	case 'k':
		return nil, ErrKilled
	case 'D':
		return ok, errDetached
	case 'q', 'Q':
		return c.query(p), nil
	case 'v':
		return c.verbose(p)
	}
	return empty, nil
}

// result is OK or the error's answer.
func (c *client) result(err error) []byte {
	if err != nil {
		return c.failure(err)
	}
	return ok
}

// failure is the answer for an error: its text if gdb understands that.
func (c *client) failure(err error) []byte {
	if errors.Is(err, errUnsupported) {
		return empty
	}
	if !c.errorText {
		return e01
	}
	return append([]byte("E."), errorLine(err)...)
}

// errorLine is an error's text without what means something in a packet.
func errorLine(err error) []byte {
	text := []byte(err.Error())
	for i, b := range text {
		if b < 0x20 || b >= 0x7f || strings.IndexByte("#$}{*", b) >= 0 {
			text[i] = ' '
		}
	}
	return text
}

// verbose answers v packets.
func (c *client) verbose(p []byte) ([]byte, error) {
	switch {
	case bytes.Equal(p, []byte("vCont?")):
		return []byte("vCont;c;C;s;S;t;r"), nil
	case bytes.HasPrefix(p, []byte("vCont;")):
		list, err := parseVCont(p[len("vCont"):])
		if err != nil {
			return c.failure(err), nil
		}
		r, moves := plan(list, c.target.Current())
		if !moves {
			return c.status(), nil
		}
		return c.move(r), nil
	case bytes.Equal(p, []byte("vCtrlC")):
		c.interruptNow()
		return ok, nil
	case bytes.HasPrefix(p, []byte("vKill")):
		// gdb kills before it runs anew, and then goes on talking: the end of
		// the connection makes it true.
		c.killed = true
		return ok, nil
	case bytes.HasPrefix(p, []byte("vRun")):
		return c.restart(), nil
	}
	return empty, nil // vMustReplyEmpty among them
}

// restart answers vRun.
func (c *client) restart() []byte {
	r, can := c.target.(Restarter)
	if !can {
		return e01
	}
	ctx := c.begin(false)
	err := r.Restart(ctx)
	c.end(false)
	if err != nil {
		return c.failure(err)
	}
	c.killed = false
	return c.status()
}

// setThread answers H: g for register packets, c for the old resume packets.
func (c *client) setThread(p []byte) error {
	if len(p) == 0 {
		return errUnsupported
	}
	s := scanner{rest: p[1:]}
	t := s.thread()
	s.end()
	if s.err != nil {
		return s.err
	}
	switch {
	case t.tid > 0 && !c.exists(t.tid):
		return errNoThread
	case p[0] == 'g' && t.tid > 0:
		c.gThread = t.tid
	case p[0] == 'g':
		c.gThread = c.target.Current()
	case p[0] == 'c':
		c.cThread = max(t.tid, 0)
	default:
		return errUnsupported
	}
	return nil
}

func (c *client) exists(tid int) bool {
	for _, t := range c.target.Threads() {
		if t.ID == tid {
			return true
		}
	}
	return tid == c.target.Current()
}

func (c *client) threadAlive(p []byte) error {
	s := scanner{rest: p}
	t := s.thread()
	s.end()
	if s.err == nil && !c.exists(t.tid) {
		return errNoThread
	}
	if s.err == nil && c.asked != t.tid {
		if c.asked != 0 {
			t.tid = -1
		}
		c.asked = t.tid
	}
	return s.err
}

// registers returns the set of registers, which is settled by the first XSAVE
// area seen.
func (c *client) registers() *registerSet {
	if c.regs != nil {
		return c.regs
	}
	if l, can := c.target.(XSAVELayouter); can {
		c.regs = newRegisterSet(l.XSAVELayout())
		return c.regs
	}
	_, xsave, err := c.target.Registers(c.target.Current())
	if err != nil || xsave == nil {
		// Every process of this machine has this machine's layout.
		c.regs = newRegisterSet(hostLayout())
		return c.regs
	}
	c.regs = newRegisterSet(LayoutOf(xsave))
	return c.regs
}

func (c *client) state(tid int) (*state, error) {
	user, xsave, err := c.target.Registers(tid)
	if err != nil {
		return nil, err
	}
	return &state{user, xsave}, nil
}

func (c *client) readAll() []byte {
	st, err := c.state(c.gThread)
	if err != nil {
		return c.failure(err)
	}
	return c.registers().all(nil, st)
}

func (c *client) readOne(p []byte) []byte {
	s := scanner{rest: p}
	n := s.size()
	s.end()
	regs := c.registers()
	if s.err == nil && n >= len(regs.regs) {
		s.fail("a register number")
	}
	if s.err != nil {
		return c.failure(s.err)
	}
	st, err := c.state(c.gThread)
	if err != nil {
		return c.failure(err)
	}
	return regs.hex(nil, n, st)
}

func (c *client) writeAll(p []byte) error {
	val, err := decodeHex(p)
	if err != nil {
		return err
	}
	return c.change(func(regs *registerSet, st *state) (bool, bool, error) { return regs.setAll(val, st) })
}

func (c *client) writeOne(p []byte) error {
	s := scanner{rest: p}
	n := s.size()
	s.want("=")
	if s.err != nil {
		return s.err
	}
	val, err := decodeHex(s.rest)
	if err != nil {
		return err
	}
	return c.change(func(regs *registerSet, st *state) (bool, bool, error) {
		if n >= len(regs.regs) {
			return false, false, fmt.Errorf("no register %d", n)
		}
		return regs.set(n, val, st)
	})
}

// change reads a thread's registers, lets edit change them and writes what
// changed.
func (c *client) change(edit func(*registerSet, *state) (user, xsave bool, err error)) error {
	st, err := c.state(c.gThread)
	if err != nil {
		return err
	}
	st.xsave = bytes.Clone(st.xsave)
	user, xsave, err := edit(c.registers(), st)
	if err != nil || !user && !xsave {
		return err
	}
	if !xsave {
		st.xsave = nil
	}
	return c.target.SetRegisters(c.gThread, st.user, st.xsave)
}

// readMemory answers m (hex) and x (binary). Fewer bytes than asked for are an
// answer; none are an error.
func (c *client) readMemory(p []byte, binary bool) []byte {
	s := scanner{rest: p}
	addr := s.hex()
	s.want(",")
	n := s.size()
	s.end()
	if s.err != nil {
		return c.failure(s.err)
	}
	if n == 0 {
		return empty
	}
	if n == 1 {
		if err := c.in.doubt(addr); err != nil {
			return c.failure(err)
		}
	}
	buf := make([]byte, min(n, (MaxPacket-1)/2))
	got, err := c.target.ReadMemory(addr, buf)
	if got <= 0 || c.opts.RR != nil && got < len(buf) {
		if err == nil {
			err = fmt.Errorf("no memory at %#x", addr+uint64(max(got, 0)))
		}
		return c.failure(err)
	}
	buf = buf[:min(got, len(buf))]
	if binary {
		out, _ := escapeUpTo([]byte{'b'}, buf, MaxPacket-1)
		return out
	}
	return appendHex(make([]byte, 0, 2*len(buf)), buf)
}

// writeMemory answers M (hex) and X (binary).
func (c *client) writeMemory(p []byte, binary bool) error {
	s := scanner{rest: p}
	addr := s.hex()
	s.want(",")
	n := s.size()
	s.want(":")
	if s.err != nil {
		return s.err
	}
	decode := decodeHex
	if binary {
		decode = unescape
	}
	data, err := decode(s.rest)
	if err != nil {
		return err
	}
	if len(data) != n {
		return fmt.Errorf("malformed packet: %d bytes of data, %d announced", len(data), n)
	}
	if n == 0 {
		return nil // gdb asks whether X is understood
	}
	return c.target.WriteMemory(addr, data)
}

// appendThread appends a thread id in the form that gdb understands.
func (c *client) appendThread(dst []byte, tid int) []byte {
	if c.multi {
		return fmt.Appendf(dst, "p%x.%x", c.target.PID(), tid)
	}
	return fmt.Appendf(dst, "%x", tid)
}

// signalOf is the signal in a siginfo_t, 0 when there is none.
func signalOf(info []byte) int {
	if len(info) < 4 {
		return 0
	}
	return int(int32(binary.LittleEndian.Uint32(info)))
}
