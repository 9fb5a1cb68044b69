package gdbserver

import (
	"context"
	"errors"
	"strings"
	"testing"

	"yore/engine/timeline"
)

// plainRR notes what Delve asks of an rr.
type plainRR struct{ *plain }

func (r plainRR) RRCommand(_ context.Context, name string, args []string) (string, error) {
	r.note("%s %q", name, args)
	switch name {
	case "when":
		return "12\n", nil
	case "nothing":
		return "", nil
	}
	return "", errors.New("no such command")
}

func (r plainRR) RRRestart(_ context.Context, at string) error {
	r.note("restart %q", at)
	if at == "c9" {
		return errors.New("no {checkpoint} 9")
	}
	return nil
}

// TestRR is Delve's side of a conversation with an rr, with what it would go wrong
// at.
func TestRR(t *testing.T) {
	target := newPlain()
	p := dial(t, target, Options{RR: plainRR{target}}, "swbreak+;hwbreak+;no-resumed+;xmlRegisters=i386")
	const regs = "06:1070000000000000;07:0070000000000000;10:0a00010000000000;thread:a;"
	for _, c := range []struct {
		send  string
		stop  timeline.Stop
		calls string
		want  string
	}{
		{send: "QThreadSuffixSupported", want: "OK"},
		{send: "qRegisterInfo0"}, {send: "QListThreadsInStopReply"}, {send: "x0,0"}, {send: "_M100,rwx"}, {send: "qThreadStopInfoa"},
		{send: "qProcessInfo", want: "pid:a;"},
		{send: "qfThreadInfo", want: "ma,b"},
		// registers of a thread that the packet names
		{send: "p10;thread:b;", want: "0b00010000000000"},
		{send: "p0;thread:a;", want: "0a00000000000000"},
		{send: "P0=1100000000000000;thread:b;", calls: "registers of 11, xsave false", want: "OK"},
		{send: "p0;thread:c;", want: "E01"}, {send: "p0;thread:;", want: "E01"}, {send: "g;thread:a", want: "E01"},
		// memory: all of it or an error
		{send: "m10001,4", want: "070e151c"}, {send: "m1fffe,10", want: "E01"},
		// calls of functions are refused
		{send: "qXfer:siginfo:read::0,fff", want: "E01"}, {send: "qXfer:siginfo:write::0:", want: "E01"},
		// rr's commands
		{send: "qRRCmd:when:-1", calls: `when []`, want: hexOf("12\n")},
		{send: "qRRCmd:checkpoint:-1:" + hexOf("a b"), calls: `checkpoint ["a b"]`, want: hexOf("no such command")},
		{send: "qRRCmd:nothing:-1", calls: `nothing []`, want: hexOf("\n")},
		{send: "qRRCmd:when:-1:zz", want: "E01"}, {send: "qRRCmd:", calls: ` []`, want: hexOf("no such command")},
		// a restart, and the resume that is only for show
		{send: "vRun;", calls: `restart ""`, want: "T05" + regs},
		{send: "vCont;c", want: "T05" + regs},
		{send: "vRun;;" + hexOf("c1"), calls: `restart "c1"`, want: "T05" + regs},
		{send: "bc", want: "T05" + regs},
		{send: "vRun;;" + hexOf("c9"), calls: `restart "c9"`, want: "E.no  checkpoint  9"},
		{send: "vRun;;q", want: "E01"},
		// the edges of history
		{"Hcp-1.-1", timeline.Stop{}, "", "OK"},
		{"bc", timeline.Stop{Reason: timeline.HistoryBegin}, "resume {Dir:1 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T00" + regs + "replaylog:begin;"},
		{"vCont;c", timeline.Stop{Reason: timeline.HistoryEnd}, "resume {Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T09" + regs},
		{"vCont;s:a", timeline.Stop{Reason: timeline.HistoryEnd}, "resume {Dir:0 Mode:1 Thread:10 Lo:0 Hi:0 Signal:0}", "T05" + regs + "replaylog:end;"},
		{"Hcb", timeline.Stop{}, "", "OK"},
		{"bs", timeline.Stop{Reason: timeline.Step}, "resume {Dir:1 Mode:1 Thread:11 Lo:0 Hi:0 Signal:0}", "T05" + regs},
		{"vCont;c", timeline.Stop{Reason: timeline.Watchpoint, Addr: 0x2000, Watch: timeline.WatchWrite}, "resume {Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T05" + regs + "watch:2000;"},
		{"vCont;c", timeline.Stop{Reason: timeline.Interrupted}, "resume {Dir:0 Mode:0 Thread:0 Lo:0 Hi:0 Signal:0}", "T02" + regs},
	} {
		if c.stop.Thread == 0 {
			c.stop.Thread = 10
		}
		target.stops = []timeline.Stop{c.stop}
		if got := p.ask(c.send); got != c.want {
			t.Errorf("%s: got %q, want %q", c.send, got, c.want)
		}
		if got := target.taken(); got != c.calls {
			t.Errorf("%s: calls %q, want %q", c.send, got, c.calls)
		}
	}
	// What fails must not look like a stop.
	target.err = errors.New("diverged")
	p.send("vCont;c")
	if got := p.answer(); got != "O"+hexOf("yore: diverged\n") {
		t.Errorf("the reason of a failure: %q", got)
	}
	if got := p.answer(); got != "E01" {
		t.Errorf("a motion that fails: %q", got)
	}
	if got := p.ask("qXfer:features:read:target.xml:0,fff"); !strings.Contains(got, `xi:include href="64bit-segments.xml"`) {
		t.Errorf("target.xml: %q", got)
	}
}
