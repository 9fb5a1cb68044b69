package trace

// Reading a log: opening one from disk, and finding the frame of an event in
// memory, in the cache or in the files. See log.go for the invariants.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// OpenLog opens the log in dir for reading. A log whose end is damaged or
// missing opens up to its last good frame; Truncated tells. The newest segment is
// checked whole; damage inside older ones is reported when it is read.
func OpenLog(dir string) (*Log, error) {
	l, err := newLog(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = &FormatError{Path: dir, What: "no event log", Err: ErrNotRecording}
		}
		return nil, err
	}
	if err := l.load(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// load finds the segments of an opened log.
func (l *Log) load() error {
	l.ended = true
	var files []int64 // sizes
	for {
		name := segmentName(len(files))
		st, err := l.root.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("event log: %w", err)
		}
		if !st.Mode().IsRegular() {
			return &FormatError{Path: l.path(len(files)), What: "not a regular file", Err: ErrNotRecording}
		}
		files = append(files, st.Size())
	}
	if len(files) == 0 {
		return &FormatError{Path: l.Dir(), What: "no event log", Err: ErrNotRecording}
	}
	for n := 0; n < len(files) && l.trunc == nil; n++ {
		if err := l.link(n, files); err != nil {
			return err
		}
	}
	l.durable = l.len
	return nil
}

// path names segment n in messages.
func (l *Log) path(n int) string { return filepath.Join(l.Dir(), segmentName(n)) }

// link adds segment n to an opened log. Only the last is scanned; of an earlier
// one the end frame must name the event with which the next one begins.
func (l *Log) link(n int, files []int64) error {
	path := l.path(n)
	dropped := int64(0)
	for _, size := range files[n+1:] {
		dropped += size
	}
	cut := func(off int64, why string) {
		l.trunc = &Truncated{Path: path, Offset: off, Bytes: files[n] - off + dropped, Why: why}
	}
	f, err := l.root.Open(segmentName(n))
	if err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	defer f.Close()
	var hdr [segmentHeader]byte
	k, err := f.ReadAt(hdr[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("event log: %w", err)
	}
	first, err := parseSegmentHeader(path, hdr[:k], n)
	if err == nil && first != l.len {
		err = &FormatError{Path: path, Offset: 16, What: "segment does not follow the one before"}
	}
	var bad *FormatError
	if errors.As(err, &bad) && n > 0 && !errors.Is(err, ErrNewer) {
		cut(0, bad.What)
		return nil
	}
	if err != nil {
		return err
	}
	if n+1 < len(files) && files[n] >= segmentHeader+headerSize {
		var tail [headerSize]byte
		if _, err := f.ReadAt(tail[:], files[n]-headerSize); err != nil {
			return fmt.Errorf("event log: %w", err)
		}
		if h, err := parseHeader(tail[:]); err == nil && h.typ == frameEnd && h.flags&flagClosed == 0 && h.first >= first {
			l.segs = append(l.segs, segment{first, n})
			l.len = h.first
			return nil
		}
	}
	s, err := scanSegment(f, files[n], first, true)
	if err != nil {
		return err
	}
	l.segs = append(l.segs, segment{first, n})
	l.addTable(segTable{num: n, frames: s.frames})
	l.len = s.next
	switch {
	case s.why != "":
		l.trunc = &Truncated{Path: path, Offset: s.at, Bytes: files[n] - s.good + dropped, Why: s.why}
	case !s.ended:
		cut(files[n], "the recorder ended without closing the log")
	case !s.closed:
		cut(files[n], "the next segment is missing")
	case dropped > 0:
		cut(files[n], "segments after the end")
	}
	return nil
}

// At returns event i. The event is shared and must not be changed; while it is
// referred to, so is the frame that it came in.
func (l *Log) At(i int64) (*Event, error) {
	e := new(Event)
	if err := l.Read(i, e); err != nil {
		return nil, err
	}
	return e, nil
}

// Read is At into an Event of the caller's, whose slices become shared.
func (l *Log) Read(i int64, e *Event) error {
	f := l.recent.Load()
	if f == nil || i < f.info.first || i >= f.info.end() {
		var err error
		if f, err = l.inMemory(i); err != nil {
			return err
		}
		if f == nil {
			if f, err = l.frame(i); err != nil {
				return err
			}
			l.recent.Store(f)
		}
	}
	return f.decode(i, e)
}

// inMemory returns the frame of event i when it is still in memory, nil when it
// is in the files. Of the open frame it is what the frame holds now.
func (l *Log) inMemory(i int64) (*frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if i < 0 || i >= l.len {
		return nil, fmt.Errorf("event log: no event %d (there are %d)", i, l.len)
	}
	if l.open != nil && i >= l.open.info.first {
		// Bytes once appended never change, even when the slices grow.
		return &frame{info: l.open.info, raw: l.open.raw, offs: l.open.offs}, nil
	}
	for _, f := range l.pending {
		if i < f.info.end() && i >= f.info.first {
			return f, nil
		}
	}
	return nil, nil
}

// frame returns the stored frame of event i, from the cache or the file.
func (l *Log) frame(i int64) (*frame, error) {
	seg, parts, err := l.locate(i)
	if err != nil {
		return nil, err
	}
	last := parts[len(parts)-1]
	l.mu.Lock()
	f := l.cache.get(last.first)
	l.mu.Unlock()
	if f != nil {
		return f, nil
	}
	file, err := l.root.Open(segmentName(seg.num))
	if err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	defer file.Close()
	f = &frame{info: last}
	var stored []byte
	for k := range parts {
		h := &parts[k]
		bad := func(err error) error {
			return &FormatError{Path: l.path(seg.num), Offset: h.off, What: "events cannot be read", Err: err}
		}
		stored = slices.Grow(stored[:0], int(h.stored))[:h.stored]
		if _, err := file.ReadAt(stored, h.off+headerSize); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, bad(fmt.Errorf("incomplete frame"))
			}
			return nil, fmt.Errorf("event log: %w", err)
		}
		if f.raw, err = openPayload(f.raw, h, stored, l.dec); err != nil {
			return nil, bad(err)
		}
		if len(f.raw) > MaxEvent {
			return nil, bad(fmt.Errorf("event of impossible size"))
		}
		if k == len(parts)-1 {
			if err := f.index(); err != nil {
				return nil, bad(err)
			}
		}
	}
	l.mu.Lock()
	l.cache.put(f)
	l.mu.Unlock()
	return f, nil
}

// locate finds the segment and the frame of event i, with the parts before it
// when it was split.
func (l *Log) locate(i int64) (segment, []frameInfo, error) {
	l.mu.Lock()
	k := sort.Search(len(l.segs), func(k int) bool { return l.segs[k].first > i }) - 1
	seg := l.segs[k]
	next := l.len
	if k+1 < len(l.segs) {
		next = l.segs[k+1].first
	}
	t := l.table(seg.num)
	if t == nil {
		l.mu.Unlock()
		nt, err := l.readTable(seg, next)
		if err != nil {
			return seg, nil, err
		}
		l.mu.Lock()
		if t = l.table(seg.num); t == nil {
			t = l.addTable(nt)
		}
	}
	defer l.mu.Unlock()
	hi := sort.Search(len(t.frames), func(k int) bool { return t.frames[k].end() > i })
	if hi == len(t.frames) {
		return seg, nil, &FormatError{Path: l.path(seg.num), Offset: 0, What: fmt.Sprintf("event %d is missing", i)}
	}
	lo := hi
	for lo > 0 && t.frames[lo-1].flags&flagMore != 0 {
		lo--
	}
	return seg, t.frames[lo : hi+1 : hi+1], nil
}

// readTable scans the headers of a finished segment, which must reach up to
// event next.
func (l *Log) readTable(seg segment, next int64) (segTable, error) {
	f, err := l.root.Open(segmentName(seg.num))
	if err != nil {
		return segTable{}, fmt.Errorf("event log: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return segTable{}, fmt.Errorf("event log: %w", err)
	}
	s, err := scanSegment(f, st.Size(), seg.first, false)
	if err != nil {
		return segTable{}, err
	}
	if s.why == "" && s.next != next {
		s.why = "segment does not reach the next one"
	}
	if s.why != "" {
		return segTable{}, &FormatError{Path: l.path(seg.num), Offset: s.at, What: s.why}
	}
	return segTable{num: seg.num, frames: s.frames}, nil
}

// table returns the frame table of segment num if it is in memory. mu is held.
func (l *Log) table(num int) *segTable {
	for k, t := range l.tables {
		if t.num == num {
			// Most recently used last.
			l.tables = append(append(l.tables[:k], l.tables[k+1:]...), t)
			return t
		}
	}
	return nil
}

// addTable keeps t, dropping the table that was not used for longest. mu is held.
func (l *Log) addTable(t segTable) *segTable {
	if t.live {
		for _, o := range l.tables {
			o.live = false
		}
	}
	if len(l.tables) >= cacheSegs {
		for k, o := range l.tables {
			if !o.live {
				l.tables = slices.Delete(l.tables, k, k+1)
				break
			}
		}
	}
	l.tables = append(l.tables, &t)
	return &t
}
