package main

// Bundles on a machine that has nothing but yore and gdb, as another user: each
// must verify, show source, go back, and bisect to the same answer as its recording.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"yore/testprogs"
	"yore/testprogs/elsewhere"
)

// A journey is a program whose bundle goes elsewhere.
type journey struct {
	name   string
	needs  []string
	sample string            // built from a copy of its source
	files  map[string]string // or these are written
	record []string          // what to record, in the directory of the files; the sample is ./SAMPLE
	expr   string            // to bisect
	// commands are for the prompt, and shows must be in what it prints.
	commands []string
	shows    []string
}

var journeys = []journey{
	{name: "elsewhere: C", needs: []string{"gcc"}, sample: "demo_list", record: []string{"./demo_list", "2024"}, expr: "list_len(head) <= 10",
		commands: []string{"break list_link", "reverse-continue", "list", "next", "reverse-step", "backtrace"},
		shows:    []string{"struct node **pp = &head;", "in main"}},
	{name: "elsewhere: C++ that crashes, with threads", needs: []string{"g++"}, sample: "cxx_crash", record: []string{"./cxx_crash", "7"}, expr: "whole()",
		commands: []string{"info threads", "list", "backtrace", "reverse-next", "break retire", "reverse-continue", "print at"},
		shows:    []string{"killed by signal 11", "sum += n->size();", "lengths", "retire (at=64)", "$1 = 64"}},
	{name: "elsewhere: a Go test", needs: []string{"go"}, files: goTest, record: []string{"test", "."}, expr: "sums.sum",
		commands: []string{"break sums.add", "reverse-continue", "print n", "reverse-next", "goroutines"},
		shows:    []string{"sum += n", "sums.add", "3", "Goroutine"}},
	{name: "elsewhere: python3", needs: []string{"python3"}, files: map[string]string{"flag.py": pythonFlag},
		record: []string{pythonPath, "flag.py"}, expr: "*(int*)&Py_InspectFlag",
		commands: []string{"break PyLong_FromLong", "reverse-continue", "reverse-stepi", "backtrace 3", "output", "x/3i $pc"},
		shows:    []string{"PyLong_FromLong", "the flag is 5", "=> 0x"}},
}

var goTest = map[string]string{
	"go.mod": "module example.com/sums\n\ngo 1.26\n",
	"sum.go": "package sums\n\nvar sum int\n\nfunc add(n int) {\n\tsum += n\n}\n",
	"sum_test.go": "package sums\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tfor i := range 4 {\n\t\tadd(i)\n\t}\n" +
		"\tif sum != 5 {\n\t\tt.Fatal(\"sum\", sum)\n\t}\n}\n",
}

// pythonFlag changes a variable of the interpreter's own, which gdb can name
// without debug information.
const pythonFlag = `import ctypes, json
flag = ctypes.c_int.in_dll(ctypes.pythonapi, "Py_InspectFlag")
for i in range(2000):
    json.dumps({"i": i})
    if i == 1200: flag.value = 5
print("the flag is", flag.value, flush=True)
import os; os._exit(3)
`

// travel records the program, packs it, and opens the bundle elsewhere.
func (j *journey) travel(ctx context.Context, yore string) error {
	dir, err := os.MkdirTemp("", "yore-journey-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := j.make(ctx, dir); err != nil {
		return err
	}
	rec, bundle := filepath.Join(dir, "rec"), filepath.Join(dir, "a.yore.zip")
	here := func(args ...string) (outcome, error) {
		return execute(ctx, filepath.Join(dir, "src"), []string{"YORE_DIR=" + filepath.Join(dir, "store")}, "", append([]string{yore}, args...)...)
	}
	if out, err := here(append([]string{"record", "-q", "-o", rec}, j.record...)...); err != nil || out.status == 125 {
		return fmt.Errorf("record: %w: %s", err, out.errors)
	}
	if out, err := here("pack", "-o", bundle, rec); err != nil || out.status != 0 {
		return fmt.Errorf("pack: %w: %s", err, out.errors)
	}
	bisect := []string{"bisect", "-nx", "--json", "--expr", j.expr}
	want, err := here(append(bisect, rec)...)
	if err != nil {
		return err
	}
	if want.status != 0 {
		return fmt.Errorf("bisect of the recording: status %d: %s%s", want.status, clip(want.output), want.errors)
	}
	// Every original goes, in case the machine should not be as empty as it ought to.
	if err := os.RemoveAll(filepath.Join(dir, "src")); err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "yore-machine-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o755); err != nil {
		return err
	}
	m, err := elsewhere.New(root, yore)
	if err != nil {
		return err
	}
	if err := m.Put(bundle, "home/a.yore.zip"); err != nil {
		return err
	}
	there := func(args ...string) (string, string, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		cmd := m.Command(ctx, true, append([]string{"/bin/yore"}, args...)...)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if err != nil {
			err = fmt.Errorf("elsewhere, %s: %w: %s%s", args[0], err, clip(out.String()), clip(errs.String()))
		}
		return out.String(), errs.String(), err
	}
	if out, _, err := there("info", "/home/a.yore.zip"); err != nil || !strings.Contains(out, "bundle") {
		return fmt.Errorf("info: %w: %s", err, clip(out))
	}
	if out, _, err := there("verify", "/home/a.yore.zip"); err != nil || !strings.HasPrefix(out, "verified: ") {
		return fmt.Errorf("verify: %w: %s", err, clip(out))
	}
	got, _, err := there(append(bisect, "/home/a.yore.zip")...)
	if err != nil {
		return err
	}
	if err := sameAnswer(want.output, got); err != nil {
		return err
	}
	args := []string{"replay", "--batch", "-nx"}
	for _, c := range j.commands {
		args = append(args, "-ex", c)
	}
	text, errs, err := there(append(args, "/home/a.yore.zip")...)
	if err != nil {
		return err
	}
	for _, s := range j.shows {
		if !strings.Contains(text, s) {
			return fmt.Errorf("%q is not in %s%s", s, text, errs)
		}
	}
	left, err := m.Left("home")
	if err != nil {
		return err
	}
	for _, p := range left {
		if strings.Contains(p, ".bundle-") {
			return fmt.Errorf("left behind: %s", p)
		}
	}
	return nil
}

// make writes or builds the program in dir/src.
func (j *journey) make(ctx context.Context, dir string) error {
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		return err
	}
	for name, text := range j.files {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if j.sample == "" {
		return nil
	}
	p, err := testprogs.Find(j.sample)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(p.Path)
	if err != nil {
		return err
	}
	name := filepath.Base(p.Path)
	if err := os.WriteFile(filepath.Join(src, name), text, 0o644); err != nil {
		return err
	}
	out, err := execute(ctx, src, nil, "", j.needs[0], "-g", "-pthread", "-o", j.sample, name)
	if err == nil && out.status != 0 {
		err = errors.New(out.errors)
	}
	return err
}

// sameAnswer holds two answers of bisect against each other, but for what differs
// from run to run.
func sameAnswer(here, there string) error {
	var x, y map[string]any
	if err := json.Unmarshal([]byte(here), &x); err != nil {
		return fmt.Errorf("bisect: %w: %s", err, clip(here))
	}
	if err := json.Unmarshal([]byte(there), &y); err != nil {
		return fmt.Errorf("bisect elsewhere: %w: %s", err, clip(there))
	}
	for _, k := range []string{"seconds", "evaluations"} {
		delete(x, k)
		delete(y, k)
	}
	if d := cmp.Diff(x, y); d != "" {
		return fmt.Errorf("bisect here and elsewhere: %s", d)
	}
	return nil
}

// travelAll has all bundles that match go elsewhere, prints a row each, and returns
// how many failed.
func travelAll(ctx context.Context, yore string, match func(string) bool) (failed int) {
	for _, j := range journeys {
		if !match(j.name) || ctx.Err() != nil {
			continue
		}
		last := ""
		for _, n := range append([]string{"gdb"}, j.needs...) {
			if _, err := exec.LookPath(n); err != nil {
				last = "not run: " + n + " is not installed"
			}
		}
		if last == "" {
			began := time.Now()
			err := j.travel(ctx, yore)
			var missing *elsewhere.MissingError
			switch last = fmt.Sprintf("the same answers, in %.1f s", time.Since(began).Seconds()); {
			case errors.As(err, &missing):
				last = "not run: " + missing.What
			case err != nil:
				last = "FAILED: " + strings.Join(strings.Fields(err.Error()), " ")
				failed++
			}
		}
		fmt.Printf("| %s | | | | | | | | %s |\n", j.name, last)
	}
	return failed
}
