package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"yore/engine/image"
	"yore/engine/internal/replay"
	"yore/engine/internal/snapshot"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// Sessions on recordings. There is no frontier: history ends where the recording
// does, and images serve as checkpoints. An image becomes a process when the
// session goes near it (bring); the processes are ordinary checkpoints then.

// Open opens the recording in directory dir. The session stands at its end when
// Open returns. Errors about the recording's bytes satisfy trace.IsBadInput; a
// missing or changed file of the program is a *trace.FileError.
func Open(ctx context.Context, dir string, opts Options) (*Session, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, err
	}
	d.confined = opts.Confined
	s := newSession(opts)
	s.disk, s.log, s.env = d, d.log, d.env
	m := d.rec.Meta()
	s.began = m.Began
	s.facts = &diskFacts{s: s, meta: &m}
	go s.trace()
	if err := s.do(ctx, func() error { return s.open(ctx) }); err != nil {
		s.Close()
		return nil, fmt.Errorf("open recording %s: %w", dir, err)
	}
	return s, nil
}

// Copy returns a path by which the recording's own copy of a file that the program
// mapped can be opened, as long as the session is open; ok is false when the
// recording has none.
func (s *Session) Copy(path string) (at string, ok bool) {
	if s.disk == nil {
		return "", false
	}
	for id := uint32(1); ; id++ {
		f, ok := s.disk.rec.Files.Get(id)
		if !ok {
			return "", false
		}
		if string(f.Path) == path && f.Captured {
			at, err := s.disk.filePath(id)
			return at, err == nil
		}
	}
}

// Cut returns what a recording lost when its recorder died or its files were
// damaged, nil when it is whole.
func (s *Session) Cut() []string {
	if s.disk == nil {
		return nil
	}
	var out []string
	for _, t := range s.disk.rec.Truncated() {
		out = append(out, t.String())
	}
	return out
}

// Meta returns a recording's description, nil of a live session.
func (s *Session) Meta() *trace.Meta {
	if s.disk == nil {
		return nil
	}
	m := s.disk.rec.Meta()
	return &m
}

// first is the event that history begins with.
func (s *Session) first() int64 {
	if s.disk == nil {
		return 0
	}
	return s.disk.first
}

func (s *Session) open(ctx context.Context) error {
	d := s.disk
	d.pin()
	// Stubs that were installed by the last image; later ones come by replay.
	last := d.images[len(d.images)-1]
	in, err := d.info(last)
	if err != nil {
		return err
	}
	stubs, err := replay.Decode(in.Stubs)
	if err != nil {
		return err
	}
	d.env.Stubs.Add(stubs)
	if _, err := s.materialise(d.images[0]); err != nil {
		return err
	}
	if err := s.bringEnd(last); err != nil {
		return err
	}
	return s.toEnd(ctx)
}

// bringEnd makes a checkpoint of the end of a recording that ends inside a slice:
// its last image.
func (s *Session) bringEnd(last image.Entry) error {
	if id := s.disk.rec.Meta().EndImage; id == 0 || id != uint32(last.ID) || last.Event != s.log.Len()-1 || startImage(&last) {
		return nil
	}
	c, err := s.materialise(last)
	if err != nil {
		return err
	}
	c.users++
	s.diskEnd = c
	return nil
}

// toEnd moves the present to the end of a recording.
func (s *Session) toEnd(ctx context.Context) error {
	end := s.log.Len() - 1
	if c := s.diskEnd; c != nil {
		r, err := c.r.Fork()
		if err != nil {
			return err
		}
		s.moved(place{event: end, thread: r.Active, base: c, known: true, r: r})
		return nil
	}
	c, err := s.sliceStart(ctx, end)
	if err != nil {
		return err
	}
	r, err := c.r.Fork()
	if err != nil {
		return err
	}
	s.moved(place{event: end, thread: r.Active, base: c, known: true, r: r})
	return nil
}

// startImage reports whether an image is of the start of a slice.
func startImage(e *image.Entry) bool { return e.Position != "" }

// materialise makes a checkpoint of an image.
func (s *Session) materialise(e image.Entry) (*checkpoint, error) {
	copy, _, err := s.disk.restore(e)
	if err != nil {
		return nil, err
	}
	c := &checkpoint{r: replay.New(copy, s.env, e.Event+1), event: e.Event, start: startImage(&e),
		time: time.Duration(e.Time), image: e.ID}
	// Points inside a slice that are images are in the order of their numbers.
	var after *checkpoint
	for _, x := range s.cps {
		if x.event < c.event || x.event == c.event && !c.start && (x.start || x.image != 0 && x.image < c.image) {
			after = x
		}
	}
	return s.add(c, after), nil
}

// bring makes a checkpoint of the latest image that a search may start from, if
// it is later than what there is: with before nil the latest at or before the
// start of slice event, otherwise the latest before that checkpoint.
func (s *Session) bring(event int64, before *checkpoint) error {
	if s.disk == nil {
		return nil
	}
	var have *checkpoint
	if before != nil {
		if i := s.index(before); i > 0 {
			have = s.cps[i-1]
		}
		event = before.event
	} else {
		have = s.floor(event)
	}
	for _, e := range slices.Backward(s.disk.images) {
		switch {
		case e.Event > event:
			continue
		case e.Event == event && before == nil && !startImage(&e):
			continue
		case e.Event == event && before != nil && !s.imageBefore(&e, before):
			continue
		}
		if have != nil && !laterThan(&e, have) {
			return nil
		}
		_, err := s.materialise(e)
		return err
	}
	return nil
}

// imageBefore reports whether an image of c's slice is known to be before c.
func (s *Session) imageBefore(e *image.Entry, c *checkpoint) bool {
	if c.start {
		return false
	}
	return startImage(e) || c.image != 0 && e.ID < c.image
}

// laterThan reports whether an image is known to be later than c.
func laterThan(e *image.Entry, c *checkpoint) bool {
	switch {
	case e.Event != c.event:
		return e.Event > c.event
	case c.start:
		return !startImage(e)
	}
	return c.image != 0 && e.ID > c.image
}

// diskFacts are the facts of a recorded program. What changes with time is taken
// from the image nearest to the present.
type diskFacts struct {
	s     *Session
	meta  *trace.Meta
	cache map[image.ID]*imageFacts
}

type imageFacts struct {
	exe      string
	auxv     []byte
	patched  map[uint64][]byte
	names    map[int]string
	original []uint64 // addresses of patched, in order
}

func (f *diskFacts) PID() int { return int(f.meta.PID) }

func (f *diskFacts) Ended() *timeline.Ending {
	e := f.meta.Ended
	switch {
	case e == nil, f.s.log.cut():
		return nil
	case e.Signal != 0:
		return &timeline.Ending{Signaled: true, Code: e.Signal}
	case e.How == "exit", e.How == "timeout":
		return &timeline.Ending{Code: e.Status}
	}
	return nil
}

// of returns an image's facts; one that cannot be read has none.
func (f *diskFacts) of(e image.Entry) *imageFacts {
	if x := f.cache[e.ID]; x != nil {
		return x
	}
	x := &imageFacts{}
	if im, err := image.Open(f.s.disk.dir, e.ID); err == nil {
		x.exe, x.auxv = im.Exe, im.Auxv
		x.names = map[int]string{}
		for i := range im.Threads {
			x.names[int(im.Threads[i].TID)] = im.Threads[i].Name
		}
		if in, err := snapshot.InfoOf(im); err == nil {
			x.patched = in.Originals()
		}
		im.Close()
	}
	for a := range x.patched {
		x.original = append(x.original, a)
	}
	slices.Sort(x.original)
	if f.cache == nil {
		f.cache = map[image.ID]*imageFacts{}
	}
	f.cache[e.ID] = x
	return x
}

// near returns the facts of the latest image that is not after the present, and
// those of the next one if that is of the same program.
func (f *diskFacts) near() (at, next *imageFacts) {
	images := f.s.disk.images
	i, _ := slices.BinarySearchFunc(images, f.s.here.event+1, func(e image.Entry, ev int64) int { return cmp(e.Event, ev) })
	at = f.of(images[max(i-1, 0)])
	if i < len(images) {
		if next = f.of(images[i]); !bytes.Equal(next.auxv, at.auxv) {
			next = nil
		}
	}
	return at, next
}

var trapped = []byte{0x0f, 0x0b} // what patched instructions begin with

func (f *diskFacts) Hide(addr uint64, b []byte) {
	f.s.env.Stubs.Hide(addr, b)
	at, next := f.near()
	for _, x := range []*imageFacts{at, next} {
		if x == nil {
			continue
		}
		const longest = 16
		i, _ := slices.BinarySearch(x.original, addr-min(addr, longest))
		for ; i < len(x.original) && x.original[i] < addr+uint64(len(b)); i++ {
			a := x.original[i]
			// A patch that has not been made yet is not hidden.
			now := b[min(max(a, addr)-addr, uint64(len(b))):]
			if a >= addr && len(now) >= len(trapped) && !bytes.HasPrefix(now, trapped) {
				continue
			}
			overlay(addr, b, a, x.patched[a])
		}
	}
}

func (f *diskFacts) Original(addr uint64) []byte {
	at, next := f.near()
	if b := at.patched[addr]; b != nil || next == nil {
		return b
	}
	return next.patched[addr]
}

func (f *diskFacts) Auxv() []byte {
	at, _ := f.near()
	return at.auxv
}

func (f *diskFacts) ExecFile() string {
	if at, _ := f.near(); at.exe != "" {
		return at.exe
	}
	return string(f.meta.Program)
}

func (f *diskFacts) ThreadName(tid int) string {
	at, next := f.near()
	if n := at.names[tid]; n != "" || next == nil {
		return n
	}
	return next.names[tid]
}

// overlay copies what of data, which belongs at at, falls into p, read at addr.
func overlay(addr uint64, p []byte, at uint64, data []byte) {
	lo, hi := max(addr, at), min(addr+uint64(len(p)), at+uint64(len(data)))
	if lo < hi {
		copy(p[lo-addr:hi-addr], data[lo-at:hi-at])
	}
}
