package debugger

import "time"

// history is the list of stops that undo and redo walk. It is pure but for
// releasing the marks that it drops.
type history struct {
	stops []visit
	cur   int // index of the present stop; -1 when there is none
}

// visit is a place the program was stopped at, and the command that led there.
type visit struct {
	mark    Mark
	command string
	what    string // where it was, for people
	event   int64
	time    time.Duration // about when it was, since the recording began
}

// maxVisits bounds the list: each visit may keep a checkpoint alive.
const maxVisits = 200

func newHistory() history { return history{cur: -1} }

// add makes v the present stop. What had been undone is forgotten.
func (h *history) add(v visit) {
	for _, old := range h.stops[h.cur+1:] {
		old.mark.Release()
	}
	h.stops = append(h.stops[:h.cur+1], v)
	if len(h.stops) > maxVisits {
		h.stops[0].mark.Release()
		h.stops = append(h.stops[:0], h.stops[1:]...)
	}
	h.cur = len(h.stops) - 1
}

// look returns the index n stops away (negative: back) and whether the list
// reaches that far.
func (h *history) look(n int) (int, bool) {
	i := h.cur + n
	return i, i >= 0 && i < len(h.stops)
}

// clear releases everything.
func (h *history) clear() {
	for _, v := range h.stops {
		v.mark.Release()
	}
	*h = newHistory()
}
