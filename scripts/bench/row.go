package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"
)

// A row of the table.
type row struct {
	name    string
	peer    string  // the best peer's figure, as text
	limits  []limit // what was asked, one for each figure that measure returns
	measure measurement
}

// measurement returns a row's figures, in the order of its limits.
type measurement func(ctx context.Context, b *bench) ([]float64, error)

// limit is an upper bound on a figure.
type limit struct {
	label string // "median", "worst of 200"; may be empty
	max   float64
	unit  unit
}

type unit int

const (
	times unit = iota // × native
	secs
	millis
	micros
)

func (u unit) format(v float64) string {
	switch u {
	case times:
		return fmt.Sprintf("%.2f ×", v)
	case secs:
		return fmt.Sprintf("%.3g s", v)
	case millis:
		return fmt.Sprintf("%.3g ms", v)
	}
	return fmt.Sprintf("%.3g µs", v)
}

// in converts a duration into the unit.
func (u unit) in(d time.Duration) float64 {
	switch u {
	case secs:
		return d.Seconds()
	case millis:
		return float64(d) / float64(time.Millisecond)
	}
	return float64(d) / float64(time.Microsecond)
}

func (r row) asked() string {
	return r.each(func(l limit, i int) string { return l.unit.format(l.max) })
}

func (r row) print(got []float64) string {
	return r.each(func(l limit, i int) string { return l.unit.format(got[i]) })
}

func (r row) each(f func(l limit, i int) string) string {
	var out []string
	for i, l := range r.limits {
		out = append(out, strings.TrimSpace(f(l, i)+" "+l.label))
	}
	return strings.Join(out, ", ")
}

func (r row) verdict(got []float64) string {
	for i, l := range r.limits {
		if got[i] > l.max {
			return "missed"
		}
	}
	return "ok"
}

func median(v []float64) float64 {
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func worst(v []float64) float64 {
	w := v[0]
	for _, x := range v {
		w = max(w, x)
	}
	return w
}
