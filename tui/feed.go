package tui

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// feed is what came out of the program's terminal since it last ran live. The
// terminal has more than the log: the echo of what was typed, what child
// processes wrote. The log knows the events. Merged, both are told.
type feed struct {
	base   int // what the strip's output had before
	logged []chunk
	text   []byte
	merged bool
	stale  bool // the program has stopped since: the next run begins anew
}

const maxFeed = 1 << 20

// begin starts anew, when the program begins to run live.
func (f *feed) begin(output int) {
	if f.stale || f.text == nil && f.logged == nil {
		*f = feed{base: output}
	}
}

func (f *feed) add(text []byte) {
	f.text = append(f.text, text...)
	if n := len(f.text); n > maxFeed {
		f.text = append([]byte(nil), f.text[n-maxFeed/2:]...)
	}
}

// merge puts what the terminal gave into the places of what the log knows of it.
// What is not in the log goes with the output before it. Where the two do not
// agree, all of it goes with the last event.
func merge(logged []chunk, text []byte) []chunk {
	if len(text) == 0 || len(logged) == 0 {
		return logged
	}
	var out []chunk
	extra := func(at chunk, text []byte) {
		if len(text) > 0 {
			out = append(out, chunk{at.time, at.event, text})
		}
	}
	rest := text
	before := logged[0]
	for _, c := range logged {
		// The terminal makes two characters of a line's end, unless it is raw.
		i, n := find2(rest, bytes.ReplaceAll(c.text, []byte("\n"), []byte("\r\n")), c.text)
		if i < 0 {
			last := logged[len(logged)-1]
			return []chunk{{last.time, last.event, text}}
		}
		extra(before, rest[:i])
		out = append(out, chunk{c.time, c.event, rest[i : i+n]})
		rest, before = rest[i+n:], c
	}
	extra(before, rest)
	return out
}

// find2 finds the first of two texts that is there.
func find2(in, a, b []byte) (at, n int) {
	if i := bytes.Index(in, a); i >= 0 {
		return i, len(a)
	}
	return bytes.Index(in, b), len(b)
}

// fed merges the feed into the strip.
func (m *Model) fed() {
	f := &m.feed
	if len(f.logged) == 0 || len(f.text) == 0 || f.base > len(m.strip.output) {
		return
	}
	m.strip.output = append(m.strip.output[:f.base:f.base], merge(f.logged, f.text)...)
	f.merged = true
}

// typist writes keys to the program, in their order.
type typist struct {
	mu      sync.Mutex
	pending []byte
	busy    bool
}

// write returns at once. What a program that does not read has no room for is
// dropped, as a terminal does.
func (t *typist) write(f *os.File, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = append(t.pending, b...)
	if t.busy {
		return
	}
	t.busy = true
	go func() {
		for {
			t.mu.Lock()
			b := t.pending
			t.pending = nil
			if len(b) == 0 {
				t.busy = false
				t.mu.Unlock()
				return
			}
			t.mu.Unlock()
			f.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			f.Write(b)
		}
	}()
}
