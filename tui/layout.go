package tui

// layout is which pane is where. Panes have a title line of their own, except
// the timeline, whose scale is its title.
//
//	header
//	source        │ stack
//	              │ values
//	              │ threads
//	program       │ console      (one of them below 100 columns)
//	timeline
//	footer
type layout struct {
	panes    [numPanes]rect // empty: not shown
	timeline rect
	bar      int // the column of the line between left and right, -1 for none
	barEnd   int // the row after its last
	split    int // the same between program and console
}

func (l *layout) of(p pane) rect { return l.panes[p] }

// relayout computes the layout for the present size.
func (m *Model) relayout() {
	m.lay = arrange(m.w, m.h, m.timelineRows(), len(m.look.Threads), m.focus, m.zoomed, m.bottom)
	m.win.columns = m.columns()
	w := m.lay.of(paneConsole).w
	if w == 0 {
		w = m.w
	}
	m.bridge.setWidth(w)
	m.source.reveal(max(1, m.lay.of(paneSource).h-1))
}

// timelineRows is how many rows the timeline wants: scale, marks, lanes, output.
func (m *Model) timelineRows() int {
	n := 3 + max(1, len(m.strip.lanes))
	if m.marks != nil {
		n++
	}
	return n
}

func arrange(w, h, timeline, threads int, focus pane, zoomed bool, bottom pane) layout {
	l := layout{bar: -1, split: -1}
	const header, footer = 1, 1
	room := h - header - footer
	// The timeline gets a third at most, and all of what little there is.
	rows := min(timeline, max(4, room*3/10))
	rows = min(rows, max(0, room-3))
	l.timeline = rect{0, h - footer - rows, w, rows}
	room -= rows
	y := header
	if zoomed {
		l.panes[focus] = rect{0, y, w, room}
		return l
	}
	low := max(3, room*3/10)
	if room < 10 {
		low = max(0, room-7)
	}
	top := room - low
	right := max(26, w*4/10)
	if w < 60 {
		right = 0
	}
	if right > 0 {
		l.bar, l.barEnd = w-right-1, y+top
		l.panes[paneSource] = rect{0, y, w - right - 1, top}
		x := w - right
		th := 0
		if threads > 1 {
			th = min(1+threads, max(3, top/3))
		}
		st := max(4, (top-th)*2/5)
		l.panes[paneStack] = rect{x, y, right, st}
		l.panes[paneValues] = rect{x, y + st, right, top - st - th}
		if th > 0 {
			l.panes[paneThreads] = rect{x, y + top - th, right, th}
		}
	} else {
		p := paneSource
		if focus == paneStack || focus == paneValues || focus == paneThreads {
			p = focus
		}
		l.panes[p] = rect{0, y, w, top}
	}
	y += top
	if low == 0 {
		return l
	}
	if w >= 100 {
		half := w / 2
		l.split = half
		l.panes[paneProgram] = rect{0, y, half, low}
		l.panes[paneConsole] = rect{half + 1, y, w - half - 1, low}
		return l
	}
	l.panes[bottom] = rect{0, y, w, low}
	return l
}
