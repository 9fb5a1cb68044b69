package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/image"
	"yore/engine/internal/record"
	"yore/engine/internal/replay"
	"yore/engine/internal/snapshot"
	"yore/engine/trace"
)

// imagesDir is the directory of images in a recording.
const imagesDir = "images"

const (
	imageSpacing  = time.Second
	imageShare    = 40 // an image may cost 1/40 of the time to the next
	imageFraction = 50 // and is at least 1/50 of the running time behind the last
	leaveFree     = 1 << 30
	touchCost     = 2 * time.Microsecond // of a page that is written after a fork
)

var errNotNow = errors.New("the program cannot be copied now")

// imager takes images of a program that is being recorded. due, take and close
// belong to the tracing thread; a goroutine of its own writes.
//
// A frozen copy lives until the next one has been forked and its own image is
// written: the one is needed to tell what changes, the other to read it.
type imager struct {
	rec   *record.Recorder
	to    *trace.Recording
	saver snapshot.Saver
	every time.Duration
	disk  int64

	spacing time.Duration
	last    time.Time
	shots   []*shot // the oldest first; the last is the newest copy
	queue   chan *shot
	written sync.WaitGroup

	mu      sync.Mutex
	idle    sync.Cond // waiting became 0
	waiting int
	n       int
	err     error
}

type shot struct {
	*snapshot.Shot
	start bool
	done  bool // written
}

func newImager(to *trace.Recording, every time.Duration, disk int64) (*imager, error) {
	dir := filepath.Join(to.Dir(), imagesDir)
	store, err := image.OpenStore(dir)
	if err != nil {
		return nil, err
	}
	m := &imager{to: to, every: every, disk: disk, queue: make(chan *shot, 1024),
		saver: snapshot.Saver{Store: store, Dir: dir}}
	m.idle.L = &m.mu
	m.saver.Sums.Contents = &snapshot.Contents{Open: to.Files.Open}
	m.spacing = every
	if every == 0 {
		m.spacing = imageSpacing / 4
	}
	m.written.Add(1)
	go m.write()
	return m, nil
}

// due takes an image when it is time to and the last one has been written.
func (m *imager) due(began time.Time) error {
	now := time.Now()
	if now.Sub(m.last) < m.spacing {
		return nil
	}
	m.mu.Lock()
	busy, err := m.waiting > 0, m.err
	m.mu.Unlock()
	if busy || err != nil || m.full() {
		m.last = now
		return nil // an image that cannot be written is no reason to stop
	}
	if err := m.take(began, false); !errors.Is(err, errNotNow) {
		return err
	}
	return nil
}

// full reports whether images have taken their share of the disk.
func (m *imager) full() bool {
	if m.disk > 0 {
		return m.saver.Store.Usage().Pages*image.PageSize > m.disk
	}
	var st unix.Statfs_t
	return unix.Statfs(m.saver.Dir, &st) == nil && int64(st.Bavail)*st.Bsize < leaveFree
}

// take takes an image of the program as it is now. With needed a recording
// without it could not be replayed: it returns when the image has been written,
// or could not be.
func (m *imager) take(began time.Time, needed bool) error {
	if m.rec.Current() == nil {
		return errNotNow
	}
	t0 := time.Now()
	event, start := m.to.Log.Len()-1, m.rec.Boundary()
	c, err := m.rec.Freeze()
	if err != nil {
		return fmt.Errorf("%w: %v", errNotNow, err)
	}
	st := snapshot.State{Point: snapshot.Point{Event: event, Start: start, Time: int64(m.rec.Elapsed())}, PID: m.rec.PID()}
	if err := m.describe(&st); err != nil {
		c.Kill()
		return err
	}
	sh, err := m.saver.Take(c, st)
	if err != nil {
		c.Kill()
		return err
	}
	m.bury()
	s := &shot{Shot: sh, start: start}
	m.shots = append(m.shots, s)
	m.mu.Lock()
	m.waiting++
	m.mu.Unlock()
	m.queue <- s
	now := time.Now()
	cost := now.Sub(t0) + touchCost*time.Duration(max(sh.Changed, 0))
	m.last = now
	if m.every == 0 { // otherwise it was asked for
		m.spacing = max(imageSpacing, cost*imageShare, now.Sub(began)/imageFraction)
	}
	if !needed {
		return nil
	}
	return m.wait()
}

// describe fills in what is known of the program beside its memory.
func (m *imager) describe(st *snapshot.State) error {
	pid := st.PID
	st.Exe, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	st.Cwd, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	st.Auxv, _ = os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	st.Info.SetPatched(m.rec.Patched())
	st.Info.Stubs = replay.Encode(m.rec.Stubs().List())
	st.Info.Limits = m.rec.LimitWords()
	st.Info.StackLimit = m.rec.StackLimit()
	st.Pieces = m.rec.Layout().Pieces()
	st.Fresh = m.rec.Layout().TakeFresh()
	var err error
	st.Shared, err = m.rec.SharedMemory()
	return err
}

// bury ends copies that are of no use any more: those written, but for the
// newest.
func (m *imager) bury() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.shots) > 1 && m.shots[0].done {
		m.shots[0].Copy.Kill()
		m.shots = m.shots[1:]
	}
}

// wait returns when everything taken has been written.
func (m *imager) wait() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.waiting > 0 {
		m.idle.Wait()
	}
	return m.err
}

// write is the writing goroutine.
func (m *imager) write() {
	defer m.written.Done()
	for s := range m.queue {
		m.mu.Lock()
		err := m.err
		m.mu.Unlock()
		if err == nil {
			var fp trace.Fingerprint
			if _, fp, err = m.saver.Write(s.Shot); err == nil && s.start {
				err = m.to.AddFingerprint(fp)
			}
		}
		m.mu.Lock()
		s.done = true
		if m.waiting--; m.waiting == 0 {
			m.idle.Broadcast()
		}
		if err == nil {
			m.n++
		}
		m.err = err
		m.mu.Unlock()
	}
}

// close waits for what is under way and ends all copies. It returns the number
// of images written.
func (m *imager) close() (int, error) {
	close(m.queue)
	m.written.Wait()
	for _, s := range m.shots {
		s.Copy.Kill()
	}
	m.saver.Close()
	err := m.saver.Store.Close()
	if m.err != nil {
		err = m.err
	}
	return m.n, err
}
