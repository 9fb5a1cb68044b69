package tui

import (
	tea "github.com/charmbracelet/bubbletea"
)

// lineEdit is a line being typed. It is pure.
type lineEdit struct {
	text []rune
	pos  int

	history []string
	at      int    // in history; len(history) is the line being typed
	typed   string // the line being typed, while another is shown
}

func (e *lineEdit) String() string { return string(e.text) }

func (e *lineEdit) set(s string) {
	e.text = []rune(s)
	e.pos = len(e.text)
}

// remember adds a line to the history and begins a new one.
func (e *lineEdit) remember(s string) {
	if s != "" && (len(e.history) == 0 || e.history[len(e.history)-1] != s) {
		e.history = append(e.history, s)
	}
	e.at = len(e.history)
	e.set("")
}

// walk shows another line of the history.
func (e *lineEdit) walk(n int) {
	to := e.at + n
	if to < 0 || to > len(e.history) {
		return
	}
	if e.at == len(e.history) {
		e.typed = e.String()
	}
	e.at = to
	if to == len(e.history) {
		e.set(e.typed)
	} else {
		e.set(e.history[to])
	}
}

func (e *lineEdit) insert(r []rune) {
	clean := make([]rune, 0, len(r))
	for _, c := range r {
		if c == '\t' || c == '\n' || c == '\r' {
			c = ' '
		}
		if c >= ' ' && c != 0x7f {
			clean = append(clean, c)
		}
	}
	e.text = append(e.text[:e.pos:e.pos], append(clean, e.text[e.pos:]...)...)
	e.pos += len(clean)
}

func (e *lineEdit) cut(from, to int) {
	from, to = max(0, from), min(len(e.text), to)
	if from < to {
		e.text = append(e.text[:from:from], e.text[to:]...)
		e.pos = from
	}
}

// key handles a key and reports whether it was one for editing.
func (e *lineEdit) key(k tea.KeyMsg) bool {
	switch k.String() {
	case "left", "ctrl+b":
		e.pos = max(0, e.pos-1)
	case "right", "ctrl+f":
		e.pos = min(len(e.text), e.pos+1)
	case "home", "ctrl+a":
		e.pos = 0
	case "end", "ctrl+e":
		e.pos = len(e.text)
	case "backspace", "ctrl+h":
		e.cut(e.pos-1, e.pos)
	case "delete", "ctrl+d":
		e.cut(e.pos, e.pos+1)
	case "ctrl+u":
		e.cut(0, e.pos)
	case "ctrl+k":
		e.cut(e.pos, len(e.text))
	case "ctrl+w", "alt+backspace":
		from := e.pos
		for from > 0 && e.text[from-1] == ' ' {
			from--
		}
		for from > 0 && e.text[from-1] != ' ' {
			from--
		}
		e.cut(from, e.pos)
	case "up", "ctrl+p":
		e.walk(-1)
	case "down", "ctrl+n":
		e.walk(1)
	default:
		if k.Type != tea.KeyRunes && k.Type != tea.KeySpace || k.Alt {
			return false
		}
		e.insert(k.Runes)
	}
	return true
}

// draw draws the line behind its prompt, scrolled so that the cursor shows.
func (e *lineEdit) draw(c *canvas, x, y, w int, prompt string, st style, active bool) {
	n := c.text(x, y, w, prompt, st)
	x, w = x+n, w-n
	if w <= 1 {
		return
	}
	from := 0
	for width(string(e.text[from:e.pos])) > w-1 {
		from++
	}
	c.text(x, y, w, string(e.text[from:]), style{})
	if active {
		c.restyle(x+width(string(e.text[from:e.pos])), y, 1, func(s style) style { return s.with(reverse) })
	}
}
