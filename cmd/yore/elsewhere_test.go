package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yore/testprogs"
	"yore/testprogs/elsewhere"
)

// A bundle opens where nothing of what it was made of is, as another user, and
// gives the answers that the recording gives.
func TestElsewhere(t *testing.T) {
	m, yore := elsewhereMachine(t)
	for _, c := range []struct {
		sample, expr string
		args         []string
		flags        []string
		commands     []string
		shows        []string
	}{
		{sample: "demo_list", args: []string{"2024"}, expr: "list_len(head) <= 10",
			commands: []string{"break list_link", "reverse-continue", "info sharedlibrary", "next", "reverse-step", "info source", "backtrace"},
			shows:    []string{"struct node **pp = &head;", "/root/lib", "/source/", "in main"}},
	} {
		t.Run(c.sample, func(t *testing.T) {
			dir := t.TempDir()
			prog := buildAt(t, c.sample, dir)
			rec := filepath.Join(dir, "rec")
			yore(t, append([]string{"record", "-q", "-o", rec, "--", prog}, c.args...)...)
			file := filepath.Join(dir, "a.yore.zip")
			yore(t, "pack", "-o", file, "--note", "it breaks", rec)
			if err := m.Put(file, "home/a.yore.zip"); err != nil {
				t.Fatal(err)
			}
			bisect := []string{"bisect", "-nx", "--json", "--expr", c.expr}
			want := answer(t, yore(t, append(bisect, rec)...))
			// Every original goes, in case the machine should not be as empty as it ought to.
			if err := os.Rename(prog, prog+".gone"); err != nil {
				t.Fatal(err)
			}
			there := func(args ...string) string {
				t.Helper()
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
				defer cancel()
				return output(t, m.Command(ctx, true, append([]string{"/bin/yore"}, args...)...))
			}
			if d := cmp.Diff(want, answer(t, there(append(bisect, "/home/a.yore.zip")...))); d != "" {
				t.Errorf("bisect: %s", d)
			}
			if v := there("verify", "/home/a.yore.zip"); !strings.HasPrefix(v, "verified: ") {
				t.Errorf("verify: %s", v)
			}
			args := []string{"replay", "--batch", "-nx"}
			for _, x := range c.commands {
				args = append(args, "-ex", x)
			}
			text := there(append(args, "/home/a.yore.zip")...)
			for _, s := range c.shows {
				if !strings.Contains(text, s) {
					t.Errorf("%q is not in\n%s", s, text)
				}
			}
			left, err := m.Left("home")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range left {
				if strings.Contains(p, ".bundle-") {
					t.Errorf("left behind: %s", p)
				}
			}
		})
	}
}

// elsewhereMachine returns a machine without anything, and a way to run yore here
// that returns its output.
func elsewhereMachine(t *testing.T) (*elsewhere.Machine, func(t *testing.T, args ...string) string) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
	bin := filepath.Join(t.TempDir(), "yore")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m, err := elsewhere.New(t.TempDir(), bin)
	var missing *elsewhere.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing.What)
	}
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	return m, func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "YORE_DIR="+store)
		return output(t, cmd)
	}
}

// output runs a command and returns what it printed on standard output. A status
// that says something about the program is none of our business.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || strings.Contains(errs.String(), "yore: ")) {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, out.String(), errs.String())
	}
	if errs.Len() > 0 {
		t.Logf("%q: %s", cmd.Args[len(cmd.Args)-1], errs.String())
	}
	return out.String()
}

// answer is what bisect said, without what differs from run to run.
func answer(t *testing.T, text string) map[string]any {
	t.Helper()
	var a map[string]any
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	delete(a, "seconds")
	delete(a, "evaluations")
	return a
}

// buildAt builds a sample from a copy of its source in dir.
func buildAt(t *testing.T, name, dir string) string {
	t.Helper()
	p, err := testprogs.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, filepath.Base(p.Path))
	if err := os.WriteFile(source, text, 0o644); err != nil {
		t.Fatal(err)
	}
	prog := filepath.Join(dir, name)
	cc := "gcc"
	if p.Lang == "cc" {
		cc = "g++"
	}
	out, err := exec.Command(cc, append([]string{"-g", "-o", prog, source, "-pthread"}, p.Flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return prog
}
