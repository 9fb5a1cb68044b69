package gdbserver

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// This file answers q and Q packets.

// supported is what the server announces.
var supported = fmt.Sprintf("PacketSize=%x;QStartNoAckMode+;multiprocess+;swbreak+;hwbreak+;vContSupported+;"+
	"ReverseStep+;ReverseContinue+;ConditionalBreakpoints+;QPassSignals+;binary-upload+;"+
	"qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:threads:read+;"+
	"qXfer:siginfo:read+;qXfer:siginfo:write+", MaxPacket)

// query answers a packet that begins with q or Q.
func (c *client) query(p []byte) []byte {
	name, args := p, []byte(nil)
	if i := bytes.IndexAny(p, ":,"); i >= 0 {
		name, args = p[:i], p[i+1:]
	}
	switch string(name) {
	case "qSupported":
		for _, f := range strings.Split(string(args), ";") {
			switch f {
			case "multiprocess+":
				c.multi = true
			case "swbreak+":
				c.swbreak = true
			case "hwbreak+":
				c.hwbreak = true
			case "error-message+":
				c.errorText = true
			}
		}
		return []byte(supported)
	case "QStartNoAckMode":
		// The answer is still acknowledged; acks are skipped wherever they come.
		c.noAck = true
		return ok
	case "QPassSignals":
		return c.result(c.passSignals(args))
	case "QThreadEvents":
		return ok // one thread runs at a time; there is nothing to switch
	case "QYore.Select":
		s := scanner{rest: args}
		t := s.thread()
		s.end()
		if s.err == nil && !c.exists(t.tid) {
			s.err = errNoThread
		}
		if s.err == nil {
			c.selected = t.tid
		}
		return c.result(s.err)
	case "qAttached":
		return []byte("0")
	case "qC":
		return c.appendThread([]byte("QC"), c.target.Current())
	case "qfThreadInfo":
		list := []byte("m")
		for i, t := range c.target.Threads() {
			if i > 0 {
				list = append(list, ',')
			}
			list = c.appendThread(list, t.ID)
			if len(list) > MaxPacket-32 {
				break
			}
		}
		if len(list) == 1 {
			list = c.appendThread(list, c.target.Current())
		}
		return list
	case "qsThreadInfo":
		return []byte("l")
	case "qThreadExtraInfo":
		s := scanner{rest: args}
		t := s.thread()
		s.end()
		for _, th := range c.target.Threads() {
			if s.err == nil && th.ID == t.tid {
				return fmt.Appendf(nil, "%x", th.Name)
			}
		}
		return e01
	case "qXfer":
		return c.xfer(args)
	case "qRcmd":
		return c.monitor(args)
	case "qSearch":
		return c.search(args)
	case "qGetTLSAddr":
		return c.tlsAddress(args)
	}
	return empty
}

// passSignals reads "SIG;SIG;…", gdb's numbers.
func (c *client) passSignals(p []byte) error {
	sigs := []int{}
	s := scanner{rest: p}
	for len(s.rest) > 0 && s.err == nil {
		n := s.size()
		if len(s.rest) > 0 {
			s.want(";")
		}
		if sig := linuxSignal(n); sig != 0 {
			sigs = append(sigs, sig)
		}
	}
	if s.err != nil {
		return s.err
	}
	c.target.PassSignals(sigs)
	return nil
}

// xfer answers qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH and its write form.
func (c *client) xfer(p []byte) []byte {
	s := scanner{rest: p}
	object := string(s.until(':'))
	verb := string(s.until(':'))
	annex := string(s.until(':'))
	if verb == "write" && object == "siginfo" {
		return c.writeSiginfo(&s)
	}
	if verb != "read" {
		return empty
	}
	off := s.size()
	s.want(",")
	n := s.size()
	s.end()
	if s.err != nil {
		return c.failure(s.err)
	}
	var data []byte
	switch object {
	case "features":
		if c.annexes == nil {
			c.annexes = c.registers().annexes()
		}
		text, known := c.annexes[annex]
		if !known {
			return []byte("E00")
		}
		data = []byte(text)
	case "auxv":
		data = c.target.Auxv()
	case "exec-file":
		data = []byte(c.target.ExecFile())
	case "threads":
		// The list is read in pieces and must not change between them.
		if off == 0 || c.threadsXML == "" {
			c.threadsXML = c.threads()
		}
		data = []byte(c.threadsXML)
	case "siginfo":
		if data = c.target.Siginfo(c.gThread); data == nil {
			return e01
		}
	default:
		return empty
	}
	if off >= len(data) {
		return []byte("l")
	}
	data = data[off:]
	want := min(n, len(data))
	out, took := escapeUpTo([]byte{'m'}, data[:want], MaxPacket-1)
	if took == len(data) {
		out[0] = 'l'
	}
	return out
}

func (c *client) writeSiginfo(s *scanner) []byte {
	off := s.size()
	s.want(":")
	if s.err != nil {
		return c.failure(s.err)
	}
	data, err := unescape(s.rest)
	if err != nil {
		return c.failure(err)
	}
	old := c.target.Siginfo(c.gThread)
	if old == nil || off > len(old) || len(data) > len(old)-off {
		return e01
	}
	info := bytes.Clone(old)
	copy(info[off:], data)
	if !bytes.Equal(info, old) {
		set, can := c.target.(SiginfoSetter)
		if !can {
			return e01
		}
		if err := set.SetSiginfo(c.gThread, info); err != nil {
			return c.failure(err)
		}
	}
	return fmt.Appendf(nil, "%x", len(data))
}

// threads prints the thread list.
func (c *client) threads() string {
	var b strings.Builder
	b.WriteString("<threads>\n")
	list := c.target.Threads()
	if len(list) == 0 {
		list = []Thread{{ID: c.target.Current()}}
	}
	for _, t := range list {
		fmt.Fprintf(&b, `<thread id="%s"`, c.appendThread(nil, t.ID))
		if t.Name != "" {
			b.WriteString(` name="`)
			xml.EscapeText(&b, []byte(t.Name))
			b.WriteString(`"`)
		}
		b.WriteString("/>\n")
	}
	b.WriteString("</threads>\n")
	return b.String()
}

// monitor answers qRcmd: the person's "monitor" command. Output is streamed as
// O packets. An error is printed and then answered with E01, at which gdb ends
// a script. A command that begins with '@' comes from yore's script: see
// dialogue.go.
func (c *client) monitor(p []byte) []byte {
	cmd, err := decodeHex(p)
	if err != nil {
		return c.failure(err)
	}
	c.threadsXML = ""
	if text, tagged := strings.CutPrefix(string(cmd), tagPrefix); tagged {
		return c.tagged(text)
	}
	c.abandon()
	ctx := c.begin(false)
	defer func() { c.end(ctx.Err() != nil) }()
	if err = c.runMonitor(ctx, string(cmd)); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errAbandoned
		}
		c.report(fmt.Sprintf("error: %v\n", err))
		return e01
	}
	if c.armed() {
		c.report("The next stepi or continue goes there.\n")
	}
	return ok
}

func (c *client) runMonitor(ctx context.Context, cmd string) error {
	if s, can := c.target.(Streamer); can {
		return s.MonitorTo(ctx, cmd, c)
	}
	out, err := c.target.Monitor(ctx, cmd)
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	c.report(out)
	return err
}

// search answers qSearch:memory:ADDRESS;LENGTH;PATTERN.
func (c *client) search(p []byte) []byte {
	s := scanner{rest: p}
	if !s.lit("memory:") {
		return empty
	}
	addr := s.hex()
	s.want(";")
	length := s.hex()
	s.want(";")
	if s.err != nil {
		return c.failure(s.err)
	}
	pattern, err := unescape(s.rest)
	if err != nil || len(pattern) == 0 {
		return e01
	}
	ctx := c.begin(false)
	at, found, err := searchMemory(ctx, c.target.ReadMemory, addr, length, pattern)
	c.end(false)
	switch {
	case err != nil:
		return c.failure(err)
	case !found:
		return []byte("0")
	}
	return fmt.Appendf(nil, "1,%x", at)
}

// searchMemory looks for pattern in [addr, addr+length), reading in chunks. It
// fails at memory that cannot be read before a match.
func searchMemory(ctx context.Context, read func(uint64, []byte) (int, error), addr, length uint64, pattern []byte) (uint64, bool, error) {
	const chunk = 256 << 10
	if uint64(len(pattern)) > length {
		return 0, false, nil
	}
	buf := make([]byte, 0, chunk+len(pattern))
	base := addr // address of buf[0]
	for length > 0 {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		n := int(min(chunk, length))
		have := len(buf)
		buf = buf[:have+n]
		got, err := read(base+uint64(have), buf[have:])
		got = max(0, min(got, n))
		buf = buf[:have+got]
		if i := bytes.Index(buf, pattern); i >= 0 {
			return base + uint64(i), true, nil
		}
		if got < n {
			if err == nil {
				err = fmt.Errorf("no memory at %#x", base+uint64(len(buf)))
			}
			return 0, false, err
		}
		length -= uint64(n)
		drop := max(0, len(buf)-len(pattern)+1)
		base += uint64(drop)
		buf = append(buf[:0], buf[drop:]...)
	}
	return 0, false, nil
}
