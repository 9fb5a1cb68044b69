package report

import (
	"fmt"
	"strings"
)

// Markdown is the report for a tracker.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", inline(r.Title))
	if r.Note != "" {
		for line := range strings.Lines(r.Note) {
			fmt.Fprintf(&b, "> %s\n", inline(strings.TrimSuffix(line, "\n")))
		}
		b.WriteString("\n")
	}
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, code(f.Value))
	}
	if len(r.Commands) > 0 {
		b.WriteString("\nTo open it where it happened, on any x86-64 Linux with yore and gdb:\n\n")
		b.WriteString(fence(r.Commands))
	}
	if c := r.Change; c != nil {
		fmt.Fprintf(&b, "\n## %s went from %s to %s\n\n", code(c.Expr), code(c.Before), code(c.After))
		lines := []string{c.Where, c.Source, "position " + c.Position + ", " + c.Guarantee}
		for _, f := range c.Frames {
			lines = append(lines, fmt.Sprintf("#%-2d %s", f.Level, f.Text))
		}
		b.WriteString(fence(lines))
	}
	for _, p := range r.Plots {
		fmt.Fprintf(&b, "\n## %s over time\n\n%s", code(p.Expr), fence(strings.Split(strings.TrimRight(p.Text, "\n"), "\n")))
	}
	for _, t := range r.Threads {
		fmt.Fprintf(&b, "\n## %s\n\n", inline(t.Name))
		var lines []string
		for _, f := range t.Frames {
			lines = append(lines, fmt.Sprintf("#%-2d %s", f.Level, f.Text))
		}
		b.WriteString(fence(lines))
		if len(t.Source) > 0 {
			b.WriteString("\n" + fence(t.numbered()))
		}
	}
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n%s", title, fence(lines))
		}
	}
	section("Last lines of its output", r.Output)
	section("Last events", r.Events)
	var marks []string
	for _, m := range r.Marks {
		marks = append(marks, fmt.Sprintf("%-16s %-28s %s", m.Name, m.Position, m.What))
	}
	section("Marks", marks)
	return b.String()
}

// numbered are a thread's source lines with their numbers.
func (t *Thread) numbered() []string {
	var out []string
	for i, l := range t.Source {
		sign := "  "
		if t.First+i == t.At {
			sign = "=>"
		}
		out = append(out, fmt.Sprintf("%s %5d  %s", sign, t.First+i, l))
	}
	return out
}

// fence is lines as a block of code, whatever they hold.
func fence(lines []string) string {
	text := strings.Join(lines, "\n")
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	return ticks + "text\n" + text + "\n" + ticks + "\n"
}

// code is text as code inside a line or a cell.
func code(s string) string {
	s = strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`).Replace(s)
	ticks := "`"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	if len(ticks) > 1 || s == "" {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

// inline is text that means nothing but itself.
func inline(s string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s, "\n", " ") {
		if strings.ContainsRune("\\`*_{}[]<>#|!&~@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
