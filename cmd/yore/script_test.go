package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts of testdata/script run this test binary as `yore`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yore": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus,
		},
	})
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
