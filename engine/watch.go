package engine

import (
	"yore/engine/gdbserver"
	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// debugWords cuts watched ranges into aligned words for the debug registers.
func debugWords(ws []gdbserver.Watchpoint) []record.DebugWord {
	var out []record.DebugWord
	for _, w := range ws {
		for lo, hi := w.Addr, w.Addr+uint64(w.Len); lo < hi; {
			n := uint64(8)
			for lo%n != 0 || lo+n > hi {
				n /= 2
			}
			out = append(out, record.DebugWord{Addr: lo, Len: int(n), Reads: w.Kind != timeline.WatchWrite})
			lo += n
		}
	}
	return out
}

// watchValues reads all watched ranges.
func (s *Session) watchValues(sp *tracee.Space) [][]byte {
	var out [][]byte
	for _, w := range s.watches {
		out = append(out, value(sp, w))
	}
	return out
}

// changedWatch returns the first watchpoint whose value differs from before,
// or one that looks for reads.
func (s *Session) changedWatch(sp *tracee.Space, before [][]byte) *gdbserver.Watchpoint {
	for i := range s.watches {
		w := &s.watches[i]
		if i < len(before) && !sameValue(before[i], value(sp, *w)) {
			return w
		}
	}
	return nil
}

// afterEvent has the frontier stop when the kernel wrote into watched memory,
// which debug registers do not see.
func (s *Session) afterEvent(e *trace.Event) bool {
	for _, w := range s.watches {
		for _, m := range e.Writes {
			if m.Addr < w.Addr+uint64(w.Len) && w.Addr < m.Addr+uint64(len(m.Data)) {
				return true
			}
		}
	}
	return false
}
