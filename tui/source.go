package tui

import (
	"fmt"
	"os"
	"strconv"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// sourcePane shows a file. Files are read and coloured by commands of their own,
// so that a large one holds nothing up.
type sourcePane struct {
	file    string // of the selected frame, as it is named on disk; "" for none
	line    int    // where the selected frame is, 0 when unknown
	where   debugger.Location
	cursor  int // the line chosen, from 1
	top     int // the first line shown, from 1
	height  int // of the text as last drawn
	files   map[string]*sourceFile
	reading map[string]bool
}

type sourceFile struct {
	lines [][]span
	err   error
}

// sourceMsg brings a file.
type sourceMsg struct {
	name string
	file *sourceFile
}

const maxSource = 16 << 20

// show makes the pane show a place.
func (p *sourcePane) show(l debugger.Location, moved bool) tea.Cmd {
	file := l.FullName
	if file == "" {
		file = l.File
	}
	if l.Line == 0 {
		file = ""
	}
	again := file == p.file && l.Line == p.line
	p.file, p.line, p.where = file, l.Line, l
	if !again || moved {
		p.cursor = max(1, l.Line)
		p.center()
	}
	if file == "" || p.files[file] != nil || p.reading[file] {
		return nil
	}
	if p.reading == nil {
		p.reading, p.files = map[string]bool{}, map[string]*sourceFile{}
	}
	p.reading[file] = true
	return func() tea.Msg { return sourceMsg{file, readSource(file)} }
}

// readSource reads and colours a file.
func readSource(name string) *sourceFile {
	st, err := os.Stat(name)
	if err != nil {
		return &sourceFile{err: err}
	}
	if !st.Mode().IsRegular() || st.Size() > maxSource {
		return &sourceFile{err: fmt.Errorf("%s is no source file", name)}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return &sourceFile{err: err}
	}
	const colored = 2 << 20 // more takes seconds
	shown := name
	if len(b) > colored {
		shown = ""
	}
	return &sourceFile{lines: highlight(shown, string(b))}
}

func (p *sourcePane) loaded(m sourceMsg) {
	delete(p.reading, m.name)
	p.files[m.name] = m.file
	if m.name == p.file {
		p.center()
	}
}

// lines is the text shown, nil while there is none.
func (p *sourcePane) lines() [][]span {
	if f := p.files[p.file]; f != nil {
		return f.lines
	}
	return nil
}

// center scrolls so that the line of the frame is in the middle, unless it is
// well in sight.
func (p *sourcePane) center() {
	h := max(1, p.height)
	if p.cursor >= p.top+min(2, h/4) && p.cursor < p.top+h-min(2, h/4) {
		return
	}
	p.top = p.cursor - h/2
	p.clamp()
}

// reveal scrolls as little as needed to show the line chosen.
func (p *sourcePane) reveal(h int) {
	p.height = h
	if n := len(p.lines()); n > 0 {
		p.cursor = min(p.cursor, n)
	}
	p.cursor = max(1, p.cursor)
	if p.cursor < p.top {
		p.top = p.cursor
	}
	if p.cursor >= p.top+h {
		p.top = p.cursor - h + 1
	}
	p.clamp()
}

func (p *sourcePane) clamp() {
	if n := len(p.lines()); n > 0 && p.height > 0 {
		p.top = min(p.top, n-p.height+1)
	}
	p.top = max(1, p.top)
}

// draw draws the text.
func (p *sourcePane) draw(c *canvas, r rect, t *theme, breaks []debugger.Breakpoint, focused bool) {
	if r.h != p.height {
		p.height = r.h
		p.center()
	}
	if p.file == "" {
		p.drawNone(c, r, t)
		return
	}
	f := p.files[p.file]
	switch {
	case f == nil:
		c.text(r.x+1, r.y, r.w-1, "reading "+p.file, t.faint)
		return
	case f.err != nil:
		c.text(r.x+1, r.y, r.w-1, fmt.Sprintf("%s:%d", p.file, p.line), t.strong)
		c.text(r.x+1, r.y+1, r.w-1, "The source is not here.", t.faint)
		p.drawPlace(c, rect{r.x, r.y + 2, r.w, r.h - 2}, t)
		return
	}
	stops := map[int]style{}
	for _, b := range breaks {
		for _, l := range b.Locations {
			if l.Line == 0 || l.FullName != p.file && l.File != p.file {
				continue
			}
			st := t.breakpoint
			if !b.Enabled {
				st = t.disabled
			}
			stops[l.Line] = st
		}
	}
	digits := max(3, len(strconv.Itoa(p.top+r.h)))
	for i := range r.h {
		n := p.top + i
		if n > len(f.lines) {
			break
		}
		y := r.y + i
		sign, st := " ", style{}
		if b, ok := stops[n]; ok {
			sign, st = t.glyph("●", "*"), b
			if b == t.disabled {
				sign = t.glyph("○", "o")
			}
		}
		c.text(r.x, y, 1, sign, st)
		num := fmt.Sprintf("%*d ", digits, n)
		if n == p.line {
			num = fmt.Sprintf("%*d%s", digits, n, t.glyph("▶", ">"))
			c.text(r.x+1, y, r.w-1, num, t.strong)
		} else {
			c.text(r.x+1, y, r.w-1, num, t.faint)
		}
		x := r.x + 1 + width(num)
		c.text(x, y, r.x+r.w-x, " ", style{})
		x++
		from := x
		for _, s := range f.lines[n-1] {
			x += c.text(x, y, r.x+r.w-x, s.text, t.syntax[s.tok])
		}
		switch {
		case n == p.line:
			c.restyle(from, y, r.x+r.w-from, func(s style) style { return over(s, t.current) })
		case n == p.cursor && focused:
			c.restyle(from, y, r.x+r.w-from, func(s style) style { return over(s, t.cursor) })
		}
	}
}

// over lays a style over another: its background and attributes.
func over(s, top style) style {
	if top.bg != 0 {
		s.bg = top.bg
	}
	if top.fg != 0 {
		s.fg = top.fg
	}
	s.attr |= top.attr
	return s
}

// drawNone says where the program is when there is no source.
func (p *sourcePane) drawNone(c *canvas, r rect, t *theme) {
	if p.where.Addr == 0 {
		return
	}
	c.text(r.x+1, r.y, r.w-1, "There is no source for this place.", t.faint)
	p.drawPlace(c, rect{r.x, r.y + 1, r.w, r.h - 1}, t)
}

func (p *sourcePane) drawPlace(c *canvas, r rect, t *theme) {
	if r.h < 1 {
		return
	}
	text := fmt.Sprintf("%#x", p.where.Addr)
	if p.where.Function != "" {
		text += " in " + p.where.Function
	}
	if p.where.Object != "" {
		text += " from " + p.where.Object
	}
	c.text(r.x+1, r.y, r.w-1, text, style{})
}
