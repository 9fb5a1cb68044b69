package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// binding is a key of the table, or several that do the same.
type binding struct {
	keys  []string
	shown string // for help; "" is the keys
	text  string
	do    func(m *Model) tea.Cmd
}

// group is a heading of the help.
type group struct {
	title string
	list  []binding
}

func command(line string) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd { return m.run(line) }
}

// keyTable is every key there is. Help prints it.
var keyTable []group

func init() {
	keyTable = []group{
		{"Forwards", []binding{
			{keys: []string{"n"}, text: "next line", do: command("next")},
			{keys: []string{"s"}, text: "step into", do: command("step")},
			{keys: []string{"f"}, text: "finish the function", do: command("finish")},
			{keys: []string{"c"}, text: "continue", do: command("continue")},
			{keys: []string{"x"}, text: "one instruction", do: command("stepi")},
		}},
		{"Backwards", []binding{
			{keys: []string{"N"}, text: "the line before", do: command("reverse-next")},
			{keys: []string{"S"}, text: "step back into", do: command("reverse-step")},
			{keys: []string{"F"}, text: "to the function's call", do: command("reverse-finish")},
			{keys: []string{"C"}, text: "continue backwards", do: command("reverse-continue")},
			{keys: []string{"X"}, text: "one instruction", do: command("reverse-stepi")},
			{keys: []string{"R"}, text: "reverse-watch", do: (*Model).askReverseWatch},
			{keys: []string{"u"}, text: "undo the last motion", do: command("undo")},
			{keys: []string{"U", "ctrl+r"}, text: "redo", do: command("redo")},
		}},
		{"Along the timeline", []binding{
			{keys: []string{"left"}, shown: "←", text: "scrub back, a column", do: scrubBy(-1)},
			{keys: []string{"right"}, shown: "→", text: "scrub on, a column", do: scrubBy(1)},
			{keys: []string{"shift+left", "H"}, shown: "⇧← H", text: "ten columns back", do: scrubBy(-10)},
			{keys: []string{"shift+right", "L"}, shown: "⇧→ L", text: "ten columns on", do: scrubBy(10)},
			{keys: []string{"<", ","}, text: "the event before", do: eventBy(-1)},
			{keys: []string{">", "."}, text: "the next event", do: eventBy(1)},
			{keys: []string{"["}, text: "to the mark before", do: markBy(-1)},
			{keys: []string{"]"}, text: "to the next mark", do: markBy(1)},
			{keys: []string{"home"}, text: "start of history", do: func(m *Model) tea.Cmd { return m.scrubEvent(0) }},
			{keys: []string{"end"}, text: "end of history", do: (*Model).toEnd},
			{keys: []string{"+", "="}, text: "zoom in", do: zoomBy(0.5)},
			{keys: []string{"-", "_"}, text: "zoom out", do: zoomBy(2)},
			{keys: []string{"0"}, text: "all of history", do: zoomBy(1e18)},
			{keys: []string{"g"}, text: "goto a place", do: (*Model).askGoto},
			{keys: []string{"m"}, text: "bookmark this point", do: (*Model).askBookmark},
			{keys: []string{"k"}, text: "keep a checkpoint here", do: command("checkpoint")},
		}},
		{"Looking", []binding{
			{keys: []string{"b"}, text: "breakpoint at the line", do: (*Model).toggleBreak},
			{keys: []string{"w"}, text: "watch an expression", do: (*Model).askWatch},
			{keys: []string{"W"}, text: "draw it on the timeline", do: (*Model).askPlot},
			{keys: []string{"d", "delete"}, shown: "d", text: "forget the chosen watch", do: (*Model).dropWatch},
			{keys: []string{"/"}, text: "search the pane's text", do: (*Model).askSearch},
			{keys: []string{"tab"}, text: "next pane", do: focusBy(1)},
			{keys: []string{"shift+tab"}, text: "pane before", do: focusBy(-1)},
			{keys: []string{"up"}, shown: "↑ ↓", text: "choose a line or frame", do: moveBy(-1)},
			{keys: []string{"down"}, shown: "", text: "", do: moveBy(1)},
			{keys: []string{"pgup"}, shown: "pgup pgdn", text: "scroll", do: pageBy(-1)},
			{keys: []string{"pgdown"}, shown: "", text: "", do: pageBy(1)},
			{keys: []string{"enter"}, text: "select; else to console", do: (*Model).choose},
			{keys: []string{":"}, text: "type a command", do: (*Model).toConsole},
			{keys: []string{"t"}, text: "program or console", do: (*Model).swapBottom},
			{keys: []string{"z"}, text: "enlarge the pane, or not", do: (*Model).enlarge},
			{keys: []string{"i"}, text: "type to the program", do: (*Model).toProgram},
			{keys: []string{"esc"}, text: "cancel what is running", do: (*Model).escape},
			{keys: []string{"ctrl+l"}, text: "draw the screen anew", do: func(*Model) tea.Cmd { return tea.ClearScreen }},
			{keys: []string{"?", "f1"}, shown: "?", text: "this help", do: func(m *Model) tea.Cmd { m.help, m.helpAt = true, 0; return nil }},
			{keys: []string{"q", "ctrl+c"}, shown: "q", text: "quit", do: (*Model).quit},
		}},
	}
}

// find returns a key's binding.
func find(key string) *binding {
	for _, g := range keyTable {
		for i := range g.list {
			for _, k := range g.list[i].keys {
				if k == key {
					return &g.list[i]
				}
			}
		}
	}
	return nil
}

// key handles a key. Keys that were typed fast come several in one message.
func (m *Model) key(k tea.KeyMsg) tea.Cmd {
	if k.Type == tea.KeyRunes && len(k.Runes) > 1 && !k.Paste {
		var cmds []tea.Cmd
		for _, r := range k.Runes {
			one := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}
			if r == ' ' {
				one.Type = tea.KeySpace
			}
			cmds = append(cmds, m.key(one))
		}
		return tea.Batch(cmds...)
	}
	if k.Alt && k.Type == tea.KeyRunes && !m.typing {
		// Escape and a key that came fast after it.
		k.Alt = false
		return tea.Batch(m.key(tea.KeyMsg{Type: tea.KeyEsc}), m.key(k))
	}
	m.message = ""
	switch {
	case m.typing:
		return m.typed(k)
	case m.help:
		m.helpKey(k)
		return nil
	case m.line != nil:
		return m.lineKey(k)
	case m.focus == paneConsole:
		return m.consoleKey(k)
	}
	if k.Paste {
		m.toConsole()
		m.console.edit.insert(k.Runes)
		return nil
	}
	if b := find(k.String()); b != nil {
		return b.do(m)
	}
	m.note("no such key; ? lists them")
	return nil
}

// consoleKey handles a key while the console has the focus.
func (m *Model) consoleKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "enter":
		return m.enter()
	case "tab":
		if m.console.edit.String() != "" {
			return m.complete()
		}
		return focusBy(1)(m)
	case "shift+tab":
		return focusBy(-1)(m)
	case "esc":
		if m.cancel() {
			return nil
		}
		m.console.block = nil
		m.setFocus(paneSource)
	case "ctrl+c":
		if m.cancel() {
			return nil
		}
		if m.console.edit.String() == "" && m.console.block == nil {
			return m.quit()
		}
		m.console.edit.set("")
		m.console.block = nil
	case "ctrl+d":
		if m.console.edit.String() == "" {
			return m.quit()
		}
		m.console.edit.key(k)
	case "pgup":
		return pageBy(-1)(m)
	case "pgdown":
		return pageBy(1)(m)
	case "ctrl+l":
		return tea.ClearScreen
	default:
		m.console.edit.key(k)
	}
	return nil
}

// typed hands a key to the program.
func (m *Model) typed(k tea.KeyMsg) tea.Cmd {
	if k.String() == "ctrl+]" || m.session == nil || m.session.Terminal == nil {
		m.typing = false
		return nil
	}
	if b := keyBytes(k); len(b) > 0 {
		m.typist.write(m.session.Terminal, b)
	}
	return nil
}

// keyBytes is what a terminal sends for a key.
func keyBytes(k tea.KeyMsg) []byte {
	named := map[string]string{
		"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
		"pgup": "\x1b[5~", "pgdown": "\x1b[6~", "delete": "\x1b[3~", "insert": "\x1b[2~", "shift+tab": "\x1b[Z",
		"f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS",
	}
	if s, ok := named[k.String()]; ok {
		return []byte(s)
	}
	var out string
	switch {
	case k.Type == tea.KeyRunes || k.Type == tea.KeySpace:
		out = string(k.Runes)
	case k.Type >= 0 && k.Type <= 31 || k.Type == 127: // the control characters
		out = string(rune(k.Type))
	}
	if k.Alt && out != "" {
		out = "\x1b" + out
	}
	return []byte(out)
}

// setFocus gives a pane the focus; where it is not shown, the next that is.
func (m *Model) setFocus(p pane) {
	m.focus = p
	if p == paneProgram || p == paneConsole {
		m.bottom = p
	}
	m.relayout()
}

func focusBy(n int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		p := m.focus
		for range numPanes {
			p = (p + pane(n) + numPanes) % numPanes
			if p == paneThreads && len(m.look.Threads) < 2 {
				continue
			}
			break
		}
		m.setFocus(p)
		return nil
	}
}

func (m *Model) toConsole() tea.Cmd {
	m.setFocus(paneConsole)
	return nil
}

func (m *Model) swapBottom() tea.Cmd {
	if m.bottom == paneProgram {
		m.bottom = paneConsole
	} else {
		m.bottom = paneProgram
	}
	m.relayout()
	return nil
}

func (m *Model) enlarge() tea.Cmd {
	m.zoomed = !m.zoomed
	m.relayout()
	return nil
}

func (m *Model) escape() tea.Cmd {
	if !m.cancel() && m.zoomed {
		m.zoomed = false
		m.relayout()
	}
	m.scrub.shown = false
	return nil
}

// quit ends the session, after the debugger's questions.
func (m *Model) quit() tea.Cmd {
	if m.dbg == nil {
		m.cancel()
		return m.end(nil)
	}
	m.cancel()
	return m.command("quit")
}

// moveBy moves the choice of the focused pane.
func moveBy(n int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		switch m.focus {
		case paneSource:
			m.source.cursor += n
			m.source.reveal(max(1, m.lay.of(paneSource).h-1))
		case paneStack:
			if to := m.look.Shown + n; to >= 0 && to < len(m.look.Frames) && !m.busy() {
				return m.frame(to)
			}
		case paneProgram:
			m.scroll[paneProgram] -= n
		default:
			m.chosen[m.focus] += n
		}
		return nil
	}
}

// pageBy scrolls the focused pane.
func pageBy(n int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		h := max(1, m.lay.of(m.focus).h-2)
		switch m.focus {
		case paneSource:
			m.source.cursor += n * h
			m.source.top += n * h
			m.source.reveal(max(1, m.lay.of(paneSource).h-1))
		case paneProgram:
			m.scroll[paneProgram] -= n * h
		case paneConsole:
			m.scroll[paneConsole] = max(0, m.scroll[paneConsole]-n*h)
		default:
			m.chosen[m.focus] += n * h
		}
		return nil
	}
}

// choose selects what is chosen.
func (m *Model) choose() tea.Cmd {
	switch m.focus {
	case paneThreads:
		if i := m.chosen[paneThreads]; i >= 0 && i < len(m.look.Threads) {
			return m.run(fmt.Sprintf("thread %d", m.look.Threads[i].Number))
		}
		return nil
	case paneStack, paneValues, paneProgram:
		return nil
	}
	return m.toConsole()
}

// toProgram sends keys to the program.
func (m *Model) toProgram() tea.Cmd {
	switch {
	case m.session == nil || m.session.Terminal == nil:
		m.fail("the program has no terminal here")
	case !m.alive:
		m.fail("the program does not run; c continues it")
	default:
		m.typing = true
		m.bottom = paneProgram
		m.relayout()
	}
	return nil
}

func (m *Model) askGoto() tea.Cmd {
	m.askLine("goto (37%, 1.5s, an event, a bookmark, start, end):", "", func(s string) tea.Cmd {
		if s == "" {
			return nil
		}
		return m.run("goto " + s)
	})
	return nil
}

func (m *Model) askBookmark() tea.Cmd {
	m.askLine("bookmark's name:", "", func(s string) tea.Cmd {
		if s == "" {
			return nil
		}
		return m.run("bookmark " + s)
	})
	return nil
}

func (m *Model) askSearch() tea.Cmd {
	m.askLine("search:", "", m.search)
	return nil
}

func (m *Model) askReverseWatch() tea.Cmd {
	m.askLine("go back to the statement that changed:", m.chosenExpr(), func(s string) tea.Cmd {
		if s == "" {
			return nil
		}
		return m.run("reverse-watch " + s)
	})
	return nil
}

// chosenExpr is the expression of the values pane's chosen row.
func (m *Model) chosenExpr() string {
	rows := m.valueRows()
	if i := m.chosen[paneValues]; i >= 0 && i < len(rows) && !rows[i].sep && (m.focus == paneValues || rows[i].watch >= 0) {
		return rows[i].name
	}
	return ""
}

func (m *Model) askWatch() tea.Cmd {
	m.askLine("watch:", "", func(s string) tea.Cmd {
		if s == "" {
			return nil
		}
		for _, w := range m.watches {
			if w == s {
				m.note("that is watched already")
				return nil
			}
		}
		m.watches = append(m.watches, s)
		if m.dbg == nil {
			return nil
		}
		return m.lookAgain()
	})
	return nil
}

func (m *Model) dropWatch() tea.Cmd {
	rows := m.valueRows()
	i := m.chosen[paneValues]
	if m.focus != paneValues && len(m.watches) > 0 {
		i = len(m.watches) - 1
	}
	if i < 0 || i >= len(rows) || rows[i].watch < 0 || rows[i].watch >= len(m.watches) {
		m.note("there is no watch to forget")
		return nil
	}
	k := rows[i].watch
	m.watches = append(m.watches[:k:k], m.watches[k+1:]...)
	m.look.Watched = append(m.look.Watched[:k:k], m.look.Watched[k+1:]...)
	return nil
}

// toggleBreak sets or deletes a breakpoint at the chosen line.
func (m *Model) toggleBreak() tea.Cmd {
	file, line := m.source.file, m.source.cursor
	if file == "" || line == 0 || m.source.lines() == nil {
		m.fail("there is no line to set a breakpoint at; `break` in the console takes addresses")
		return nil
	}
	for _, b := range m.look.Breaks {
		for _, l := range b.Locations {
			if l.Line == line && (l.FullName == file || l.File == file) {
				return m.run("delete " + strings.Split(b.Number, ".")[0])
			}
		}
	}
	return m.run("break " + quoteFile(file) + ":" + strconv.Itoa(line))
}

// quoteFile makes a file's name one word of gdb's.
func quoteFile(s string) string {
	if strings.ContainsAny(s, " \t'\"\\") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

// scrubBy moves the hand by columns.
func scrubBy(n int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if !m.ready() {
			return nil
		}
		from := m.look.Time
		if m.scrub.shown || m.scrub.wanted {
			from = m.scrub.aim
		}
		col := m.win.column(from) + n
		t := m.win.middle(col)
		total := max(m.look.Total, m.strip.total)
		switch {
		case t <= 0:
			m.scrub.aim, m.scrub.shown = 0, true
			return m.scrubTo(scrubTarget{event: 0})
		case t >= total:
			m.scrub.aim, m.scrub.shown = total, true
			return m.scrubTo(scrubTarget{event: -1, end: true})
		}
		m.scrub.aim, m.scrub.shown = t, true
		m.win = m.win.show(t, total)
		return m.scrubTo(scrubTarget{time: t, off: time.Duration(m.win.per() / 2), event: -1})
	}
}

// eventBy goes to the event n away.
func eventBy(n int64) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if !m.ready() {
			return nil
		}
		event := m.look.Event
		if m.scrub.wanted && m.scrub.target.event >= 0 {
			event = m.scrub.target.event
		}
		if n < 0 && !m.atEventStart() {
			n++ // first to the beginning of this one
		}
		return m.scrubEvent(event + n)
	}
}

// atEventStart reports whether the present is at the beginning of its slice, as
// far as its time tells.
func (m *Model) atEventStart() bool {
	t, ok := m.strip.timeOf(m.look.Event)
	return !ok || t >= m.look.Time || m.scrub.wanted
}

func (m *Model) scrubEvent(event int64) tea.Cmd {
	if !m.ready() {
		return nil
	}
	event = max(0, min(event, m.look.Events))
	if t, ok := m.strip.timeOf(event); ok {
		m.scrub.aim, m.scrub.shown = t, true
		m.win = m.win.show(t, max(m.look.Total, m.strip.total))
	}
	return m.scrubTo(scrubTarget{event: event})
}

func (m *Model) toEnd() tea.Cmd {
	if !m.ready() {
		return nil
	}
	m.scrub.aim, m.scrub.shown = m.look.Total, true
	return m.scrubTo(scrubTarget{event: -1, end: true})
}

// ready says whether there is something to scrub.
func (m *Model) ready() bool {
	if m.dbg == nil || !m.seen {
		m.note("the session is not open yet")
		return false
	}
	if m.busy() && !m.running.scrub {
		m.note("busy; Esc cancels")
		return false
	}
	return true
}

// markBy goes to the next marked point, signal or first output of a column.
func markBy(n int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if !m.ready() {
			return nil
		}
		now := m.look.Event
		if m.scrub.wanted && m.scrub.target.event >= 0 {
			now = m.scrub.target.event
		}
		best := int64(-1)
		try := func(event int64) {
			if event < 0 || n > 0 && event <= now || n < 0 && event >= now {
				return
			}
			if best < 0 || n > 0 && event < best || n < 0 && event > best {
				best = event
			}
		}
		for _, p := range m.pins {
			if p.Kind != debugger.PinAuto && p.Kind != debugger.PinImage {
				try(p.Event)
			}
		}
		for _, p := range m.strip.signals {
			try(p.event)
		}
		for _, o := range m.strip.output {
			try(o.event)
		}
		if best < 0 {
			m.note("no mark there")
			return nil
		}
		return m.scrubEvent(best)
	}
}

// zoomBy changes how much of history the window shows.
func zoomBy(f float64) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if m.seen {
			m.win = m.win.zoom(f, m.look.Time, max(m.look.Total, m.strip.total))
			return m.sample()
		}
		return nil
	}
}

// helpKey scrolls or closes the help.
func (m *Model) helpKey(k tea.KeyMsg) {
	switch k.String() {
	case "down", "j", "pgdown", " ":
		m.helpAt++
	case "up", "k", "pgup":
		m.helpAt = max(0, m.helpAt-1)
	default:
		m.help = false
	}
}

// drawHelp draws the table of keys, in as many columns as fit.
func (m *Model) drawHelp(c *canvas) {
	t := m.theme
	type row struct {
		key, text string
		title     bool
	}
	var rows []row
	for _, g := range keyTable {
		if len(rows) > 0 {
			rows = append(rows, row{})
		}
		rows = append(rows, row{key: g.title, title: true})
		for _, b := range g.list {
			if b.text == "" {
				continue
			}
			key := b.shown
			if key == "" {
				key = strings.Join(b.keys, " ")
			}
			if t.ascii {
				key = strings.NewReplacer("⇧←", "S-left", "⇧→", "S-right", "←", "left", "→", "right", "↑", "up", "↓", "down").Replace(key)
			}
			rows = append(rows, row{key: key, text: b.text})
		}
	}
	c.fill(0, 0, m.w, " ", t.bar)
	c.text(1, 0, m.w-1, "yore: keys", t.bar.with(bold))
	h := m.h - 3
	const wide = 40
	cols := max(1, m.w/wide)
	per := (len(rows) + cols - 1) / cols
	per = max(per, h)
	m.helpAt = max(0, min(m.helpAt, per-h))
	for i, r := range rows {
		x, y := i/per*wide+1, i%per-m.helpAt
		if y < 0 || y >= h {
			continue
		}
		if r.title {
			c.text(x, y+1, wide-2, r.key, t.focus)
			continue
		}
		c.text(x, y+1, 10, r.key, t.strong)
		c.text(x+11, y+1, wide-13, r.text, style{})
	}
	c.text(1, m.h-2, m.w-1, "In the console every command of the prompt works; `help` lists them.", t.faint)
	foot := "Any key goes back."
	if per > h {
		foot = "Up and down scroll, any other key goes back."
	}
	c.text(1, m.h-1, m.w-1, foot, t.faint)
}
