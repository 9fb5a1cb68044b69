package dap

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/google/go-dap"

	"yore/debugger"
)

// point is a breakpoint that the client has.
type point struct {
	id    int // the client's
	spec  debugger.BreakpointSpec
	shown string // of a data breakpoint: what the client calls what it watches
	state debugger.Breakpoint
	made  bool   // the backend has it
	note  string // why it has not, or does not act
	told  dap.Breakpoint
}

// points are the client's breakpoints, by groups that a request sets as a whole: a
// source file's, by its path; functions, addresses, data.
type points struct {
	next   int
	groups map[string][]*point
	data   map[string]watchable // by dataId
}

type watchable struct{ data, shown string }

const (
	functionGroup = "\x00functions"
	addressGroup  = "\x00addresses"
	dataGroup     = "\x00data"
)

func (p *points) init() {
	p.groups = map[string][]*point{}
	p.data = map[string]watchable{}
}

// wanted is a breakpoint that a request asks for, or why there can be none.
type wanted struct {
	spec  debugger.BreakpointSpec
	shown string
	err   error
	as    dap.Breakpoint // what is known of it beforehand
}

// set makes a group's breakpoints those that are wanted. Those that are there
// already stay, with their hits.
func (s *session) set(ctx context.Context, group string, list []wanted) (any, error) {
	b, err := ability[debugger.Breakpointer](s)
	if err != nil {
		return nil, err
	}
	old := s.points.groups[group]
	var kept []*point
	out := []dap.Breakpoint{}
	take := func(spec debugger.BreakpointSpec) *point {
		for i, p := range old {
			if p != nil && p.made && reflect.DeepEqual(p.spec, spec) {
				old[i] = nil
				return p
			}
		}
		return nil
	}
	now := make([]*point, len(list))
	for i, w := range list {
		if w.err == nil {
			now[i] = take(w.spec)
		}
	}
	for _, p := range old {
		if p != nil && p.made {
			if err := b.ClearBreakpoint(ctx, p.state.Number); err != nil {
				return nil, err
			}
		}
	}
	for i, w := range list {
		p := now[i]
		if p == nil {
			s.points.next++
			p = &point{id: s.points.next, spec: w.spec, shown: w.shown}
			err := w.err
			if err == nil && s.launch.NoDebug {
				err = errors.New("this session runs without debugging")
			}
			if err == nil {
				p.state, err = b.SetBreakpoint(ctx, w.spec)
				p.made = err == nil
			}
			if err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				p.note = plainError(err).Error()
			}
		}
		kept = append(kept, p)
		p.told = s.tell(p, w.as)
		out = append(out, p.told)
	}
	s.points.groups[group] = kept
	return dap.SetBreakpointsResponseBody{Breakpoints: out}, nil
}

// tell is a breakpoint as the client is told of it.
func (s *session) tell(p *point, as dap.Breakpoint) dap.Breakpoint {
	as.Id, as.Verified, as.Message = p.id, p.made, p.note
	if p.made && p.spec.Kind != debugger.AtData && len(p.state.Locations) == 0 {
		as.Verified, as.Message = false, "there is no such place in what is loaded now"
	}
	if len(p.state.Locations) == 0 {
		return as
	}
	at := p.state.Locations[0]
	if src := s.sourceOf(at); src != nil {
		if as.Source == nil {
			as.Source = src
		}
		as.Line = at.Line - 1 + s.lineBase
	}
	as.InstructionReference = reference(at.Addr)
	return as
}

// update tells the client of breakpoints that have changed by themselves: found
// in a library that was loaded, or gone with the scope of what they watch.
func (p *points) update(s *session) {
	b, err := ability[debugger.Breakpointer](s)
	if err != nil {
		return
	}
	exist := map[string]debugger.Breakpoint{}
	for _, st := range b.Breakpoints() {
		exist[st.Number] = st
	}
	for _, list := range p.groups {
		for _, q := range list {
			if !q.made {
				continue
			}
			st, ok := exist[q.state.Number]
			if !ok {
				q.made = false
				q.told.Verified, q.told.Message = false, "what it watches has gone out of scope"
				s.out.event("breakpoint", dap.BreakpointEventBody{Reason: "changed", Breakpoint: q.told})
				continue
			}
			q.state = st
			if now := s.tell(q, q.told); !reflect.DeepEqual(now, q.told) {
				q.told = now
				s.out.event("breakpoint", dap.BreakpointEventBody{Reason: "changed", Breakpoint: now})
			}
		}
	}
}

// hit returns the client's ids of breakpoints of the backend, and the reason of a
// stop at them.
func (p *points) hit(numbers []string) (ids []int, reason string) {
	reason = "breakpoint"
	for _, n := range numbers {
		for _, list := range p.groups {
			for _, q := range list {
				if q.made && q.state.Number == n {
					ids = append(ids, q.id)
					switch q.spec.Kind {
					case debugger.AtFunction:
						reason = "function breakpoint"
					case debugger.AtAddress:
						reason = "instruction breakpoint"
					}
				}
			}
		}
	}
	return ids, reason
}

// shown is what the client calls what a data breakpoint watches.
func (p *points) shown(numbers []string, otherwise string) string {
	for _, n := range numbers {
		for _, q := range p.groups[dataGroup] {
			if q.state.Number == n && q.shown != "" {
				return q.shown
			}
		}
	}
	return otherwise
}

// conditions fills in what kinds of breakpoints have in common.
func (w *wanted) conditions(condition, hits, log string) {
	w.spec.Condition = condition
	h, err := parseHits(hits)
	w.spec.Hits = h
	if err != nil {
		w.err = err
	}
	if w.spec.Log, err = parseLog(log); err != nil {
		w.err = err
	}
}

func (s *session) setBreakpoints(ctx context.Context, a dap.SetBreakpointsArguments) (any, error) {
	if a.Source.Path == "" {
		return nil, errors.New("setBreakpoints: the source has no path")
	}
	if len(a.Breakpoints) == 0 {
		for _, l := range a.Lines { // how it was once
			a.Breakpoints = append(a.Breakpoints, dap.SourceBreakpoint{Line: l})
		}
	}
	file := s.launch.paths.built(a.Source.Path)
	var list []wanted
	for _, b := range a.Breakpoints {
		src := a.Source
		if src.Name == "" {
			src.Name = filepath.Base(src.Path)
		}
		line := b.Line + 1 - s.lineBase
		w := wanted{spec: debugger.BreakpointSpec{Kind: debugger.AtLine, File: file, Line: line}, as: dap.Breakpoint{Source: &src, Line: b.Line}}
		w.conditions(b.Condition, b.HitCondition, b.LogMessage)
		if line < 1 {
			w.err = fmt.Errorf("there is no line %d", b.Line)
		}
		list = append(list, w)
	}
	return s.set(ctx, file, list)
}

func (s *session) setFunctionBreakpoints(ctx context.Context, a struct {
	Breakpoints []dap.FunctionBreakpoint `json:"breakpoints"`
}) (any, error) {
	var list []wanted
	for _, b := range a.Breakpoints {
		w := wanted{spec: debugger.BreakpointSpec{Kind: debugger.AtFunction, Function: b.Name}}
		w.conditions(b.Condition, b.HitCondition, "")
		if b.Name == "" {
			w.err = errors.New("there is no name of a function")
		}
		list = append(list, w)
	}
	return s.set(ctx, functionGroup, list)
}

func (s *session) setInstructionBreakpoints(ctx context.Context, a struct {
	Breakpoints []dap.InstructionBreakpoint `json:"breakpoints"`
}) (any, error) {
	var list []wanted
	for _, b := range a.Breakpoints {
		w := wanted{spec: debugger.BreakpointSpec{Kind: debugger.AtAddress}}
		w.conditions(b.Condition, b.HitCondition, "")
		addr, err := parseReference(b.InstructionReference, b.Offset)
		if w.spec.Addr = addr; err != nil {
			w.err = err
		}
		list = append(list, w)
	}
	return s.set(ctx, addressGroup, list)
}

// dataBreakpointInfo finds out how to watch something. The dataId that the client
// gets is good for the whole session: what it stands for has an address.
func (s *session) dataBreakpointInfo(ctx context.Context, a dap.DataBreakpointInfoArguments) (any, error) {
	b, err := ability[debugger.Breakpointer](s)
	if err != nil {
		return nil, err
	}
	f, err := s.frames.orCurrent(a.FrameId)
	if err != nil {
		return nil, err
	}
	if a.Name == "" {
		return nil, errors.New("dataBreakpointInfo: there is no name")
	}
	data, shown, err := b.Watchable(ctx, f, debugger.Ref(a.VariablesReference), a.Name)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil { // no error to the protocol: there is nothing to watch
		return dap.DataBreakpointInfoResponseBody{Description: plainError(err).Error()}, nil
	}
	id := shown + " at " + data
	s.points.data[id] = watchable{data, shown}
	return dap.DataBreakpointInfoResponseBody{DataId: id, Description: shown, AccessTypes: []dap.DataBreakpointAccessType{"write", "read", "readWrite"}}, nil
}

func (s *session) setDataBreakpoints(ctx context.Context, a struct {
	Breakpoints []dap.DataBreakpoint `json:"breakpoints"`
}) (any, error) {
	var list []wanted
	for _, b := range a.Breakpoints {
		w := wanted{spec: debugger.BreakpointSpec{Kind: debugger.AtData}}
		w.conditions(b.Condition, b.HitCondition, "")
		what, ok := s.points.data[b.DataId]
		if !ok {
			w.err = errors.New("the data is not known in this session")
		}
		w.spec.Data, w.shown = what.data, what.shown
		switch b.AccessType {
		case "", "write":
		case "read":
			w.spec.Access = debugger.OnRead
		case "readWrite":
			w.spec.Access = debugger.OnAccess
		default:
			w.err = fmt.Errorf("access type %s: want read, write or readWrite", b.AccessType)
		}
		list = append(list, w)
	}
	return s.set(ctx, dataGroup, list)
}

func (s *session) setExceptionBreakpoints(ctx context.Context, a dap.SetExceptionBreakpointsArguments) (any, error) {
	b, err := ability[debugger.Breakpointer](s)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, f := range b.Filters() {
		known[f.Name] = true
	}
	announced := map[string]bool{}
	for _, f := range allFilters {
		announced[f.Name] = true
	}
	var chosen []debugger.FilterChoice
	out := []dap.Breakpoint{}
	choose := func(name, condition string) {
		switch {
		case known[name]:
			chosen = append(chosen, debugger.FilterChoice{Name: name, Condition: condition})
			out = append(out, dap.Breakpoint{Verified: true})
		case announced[name]:
			out = append(out, dap.Breakpoint{Message: "the program's language has no such exceptions"})
		default:
			out = append(out, dap.Breakpoint{Message: fmt.Sprintf("there is no exception filter %s", name)})
		}
	}
	for _, name := range a.Filters {
		choose(name, "")
	}
	for _, f := range a.FilterOptions {
		choose(f.FilterId, f.Condition)
	}
	if s.launch.NoDebug {
		chosen = nil
	}
	if err := b.SetFilters(ctx, chosen); err != nil {
		return nil, plainError(err)
	}
	return dap.SetExceptionBreakpointsResponseBody{Breakpoints: out}, nil
}

func (s *session) breakpointLocations(ctx context.Context, a dap.BreakpointLocationsArguments) (any, error) {
	b, err := ability[debugger.Breakpointer](s)
	if err != nil {
		return nil, err
	}
	if a.Source.Path == "" {
		return nil, errors.New("breakpointLocations: the source has no path")
	}
	if a.EndLine == 0 {
		a.EndLine = a.Line
	}
	lines, err := b.Lines(ctx, s.launch.paths.built(a.Source.Path), a.Line+1-s.lineBase, a.EndLine+1-s.lineBase)
	if err != nil {
		return nil, plainError(err)
	}
	body := dap.BreakpointLocationsResponseBody{Breakpoints: []dap.BreakpointLocation{}}
	for _, l := range lines {
		body.Breakpoints = append(body.Breakpoints, dap.BreakpointLocation{Line: l - 1 + s.lineBase})
	}
	return body, nil
}
