package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// console is the prompt and what was printed.
type console struct {
	edit  lineEdit
	lines []string // printed; the last may go on
	last  string   // what an empty line repeats
	block *debugger.Block
}

const maxConsole = 5000

func (c *console) init(history []string) {
	c.edit.history = history
	c.edit.at = len(history)
	c.lines = []string{""}
}

// print adds text.
func (c *console) print(text string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	parts := strings.Split(text, "\n")
	c.lines[len(c.lines)-1] += parts[0]
	c.lines = append(c.lines, parts[1:]...)
	if n := len(c.lines) - maxConsole; n > 0 {
		c.lines = append([]string(nil), c.lines[n:]...)
	}
}

// begin prints text at the beginning of a line.
func (c *console) begin(text string) {
	if c.lines[len(c.lines)-1] != "" {
		c.print("\n")
	}
	c.print(text)
}

func (c *console) prompt() string {
	if c.block != nil {
		return strings.Repeat(" ", c.block.Depth()-1) + ">"
	}
	return "(yore) "
}

// enter executes the line typed.
func (m *Model) enter() tea.Cmd {
	c := &m.console
	line := c.edit.String()
	c.begin(c.prompt() + line + "\n")
	m.scroll[paneConsole] = 0
	if c.block != nil {
		c.edit.remember(line)
		if !c.block.Add(line) {
			return nil
		}
		lines := c.block.Lines()
		c.block = nil
		return m.block(lines)
	}
	if strings.TrimSpace(line) == "" {
		line = c.last
	} else {
		c.last = debugger.Repeat(strings.TrimSpace(line))
	}
	c.edit.remember(line)
	if line == "" {
		return nil
	}
	if m.opts.Remember != nil {
		m.opts.Remember(line)
	}
	if c.block = debugger.NewBlock(line); c.block != nil {
		return nil
	}
	return m.command(line)
}

// run executes a command that a key stands for, and shows it in the console as
// if it had been typed.
func (m *Model) run(line string) tea.Cmd {
	if m.dbg == nil {
		m.note("the session is not open yet")
		return nil
	}
	m.console.begin("(yore) " + line + "\n")
	m.scroll[paneConsole] = 0
	return m.command(line)
}

// completedMsg brings completions of a line.
type completedMsg struct {
	line string
	list []string
}

// complete asks for completions of the line typed.
func (m *Model) complete() tea.Cmd {
	if m.dbg == nil {
		return nil
	}
	d, line := m.dbg, m.console.edit.String()
	return m.ask(&work{what: "completing", run: func(ctx context.Context) tea.Msg {
		return completedMsg{line, d.Complete(ctx, line)}
	}})
}

func (m *Model) completed(c completedMsg) {
	if m.console.edit.String() != c.line || len(c.list) == 0 {
		return
	}
	common := c.list[0]
	for _, s := range c.list[1:] {
		for !strings.HasPrefix(s, common) {
			common = common[:len(common)-1]
		}
	}
	if len(c.list) == 1 {
		common += " "
	}
	if len(common) > len(c.line) {
		m.console.edit.set(common)
		return
	}
	const most = 60
	list := c.list
	if len(list) > most {
		list = list[:most]
	}
	m.console.begin(strings.Join(list, "  ") + "\n")
	if len(c.list) > most {
		m.console.print(fmt.Sprintf("and %d more\n", len(c.list)-most))
	}
}

// question is a line at the bottom: something is asked for.
type question struct {
	text string
	edit lineEdit
	done func(answer string) tea.Cmd
	yes  chan bool // for y or n, instead of done
}

// askLine opens a question.
func (m *Model) askLine(text, preset string, done func(string) tea.Cmd) {
	q := &question{text: text, done: done}
	q.edit.set(preset)
	m.line = q
}

// confirm shows a question of the debugger.
func (m *Model) confirm(q questionMsg) {
	m.line = &question{text: q.text + " (y or n)", yes: q.answer}
}

// lineKey handles a key while a question is open.
func (m *Model) lineKey(k tea.KeyMsg) tea.Cmd {
	q := m.line
	if q.yes != nil {
		switch k.String() {
		case "y", "Y":
			q.yes <- true
		case "n", "N", "esc", "ctrl+c":
			q.yes <- false
		default:
			return nil
		}
		m.line = nil
		return nil
	}
	switch k.String() {
	case "enter":
		m.line = nil
		return q.done(strings.TrimSpace(q.edit.String()))
	case "esc", "ctrl+c":
		m.line = nil
	default:
		q.edit.key(k)
	}
	return nil
}

// search finds the next line of the focused pane with some text in it.
func (m *Model) search(text string) tea.Cmd {
	if text == "" {
		text = m.searched
	}
	if text == "" {
		return nil
	}
	m.searched = text
	p := m.focus
	if p != paneConsole && p != paneProgram {
		p = paneSource
	}
	lines, from := m.linesOf(p)
	fold := strings.ToLower(text) == text
	for i := 1; i <= len(lines); i++ {
		at := (from + i) % len(lines)
		if p != paneSource {
			at = ((from-i)%len(lines) + len(lines)) % len(lines)
		}
		line := lines[at]
		if fold {
			line = strings.ToLower(line)
		}
		if strings.Contains(line, text) {
			m.reveal(p, at, len(lines))
			if i == len(lines) {
				m.note("only here: " + text)
			}
			return nil
		}
	}
	m.fail("not found: " + text)
	return nil
}

// linesOf returns a pane's text and the line to search from.
func (m *Model) linesOf(p pane) ([]string, int) {
	switch p {
	case paneConsole:
		n := len(m.console.lines)
		return m.console.lines, n - 1 - m.scroll[p]
	case paneProgram:
		lines, _ := m.programLines()
		var out []string
		for _, l := range lines {
			out = append(out, l.text)
		}
		return out, len(out) - 1 - m.scroll[p]
	}
	var out []string
	for _, l := range m.source.lines() {
		var b strings.Builder
		for _, s := range l {
			b.WriteString(s.text)
		}
		out = append(out, b.String())
	}
	return out, m.source.cursor - 1
}

// reveal scrolls a pane to a line.
func (m *Model) reveal(p pane, line, n int) {
	if p == paneSource {
		m.focus = paneSource
		m.source.cursor = line + 1
		m.source.reveal(m.lay.of(paneSource).h - 1)
		return
	}
	m.scroll[p] = max(0, n-1-line)
}
