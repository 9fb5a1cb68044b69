package debugger

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitExpressions(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"a":                        {"a"},
		"a b":                      {"a", "b"},
		"a, b->c ,d[i + 1]":        {"a", "b->c", "d[i + 1]"},
		`(a > 5) f(x, y) "p q, r"`: {"(a > 5)", "f(x, y)", `"p q, r"`},
		`'"' '\'' b`:               {`'"'`, `'\''`, "b"},
	} {
		if got := splitExpressions(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]float64{"5": 5, "-7": -7, "1.5e3": 1500, "true": 1, "false": 0, "65 'A'": 65, "0x10": 16, "(int *) 0": -1e9, "{a = 1}": -1e9, "": -1e9, "inf": -1e9} {
		got, ok := parseNumber(text)
		if !ok {
			got = -1e9
		}
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A step is drawn where it happened, with the least and the greatest value beside.
func TestDrawPlot(t *testing.T) {
	dots := []dot{{0, 0, false}, {25, 3, true}, {50, 10, true}, {75, 10, true}}
	lines := strings.Split(drawPlot(45, dots, 100*time.Nanosecond), "\n")
	if len(lines) != plotRows+3 || !strings.HasPrefix(lines[0], "10 ┤") || !strings.HasPrefix(lines[plotRows-1], " 3 ┤") {
		t.Fatalf("%q", lines)
	}
	top, bottom := []rune(lines[0]), []rune(lines[plotRows-1])
	if strings.Count(lines[0], "─") != 20 || strings.Count(lines[plotRows-1], "─") != 10 || top[len(top)-21] != ' ' || bottom[4+10] != '─' || bottom[4+9] != ' ' {
		t.Errorf("%q\n%q", lines[0], lines[plotRows-1])
	}
	svg := svgPlot("a < b", dots, 100)
	if !strings.Contains(svg, "a &lt; b") || !strings.Contains(svg, "M230.0 240.0 H400.0 V60.0") {
		t.Error(svg)
	}
	// One value only.
	if text := drawPlot(45, []dot{{0, 4, true}}, 0); !strings.Contains(text, "4 ┤") {
		t.Error(text)
	}
}
