package tui

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"yore/debugger"
)

// View is part of tea.Model.
func (m *Model) View() string { return m.draw().render() }

// draw draws the screen.
func (m *Model) draw() *canvas {
	c := newCanvas(m.w, m.h)
	if m.w < 20 || m.h < 6 {
		c.text(0, 0, m.w, "too small", style{})
		return c
	}
	if m.help {
		m.drawHelp(c)
		return c
	}
	m.drawHeader(c)
	for p := range numPanes {
		if r := m.lay.of(p); r.h > 0 {
			m.drawPane(c, p, r)
		}
	}
	line := m.theme.glyph("│", "|")
	if m.lay.bar >= 0 {
		for y := 1; y < m.lay.barEnd; y++ {
			c.text(m.lay.bar, y, 1, line, m.theme.faint)
		}
	}
	if m.lay.split >= 0 {
		for y := m.lay.barEnd; y < m.lay.timeline.y; y++ {
			c.text(m.lay.split, y, 1, line, m.theme.faint)
		}
	}
	m.drawTimeline(c)
	m.drawFooter(c)
	return c
}

func (m *Model) drawHeader(c *canvas) {
	t := m.theme
	c.fill(0, 0, m.w, " ", t.bar)
	x := c.text(1, 0, m.w-1, "yore", t.bar.with(bold)) + 3
	if !m.seen {
		c.text(x, 0, m.w-x, m.opts.Title, t.bar)
		return
	}
	right := m.headerRight()
	c.text(m.w-1-width(right), 0, width(right), right, t.bar)
	room := m.w - 2 - width(right) - x
	c.text(x, 0, room, clip(m.opts.Title, room, t.glyph("…", "~")), t.bar)
}

// headerRight says where in time the program is.
func (m *Model) headerRight() string {
	l := &m.look
	part := 100.0
	if l.Total > 0 {
		part = 100 * float64(l.Time) / float64(l.Total)
	}
	where := ""
	switch {
	case l.Frontier && l.Ended != nil:
		where = "end: " + endText(l)
	case l.Frontier && m.opts.Live:
		where = "live"
	case l.Frontier:
		where = "end"
	case l.Event == 0:
		where = "start"
	default:
		where = "in the past"
	}
	return fmt.Sprintf("event %d/%d  %s %.1f%%  %s", l.Event, l.Events, timeText(l.Time, 1e9), part, where)
}

var paneNames = [numPanes]string{"source", "stack", "values", "threads", "program", "console"}

func (m *Model) drawPane(c *canvas, p pane, r rect) {
	t := m.theme
	st := t.title
	if p == m.focus {
		st = t.focus
	}
	c.fill(r.x, r.y, r.w, " ", t.title)
	title := paneNames[p]
	switch p {
	case paneSource:
		if m.source.file != "" {
			title = filepath.Base(m.source.file)
			if f := m.frameLocation().Function; f != "" {
				title += "  " + f
			}
			if m.look.Shown > 0 {
				title += fmt.Sprintf("  (frame %d)", m.look.Shown)
			}
		}
	case paneProgram:
		title = "program's terminal"
		if m.typing {
			title += "  (keys go there; ctrl+] ends that)"
		}
	}
	n := c.text(r.x, r.y, r.w, title, st)
	if (p == paneProgram || p == paneConsole) && m.lay.split < 0 && !m.zoomed {
		other := paneConsole
		if p == paneConsole {
			other = paneProgram
		}
		c.text(r.x+n+2, r.y, r.w-n-2, "t: "+paneNames[other], t.title)
	}
	in := rect{r.x, r.y + 1, r.w, r.h - 1}
	switch p {
	case paneSource:
		m.source.draw(c, in, t, m.look.Breaks, m.focus == p)
	case paneStack:
		m.drawStack(c, in)
	case paneValues:
		m.drawValues(c, in)
	case paneThreads:
		m.drawThreads(c, in)
	case paneProgram:
		m.drawProgram(c, in)
	case paneConsole:
		m.drawConsole(c, in)
	}
}

// list draws rows of which one is chosen, scrolled so that it shows.
func (m *Model) list(c *canvas, p pane, r rect, n int, row func(i, y int)) {
	if r.h <= 0 {
		return
	}
	s := &m.scroll[p]
	m.chosen[p] = max(0, min(m.chosen[p], n-1))
	if m.focus == p || p == paneStack {
		*s = min(*s, m.chosen[p])
		*s = max(*s, m.chosen[p]-r.h+1)
	}
	*s = max(0, min(*s, n-r.h))
	for i := *s; i < n && i < *s+r.h; i++ {
		y := r.y + i - *s
		row(i, y)
		if m.focus == p && i == m.chosen[p] {
			c.restyle(r.x, y, r.w, func(s style) style { return over(s, m.theme.cursor) })
		}
	}
	if rest := n - *s - r.h; rest > 0 {
		more := fmt.Sprintf("%d more", rest)
		c.text(r.x+r.w-width(more), r.y+r.h-1, width(more), more, m.theme.faint)
	}
}

func (m *Model) drawStack(c *canvas, r rect) {
	t := m.theme
	m.list(c, paneStack, r, len(m.look.Frames), func(i, y int) {
		f := m.look.Frames[i]
		st, sign := style{}, " "
		if i == m.look.Shown {
			st, sign = t.strong, t.glyph("▶", ">")
		}
		x := r.x + c.text(r.x, y, r.w, fmt.Sprintf("%s%-2d ", sign, f.Level), st)
		place := placeOf(f.Location)
		name := f.Function
		if name == "" {
			name = fmt.Sprintf("%#x", f.Addr)
		}
		x += c.text(x, y, r.x+r.w-x, name, st) + 1
		c.text(x, y, r.x+r.w-x, place, t.faint)
	})
}

// placeOf is a short form of where a location is in the source.
func placeOf(l debugger.Location) string {
	switch {
	case l.Line > 0:
		return fmt.Sprintf("%s:%d", filepath.Base(l.File), l.Line)
	case l.Object != "":
		return filepath.Base(l.Object)
	}
	return ""
}

// values are the rows of the values pane.
type valueRow struct {
	name, value string
	key         string // in changed
	sep         bool   // a heading
	failed      bool
	watch       int // index in watches, -1 for none
}

func (m *Model) valueRows() []valueRow {
	var rows []valueRow
	for i, w := range m.look.Watched {
		row := valueRow{name: w.Expr, value: w.Value, key: "w" + w.Expr, watch: i}
		if w.Err != nil {
			row.value, row.failed = oneLine(w.Err.Error()), true
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		rows = append(rows, valueRow{sep: true, name: "locals", watch: -1})
	}
	for _, v := range m.look.Variables {
		rows = append(rows, valueRow{name: v.Name, value: v.Value, key: "v" + v.Name, watch: -1})
	}
	return rows
}

func (m *Model) drawValues(c *canvas, r rect) {
	t := m.theme
	rows := m.valueRows()
	if len(rows) == 0 && m.seen {
		c.text(r.x, r.y, r.w, "no variables here; w watches", t.faint)
		return
	}
	m.list(c, paneValues, r, len(rows), func(i, y int) {
		row := rows[i]
		if row.sep {
			c.text(r.x, y, r.w, row.name, t.faint)
			return
		}
		sign, st := " ", style{}
		if m.changed[row.key] {
			sign, st = "*", t.changed
		}
		if row.failed {
			st = t.failed
		}
		x := r.x + c.text(r.x, y, r.w, sign+row.name, st)
		x += c.text(x, y, r.x+r.w-x, " = ", t.faint)
		value := row.value
		if m.focus == paneValues && i == m.chosen[paneValues] && width(value) > r.x+r.w-x {
			m.note(row.name + " = " + value) // all of it is in the footer
		}
		c.text(x, y, r.x+r.w-x, clip(value, r.x+r.w-x, t.glyph("…", "~")), st)
	})
}

func (m *Model) drawThreads(c *canvas, r rect) {
	t := m.theme
	m.list(c, paneThreads, r, len(m.look.Threads), func(i, y int) {
		th := m.look.Threads[i]
		st, sign := style{}, " "
		if th.Current {
			st, sign = t.strong, t.glyph("▶", ">")
		}
		x := r.x + c.text(r.x, y, r.w, fmt.Sprintf("%s%-2d %s ", sign, th.Number, th.Name), st)
		place := th.Function
		if p := placeOf(th.Location); p != "" {
			place += " " + p
		}
		c.text(x, y, r.x+r.w-x, place, t.faint)
	})
}

// programLine is a line of the program's output.
type programLine struct {
	text   string
	future bool
}

// programLines is what the program has printed, and will print. now is the index
// of the last line printed so far.
func (m *Model) programLines() (lines []programLine, now int) {
	past, future := m.strip.printed(m.look.Event)
	if !m.seen {
		past, future = nil, nil
	}
	var b strings.Builder
	for _, o := range past {
		b.Write(o.text)
	}
	if len(future) == 0 && !m.feed.merged && (m.alive || !m.feed.stale) {
		b.Write(m.feed.text)
	}
	text := plainText(b.String())
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, programLine{text: l})
	}
	now = len(lines) - 1
	if text == "" {
		lines, now = nil, -1
	}
	b.Reset()
	for _, o := range future {
		b.Write(o.text)
	}
	if s := plainText(b.String()); s != "" {
		for _, l := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
			lines = append(lines, programLine{text: l, future: true})
		}
	}
	return lines, now
}

// plainText makes lines of what was written to a terminal: escape sequences go,
// a carriage return begins the line anew, a backspace takes a character back.
func plainText(s string) string {
	var out, line []rune
	at := 0
	rs := []rune(s)
	for i := 0; i < len(rs); i++ {
		switch r := rs[i]; r {
		case '\n':
			out = append(append(out, line...), '\n')
			line, at = line[:0], 0
		case '\r':
			at = 0
		case '\b':
			at = max(0, at-1)
		case '\t':
			for next := (at/8 + 1) * 8; at < next; at++ {
				if at == len(line) {
					line = append(line, ' ')
				}
			}
		case 0x1b:
			i = skipEscape(rs, i)
		default:
			if r < ' ' || r == 0x7f {
				continue
			}
			if at < len(line) {
				line[at] = r
			} else {
				line = append(line, r)
			}
			at++
		}
	}
	return string(append(out, line...))
}

// skipEscape returns the index of the last character of the sequence at i.
func skipEscape(rs []rune, i int) int {
	if i+1 >= len(rs) {
		return i
	}
	switch rs[i+1] {
	case '[':
		for i += 2; i < len(rs); i++ {
			if rs[i] >= 0x40 && rs[i] <= 0x7e {
				return i
			}
		}
	case ']', 'P', '_', '^', 'X':
		for i += 2; i < len(rs); i++ {
			if rs[i] == 0x07 {
				return i
			}
			if rs[i] == 0x1b {
				return min(i+1, len(rs)-1)
			}
		}
	default:
		return i + 1
	}
	return len(rs) - 1
}

func (m *Model) drawProgram(c *canvas, r rect) {
	lines, now := m.programLines()
	if len(lines) == 0 {
		if m.seen {
			c.text(r.x, r.y, r.w, "nothing printed", m.theme.faint)
		}
		return
	}
	// The last line printed, and some of what will be.
	ahead := min(len(lines)-1-now, r.h/3)
	end := now + 1 + ahead - m.scroll[paneProgram]
	end = max(min(end, len(lines)), min(r.h, len(lines)))
	m.scroll[paneProgram] = max(now+1-len(lines)+ahead, min(m.scroll[paneProgram], max(0, len(lines)-r.h)))
	from := max(0, end-r.h)
	for i, l := range lines[from:end] {
		st := style{}
		if l.future {
			st = m.theme.future
		}
		c.text(r.x, r.y+i, r.w, l.text, st)
	}
}

func (m *Model) drawConsole(c *canvas, r rect) {
	if r.h < 1 {
		return
	}
	// Long lines are folded.
	var rows []string
	lines := m.console.lines
	if n := len(lines); n > 0 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	want := r.h - 1 + m.scroll[paneConsole]
	for i := len(lines) - 1; i >= 0 && len(rows) < want; i-- {
		folded := fold(plainText(lines[i]), r.w-1)
		for k := len(folded) - 1; k >= 0; k-- {
			rows = append(rows, folded[k])
		}
	}
	if m.scroll[paneConsole] > max(0, len(rows)-(r.h-1)) {
		m.scroll[paneConsole] = max(0, len(rows)-(r.h-1))
	}
	rows = rows[min(len(rows), m.scroll[paneConsole]):]
	for i := 0; i < r.h-1 && i < len(rows); i++ {
		y := r.y + min(r.h-1, len(rows)) - 1 - i
		st := style{}
		if strings.HasPrefix(rows[i], "(yore) ") {
			st = m.theme.strong
		}
		c.text(r.x, y, r.w, rows[i], st)
	}
	y := r.y + min(r.h-1, len(rows))
	if m.focus == paneConsole || m.console.edit.String() != "" {
		m.console.edit.draw(c, r.x, y, r.w, m.console.prompt(), m.theme.strong, m.focus == paneConsole && m.line == nil)
	} else {
		c.text(r.x, y, r.w, m.console.prompt()+"  : types a command", m.theme.faint)
	}
}

// fold breaks a line into pieces of a width, at blanks where there are some near.
func fold(s string, w int) []string {
	if w < 1 || width(s) <= w {
		return []string{s}
	}
	var out []string
	rs := []rune(s)
	for len(rs) > 0 {
		n, cols, blank := 0, 0, 0
		for n < len(rs) {
			k := width(string(rs[n]))
			if cols+k > w {
				break
			}
			cols += k
			n++
			if rs[n-1] == ' ' {
				blank = n
			}
		}
		n = max(n, 1)
		piece := rs[:n]
		switch {
		case n == len(rs):
		case rs[n] == ' ':
			n++
		case blank > n/2:
			n = blank
			piece = rs[:n-1]
		}
		out = append(out, string(piece))
		rs = rs[n:]
	}
	return out
}

func (m *Model) drawTimeline(c *canvas) {
	r := m.lay.timeline
	if r.h < 3 || !m.seen {
		return
	}
	names := map[int]string{}
	for _, th := range m.look.Threads {
		names[th.ID] = fmt.Sprintf("%d %s", th.Number, th.Name)
	}
	u := &ruler{c: c, r: r, t: m.theme, w: m.win, s: &m.strip, pins: m.pins, look: &m.look, names: names, aim: -1, marks: m.marks}
	if m.scrub.shown {
		u.aim = m.win.column(m.scrub.aim)
	}
	u.draw()
}

func (m *Model) drawFooter(c *canvas) {
	t, y := m.theme, m.h-1
	x, w := 0, m.w
	if q := m.line; q != nil {
		q.edit.draw(c, x, y, w, q.text+" ", t.strong, true)
		return
	}
	if s := m.working(); s != "" {
		c.text(x, y, w, s, t.strong)
		return
	}
	switch {
	case m.message != "" && m.failed:
		c.text(x, y, w, clip(m.message, w, t.glyph("…", "~")), t.changed)
	case m.message != "":
		c.text(x, y, w, clip(m.message, w, t.glyph("…", "~")), style{})
	default:
		c.text(x, y, w, hints(m), t.faint)
	}
}

// working says what is being done, once it takes long enough to notice.
func (m *Model) working() string {
	r := m.running
	if r == nil || m.now().Sub(r.began) < 2*tickEvery {
		return ""
	}
	if r.back {
		if r.what != sampleWork || m.message != "" {
			return ""
		}
		return fmt.Sprintf("plotting %s, %d%%", m.marksExpr(), int(100*m.progress.fraction))
	}
	spin := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	if m.theme.ascii {
		spin = []string{"|", "/", "-", "\\"}
	}
	elapsed := m.now().Sub(r.began)
	text := spin[int(elapsed/tickEvery)%len(spin)] + " " + r.what
	if p := m.progress; p.what != "" {
		text += ": " + p.what
		if p.fraction >= 0 {
			text += fmt.Sprintf(" %d%%", int(100*min(1, p.fraction)))
		}
	}
	text += fmt.Sprintf("  %.1f s", elapsed.Seconds())
	if n := len(m.queue); n > 0 {
		text += fmt.Sprintf("  (%d wait)", n)
	}
	text += "   Esc cancels"
	if m.takesKeys() {
		text += m.theme.glyph(" · ", ", ") + "i types to the program"
	}
	return text
}

func (m *Model) marksExpr() string {
	if m.marks == nil {
		return ""
	}
	return m.marks.expr
}

// takesKeys reports whether the program runs live and has a terminal of ours.
func (m *Model) takesKeys() bool {
	return m.alive && m.session != nil && m.session.Terminal != nil && m.session.Live != nil && m.session.Live() && m.now().Sub(m.aliveAt) > 100*time.Millisecond
}

// hints are the most useful keys, as many as fit.
func hints(m *Model) string {
	arrows := m.theme.glyph("←/→", "arrows")
	out := "? help"
	for _, h := range []string{arrows + " scrub", "n/N next", "s/S step", "c/C continue", "u undo", ": command", "+/- zoom", "f/F finish", "b break", "w watch", "q quit"} {
		if width(out)+2+width(h) > m.w {
			break
		}
		out += "  " + h
	}
	return out
}
