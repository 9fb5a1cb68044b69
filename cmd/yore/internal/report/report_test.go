package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func sample() *Report {
	evil := "<script>alert(1)</script> | `x` ``` \" onload=\"y"
	return &Report{
		Title: "list: exited with status 1 " + evil, Note: "two\nlines " + evil,
		Facts:   []Fact{{"command", "./list 2024"}, {"directory", evil}},
		Threads: []Thread{{Name: "Thread 1 " + evil, Frames: []Frame{{0, "main at list.c:3 " + evil}}, Source: []string{"int main()", "{", evil}, First: 1, At: 3}},
		Change:  &Change{Expr: evil, Before: "1", After: "0", Where: "list.c:78", Source: evil, Position: "1+2@0x3", Guarantee: "the latest change", Frames: []Frame{{0, evil}}},
		Plots:   []Plot{{evil, "1 ┤──\n0 └──\n", "<svg><text>1</text></svg>"}},
		Output:  []string{evil, "bye"}, Events: []string{"1 syscall " + evil},
		Marks:    []Mark{{"boom", "1+2@0x3", evil, 0.9}, {evil, "1", "", -1}},
		Timeline: Timeline{Total: 1500 * time.Millisecond, Lanes: []Lane{{"main", []int{1, 0, 900}}, {evil, []int{0, 0, 0}}}, Images: []float64{0, 1}},
		Commands: []string{"yore info a.yore.zip", "yore replay a.yore.zip"},
	}
}

// Nothing that a report quotes is markup, and the page refers to nothing outside.
func TestHTML(t *testing.T) {
	r := sample()
	text, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "onload=\"y", "src=", "href=", "url(", "http://localhost", "@import"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"default-src 'none'", "&lt;script&gt;", "yore replay a.yore.zip", "1.500 s", "boom", "class=\"at\""} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	d := xml.NewDecoder(strings.NewReader(string(r.SVG())))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the drawing is not well-formed: %v", err)
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := sample().Markdown()
	inside := ""
	for i, line := range strings.Split(text, "\n") {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case inside == "" && len(ticks) >= 3:
			inside = ticks
		case inside != "" && line == inside:
			inside = ""
		case inside == "" && strings.Contains(line, "<script") && !strings.Contains(line, `\<script`) && !strings.Contains(line, "``"):
			t.Errorf("line %d: %s", i+1, line)
		}
	}
	if inside != "" {
		t.Error("a block has no end")
	}
	if !strings.Contains(text, "=>     3  ") || !strings.Contains(text, `\| `) {
		t.Errorf("%s", text)
	}
}
