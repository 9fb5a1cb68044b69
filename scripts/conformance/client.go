package main

// A client of the Debug Adapter Protocol, as an editor has one. It stays unusable
// after its first error, so that a session reads as what the person does.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/google/go-dap"
)

type dict = map[string]any

// client is one session with an adapter. One goroutine uses it.
type client struct {
	err   error // the first
	w     io.WriteCloser
	in    chan dict
	seq   int
	kept  []dict          // events that nobody has asked for yet
	early []dict          // responses, likewise
	out   strings.Builder // what the program wrote
	said  strings.Builder // what the console was told
	end   func() error    // waits for the adapter's end
	// thread is the one that the last stop named.
	thread float64
}

// patience bounds what a session waits for.
const patience = time.Minute

// startAdapter starts an adapter and speaks with it, on its standard streams or,
// with listen, on a socket of that path.
func startAdapter(ctx context.Context, yore, listen string) (*client, error) {
	c := &client{in: make(chan dict, 1000)}
	args := []string{"dap"}
	if listen != "" {
		args = append(args, "--once", "--listen", listen)
	}
	cmd := exec.CommandContext(ctx, yore, args...)
	c.end = cmd.Wait
	if listen != "" {
		errs, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return nil, err
		}
		if _, err := bufio.NewReader(errs).ReadString('\n'); err != nil { // "listening at"
			return nil, fmt.Errorf("the adapter does not listen: %w", err)
		}
		conn, err := net.Dial("unix", listen)
		if err != nil {
			return nil, err
		}
		c.w = conn
		go c.read(conn)
		return c, nil
	}
	r, err := cmd.StdoutPipe()
	if err == nil {
		c.w, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	go c.read(r)
	return c, nil
}

// read hands on messages until the stream ends.
func (c *client) read(r io.Reader) {
	defer close(c.in)
	b := bufio.NewReader(r)
	for {
		raw, err := dap.ReadBaseMessage(b)
		if err != nil {
			return
		}
		var m dict
		if json.Unmarshal(raw, &m) != nil {
			return
		}
		c.in <- m
	}
}

func (c *client) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// next is the next message, nil after an error.
func (c *client) next(awaited string) dict {
	select {
	case m, ok := <-c.in:
		if !ok {
			c.fail("the adapter ended; %s was to come", awaited)
			return nil
		}
		body, _ := m["body"].(dict)
		if category := body["category"]; m["event"] == "output" && (category == "stdout" || category == "stderr") {
			c.out.WriteString(fmt.Sprint(body["output"]))
		} else if m["event"] == "output" {
			c.said.WriteString(fmt.Sprint(body["output"]))
		}
		return m
	case <-time.After(patience):
		c.fail("%s does not come", awaited)
		return nil
	}
}

// send sends a request and returns its number.
func (c *client) send(command string, args dict) int {
	if c.err != nil {
		return 0
	}
	c.seq++
	b, err := json.Marshal(dict{"seq": c.seq, "type": "request", "command": command, "arguments": args})
	if err == nil {
		err = dap.WriteBaseMessage(c.w, b)
	}
	if err != nil {
		c.fail("%s: %w", command, err)
	}
	return c.seq
}

// answer waits for the response to a request.
func (c *client) answer(seq int, command string) dict {
	for c.err == nil {
		for i, m := range c.early {
			if m["request_seq"] == float64(seq) {
				c.early = slices.Delete(c.early, i, i+1)
				return m
			}
		}
		c.keep("the response to " + command)
	}
	return nil
}

// keep reads a message, for whoever asks for it.
func (c *client) keep(awaited string) {
	m := c.next(awaited)
	switch {
	case m == nil:
	case m["type"] == "event":
		c.kept = append(c.kept, m)
	case m["type"] == "response":
		c.early = append(c.early, m)
	default:
		c.fail("the adapter sent %v", m)
	}
}

// do sends a request and returns the body of its response.
func (c *client) do(command string, args dict) dict {
	m := c.answer(c.send(command, args), command)
	if c.err == nil && m["success"] != true {
		c.fail("%s %v: %v", command, args, m["message"])
	}
	body, _ := m["body"].(dict)
	return body
}

// refused sends a request that must be refused, and the session must go on.
func (c *client) refused(command string, args dict) {
	if m := c.answer(c.send(command, args), command); c.err == nil && m["success"] == true {
		c.fail("%s %v was not refused", command, args)
	}
}

// event waits for an event, and forgets those before.
func (c *client) event(name string) dict {
	for c.err == nil {
		if len(c.kept) == 0 {
			c.keep("event " + name)
			continue
		}
		m := c.kept[0]
		c.kept = c.kept[1:]
		if m["event"] == name {
			body, _ := m["body"].(dict)
			return body
		}
	}
	return nil
}

// stopped waits for a stop of that reason, "" for any.
func (c *client) stopped(reason string) dict {
	b := c.event("stopped")
	if c.err == nil && reason != "" && b["reason"] != reason {
		c.fail("it stopped for %v, not %s", b, reason)
	}
	if t, ok := b["threadId"].(float64); ok {
		c.thread = t
	}
	return b
}

// move asks for a motion, whose stop must have that reason. An editor names the
// thread that stopped last.
func (c *client) move(command string, args dict, reason string) dict {
	if args == nil {
		args = dict{}
	}
	args["threadId"] = c.thread
	c.do(command, args)
	return c.stopped(reason)
}

// at asks what an editor asks at each stop and checks where that is: function and
// line of the innermost frame; line 0 is any. It returns that frame's id.
func (c *client) at(function string, line int) any {
	threads := objects(c.do("threads", nil), "threads")
	if !slices.ContainsFunc(threads, func(t dict) bool { return t["id"] == c.thread }) {
		c.fail("thread %v has stopped, which is not one of %v", c.thread, threads)
	}
	top := objects(c.do("stackTrace", dict{"threadId": c.thread, "startFrame": 0, "levels": 1}), "stackFrames")
	whole := c.do("stackTrace", dict{"threadId": c.thread, "startFrame": 1, "levels": 19})
	if c.err != nil {
		return nil
	}
	if len(top) != 1 || !strings.Contains(fmt.Sprint(top[0]["name"]), function) || line != 0 && top[0]["line"] != float64(line) {
		c.fail("it stopped at %v, not in %s at line %d", top, function, line)
		return nil
	}
	if n, ok := whole["totalFrames"].(float64); ok && int(n) < 1+len(objects(whole, "stackFrames")) {
		c.fail("%v frames are fewer than there are", n)
	}
	return top[0]["id"]
}

// locals are the variables of a frame's first scope, by name.
func (c *client) locals(frame any) map[string]dict {
	scopes := objects(c.do("scopes", dict{"frameId": frame}), "scopes")
	if len(scopes) == 0 {
		c.fail("the frame has no scopes")
		return nil
	}
	out := map[string]dict{}
	for _, v := range objects(c.do("variables", dict{"variablesReference": scopes[0]["variablesReference"]}), "variables") {
		v["container"] = scopes[0]["variablesReference"]
		out[fmt.Sprint(v["name"])] = v
	}
	return out
}

// top is the innermost frame.
func (c *client) top() dict {
	return first(objects(c.do("stackTrace", dict{"threadId": c.thread, "startFrame": 0, "levels": 1}), "stackFrames"))
}

// value evaluates an expression, as for a watch.
func (c *client) value(frame any, expr string) string {
	return fmt.Sprint(c.do("evaluate", dict{"expression": expr, "frameId": frame, "context": "watch"})["result"])
}

// want checks something.
func (c *client) want(what string, got, want any) {
	if c.err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		c.fail("%s is %v, not %v", what, got, want)
	}
}

// breakpoints sets a file's breakpoints, all of which must be verified.
func (c *client) breakpoints(path string, points ...dict) {
	for _, b := range objects(c.do("setBreakpoints", dict{"source": dict{"path": path}, "breakpoints": points, "sourceModified": false}), "breakpoints") {
		if b["verified"] != true {
			c.fail("breakpoint in %s: %v", path, b)
		}
	}
}

// begin initializes and launches, up to where the editor configures. The
// capabilities are those of Visual Studio Code, but for its terminal.
func (c *client) begin(launch dict) (capabilities dict, answer func()) {
	capabilities = c.do("initialize", dict{"clientID": "vscode", "adapterID": "yore", "pathFormat": "path", "linesStartAt1": true, "columnsStartAt1": true,
		"supportsVariableType": true, "supportsVariablePaging": true, "supportsProgressReporting": true, "supportsInvalidatedEvent": true,
		"supportsMemoryReferences": true, "locale": "en"})
	seq := c.send("launch", launch)
	c.event("initialized")
	return capabilities, func() {
		if m := c.answer(seq, "launch"); c.err == nil && m["success"] != true {
			c.fail("launch: %v", m["message"])
		}
	}
}

// leave disconnects; the adapter must end by itself.
func (c *client) leave() error {
	c.do("disconnect", dict{"restart": false})
	c.w.Close()
	if err := c.end(); err != nil {
		c.fail("the adapter ended: %w", err)
	}
	return c.err
}

// objects is a list of objects in an answer.
func objects(body dict, name string) (out []dict) {
	l, _ := body[name].([]any)
	for _, v := range l {
		if d, ok := v.(dict); ok {
			out = append(out, d)
		}
	}
	return out
}

// first is the first of a list, nil when there is none.
func first(l []dict) dict {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}
