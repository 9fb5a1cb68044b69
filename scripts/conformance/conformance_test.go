package main

import "testing"

func TestRow(t *testing.T) {
	r := result{program: program{name: "x"}, missing: "node is not installed"}
	if got, want := r.row(), "| x | | | | | | | | not run: node is not installed |"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r = result{program: program{name: "x"}, native: 2, recorded: 3, replayed: 1}
	r.info.Meta.Counts = map[string]int64{"preemptions": 5, "preemptions by count": 3}
	if got, want := r.row(), "| x | 0 | 0 | 3 / 2 | 1.50 | 0.50 | 0 | 0 | verified |"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Names are unique and each program is one thing.
func TestList(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list {
		if seen[p.name] || (p.sample == "") == (len(p.run) == 0) {
			t.Errorf("program %q is there twice, or is not one of run and sample", p.name)
		}
		seen[p.name] = true
	}
}
