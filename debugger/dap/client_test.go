package dap

// A client for tests. It speaks the protocol in the raw, and checks what the
// specification says about the order of messages whatever a test is about.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

type dict = map[string]any

// wait bounds what a test waits for; it is no measure of anything.
const wait = 60 * time.Second

type client struct {
	t    *testing.T
	w    io.WriteCloser
	r    *reader
	log  []string
	in   chan dict
	seq  int
	kept []dict // events that were read and not asked for yet

	answers []dict // responses that came before the one asked for

	order   order
	ended   chan error
	onAsk   func(dict) // gets the adapter's requests
	logLock sync.Mutex
}

// order checks each message against those before.
type order struct {
	seq         int
	asked       map[int]string // commands of requests without response
	initialized int
	greeted     bool
	configured  bool // configurationDone was answered
	running     bool // as the client must believe
	terminated  bool
	motions     map[int]bool
}

var motionCommands = map[string]bool{
	"continue": true, "next": true, "stepIn": true, "stepOut": true, "stepBack": true, "reverseContinue": true, "restartFrame": true,
	"yore.reverseStepIn": true, "yore.reverseStepOut": true,
}

// connect begins a session with an adapter.
func connect(t *testing.T, opts Options) *client {
	t.Helper()
	fromClient, toAdapter := io.Pipe()
	fromAdapter, toClient := io.Pipe()
	c := attach(t, fromAdapter, toAdapter)
	c.ended = make(chan error, 1)
	go func() {
		err := serve(context.Background(), fromClient, toClient, opts)
		toClient.Close()
		c.ended <- err
	}()
	t.Cleanup(func() {
		toAdapter.Close()
		select {
		case <-c.ended:
		case <-time.After(wait):
			t.Error("the adapter does not end when its client has gone")
		}
	})
	return c
}

// attach makes a client of a connection.
func attach(t *testing.T, r io.Reader, w io.WriteCloser) *client {
	c := &client{t: t, w: w, in: make(chan dict, 1000)}
	c.order.asked, c.order.motions = map[int]string{}, map[int]bool{}
	c.r = &reader{bufio.NewReader(r)}
	go func() {
		defer close(c.in)
		for {
			b, err := c.r.body()
			if err != nil {
				return
			}
			var m dict
			if err := json.Unmarshal(b, &m); err != nil {
				t.Errorf("the adapter sent %q: %v", b, err)
				return
			}
			c.note("<- " + string(b))
			c.in <- m
		}
	}()
	t.Cleanup(func() {
		if t.Failed() {
			c.logLock.Lock()
			defer c.logLock.Unlock()
			t.Log("the conversation:\n" + strings.Join(c.log, "\n"))
		}
	})
	return c
}

func (c *client) note(s string) {
	c.logLock.Lock()
	defer c.logLock.Unlock()
	c.log = append(c.log, s)
}

// raw sends bytes as they are.
func (c *client) raw(s string) {
	c.t.Helper()
	c.note("-> " + s)
	if _, err := io.WriteString(c.w, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) frame(s string) { c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s)) }

// send sends a request and returns its number.
func (c *client) send(command string, args any) int {
	c.t.Helper()
	c.seq++
	m := dict{"seq": c.seq, "type": "request", "command": command}
	if args != nil {
		m["arguments"] = args
	}
	b, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.order.asked[c.seq] = command
	c.frame(string(b))
	return c.seq
}

// next reads the next message, and checks its order.
func (c *client) next() dict {
	c.t.Helper()
	select {
	case m, ok := <-c.in:
		if !ok {
			c.t.Fatal("the adapter has gone")
		}
		c.check(m)
		return m
	case <-time.After(wait):
		c.t.Fatal("the adapter says nothing")
	}
	return nil
}

func (c *client) check(m dict) {
	c.t.Helper()
	o := &c.order
	bad := func(format string, args ...any) {
		c.t.Helper()
		c.t.Errorf("%s: %v", fmt.Sprintf(format, args...), m)
	}
	if n := num(m["seq"]); n <= o.seq {
		bad("seq does not rise")
	} else {
		o.seq = n
	}
	switch m["type"] {
	case "response":
		n := num(m["request_seq"])
		command, ok := o.asked[n]
		if n == 0 {
			return // to what had no number
		}
		if !ok {
			bad("a response to no request, or a second one")
		}
		delete(o.asked, n)
		if m["command"] != command {
			bad("the response's command is not %s", command)
		}
		if m["success"] != true {
			if m["message"] == nil || m["message"] == "" {
				bad("an error without a message")
			}
			return
		}
		switch {
		case command == "initialize":
			o.greeted = true
		case command == "configurationDone":
			o.configured, o.running = true, true
		case motionCommands[command]:
			o.running = true
		}
	case "event":
		if !o.greeted {
			bad("an event before the response to initialize")
		}
		switch m["event"] {
		case "initialized":
			if o.initialized++; o.initialized > 1 {
				bad("initialized twice")
			}
		case "stopped":
			if !o.configured {
				bad("stopped before configurationDone")
			}
			if o.terminated {
				bad("stopped after terminated")
			}
			o.running = false
			if at(m, "body", "reason") == nil || at(m, "body", "threadId") == nil {
				bad("stopped without reason or threadId")
			}
		case "continued":
			if o.running {
				bad("continued, and it was running")
			}
			o.running = true
		case "exited":
			if o.terminated {
				bad("exited after terminated")
			}
		case "terminated":
			if o.terminated {
				bad("terminated twice")
			}
			o.terminated = true
		}
	case "request":
		if c.onAsk != nil {
			c.onAsk(m)
		}
	default:
		bad("no type of the protocol")
	}
}

// answer waits for the response to a request.
func (c *client) answer(seq int) dict {
	c.t.Helper()
	for {
		m := c.next()
		if m["type"] == "response" && num(m["request_seq"]) == seq {
			return m
		}
		if m["type"] == "event" {
			c.kept = append(c.kept, m)
		} else if m["type"] == "response" {
			c.answers = append(c.answers, m)
		}
	}
}

// ask sends a request that must succeed and returns the body of its response.
func (c *client) ask(command string, args any) dict {
	c.t.Helper()
	m := c.answer(c.send(command, args))
	if m["success"] != true {
		c.t.Fatalf("%s failed: %v", command, m["message"])
	}
	body, _ := m["body"].(dict)
	return body
}

// fails sends a request that must fail and returns the message.
func (c *client) fails(command string, args any) string {
	c.t.Helper()
	m := c.answer(c.send(command, args))
	if m["success"] != false {
		c.t.Fatalf("%s succeeded: %v", command, m["body"])
	}
	return fmt.Sprint(m["message"])
}

// event waits for the next event of a name; others are kept.
func (c *client) event(name string) dict {
	c.t.Helper()
	for i, m := range c.kept {
		if m["event"] == name {
			c.kept = append(c.kept[:i:i], c.kept[i+1:]...)
			body, _ := m["body"].(dict)
			return body
		}
	}
	for {
		m := c.next()
		switch {
		case m["type"] == "event" && m["event"] == name:
			body, _ := m["body"].(dict)
			return body
		case m["type"] == "event":
			c.kept = append(c.kept, m)
		case m["type"] == "response":
			c.t.Fatalf("waiting for the event %s, got a response: %v", name, m)
		}
	}
}

// output takes the text of the output events of a category that have come so far.
func (c *client) output(category string) string {
	var b strings.Builder
	var rest []dict
	for _, m := range c.kept {
		if m["event"] == "output" && at(m, "body", "category") == category {
			b.WriteString(fmt.Sprint(at(m, "body", "output")))
		} else {
			rest = append(rest, m)
		}
	}
	c.kept = rest
	return b.String()
}

// at walks into a message by names and indices.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			d, _ := v.(dict)
			v = d[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func itoa(n int) string { return strconv.Itoa(n) }

func num(v any) int {
	f, _ := v.(float64)
	return int(f)
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
