package main

// Sessions of the debug adapter with real programs, in the order in which Visual
// Studio Code sends its requests. What a session uses is what the adapter announces.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yore/testprogs"
)

// An editing is a session of an editor with a program.
type editing struct {
	name   string
	needs  []string
	sample string // built and handed to do
	do     func(e *desk) error
}

// desk is what a session has.
type desk struct {
	*client
	ctx     context.Context
	yore    string
	dir     string // its own, empty
	program string // the sample's executable
	source  string // the sample's source
	sample  *testprogs.Program
}

// mark is the line of the sample that is marked so.
func (e *desk) mark(name string) int {
	n, err := e.sample.Line(name)
	if err != nil {
		e.fail("%w", err)
	}
	return n
}

var editings = []editing{
	{name: "editor: C", needs: []string{"gdb"}, sample: "demo_list", do: editC},
	{name: "editor: a bundle, on a socket", needs: []string{"gdb"}, sample: "demo_list", do: editBundle},
	{name: "editor: C++ with threads", needs: []string{"gdb"}, sample: "cxx_exceptions", do: editThreads},
	{name: "editor: Go", sample: "go_mixed", do: editGo},
	{name: "editor: python3", needs: []string{"gdb", "python3"}, do: editPython},
}

// announced are the capabilities that the sessions below make use of, and all
// that there are.
var announced = []string{
	"supportTerminateDebuggee", "supportsBreakpointLocationsRequest", "supportsCancelRequest", "supportsClipboardContext",
	"supportsCompletionsRequest", "supportsConditionalBreakpoints", "supportsConfigurationDoneRequest", "supportsDataBreakpoints",
	"supportsDelayedStackTraceLoading", "supportsDisassembleRequest", "supportsEvaluateForHovers", "supportsExceptionFilterOptions",
	"supportsExceptionInfoRequest", "supportsFunctionBreakpoints", "supportsHitConditionalBreakpoints", "supportsInstructionBreakpoints",
	"supportsLogPoints", "supportsReadMemoryRequest", "supportsRestartFrame", "supportsSetExpression", "supportsSetVariable",
	"supportsStepBack", "supportsSteppingGranularity", "supportsTerminateRequest", "supportsValueFormattingOptions", "supportsWriteMemoryRequest",
}

func editC(e *desk) error {
	caps, launched := e.begin(dict{"program": e.program, "args": []string{"2024"}, "cwd": e.dir})
	var got []string
	for k, v := range caps {
		if v == true {
			got = append(got, k)
		}
	}
	slices.Sort(got)
	e.want("what is announced", got, announced)

	// The configuration: breakpoints file by file, then the rest.
	culprit := e.mark("culprit")
	e.breakpoints(e.source, dict{"line": culprit, "condition": "op == 1000", "hitCondition": "1"}, dict{"line": culprit - 1, "logMessage": "at {op} of {n->value}", "condition": "op == 1000"})
	other := e.do("setBreakpoints", dict{"source": dict{"path": filepath.Join(e.dir, "other.c")}, "breakpoints": []dict{{"line": 1}}})
	e.want("a breakpoint elsewhere", first(objects(other, "breakpoints"))["verified"], false)
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{{"name": "node_new", "hitCondition": "3"}}})
	e.do("setDataBreakpoints", dict{"breakpoints": []dict{}})
	e.do("setInstructionBreakpoints", dict{"breakpoints": []dict{}})
	e.do("setExceptionBreakpoints", dict{"filters": []string{"signals", "panic"}, "filterOptions": []dict{}})
	e.do("configurationDone", nil)
	launched()
	e.stopped("function breakpoint")
	e.at("node_new", 0)
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{}})

	// The place, its variables, and what an editor does with them.
	e.move("continue", nil, "breakpoint")
	frame := e.at("list_link", culprit)
	if e.err == nil && !strings.Contains(e.said.String(), "at 1000 of") {
		e.fail("the log point said nothing")
	}
	e.want("op", e.value(frame, "op"), 1000)
	l := e.locals(frame)
	e.want("n->value", e.value(frame, "n->value"), first(objects(e.do("variables", dict{"variablesReference": l["n"]["variablesReference"]}), "variables"))["value"])
	e.want("op in hexadecimal", e.do("evaluate", dict{"expression": "op", "frameId": frame, "context": "hover", "format": dict{"hex": true}})["result"], "0x3e8")
	locations := objects(e.do("breakpointLocations", dict{"source": dict{"path": e.source}, "line": culprit, "endLine": culprit + 2}), "breakpoints")
	e.want("the first line that can have a breakpoint", first(locations)["line"], culprit)

	// Backwards: lines, instructions, a frame's beginning, data.
	e.move("stepBack", nil, "step")
	e.at("list_link", culprit-1)
	e.move("next", nil, "breakpoint")
	e.at("list_link", culprit)
	e.move("stepBack", dict{"granularity": "instruction"}, "step")
	frame = e.at("list_link", culprit-1)
	e.do("restartFrame", dict{"frameId": frame})
	e.stopped("restart")
	frame = e.at("list_link", 0)
	info := e.do("dataBreakpointInfo", dict{"name": "head", "frameId": frame})
	e.do("setDataBreakpoints", dict{"breakpoints": []dict{{"dataId": info["dataId"], "accessType": "write"}}})
	e.breakpoints(e.source)
	e.move("reverseContinue", nil, "data breakpoint")
	e.do("setDataBreakpoints", dict{"breakpoints": []dict{}})
	e.move("reverseContinue", nil, "pause") // the start of history
	e.refused("stackTrace", dict{"threadId": 4711})
	e.move("stepIn", dict{"granularity": "instruction"}, "step")

	// Machine code.
	e.move("yore.goto", dict{"place": "50%"}, "goto")
	pc := e.top()["instructionPointerReference"]
	code := objects(e.do("disassemble", dict{"memoryReference": pc, "instructionOffset": -8, "instructionCount": 16, "resolveSymbols": true}), "instructions")
	e.want("instructions", len(code), 16)
	if len(code) == 16 {
		e.want("the ninth of them", code[8]["address"], pc)
	}
	e.do("setInstructionBreakpoints", dict{"breakpoints": []dict{{"instructionReference": pc}}})
	e.move("stepBack", dict{"granularity": "instruction"}, "step")
	e.move("continue", nil, "instruction breakpoint")
	e.do("setInstructionBreakpoints", dict{"breakpoints": []dict{}})
	e.want("bytes of code that cannot be read", e.do("readMemory", dict{"memoryReference": pc, "count": 16})["unreadableBytes"], nil)
	e.want("completions", len(objects(e.do("completions", dict{"text": "reverse-ste", "column": 12}), "targets")) > 1, true)

	// The console's reverse-watch, and ours.
	e.move("continue", nil, "pause") // the end of history
	e.do("evaluate", dict{"expression": "reverse-watch list_len(head) <= 10", "context": "repl"})
	e.stopped("goto")
	e.at("list_link", culprit)
	e.move("yore.goto", dict{"place": "end"}, "goto")
	found := e.do("yore.reverseWatch", dict{"expression": "list_len(head) <= 10"})
	e.stopped("data breakpoint")
	e.want("the line found", found["line"], culprit)
	e.move("continue", nil, "pause") // the end again
	if !strings.Contains(e.out.String(), "CORRUPT") {
		e.fail("the program's output is %q", e.out.String())
	}
	e.refused("exceptionInfo", dict{"threadId": e.thread})
	e.do("terminate", nil)
	e.event("exited")
	e.event("terminated")
	return e.leave()
}

func editBundle(e *desk) error {
	rec, bundle := filepath.Join(e.dir, "rec"), filepath.Join(e.dir, "a.yore.zip")
	for _, argv := range [][]string{{"record", "-q", "-o", rec, "--", e.program, "7"}, {"pack", "-o", bundle, rec}} {
		out, err := execute(e.ctx, e.dir, nil, "", append([]string{e.yore}, argv...)...)
		if err != nil || out.status != 0 && argv[0] == "pack" {
			return fmt.Errorf("%s: %w: %s", argv[0], err, out.errors)
		}
	}
	_, launched := e.begin(dict{"recording": bundle})
	culprit := e.mark("culprit")
	e.breakpoints(e.source, dict{"line": culprit})
	e.do("setExceptionBreakpoints", dict{"filters": []string{}})
	e.do("configurationDone", nil)
	launched()
	e.stopped("pause") // at the recording's end
	e.move("reverseContinue", nil, "breakpoint")
	frame := e.at("list_link", culprit)
	// In the past a value that is set is of a diversion.
	l := e.locals(frame)
	e.want("n when set", e.do("setVariable", dict{"variablesReference": l["n"]["container"], "name": "n", "value": "0"})["value"], "0x0")
	e.want("op when set", e.do("setExpression", dict{"frameId": frame, "expression": "op", "value": "4711"})["value"], 4711)
	e.want("op", e.value(frame, "op"), 4711)
	e.move("stepBack", nil, "step")
	frame = e.at("list_link", culprit-1)
	if e.err == nil && e.value(frame, "op") == "4711" {
		e.fail("what was set in the past is still there after a step")
	}
	e.breakpoints(e.source)
	e.move("continue", nil, "pause")
	return e.leave()
}

func editThreads(e *desk) error {
	_, launched := e.begin(dict{"program": e.program, "stopAtEntry": true, "MIMode": "gdb"})
	e.breakpoints(e.source, dict{"line": e.mark("catch"), "condition": "i == 19"})
	e.do("setExceptionBreakpoints", dict{"filters": []string{"signals"}, "filterOptions": []dict{{"filterId": "throw", "condition": "out_of_range"}}})
	e.do("configurationDone", nil)
	launched()
	e.stopped("entry")
	e.at("main", 0)
	e.move("continue", nil, "breakpoint")
	frame := e.at("main", e.mark("catch"))
	e.want("i", e.locals(frame)["i"]["value"], 19)
	e.move("continue", nil, "exception") // in the second thread
	e.at("__cxa_throw", 0)
	if e.thread == 1 {
		e.fail("the exception of the other thread came from thread 1")
	}
	e.want("the exception", e.do("exceptionInfo", dict{"threadId": e.thread})["exceptionId"], "std::out_of_range")
	for _, t := range objects(e.do("threads", nil), "threads") {
		e.do("stackTrace", dict{"threadId": t["id"], "startFrame": 0, "levels": 20})
	}
	e.do("setExceptionBreakpoints", dict{"filters": []string{}})
	e.move("yore.reverseStepOut", nil, "step")
	e.move("reverseContinue", nil, "breakpoint")
	e.at("main", e.mark("catch"))
	e.breakpoints(e.source)
	e.move("continue", nil, "pause")
	if e.err == nil && !strings.Contains(e.out.String(), "caught 20") {
		e.fail("the program's output is %q", e.out.String())
	}
	return e.leave()
}

func editGo(e *desk) error {
	_, launched := e.begin(dict{"program": e.program, "mode": "exec", "cwd": e.dir})
	e.breakpoints(e.source, dict{"line": e.mark("sum"), "condition": "sum > 1000"})
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{{"name": "main.recovers"}}})
	e.do("setExceptionBreakpoints", dict{"filters": []string{"panic"}})
	e.do("configurationDone", nil)
	launched()
	e.stopped("breakpoint")
	frame := e.at("main.channels", e.mark("sum"))
	n := e.locals(frame)["n"]["value"]
	sum := e.value(frame, "sum")
	e.move("next", nil, "step")
	e.move("stepBack", nil, "") // the breakpoint is there
	frame = e.at("main.channels", e.mark("sum"))
	e.want("sum once more", e.value(frame, "sum"), sum)
	e.want("n once more", e.locals(frame)["n"]["value"], n)
	e.move("stepIn", dict{"granularity": "instruction"}, "step")
	e.move("stepBack", dict{"granularity": "instruction"}, "")
	e.breakpoints(e.source)
	e.move("continue", nil, "function breakpoint")
	e.at("main.recovers", 0)
	code := objects(e.do("disassemble", dict{"memoryReference": e.top()["instructionPointerReference"], "instructionCount": 8}), "instructions")
	e.want("instructions", len(code), 8)
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{}})
	e.move("reverseContinue", nil, "pause") // the start of history
	e.move("continue", nil, "pause")        // the end; what is recovered is no panic to stop for
	if e.err == nil && !strings.Contains(e.out.String(), "channels 4950") {
		e.fail("the program's output is %q", e.out.String())
	}
	return e.leave()
}

func editPython(e *desk) error {
	_, launched := e.begin(dict{"program": pythonPath, "args": []string{"-c",
		"import time, json\nfor i in range(100000000):\n s = json.dumps([i] * (i % 50))\n if i == 3000: print('three thousand', flush=True)"}})
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{{"name": "PyLong_FromLong"}}})
	e.do("setExceptionBreakpoints", dict{"filters": []string{"signals"}})
	e.do("configurationDone", nil)
	launched()
	e.stopped("function breakpoint")
	e.at("PyLong_FromLong", 0)
	e.do("setFunctionBreakpoints", dict{"breakpoints": []dict{}})
	e.do("continue", dict{"threadId": e.thread})
	for e.err == nil && !strings.Contains(e.out.String(), "three thousand") {
		if m := e.next("the program's output"); m != nil && m["event"] == "stopped" {
			e.fail("it stopped: %v", m["body"])
		}
	}
	e.refused("scopes", dict{"frameId": 1}) // it runs
	e.do("pause", dict{"threadId": e.thread})
	e.stopped("pause")
	e.do("evaluate", dict{"expression": "goto output three thousand", "context": "repl"})
	e.stopped("goto")
	e.at("write", 0)
	e.move("stepBack", dict{"granularity": "instruction"}, "step")
	e.move("yore.goto", dict{"place": "end"}, "goto")
	e.do("continue", dict{"threadId": e.thread})
	return e.leave() // while it runs
}

// edit puts one session to the test and returns how long it took.
func (s *editing) edit(ctx context.Context, yore string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "yore-editor-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	e := &desk{ctx: ctx, yore: yore, dir: dir}
	if s.sample != "" {
		if e.sample, err = testprogs.Find(s.sample); err == nil {
			e.source = e.sample.Path
			e.program, err = e.sample.Make()
		}
		if err != nil {
			return 0, err
		}
	}
	listen := ""
	if strings.Contains(s.name, "socket") {
		listen = filepath.Join(dir, "socket")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if e.client, err = startAdapter(ctx, yore, listen); err != nil {
		return 0, err
	}
	began := time.Now()
	err = s.do(e)
	return time.Since(began), err
}

// editAll has all sessions that match, prints a row each, and returns how many
// failed.
func editAll(ctx context.Context, yore string, match func(string) bool) (failed int) {
	for _, s := range editings {
		if !match(s.name) || ctx.Err() != nil {
			continue
		}
		last := ""
		for _, n := range s.needs {
			if _, err := exec.LookPath(n); err != nil {
				last = "not run: " + n + " is not installed"
			}
		}
		if last == "" {
			took, err := s.edit(ctx, yore)
			if last = fmt.Sprintf("as an editor asks, in %.1f s", took.Seconds()); err != nil {
				last = "FAILED: " + strings.Join(strings.Fields(err.Error()), " ")
				failed++
			}
		}
		fmt.Printf("| %s | | | | | | | | %s |\n", s.name, last)
	}
	return failed
}
