package trace

// Files that the program mapped. Their content is part of the program's state, so
// a recording keeps each by reference (path, size, time, inode, hash of the
// content) or holds a copy of it, files/ID. The table is a side stream of JSON
// records; a later record of an id replaces an earlier one.
//
// Hashing goes on in the background, a piece at a time; Close waits for it.
// Threads: all methods may be called from any goroutine.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const (
	filesName  = "files.tab"
	filesMagic = "yorefile"
	filesDir   = "files"

	maxFiles = 1 << 20
	// hashOpen is how many files are held open to be hashed; others in the queue
	// are opened again by their names.
	hashOpen = 64

	// Files up to wholeHash bytes are hashed whole, of larger ones the ends and a
	// page in each MiB: their size and time tell more than reading them would.
	wholeHash  = 1 << 30
	sampleEnds = 16 << 20
	sampleStep = 1 << 20
	samplePage = 4096
)

// File is one file of a recording.
type File struct {
	ID      uint32 `json:"id"`
	Path    Str    `json:"path"` // as the program named it, absolute
	Size    int64  `json:"size"`
	MtimeNS int64  `json:"mtime_ns"`
	Dev     uint64 `json:"dev"`
	Ino     uint64 `json:"ino"`
	// Hash is HashContent of the content when it was recorded, "" when unknown.
	Hash string `json:"hash,omitempty"`
	// Captured: the recording holds the content.
	Captured bool `json:"captured,omitempty"`
}

// same reports whether f and g name the same state of the same file.
func (f *File) same(g *File) bool {
	return f.Path == g.Path && f.Size == g.Size && f.MtimeNS == g.MtimeNS && f.Dev == g.Dev && f.Ino == g.Ino
}

// StatFile describes an open file, to be added under path.
func StatFile(path string, f *os.File) (File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return File{}, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	return File{
		Path: Str(path), Size: st.Size, MtimeNS: st.Mtim.Nano(),
		Dev: st.Dev, Ino: st.Ino,
	}, nil
}

// FileError says that a file kept by reference is not what it was.
type FileError struct {
	Path string
	Why  string // "is missing", "has changed"…
	Err  error
}

func (e *FileError) Error() string {
	s := fmt.Sprintf("%s %s since it was recorded", e.Path, e.Why)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *FileError) Unwrap() error { return e.Err }

// Files is the table of a recording's files.
type Files struct {
	root *os.Root

	mu    sync.Mutex
	dir   string        // for messages
	w     *streamWriter // nil in an opened recording
	list  []File        // by ID-1
	same  map[fileKey]uint32
	cut   *Truncated
	err   error // of a failed background write
	queue []hashJob
	open  int           // jobs in queue that hold their file open
	stop  bool          // no more jobs
	wake  sync.Cond     // queue or stop changed
	done  chan struct{} // closed when the queue is done; nil in an opened recording
}

type fileKey struct {
	path            Str
	dev, ino        uint64
	size, mtimeNano int64
}

func (f *File) key() fileKey { return fileKey{f.Path, f.Dev, f.Ino, f.Size, f.MtimeNS} }

type hashJob struct {
	id uint32
	f  *os.File // nil: to be opened
}

func createFiles(dir string, root *os.Root) (*Files, error) {
	w, err := createStream(root, filesName, filesMagic)
	if err != nil {
		return nil, err
	}
	if err := root.Mkdir(filesDir, 0o700); err != nil {
		w.f.Close()
		return nil, err
	}
	t := &Files{dir: dir, root: root, w: w, same: map[fileKey]uint32{}, done: make(chan struct{})}
	t.wake.L = &t.mu
	go t.hash()
	return t, nil
}

func openFiles(dir string, root *os.Root) (*Files, error) {
	t := &Files{dir: dir, root: root}
	var err error
	t.cut, err = readStream(root, filesName, filepath.Join(dir, filesName), filesMagic, func(b []byte) error {
		var f File
		if err := json.Unmarshal(b, &f); err != nil {
			return err
		}
		switch {
		case f.ID >= 1 && int(f.ID) <= len(t.list):
			t.list[f.ID-1] = f
		case int(f.ID) == len(t.list)+1 && f.ID <= maxFiles:
			t.list = append(t.list, f)
		default:
			return fmt.Errorf("file %d after file %d", f.ID, len(t.list))
		}
		if f.Size < 0 {
			return fmt.Errorf("file %d of size %d", f.ID, f.Size)
		}
		return nil
	})
	return t, err
}

// Add enters f, whose ID is ignored, and returns its id, that of an earlier
// entry if nothing has changed since. With content not nil, which f must describe
// as StatFile does, the table takes the open file over, hashes it in the background and closes it; the offset is not
// used.
func (t *Files) Add(f File, content *os.File) (uint32, error) {
	id, keep, err := t.add(f, content)
	if content != nil && !keep {
		content.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("file %s: %w", f.Path, err)
	}
	return id, nil
}

func (t *Files) add(f File, content *os.File) (id uint32, keep bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.same[f.key()]; ok {
		return id, false, nil
	}
	switch {
	case t.w == nil:
		return 0, false, ErrClosed
	case len(t.list) == maxFiles:
		return 0, false, fmt.Errorf("more than %d files", maxFiles)
	}
	f.ID = uint32(len(t.list) + 1)
	if err := t.put(f); err != nil {
		return 0, false, err
	}
	t.list = append(t.list, f)
	t.same[f.key()] = f.ID
	if content == nil || f.Hash != "" || t.stop {
		return f.ID, false, nil
	}
	j := hashJob{id: f.ID}
	if t.open < hashOpen {
		j.f = content
		t.open++
	}
	t.queue = append(t.queue, j)
	t.wake.Signal()
	return f.ID, j.f != nil, nil
}

// put writes a record. mu is held.
func (t *Files) put(f File) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return t.w.add(b)
}

// update changes the entry of id.
func (t *Files) update(id uint32, change func(*File)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == 0 || int(id) > len(t.list) {
		return fmt.Errorf("no file %d", id)
	}
	if t.w == nil {
		return ErrClosed
	}
	f := t.list[id-1]
	change(&f)
	if err := t.put(f); err != nil {
		return err
	}
	t.list[id-1] = f
	return nil
}

// hash is the background goroutine. After stop it does what is queued.
func (t *Files) hash() {
	defer close(t.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case len(t.queue) > 0:
			j := t.queue[0]
			t.queue = t.queue[1:]
			f := t.list[j.id-1]
			if j.f != nil {
				t.open--
			}
			t.mu.Unlock()
			err := t.hashOne(f, j.f)
			t.mu.Lock()
			if err != nil {
				t.err = err
			}
		case t.stop:
			return
		default:
			t.wake.Wait()
		}
	}
}

// hashOne hashes the content of f and enters the hash. A file that is not any
// more what it was stays without one.
func (t *Files) hashOne(f File, content *os.File) error {
	if content == nil {
		var err error
		if content, err = os.OpenFile(string(f.Path), os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			return nil
		}
	}
	defer content.Close()
	if now, err := StatFile(string(f.Path), content); err != nil || !now.same(&f) {
		return nil
	}
	h, err := HashContent(content, f.Size)
	if err != nil {
		return nil
	}
	if now, err := StatFile(string(f.Path), content); err != nil || !now.same(&f) {
		return nil // it changed meanwhile
	}
	return t.update(f.ID, func(f *File) {
		if !f.Captured { // else Hash is the copy's
			f.Hash = h
		}
	})
}

// Capture copies content, from its present offset to its end, into the
// recording as the content of file id.
func (t *Files) Capture(id uint32, content io.Reader) error {
	if err := t.capture(id, content); err != nil {
		return fmt.Errorf("capture file %d: %w", id, err)
	}
	return nil
}

func (t *Files) capture(id uint32, content io.Reader) error {
	name := fileName(id)
	w, err := t.root.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	var hash string
	n, err := io.Copy(w, content)
	if err == nil {
		hash, err = HashContent(w, n)
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = t.root.Rename(name+".new", name)
	}
	if err != nil {
		t.root.Remove(name + ".new")
		return err
	}
	return t.update(id, func(f *File) {
		delete(t.same, f.key()) // its content may be another when it is added again
		f.Captured, f.Size, f.Hash = true, n, hash
	})
}

func fileName(id uint32) string { return filepath.Join(filesDir, strconv.FormatUint(uint64(id), 10)) }

// Len returns the number of files; ids go from 1 to Len.
func (t *Files) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.list)
}

// Get returns the entry of a file.
func (t *Files) Get(id uint32) (File, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == 0 || int(id) > len(t.list) {
		return File{}, false
	}
	return t.list[id-1], true
}

// moved tells the table that the recording was renamed.
func (t *Files) moved(dir string) {
	t.mu.Lock()
	t.dir = dir
	t.mu.Unlock()
}

func (t *Files) path(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return filepath.Join(t.dir, name)
}

// Truncated returns what the table of an opened recording lost.
func (t *Files) Truncated() *Truncated { return t.cut }

// Open opens a file's recorded content: the captured copy, or the file itself
// when it still has the recorded content. It returns *FileError when it has not.
func (t *Files) Open(id uint32) (*os.File, error) {
	f, ok := t.Get(id)
	if !ok {
		return nil, &FormatError{Path: t.path(filesName), What: fmt.Sprintf("no file %d", id)}
	}
	if f.Captured {
		return t.openCaptured(f)
	}
	// O_NONBLOCK: whatever has taken the file's place must not stop us.
	r, err := os.OpenFile(string(f.Path), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &FileError{Path: string(f.Path), Why: "has gone"}
	}
	if err != nil {
		return nil, &FileError{Path: string(f.Path), Why: "has become unreadable", Err: err}
	}
	if err := f.check(r); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (t *Files) openCaptured(f File) (*os.File, error) {
	path := t.path(fileName(f.ID))
	r, err := openRegular(t.root, fileName(f.ID), path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &FormatError{Path: path, What: "captured file is missing"}
	}
	if err != nil {
		return nil, err
	}
	st, err := r.Stat()
	if err == nil && st.Size() != f.Size {
		err = &FormatError{Path: path, Offset: min(st.Size(), f.Size),
			What: fmt.Sprintf("captured file has %d bytes instead of %d", st.Size(), f.Size)}
	}
	if err == nil && f.Hash != "" {
		h, e := HashContent(r, f.Size)
		if err = e; err == nil && h != f.Hash {
			err = &FormatError{Path: path, What: "captured file fails its checksum"}
		}
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// check compares an open file with the entry: the same inode unchanged in size
// and time will do, otherwise the content decides.
func (f *File) check(r *os.File) error {
	st, err := r.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() != f.Size {
		return &FileError{Path: string(f.Path), Why: "has changed"}
	}
	now, err := StatFile(string(f.Path), r)
	if err != nil {
		return err
	}
	if now.same(f) {
		return nil
	}
	if f.Hash == "" {
		return &FileError{Path: string(f.Path), Why: "may have changed"}
	}
	h, err := HashContent(r, f.Size)
	if err != nil {
		return &FileError{Path: string(f.Path), Why: "has become unreadable", Err: err}
	}
	if h != f.Hash {
		return &FileError{Path: string(f.Path), Why: "has changed"}
	}
	return nil
}

// close waits for the background hashing. It may be called twice.
func (t *Files) close() error {
	t.mu.Lock()
	if t.done == nil || t.stop {
		t.mu.Unlock()
		return nil
	}
	t.stop = true
	t.wake.Signal()
	t.mu.Unlock()
	<-t.done
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.err
	if e := t.w.close(); err == nil {
		err = e
	}
	t.w = nil
	return err
}

// HashContent hashes the first size bytes of r without holding more than a piece
// of them: "xxh64:…" over all, "xxh64s:…" over samples of what is larger than
// 1 GiB. Fewer bytes than size are an error.
func HashContent(r io.ReaderAt, size int64) (string, error) {
	h := xxhash.New()
	buf := make([]byte, 1<<20)
	part := func(off, n int64) error {
		k, err := io.CopyBuffer(h, io.NewSectionReader(r, off, n), buf)
		if err == nil && k != n {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if size <= wholeHash {
		if err := part(0, size); err != nil {
			return "", err
		}
		return fmt.Sprintf("xxh64:%016x", h.Sum64()), nil
	}
	if err := part(0, sampleEnds); err != nil {
		return "", err
	}
	for off := int64(sampleEnds); off < size-sampleEnds; off += sampleStep {
		if err := part(off, min(samplePage, size-sampleEnds-off)); err != nil {
			return "", err
		}
	}
	if err := part(size-sampleEnds, sampleEnds); err != nil {
		return "", err
	}
	return fmt.Sprintf("xxh64s:%016x", h.Sum64()), nil
}
