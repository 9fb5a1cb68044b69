package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-dap"

	"yore/testprogs"
)

// The version that is answered is that of the Delve within.
func TestDelveVersion(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(moduleRoot(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "github.com/go-delve/delve v"+delveVersion) {
		t.Errorf("go.mod has another version of Delve than %s", delveVersion)
	}
	out, err := exec.Command("dlv", "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "Delve Debugger\nVersion: "+delveVersion+"\nBuild: ") {
		t.Errorf("dlv version: %q, %v", out, err)
	}
}

// What is not dap is left to the dlv behind this one, however many come before it.
func TestBehindUs(t *testing.T) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	dir := func(name string) string { return filepath.Join(root, name) }
	write(t, filepath.Join(dir("first"), "dlv"), []byte("#!/bin/sh\n"), 0o755)
	write(t, filepath.Join(dir("data"), "dlv"), []byte("no program"), 0o644)
	write(t, filepath.Join(dir("last"), "dlv"), []byte("#!/bin/sh\n"), 0o755)
	if err := os.Mkdir(dir("us"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir("us"), "dlv")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"us:data:last:first", "last"}, {"first:us:last", "last"}, {"first:us", ""}, {"us:last:us", ""}, {"none:first", "first"}, {"", ""},
	} {
		var list []string
		for _, name := range strings.Split(c.path, ":") {
			if name != "" {
				list = append(list, dir(name))
			}
		}
		want := ""
		if c.want != "" {
			want = filepath.Join(dir(c.want), "dlv")
		}
		if got := behindUs(strings.Join(list, ":"), "dlv"); got != want {
			t.Errorf("on %s comes %q, want %q", c.path, got, want)
		}
	}
}

// An editor's Go extension starts `dlv dap`, debugs a test, and steps back.
func TestDelveDAP(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"sum_test.go": `package m

import "testing"

func TestSum(t *testing.T) {
	sum := 0
	for i := range 4 {
		sum += i
	}
	if sum != 5 {
		t.Fatal(sum)
	}
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := startDelve(t)
	if !c.initialize().SupportsStepBack {
		t.Error("stepBack is not announced")
	}
	c.launch(`{"name":"test","type":"go","request":"launch","mode":"test","program":"` + dir + `","args":["-test.run","TestSum"]}`)
	c.breakAt(filepath.Join(dir, "sum_test.go"), 11)
	c.expect("breakpoint", "example.com/m.TestSum", 11)
	if got := c.evaluate("sum"); got != "6" {
		t.Errorf("sum is %s, want 6", got)
	}
	for _, line := range []int{10, 7, 8} {
		c.send(&dap.StepBackRequest{Request: c.request("stepBack"), Arguments: dap.StepBackArguments{ThreadId: c.thread}})
		c.expect("step", "example.com/m.TestSum", line)
	}
	if got := c.evaluate("sum"); got != "3" {
		t.Errorf("before the last addition sum is %s, want 3", got)
	}
	c.send(&dap.NextRequest{Request: c.request("next"), Arguments: dap.NextArguments{ThreadId: c.thread}})
	c.expect("step", "example.com/m.TestSum", 7)
}

// Mode exec, and all the way back.
func TestDelveDAPExec(t *testing.T) {
	exe := testprogs.Build(t, "go/bank", "-gcflags=all=-N -l")
	culprit := testprogs.Line(t, "go/bank", "culprit")
	p, err := testprogs.Find("go/bank")
	if err != nil {
		t.Fatal(err)
	}
	c := startDelve(t)
	c.initialize()
	c.launch(`{"request":"launch","mode":"exec","program":"` + exe + `","args":["7"]}`)
	c.breakAt(p.Path, culprit)
	c.expect("breakpoint", "main.(*Bank).Transfer", culprit)
	c.send(&dap.NextRequest{Request: c.request("next"), Arguments: dap.NextArguments{ThreadId: c.thread}})
	c.expect("step", "main.(*Bank).Transfer", culprit+1)
	c.send(&dap.ReverseContinueRequest{Request: c.request("reverseContinue"), Arguments: dap.ReverseContinueArguments{ThreadId: c.thread}})
	c.expect("breakpoint", "main.(*Bank).Transfer", culprit)
}

// delveClient is an editor.
type delveClient struct {
	t      *testing.T
	conn   net.Conn
	r      *bufio.Reader
	seq    int
	thread int
	frame  int
}

// startDelve runs `dlv dap` and connects.
func startDelve(t *testing.T) *delveClient {
	t.Helper()
	cmd := exec.Command("dlv", "dap", "--listen=127.0.0.1:0", "--log=false")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	m := regexp.MustCompile(`^DAP server listening at: (\S+)\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("dlv dap says %q, %v", line, err)
	}
	conn, err := net.Dial("tcp", m[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const patience = 2 * time.Minute // building is part of it
	conn.SetDeadline(time.Now().Add(patience))
	return &delveClient{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (c *delveClient) request(command string) dap.Request {
	c.seq++
	return dap.Request{ProtocolMessage: dap.ProtocolMessage{Seq: c.seq, Type: "request"}, Command: command}
}

func (c *delveClient) send(m dap.Message) {
	c.t.Helper()
	if err := dap.WriteProtocolMessage(c.conn, m); err != nil {
		c.t.Fatal(err)
	}
}

// awaitDAP reads messages until one is of the type wanted.
func awaitDAP[M dap.Message](c *delveClient) M {
	c.t.Helper()
	for {
		m, err := dap.ReadProtocolMessage(c.r)
		if err != nil {
			var want M
			c.t.Fatalf("waiting for %T: %v", want, err)
		}
		switch m := m.(type) {
		case M:
			return m
		case *dap.ErrorResponse:
			c.t.Fatalf("%s: %s", m.Command, m.Body.Error.Variables["error"]+m.Body.Error.Format)
		case *dap.TerminatedEvent:
			c.t.Fatal("the session ended")
		}
	}
}

func (c *delveClient) initialize() dap.Capabilities {
	c.send(&dap.InitializeRequest{Request: c.request("initialize"), Arguments: dap.InitializeRequestArguments{
		AdapterID: "go", PathFormat: "path", LinesStartAt1: true, ColumnsStartAt1: true}})
	return awaitDAP[*dap.InitializeResponse](c).Body
}

func (c *delveClient) launch(config string) {
	c.send(&dap.LaunchRequest{Request: c.request("launch"), Arguments: []byte(config)})
	awaitDAP[*dap.InitializedEvent](c)
}

func (c *delveClient) breakAt(file string, line int) {
	c.t.Helper()
	c.send(&dap.SetBreakpointsRequest{Request: c.request("setBreakpoints"), Arguments: dap.SetBreakpointsArguments{
		Source: dap.Source{Path: file}, Breakpoints: []dap.SourceBreakpoint{{Line: line}}}})
	if b := awaitDAP[*dap.SetBreakpointsResponse](c).Body.Breakpoints; len(b) != 1 || !b[0].Verified {
		c.t.Fatalf("breakpoint at line %d: %+v", line, b)
	}
	c.send(&dap.ConfigurationDoneRequest{Request: c.request("configurationDone")})
}

// expect waits for a stop.
func (c *delveClient) expect(reason, function string, line int) {
	c.t.Helper()
	e := awaitDAP[*dap.StoppedEvent](c)
	c.thread = e.Body.ThreadId
	c.send(&dap.StackTraceRequest{Request: c.request("stackTrace"), Arguments: dap.StackTraceArguments{ThreadId: c.thread, Levels: 1}})
	f := awaitDAP[*dap.StackTraceResponse](c).Body.StackFrames[0]
	c.frame = f.Id
	if e.Body.Reason != reason || f.Name != function || f.Line != line {
		c.t.Errorf("stopped (%s) in %s:%d, want (%s) in %s:%d", e.Body.Reason, f.Name, f.Line, reason, function, line)
	}
}

func (c *delveClient) evaluate(expr string) string {
	c.t.Helper()
	c.send(&dap.EvaluateRequest{Request: c.request("evaluate"), Arguments: dap.EvaluateArguments{Expression: expr, FrameId: c.frame, Context: "watch"}})
	return awaitDAP[*dap.EvaluateResponse](c).Body.Result
}
