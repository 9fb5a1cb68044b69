package dap

// The requests that the protocol lacks; REQUESTS.md describes them.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-dap"

	"yore/debugger"
)

func (s *session) reverseStepIn(m *message, a dap.StepInArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.IntoLine, debugger.IntoInsn, true)
}

func (s *session) reverseStepOut(m *message, a dap.StepOutArguments) error {
	return s.step(m, a.ThreadId, a.Granularity, debugger.OutOf, debugger.OutOf, true)
}

// changeBody is the answer to yore.reverseWatch.
type changeBody struct {
	Expression string      `json:"expression"`
	Before     string      `json:"before"`
	After      string      `json:"after"`
	Guarantee  string      `json:"guarantee"`
	Reason     string      `json:"reason,omitempty"`
	Position   string      `json:"position"`
	Function   string      `json:"function,omitempty"`
	Source     *dap.Source `json:"source,omitempty"`
	Line       int         `json:"line,omitempty"`
	Text       string      `json:"text,omitempty"` // of the line
	ThreadID   int         `json:"threadId"`
}

func (s *session) reverseWatch(m *message, a struct {
	Expression string `json:"expression"`
	FrameID    int    `json:"frameId"`
}) error {
	expr := strings.TrimSpace(a.Expression)
	if expr == "" {
		return errors.New("yore.reverseWatch: there is no expression")
	}
	f, err := s.frames.orCurrent(a.FrameID)
	if err != nil {
		return err
	}
	s.start(&activity{request: m, reason: "data breakpoint", run: func(ctx context.Context) (result, error) {
		if b, err := ability[debugger.Viewer](s); err == nil && a.FrameID != 0 {
			if err := b.Select(ctx, f); err != nil {
				return result{}, err
			}
		}
		c, err := s.d().ReverseWatch(ctx, expr)
		if err != nil {
			return result{}, err
		}
		body := changeBody{
			Expression: expr, Before: c.Before, After: c.After, Guarantee: c.Guarantee, Reason: c.Reason, Position: c.Position.String(),
			Function: c.Location.Function, Source: s.sourceOf(c.Location), Text: c.Source, ThreadID: c.Thread.Number,
		}
		if body.Source != nil {
			body.Line = c.Location.Line - 1 + s.lineBase
		}
		return result{body: body, text: fmt.Sprintf("%s: %s → %s", expr, c.Before, c.After)}, nil
	}})
	return nil
}

// travel begins an activity that goes somewhere by a command of the prompt.
func (s *session) travel(m *message, line string) error {
	s.start(&activity{request: m, reason: "goto", run: func(ctx context.Context) (result, error) {
		collected := s.printer.collect()
		err := s.d().Execute(ctx, line)
		collected()
		return result{}, err
	}})
	return nil
}

func (s *session) gotoPlace(m *message, a struct {
	Place string `json:"place"`
}) error {
	if strings.TrimSpace(a.Place) == "" || strings.ContainsAny(a.Place, "\r\n") {
		return errors.New("yore.goto: there is no place: a position, a bookmark, start, end, 37%, 12.5s")
	}
	return s.travel(m, "goto "+a.Place)
}

type countArguments struct {
	Count int `json:"count"`
}

func (s *session) undo(m *message, a countArguments) error {
	return s.travel(m, fmt.Sprintf("undo %d", max(1, a.Count)))
}

func (s *session) redo(m *message, a countArguments) error {
	return s.travel(m, fmt.Sprintf("redo %d", max(1, a.Count)))
}

// momentBody is where in time the program is.
type momentBody struct {
	Position  string         `json:"position,omitempty"`
	Event     int64          `json:"event"`
	Events    int64          `json:"events"`
	Seconds   float64        `json:"seconds"`
	All       float64        `json:"allSeconds"`
	Part      float64        `json:"part"`
	Clock     string         `json:"clock,omitempty"` // RFC 3339
	Frontier  bool           `json:"frontier"`
	Ended     string         `json:"ended,omitempty"`
	Landmarks []landmarkBody `json:"landmarks"`
}

type landmarkBody struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name,omitempty"`
	ID      int     `json:"id,omitempty"`
	Auto    bool    `json:"auto,omitempty"`
	Event   int64   `json:"event"`
	Seconds float64 `json:"seconds"`
	Part    float64 `json:"part"`
	Text    string  `json:"text,omitempty"`
}

func (s *session) timeline(ctx context.Context, _ struct{}) (any, error) {
	now, err := s.d().Now(ctx)
	if err != nil {
		return nil, err
	}
	body := momentBody{
		Position: now.Position.String(), Event: now.Event, Events: now.Events,
		Seconds: now.Elapsed.Seconds(), All: now.All.Seconds(), Part: now.Part, Frontier: now.Frontier,
		Landmarks: []landmarkBody{},
	}
	if s.d().Ended() != nil {
		body.Ended = s.d().EndText()
	}
	if !now.Clock.IsZero() {
		body.Clock = now.Clock.Format(time.RFC3339Nano)
	}
	for _, l := range s.d().Landmarks() {
		body.Landmarks = append(body.Landmarks, landmarkBody{l.Kind, l.Name, l.ID, l.Auto, l.Event, l.Time.Seconds(), l.Part, l.Text})
	}
	return body, nil
}

type nameArguments struct {
	Name string `json:"name"`
}

func (s *session) bookmark(ctx context.Context, a nameArguments) (any, error) {
	return s.silently(ctx, "bookmark "+a.Name)
}

func (s *session) checkpoint(ctx context.Context, a nameArguments) (any, error) {
	return s.silently(ctx, "checkpoint "+a.Name)
}

// silently executes a command that does not move the program, and answers with
// what it printed.
func (s *session) silently(ctx context.Context, line string) (any, error) {
	if strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("a name has one line")
	}
	collected := s.printer.collect()
	err := s.d().Execute(ctx, line)
	text := strings.TrimSpace(collected())
	if err != nil {
		return nil, plainError(err)
	}
	return map[string]string{"text": text}, nil
}
