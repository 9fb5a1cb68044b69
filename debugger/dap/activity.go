package dap

// Activities, and what follows when one ends: the response if it is still owed,
// the stop, and the requests that have waited.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-dap"

	"yore/debugger"
)

// errBreaking is why an activity is interrupted to change breakpoints, errPause
// why it is when the client wants the program to stop.
var (
	errBreaking = errors.New("interrupted for breakpoints")
	errPause    = errors.New("paused")
)

// activity is what is under way beside the loop.
type activity struct {
	request *message // whose response is owed; nil when there is none
	early   bool     // the response is sent when the program runs, rather than at the end
	body    any      // of the response
	run     func(ctx context.Context) (result, error)
	// resumable: when interrupted it is to be run again.
	resumable bool
	reason    string // of the stop, "" for what the program says
	failed    func() // called on the loop when run gave an error

	cancel    context.CancelCauseFunc
	over      chan struct{} // closed when run has returned
	moves     int64         // of the Debugger, at the beginning
	announced bool
	pausing   bool
	breaking  bool
	end       func() // takes the request out of those that can be cancelled
	timer     *time.Timer
}

// result is what an activity gives besides moving the program.
type result struct {
	body  any    // of the response
	text  string // of the stop, "" for what the program says
	after func() // called on the loop when all is said
}

// moment is how long the program must run under an activity that the client did
// not announce before the client is told.
const moment = 200 * time.Millisecond

// start begins an activity. There is none under way.
func (s *session) start(a *activity) {
	if s.target != nil {
		a.moves, _ = s.d().Moves()
	}
	s.act = a
	s.again(a)
}

// again runs an activity, for the first time or after an interruption.
func (s *session) again(a *activity) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	a.cancel, a.breaking = cancel, false
	a.over = make(chan struct{})
	if a.request != nil {
		a.end = s.begin(a.request.Seq, func() { cancel(errCancelled) })
	}
	over := a.over
	go func() {
		var res result
		var err error
		func() {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("yore failed: %v", p)
				}
			}()
			res, err = a.run(ctx)
		}()
		close(over)
		s.post(func() { s.finish(a, res, err, context.Cause(ctx)) })
	}()
}

// ran is called on the loop when the backend has resumed the program.
func (s *session) ran() {
	a := s.act
	if a == nil || a.announced {
		return
	}
	if a.early {
		s.acknowledge(a)
		return
	}
	if a.request != nil && a.timer == nil && s.phase == debugging {
		a.timer = time.AfterFunc(moment, func() {
			s.post(func() {
				if s.act == a && !a.announced && s.target.Live != nil && s.target.Live() {
					a.announced = true
					s.printer.release()
					s.out.event("continued", dap.ContinuedEventBody{ThreadId: max(1, s.stop.thread), AllThreadsContinued: true})
				}
			})
		})
	}
}

// acknowledge answers a motion's request: the program runs.
func (s *session) acknowledge(a *activity) {
	a.announced = true
	if a.request != nil {
		s.out.respond(a.request, a.body)
		a.request = nil
	}
}

// finish follows the end of an activity.
func (s *session) finish(a *activity, res result, err error, why error) {
	if a.end != nil {
		a.end()
		a.end = nil
	}
	a.cancel(nil)
	interrupted := errors.Is(err, context.Canceled) || errors.Is(err, debugger.ErrInterrupted)
	if a.resumable && why == nil && err == nil {
		if _, last := s.d().Moves(); last.Cause != nil && last.Cause.Kind == debugger.Paused {
			// Nobody has asked for this: it is the echo of the interruption before.
			s.again(a)
			return
		}
	}
	if a.breaking && why == errBreaking && s.target != nil {
		_, last := s.d().Moves()
		if interrupted || err == nil && last.Cause != nil && last.Cause.Kind == debugger.Paused {
			// It stopped because it was to, and goes on when the breakpoints are set.
			s.act = nil
			waiting := s.waiting
			s.waiting = nil
			var later []*message
			for _, m := range waiting {
				if h := requests[m.Command]; h != nil && h.busy == interrupts {
					s.dispatch(m)
				} else {
					later = append(later, m)
				}
			}
			s.waiting = append(later, s.waiting...)
			s.act = a
			s.again(a)
			return
		}
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	s.act = nil
	if s.phase == ended {
		return
	}
	s.printer.endProgress()
	moved, last := false, debugger.Outcome{}
	if s.phase >= debugging {
		var moves int64
		moves, last = s.d().Moves()
		moved = moves != a.moves
	}
	if err != nil && a.failed != nil {
		a.failed()
	}
	if err != nil && (why == errCancelled || interrupted && why != errPause) {
		err = errCancelled
	}
	if a.request != nil {
		switch {
		case err != nil && !(moved && a.early):
			s.out.fail(a.request.Seq, a.request.Command, err)
		case a.early:
			s.out.respond(a.request, a.body)
		default:
			s.out.respond(a.request, res.body)
		}
	} else if err != nil && !errors.Is(err, errCancelled) && why != errPause {
		s.printer.say("stderr", err.Error()+"\n")
	}
	if errors.Is(err, debugger.ErrBackendGone) {
		s.terminated()
		return
	}
	if moved || a.announced && s.phase == debugging {
		s.stoppedAt(a, last, res.text, moved)
	}
	if res.after != nil {
		res.after()
	}
	s.resumeWaiting()
}

// resumeWaiting answers the requests that came during an activity, until one of
// them begins another.
func (s *session) resumeWaiting() {
	for len(s.waiting) > 0 && s.act == nil {
		m := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.dispatch(m)
	}
}

// stopped is what is known of the present stop.
type stopped struct {
	thread int
	cause  *debugger.Cause
	edge   string // which edge of history it is, "" when none
	tasks  []debugger.Task
}

// stoppedAt tells the client that the program has stopped.
func (s *session) stoppedAt(a *activity, out debugger.Outcome, text string, moved bool) {
	s.frames.forget()
	s.stop = stopped{thread: out.At.Thread, cause: out.Cause}
	if s.stop.thread == 0 || !moved {
		s.stop.thread = s.currentTask()
	}
	if out.Edge && moved {
		s.stop.edge = s.d().EdgeText()
	}
	if s.launch.NoDebug && out.Edge && s.d().Ended() != nil {
		s.terminated()
		return
	}
	body := s.stopBody(a, out, moved)
	if text != "" {
		body.Text = text
	}
	s.printer.drain()
	s.points.update(s)
	s.out.event("stopped", body)
}

// stopBody says why the program has stopped.
func (s *session) stopBody(a *activity, out debugger.Outcome, moved bool) dap.StoppedEventBody {
	b := dap.StoppedEventBody{Reason: "step", ThreadId: s.stop.thread, AllThreadsStopped: true}
	c := out.Cause
	switch {
	case !moved:
		b.Reason = "pause"
		return b
	case s.stop.edge != "":
		b.Reason, b.Text = "pause", s.stop.edge
		b.Description = "Paused at the " + s.stop.edge
		return b
	case a.reason != "" && a.reason != "entry":
		b.Reason = a.reason
		return b
	case c == nil:
		switch {
		case a.reason != "":
			b.Reason = a.reason
		case strings.Contains(out.Why, "watch"):
			b.Reason = "data breakpoint"
		case strings.Contains(out.Why, "breakpoint"):
			b.Reason = "breakpoint"
		}
		return b
	}
	switch c.Kind {
	case debugger.HitCode:
		b.Reason = "breakpoint"
		b.HitBreakpointIds, b.Reason = s.points.hit(c.Breakpoints)
		if a.reason == "entry" && len(b.HitBreakpointIds) == 0 {
			b.Reason = "entry"
		}
	case debugger.HitData:
		b.Reason = "data breakpoint"
		b.HitBreakpointIds, _ = s.points.hit(c.Breakpoints)
		switch {
		case c.Text != "":
			b.Text = c.Text
		case c.Expr != "":
			expr := s.points.shown(c.Breakpoints, c.Expr)
			b.Text = fmt.Sprintf("%s is %s", expr, c.New)
			if c.Old != "" {
				b.Text = fmt.Sprintf("%s: %s → %s", expr, c.Old, c.New)
			}
		}
	case debugger.HitException:
		b.Reason, b.Text = "exception", c.Text
		b.Description = "Paused on " + c.Text
		if c.Type != "" {
			b.Text = c.Type
		}
	case debugger.HitSignal:
		b.Reason, b.Text = "exception", c.Text
		b.Description = strings.TrimSpace("Paused on " + c.Signal)
	case debugger.Paused:
		b.Reason = "pause"
	case debugger.Failed:
		b.Reason, b.Text = "exception", c.Text
		b.Description = "Paused: yore could not go on"
	}
	return b
}

// currentTask is the selected thread, 1 when nobody knows.
func (s *session) currentTask() int {
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return 1
	}
	tasks, err := b.Tasks(s.ctx)
	if err != nil {
		return 1
	}
	for _, t := range tasks {
		if t.Current {
			return t.ID
		}
	}
	return 1
}

// motion begins a motion that the client asks for.
func (s *session) motion(m *message, r debugger.Run) {
	var body any
	if m.Command == "continue" {
		body = dap.ContinueResponseBody{AllThreadsContinued: true}
	}
	s.start(&activity{
		request: m, early: true, body: body, resumable: r.Kind == debugger.RunOn,
		run: func(ctx context.Context) (result, error) {
			_, err := s.d().Run(ctx, r)
			return result{}, err
		},
	})
}

func (s *session) onContinue(m *message, a dap.ContinueArguments) error {
	s.motion(m, debugger.Run{Kind: debugger.RunOn, Task: a.ThreadId})
	return nil
}

func (s *session) reverseContinue(m *message, a dap.ReverseContinueArguments) error {
	s.motion(m, debugger.Run{Kind: debugger.RunOn, Backward: true, Task: a.ThreadId})
	return nil
}

// granular chooses the instruction's kind when the client steps by those.
func granular(g dap.SteppingGranularity, line, insn debugger.RunKind) (debugger.RunKind, error) {
	switch g {
	case "", "statement", "line":
		return line, nil
	case "instruction":
		return insn, nil
	}
	return line, fmt.Errorf("granularity %s: want statement, line or instruction", g)
}

// step is a motion by lines or instructions.
func (s *session) step(m *message, task int, g dap.SteppingGranularity, line, insn debugger.RunKind, back bool) error {
	kind, err := granular(g, line, insn)
	if err == nil {
		s.motion(m, debugger.Run{Kind: kind, Backward: back, Task: task})
	}
	return err
}

func (s *session) next(m *message, a dap.NextArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.OverLine, debugger.OverInsn, false)
}

func (s *session) stepIn(m *message, a dap.StepInArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.IntoLine, debugger.IntoInsn, false)
}

func (s *session) stepOut(m *message, a dap.StepOutArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.OutOf, debugger.OutOf, false)
}

// stepBack goes back as next goes forward. By instructions it enters calls: an
// editor has only this one button.
func (s *session) stepBack(m *message, a dap.StepBackArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.OverLine, debugger.IntoInsn, true)
}

// restartFrame goes back to the beginning of a frame's function.
func (s *session) restartFrame(m *message, a dap.RestartFrameArguments) error {
	f, err := s.frames.get(a.FrameId)
	if err != nil {
		return err
	}
	b, err := ability[debugger.Viewer](s)
	if err != nil {
		return err
	}
	s.start(&activity{request: m, early: true, reason: "restart", run: func(ctx context.Context) (result, error) {
		if err := b.Select(ctx, f); err != nil {
			return result{}, err
		}
		if _, err := s.d().Run(ctx, debugger.Run{Kind: debugger.OutOf, Backward: true}); err != nil {
			return result{}, err
		}
		_, err := s.d().Run(ctx, debugger.Run{Kind: debugger.IntoLine})
		return result{}, err
	}})
	return nil
}

func (s *session) pause(context.Context, dap.PauseArguments) (any, error) {
	if s.act != nil && s.act.cancel != nil {
		s.act.pausing, s.act.breaking = true, false
		s.act.cancel(errPause)
	}
	return nil, nil
}

// cancelRequest answers cancel, which has acted already where it names a request.
func (s *session) cancelRequest(_ context.Context, a dap.CancelArguments) (any, error) {
	if a.ProgressId != "" && s.act != nil && s.printer.isProgress(a.ProgressId) {
		s.act.cancel(errPause)
	}
	return nil, nil
}
