package dap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-dap"

	"yore/debugger"
)

// initialize says what yore can do.
func (s *session) initialize(_ context.Context, raw json.RawMessage) (any, error) {
	// What is left out of these means true.
	args := dap.InitializeRequestArguments{LinesStartAt1: true, ColumnsStartAt1: true}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, fmt.Errorf("initialize: the arguments are not understood: %w", err)
		}
	}
	if args.PathFormat != "" && args.PathFormat != "path" {
		return nil, fmt.Errorf("initialize: pathFormat %s: yore names files by path", args.PathFormat)
	}
	s.client = args
	if !args.LinesStartAt1 {
		s.lineBase = 0
	}
	if !args.ColumnsStartAt1 {
		s.colBase = 0
	}
	s.phase = greeted
	return capabilities(), nil
}

func capabilities() dap.Capabilities {
	c := dap.Capabilities{
		SupportsConfigurationDoneRequest:   true,
		SupportsFunctionBreakpoints:        true,
		SupportsConditionalBreakpoints:     true,
		SupportsHitConditionalBreakpoints:  true,
		SupportsLogPoints:                  true,
		SupportsInstructionBreakpoints:     true,
		SupportsDataBreakpoints:            true,
		SupportsBreakpointLocationsRequest: true,
		SupportsExceptionFilterOptions:     true,
		SupportsExceptionInfoRequest:       true,
		SupportsStepBack:                   true,
		SupportsSteppingGranularity:        true,
		SupportsRestartFrame:               true,
		SupportsEvaluateForHovers:          true,
		SupportsClipboardContext:           true,
		SupportsSetVariable:                true,
		SupportsSetExpression:              true,
		SupportsValueFormattingOptions:     true,
		SupportsCompletionsRequest:         true,
		SupportsDelayedStackTraceLoading:   true,
		SupportsReadMemoryRequest:          true,
		SupportsWriteMemoryRequest:         true,
		SupportsDisassembleRequest:         true,
		SupportsCancelRequest:              true,
		SupportsTerminateRequest:           true,
		SupportTerminateDebuggee:           true,
	}
	for _, f := range allFilters {
		c.ExceptionBreakpointFilters = append(c.ExceptionBreakpointFilters, filterFor(f))
	}
	return c
}

// allFilters are what is announced before it is known which backend there will be.
var allFilters = []debugger.Filter{
	{Name: "signals", Label: "Signals", Default: true, Condition: "names of signals, such as SIGSEGV SIGABRT",
		Description: "Stop when the program gets a signal, such as SIGSEGV"},
	{Name: "throw", Label: "C++: throw", Condition: "regular expression for the type's name", Description: "Stop when a C++ exception is thrown"},
	{Name: "catch", Label: "C++: catch", Description: "Stop when a C++ exception is caught"},
	{Name: "panic", Label: "Go, Rust: panic", Default: true, Description: "Stop when a Go or Rust program panics"},
}

func filterFor(f debugger.Filter) dap.ExceptionBreakpointsFilter {
	return dap.ExceptionBreakpointsFilter{Filter: f.Name, Label: f.Label, Description: f.Description, Default: f.Default,
		SupportsCondition: f.Condition != "", ConditionDescription: f.Condition}
}

// onLaunch opens what is asked for. `initialized` and the response follow when that
// is done: breakpoints need the program's symbols.
func (s *session) onLaunch(m *message, raw json.RawMessage) error {
	l, err := parseLaunch(raw, nil)
	if err != nil {
		return err
	}
	s.launch, s.phase = l, launching
	s.start(&activity{
		request: m,
		failed:  func() { s.phase = greeted }, // the client may try again
		run: func(ctx context.Context) (result, error) {
			if err := s.terminalFor(ctx, &l); err != nil {
				return result{}, err
			}
			t, err := s.opts.Open(ctx, l, &s.printer)
			if err != nil {
				return result{}, err
			}
			if err := setup(ctx, t.Debugger, l.Setup); err != nil {
				t.Close()
				return result{}, err
			}
			s.post(func() { s.target = t }) // from here on the session closes it
			return result{after: s.opened}, nil
		},
	})
	return nil
}

// opened takes over what a launch has opened.
func (s *session) opened() {
	t := s.target
	s.phase = configured
	s.printer.follow(t)
	for _, n := range t.Notices {
		s.printer.say("console", n+"\n")
	}
	s.out.event("initialized", nil)
}

// setup executes the commands of a launch configuration.
func setup(ctx context.Context, d *debugger.Debugger, list []SetupCommand) error {
	for _, c := range list {
		if err := d.Execute(ctx, c.Text); err != nil && !c.MayBe {
			return fmt.Errorf("setup command %s: %w", c.Text, err)
		}
	}
	return nil
}

// configurationDone ends the configuration; startProgram follows its response.
func (s *session) configurationDone(context.Context, dap.ConfigurationDoneArguments) (any, error) {
	s.phase = debugging
	return nil, nil
}

// startProgram lets a program run, to its main function when that is wanted. A
// recording is shown where it begins, which is its end unless the configuration
// says otherwise.
func (s *session) startProgram() {
	t := s.target
	s.out.event("process", dap.ProcessEventBody{Name: t.Name, SystemProcessId: t.PID, IsLocalProcess: true, StartMethod: "launch", PointerSize: 64})
	l := s.launch
	a := &activity{announced: true, reason: "entry"}
	switch {
	case l.Recording != "" && !l.StopOnEntry:
		a.run = func(ctx context.Context) (result, error) {
			if l.At != "" {
				return result{}, t.Debugger.Execute(ctx, "goto "+l.At)
			}
			return result{text: t.Debugger.EdgeText()}, nil
		}
	case l.StopOnEntry:
		a.run = func(ctx context.Context) (result, error) {
			if l.Recording != "" {
				if err := t.Debugger.Execute(ctx, "goto start"); err != nil {
					return result{}, err
				}
			}
			collected := s.printer.collect()
			err := t.Debugger.StopAt(ctx, "main")
			for line := range strings.Lines(collected()) {
				if strings.Contains(line, "no symbol for main") { // the rest is shown otherwise
					s.printer.say("console", line)
				}
			}
			return result{}, err
		}
	default:
		a.resumable, a.reason = true, ""
		a.run = func(ctx context.Context) (result, error) {
			_, err := t.Debugger.Run(ctx, debugger.Run{Kind: debugger.RunOn})
			return result{}, err
		}
	}
	s.start(a)
}

// disconnect ends the session; its response and `terminated` are sent by dispatch
// and leave. The program does not outlive its history.
func (s *session) disconnect(_ context.Context, a dap.DisconnectArguments) (any, error) {
	s.endActivity()
	return nil, nil
}

func (s *session) leave() {
	s.terminated()
	s.quit = true
}

func (s *session) terminate(context.Context, dap.TerminateArguments) (any, error) {
	s.endActivity()
	return nil, nil
}

// endActivity cancels what is under way and waits for it.
func (s *session) endActivity() {
	a := s.act
	if a == nil {
		return
	}
	a.cancel(errCancelled)
	<-a.over
	if a.request != nil {
		s.out.fail(a.request.Seq, a.request.Command, errCancelled)
		a.request = nil
	}
	for _, m := range s.waiting {
		s.out.fail(m.Seq, m.Command, errCancelled)
	}
	s.waiting = nil
}

// terminated tells the client, once, that debugging has ended.
func (s *session) terminated() {
	if s.phase == ended {
		return
	}
	if s.target != nil {
		s.printer.drain()
		if e := s.d().Ended(); e != nil {
			code := e.Code
			if e.Signaled {
				code += 128
			}
			s.out.event("exited", dap.ExitedEventBody{ExitCode: code})
		}
	}
	s.phase = ended
	s.out.event("terminated", nil)
}

// relaunch asks the client for a new session: what `run` means at the console.
func (s *session) relaunch() {
	if s.phase == ended {
		return
	}
	s.phase = ended
	s.out.event("terminated", dap.TerminatedEventBody{Restart: json.RawMessage("true")})
}

// errNoFrame is for clients that name a frame of none.
var errNoFrame = errors.New("there is no such frame at this stop")

// plainError makes an error of several lines fit a response.
func plainError(err error) error {
	if text := strings.TrimSpace(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
