package tui

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"yore/debugger"
)

// window is the part of history that is drawn, in columns of equal time.
type window struct {
	from, to time.Duration
	columns  int
}

// column is where a time is drawn, also outside of the window.
func (w window) column(t time.Duration) int {
	if w.to <= w.from || w.columns == 0 {
		return 0
	}
	f := float64(t-w.from) / float64(w.to-w.from) * float64(w.columns)
	if t == w.to {
		return w.columns - 1
	}
	if f < 0 {
		return int(f) - 1
	}
	return int(f)
}

// middle is the time in the middle of a column.
func (w window) middle(col int) time.Duration {
	return w.from + time.Duration((float64(col)+0.5)*w.per())
}

// per is how much time a column stands for, ns.
func (w window) per() float64 { return float64(w.to-w.from) / float64(max(1, w.columns)) }

// finest is how far one can zoom in.
const finest = time.Microsecond

// zoom is the window with more (f < 1) or less in it, around a time, within
// [0, total].
func (w window) zoom(f float64, around, total time.Duration) window {
	wide := float64(w.to-w.from) * f
	if wide >= float64(total) {
		return window{0, total, w.columns}
	}
	span := time.Duration(wide)
	span = max(span, min(finest, total))
	// What is around stays at its column, as far as there is room.
	part := 0.5
	if w.to > w.from && around >= w.from && around <= w.to {
		part = float64(around-w.from) / float64(w.to-w.from)
	}
	w.from = around - time.Duration(part*float64(span))
	w.to = w.from + span
	return w.within(total)
}

// within moves the window into [0, total].
func (w window) within(total time.Duration) window {
	if w.to > total {
		w.from, w.to = w.from-(w.to-total), total
	}
	if w.from < 0 {
		w.from, w.to = 0, min(total, w.to-w.from)
	}
	return w
}

// show moves the window so that a time is in it, with some room around.
func (w window) show(t, total time.Duration) window {
	room := (w.to - w.from) / 8
	switch {
	case t < w.from:
		d := w.from - t + room
		w.from, w.to = w.from-d, w.to-d
	case t > w.to:
		d := t - w.to + room
		w.from, w.to = w.from+d, w.to+d
	}
	return w.within(total)
}

// timeText prints a time so that near ones differ.
func timeText(t time.Duration, per float64) string {
	switch {
	case per < float64(10*time.Microsecond):
		return fmt.Sprintf("%.6f s", t.Seconds())
	case t < 10*time.Second:
		return fmt.Sprintf("%.3f s", t.Seconds())
	case t < time.Hour:
		return fmt.Sprintf("%.1f s", t.Seconds())
	}
	return t.Round(time.Second).String()
}

// signs of pins, by kind: the character, and which wins on one column.
var pinSigns = map[debugger.PinKind]struct {
	sign string
	rank int
}{
	debugger.PinImage:      {"i", 1},
	debugger.PinAuto:       {"+", 0},
	debugger.PinStop:       {"o", 2},
	debugger.PinCheckpoint: {"C", 3},
	debugger.PinBookmark:   {"B", 4},
}

const gutter = 10 // columns left of the timeline, for names

// ruler draws the timeline pane.
type ruler struct {
	c     *canvas
	r     rect
	t     *theme
	w     window
	s     *strip
	pins  []debugger.Pin
	look  *debugger.Look
	names map[int]string // of threads
	aim   int            // the hand's column, -1 for none
	marks *marks
}

func (u *ruler) draw() {
	now := u.w.column(u.look.Time)
	x, y := u.r.x+gutter, u.r.y
	u.scale(x, y, now)
	y++
	u.drawPins(x, y, now)
	y++
	below := 1 // output
	if u.marks != nil {
		below++
	}
	y = u.drawLanes(x, y, u.r.y+u.r.h-below, now)
	if u.marks != nil {
		u.drawMarks(x, y, now)
		y++
	}
	u.drawOutput(x, y, now)
	y++
	// The present, over all rows.
	if now >= 0 && now < u.w.columns {
		for row := u.r.y + 1; row < y; row++ {
			u.c.restyle(x+now, row, 1, func(style) style { return u.t.present })
		}
		u.c.text(x+now, u.r.y, 1, u.t.glyph("▼", "V"), u.t.present)
	}
	if u.aim >= 0 && u.aim < u.w.columns && u.aim != now {
		u.c.text(x+u.aim, u.r.y, 1, u.t.glyph("▽", "v"), u.t.strong)
	}
}

// name draws a row's name.
func (u *ruler) name(y int, s string, st style) {
	u.c.text(u.r.x, y, gutter-1, clip(s, gutter-1, u.t.glyph("…", "~")), st)
}

// scale draws the times at the window's ends and at the present.
func (u *ruler) scale(x, y, now int) {
	n := u.w.columns
	u.c.fill(u.r.x, y, u.r.w, " ", u.t.title)
	u.name(y, "timeline", u.t.title)
	left, right := timeText(u.w.from, u.w.per()), timeText(u.w.to, u.w.per())
	if u.w.from > 0 {
		left = u.t.glyph("◂ ", "< ") + left
	}
	if u.w.to < u.s.total {
		right += u.t.glyph(" ▸", " >")
	}
	u.c.text(x, y, n, left, u.t.title)
	u.c.text(x+n-width(right), y, n, right, u.t.title)
	// The present's time beside its sign, where it does not hide the ends.
	here := timeText(u.look.Time, u.w.per())
	at := now + 2
	if at+width(here) > n-width(right)-1 {
		at = now - 1 - width(here)
	}
	if now >= 0 && now < n && at > width(left) && at+width(here) < n-width(right) {
		u.c.text(x+at, y, n, here, u.t.title.with(bold))
	}
}

func (u *ruler) drawPins(x, y, now int) {
	u.name(y, "marks", u.t.faint)
	line := u.t.glyph("─", "-")
	for i := range u.w.columns {
		st := style{}
		if i > now {
			st = u.t.future
		}
		u.c.fill(x+i, y, 1, line, st)
	}
	rank := map[int]int{}
	labels := map[int]string{}
	for _, p := range u.pins {
		col := u.w.column(p.Time)
		k := pinSigns[p.Kind]
		if col < 0 || col >= u.w.columns || rank[col] > k.rank {
			continue
		}
		rank[col] = k.rank
		st := u.t.faint
		if k.rank > 1 {
			st = u.t.mark.with(bold)
		}
		u.c.text(x+col, y, 1, k.sign, st)
		labels[col] = ""
		if p.Kind == debugger.PinBookmark || p.Kind == debugger.PinCheckpoint && p.Label != "" {
			labels[col] = p.Label
		}
	}
	// Labels where there is nothing else.
	var cols []int
	for col := range labels {
		cols = append(cols, col)
	}
	sort.Ints(cols)
	for i, col := range cols {
		room := u.w.columns - col - 1
		if i+1 < len(cols) {
			room = cols[i+1] - col - 1
		}
		if l := labels[col]; l != "" && room >= min(4, width(l)) {
			u.c.text(x+col+1, y, room, l, u.t.mark)
		}
	}
}

// drawLanes draws as many lanes as fit up to a row, and returns the next row.
func (u *ruler) drawLanes(x, y, until, now int) int {
	lanes := u.visible(until - y)
	for _, l := range lanes {
		i := u.order(l.thread)
		st := u.t.lanes[i%len(u.t.lanes)]
		u.name(y, u.laneName(l), st)
		part := u.s.active(l.thread, u.w.from, u.w.to, u.w.columns)
		a, b := u.w.column(l.from), u.w.column(l.to)
		for col := max(0, a); col < u.w.columns && col <= b; col++ {
			g := u.t.glyph("·", ".")
			switch p := part[col]; {
			case p > 0.5:
				g = u.t.glyph("━", "=")
			case p > 0:
				g = u.t.glyph("─", "-")
			}
			s := st
			if col > now {
				s = u.t.future
			}
			u.c.text(x+col, y, 1, g, s)
		}
		for _, p := range u.s.signals {
			if col := u.w.column(p.time); p.thread == l.thread && col >= 0 && col < u.w.columns {
				u.c.text(x+col, y, 1, "!", u.t.signal)
			}
		}
		y++
	}
	if hidden := len(u.s.lanes) - len(lanes); hidden > 0 && len(lanes) > 0 {
		more := fmt.Sprintf(" %d more ", hidden)
		u.c.text(x+u.w.columns-width(more), y-1, width(more), more, u.t.faint)
	}
	return y
}

// visible chooses the lanes to draw: the one of the present always, then those
// that are in the window, in order.
func (u *ruler) visible(room int) []lane {
	if room <= 0 {
		return nil
	}
	here := 0
	for _, th := range u.look.Threads {
		if th.Current {
			here = th.ID
		}
	}
	var in []lane
	for _, l := range u.s.lanes {
		if l.to >= u.w.from && l.from <= u.w.to || l.thread == here {
			in = append(in, l)
		}
	}
	if len(in) <= room {
		return in
	}
	out := in[:room:room]
	for _, l := range in[room:] {
		if l.thread == here {
			out[room-1] = l
		}
	}
	return out
}

// order is a thread's place in the order of appearance.
func (u *ruler) order(thread int) int {
	for i, l := range u.s.lanes {
		if l.thread == thread {
			return i
		}
	}
	return 0
}

func (u *ruler) laneName(l lane) string {
	name := u.names[l.thread]
	if name == "" {
		name = strconv.Itoa(l.thread)
	}
	return name
}

func (u *ruler) drawOutput(x, y, now int) {
	u.name(y, "output", u.t.faint)
	count := make([]int, u.w.columns)
	from := sort.Search(len(u.s.output), func(i int) bool { return u.s.output[i].time >= u.w.from })
	for _, o := range u.s.output[from:] {
		col := u.w.column(o.time)
		if col >= u.w.columns {
			break
		}
		count[col]++
	}
	for col, n := range count {
		if n == 0 {
			continue
		}
		g := u.t.glyph("•", "*")
		if n > 9 {
			g = u.t.glyph("●", "#")
		}
		st := u.t.output
		if col > now {
			st = u.t.future
		}
		u.c.text(x+col, y, 1, g, st)
	}
}

// drawMarks draws the chosen expression: a sparkline where it is a number, a line
// where it is something else, and marks where it changed.
func (u *ruler) drawMarks(x, y, now int) {
	u.name(y, u.marks.expr, u.t.changed)
	if u.marks.err != "" {
		u.c.text(x, y, u.w.columns, u.marks.err, u.t.failed)
		return
	}
	lo, hi := u.marks.bounds(u.w)
	steps := []rune("▁▂▃▄▅▆▇█")
	if u.t.ascii {
		steps = []rune("_.-=^")
	}
	for col, c := range u.marks.columns(u.w) {
		if !c.known {
			continue
		}
		g, st := u.t.glyph("─", "-"), u.t.output
		if u.marks.numeric {
			k := 0
			if hi > lo {
				k = int((c.number - lo) / (hi - lo) * float64(len(steps)-1))
			}
			g = string(steps[k])
		}
		if c.changed && !u.marks.numeric {
			g = u.t.glyph("◆", "x")
		}
		switch {
		case c.changed:
			st = u.t.changed
		case col > now:
			st = u.t.future
		}
		u.c.text(x+col, y, 1, g, st)
	}
}

// signalName prints a signal's name.
func signalName(n int) string {
	if s := unix.SignalName(unix.Signal(n)); s != "" {
		return s
	}
	return fmt.Sprintf("signal %d", n)
}

// endText says how the program ended, in few words.
func endText(l *debugger.Look) string {
	switch {
	case l.Ended == nil:
		return ""
	case l.Ended.Signaled:
		return "killed by " + signalName(l.Ended.Code)
	}
	return fmt.Sprintf("exited with status %d", l.Ended.Code)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + strings.TrimSuffix(what, "s")
	}
	return fmt.Sprintf("%d %s", n, what)
}
