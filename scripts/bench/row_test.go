package main

import (
	"regexp"
	"testing"
	"time"
)

func TestMedianAndWorst(t *testing.T) {
	for _, c := range []struct {
		v         []float64
		mid, most float64
	}{
		{[]float64{3}, 3, 3},
		{[]float64{4, 1}, 2.5, 4},
		{[]float64{9, 1, 2}, 2, 9},
	} {
		if m, w := median(c.v), worst(c.v); m != c.mid || w != c.most {
			t.Errorf("%v: got %v, %v; want %v, %v", c.v, m, w, c.mid, c.most)
		}
	}
}

func TestRowPrints(t *testing.T) {
	r := row{limits: []limit{{"median", 20, millis}, {"worst of 200", 0.5, secs}, {"", 1.1, times}}}
	if got, want := r.asked(), "20 ms median, 0.5 s worst of 200, 1.10 ×"; got != want {
		t.Errorf("asked: %q, want %q", got, want)
	}
	if got, want := r.print([]float64{7.25, 0.4, 1.234}), "7.25 ms median, 0.4 s worst of 200, 1.23 ×"; got != want {
		t.Errorf("printed: %q, want %q", got, want)
	}
	if v := r.verdict([]float64{20, 0.5, 1.1}); v != "ok" {
		t.Errorf("at the limits: %s", v)
	}
	if v := r.verdict([]float64{20, 0.51, 1.1}); v != "missed" {
		t.Errorf("above one limit: %s", v)
	}
	if got := micros.in(3 * time.Millisecond); got != 3000 {
		t.Errorf("3 ms are %v µs", got)
	}
}

// The table is data; what can be wrong with data is checked here.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows {
		if r.name == "" || r.peer == "" || len(r.limits) == 0 || r.measure == nil {
			t.Errorf("row %q is incomplete", r.name)
		}
		if seen[r.name] || regexp.MustCompile(`[|\n]`).MatchString(r.name+r.peer) {
			t.Errorf("row %q is there twice or breaks the table", r.name)
		}
		seen[r.name] = true
	}
}
