package gdbserver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// This file carries out tagged monitor commands, those that yore's script sends.
// They end in a line that tells the script how it went, and may ask gdb for
// things on the way (an expression's value, a resume): a command that is written
// as one flow of control in Go runs in a goroutine of its own, and each question
// suspends it until the script has sent the answer. While it is suspended the
// server answers gdb's other packets as usual, so the Target still sees one call
// at a time. A flow that the script gives up (^C) gets an error from every
// further question.

const tagPrefix = "@"

// errAbandoned is what questions return when nobody will answer any more.
var errAbandoned = errors.New("interrupted")

// Asker lets a monitor command ask the gdb that sent it. It is to be used only
// while the command runs.
type Asker struct {
	questions chan question
	ended     chan struct{} // closed when no answers will come
}

type question struct {
	kind, arg string
	answer    chan answer
}

type answer struct {
	text string
	err  error
}

// maxQuestion bounds a question, which must fit a packet as hex of hex beside
// the text collected.
const maxQuestion = 4096

type askerKey struct{}

// AskerFrom returns the means to ask gdb, from the context of a Monitor or
// MonitorTo call; false when the command was not sent by yore's script, which
// alone can answer.
func AskerFrom(ctx context.Context) (*Asker, bool) {
	a, is := ctx.Value(askerKey{}).(*Asker)
	return a, is
}

func (a *Asker) ask(ctx context.Context, kind, arg string) (string, error) {
	if len(arg) > maxQuestion {
		return "", fmt.Errorf("a question of %d bytes (at most %d)", len(arg), maxQuestion)
	}
	q := question{kind, arg, make(chan answer, 1)}
	select {
	case a.questions <- q:
	case <-a.ended:
		return "", errAbandoned
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case r := <-q.answer:
		return r.text, r.err
	case <-a.ended:
		return "", errAbandoned
	}
}

// Arrive has gdb resume once and take the program's state from the stop, without
// printing anything. The Target must have armed a place to go.
func (a *Asker) Arrive(ctx context.Context) error {
	_, err := a.ask(ctx, "arrive", "")
	return err
}

// Show runs a gdb command whose output the person sees.
func (a *Asker) Show(ctx context.Context, command string) error {
	_, err := a.ask(ctx, "show", command)
	return err
}

// Capture runs a gdb command and returns what it printed.
func (a *Asker) Capture(ctx context.Context, command string) (string, error) {
	return a.ask(ctx, "capture", command)
}

// Evaluate returns an expression's value as gdb prints it. The error is gdb's
// reason for there being none.
func (a *Asker) Evaluate(ctx context.Context, expr string) (string, error) {
	return a.ask(ctx, "eval", expr)
}

// GDBPlace is where gdb sees the selected thread.
type GDBPlace struct {
	PC       uint64 `json:"pc"`
	Function string `json:"function"`
	File     string `json:"file"` // as the compiler was given it
	FullName string `json:"fullname"`
	Line     int    `json:"line"`   // 0 when unknown
	Thread   int    `json:"thread"` // gdb's number
	TID      int    `json:"tid"`
}

// Place returns the innermost frame of the selected thread.
func (a *Asker) Place(ctx context.Context) (GDBPlace, error) {
	var p GDBPlace
	text, err := a.ask(ctx, "place", "")
	if err == nil {
		err = json.Unmarshal([]byte(text), &p)
	}
	return p, err
}

// flow is a tagged command under way.
type flow struct {
	asker  *Asker
	done   chan error
	cancel context.CancelFunc
	open   *question // asked, not yet answered
	// interrupted: a motion that the script made for it met ^C.
	interrupted bool
}

// tagged carries out a command of the script: "@NUMBER COMMAND". It is answered
// by one packet, whose last line is "@NUMBER/SERIAL STATUS". Not by O packets:
// between two of them gdb lets ^C take it out of the exchange, and then reads
// the rest as the answer to whatever it asks next. That can also happen before
// the first, so the script compares the number, and with "@drain SERIAL" gets
// answers that it has not read: when there are some, none is added.
func (c *client) tagged(text string) []byte {
	number, cmd, _ := strings.Cut(text, " ")
	c.collect(true)
	defer c.collect(false)
	if number == "drain" {
		if cmd != strconv.Itoa(c.serial) {
			return nil
		}
		return c.tagAnswer("0", "drained")
	}
	if rest, is := strings.CutPrefix(cmd, "answer "); is && c.flow != nil && c.flow.open != nil {
		word, enc, _ := strings.Cut(rest, " ")
		reply, err := hex.DecodeString(enc)
		a := answer{text: string(reply)}
		switch {
		case err != nil:
			a = answer{err: fmt.Errorf("gdb's answer: %w", err)}
		case word != "ok":
			a = answer{err: errors.New(string(reply))}
		}
		if c.flow.interrupted {
			a = answer{err: errAbandoned}
			c.flow.cancel()
		}
		op := c.begin(false)
		c.flow.open.answer <- a
		c.flow.open = nil
		return c.tagAnswer(number, c.follow(op))
	}
	c.abandon()
	if cmd == "abandon" {
		return c.tagAnswer(number, "ok")
	}
	if strings.HasPrefix(cmd, "answer ") {
		return c.tagAnswer(number, "error interrupted")
	}
	ctx, cancel := context.WithCancel(c.ctx)
	f := &flow{asker: &Asker{make(chan question), make(chan struct{})}, done: make(chan error, 1), cancel: cancel}
	c.flow = f
	op := c.begin(false)
	go func() { f.done <- c.runMonitor(context.WithValue(ctx, askerKey{}, f.asker), cmd) }()
	return c.tagAnswer(number, c.follow(op))
}

// tagAnswer is the packet that answers a tagged command: the text collected, and
// the last line.
func (c *client) tagAnswer(number, status string) []byte {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.serial++
	text := c.collected
	c.collected = nil
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return appendHex(nil, fmt.Appendf(text, "@%s/%d %s\n", number, c.serial, status))
}

// follow lets the flow run until it asks or ends, and returns the status for the
// script. op is cancelled by an interrupt, which ends the flow.
func (c *client) follow(op context.Context) string {
	f := c.flow
	defer func() { c.end(op.Err() != nil) }()
	select {
	case q := <-f.asker.questions:
		f.open = &q
		return fmt.Sprintf("ask %s %x", q.kind, q.arg)
	case err := <-f.done:
		return c.finish(err)
	case <-op.Done():
		f.cancel()
		close(f.asker.ended)
		err := <-f.done
		if err == nil || errors.Is(err, context.Canceled) {
			err = errAbandoned
		}
		return c.finish(err)
	}
}

// finish forgets the flow, which has ended, and returns the status.
func (c *client) finish(err error) string {
	c.flow.cancel()
	c.flow = nil
	switch {
	case err != nil:
		return "error " + shorten(strings.Join(strings.Fields(err.Error()), " "))
	case c.armed():
		return "move"
	}
	return "ok"
}

// shorten bounds a line, so that it fits any packet.
func shorten(s string) string {
	const most = 4096
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// abandon ends a flow that the script no longer follows.
func (c *client) abandon() {
	if c.flow == nil {
		return
	}
	c.flow.cancel()
	close(c.flow.asker.ended)
	<-c.flow.done
	c.flow = nil
}

// armed says whether the next Resume goes somewhere that a monitor command has
// chosen.
func (c *client) armed() bool {
	a, can := c.target.(Armer)
	return can && a.Armed()
}
