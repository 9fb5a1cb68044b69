package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what yore prints into the README")

// The README's sessions are what yore prints: each console block that begins
// with gcc and yore run is carried out. -update writes the blocks anew.
func TestReadmeSessions(t *testing.T) {
	for _, tool := range []string{"gcc", "gdb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: %s is not installed", tool)
		}
	}
	root := moduleRoot(t)
	file := filepath.Join(root, "README.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```console\n(\\$ gcc .*?)^```$").FindAllSubmatchIndex(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("the README has %d sessions", len(blocks))
	}
	written := bytes.Clone(text)
	for i := len(blocks) - 1; i >= 0; i-- { // from the end, so that indexes hold
		was := string(text[blocks[i][2]:blocks[i][3]])
		is := readmeSession(t, root, was)
		if g, w := timeless(is), timeless(was); g != w {
			if !*update {
				t.Errorf("the README says\n%s\nyore prints\n%s", w, g)
			}
			written = append(append(bytes.Clone(written[:blocks[i][2]]), is...), written[blocks[i][3]:]...)
		}
	}
	if *update {
		if err := os.WriteFile(file, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readmeSession carries out a block's commands and returns the block as it ought
// to be.
func readmeSession(t *testing.T, root, block string) string {
	t.Helper()
	dir := t.TempDir()
	var out strings.Builder
	var run *exec.Cmd
	var name string
	for _, line := range strings.Split(block, "\n") {
		switch {
		case strings.HasPrefix(line, "$ gcc "):
			args := strings.Fields(line[2:])
			for i, a := range args {
				if a == "-o" {
					name = args[i+1]
					args[i+1] = filepath.Join(dir, name)
				}
			}
			build := exec.Command(args[0], args[1:]...)
			build.Dir = root
			if b, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, b)
			}
			out.WriteString(line + "\n")
		case strings.HasPrefix(line, "$ yore run ./"+name):
			args := strings.Fields(strings.TrimPrefix(line, "$ yore run ./"+name))
			run = yoreCommand(t, "run", "--batch", "-nx")
			run.Dir = root
			out.WriteString(line + "\n")
			args = append([]string{filepath.Join(dir, name)}, args...)
			for _, l := range strings.Split(block, "\n") {
				if c, ok := strings.CutPrefix(l, "(yore) "); ok {
					run.Args = append(run.Args, "-ex", `echo (yore) `+c+`\n`, "-ex", c)
				}
			}
			run.Args = append(run.Args, args...)
		}
	}
	if run == nil {
		t.Fatalf("no session in\n%s", block)
	}
	stuck := time.AfterFunc(2*time.Minute, func() { run.Process.Kill() })
	defer stuck.Stop()
	b, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return out.String() + string(b)
}

// timeless replaces what differs from run to run: addresses, times, positions.
func timeless(s string) string {
	for _, r := range []struct{ re, to string }{
		{`0x[0-9a-f]+`, "0x…"},
		{`\b\d+\+\d+@`, "E+N@"},
		{`\d+\.\d+ s\b`, "T s"},
		{`\(\d+\.\d%\)`, "(P%)"},
		{`event \d+ of \d+`, "event E of E"},
		{`clock: .*`, "clock: C"},
		{`\b\d+ evaluations`, "N evaluations"},
		{`(?m)^(position: +)\d+$`, "${1}E"},
	} {
		s = regexp.MustCompile(r.re).ReplaceAllString(s, r.to)
	}
	return s
}
