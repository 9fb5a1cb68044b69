package trace

// The event log: append-only, on disk, indexed by event number.
//
// Appended events are encoded at once into the open frame, in memory. The frame
// is closed when it is large or old enough and goes to the writer goroutine,
// which compresses and writes it; the queue is short, so that a slow disk slows
// Append down instead of filling memory. At reads from the open frame, the queue,
// a cache of frames bounded in bytes, or the files. What the log keeps in memory
// does not grow with the number of events but for 24 bytes per segment.
//
// Loss: a killed recorder loses the open frame (events younger than FlushEvery)
// and the queue (normally empty). Flush writes both; Sync also asks the disk.
// After a failed write (a full disk) Append returns that error for good, the
// events appended so far stay readable through At, and the files end with the
// last frame that fitted.
//
// Threads: one goroutine appends (Append, Flush, Sync, Finish, Close); any
// goroutine may call At, Len and Scan meanwhile. mu guards all mutable fields
// and is never held across a system call.

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// A frame is closed at the first of these.
	frameBytes = 256 << 10
	frameCount = 4096
	// FlushEvery is the age at which an event leaves memory for the file.
	FlushEvery = 100 * time.Millisecond

	maxPending = 4        // closed frames that wait for the writer, and their
	maxWaiting = 8 << 20  // bytes, which a single large one may exceed
	cacheBytes = 32 << 20 // decoded frames
	cacheSegs  = 8        // segments whose frame tables are kept
)

// Truncated says what a log lost when its recorder died or its files were cut.
type Truncated struct {
	Path   string // the file in which the readable part ends
	Offset int64  // and where
	Bytes  int64  // dropped from there on, in this and later files
	Why    string
}

func (t *Truncated) String() string {
	if t.Bytes == 0 {
		return fmt.Sprintf("%s: %s", t.Path, t.Why)
	}
	return fmt.Sprintf("%s: %s at byte %d, %d bytes dropped", t.Path, t.Why, t.Offset, t.Bytes)
}

// segment is one file of the log and the index of its first event.
type segment struct {
	first int64
	num   int
}

// Log is an append-only sequence of events.
type Log struct {
	dir  atomic.Pointer[string] // for messages
	root *os.Root               // the directory, wherever it is moved
	dec  *zstd.Decoder

	recent atomic.Pointer[frame] // the closed frame that At used last

	mu       sync.Mutex
	changed  sync.Cond // pending, err or stopping changed
	len      int64
	durable  int64 // events in the files
	open     *frame
	size     int // a guess at the next frame's size
	pending  []*frame
	segs     []segment
	tables   []*segTable // most recently used last
	cache    frameCache
	err      error // of the writer; nothing is appended after it
	ended    bool  // Finish or OpenLog: no appending
	closed   bool
	stopping bool
	timer    *time.Timer
	trunc    *Truncated

	w    *segmentWriter // the writer goroutine's alone; nil in an opened log
	done chan struct{}  // closed when the writer goroutine has ended
}

// segTable is the list of a segment's frames.
type segTable struct {
	num    int
	live   bool // the writer appends to it: it is never dropped
	frames []frameInfo
}

// CreateLog begins a log in directory dir, which is made if need be and must
// not hold a log yet.
func CreateLog(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	l, err := newLog(dir)
	if err != nil {
		return nil, err
	}
	if l.w, err = newSegmentWriter(l.root); err != nil {
		l.root.Close()
		return nil, err
	}
	l.segs = []segment{{}}
	l.tables = []*segTable{{live: true}}
	l.open = newFrame(0, l.size)
	l.done = make(chan struct{})
	l.timer = time.AfterFunc(time.Hour, l.flushOld)
	l.timer.Stop()
	go l.write()
	return l, nil
}

func newLog(dir string) (*Log, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	l := &Log{root: root, size: 16 << 10}
	l.dir.Store(&dir)
	l.changed.L = &l.mu
	l.cache.limit = cacheBytes
	if l.dec, err = newDecoder(); err != nil {
		root.Close()
		return nil, fmt.Errorf("event log: %w", err)
	}
	return l, nil
}

// Truncated returns what an opened log lost, nil when it was closed properly
// and is whole.
func (l *Log) Truncated() *Truncated { return l.trunc }

// Dir returns the directory of the log's files.
func (l *Log) Dir() string { return *l.dir.Load() }

// moved tells the log that its directory was renamed.
func (l *Log) moved(dir string) { l.dir.Store(&dir) }

// Len returns the number of events.
func (l *Log) Len() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.len
}

// Append adds e and returns its index. The caller may reuse e and its slices.
func (l *Log) Append(e *Event) (int64, error) {
	size := sizeBound(e)
	if size > MaxEvent {
		return 0, fmt.Errorf("event log: event of %d bytes", size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, ErrClosed
	}
	// A frame that must be split holds one event, so one that would have to be
	// split begins a frame.
	if l.open.info.count > 0 && len(l.open.raw)+size > maxPart {
		l.cut(true)
	}
	if l.err != nil {
		return 0, l.err
	}
	i := l.len
	if l.open.info.count == 0 {
		l.timer.Reset(FlushEvery)
		if size > maxPart {
			l.open = newFrame(i, size) // at once, instead of by doubling
		}
	}
	l.open.add(e)
	l.len++
	if len(l.open.raw) >= frameBytes || l.open.info.count >= frameCount {
		l.cut(true)
	}
	return i, nil
}

// cut closes the open frame and queues it. When the queue is full it waits, or
// without wait leaves the frame open. After a write error it does nothing. mu
// is held, but given up while waiting.
func (l *Log) cut(wait bool) {
	for wait && l.queueFull() && l.err == nil {
		l.changed.Wait()
	}
	if l.open.info.count == 0 || l.err != nil || l.queueFull() {
		return
	}
	f := l.open
	l.pending = append(l.pending, f)
	// The next frame will be about as large as this one.
	l.size = min(max(len(f.raw)+len(f.raw)/8, 4<<10), frameBytes+frameBytes/8)
	l.open = newFrame(l.len, l.size)
	l.changed.Broadcast()
}

func (l *Log) queueFull() bool {
	n := 0
	for _, f := range l.pending {
		n += len(f.raw)
	}
	return len(l.pending) >= maxPending || n >= maxWaiting
}

// flushOld runs FlushEvery after the open frame's first event came.
func (l *Log) flushOld() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.cut(false)
	if l.open.info.count > 0 && l.err == nil {
		l.timer.Reset(FlushEvery)
	}
}

// write is the writer goroutine.
func (l *Log) write() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil {
		if len(l.pending) == 0 {
			if l.stopping {
				return
			}
			l.changed.Wait()
			continue
		}
		f := l.pending[0]
		l.mu.Unlock()
		infos, err := l.w.write(f)
		l.mu.Lock()
		if err == nil {
			l.pending = slices.Delete(l.pending, 0, 1)
			t := l.table(l.segs[len(l.segs)-1].num)
			t.frames = append(t.frames, infos...)
			l.cache.put(f)
			l.durable = f.info.end()
			if l.w.full() {
				next := l.durable
				l.mu.Unlock()
				err = l.w.roll(next)
				l.mu.Lock()
				if err == nil {
					l.segs = append(l.segs, segment{next, l.w.num})
					l.addTable(segTable{num: l.w.num, live: true})
				}
			}
		}
		l.err = err
		l.changed.Broadcast()
	}
}

// Flush returns when every appended event is in the files (though not
// necessarily on the disk: it survives yore's death, not the machine's).
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return nil
	}
	l.cut(true)
	for l.durable < l.len && l.err == nil {
		l.changed.Wait()
	}
	return l.err
}

// Sync is Flush, and returns when the newest segment is on the disk.
func (l *Log) Sync() error {
	if err := l.Flush(); err != nil || l.w == nil {
		return err
	}
	f, err := l.root.Open(segmentName(l.lastSegment()))
	if err == nil {
		err = f.Sync()
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	return nil
}

func (l *Log) lastSegment() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segs[len(l.segs)-1].num
}

// Finish flushes the log and marks it complete: nothing can be appended any
// more, At goes on working. It is idempotent.
func (l *Log) Finish() error {
	err := l.Flush()
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return nil
	}
	l.ended, l.stopping = true, true
	l.timer.Stop()
	l.changed.Broadcast()
	l.mu.Unlock()
	<-l.done
	if err == nil {
		err = l.err // of a segment begun after the last write
	}
	if err == nil {
		err = l.w.end(l.len, true)
	}
	if e := l.w.close(); err == nil {
		err = e
	}
	return err
}

// Close finishes the log if that was not done and releases it.
func (l *Log) Close() error {
	err := l.Finish()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.recent.Store(nil)
	l.cache = frameCache{}
	l.root.Close()
	return err
}

// sizeBound is an upper bound of e's encoded size.
func sizeBound(e *Event) int {
	n := 1024 + len(e.XState) + len(e.Info) + len(e.Out) + 64*len(e.Maps) + 32*len(e.Writes)
	for i := range e.Writes {
		n += len(e.Writes[i].Data)
	}
	return n
}
