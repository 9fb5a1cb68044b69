package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yore/testprogs"
)

// The README's full screen is what the keys that it tells of bring up, but for what
// differs from run to run: times, and where along the timeline things are.
func TestReadmeScreen(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```text\n( yore  \\./list 2024 .*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatal("the README has no full screen")
	}
	p := newPane(t, 100, 30)
	prog, err := testprogs.Find("demo_list")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.Command("gcc", "-g", "-o", filepath.Join(dir, "list"), prog.Path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.line("cd " + dir + "; clear; yore tui -nx ./list 2024")
	p.await("demo_list.c  main", "live", "? help")
	p.keys("c")
	p.await("end: exited with status 1", "limit 10: CORRU")
	p.keys("w")
	p.line("list_len(head)")
	p.await("list_len(head) = 11")
	p.keys("W")
	p.await("draw along the timeline (empty: nothing): list_len(head)")
	p.keys("Enter")
	p.await("\nlist_len… ")
	p.keys("R")
	p.await("go back to the statement that changed: list_len(head)")
	p.keys("Enter")
	screen := p.await("MARK culprit", "*list_len(head) = 10", "This is the latest change.", "? help")
	if d := cmp.Diff(still(string(block[1])), still(screen)); d != "" {
		t.Errorf("the README's full screen (-), and what comes up (+):\n%s\nwhole:\n%s", d, screen)
	}
	p.keys("q")
}

// still is a full screen without what differs from run to run.
func still(screen string) []string {
	var out []string
	var console strings.Builder // its text, however it is broken into lines
	below := false
	for line := range strings.Lines(strings.TrimSpace(screen)) {
		line = strings.TrimRight(line, " \n")
		left, right, split := strings.Cut(line, "│")
		below = below || strings.HasPrefix(line, "program's terminal")
		switch label, _, _ := strings.Cut(line, "  "); {
		case below && split:
			console.WriteString(strings.Join(strings.Fields(right), ""))
			line = strings.TrimRight(left, " ")
		case label == "timeline", label == "marks", label == "output", strings.HasPrefix(line, "list_len… "):
			line = strings.Fields(line)[0]
		}
		line = regexp.MustCompile(`event \d+/\d+ +\d+\.\d+ s \d+\.\d%`).ReplaceAllString(line, "event E/E T P")
		out = append(out, regexp.MustCompile(` {2,}`).ReplaceAllString(steady(line), "  "))
	}
	return append(out, "console: "+steady(console.String()))
}

// steady is text without times, counts and addresses.
func steady(s string) string {
	s = regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(s, "0x…")
	return regexp.MustCompile(`\d+evaluations,\d+\.\d+s`).ReplaceAllString(s, "Nevaluations,Ts")
}
