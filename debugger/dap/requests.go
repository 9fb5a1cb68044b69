package dap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// busyPolicy is what becomes of a request that comes during an activity.
type busyPolicy uint8

const (
	answers    busyPolicy = iota // it is answered at once
	refuses                      // an error when the program runs as the client knows; else it waits
	interrupts                   // a continue is interrupted for it; else it waits
)

// handler is a row of the table of requests.
type handler struct {
	from phase // the first phase it may come in
	busy busyPolicy
	run  func(s *session, ctx context.Context, m *message) (body any, err error)
	// after, when set, follows the response.
	after func(*session)
}

// errLater is returned by handlers whose response comes from an activity.
var errLater = errors.New("later")

// with makes a handler's function of one that takes arguments of type T.
func with[T any](f func(*session, context.Context, T) (any, error)) func(*session, context.Context, *message) (any, error) {
	return func(s *session, ctx context.Context, m *message) (any, error) {
		var args T
		if err := decode(m, &args); err != nil {
			return nil, err
		}
		return f(s, ctx, args)
	}
}

// later is with for a request that an activity answers.
func later[T any](f func(*session, *message, T) error) func(*session, context.Context, *message) (any, error) {
	return func(s *session, _ context.Context, m *message) (any, error) {
		var args T
		if err := decode(m, &args); err != nil {
			return nil, err
		}
		if err := f(s, m, args); err != nil {
			return nil, err
		}
		return nil, errLater
	}
}

func decode(m *message, args any) error {
	if len(m.Arguments) == 0 || string(m.Arguments) == "null" {
		return nil
	}
	if err := json.Unmarshal(m.Arguments, args); err != nil {
		return fmt.Errorf("%s: the arguments are not understood: %w", m.Command, err)
	}
	return nil
}

// requests are all requests that there are. It is filled by init because handlers
// refer to the session, which refers to it.
var requests map[string]*handler

func init() {
	requests = map[string]*handler{
		"initialize": {from: fresh, run: with((*session).initialize)},
		"launch":     {from: greeted, run: later((*session).onLaunch)},
		"attach": {from: greeted, run: with(func(*session, context.Context, struct{}) (any, error) {
			return nil, errors.New("yore cannot attach: it records a program from its first instruction; use a launch configuration")
		})},
		"configurationDone": {from: launching, run: with((*session).configurationDone), after: (*session).startProgram},
		"disconnect":        {from: fresh, run: with((*session).disconnect), after: (*session).leave},
		"terminate":         {from: launching, run: with((*session).terminate), after: (*session).terminated},
		"cancel":            {from: fresh, run: with((*session).cancelRequest)},
		"restartFrame":      {from: debugging, busy: refuses, run: later((*session).restartFrame)},

		"setBreakpoints":            {from: launching, busy: interrupts, run: with((*session).setBreakpoints)},
		"setFunctionBreakpoints":    {from: launching, busy: interrupts, run: with((*session).setFunctionBreakpoints)},
		"setInstructionBreakpoints": {from: launching, busy: interrupts, run: with((*session).setInstructionBreakpoints)},
		"setDataBreakpoints":        {from: launching, busy: interrupts, run: with((*session).setDataBreakpoints)},
		"setExceptionBreakpoints":   {from: launching, busy: interrupts, run: with((*session).setExceptionBreakpoints)},
		"dataBreakpointInfo":        {from: launching, busy: refuses, run: with((*session).dataBreakpointInfo)},
		"breakpointLocations":       {from: launching, busy: interrupts, run: with((*session).breakpointLocations)},

		"continue":        {from: debugging, busy: refuses, run: later((*session).onContinue)},
		"next":            {from: debugging, busy: refuses, run: later((*session).next)},
		"stepIn":          {from: debugging, busy: refuses, run: later((*session).stepIn)},
		"stepOut":         {from: debugging, busy: refuses, run: later((*session).stepOut)},
		"stepBack":        {from: debugging, busy: refuses, run: later((*session).stepBack)},
		"reverseContinue": {from: debugging, busy: refuses, run: later((*session).reverseContinue)},
		"pause":           {from: debugging, run: with((*session).pause)},

		"threads":       {from: launching, run: with((*session).threads)},
		"stackTrace":    {from: launching, busy: refuses, run: with((*session).stackTrace)},
		"scopes":        {from: launching, busy: refuses, run: with((*session).scopes)},
		"variables":     {from: launching, busy: refuses, run: with((*session).variables)},
		"setVariable":   {from: launching, busy: refuses, run: with((*session).setVariable)},
		"setExpression": {from: launching, busy: refuses, run: with((*session).setExpression)},
		"evaluate":      {from: launching, busy: refuses, run: (*session).evaluate},
		"completions":   {from: launching, busy: refuses, run: with((*session).completions)},
		"exceptionInfo": {from: debugging, busy: refuses, run: with((*session).exceptionInfo)},
		"source":        {from: launching, busy: refuses, run: with((*session).source)},

		"disassemble": {from: launching, busy: refuses, run: with((*session).disassemble)},
		"readMemory":  {from: launching, busy: refuses, run: with((*session).readMemory)},
		"writeMemory": {from: launching, busy: refuses, run: with((*session).writeMemory)},

		"yore.reverseStepIn":  {from: debugging, busy: refuses, run: later((*session).reverseStepIn)},
		"yore.reverseStepOut": {from: debugging, busy: refuses, run: later((*session).reverseStepOut)},
		"yore.reverseWatch":   {from: debugging, busy: refuses, run: later((*session).reverseWatch)},
		"yore.goto":           {from: debugging, busy: refuses, run: later((*session).gotoPlace)},
		"yore.undo":           {from: debugging, busy: refuses, run: later((*session).undo)},
		"yore.redo":           {from: debugging, busy: refuses, run: later((*session).redo)},
		"yore.timeline":       {from: debugging, busy: refuses, run: with((*session).timeline)},
		"yore.bookmark":       {from: debugging, busy: refuses, run: with((*session).bookmark)},
		"yore.checkpoint":     {from: debugging, busy: refuses, run: with((*session).checkpoint)},
	}
}
