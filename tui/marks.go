package tui

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// marks is what is known of a chosen expression along history: its value at
// points of it, one in each column of the windows looked at.
type marks struct {
	expr    string
	samples []debugger.Sample // in order
	numeric bool              // all values are numbers
	done    bool              // there is nothing left to look at in this window
	of      window            // the window that done is about
	err     string            // why there is nothing to look at
}

// maxSamples bounds what is kept.
const maxSamples = 4000

// number reads a value as a number: 7, 0x1f, -1.5e3, true, 97 'a'.
func number(s string) (float64, bool) {
	s, _, _ = strings.Cut(s, " ")
	switch s {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f, true
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64); err == nil && strings.HasPrefix(s, "0x") {
		return float64(n), true
	}
	return 0, false
}

// add takes a sample; one at a time that is known already replaces that.
func (m *marks) add(s debugger.Sample) {
	i, found := slices.BinarySearchFunc(m.samples, s.Time, func(x debugger.Sample, t time.Duration) int {
		return int(max(-1, min(1, x.Time-t)))
	})
	if found {
		m.samples[i] = s
	} else if len(m.samples) < maxSamples {
		m.samples = slices.Insert(m.samples, i, s)
	}
	m.numeric = true
	for _, s := range m.samples {
		if _, ok := number(s.Value); s.Known && !ok {
			m.numeric = false
		}
	}
}

// column is what one column shows.
type column struct {
	known   bool
	changed bool // the value is another than at the sample before
	number  float64
}

// columns are the window's columns.
func (m *marks) columns(w window) []column {
	out := make([]column, w.columns)
	var last *debugger.Sample
	for i := range m.samples {
		s := &m.samples[i]
		if !s.Known {
			continue
		}
		if col := w.column(s.Time); col >= 0 && col < w.columns {
			c := &out[col]
			c.known = true
			c.number, _ = number(s.Value)
			c.changed = c.changed || last != nil && last.Value != s.Value
		}
		last = s
	}
	return out
}

// bounds are the least and the greatest number in the window.
func (m *marks) bounds(w window) (lo, hi float64) {
	any := false
	for _, c := range m.columns(w) {
		if !c.known {
			continue
		}
		if !any {
			lo, hi, any = c.number, c.number, true
		}
		lo, hi = min(lo, c.number), max(hi, c.number)
	}
	return lo, hi
}

// missing are times at which to look, for columns of the window without a sample,
// so that the first few give a picture of all.
func (m *marks) missing(w window) []time.Duration {
	have := make([]bool, w.columns)
	for _, s := range m.samples {
		if col := w.column(s.Time); col >= 0 && col < w.columns {
			have[col] = true
		}
	}
	var out []time.Duration
	step := 1
	for step < w.columns {
		step *= 2
	}
	seen := make([]bool, w.columns)
	for ; step > 0; step /= 2 {
		for col := 0; col < w.columns; col += step {
			if !have[col] && !seen[col] {
				seen[col] = true
				out = append(out, w.middle(col))
			}
		}
	}
	return out
}

// sampleMsg brings one value, sampledMsg the end of looking.
type (
	sampleMsg struct {
		of     *marks
		sample debugger.Sample
	}
	sampledMsg struct {
		of   *marks
		win  window
		err  error
		look debugger.Look
	}
)

// sample is background work that looks at the chosen expression where that has not
// been done in the present window.
func (m *Model) sample() tea.Cmd {
	k := m.marks
	if k == nil || k.err != "" || !m.seen || k.done && k.of == m.win {
		return nil
	}
	for _, w := range m.queue {
		if w.what == sampleWork {
			return nil
		}
	}
	if m.running != nil && m.running.what == sampleWork && !m.running.given {
		return nil
	}
	times := k.missing(m.win)
	if len(times) == 0 {
		k.done, k.of = true, m.win
		return nil
	}
	d, win, send := m.dbg, m.win, m.bridge.send
	return m.ask(&work{what: sampleWork, back: true, run: func(ctx context.Context) tea.Msg {
		err := d.Samples(ctx, k.expr, times, time.Duration(win.per()/2), func(s debugger.Sample) {
			send(sampleMsg{k, s})
		})
		return sampledMsg{of: k, win: win, err: err}
	}})
}

const sampleWork = "plotting"

func (m *Model) sampled(s sampleMsg) {
	if s.of == m.marks {
		s.of.add(s.sample)
	}
}

func (m *Model) samplesDone(s sampledMsg) tea.Cmd {
	if s.of != m.marks {
		return nil
	}
	switch {
	case s.err == nil:
		s.of.done, s.of.of = true, s.win
	case errors.Is(s.err, context.Canceled), errors.Is(s.err, debugger.ErrInterrupted):
	default:
		s.of.err = oneLine(s.err.Error())
	}
	return m.sample()
}

// plot chooses the expression to draw along the timeline; "" ends that.
func (m *Model) plot(expr string) tea.Cmd {
	m.marks = nil
	if expr != "" {
		m.marks = &marks{expr: expr}
	}
	m.relayout()
	return m.sample()
}

func (m *Model) askPlot() tea.Cmd {
	preset := m.chosenExpr()
	if preset == "" && len(m.watches) > 0 {
		preset = m.watches[len(m.watches)-1]
	}
	m.askLine("draw along the timeline (empty: nothing):", preset, m.plot)
	return nil
}
