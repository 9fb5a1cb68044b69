package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yore/testprogs"
)

// failures is what is said where samples fail by the hand of Go's runtime.
var failures = map[string]string{
	"go/deadlock": "fatal error: all goroutines are asleep - deadlock!",
	"go/closed":   "send on closed channel",
	"go/nilmap":   "assignment to entry in nil map",
}

// Whatever goes wrong in the Go programs that say how to get there (`back:`), their
// commands lead from the failure to the marked line: those that Go's runtime ends and
// every other one live, the rest in a recording. make conformance tries more seeds.
func TestGoSamples(t *testing.T) {
	ps, err := testprogs.All()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range ps {
		if len(p.Back) == 0 {
			continue
		}
		n++
		t.Run(filepath.Base(p.Name), func(t *testing.T) {
			prog := testprogs.Build(t, p.Name, "-gcflags=all=-N -l")
			said := failures[p.Name]
			args := []string{"run", "--batch", "-ex", "continue"}
			target := []string{"--", prog, "1"}
			if said == "" && n%2 == 0 {
				rec := filepath.Join(t.TempDir(), "rec")
				if _, status := yore(t, "record", "-q", "-o", rec, "--", prog, "2"); status != p.Exit {
					t.Fatalf("recorded, it ends with %d", status)
				}
				args, target = []string{"replay", "--batch"}, []string{rec}
			}
			for _, line := range p.Back {
				args = append(args, "-ex", line)
			}
			out, status := yore(t, append(args, target...)...)
			base := filepath.Base(p.Path)
			places := regexp.MustCompile(regexp.QuoteMeta(base)+`:\d+`).FindAllString(out, -1)
			want := fmt.Sprintf("%s:%d", base, testprogs.Line(t, p.Name, "culprit"))
			if status != 0 || len(places) == 0 || places[len(places)-1] != want {
				t.Errorf("%s: status %d, not led to %s:\n%s", args[0], status, want, out)
			}
			if !strings.Contains(out, said) {
				t.Errorf("it is not said that it failed by %q:\n%s", said, out)
			}
		})
	}
	if n < 9 {
		t.Errorf("only %d programs", n)
	}
}

// Where all goroutines wait none can be stepped back, but each that is selected can:
// to the lock that it waits for.
func TestDeadlockGoesBack(t *testing.T) {
	prog := testprogs.Build(t, "go/deadlock", "-gcflags=all=-N -l")
	rec := filepath.Join(t.TempDir(), "rec")
	yore(t, "record", "-q", "-o", rec, "--", prog, "3")
	out, status := yore(t, "replay", "--batch", "-ex", "reverse-continue", "-ex", "goroutines", "-ex", "reverse-next", rec)
	if status != 1 {
		t.Errorf("reverse-next where nothing runs: status %d\n%s", status, out)
	}
	waiting := regexp.MustCompile(`Goroutine (\d+) - User: .*\[sync.Mutex.Lock\]`).FindAllStringSubmatch(out, -1)
	if len(waiting) != 2 {
		t.Fatalf("%d goroutines wait for locks:\n%s", len(waiting), out)
	}
	var all string
	for _, m := range waiting {
		args := []string{"replay", "--batch", "-ex", "reverse-continue", "-ex", "goroutine " + m[1], "-ex", "reverse-next"}
		for range 5 { // out of the library's functions
			args = append(args, "-ex", "reverse-finish")
		}
		out, _ := yore(t, append(args, rec)...)
		if !strings.Contains(out, "(goroutine "+m[1]+")") {
			t.Errorf("goroutine %s was not followed:\n%s", m[1], out)
		}
		all += out
	}
	for _, mark := range []string{"left", "right"} {
		if where := fmt.Sprintf("deadlock.go:%d (", testprogs.Line(t, "go/deadlock", mark)); !strings.Contains(all, where) {
			t.Errorf("not at %s:\n%s", where, all)
		}
	}
}
