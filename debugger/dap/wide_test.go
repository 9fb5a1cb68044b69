package dap

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestBreakpoints: conditions, hit conditions of both kinds, log points, functions,
// instructions; and that what is not possible says why.
func TestBreakpoints(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, nil)
	bps := c.breakpoints(p,
		dict{"line": p.lines["call"], "condition": "i == 3"},
		dict{"line": p.lines["after"], "logMessage": "i is {i}, {{p}} {p.name} {nothing}"},
		dict{"line": p.lines["print"], "condition": "no_such_thing > 1"},
		dict{"line": p.lines["in"], "hitCondition": "soon"},
	)
	for i, want := range []bool{true, true, false, false} {
		if at(bps, i, "verified") != want {
			t.Errorf("breakpoint %d: %v", i, bps[i])
		}
	}
	if got := str(at(bps, 2, "message")); !strings.Contains(got, "no_such_thing") {
		t.Errorf("a bad condition: %q", got)
	}
	if got := str(at(bps, 3, "message")); !strings.Contains(got, "hit condition soon") {
		t.Errorf("a bad hit condition: %q", got)
	}
	c.ask("configurationDone", nil)
	_, f := c.stops("breakpoint", p.lines["call"])
	if got := c.local(f, "i"); got["value"] != "3" {
		t.Errorf("i: %v", got)
	}
	log := c.output("console")
	for i := range 3 {
		if want := fmt.Sprintf("i is %d, {p} one <nothing: ", i); !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	// A step over a log point is not broken up by it.
	c.motion("next")
	c.stops("step", p.lines["after"])
	c.motion("next")
	_, f = c.stops("step", 0)
	if got := c.output("console"); !strings.Contains(got, "i is 3") {
		t.Errorf("the log of a step: %q", got)
	}

	// Hits: from the 2nd on; exactly the 3rd. Counted from where they are set.
	c.breakAt(p)
	c.motion("yore.reverseStepOut") // of main: to the call of main
	c.stops("step", 0)
	bps = c.breakpoints(p, dict{"line": p.lines["call"], "hitCondition": "2"})
	if at(bps, 0, "verified") != true {
		t.Errorf("hits: %v", bps)
	}
	c.motion("continue")
	_, f = c.stops("breakpoint", p.lines["call"])
	if got := c.local(f, "i"); got["value"] != "1" {
		t.Errorf("i at the second hit: %v", got)
	}
	c.breakpoints(p, dict{"line": p.lines["in"], "hitCondition": "== 3"})
	c.motion("continue")
	_, f = c.stops("breakpoint", p.lines["in"])
	if got := c.local(f, "n"); got["value"] != "3" { // i is 1, 2, 3
		t.Errorf("n at the third hit: %v", got)
	}
	c.breakAt(p)

	// By function, backwards.
	got := c.ask("setFunctionBreakpoints", dict{"breakpoints": []dict{{"name": "twice", "condition": "n < 2"}, {"name": "no_such_function"}}})
	if at(got, "breakpoints", 0, "verified") != true || at(got, "breakpoints", 1, "verified") != false {
		t.Errorf("function breakpoints: %v", got)
	}
	c.motion("reverseContinue")
	_, f = c.stops("function breakpoint", p.lines["in"])
	if got := c.local(f, "n"); got["value"] != "1" {
		t.Errorf("n: %v", got)
	}
	c.ask("setFunctionBreakpoints", dict{"breakpoints": []dict{}})

	// By instruction: where the caller goes on.
	st := c.ask("stackTrace", dict{"threadId": 1})
	ref := at(st, "stackFrames", 1, "instructionPointerReference")
	c.ask("setInstructionBreakpoints", dict{"breakpoints": []dict{{"instructionReference": ref}}})
	c.motion("continue")
	c.stops("instruction breakpoint", p.lines["call"])
	c.ask("setInstructionBreakpoints", dict{"breakpoints": []dict{}})

	// Where breakpoints can be.
	loc := c.ask("breakpointLocations", dict{"source": dict{"path": p.source}, "line": p.lines["in"] - 1, "endLine": p.lines["in"] + 2})
	if n := len(loc["breakpoints"].([]any)); n != 4 {
		t.Errorf("lines with code: %v", loc)
	}
	if got := c.fails("setBreakpoints", dict{"source": dict{}, "breakpoints": []dict{}}); !strings.Contains(got, "path") {
		t.Error(got)
	}
}

// TestData: what changes a variable, forwards and backwards.
func TestData(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, dict{"stopOnEntry": true})
	c.ask("configurationDone", nil)
	_, f := c.stops("entry", p.lines["first"])
	info := c.ask("dataBreakpointInfo", dict{"name": "total", "frameId": f["id"]})
	id := info["dataId"]
	if id == nil {
		t.Fatal(info)
	}
	sc := c.ask("scopes", dict{"frameId": f["id"]})
	pair := c.part(at(sc, "scopes", 0, "variablesReference"), "p")
	field := c.ask("dataBreakpointInfo", dict{"name": "a", "variablesReference": pair["variablesReference"]})
	if field["description"] != "p.a" || field["dataId"] == nil {
		t.Errorf("p.a: %v", field)
	}
	if none := c.ask("dataBreakpointInfo", dict{"name": "1 + 1"}); none["dataId"] != nil || none["description"] == "" {
		t.Errorf("1 + 1: %v", none)
	}
	got := c.ask("setDataBreakpoints", dict{"breakpoints": []dict{{"dataId": id, "accessType": "write"}, {"dataId": "gone"}}})
	if at(got, "breakpoints", 0, "verified") != true || at(got, "breakpoints", 1, "verified") != false {
		t.Fatal(got)
	}
	c.motion("continue")
	s, _ := c.stops("data breakpoint", p.lines["after"]) // i = 1: 0 + 0 is no change
	if s["text"] != "total: 0 → 2" || num(at(s, "hitBreakpointIds", 0)) != num(at(got, "breakpoints", 0, "id")) {
		t.Errorf("the change: %v", s)
	}
	c.motion("continue")
	c.stops("data breakpoint", p.lines["after"])
	c.motion("reverseContinue")
	s, _ = c.stops("data breakpoint", 0)
	if s["text"] != "total: 6 → 2" {
		t.Errorf("the change, backwards: %v", s)
	}
	// On a field of a local: it is watched by its address, beyond its scope.
	c.ask("setDataBreakpoints", dict{"breakpoints": []dict{{"dataId": field["dataId"]}}})
	c.motion("continue")
	s, _ = c.stops("data breakpoint", 0)
	if s["text"] != "p.a: 2 → 6" {
		t.Errorf("the field's change: %v", s)
	}
}

// TestValues: evaluation in frames, setting in the past and its end, hovers that
// call, completions, registers, memory, code.
func TestValues(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, nil)
	c.breakpoints(p, dict{"line": p.lines["in"], "condition": "n == 2"})
	c.ask("configurationDone", nil)
	_, f := c.stops("breakpoint", p.lines["in"])
	st := c.ask("stackTrace", dict{"threadId": 1, "startFrame": 0, "levels": 1})
	if len(st["stackFrames"].([]any)) != 1 || num(st["totalFrames"]) < 2 {
		t.Errorf("a page of the stack: %v", st)
	}
	st = c.ask("stackTrace", dict{"threadId": 1, "startFrame": 1, "levels": 1})
	beyond := c.ask("stackTrace", dict{"threadId": 1, "startFrame": num(st["totalFrames"]), "levels": 19})
	if len(beyond["stackFrames"].([]any)) != 0 || beyond["totalFrames"] != st["totalFrames"] {
		t.Errorf("a page behind the stack's end: %v", beyond)
	}
	caller := at(st, "stackFrames", 0).(dict)
	if caller["name"] != "main" {
		t.Errorf("the caller: %v", caller)
	}
	eval := func(frame dict, context, expr string) dict {
		return c.ask("evaluate", dict{"expression": expr, "frameId": frame["id"], "context": context})
	}
	if got := eval(f, "watch", "n + 1"); got["result"] != "3" || got["type"] != "int" {
		t.Error(got)
	}
	if got := eval(caller, "hover", "p.name[1]"); got["result"] != "110 'n'" {
		t.Error(got)
	}
	if got := eval(caller, "watch", "twice(21)"); got["result"] != "42" {
		t.Error(got)
	}
	if got := eval(caller, "watch", "global"); got["variablesReference"] == 0.0 {
		t.Error(got)
	} else if v := c.part(got["variablesReference"], "a"); v["value"] != "7" {
		t.Error(v)
	}
	if got := c.fails("evaluate", dict{"expression": "nothing", "frameId": f["id"], "context": "hover"}); !strings.Contains(got, "nothing") {
		t.Error(got)
	}
	if got := c.fails("evaluate", dict{"expression": "n", "frameId": 999, "context": "hover"}); !strings.Contains(got, "frame") {
		t.Error(got)
	}
	hex := c.ask("evaluate", dict{"expression": "n + 40", "frameId": f["id"], "context": "watch", "format": dict{"hex": true}})
	if hex["result"] != "0x2a" {
		t.Error(hex)
	}

	// In the past a change is a diversion, which the next command ends.
	c.motion("next")
	c.stops("step", p.lines["in"]+1)
	c.motion("stepBack")
	_, f = c.stops("breakpoint", p.lines["in"])
	sc := c.ask("scopes", dict{"frameId": f["id"]})
	locals := at(sc, "scopes", 0, "variablesReference")
	if got := c.ask("setVariable", dict{"variablesReference": locals, "name": "n", "value": "50"}); got["value"] != "50" {
		t.Error(got)
	}
	if got := c.part(locals, "n"); got["value"] != "50" {
		t.Error("after setVariable: ", got)
	}
	if got := eval(f, "watch", "twice(n)"); got["result"] != "100" {
		t.Error("a call after setVariable: ", got)
	}
	if got := c.ask("setExpression", dict{"expression": "global.list[1]", "value": "77", "frameId": f["id"]}); got["value"] != "77" {
		t.Error(got)
	}
	if got := c.fails("setVariable", dict{"variablesReference": locals, "name": "none", "value": "1"}); !strings.Contains(got, "none") {
		t.Error(got)
	}
	c.motion("next")
	_, f = c.stops("step", p.lines["in"]+1)
	if got := c.local(f, "r"); got["value"] != "4" {
		t.Error("history was altered: ", got)
	}
	if got := c.local(f, "n"); got["value"] != "2" {
		t.Error("history was altered: ", got)
	}
	if got := eval(f, "watch", "global.list[1]"); got["result"] != "2" {
		t.Error("history was altered: ", got)
	}
	if got := c.fails("variables", dict{"variablesReference": locals}); !strings.Contains(got, "earlier stop") {
		t.Error("a stale reference: ", got)
	}

	sc = c.ask("scopes", dict{"frameId": f["id"]})
	regs := at(sc, "scopes", 1).(dict)
	if regs["presentationHint"] != "registers" || regs["expensive"] != true {
		t.Error(regs)
	}
	if got := c.part(regs["variablesReference"], "rip"); got["memoryReference"] != f["instructionPointerReference"] {
		t.Error(got, f)
	}
	done := c.ask("completions", dict{"text": "reverse-w", "column": 10, "frameId": f["id"]})
	if at(done, "targets", 0, "label") != "reverse-watch" || num(at(done, "targets", 0, "start")) != 1 || num(at(done, "targets", 0, "length")) != 9 {
		t.Error(done)
	}

	// Memory and code.
	ref := eval(f, "watch", "&global")["memoryReference"]
	mem := c.ask("readMemory", dict{"memoryReference": ref, "count": 4})
	if b, _ := base64.StdEncoding.DecodeString(str(mem["data"])); string(b) != "\x07\x00\x00\x00" {
		t.Error(mem)
	}
	if got := c.ask("readMemory", dict{"memoryReference": "0x10", "count": 8}); num(got["unreadableBytes"]) != 8 {
		t.Error(got)
	}
	c.ask("writeMemory", dict{"memoryReference": ref, "data": base64.StdEncoding.EncodeToString([]byte{9})})
	if got := eval(f, "watch", "global.a"); got["result"] != "9" {
		t.Error("after writeMemory: ", got)
	}
	ip := f["instructionPointerReference"]
	code := c.ask("disassemble", dict{"memoryReference": ip, "instructionOffset": -3, "instructionCount": 8, "resolveSymbols": true})
	list := code["instructions"].([]any)
	if len(list) != 8 || at(list, 3, "address") != ip || !strings.HasPrefix(str(at(list, 3, "symbol")), "twice+") || str(at(list, 3, "instructionBytes")) == "" {
		t.Error(code)
	}
	far := c.ask("disassemble", dict{"memoryReference": "0x10", "instructionOffset": -2, "instructionCount": 5})
	if n := len(far["instructions"].([]any)); n != 5 {
		t.Errorf("%d instructions where there is no code, want 5", n)
	}
	for _, args := range []dict{{"memoryReference": "here", "instructionCount": 1}, {"memoryReference": ip, "instructionCount": -1}, {"memoryReference": ip, "instructionCount": 1 << 40}} {
		c.fails("disassemble", args)
	}
}

const thrower = `
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
struct base { int id = 1; };
struct item : base { std::string name; std::vector<int> sizes; std::map<std::string, int> index; };
static int check(int n) {
  if (n > 2)
    throw std::runtime_error("too large"); // throw
  return n;
}
int main() {
  item it;
  it.name = "bolt";
  it.sizes = {3, 4};
  it.index["x"] = 10;
  int bad = 0; // filled
  for (int i = 0; i < 4; i++)
    try { bad += check(i); } catch (const std::exception &e) { bad = -1; }
  int *nowhere = nullptr;
  *nowhere = bad; // crash
  return 0;
}
`

// TestExceptions: a C++ throw, a crash, what is known of them, and that the crash
// is no end. Values of the C++ library are shown as what they are.
func TestExceptions(t *testing.T) {
	p := build(t, "thrower.cc", thrower)
	c := launched(t, p, nil)
	c.breakAt(p, p.lines["filled"])
	got := c.ask("setExceptionBreakpoints", dict{"filters": []string{"signals"}, "filterOptions": []dict{{"filterId": "throw"}, {"filterId": "nonsense"}}})
	if at(got, "breakpoints", 1, "verified") != true || at(got, "breakpoints", 2, "verified") != false {
		t.Error(got)
	}
	c.ask("configurationDone", nil)
	_, f := c.stops("breakpoint", p.lines["filled"])
	it := c.local(f, "it")["variablesReference"]
	if got := c.part(it, "name"); got["value"] != `"bolt"` {
		t.Error(got)
	}
	if got := c.part(c.part(it, "sizes")["variablesReference"], "[1]"); got["value"] != "4" {
		t.Error(got)
	}
	if got := c.part(c.part(it, "index")["variablesReference"], `["x"]`); got["value"] != "10" {
		t.Error(got)
	}
	c.fails("exceptionInfo", dict{"threadId": 1})
	c.motion("continue")
	s, _ := c.stops("exception", 0)
	if s["description"] != "Paused on exception thrown" || s["text"] != "std::runtime_error" {
		t.Error(s)
	}
	if got := c.ask("exceptionInfo", dict{"threadId": 1}); got["exceptionId"] != "std::runtime_error" || !strings.Contains(str(at(got, "details", "stackTrace")), "check") {
		t.Error(got)
	}
	c.motion("continue")
	s, _ = c.stops("exception", p.lines["crash"])
	if s["description"] != "Paused on SIGSEGV" || s["text"] != "Segmentation fault" {
		t.Error(s)
	}
	info := c.ask("exceptionInfo", dict{"threadId": 1})
	if info["exceptionId"] != "SIGSEGV" || !strings.Contains(str(at(info, "details", "stackTrace")), "#0 main") {
		t.Error(info)
	}
	// Who made bad -1?
	change := c.ask("yore.reverseWatch", dict{"expression": "bad", "frameId": 0})
	if change["before"] != "3" || change["after"] != "-1" {
		t.Error(change)
	}
	s, _ = c.stops("data breakpoint", num(change["line"]))
	if s["text"] != "bad: 3 → -1" {
		t.Error(s)
	}
	c.ask("yore.undo", nil)
	c.stops("goto", p.lines["crash"])
	c.motion("continue") // the signal has been shown
	s, _ = c.stops("pause", 0)
	if s["text"] != "end of history: the program was killed by SIGSEGV" {
		t.Error(s)
	}
	// Other filters; and without them neither exceptions nor signals stop it.
	c.breakAt(p)
	c.ask("yore.goto", dict{"place": "start"})
	c.stops("goto", 0)
	c.ask("setExceptionBreakpoints", dict{"filters": []string{"catch"}, "filterOptions": []dict{{"filterId": "throw", "condition": "logic_error"}}})
	c.motion("continue")
	s, _ = c.stops("exception", 0)
	if s["description"] != "Paused on exception caught" {
		t.Error(s)
	}
	c.ask("yore.goto", dict{"place": "start"})
	c.stops("goto", 0)
	c.ask("setExceptionBreakpoints", dict{"filters": []string{}})
	c.motion("continue")
	s, _ = c.stops("pause", 0)
	if !strings.HasPrefix(str(s["text"]), "end of history") {
		t.Error(s)
	}
	c.ask("terminate", nil)
	if e := c.event("exited"); num(e["exitCode"]) != 128+11 {
		t.Error(e)
	}
	c.event("terminated")
	if got := c.fails("threads", nil); !strings.Contains(got, "ended") {
		t.Error(got)
	}
	c.ask("disconnect", nil)
}

// TestConsole: the debug console takes the prompt's commands, those that move the
// program and those of several lines too.
func TestConsole(t *testing.T) {
	p := build(t, "counter.c", counter)
	c := launched(t, p, nil)
	c.breakAt(p, p.lines["print"])
	c.ask("configurationDone", nil)
	_, f := c.stops("breakpoint", p.lines["print"])
	say := func(line string) string {
		t.Helper()
		return str(c.ask("evaluate", dict{"expression": line, "frameId": f["id"], "context": "repl"})["result"])
	}
	if got := say("print total"); got != "$1 = 20" {
		t.Errorf("print: %q", got)
	}
	if got := say("-exec p p.a"); got != "$2 = 20" {
		t.Errorf("-exec p: %q", got)
	}
	if got := say("total * 2"); got != "40" {
		t.Errorf("an expression: %q", got)
	}
	if got := c.fails("evaluate", dict{"expression": "print nothing", "context": "repl"}); !strings.Contains(got, "nothing") {
		t.Errorf("an error: %q", got)
	}
	say("set var total = 21")
	if got := at(c.event("invalidated"), "areas", 0); got != "variables" {
		t.Errorf("invalidated: %v", got)
	}
	if got := say("when"); !regexp.MustCompile(`^position: \d+`).MatchString(got) {
		t.Errorf("when: %q", got)
	}
	for _, line := range []string{"define hello", "echo hi\\n"} {
		if got := say(line); got != ">" {
			t.Errorf("%s: %q", line, got)
		}
	}
	say("end")
	if got := say("hello"); got != "hi" {
		t.Errorf("hello: %q", got)
	}
	if got := say("reverse-watch p.a"); !strings.Contains(got, "changed from 12 to 20") {
		t.Errorf("reverse-watch: %q", got)
	}
	_, f = c.stops("goto", 0)
	say("undo")
	_, f = c.stops("goto", p.lines["print"])
	say("reverse-next")
	_, f = c.stops("step", 0)
	tl := c.ask("yore.timeline", nil)
	if tl["position"] == "" || num(tl["events"]) == 0 || tl["frontier"] != false {
		t.Errorf("timeline: %v", tl)
	}
	c.ask("yore.bookmark", dict{"name": "here"})
	c.ask("yore.goto", dict{"place": "end"})
	_, f = c.stops("goto", p.lines["print"])
	tl = c.ask("yore.timeline", nil)
	marks, _ := tl["landmarks"].([]any)
	found := false
	for _, m := range marks {
		found = found || at(m, "kind") == "bookmark" && at(m, "name") == "here"
	}
	if !found || tl["event"] != tl["events"] {
		t.Errorf("timeline: %v", tl)
	}
	c.ask("yore.goto", dict{"place": "here"})
	_, f = c.stops("goto", 0)
	c.fails("yore.goto", dict{"place": "nowhere"})
	if got := say("quit"); got != "" {
		t.Errorf("quit: %q", got)
	}
	c.event("terminated")
}
