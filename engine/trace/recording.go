package trace

// A recording is a directory:
//
//	meta          what was recorded, JSON (meta.go)
//	events/       the event log (log.go)
//	files.tab     mapped files (files.go); files/ID is a captured one
//	sums          fingerprints (fingerprint.go)
//	lock          locked while the recording is written or open
//	images/       process images, of package image
//
// It is made complete under a hidden name and then renamed, so that a directory
// with a meta file is a recording. The recorder holds an exclusive flock on
// lock, readers a shared one; reading what is being recorded needs none.
//
// Threads: Log and Files say for themselves; the other methods may be called
// from any goroutine.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	eventsDir = "events"
	sumsName  = "sums"
	lockName  = "lock"
	imagesDir = "images"
)

// Recording is an open recording: one that is being made, or one from disk.
type Recording struct {
	Log   *Log
	Files *Files

	root *os.Root
	lock *os.File

	mu   sync.Mutex
	dir  string
	meta *Meta
	sums *streamWriter // nil when opened
}

// create makes the content of a new recording in dir, which must be empty.
func create(dir string, m *Meta) (_ *Recording, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	r := &Recording{root: root, dir: dir, meta: m}
	defer func() {
		if err != nil {
			r.release()
		}
	}()
	if r.lock, err = root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	if err = unix.Flock(int(r.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("flock %s: %w", r.lock.Name(), err)
	}
	if r.Log, err = CreateLog(filepath.Join(dir, eventsDir)); err != nil {
		return nil, err
	}
	if r.Files, err = createFiles(dir, root); err != nil {
		return nil, err
	}
	if r.sums, err = createStream(root, sumsName, sumsMagic); err != nil {
		return nil, err
	}
	if err = writeMeta(root, m); err != nil {
		return nil, err
	}
	return r, nil
}

// OpenRecording opens the recording in directory dir for reading. When it was
// cut short it opens up to its last good frame, see Truncated. Errors about its
// bytes satisfy IsBadInput.
func OpenRecording(dir string) (*Recording, error) {
	r, err := openRecording(dir)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return r, nil
}

func openRecording(dir string) (_ *Recording, err error) {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return nil, &FormatError{Path: dir, What: "not a directory", Err: ErrNotRecording}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	r := &Recording{root: root, dir: dir}
	defer func() {
		if err != nil {
			r.release()
		}
	}()
	if r.meta, err = readMeta(root, filepath.Join(dir, metaName)); err != nil {
		return nil, err
	}
	// The lock only tells rm that the recording is in use; one that cannot be
	// had, on a read-only disk or while recording, is no reason to stop.
	if f, err := openRegular(root, lockName, filepath.Join(dir, lockName)); err == nil {
		r.lock = f
		unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	}
	if st, err := root.Lstat(eventsDir); err != nil || !st.IsDir() {
		return nil, &FormatError{Path: filepath.Join(dir, eventsDir), What: "no event log", Err: ErrNotRecording}
	}
	if r.Log, err = OpenLog(filepath.Join(dir, eventsDir)); err != nil {
		return nil, err
	}
	if r.Files, err = openFiles(dir, root); err != nil {
		return nil, err
	}
	return r, nil
}

// release frees what a half-made recording holds.
func (r *Recording) release() {
	if r.Log != nil {
		r.Log.Close()
	}
	if r.Files != nil {
		r.Files.close()
	}
	if r.sums != nil {
		r.sums.f.Close()
	}
	if r.lock != nil {
		r.lock.Close()
	}
	r.root.Close()
}

// Dir returns the recording's directory, under its present name.
func (r *Recording) Dir() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dir
}

// ImagesDir returns the directory of the recording's process images. It need not
// exist; package image makes it.
func (r *Recording) ImagesDir() string { return filepath.Join(r.Dir(), imagesDir) }

// Meta returns a copy of the description. Its lists and maps are shared.
func (r *Recording) Meta() Meta {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.meta
}

// UpdateMeta changes the description, in the file too. change gets a copy
// whose lists and maps are shared: it replaces them rather than changing them.
func (r *Recording) UpdateMeta(change func(*Meta)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := *r.meta
	change(&m)
	if err := writeMeta(r.root, &m); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	r.meta = &m
	return nil
}

// Claim makes sure that nobody else uses the recording, which was opened to be
// read, until it is closed. Its error wraps ErrInUse when somebody does.
func (r *Recording) Claim() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := error(unix.EBADF)
	if r.lock != nil {
		err = unix.Flock(int(r.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("recording %s: %w", r.dir, err)
	}
	return nil
}

// Truncated lists what the recording lost; it is empty when nothing was.
func (r *Recording) Truncated() []*Truncated {
	var out []*Truncated
	for _, t := range []*Truncated{r.Log.Truncated(), r.Files.Truncated()} {
		if t != nil {
			out = append(out, t)
		}
	}
	return out
}

// AddFingerprint stores f. Fingerprints may come in any order.
func (r *Recording) AddFingerprint(f Fingerprint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sums == nil {
		return fmt.Errorf("fingerprint: %w", ErrClosed)
	}
	if err := r.sums.add(f.append(nil)); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	return nil
}

// Fingerprints returns the stored fingerprints of events that the log has,
// ordered by event, and what was cut off their file, if anything.
func (r *Recording) Fingerprints() ([]Fingerprint, *Truncated, error) {
	var out []Fingerprint
	n := r.Log.Len()
	cut, err := readStream(r.root, sumsName, filepath.Join(r.Dir(), sumsName), sumsMagic, func(b []byte) error {
		f, err := parseFingerprint(b)
		if err == nil && f.Event < n {
			out = append(out, f)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("fingerprints: %w", err)
	}
	slices.SortStableFunc(out, func(a, b Fingerprint) int { return int(min(max(a.Event-b.Event, -1), 1)) })
	return out, cut, nil
}

// Close ends the recording: what is still in memory is written, hashes of mapped
// files are waited for. A recording that was only opened is released.
func (r *Recording) Close() error {
	errs := []error{r.Log.Close(), r.Files.close()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sums != nil {
		errs = append(errs, r.sums.close())
		r.sums = nil
	}
	if r.lock != nil {
		r.lock.Close()
		r.lock = nil
	}
	r.root.Close()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// IsRecording reports whether dir is, or was before it was damaged, a
// recording: it has a description that says so, or an event log.
func IsRecording(dir string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	if hasPrefix(root, filepath.Join(eventsDir, segmentName(0)), segmentMagic) {
		return true
	}
	_, err = readMeta(root, metaName)
	return err == nil || errors.Is(err, ErrNewer)
}

func hasPrefix(root *os.Root, name, magic string) bool {
	f, err := openRegular(root, name, name)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, len(magic))
	_, err = f.ReadAt(b, 0)
	return err == nil && string(b) == magic
}

// inUse reports whether a process records, or with readers reads, the recording
// in dir.
func inUse(dir string, readers bool) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	how := unix.LOCK_SH
	if readers {
		how = unix.LOCK_EX
	}
	return errors.Is(unix.Flock(int(f.Fd()), how|unix.LOCK_NB), unix.EWOULDBLOCK)
}
