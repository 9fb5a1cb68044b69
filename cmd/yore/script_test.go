package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"yore/engine/trace"
)

// The scripts of testdata/script run this test binary as `yore`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yore": main})
}

func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = "testdata/script"
	testscript.Run(t, p)
}

func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":           scriptStatus,
			"sample-recording": scriptRecording,
		},
	}
}

// scriptStatus is `status N[|N…] CMD ARGS…`: runs CMD, which must end with
// status N. What it printed is there for stdout and stderr.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N[|N...] CMD ARGS...")
	}
	status := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var e *exec.ExitError
		if !errors.As(err, &e) {
			ts.Fatalf("%v", err)
		}
		if status = e.ExitCode(); status < 0 {
			ts.Fatalf("%s: %v", args[1], e)
		}
	}
	for _, want := range strings.Split(args[0], "|") {
		if strconv.Itoa(status) == want {
			return
		}
	}
	ts.Fatalf("%s ended with status %d, want %s", strings.Join(args[1:], " "), status, args[0])
}

// scriptRecording is `sample-recording PROG`: puts a recording of a made-up run
// into $YORE_DIR.
func scriptRecording(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sample-recording PROG")
	}
	r, err := trace.Store{Dir: ts.Getenv("YORE_DIR")}.Create(args[0], trace.Meta{
		Program: trace.Str("/usr/bin/" + args[0]), Args: trace.Strs([]string{"./" + args[0], "a b", "\x1b[31m"}),
		BuildIDs: map[string]string{"/usr/bin/" + args[0]: "c0ffee"},
		Began:    time.Now(), Seconds: 1.5, Threads: 1, Events: 3,
		Ended: &trace.Ended{How: "exit", Status: 3}, Frames: []string{"abort"},
	})
	ts.Check(err)
	for _, e := range []trace.Event{
		{Kind: trace.Start, TID: 7},
		{Kind: trace.Syscall, TID: 7, NR: 1, Ret: 3, Args: [6]uint64{1}, Time: 5, Out: []byte("hi\n")},
		{Kind: trace.End, TID: 7, Ret: 3, Time: 9},
	} {
		_, err := r.Log.Append(&e)
		ts.Check(err)
	}
	ts.Check(r.Close())
}
