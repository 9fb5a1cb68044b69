package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"yore/engine/image"
	"yore/engine/internal/replay"
	"yore/engine/internal/snapshot"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Divergence says that a replay did something other than what was recorded.
type Divergence = replay.Divergence

// disk is a recording on disk as replay needs it. Its methods belong to the
// tracing thread.
type disk struct {
	breaks   map[int64]*tracee.Copy // what before has found, by event
	rec      *trace.Recording
	dir      string // of the images
	images   []image.Entry
	contents snapshot.Contents
	env      *replay.Env
	log      *history
	confined bool  // Options.Confined
	first    int64 // the event that history begins with, after which images[0] was taken
}

// history is a log, or the part of it that can be replayed.
type history struct {
	*trace.Log
	limit int64 // events, when not 0
}

// Len returns the number of events.
func (h *history) Len() int64 {
	if h.limit > 0 {
		return h.limit
	}
	return h.Log.Len()
}

// cut reports whether the log's end is not that of history.
func (h *history) cut() bool { return h.limit > 0 }

// errNoStart says that a recording lacks the image that everything begins with.
var errNoStart = errors.New("the recording was cut before its first image: nothing of it can be replayed")

// openDisk opens the recording in dir. The caller closes it.
func openDisk(dir string) (*disk, error) {
	rec, err := trace.OpenRecording(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{rec: rec, dir: filepath.Join(dir, imagesDir), breaks: map[int64]*tracee.Copy{}}
	d.contents.Open = rec.Files.Open
	d.log = &history{Log: rec.Log}
	d.env = &replay.Env{Log: d.log, FilePath: d.filePath, Stubs: &replay.Stubs{}, Restore: d.after, Before: d.before}
	list, err := image.List(d.dir)
	if err != nil {
		d.close()
		return nil, err
	}
	for _, e := range list {
		// What is ahead of the log was taken just before the recorder died.
		if e.Err == nil && e.Event < rec.Log.Len() {
			d.images = append(d.images, e)
		}
	}
	d.first = rec.Meta().First
	if len(d.images) == 0 || d.images[0].Event != d.first || !startImage(&d.images[0]) {
		d.close()
		return nil, &trace.FormatError{Path: d.dir, What: "first image", Err: errNoStart}
	}
	// An event that only an image can cross is logged just before its image.
	last, err := rec.Log.At(rec.Log.Len() - 1)
	if err != nil {
		d.close()
		return nil, err
	}
	if replay.NeedsRestore(last) && !d.crosses(rec.Log.Len()-1) {
		d.log.limit = rec.Log.Len() - 1
	}
	return d, nil
}

// crosses reports whether there is an image of the state after event i.
func (d *disk) crosses(i int64) bool {
	return slices.ContainsFunc(d.images, func(e image.Entry) bool { return e.Event == i && startImage(&e) })
}

// pin keeps the replay on the CPU that the program was recorded on.
func (d *disk) pin() {
	m := d.rec.Meta()
	pinThread(m.Machine.Ran)
}

func (d *disk) close() {
	d.contents.Close()
	d.rec.Close()
}

// kill ends the processes that before has made. It belongs to the thread that
// traces.
func (d *disk) kill() {
	for _, c := range d.breaks {
		c.Kill()
	}
	clear(d.breaks)
}

// filePath is replay.Env.FilePath.
func (d *disk) filePath(id uint32) (string, error) {
	f, err := d.contents.File(id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
}

// restore makes a process of image e.
func (d *disk) restore(e image.Entry) (*tracee.Copy, *snapshot.Info, error) {
	im, err := image.Open(d.dir, e.ID)
	if err != nil {
		return nil, nil, err
	}
	defer im.Close()
	c, in, err := snapshot.Restore(im, &d.contents, d.confined)
	if err != nil {
		return nil, nil, err
	}
	return c, in, nil
}

// info reads what image e says of the program beside its memory.
func (d *disk) info(e image.Entry) (*snapshot.Info, error) {
	im, err := image.Open(d.dir, e.ID)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	return snapshot.InfoOf(im)
}

// before is replay.Env.Before: the state just before event i, from the last image of
// its slice.
func (d *disk) before(i int64) (*tracee.Copy, error) {
	if c := d.breaks[i]; c != nil {
		return c, nil
	}
	for _, e := range slices.Backward(d.images) {
		if e.Event != i-1 {
			continue
		}
		c, _, err := d.restore(e)
		if err != nil {
			return nil, err
		}
		d.breaks[i] = c
		return c, nil
	}
	return nil, fmt.Errorf("no image of the state before event %d", i)
}

// after is replay.Env.Restore: the state just after event i.
func (d *disk) after(i int64) (*tracee.Copy, error) {
	for _, e := range d.images {
		if e.Event == i && startImage(&e) {
			c, _, err := d.restore(e)
			return c, err
		}
	}
	return nil, fmt.Errorf("no image of the state after event %d", i)
}

// Verified is what Verify found.
type Verified struct {
	Events      int64
	Checkpoints int // states that were compared, the end's among them
	// Cut lists what the recording lost when its recorder died or its files were
	// damaged: only what is left was verified.
	Cut []string
}

// Verify replays the recording in dir from its beginning to its end and compares
// the program's state with every fingerprint. A difference is a *Divergence.
// progress, when not nil, is told the event that replay has come to. confined is
// Options.Confined.
func Verify(ctx context.Context, dir string, confined bool, progress func(event, events int64)) (v Verified, err error) {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- verify(ctx, dir, confined, progress, &v)
	}()
	err = <-done
	return v, err
}

func verify(ctx context.Context, dir string, confined bool, progress func(event, events int64), v *Verified) error {
	d, err := openDisk(dir)
	if err != nil {
		return err
	}
	defer d.close()
	defer d.kill()
	d.confined = confined
	d.pin()
	return d.blame(d.verify(ctx, progress, v))
}

// verify is Verify with a recording that is open and a thread that is pinned.
func (d *disk) verify(ctx context.Context, progress func(event, events int64), v *Verified) error {
	sums, _, err := d.rec.Fingerprints()
	if err != nil {
		return err
	}
	v.Events = d.log.Len()
	for _, t := range d.rec.Truncated() {
		v.Cut = append(v.Cut, t.String())
	}
	c, in, err := d.restore(d.images[0])
	if err != nil {
		return err
	}
	r, err := d.begin(c, in)
	if err != nil {
		c.Kill()
		return err
	}
	defer func() { r.Kill() }()
	if err := d.compareStart(c); err != nil {
		return err
	}
	checker := snapshot.Checker{Sums: snapshot.Sums{Contents: &d.contents}}
	var last *tracee.Copy
	defer func() {
		if last != nil {
			last.Kill()
		}
	}()
	limits := in.Limits
	for _, want := range sums {
		if want.Event >= v.Events {
			break
		}
		if want.Event < d.first {
			continue
		}
		from := r.Next
		if err := advance(ctx, r, want.Event+1, v.Events, progress); err != nil {
			return err
		}
		if limits, err = d.limits(limits, from, want.Event); err != nil {
			return err
		}
		f, err := r.Copy.Fork()
		if err != nil {
			return err
		}
		got, err := checker.Fingerprint(f, want.Event, limits)
		if last != nil {
			last.Kill()
		}
		last = f
		if err != nil {
			return err
		}
		if err := d.compare(&want, &got, f); err != nil {
			return err
		}
		v.Checkpoints++
	}
	return advance(ctx, r, v.Events, v.Events, progress)
}

// begin returns a replay from the start of history, of which c is a copy.
func (d *disk) begin(c *tracee.Copy, in *snapshot.Info) (*replay.Runner, error) {
	stubs, err := replay.Decode(in.Stubs)
	if err != nil {
		return nil, err
	}
	d.env.Stubs.Add(stubs)
	return replay.New(c, d.env, d.first+1), nil
}

// blame returns err or, when that is a divergence of a recording whose images are
// damaged, what is wrong with those: their pages are mapped without being looked at.
func (d *disk) blame(err error) error {
	var diverged *Divergence
	if !errors.As(err, &diverged) {
		return err
	}
	for _, e := range d.images {
		if e.Event > diverged.Event {
			break
		}
		im, ierr := image.Open(d.dir, e.ID)
		if ierr == nil {
			ierr = im.Verify()
			im.Close()
		}
		if image.IsBadInput(ierr) {
			return ierr
		}
	}
	return err
}

// limits returns the words that are no part of the state after event to, when had
// are those before event from: the limits of counting stubs. An image has them, or
// the events that installed the stubs.
func (d *disk) limits(had []uint64, from, to int64) ([]uint64, error) {
	for _, e := range slices.Backward(d.images) {
		if e.Event > to || e.Event < from || e.Event == to && !startImage(&e) {
			continue
		}
		in, err := d.info(e)
		if err != nil {
			return nil, err
		}
		had, from = in.Limits, e.Event+1
		break
	}
	var failed error
	err := d.log.Scan(from, to+1, trace.Filter{Kinds: []trace.Kind{trace.Stubs}}, func(_ int64, e *trace.Event) bool {
		if e.Kind != trace.Stubs {
			return true
		}
		stubs, err := replay.Decode(e.Info)
		for _, s := range stubs {
			had = append(slices.Clip(had), s.Limit)
		}
		failed = err
		return err == nil
	})
	return had, errors.Join(failed, err)
}

// advance replays up to event to, in pieces between which progress is told.
func advance(ctx context.Context, r *replay.Runner, to, events int64, progress func(event, events int64)) error {
	const piece = 5000
	for r.Next < to {
		if err := r.Advance(ctx, min(to, r.Next+piece)); err != nil {
			return err
		}
		if progress != nil {
			progress(r.Next, events)
		}
	}
	return nil
}

// compareStart holds the first event against the first image.
func (d *disk) compareStart(c *tracee.Copy) error {
	e, err := d.env.Log.At(0)
	if err != nil {
		return err
	}
	if e.Kind == trace.Cut && e.Regs == nil {
		return nil // a part of a recording begins with what was left out
	}
	x := c.Regs()
	diff := replay.Differing(e.Regs, x)
	if diff == "" && (e.Kind != trace.Start || e.NR != -1 || int(e.TID) != c.Active || e.PC != x.Rip || e.SP != x.Rsp) {
		diff = fmt.Sprintf("thread %d at %#x", c.Active, x.Rip)
	}
	if diff != "" {
		return &Divergence{Event: 0, Thread: c.Active, PC: x.Rip, What: "start", Want: "as in the first image", Got: diff}
	}
	return nil
}

// compare holds a replay's fingerprint against the recorded one.
func (d *disk) compare(want, got *trace.Fingerprint, c *tracee.Copy) error {
	diverged := func(what, w, g string) error {
		return &Divergence{Event: want.Event, Thread: c.Active, PC: c.Regs().Rip, What: what, Want: w, Got: g}
	}
	switch {
	case want.Threads != got.Threads:
		return diverged("number of threads", fmt.Sprint(want.Threads), fmt.Sprint(got.Threads))
	case want.Regs != got.Regs:
		w, g := d.registersOf(want.Event, c)
		return diverged("registers", w, g)
	case want.Memory != got.Memory || want.Pages != got.Pages:
		w, g := d.memoryOf(want.Event, c)
		if w == "" {
			w, g = fmt.Sprintf("%d pages with sum %016x", want.Pages, want.Memory), fmt.Sprintf("%d with %016x", got.Pages, got.Memory)
		}
		return diverged("memory", w, g)
	}
	return nil
}

// recorded opens the image of the state after event i.
func (d *disk) recorded(i int64) (*image.Image, *snapshot.Info) {
	for _, e := range d.images {
		if e.Event != i || !startImage(&e) {
			continue
		}
		im, err := image.Open(d.dir, e.ID)
		if err != nil {
			return nil, nil
		}
		if in, err := snapshot.InfoOf(im); err == nil {
			return im, in
		}
		im.Close()
	}
	return nil, nil
}

// registersOf says which registers of which thread differ.
func (d *disk) registersOf(event int64, c *tracee.Copy) (want, got string) {
	im, _ := d.recorded(event)
	if im == nil {
		return "other registers", "these"
	}
	defer im.Close()
	for i := range im.Threads {
		t := &im.Threads[i]
		regs, err := c.ThreadRegs(int(t.TID))
		if err != nil {
			return fmt.Sprintf("a thread %d", t.TID), "none"
		}
		if diff := replay.Differing(&t.Regs, &regs); diff != "" {
			return fmt.Sprintf("thread %d's", t.TID), diff
		}
		x, _ := c.ThreadXState(int(t.TID))
		if at := tracee.DifferingXState(t.XState, x); at >= 0 {
			return fmt.Sprintf("thread %d's extended state", t.TID), fmt.Sprintf("another at byte %d", at)
		}
	}
	return "other registers", "these"
}

// memoryOf finds the first byte of memory that differs from what was recorded.
func (d *disk) memoryOf(event int64, c *tracee.Copy) (want, got string) {
	im, in := d.recorded(event)
	if im == nil {
		return "", ""
	}
	defer im.Close()
	addr, w, g, found, err := snapshot.FirstDifference(im, in, c, &d.contents)
	if err != nil || !found {
		return "", ""
	}
	where := ""
	if r := im.Region(addr); r != nil && r.Name != "" {
		where = " in " + r.Name
	}
	return fmt.Sprintf("%#02x at %#x%s", w, addr, where), fmt.Sprintf("%#02x", g)
}
