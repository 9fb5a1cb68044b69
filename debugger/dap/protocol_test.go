package dap

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// nothing is an Options.Open that opens nothing.
func nothing(context.Context, Launch, Front) (*Target, error) {
	return nil, errors.New("there is nothing to open")
}

// TestOutOfOrder: each request that comes too early, twice, or to nothing gets an
// error that says so, and the session goes on.
func TestOutOfOrder(t *testing.T) {
	c := connect(t, Options{Open: nothing})
	for command := range requests {
		switch command {
		case "initialize", "disconnect", "cancel":
			continue
		}
		if got := c.fails(command, dict{}); got != command+" came before initialize" {
			t.Errorf("%s at first: %s", command, got)
		}
	}
	c.fails("initialize", dict{"pathFormat": "uri"})
	caps := c.ask("initialize", dict{"adapterID": "yore"})
	for _, name := range []string{"supportsStepBack", "supportsDataBreakpoints", "supportsSteppingGranularity", "supportsConfigurationDoneRequest",
		"supportsDisassembleRequest", "supportsReadMemoryRequest", "supportsSetVariable", "supportsCompletionsRequest", "supportsExceptionInfoRequest",
		"supportsCancelRequest", "supportsLogPoints", "supportsFunctionBreakpoints", "supportsHitConditionalBreakpoints"} {
		if caps[name] != true {
			t.Errorf("%s is not announced", name)
		}
	}
	if got := c.fails("initialize", nil); !strings.Contains(got, "answered before") {
		t.Error(got)
	}
	for _, command := range []string{"configurationDone", "setBreakpoints", "threads", "continue", "yore.goto", "evaluate"} {
		if got := c.fails(command, nil); got != command+" came before launch" {
			t.Errorf("%s before launch: %s", command, got)
		}
	}
	if got := c.fails("attach", dict{}); !strings.Contains(got, "cannot attach") {
		t.Error(got)
	}
	if got := c.fails("makeCoffee", nil); got != "there is no request makeCoffee" {
		t.Error(got)
	}
	// A launch that fails may be tried again.
	if got := c.fails("launch", dict{"program": 5}); !strings.Contains(got, "launch") {
		t.Error(got)
	}
	if got := c.fails("launch", dict{}); !strings.Contains(got, "neither a program nor a recording") {
		t.Error(got)
	}
	for range 2 {
		if got := c.fails("launch", dict{"program": "/x"}); got != "there is nothing to open" {
			t.Error(got)
		}
	}
	c.ask("cancel", dict{"requestId": 12345})
	c.ask("disconnect", nil)
	c.event("terminated")
}

// TestMalformed: what is no message, or none of a client, gets an error response
// as far as it can be addressed, and the next message is understood.
func TestMalformed(t *testing.T) {
	c := connect(t, Options{Open: nothing})
	complain := func(want string) {
		t.Helper()
		m := c.next()
		if m["type"] != "response" || m["success"] != false || !strings.Contains(str(m["message"]), want) {
			t.Errorf("got %v, want an error response with %q", m, want)
		}
	}
	c.ask("initialize", dict{"adapterID": "yore"})
	c.frame(`{"seq":`)
	complain("not understood")
	c.frame(`[]`)
	complain("not understood")
	c.frame(`{"seq":"one","type":"request","command":"threads"}`)
	complain("not understood")
	c.order.asked[100], c.order.asked[101] = "", "" // no requests, but they have numbers
	c.frame(`{"seq":100,"type":"event","event":"initialized"}`)
	complain(`not type "event"`)
	c.frame(`{"seq":101,"type":"request"}`)
	complain("no command")
	c.order.asked[102] = "threads"
	c.frame(`{"seq":102,"type":"request","command":"threads","arguments":[1,2]}`)
	complain("before launch")
	c.order.asked[103] = "launch"
	c.frame(`{"seq":103,"type":"request","command":"launch","arguments":"fast"}`)
	complain("launch")
	c.order.asked[104] = ""
	c.frame(`{"seq":104,"type":"request","command":5}`)
	complain("not understood")
	c.frame(`{"seq":9,"type":"response","request_seq":77,"success":true,"command":"runInTerminal"}`) // to nothing
	c.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	complain("not a message")
	c.raw("Content-Length: many\r\n\r\n")
	complain("not a length")
	c.raw("Content-Length: 99999999\r\n\r\n" + strings.Repeat(" ", 99999999))
	complain("are the most")
	c.raw("Content-Type: application/json\r\ncontent-length: 2\r\n\r\n{}")
	complain("not type")
	c.raw(strings.Repeat("x", 100_000) + "\r\n\r\n")
	complain("not a message")
	c.seq = 200
	if got := c.fails("threads", nil); got != "threads came before launch" {
		t.Error(got)
	}
}

// TestGone: a client that goes, in the middle of a message or before it has said
// anything, ends the session.
func TestGone(t *testing.T) {
	for _, text := range []string{"", "Content-Length: 10\r\n\r\n{", "Content-Le"} {
		if err := Serve(t.Context(), strings.NewReader(text), io.Discard, Options{Open: nothing}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzSession sends a session whatever there is. It may not crash or hang, and
// what it answers are messages.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"Content-Length: 74\r\n\r\n{\"seq\":1,\"type\":\"request\",\"command\":\"initialize\",\"arguments\":{\"adapterID\":1}}",
		"Content-Length: 53\r\n\r\n{\"seq\":1,\"type\":\"request\",\"command\":\"initialize\",\"x\":1}Content-Length: 45\r\n\r\n{\"seq\":2,\"type\":\"request\",\"command\":\"launch\"}",
		"Content-Length: 2\r\n\r\n{}", "\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 18446744073709551615\r\n\r\n{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out strings.Builder
		if err := Serve(t.Context(), strings.NewReader(string(in)), &out, Options{Open: nothing}); err != nil {
			t.Fatal(err)
		}
		r := newReader(strings.NewReader(out.String()))
		for {
			if _, err := r.body(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatalf("%v in %q", err, out.String())
			}
		}
	})
}

// FuzzArguments sends each request with arguments of any kind, in the phase in
// which it is looked at closest without a program.
func FuzzArguments(f *testing.F) {
	f.Add("launch", `{"program":"x","args":"a 'b c'","env":{"A":null},"sourceFileMap":{"/a":{"editorPath":"/b"}},"envFile":["/none"]}`)
	f.Add("launch", `{"program":"x","setupCommands":[{"text":"-gdb-set x y"}],"substitutePath":[{"from":"a","to":"b"}]}`)
	f.Add("initialize", `{"linesStartAt1":false}`)
	f.Add("cancel", `{"requestId":1}`)
	f.Add("disconnect", `[]`)
	f.Fuzz(func(t *testing.T, command, args string) {
		raw := []byte(args)
		parseLaunch(raw, func(string) ([]byte, error) { return raw, nil })
		parseLog(args)
		parseHits(args)
		splitWords(args)
		consoleCommand(args)
		var out strings.Builder
		in := frameOf(`{"seq":1,"type":"request","command":"initialize"}`) + frameOf(`{"seq":2,"type":"request","command":"`+command+`","arguments":`+args+`}`)
		if err := Serve(t.Context(), strings.NewReader(in), &out, Options{Open: nothing}); err != nil {
			t.Fatal(err)
		}
	})
}

func frameOf(s string) string {
	var w strings.Builder
	dap.WriteBaseMessage(&w, []byte(s))
	return w.String()
}
