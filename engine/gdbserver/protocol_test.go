package gdbserver

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"yore/engine/timeline"
)

// peer speaks the protocol to a server, byte by byte.
type peer struct {
	t    *testing.T
	conn net.Conn
	fr   *frameReader
	done chan error
}

// dial serves target on a pipe and switches acknowledgements off.
func dial(t *testing.T, target Target, opts Options, supported string) *peer {
	t.Helper()
	a, b := net.Pipe()
	p := &peer{t: t, conn: a, fr: newFrameReader(a, 2*MaxPacket), done: make(chan error, 1)}
	go func() { p.done <- New(target, opts).Serve(context.Background(), b) }()
	t.Cleanup(func() {
		a.Close()
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			t.Error("the server does not end with its connection")
		}
	})
	p.raw("+$QStartNoAckMode#b0")
	if got := p.answer(); got != "OK" {
		t.Fatalf("no-ack mode: %q", got)
	}
	p.raw("+")
	if got := p.ask("qSupported:" + supported); !strings.Contains(got, "PacketSize=20000;") {
		t.Fatalf("qSupported: %q", got)
	}
	return p
}

const gdbFeatures = "multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386"

func (p *peer) raw(s string) {
	p.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func (p *peer) send(payload string) { p.raw(string(appendPacket(nil, []byte(payload)))) }

// answer returns the next packet, skipping acknowledgements.
func (p *peer) answer() string {
	p.t.Helper()
	for {
		f, err := p.fr.next()
		if err != nil {
			p.t.Fatalf("read: %v", err)
		}
		switch f.kind {
		case framePacket:
			return string(f.payload)
		case frameAck:
		default:
			p.t.Fatalf("got frame %d", f.kind)
		}
	}
}

func (p *peer) ask(payload string) string {
	p.t.Helper()
	p.send(payload)
	return p.answer()
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func TestPackets(t *testing.T) {
	target := newPlain()
	p := dial(t, target, Options{}, gdbFeatures)
	for _, c := range []struct{ send, want, calls string }{
		// what gdb asks at the start
		{"vMustReplyEmpty", "", ""},
		{"!", "OK", ""},
		{"?", "T0506:1070000000000000;07:0070000000000000;10:0a00010000000000;thread:pa.a;", ""},
		{"qC", "QCpa.a", ""},
		{"qAttached:a", "0", ""},
		{"qTStatus", "", ""}, {"qOffsets", "", ""}, {"qSymbol::", "", ""}, {"QNonStop:0", "", ""},
		{"QThreadEvents:1", "OK", ""}, {"QAgent:1", "", ""}, {"QCatchSyscalls:1", "", ""},
		{"vFile:setfs:0", "", ""}, {"R00", "", ""}, {"vRun;", "E01", ""}, {"vAttach;10", "", ""},
		{"qfThreadInfo", "mpa.a,pa.b", ""}, {"qsThreadInfo", "l", ""},
		{"qThreadExtraInfo,pa.b", hexOf("work"), ""}, {"qThreadExtraInfo,pa.c", "E01", ""},
		{"Tpa.b", "OK", ""}, {"Tpa.c", "E01", ""},
		{"Hgpa.b", "OK", ""}, {"Hgpa.77", "E01", ""}, {"Hg0", "OK", ""}, {"Hc-1", "OK", ""}, {"Hxpa.a", "", ""}, {"H", "", ""},
		{"qXfer:exec-file:read:a:0,1000", "l/bin/true", ""},
		{"qXfer:exec-file:read:a:5,3", "mtru", ""},
		{"qXfer:exec-file:read:a:9,3", "l", ""},
		{"qXfer:auxv:read::0,1000", "l}]}\x03}\x04}\nauxv", ""},
		{"qXfer:auxv:write::0:aa", "", ""},
		{"qXfer:features:read:nothing.xml:0,10", "E00", ""},
		{"qXfer:threads:read::0,1000", "l<threads>\n<thread id=\"pa.a\" name=\"ma&lt;in\"/>\n<thread id=\"pa.b\" name=\"work\"/>\n</threads>\n", ""},
		{"qXfer:libraries-svr4:read::0,1000", "", ""}, {"qXfer:siginfo:read::0,80", "E01", ""},
		{"qXfer:siginfo:read", "E01", ""}, {"qXfer", "", ""},
		// memory
		{"m10001,4", "070e151c", ""}, {"m1fffe,10", "f2f9", ""}, {"m20000,1", "E01", ""}, {"m0,1", "E01", ""},
		{"m10000,0", "", ""}, {"m10000", "E01", ""}, {"mzz,1", "E01", ""}, {"m10000,fffffffff", "E01", ""},
		{"m11111111111111111,1", "E01", ""},
		{"x10001,4", "b\x07\x0e\x15\x1c", ""}, {"x0,0", "", ""}, {"x10005,1", "b}\x03", ""},
		{"M10000,2:1234", "OK", "write 0x10000 12 34"}, {"M10000,2:12", "E01", ""}, {"M10000,1:zz", "E01", ""},
		{"M5,1:00", "E01", ""}, {"X10000,0:", "OK", ""}, {"X10000,3:a}\x03b", "OK", "write 0x10000 61 23 62"},
		{"X10000,1:}", "E01", ""}, {"m10000,3", "612362", ""},
		{"qSearch:memory:10000;1000;}\x03b", "1,10001", ""},
		{"qSearch:memory:10000;1000;nothere", "0", ""}, {"qSearch:memory:1ff00;1000;nothere", "E01", ""},
		{"qSearch:memory:10000;1000;", "E01", ""}, {"qSearch:other", "", ""},
		// breakpoints
		{"Z0,1000,1", "OK", "break 0x1000 []"}, {"z0,1000,1", "OK", "unbreak 0x1000"}, {"z0,1000,1", "OK", ""},
		{"Z0,1000,1;X3,220127", "OK", "break 0x1000 [220127]"},
		{"Z0,1000,1;X3,220127X3,220027", "OK", "break 0x1000 [220127 220027]"},
		{"Z1,1000,1;X1,27", "OK", "break 0x1000 [220127 220027 27]"},
		{"m1000,1", "E01", "break 0x1000 []"}, // gdb makes another breakpoint here
		{"z1,1000,1", "OK", "break 0x1000 [220127 220027]"},
		{"Z0,1000,1", "OK", "break 0x1000 []"}, {"z0,1000,1", "OK", "unbreak 0x1000"},
		{"Z0,1000,1;X3,22", "E01", ""}, {"Z0,1000,1;Xffffffff,22", "E01", ""}, {"Z0,1000,1;cmds:1,X1,27", "E01", ""},
		{"Z0,1000,1;X3,22zz27", "E01", ""}, {"Z0", "E01", ""}, {"Z9,0,1", "", ""}, {"Z0,bad,1", "E01", ""},
		{"Z2,2000,4", "OK", "watch {0 8192 4}"}, {"Z2,2000,4", "OK", ""}, {"z2,2000,4", "OK", "unwatch {0 8192 4}"},
		{"Z3,2000,41", "OK", "watch {1 8192 64}; watch {1 8256 1}"}, {"z3,2000,41", "OK", "unwatch {1 8192 64}; unwatch {1 8256 1}"},
		{"Z4,8fc0,80", "E01", "watch {2 36800 64}; unwatch {2 36800 64}"},
		{"Z2,2000,0", "E01", ""}, {"Z2,2000,1001", "E01", ""}, {"Z2,2000,4;X1,27", "E01", ""},
		{"QPassSignals:e;10;14;1e", "OK", "pass [14 23 17 10]"}, {"QPassSignals:", "OK", "pass []"}, {"QPassSignals:zz", "E01", ""},
		// monitor
		{"qRcmd," + hexOf("hello"), "O" + hexOf("world\n"), ""},
	} {
		got := p.ask(c.send)
		if strings.HasPrefix(c.send, "qRcmd") {
			if more := p.answer(); more != "OK" {
				t.Errorf("%q: then %q", c.send, more)
			}
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.send, got, c.want)
		}
		if calls := target.taken(); calls != c.calls {
			t.Errorf("%q: calls %q, want %q", c.send, calls, c.calls)
		}
	}
}

func TestMotions(t *testing.T) {
	target := newPlain()
	p := dial(t, target, Options{Console: true}, gdbFeatures)
	const regs = "06:1070000000000000;07:0070000000000000;10:0a00010000000000;thread:pa.a;"
	const regs11 = "06:1070000000000000;07:0070000000000000;10:0b00010000000000;thread:pa.b;"
	stop := func(s timeline.Stop) []timeline.Stop {
		if s.Thread == 0 {
			s.Thread = 10
		}
		return []timeline.Stop{s}
	}
	for _, c := range []struct {
		send  string
		stop  timeline.Stop
		calls string
		want  string
	}{
		{"vCont;c", timeline.Stop{Reason: timeline.Breakpoint, Addr: 0x1000}, "{Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs + "swbreak:;"},
		{"vCont;c:pa.-1", timeline.Stop{Reason: timeline.Breakpoint, Addr: 0x3000}, "{Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs + "hwbreak:;"},
		{"vCont;c:pa.b", timeline.Stop{Reason: timeline.Interrupted}, "{Dir:0 Mode:0 Thread:11 Lo:0 Hi:0 Signal:0}", "T02" + regs},
		{"vCont;s:pa.b;c", timeline.Stop{Thread: 11}, "{Dir:0 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs11},
		{"vCont;s", timeline.Stop{}, "{Dir:0 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"vCont;r1000,1010:pa.a;c:pa.-1", timeline.Stop{}, "{Dir:0 Mode:2 Thread:10 Lo:4096 Hi:4112 Signal:0}", "T05" + regs},
		{"vCont;C1e:pa.a;c", timeline.Stop{Reason: timeline.Signal, Signal: 23}, "{Dir:0 Mode:0 Thread:10 Lo:0 Hi:0 Signal:10}", "T10" + regs},
		{"vCont;S0b:pa.a;c", timeline.Stop{Reason: timeline.Signal, Signal: 64}, "{Dir:0 Mode:1 Thread:10 Lo:0 Hi:0 Signal:11}", "T4e" + regs},
		{"vCont;c", timeline.Stop{Reason: timeline.Watchpoint, Addr: 0x2000, Watch: timeline.WatchWrite}, "{Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs + "watch:2000;"},
		{"bc", timeline.Stop{Reason: timeline.Watchpoint, Addr: 0x2000, Watch: timeline.WatchRead}, "{Dir:1 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs + "rwatch:2000;"},
		{"bc", timeline.Stop{Reason: timeline.Watchpoint, Addr: 0x2000, Watch: timeline.WatchAccess, Thread: 11}, "{Dir:1 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs11 + "awatch:2000;"},
		{"bs", timeline.Stop{Reason: timeline.HistoryBegin}, "{Dir:1 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs + "replaylog:begin;"},
		{"Hcpa.b", timeline.Stop{}, "", "OK"},
		{"bs", timeline.Stop{}, "{Dir:1 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"bc", timeline.Stop{Reason: timeline.Arrived}, "{Dir:1 Mode:0 Thread:11 Lo:0 Hi:0 Signal:0}", "T00" + regs},
		{"Hcpa.0", timeline.Stop{}, "", "OK"},
		{"QYore.Select:pa.b", timeline.Stop{}, "", "OK"},
		{"bs", timeline.Stop{}, "{Dir:1 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"Tpa.b", timeline.Stop{}, "", "OK"}, // thread 2
		{"bs", timeline.Stop{}, "{Dir:1 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"Tpa.b", timeline.Stop{}, "", "OK"}, // thread apply all
		{"Tpa.a", timeline.Stop{}, "", "OK"},
		{"bs", timeline.Stop{}, "{Dir:1 Mode:1 Thread:10 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"c", timeline.Stop{}, "{Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"S0f", timeline.Stop{}, "{Dir:0 Mode:1 Thread:10 Lo:0 Hi:0 Signal:15}", "T05" + regs},
		{"vCont;t", timeline.Stop{}, "", "T05" + regs},
		{"c1000", timeline.Stop{}, "", "E01"}, {"vCont;", timeline.Stop{}, "", "E01"}, {"vCont;q", timeline.Stop{}, "", "E01"},
		{"vCont;r1000", timeline.Stop{}, "", "E01"}, {"vCont;s:pq", timeline.Stop{}, "", "E01"}, {"bq", timeline.Stop{}, "", ""},
		{"QYore.Select:pa.c", timeline.Stop{}, "", "E01"},
	} {
		target.stops = stop(c.stop)
		if c.stop.Addr == 0x3000 {
			p.ask("Z1,3000,1")
			target.taken()
		}
		if got := p.ask(c.send); got != c.want {
			t.Errorf("%q: got %q, want %q", c.send, got, c.want)
		}
		want := c.calls
		if want != "" {
			want = "resume " + want
		}
		if calls := target.taken(); calls != want {
			t.Errorf("%q: %q, want %q", c.send, calls, want)
		}
	}
	for _, c := range []struct {
		stop timeline.Stop
		text string
	}{
		{timeline.Stop{Reason: timeline.HistoryEnd}, "[history ends here]\n"},
		{timeline.Stop{Reason: timeline.HistoryEnd, Ended: &timeline.Ending{Code: 3}}, "[the program exited with status 3; its history ends here]\n"},
		{timeline.Stop{Reason: timeline.HistoryEnd, Ended: &timeline.Ending{Signaled: true, Code: 11}}, "[the program was killed by signal 11; its history ends here]\n"},
	} {
		target.stops = stop(c.stop)
		if got := p.ask("vCont;c"); got != "O"+hexOf(c.text) {
			t.Errorf("got %q, want %q", got, c.text)
		}
		if got := p.answer(); got != "T05"+regs+"replaylog:end;" {
			t.Errorf("got %q", got)
		}
	}
	target.err = errors.New("replay: thread 3 at event 812: got openat, recorded read")
	if got := p.ask("bc"); got != "O"+hexOf("yore: replay: thread 3 at event 812: got openat, recorded read\n") {
		t.Errorf("got %q", got)
	}
	if got := p.answer(); got != "T00"+regs {
		t.Errorf("got %q", got)
	}
	// A thread at a signal stop.
	target.siginfo = make([]byte, 128)
	target.siginfo[0] = 11
	if got := p.ask("?"); got != "T0b"+regs {
		t.Errorf("got %q", got)
	}
	if got := p.ask("qXfer:siginfo:read::0,80"); got != "l\x0b"+strings.Repeat("\x00", 127) {
		t.Errorf("got %q", got)
	}
	for send, want := range map[string]string{
		"qXfer:siginfo:write::0:\x0b\x00": "2", "qXfer:siginfo:write::0:\x0c": "E01", "qXfer:siginfo:write::80:\x00": "E01",
		"qXfer:siginfo:write::7f:\x00\x00": "E01", "qXfer:siginfo:write::zz:": "E01",
	} {
		if got := p.ask(send); got != want {
			t.Errorf("%q: got %q, want %q", send, got, want)
		}
	}
}

func TestRegisterPackets(t *testing.T) {
	target := newPlain()
	p := dial(t, target, Options{}, gdbFeatures)
	set := newRegisterSet(amdLayout)
	g := p.ask("g")
	if len(g) != 2*set.size {
		t.Fatalf("g has %d digits, want %d", len(g), 2*set.size)
	}
	if target.taken(); p.ask("G"+g) != "OK" || target.taken() != "" {
		t.Error("writing what is there changes something")
	}
	// rax and xmm3
	if got := p.ask("P0=8877665544332211"); got != "OK" || target.taken() != "registers of 10, xsave false" || target.regs[10].Rax != 0x1122334455667788 {
		t.Errorf("P0: %q %#x", got, target.regs[10].Rax)
	}
	if got := p.ask("P2b=000102030405060708090a0b0c0d0e0f"); got != "OK" || target.taken() != "registers of 10, xsave true" {
		t.Errorf("P2b: %q", got)
	}
	if got := p.ask("p2b"); got != "000102030405060708090a0b0c0d0e0f" {
		t.Errorf("p2b: %q", got)
	}
	if got := p.ask("p38"); got != "801f0000" { // mxcsr, which SSE's first use must not change
		t.Errorf("mxcsr: %q", got)
	}
	for send, want := range map[string]string{
		"p0": "8877665544332211", "p10": "0a00010000000000", "p20": "7f030000", "p22": "ffff0000", "pffff": "E01", "p": "E01", "pzz": "E01",
		"P0=00": "E01", "P0": "E01", "Pffff=00": "E01", "P0=zz": "E01", "G00": "E01", "Gzz": "E01",
	} {
		if got := p.ask(send); got != want {
			t.Errorf("%s: got %q, want %q", send, got, want)
		}
	}
	// What cannot be read is x's, and cannot be written.
	target.xsave[11] = nil
	p.ask("Hgpa.b")
	if got := p.ask("g"); len(got) != 2*set.size || !strings.HasPrefix(got[2*(17*8+7*4):], "xxxxxxxxxxxxxxxxxxxx") {
		t.Errorf("unavailable: %q", got)
	}
	if got := p.ask("P2b=000102030405060708090a0b0c0d0e0f"); got != "E01" {
		t.Errorf("writing an unavailable register: %q", got)
	}
}

func TestMonitorText(t *testing.T) {
	p := dial(t, newPlain(), Options{}, gdbFeatures+";error-message+")
	read := func(send string) string {
		p.send(send)
		var b strings.Builder
		for {
			a := p.answer()
			if !strings.HasPrefix(a, "O") || a == "OK" {
				return b.String() + "|" + a
			}
			text, err := hex.DecodeString(a[1:])
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	for send, want := range map[string]string{
		"hello": "world\n|OK", "nonsense": "partly\nerror: unknown command \"nonsense\"\n|E01",
		"long": strings.Repeat("x", 10000) + "\n|OK",
	} {
		if got := read("qRcmd," + hexOf(send)); got != want {
			t.Errorf("%s: %q", send, got)
		}
	}
	for _, c := range []struct{ send, want string }{
		{"@1 hello", "world\n@1/1 ok\n"},
		{"@22 nonsense", "partly\n@22/2 error unknown command \"nonsense\"\n"},
		{"@23 abandon", "@23/3 ok\n"}, {"@24 answer ok 00", "@24/4 error interrupted\n"},
		{"@drain 4", "@0/5 drained\n"}, {"@25 long", strings.Repeat("x", 10000) + "\n@25/6 ok\n"},
	} {
		if got := p.ask("qRcmd," + hexOf(c.send)); got != hexOf(c.want) {
			t.Errorf("%s: %q", c.send, got)
		}
	}
	// An answer that gdb did not read: the next command gets it, drain the own.
	p.send("qRcmd," + hexOf("@30 hello"))
	p.send("qRcmd," + hexOf("@31 hello"))
	if got := p.answer(); got != hexOf("world\n@30/7 ok\n") {
		t.Errorf("got %q", got)
	}
	if got := p.ask("qRcmd," + hexOf("@drain 7")); got != hexOf("world\n@31/8 ok\n") {
		t.Errorf("got %q", got)
	}
	// More than a packet holds goes ahead as O packets.
	text := read("qRcmd," + hexOf("@40 huge"))
	if i := strings.LastIndex(text, "|"); i != 48<<10 {
		t.Errorf("%d bytes went ahead", i)
	}
	if got := p.ask("qRcmd,zz"); !strings.HasPrefix(got, "E.") {
		t.Errorf("got %q", got)
	}
	if got := p.ask("m0,1"); got != "E.unmapped" {
		t.Errorf("got %q", got)
	}
}

func TestAcknowledgements(t *testing.T) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- New(newPlain(), Options{}).Serve(context.Background(), b) }()
	a.SetDeadline(time.Now().Add(10 * time.Second))
	say := func(send, want string) {
		t.Helper()
		io.WriteString(a, send)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(a, got); err != nil || string(got) != want {
			t.Fatalf("%q: got %q, %v; want %q", send, got, err, want)
		}
	}
	say("$qC#b4", "+$QCa#f5")
	say("-", "$QCa#f5")
	say("+$qC#00", "-")
	say("$qC#zz", "-")
	say("garbage$qC$qC#b4", "+$QCa#f5")
	say("$D#44", "+$OK#9a")
	if err := <-done; err != nil {
		t.Errorf("detach: %v", err)
	}
}

func TestTooLongPacket(t *testing.T) {
	p := dial(t, newPlain(), Options{}, gdbFeatures)
	go p.conn.Write(appendPacket(nil, bytes.Repeat([]byte("m"), MaxPacket+1)))
	if got := p.answer(); got != "E01" {
		t.Errorf("got %q", got)
	}
	if got := p.ask("qC"); got != "QCpa.a" {
		t.Errorf("after it: %q", got)
	}
}

// No answer is longer than what was announced.
func TestAnswersFit(t *testing.T) {
	target := newPlain()
	target.mem = bytes.Repeat([]byte("#"), 1<<20)
	p := dial(t, target, Options{}, gdbFeatures)
	for _, send := range []string{"m10000,fffff", "x10000,fffff"} {
		if got := p.ask(send); len(got) > MaxPacket || len(got) < MaxPacket-2 {
			t.Errorf("%s: %d bytes", send, len(got))
		}
	}
}

func TestInterruptPacket(t *testing.T) {
	target := newPlain()
	target.running = make(chan struct{})
	p := dial(t, target, Options{}, gdbFeatures)
	p.send("vCont;c")
	<-target.running
	p.raw("\x03")
	if got := p.answer(); !strings.HasPrefix(got, "T02") {
		t.Errorf("got %q", got)
	}
	// One that comes between two motions belongs to the next.
	target.running = nil
	p.raw("\x03")
	if got := p.ask("bs"); !strings.HasPrefix(got, "T02") {
		t.Errorf("got %q", got)
	}
	if got := p.ask("bs"); !strings.HasPrefix(got, "T05") {
		t.Errorf("the interrupt acts twice: %q", got)
	}
	// A byte 3 inside a packet is data.
	if got := p.ask("X10000,1:\x03"); got != "OK" {
		t.Errorf("got %q", got)
	}
	if got := p.ask("bs"); !strings.HasPrefix(got, "T05") {
		t.Errorf("got %q", got)
	}
}

// A peer that goes away ends the Resume under way, and takes its breakpoints
// with it.
func TestHangUp(t *testing.T) {
	target := newPlain()
	target.running = make(chan struct{})
	p := dial(t, target, Options{}, gdbFeatures)
	p.ask("Z0,1000,1")
	p.ask("Z2,2000,4")
	target.taken()
	p.send("vCont;c")
	<-target.running
	p.conn.Close()
	if err := <-p.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	p.done <- nil
	calls := target.taken()
	for _, want := range []string{"unbreak 0x1000", "unwatch {0 8192 4}"} {
		if !strings.Contains(calls, want) {
			t.Errorf("%q lacks %q", calls, want)
		}
	}
}

func TestKillAndCancel(t *testing.T) {
	for _, send := range []string{"k", "vKill;a"} {
		p := dial(t, newPlain(), Options{}, gdbFeatures)
		p.send(send)
		if send != "k" {
			if got := p.answer(); got != "OK" {
				t.Errorf("got %q", got)
			}
			p.conn.Close()
		}
		err := <-p.done
		if !errors.Is(err, ErrKilled) {
			t.Errorf("%s: %v", send, err)
		}
		p.done <- nil
	}
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	target := newPlain()
	target.running = make(chan struct{}, 1)
	s := New(target, Options{})
	go func() { done <- s.Serve(ctx, b) }()
	io.WriteString(a, "$c#63")
	go io.Copy(io.Discard, a)
	<-target.running
	_, second := net.Pipe()
	if err := s.Serve(ctx, second); err == nil {
		t.Error("two connections at once")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	p := dial(t, newPlain(), Options{Log: &log}, gdbFeatures)
	p.ask("X10000,2:\x03\\")
	p.ask("qC")
	p.conn.Close()
	<-p.done
	p.done <- nil
	for _, want := range []string{"<- QStartNoAckMode\n-> OK\n", "<- X10000,2:\\x03\\x5c\n-> OK\n<- qC\n-> QCpa.a\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, &log)
		}
	}
}

// FuzzFrames: whatever arrives, the reader makes frames of bounded size of it,
// and what appendPacket makes it reads back.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("+$qC#b4\x03-$X1,1:}\x03#00"))
	f.Add([]byte("$$$###$#"))
	f.Fuzz(func(t *testing.T, in []byte) {
		fr := newFrameReader(bytes.NewReader(in), 64)
		for n := 0; ; n++ {
			fm, err := fr.next()
			if err != nil {
				break
			}
			if len(fm.payload) > 64 || n > len(in) {
				t.Fatalf("frame %d of %d bytes", n, len(fm.payload))
			}
		}
		esc := escape(nil, in)
		fr = newFrameReader(bytes.NewReader(appendPacket(nil, esc)), len(esc)+1)
		fm, err := fr.next()
		if err != nil || fm.kind != framePacket {
			t.Fatalf("own packet: %v, kind %d", err, fm.kind)
		}
		back, err := unescape(fm.payload)
		if err != nil || !bytes.Equal(back, in) {
			t.Fatalf("got %q, %v", back, err)
		}
	})
}

// FuzzCommands: no packet, whatever it holds, panics or gets an answer that
// breaks the framing.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{
		"qSupported:multiprocess+", "vCont;r1000,1010:pa.a;c:pa.-1", "vCont;C1e:pa.a", "Z0,1000,1;X3,220127", "Z3,2000,41", "z2,2000,4",
		"m10000,4", "M10000,2:1234", "X10000,3:a}\x03b", "P2b=000102030405060708090a0b0c0d0e0f", "p2b", "g", "Hgpa.b", "Tpa.b", "bs", "bc",
		"qXfer:features:read:target.xml:0,1000", "qXfer:siginfo:write::0:\x0b", "qSearch:memory:10000;1000;#b", "qGetTLSAddr:pa.a,0,0",
		"qRcmd,68656c6c6f", "qRcmd,4068656c6c6f", "QPassSignals:e;10", "QYore.Select:pa.b", "qThreadExtraInfo,pa.b", "vKill;a", "c", "S0b", "?",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, p []byte, modern bool) {
		target := newPlain()
		c := &client{target: target, ctx: context.Background(), w: io.Discard, in: newInserted(target), gThread: 10, multi: modern, errorText: modern, swbreak: modern}
		for range 2 {
			answer, _ := c.handle(append([]byte(nil), p...))
			if bytes.ContainsAny(answer, "#$") || len(answer) > MaxPacket {
				t.Fatalf("%q: answer of %d bytes: %.100q", p, len(answer), answer)
			}
		}
		c.abandon()
	})
}

func TestSignalNumbers(t *testing.T) {
	seen := map[int]int{}
	for n := 1; n <= 64; n++ {
		g := gdbSignal(n)
		if n == 16 { // SIGSTKFLT: gdb has none
			if g != gdbSigUnknown {
				t.Errorf("signal 16: %d", g)
			}
			continue
		}
		if prev, dup := seen[g]; dup || g == gdbSigUnknown {
			t.Errorf("signals %d and %d are both gdb's %d", prev, n, g)
		}
		seen[g] = n
		if back := linuxSignal(g); back != n {
			t.Errorf("signal %d: gdb's %d, back %d", n, g, back)
		}
	}
	if gdbSignal(0) != 0 || linuxSignal(0) != 0 || linuxSignal(gdbSigUnknown) != 0 || gdbSignal(99) != gdbSigUnknown {
		t.Error("numbers outside")
	}
}

func TestEscapeUpTo(t *testing.T) {
	for limit := range 8 {
		out, n := escapeUpTo(nil, []byte("a#b#"), limit)
		if len(out) > limit || string(out) != string(escape(nil, []byte("a#b#")[:n])) {
			t.Errorf("limit %d: %q of %d", limit, out, n)
		}
	}
}

func ExampleListenUnix() {
	_, err := ListenUnix("/tmp/" + strings.Repeat("x", 200))
	fmt.Println(strings.Contains(err.Error(), "the path has 205 bytes, a socket's may have 107"))
	// Output: true
}
