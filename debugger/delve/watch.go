package delve

// Going back to the latest change of an expression by hardware. What an evaluation
// reads of memory is noted; when that is no more than four words, they are watched,
// and the program goes back from one write to the next until the value differs.
// An evaluation that reads other memory in the past (a pointer pointed elsewhere)
// is noted anew at each stop: between two stops nothing of what it reads changes.

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"

	"yore/debugger"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// watchTime bounds the attempt: it is much longer than such a search takes,
// unless what is watched is written often without changing the value.
const watchTime = 20 * time.Second

// Watch is part of debugger.Backend.
func (b *Backend) Watch(ctx context.Context, expr string) (out debugger.Outcome, ok bool, err error) {
	err = b.do(ctx, func() error {
		e := b.bound
		if e == nil || e.text != expr {
			e = &expression{text: expr}
			if err := b.bind(e); err != nil {
				return nil // the debugger has said so
			}
		}
		out, ok, err = b.watchBack(ctx, e)
		return err
	})
	return out, ok, err
}

func (b *Backend) watchBack(ctx context.Context, e *expression) (out debugger.Outcome, ok bool, err error) {
	limited, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	b.p.begin(limited)
	now, words := b.footprint(e)
	if words == nil {
		return out, false, nil
	}
	for {
		var stop timeline.Stop
		o, err := b.motion(proc.Backward, func() (err error) {
			stop, err = b.resumeWatching(words)
			if err == nil {
				err = b.look()
			}
			return err
		})
		o.Moved = o.Moved || out.Moved
		out = o
		switch {
		case ctx.Err() != nil:
			return out, false, ctx.Err()
		case limited.Err() != nil || errors.Is(err, context.DeadlineExceeded):
			return out, false, nil
		case err != nil:
			return out, false, nil // too many words, or not to be watched
		case stop.Reason == timeline.HistoryBegin:
			out.Edge = true
			return out, true, nil
		case stop.Reason != timeline.Watchpoint:
			return out, false, nil
		}
		value, next := b.footprint(e)
		if next == nil || value != now {
			return out, true, nil
		}
		words = next
	}
}

// resumeWatching goes back to the latest write of watched memory.
func (b *Backend) resumeWatching(words []gdbserver.Watchpoint) (stop timeline.Stop, err error) {
	for i, w := range words {
		if err = b.prog.InsertWatchpoint(w); err != nil {
			words = words[:i]
			break
		}
	}
	defer func() {
		for _, w := range words {
			if rerr := b.prog.RemoveWatchpoint(w); err == nil {
				err = rerr
			}
		}
	}()
	if err != nil {
		return stop, err
	}
	return b.p.resume(gdbserver.Resume{Dir: timeline.Backward})
}

// mostWatched is the number of debug registers.
const mostWatched = 4

// footprint evaluates an expression and returns its value and the memory that it
// was read from; nil when that is nothing, or more than can be watched.
func (b *Backend) footprint(e *expression) (value string, words []gdbserver.Watchpoint) {
	scope, err := b.scopeOf(e)
	if err != nil {
		return "", nil
	}
	// Delve would read the whole frame at once.
	scope.Mem = b.p
	b.p.mem.reads = map[uint64]int{}
	defer func() { b.p.mem.reads = nil }()
	v, err := scope.EvalExpression(e.full, exact)
	if err != nil || v.Unreadable != nil || v.Flags&proc.VariableCPURegister != 0 {
		return "", nil
	}
	value = api.ConvertVar(v).SinglelineString()
	for addr := range b.p.mem.reads {
		if b.p.bi.PCToFunc(addr) != nil { // code, which Delve decodes on the way
			delete(b.p.mem.reads, addr)
		}
	}
	words = aligned(b.p.mem.reads)
	if len(words) == 0 || len(words) > mostWatched {
		return value, nil
	}
	return value, words
}

// aligned covers ranges of memory by aligned words of at most 8 bytes.
func aligned(reads map[uint64]int) []gdbserver.Watchpoint {
	seen := map[uint64][2]uint64{} // aligned address → the part of the word that counts
	for addr, n := range reads {
		for lo, hi := addr, addr+uint64(n); lo < hi; {
			word := lo &^ 7
			end := min(hi, word+8)
			part, ok := seen[word]
			if !ok {
				part = [2]uint64{lo, end}
			}
			seen[word] = [2]uint64{min(part[0], lo), max(part[1], end)}
			if lo = end; len(seen) > mostWatched {
				return make([]gdbserver.Watchpoint, mostWatched+1)
			}
		}
	}
	var out []gdbserver.Watchpoint
	for _, part := range seen {
		lo, n := part[0], part[1]-part[0]
		for _, size := range []uint64{1, 2, 4, 8} { // the smallest aligned piece that holds it
			if start := lo &^ (size - 1); start+size >= lo+n {
				out = append(out, gdbserver.Watchpoint{Kind: timeline.WatchWrite, Addr: start, Len: int(size)})
				break
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Addr < out[j].Addr })
	return out
}
