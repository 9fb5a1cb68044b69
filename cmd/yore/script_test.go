package main

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"yore/engine/trace"
	"yore/testprogs"
)

// The scripts of testdata/script run this test binary as `yore`, `dlv` or `rr`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yore": main, "dlv": main, "rr": main})
}

func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = "testdata/script"
	testscript.Run(t, p)
}

func scriptParams() testscript.Params {
	return testscript.Params{
		Deadline:            time.Now().Add(4 * time.Minute),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// Scripts that build Go programs share the person's build cache.
			if dir, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil {
				env.Setenv("GOCACHE", strings.TrimSpace(string(dir)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":           scriptStatus,
			"sample-recording": scriptRecording,
			"program":          scriptProgram,
			"elf":              scriptELF,
			"await-file":       scriptAwait,
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

// scriptProgram is `program NAME [FLAGS...]`: builds a sample program, copies it
// into the script's directory, and sets $NAME to its path and, for each mark of
// its source, $NAME_MARK to that line's number. A script that uses it begins with
// [!exec:gcc] skip 'gcc is not installed'.
func scriptProgram(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: program NAME [FLAGS...]")
	}
	p, err := testprogs.Find(args[0])
	ts.Check(err)
	built, err := p.Make(args[1:]...)
	ts.Check(err)
	b, err := os.ReadFile(built)
	ts.Check(err)
	name := filepath.Base(args[0])
	path := ts.MkAbs(name)
	ts.Check(os.WriteFile(path, b, 0o755))
	ts.Setenv(name, path)
	source, err := os.ReadFile(p.Path)
	ts.Check(err)
	for _, m := range regexp.MustCompile(`\bMARK (\w+)`).FindAllSubmatch(source, -1) {
		line, err := p.Line(string(m[1]))
		ts.Check(err)
		ts.Setenv(name+"_"+string(m[1]), strconv.Itoa(line))
	}
}

// scriptELF is `elf FILE i386|aarch64`: writes the header of a program for
// another machine.
func scriptELF(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: elf FILE MACHINE")
	}
	var b []byte
	switch args[1] {
	case "i386":
		b = elfFile(elf.ELFCLASS32, elf.ELFDATA2LSB, elf.ET_EXEC, elf.EM_386, "")
	case "aarch64":
		b = elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, elf.ET_EXEC, elf.EM_AARCH64, "")
	default:
		ts.Fatalf("no machine %s", args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o755))
}

// scriptAwait is `await-file FILE`: waits until the file exists.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-file FILE")
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not come within a minute", args[0])
}
