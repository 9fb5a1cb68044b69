package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync/atomic"

	"yore/engine"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// Target is an engine session as gdbserver.Target that remembers how it moves.
type Target struct {
	*engine.Session
	// OnLive, when set, is told when the program begins and ceases to run at the
	// frontier.
	OnLive func(bool)

	live  atomic.Bool
	moves atomic.Int64
	last  atomic.Pointer[timeline.Stop]
	limit atomic.Pointer[context.Context]
}

var (
	_ gdbserver.Target    = (*Target)(nil)
	_ gdbserver.Restarter = (*Target)(nil)
)

// Resume is part of gdbserver.Target.
func (t *Target) Resume(ctx context.Context, r gdbserver.Resume) (timeline.Stop, error) {
	if r.Dir == timeline.Forward && t.AtFrontier() {
		t.setLive(true)
		defer t.setLive(false)
	}
	if l := t.limit.Load(); l != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(*l, cancel)()
	}
	stop, err := t.Session.Resume(ctx, r)
	if err == nil {
		t.last.Store(&stop)
		t.moves.Add(1)
	}
	return stop, err
}

// Auxv is part of gdbserver.Target. The vdso, which the engine takes away from the
// program, is not in it: gdb would look for it.
func (t *Target) Auxv() []byte {
	const ignore, sysinfoEHDR = 1, 33 // AT_IGNORE, AT_SYSINFO_EHDR of linux/auxvec.h
	b := bytes.Clone(t.Session.Auxv())
	for i := 0; i+16 <= len(b); i += 16 {
		if binary.LittleEndian.Uint64(b[i:]) == sysinfoEHDR {
			binary.LittleEndian.PutUint64(b[i:], ignore)
		}
	}
	return b
}

// Restart goes back to the start of history: what gdb's `run` means here.
func (t *Target) Restart(ctx context.Context) error {
	stop, err := t.SeekPosition(ctx, timeline.Start)
	if err == nil {
		t.last.Store(&stop)
		t.moves.Add(1)
	}
	return err
}

// Live reports whether the program runs at the frontier just now. It may be
// called from any goroutine and answers at once.
func (t *Target) Live() bool { return t.live.Load() }

// Moves counts the resumes so far. LastStop is where the latest ended, nil
// before the first.
func (t *Target) Moves() int64             { return t.moves.Load() }
func (t *Target) LastStop() *timeline.Stop { return t.last.Load() }

// Limit has every resume end when ctx does, until the function that it returns
// is called.
func (t *Target) Limit(ctx context.Context) (release func()) {
	was := t.limit.Swap(&ctx)
	return func() { t.limit.Store(was) }
}

func (t *Target) setLive(on bool) {
	t.live.Store(on)
	if t.OnLive != nil {
		t.OnLive(on)
	}
}
