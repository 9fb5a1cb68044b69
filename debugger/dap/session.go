package dap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	"github.com/google/go-dap"

	"yore/debugger"
)

// Target is what a launch request has opened.
type Target struct {
	Debugger *debugger.Debugger
	// Terminal is the master side of the program's terminal, nil when it has none
	// of ours.
	Terminal *os.File
	// Live reports whether the program runs at the frontier just now. nil: never.
	Live func() bool
	Name string // of the program
	PID  int    // 0 for a recording
	// Notices are sentences for the person, such as what a recording is.
	Notices []string
	// Close ends everything.
	Close func()
}

// Front is what a Target is opened with: the Debugger's UI, and what the backend
// tells when the program is resumed and has stopped.
type Front interface {
	debugger.UI
	Running(running bool)
}

// Options of a session.
type Options struct {
	// Open starts or opens what a launch request asks for. The program is stopped
	// at its first instruction, a recording where it is to begin.
	Open func(ctx context.Context, l Launch, front Front) (*Target, error)
	// Self is the program that holds a client's terminal when called with
	// `dap --hold SOCKET`: ours. "" means that there is none.
	Self string
	// Version is the adapter's.
	Version string
	// Log gets all messages. May be nil.
	Log io.Writer
	// Exit is asked by a client that disconnects whether it was the last. May be
	// nil.
}

// errCancelled answers what was cancelled.
var errCancelled = errors.New("cancelled")

// phase is how far a session is. Phases follow each other.
type phase uint8

const (
	fresh      phase = iota
	greeted          // initialize was answered
	launching        // launch is under way
	configured       // launched; the client configures
	debugging        // configurationDone was answered
	ended            // terminated was sent
)

// session is a conversation with a client.
type session struct {
	opts Options
	out  *writer

	mu      sync.Mutex
	queue   []func()
	wake    chan struct{}
	cancels map[int]func() // by the seq of requests that were not answered yet
	early   map[int]bool   // seqs cancelled before their request was looked at
	calls   map[int]chan *message

	// Of the loop.
	ctx      context.Context
	phase    phase
	quit     bool // the loop ends
	client   dap.InitializeRequestArguments
	lineBase int // 1 or 0: the client's first line; columns likewise
	colBase  int
	launch   Launch
	target   *Target
	act      *activity
	waiting  []*message // for the activity to end
	block    *debugger.Block
	hold     *terminal // the client's terminal, when the program has it

	plain  plain
	points points
	frames frames
	stop   stopped

	printer printer
}

// serve speaks with one client until it disconnects or its stream ends.
func serve(ctx context.Context, r io.Reader, w io.Writer, opts Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{
		opts: opts, out: &writer{w: w, log: opts.Log}, ctx: ctx,
		wake: make(chan struct{}, 1), cancels: map[int]func(){}, early: map[int]bool{}, calls: map[int]chan *message{},
		lineBase: 1, colBase: 1,
	}
	s.printer.s, s.plain.s = s, s
	s.points.init()
	read := make(chan error, 1)
	go func() { read <- s.read(newReader(r)) }()
	err := s.loop(ctx, read)
	cancel()
	s.close()
	return err
}

// post hands the loop something to do. It does not wait.
func (s *session) post(f func()) {
	s.mu.Lock()
	s.queue = append(s.queue, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// loop does what was posted until the session ends.
func (s *session) loop(ctx context.Context, read <-chan error) error {
	for !s.quit {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-read:
			read = nil
			s.post(func() { s.quit = true }) // after what came before
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, os.ErrClosed) {
				return err
			}
		}
		for {
			s.mu.Lock()
			list := s.queue
			s.queue = nil
			s.mu.Unlock()
			if len(list) == 0 {
				break
			}
			for _, f := range list {
				f()
			}
		}
	}
	return nil
}

// close ends what the session has opened.
func (s *session) close() {
	if a := s.act; a != nil {
		a.cancel(errCancelled)
		<-a.over
	}
	s.printer.close()
	if s.target != nil {
		s.target.Close()
		s.target = nil
	}
	if s.hold != nil {
		s.hold.close()
		s.hold = nil
	}
}

// read reads requests. What must act at once does so here, beside the loop.
func (s *session) read(r *reader) error {
	for {
		m, err := r.read()
		var bad *malformedError
		switch {
		case errors.As(err, &bad):
			s.post(func() { s.out.fail(bad.seq, bad.command, bad) })
			continue
		case err != nil:
			return err
		}
		s.out.heard(m)
		if m.Type == "response" {
			s.mu.Lock()
			ch := s.calls[m.RequestSeq]
			delete(s.calls, m.RequestSeq)
			s.mu.Unlock()
			if ch != nil {
				ch <- m
			}
			continue
		}
		switch m.Command {
		case "cancel":
			s.cancelEarly(m)
		case "disconnect", "terminate":
			s.cancelAll()
		}
		s.post(func() { s.dispatch(m) })
	}
}

// cancelEarly cancels a request that is being worked on, or has it refused when
// its turn comes.
func (s *session) cancelEarly(m *message) {
	var a dap.CancelArguments
	if json.Unmarshal(m.Arguments, &a) != nil || a.RequestId == 0 {
		return
	}
	s.mu.Lock()
	cancel := s.cancels[a.RequestId]
	if cancel == nil && a.RequestId < m.Seq {
		s.early[a.RequestId] = true
	}
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// cancelAll ends whatever is being worked on.
func (s *session) cancelAll() {
	s.mu.Lock()
	var all []func()
	for _, c := range s.cancels {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c()
	}
}

// begin registers a request that is being worked on. end must be called.
func (s *session) begin(seq int, cancel func()) (end func()) {
	s.mu.Lock()
	s.cancels[seq] = cancel
	cancelled := s.early[seq] // since dispatch looked
	s.mu.Unlock()
	if cancelled {
		cancel()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.cancels, seq)
		delete(s.early, seq)
	}
}

// dispatch answers a request, now or later.
func (s *session) dispatch(m *message) {
	s.mu.Lock()
	cancelled := s.early[m.Seq]
	delete(s.early, m.Seq)
	s.mu.Unlock()
	if cancelled {
		s.out.fail(m.Seq, m.Command, errCancelled)
		return
	}
	h, ok := requests[m.Command]
	if !ok {
		s.out.fail(m.Seq, m.Command, fmt.Errorf("there is no request %s", m.Command))
		return
	}
	if err := s.inOrder(h, m.Command); err != nil {
		s.out.fail(m.Seq, m.Command, err)
		return
	}
	if s.act != nil {
		switch h.busy {
		case answers:
		case interrupts:
			s.waiting = append(s.waiting, m)
			if s.act.resumable && !s.act.pausing {
				s.act.breaking = true
				s.act.cancel(errBreaking)
			}
			return
		case refuses:
			if s.act.announced {
				s.out.fail(m.Seq, m.Command, errors.New("the program is running"))
				return
			}
			s.waiting = append(s.waiting, m)
			return
		}
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	end := s.begin(m.Seq, func() { cancel(errCancelled) })
	body, err := s.call(ctx, h, m)
	if errors.Is(err, errLater) {
		// The activity, which has begun with a context of its own, answers.
		if context.Cause(ctx) == errCancelled && s.act != nil && s.act.request == m {
			s.act.cancel(errCancelled)
		}
		return
	}
	end()
	if err != nil && context.Cause(ctx) == errCancelled {
		err = errCancelled
	}
	cancel(nil)
	if err != nil {
		s.out.fail(m.Seq, m.Command, err)
		return
	}
	s.out.respond(m, body)
	if h.after != nil {
		h.after(s)
	}
}

// call runs a handler. A panic is a bug of ours; the person's session should
// survive it.
func (s *session) call(ctx context.Context, h *handler, m *message) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("yore failed at this request: %v", p)
			fmt.Fprintf(os.Stderr, "yore: dap: %s: %v\n%s", m.Command, p, debug.Stack())
		}
	}()
	return h.run(s, ctx, m)
}

// inOrder reports why a request cannot come now.
func (s *session) inOrder(h *handler, command string) error {
	switch {
	case s.phase == ended && command != "disconnect" && command != "cancel":
		return errors.New("the session has ended")
	case command == "initialize" && s.phase != fresh:
		return errors.New("initialize has been answered before")
	case s.phase < h.from && s.phase == fresh:
		return fmt.Errorf("%s came before initialize", command)
	case s.phase < h.from && h.from == debugging && s.phase >= configured:
		return fmt.Errorf("%s came before configurationDone", command)
	case s.phase < h.from:
		return fmt.Errorf("%s came before launch", command)
	case (command == "launch" || command == "attach") && s.phase != greeted:
		return fmt.Errorf("%s came after a launch", command)
	case command == "configurationDone" && s.phase != configured:
		return errors.New("configurationDone has been answered before")
	}
	return nil
}

// d is the Debugger; the handlers that use it are called after a launch only.
func (s *session) d() *debugger.Debugger { return s.target.Debugger }

// ability returns the backend as T.
func ability[T any](s *session) (T, error) {
	if b, ok := s.d().Backend().(T); ok {
		return b, nil
	}
	b, ok := any(&s.plain).(T)
	if !ok {
		return b, errors.New("this backend cannot do that")
	}
	return b, nil
}
