package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"yore/testprogs"
)

// adapter is `yore dap` and a connection to it.
type adapter struct {
	t   *testing.T
	w   io.Writer
	r   *bufio.Reader
	seq int
	log []string
}

// do sends a request and returns the body of its response; events before it are
// kept for await.
func (a *adapter) do(command string, args any) map[string]any {
	a.t.Helper()
	a.seq++
	b, err := json.Marshal(map[string]any{"seq": a.seq, "type": "request", "command": command, "arguments": args})
	if err != nil {
		a.t.Fatal(err)
	}
	fmt.Fprintf(a.w, "Content-Length: %d\r\n\r\n%s", len(b), b)
	for {
		m := a.read()
		if m["type"] != "response" {
			continue
		}
		if m["success"] != true || m["command"] != command {
			a.t.Fatalf("%s: %v\n%s", command, m, strings.Join(a.log, "\n"))
		}
		body, _ := m["body"].(map[string]any)
		return body
	}
}

// stop waits for a stop and returns the line and the name of its innermost frame.
func (a *adapter) stop() (line int, function string) {
	a.t.Helper()
	for {
		m := a.read()
		if m["event"] == "terminated" {
			a.t.Fatalf("terminated\n%s", strings.Join(a.log, "\n"))
		}
		if m["event"] != "stopped" {
			continue
		}
		thread := m["body"].(map[string]any)["threadId"]
		frames := a.do("stackTrace", map[string]any{"threadId": thread})["stackFrames"].([]any)
		f := frames[0].(map[string]any)
		return int(f["line"].(float64)), f["name"].(string)
	}
}

func (a *adapter) read() map[string]any {
	a.t.Helper()
	length := 0
	for {
		l, err := a.r.ReadString('\n')
		if err != nil {
			a.t.Fatalf("%v\n%s", err, strings.Join(a.log, "\n"))
		}
		if l = strings.TrimSpace(l); l == "" {
			break
		}
		fmt.Sscanf(l, "Content-Length: %d", &length)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(a.r, b); err != nil {
		a.t.Fatal(err)
	}
	a.log = append(a.log, string(b))
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		a.t.Fatal(err)
	}
	return m
}

// The program as an editor starts it: by stdio on a live program, on the recording
// of one, and on Go source; by a socket.
func TestDAP(t *testing.T) {
	for _, tool := range []string{"gdb", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("skipped: " + tool + " is not installed")
		}
	}
	store := t.TempDir()
	t.Setenv("YORE_DIR", store)
	prog := testprogs.Build(t, "demo_list")
	source, err := testprogs.Find("demo_list")
	if err != nil {
		t.Fatal(err)
	}
	culprit, err := source.Line("culprit")
	if err != nil {
		t.Fatal(err)
	}
	stdio := func(t *testing.T) *adapter {
		cmd := yoreCommand(t, "dap")
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("yore dap ended with %v", err)
			}
		})
		return &adapter{t: t, w: in, r: bufio.NewReader(out)}
	}
	// tour goes to the end, finds who broke the list, and steps over it and back.
	tour := func(t *testing.T, a *adapter, config map[string]any) {
		a.do("initialize", map[string]any{"adapterID": "yore"})
		a.do("launch", config)
		a.do("configurationDone", nil)
		a.stop()
		if got := a.do("evaluate", map[string]any{"expression": "list_len(head)", "context": "watch"})["result"]; got != "11" {
			t.Errorf("list_len(head) is %v at the end", got)
		}
		change := a.do("yore.reverseWatch", map[string]any{"expression": "list_len(head) <= 10"})
		if change["function"] != "list_link" || int(change["line"].(float64)) != culprit {
			t.Errorf("the culprit: %v", change)
		}
		if line, _ := a.stop(); line != culprit {
			t.Errorf("stopped at line %d, want %d", line, culprit)
		}
		a.do("next", map[string]any{"threadId": 1})
		if line, _ := a.stop(); line != culprit+1 {
			t.Errorf("after next at line %d, want %d", line, culprit+1)
		}
		a.do("stepBack", map[string]any{"threadId": 1})
		if line, _ := a.stop(); line != culprit {
			t.Errorf("after stepBack at line %d, want %d", line, culprit)
		}
		a.do("disconnect", nil)
	}
	t.Run("live", func(t *testing.T) {
		tour(t, stdio(t), map[string]any{"program": filepath.Base(prog), "args": []string{"7"}, "cwd": filepath.Dir(prog),
			"env": map[string]any{"PATH": filepath.Dir(prog) + ":" + os.Getenv("PATH")}, "MIMode": "gdb", "program_": 1, "stopAtEntry": false})
	})
	t.Run("recording", func(t *testing.T) {
		rec := filepath.Join(t.TempDir(), "rec")
		if err := yoreCommand(t, "record", "-q", "-o", rec, prog, "7").Run(); err == nil {
			t.Fatal("demo_list ended well")
		}
		tour(t, stdio(t), map[string]any{"recording": rec})
	})
	t.Run("socket", func(t *testing.T) {
		sock := filepath.Join(store, "s")
		cmd := yoreCommand(t, "dap", "--listen", sock, "--once")
		errs, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if l, err := bufio.NewReader(errs).ReadString('\n'); err != nil || !strings.Contains(l, "listening at") {
			t.Fatalf("%q, %v", l, err)
		}
		conn, err := net.Dial("unix", sock)
		if err != nil {
			t.Fatal(err)
		}
		a := &adapter{t: t, w: conn, r: bufio.NewReader(conn)}
		a.do("initialize", map[string]any{"adapterID": "yore"})
		a.do("disconnect", nil)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("go", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "main.go")
		text := "package main\n\nfunc double(n int) int {\n\treturn 2 * n\n}\n\nfunc main() {\n\ts := 0\n\tfor i := range 4 {\n\t\ts += double(i)\n\t}\n\tprintln(s)\n}\n"
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		a := stdio(t)
		a.do("initialize", map[string]any{"adapterID": "yore"})
		a.do("launch", map[string]any{"mode": "debug", "program": file, "buildFlags": "-tags=x"})
		bps := a.do("setBreakpoints", map[string]any{"source": map[string]any{"path": file}, "breakpoints": []map[string]any{{"line": 4, "condition": "n == 2"}}})
		if b := bps["breakpoints"].([]any)[0].(map[string]any); b["verified"] != true {
			t.Errorf("the breakpoint: %v", b)
		}
		a.do("configurationDone", nil)
		if line, f := a.stop(); line != 4 || f != "main.double" {
			t.Errorf("stopped at line %d of %s", line, f)
		}
		if got := a.do("evaluate", map[string]any{"expression": "n", "context": "watch"})["result"]; got != "2" {
			t.Errorf("n is %v", got)
		}
		a.do("stepOut", map[string]any{"threadId": 0})
		if line, f := a.stop(); line != 10 || f != "main.main" {
			t.Errorf("stepped out to line %d of %s", line, f)
		}
		a.do("stepBack", map[string]any{"threadId": 0})
		a.stop()
		a.do("reverseContinue", map[string]any{"threadId": 0})
		a.stop()
		a.do("disconnect", nil)
	})
}
