package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yore/testprogs"
)

// Whatever goes wrong in the programs that say what does (watch_* and demo_list),
// bisect finds the marked line: one seed on a live program, another on a recording
// of it. make conformance tries more seeds.
func TestBisectFindsCulprit(t *testing.T) {
	needGDB(t)
	ps, err := testprogs.All()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range ps {
		if p.Watch == "" {
			continue
		}
		n++
		t.Run(p.Name, func(t *testing.T) {
			prog := testprogs.Build(t, p.Name)
			if p.Frame != "" {
				bisectFrame(t, p, prog)
				return
			}
			rec := filepath.Join(t.TempDir(), "rec")
			yore(t, "record", "-q", "-o", rec, "--", prog, "2")
			for _, target := range [][]string{{"--", prog, "1"}, {rec}} {
				c, status := bisect(t, append([]string{"--expr", p.Watch}, target...)...)
				if !p.HasMark("culprit") {
					if status != 1 || c.Found || c.Reason == "" {
						t.Errorf("%v: status %d, %+v", target, status, c)
					}
					continue
				}
				if want := testprogs.Line(t, p.Name, "culprit"); status != 0 || !c.Found || c.Location.Line != want || filepath.Base(c.Location.File) != filepath.Base(p.Path) {
					t.Errorf("%v: status %d, want line %d: %+v", target, status, want, c)
				}
				if c.Guarantee != "latest" && c.Reason == "" {
					t.Errorf("%v: %q without a reason", target, c.Guarantee)
				}
			}
		})
	}
	if n < 17 {
		t.Errorf("only %d programs", n)
	}
}

// bisectFrame asks at the prompt, from the frame of the variable.
func bisectFrame(t *testing.T, p *testprogs.Program, prog string) {
	out, _ := yore(t, "run", "--batch", "-nx", "-ex", "continue", "-ex", "frame function "+p.Frame, "-ex", "last "+p.Watch, "--", prog, "1")
	where := fmt.Sprintf("%s:%d", filepath.Base(p.Path), testprogs.Line(t, p.Name, "culprit"))
	if !strings.Contains(out, where) || !strings.Contains(out, "This is the latest change.") {
		t.Errorf("no %s in\n%s", where, out)
	}
}

// The guarantee is given where the memory that is read can be followed.
func TestBisectGuarantee(t *testing.T) {
	needGDB(t)
	for _, name := range []string{"watch_overflow", "watch_read", "watch_back", "watch_often", "watch_inline", "watch_stl", "watch_race"} {
		p, err := testprogs.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := bisect(t, "--expr", p.Watch, "--", testprogs.Build(t, name), "3"); c.Guarantee != "latest" || c.Evaluations > 20 || c.Instruction == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// Good and bad bound the search; --fail-if-found swaps the statuses.
func TestBisectBounds(t *testing.T) {
	needGDB(t)
	prog := testprogs.Build(t, "watch_often")
	rec := filepath.Join(t.TempDir(), "rec")
	yore(t, "record", "-q", "-o", rec, "--", prog, "1")
	last, _ := bisect(t, "--expr", "level", rec)
	if last.After != "-5" || last.Before != "9999" {
		t.Errorf("the last change: %+v", last)
	}
	before, status := bisect(t, "--expr", "level", "--bad", last.Position, rec)
	if status != 0 || before.After != "9999" || before.Before != "9998" || before.Guarantee != "latest" {
		t.Errorf("before it: status %d, %+v", status, before)
	}
	if c, status := bisect(t, "--expr", "level", "--good", before.Position, "--bad", last.Position, rec); status != 0 || c.Position != before.Position {
		t.Errorf("between the two: status %d, %+v", status, c)
	}
	if c, status := bisect(t, "--expr", "level > 20000", "--good", before.Position, rec); status != 1 || c.Found {
		t.Errorf("what never changes: status %d, %+v", status, c)
	}
	if c, status := bisect(t, "--expr", "level > 20000", "--fail-if-found", rec); status != 0 || c.Found {
		t.Errorf("--fail-if-found, nothing: status %d, %+v", status, c)
	}
	if c, status := bisect(t, "--expr", "level", "--fail-if-found", rec); status != 1 || !c.Found {
		t.Errorf("--fail-if-found, found: status %d, %+v", status, c)
	}
	for _, args := range [][]string{
		{"--expr", "level", "--good", last.Position, "--bad", before.Position, rec}, // the wrong order
		{"--expr", "nosuch", rec},
		{"--expr", "level +", rec},
		{"--expr", "*(int *)0", rec},
		{"--expr", "level", "--good", "nowhere", rec},
	} {
		if c, status := bisect(t, args...); status != 125 || c.Found || c.Reason == "" {
			t.Errorf("%v: status %d, %+v", args, status, c)
		}
	}
}

// changes, log and plot leave the program where it is.
func TestSeries(t *testing.T) {
	needGDB(t)
	prog := testprogs.Build(t, "watch_often")
	svg := filepath.Join(t.TempDir(), "level.svg")
	out, status := yore(t, "run", "--batch", "-nx", "-ex", "continue", "-ex", "changes level 3", "-ex", "log settle level (level > 5)",
		"-ex", "plot level --svg "+svg, "-ex", "print level", "--", prog, "1")
	if status != 0 {
		t.Fatalf("status %d: %s", status, out)
	}
	for _, want := range []string{
		`(?m)^  \d+\+1@0x\w+ +1 +settle at watch_often\.c:13 +9999 → -5$`,
		`(?m) main at watch_often\.c:22 +9998 → 9999$`,
		`(?m) main at watch_often\.c:22 +9997 → 9998$`,
		`(?m)^\d+\+1@0x\w+ +level = 9999  \(level > 5\) = 1$`,
		`(?m)^1 hits\.$`,
		`(?m)^level at \d+ points of `,
		`(?m)^\$\d+ = -5$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "9996 → 9997") {
		t.Errorf("more changes than asked for:\n%s", out)
	}
	if b, err := os.ReadFile(svg); err != nil || !bytes.HasPrefix(b, []byte("<svg ")) {
		t.Errorf("%v: %.100s", err, b)
	}
	// A program that could run on does not.
	out, status = yore(t, "run", "--batch", "-nx", "-ex", "log settle level", "--", prog, "1")
	if status != 1 || strings.Contains(out, "hits.") {
		t.Errorf("log at main: status %d: %s", status, out)
	}
}

func needGDB(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("skipped: gdb is not installed")
	}
}

// bisect runs `yore bisect --json`.
func bisect(t *testing.T, args ...string) (c jsonChange, status int) {
	t.Helper()
	out, status := yore(t, append([]string{"bisect", "--json", "-nx"}, args...)...)
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("%v: status %d: %v: %s", args, status, err, out)
	}
	if c.Schema != 1 {
		t.Errorf("%v: schema %d", args, c.Schema)
	}
	return c, status
}

// yore runs yore and returns what it printed and its status.
func yore(t *testing.T, args ...string) (stdout string, status int) {
	t.Helper()
	cmd := yoreCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if errs.Len() > 0 {
		t.Logf("%v: %s", args, &errs)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
