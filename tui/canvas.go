package tui

import (
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// color is an index of the terminal's palette plus one; 0 is the default colour.
type color uint16

// style is how a cell looks.
type style struct {
	fg, bg color
	attr   attr
}

type attr uint8

const (
	bold attr = 1 << iota
	dim
	italic
	underline
	reverse
)

func (s style) with(a attr) style {
	s.attr |= a
	return s
}

// sgr is the escape sequence that selects a style, from whatever was selected.
func (s style) sgr() string {
	var b strings.Builder
	b.WriteString("\x1b[0")
	for i, code := range []string{"1", "2", "3", "4", "7"} {
		if s.attr&(1<<i) != 0 {
			b.WriteString(";" + code)
		}
	}
	put := func(c color, low, bright, long int) {
		switch n := int(c) - 1; {
		case n < 0:
		case n < 8:
			b.WriteString(";" + strconv.Itoa(low+n))
		case n < 16:
			b.WriteString(";" + strconv.Itoa(bright+n-8))
		default:
			b.WriteString(";" + strconv.Itoa(long) + ";5;" + strconv.Itoa(n))
		}
	}
	put(s.fg, 30, 90, 38)
	put(s.bg, 40, 100, 48)
	b.WriteByte('m')
	return b.String()
}

// cell is one place of the screen. The second cell of a wide character is empty.
type cell struct {
	text string
	st   style
}

// canvas is a screen to draw on. Drawing outside of it does nothing.
type canvas struct {
	w, h  int
	cells []cell
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: w, h: h, cells: make([]cell, w*h)}
	for i := range c.cells {
		c.cells[i].text = " "
	}
	return c
}

// rect is a part of the screen.
type rect struct{ x, y, w, h int }

func (c *canvas) at(x, y int) *cell {
	if x < 0 || y < 0 || x >= c.w || y >= c.h {
		return nil
	}
	return &c.cells[y*c.w+x]
}

// text draws a string on one line, at most width columns of it, and returns how
// many it took. What is not printable is drawn as a stand-in, so that nothing of
// a program's can act on the terminal.
func (c *canvas) text(x, y, width int, s string, st style) int {
	begin := x
	for _, r := range s {
		if r == '\t' {
			r = ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			r = '·'
		}
		w := widths.RuneWidth(r)
		if w == 0 {
			if p := c.at(x-1, y); p != nil && x > begin && len(p.text) < 32 {
				p.text += string(r)
			}
			continue
		}
		if x+w > begin+width {
			break
		}
		if p := c.at(x, y); p != nil && x+w <= c.w {
			*p = cell{string(r), st}
			if w == 2 {
				*c.at(x+1, y) = cell{"", st}
			}
		}
		x += w
	}
	return x - begin
}

// fill gives a part of a line one character and style.
func (c *canvas) fill(x, y, w int, s string, st style) {
	for i := x; i < x+w; i++ {
		if p := c.at(i, y); p != nil {
			*p = cell{s, st}
		}
	}
}

// restyle changes the style of a part of a line.
func (c *canvas) restyle(x, y, w int, f func(style) style) {
	for i := x; i < x+w; i++ {
		if p := c.at(i, y); p != nil {
			p.st = f(p.st)
		}
	}
}

// clear empties a part of the screen.
func (c *canvas) clear(r rect) {
	for y := r.y; y < r.y+r.h; y++ {
		c.fill(r.x, y, r.w, " ", style{})
	}
}

// render is the screen as the terminal takes it.
func (c *canvas) render() string {
	var b strings.Builder
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		now := style{}
		row := c.cells[y*c.w : (y+1)*c.w]
		for _, k := range row {
			if k.st != now {
				b.WriteString(k.st.sgr())
				now = k.st
			}
			b.WriteString(k.text)
		}
		if now != (style{}) {
			b.WriteString("\x1b[0m")
		}
	}
	return b.String()
}

// plain is the screen's text, without blanks at the ends of lines.
func (c *canvas) plain() string {
	var b strings.Builder
	for y := range c.h {
		var line strings.Builder
		for _, k := range c.cells[y*c.w : (y+1)*c.w] {
			line.WriteString(k.text)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// widths knows how wide characters are, whatever the environment says: what is
// ambiguous is narrow, or the panes would not fit.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// width is how many columns a string takes.
func width(s string) int { return widths.StringWidth(s) }

// clip shortens a string to a number of columns, with a sign that there is more.
func clip(s string, n int, more string) string {
	if width(s) <= n {
		return s
	}
	return widths.Truncate(s, n, more)
}
