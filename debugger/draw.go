package debugger

import (
	"fmt"
	"sort"
	"strings"
)

// pin is a mark on the drawn timeline.
type pin struct {
	at    float64 // part of history, 0 to 1
	sign  byte
	label string // "" for none
}

// Signs of pins, from the one that is drawn over all others down.
const (
	signPresent    = 'V'
	signBookmark   = 'B'
	signCheckpoint = 'C'
	signAuto       = '+'
)

// rank orders signs that fall on one column.
func rank(sign byte) int { return strings.IndexByte("+CBV", sign) }

// drawTimeline draws history as a line of the width given, its pins on it, and
// the labels below, each beginning under its pin as far as there is room:
//
//	|--C-----B--V====|
//	   1     crash
//
// The part behind the present is drawn by =.
func drawTimeline(width int, pins []pin) string {
	width = max(width, 20)
	inner := width - 2
	column := func(at float64) int { return min(inner-1, max(0, int(at*float64(inner-1)+0.5))) }

	line := []byte(strings.Repeat("-", inner))
	sort.SliceStable(pins, func(i, j int) bool { return rank(pins[i].sign) < rank(pins[j].sign) })
	for _, p := range pins {
		if p.sign == signPresent {
			for i := column(p.at) + 1; i < inner; i++ {
				line[i] = '='
			}
		}
	}
	for _, p := range pins {
		line[column(p.at)] = p.sign
	}
	var b strings.Builder
	fmt.Fprintf(&b, "|%s|\n", line)

	sort.SliceStable(pins, func(i, j int) bool { return pins[i].at < pins[j].at })
	var rows [][]byte
next:
	for _, p := range pins {
		if p.label == "" {
			continue
		}
		label := p.label
		if len(label) > inner {
			label = label[:inner]
		}
		from := min(1+column(p.at), width-len(label))
		for i, row := range rows {
			if len(row) < from {
				rows[i] = append(append(row, strings.Repeat(" ", from-len(row))...), label...)
				continue next
			}
		}
		rows = append(rows, append([]byte(strings.Repeat(" ", from)), label...))
	}
	for _, row := range rows {
		fmt.Fprintf(&b, "%s\n", row)
	}
	return b.String()
}
