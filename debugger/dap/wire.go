package dap

// A message is a header with its length, an empty line, and that many bytes of
// JSON. The reader forgives what it can: other headers, text between messages,
// JSON that is no request. The types of bodies and arguments are go-dap's.

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-dap"
)

// Bounds of what a client may send.
const (
	maxLine    = 4 << 10
	maxMessage = 16 << 20
)

// message is what a client sends: a request, or the response to one of ours.
type message struct {
	Seq       int             `json:"seq"`
	Type      string          `json:"type"`
	Command   string          `json:"command"`
	Arguments json.RawMessage `json:"arguments"`

	RequestSeq int             `json:"request_seq"`
	Success    bool            `json:"success"`
	Message    string          `json:"message"`
	Body       json.RawMessage `json:"body"`
}

// malformedError says what is wrong with a message. Reading can go on.
type malformedError struct {
	seq     int // as far as it can be told
	command string
	reason  string
}

func (e *malformedError) Error() string { return e.reason }

// reader reads messages.
type reader struct{ r *bufio.Reader }

func newReader(r io.Reader) *reader { return &reader{bufio.NewReaderSize(r, maxLine)} }

// read returns the next message, a *malformedError, or the error of the stream.
func (r *reader) read() (*message, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		bad := &malformedError{reason: "the message is not understood: " + err.Error()}
		// What can be read of it tells which request to answer.
		var loose struct{ Seq, Command any }
		if json.Unmarshal(body, &loose) == nil {
			if n, ok := loose.Seq.(float64); ok {
				bad.seq = int(n)
			}
			bad.command, _ = loose.Command.(string)
		}
		return nil, bad
	}
	switch {
	case m.Type != "request" && m.Type != "response":
		return nil, &malformedError{m.Seq, m.Command, fmt.Sprintf("a client sends requests and responses, not type %q", m.Type)}
	case m.Type == "request" && m.Command == "":
		return nil, &malformedError{m.Seq, "", "the request has no command"}
	}
	return &m, nil
}

// body reads a message's header and bytes.
func (r *reader) body() ([]byte, error) {
	length, garbage := -1, false
	for {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		switch name, value, ok := strings.Cut(line, ":"); {
		case line == "" && length >= 0:
			return r.take(length)
		case line == "":
			if garbage {
				return nil, &malformedError{reason: "what came is not a message of the Debug Adapter Protocol"}
			}
		case ok && strings.EqualFold(strings.TrimSpace(name), "Content-Length"):
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 40)
			if err != nil {
				return nil, &malformedError{reason: fmt.Sprintf("Content-Length: %.40q is not a length", value)}
			}
			length = int(n)
		case !ok || length < 0 && strings.ContainsAny(name, "{} \""):
			garbage = true
		}
	}
}

// line reads a line of a header without its end; of one that is too long, the
// beginning.
func (r *reader) line() (string, error) {
	b, err := r.r.ReadSlice('\n')
	line := strings.TrimRight(string(b), "\r\n")
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.r.ReadSlice('\n')
	}
	if err != nil {
		return "", err
	}
	return line, nil
}

func (r *reader) take(n int) ([]byte, error) {
	if n > maxMessage {
		if _, err := io.CopyN(io.Discard, r.r, int64(n)); err != nil {
			return nil, err
		}
		return nil, &malformedError{reason: fmt.Sprintf("the message has %d bytes; %d are the most", n, maxMessage)}
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.r, body); err != nil {
		return nil, err
	}
	return body, nil
}

// response, event and reverse are what we send.
type response struct {
	dap.Response
	Body any `json:"body,omitempty"`
}

type event struct {
	dap.Event
	Body any `json:"body,omitempty"`
}

type reverse struct {
	dap.Request
	Arguments any `json:"arguments"`
}

// writer sends messages, from any goroutine. After the first error of the stream
// it drops them: the reader will find that the client has gone.
type writer struct {
	mu  sync.Mutex
	w   io.Writer
	seq int
	err error
	log io.Writer // of both directions, nil for none
}

func (w *writer) respond(m *message, body any) {
	w.send(&response{Response: dap.Response{RequestSeq: m.Seq, Success: true, Command: m.Command}, Body: body})
}

// fail sends an error response. The sentence stands in the message, for clients
// that show that, and in the body, as the protocol has it.
func (w *writer) fail(seq int, command string, err error) {
	text := err.Error()
	short := text
	if errors.Is(err, errCancelled) {
		short = "cancelled" // the protocol's word
	}
	w.send(&response{
		Response: dap.Response{RequestSeq: seq, Command: command, Message: short},
		Body:     dap.ErrorResponseBody{Error: &dap.ErrorMessage{Id: 1, Format: "{error}", Variables: map[string]string{"error": text}}},
	})
}

func (w *writer) event(name string, body any) {
	w.send(&event{Event: dap.Event{Event: name}, Body: body})
}

// request sends a request of ours and returns its number.
func (w *writer) request(command string, arguments any) int {
	return w.send(&reverse{Request: dap.Request{Command: command}, Arguments: arguments})
}

func (w *writer) send(m any) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	p := dap.ProtocolMessage{Seq: w.seq}
	switch m := m.(type) {
	case *response:
		m.ProtocolMessage = p
		m.Type = "response"
	case *event:
		m.ProtocolMessage = p
		m.Type = "event"
	case *reverse:
		m.ProtocolMessage = p
		m.Type = "request"
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic("dap: " + err.Error()) // our own types always encode
	}
	if w.log != nil {
		fmt.Fprintf(w.log, "<- %s\n", b)
	}
	if w.err == nil {
		w.err = dap.WriteBaseMessage(w.w, b)
	}
	return w.seq
}

// heard writes what a client sent to the log.
func (w *writer) heard(m *message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		return
	}
	if m.Type == "response" {
		fmt.Fprintf(w.log, "-> response to %d %s\n", m.RequestSeq, m.Body)
		return
	}
	fmt.Fprintf(w.log, "-> %d %s %s\n", m.Seq, m.Command, m.Arguments)
}
