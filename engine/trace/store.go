package trace

// The store: a directory of recordings named PROG-N and a link `latest`. Hidden
// names are recordings in the making (.new-…), anonymous ones (.anon-…) and
// remains of removed ones (.old-…).

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Latest is the name of the newest recording.
	Latest = "latest"

	anonPrefix = ".anon-"
	newPrefix  = ".new-"
	oldPrefix  = ".old-"
)

// Errors of the store, wrapped with the name.
var (
	ErrNoRecording = errors.New("no such recording")
	ErrExists      = errors.New("exists already")
	ErrInUse       = errors.New("is in use")
)

// Store is a directory of recordings. It need not exist.
type Store struct{ Dir string }

// DefaultStore returns the person's store: $YORE_DIR, or yore below
// $XDG_DATA_HOME, or below ~/.local/share.
func DefaultStore() (Store, error) {
	if d := os.Getenv("YORE_DIR"); d != "" {
		d, err := filepath.Abs(d)
		return Store{d}, err
	}
	// The XDG specification says that a relative path is to be ignored.
	if d := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return Store{filepath.Join(d, "yore")}, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return Store{}, fmt.Errorf("store: %w (set YORE_DIR)", err)
	}
	return Store{filepath.Join(home, ".local", "share", "yore")}, nil
}

// Create begins a recording PROG-N of program prog and makes it the latest.
func (s Store) Create(prog string, m Meta) (*Recording, error) {
	r, err := s.Anonymous(m)
	if err != nil {
		return nil, err
	}
	if err := s.Keep(r, prog); err != nil {
		r.Close()
		os.RemoveAll(r.Dir())
		return nil, err
	}
	return r, nil
}

// Anonymous begins a recording without a name, which its user is to Keep or
// Discard.
func (s Store) Anonymous(m Meta) (*Recording, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	tmp, err := os.MkdirTemp(s.Dir, newPrefix)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	r, err := create(tmp, &m)
	if err == nil {
		err = r.rename(filepath.Join(s.Dir, anonPrefix+strings.TrimPrefix(filepath.Base(tmp), newPrefix)))
		if err != nil {
			r.Close()
		}
	}
	if err != nil {
		os.RemoveAll(tmp)
		return nil, fmt.Errorf("store: %w", err)
	}
	return r, nil
}

// rename moves the recording, over an empty directory at most.
func (r *Recording) rename(to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The system call, not os.Rename, which refuses an existing directory.
	if err := renameOverEmpty(r.dir, to); err != nil {
		return err
	}
	r.dir = to
	r.Files.moved(to)
	r.Log.moved(filepath.Join(to, eventsDir))
	return nil
}

// Keep names an anonymous recording PROG-N and makes it the latest.
func (s Store) Keep(r *Recording, prog string) error {
	prog = progName(prog)
	names, err := s.names()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	n := 1
	for _, name := range names {
		if p, k, ok := splitName(name); ok && p == prog {
			n = max(n, k+1)
		}
	}
	for ; ; n++ {
		name := fmt.Sprintf("%s-%d", prog, n)
		dir := filepath.Join(s.Dir, name)
		// Claim the name by making it; the recording then replaces the empty
		// directory in one step.
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			if err = r.rename(dir); err != nil {
				os.Remove(dir)
			}
		}
		if err == nil {
			err = s.setLatest(name)
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return nil
	}
}

// Discard closes and removes a recording.
func (r *Recording) Discard() error {
	err := r.Close()
	if e := os.RemoveAll(r.Dir()); e != nil {
		return fmt.Errorf("discard recording: %w", e)
	}
	return err
}

// CreateAt begins a recording in directory dir, which must not exist. With
// force an existing recording that nobody uses, or an empty directory, is
// replaced; nothing else ever is.
func CreateAt(dir string, force bool, m Meta) (*Recording, error) {
	r, err := createAt(dir, force, m)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	return r, nil
}

func createAt(dir string, force bool, m Meta) (*Recording, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	st, err := os.Lstat(dir)
	exists := err == nil
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case exists && !force:
		return nil, ErrExists
	case exists && !st.IsDir():
		return nil, fmt.Errorf("%w and is not a directory", ErrExists)
	}
	empty := true
	if exists {
		list, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		empty = len(list) == 0
		if !empty && !IsRecording(dir) {
			return nil, fmt.Errorf("%w and is not a recording", ErrExists)
		}
		if inUse(dir, true) {
			return nil, ErrInUse
		}
	}
	parent := filepath.Dir(dir)
	tmp, err := os.MkdirTemp(parent, newPrefix)
	if err != nil {
		return nil, err
	}
	r, err := create(tmp, &m)
	if err != nil {
		os.RemoveAll(tmp)
		return nil, err
	}
	fail := func(err error) (*Recording, error) {
		r.Close()
		os.RemoveAll(tmp)
		return nil, err
	}
	if !empty {
		if err := removeTree(dir); err != nil {
			return fail(err)
		}
	}
	if !exists || !empty {
		// Claim the name: another may have made it meanwhile.
		if err := os.Mkdir(dir, 0o700); err != nil {
			if errors.Is(err, fs.ErrExist) {
				err = ErrExists
			}
			return fail(err)
		}
	}
	if err := r.rename(dir); err != nil {
		return fail(err)
	}
	return r, nil
}

// removeTree removes a directory so that it vanishes in one step.
func removeTree(dir string) error {
	away, err := os.MkdirTemp(filepath.Dir(dir), oldPrefix)
	if err != nil {
		return err
	}
	if err := renameOverEmpty(dir, away); err != nil {
		os.Remove(away)
		return err
	}
	return os.RemoveAll(away)
}

// progName makes the PROG of a name from a program's path.
func progName(prog string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._+-", c) {
			return c
		}
		return '_'
	}, filepath.Base(prog))
	name = strings.TrimLeft(name, ".-")
	if len(name) > 100 {
		name = name[:100]
	}
	return cmp.Or(name, "program")
}

// splitName takes PROG-N apart.
func splitName(name string) (prog string, n int, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || name[0] == '.' {
		return "", 0, false
	}
	n, err := strconv.Atoi(name[i+1:])
	return name[:i], n, err == nil && n > 0 && strconv.Itoa(n) == name[i+1:]
}

// names lists the directories of the store.
func (s Store) names() ([]string, error) {
	list, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// setLatest points the link at name.
func (s Store) setLatest(name string) error {
	tmp := filepath.Join(s.Dir, fmt.Sprintf(".latest-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Symlink(name, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(s.Dir, Latest)); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// Resolve returns the directory that a person's name for a recording means: ""
// or "latest", a name in the store, or a path. It does not look inside.
func (s Store) Resolve(name string) (string, error) {
	isDir := func(p string) bool {
		st, err := os.Stat(p)
		return err == nil && st.IsDir()
	}
	if name == "" || name == Latest {
		target, err := os.Readlink(filepath.Join(s.Dir, Latest))
		// The link names a recording of this store and nothing else.
		if err == nil && target == filepath.Base(target) && isDir(filepath.Join(s.Dir, target)) {
			return filepath.Join(s.Dir, target), nil
		}
		if name == "" || !isDir(name) {
			return "", fmt.Errorf("latest: %w", ErrNoRecording)
		}
	}
	if name == filepath.Base(name) && name != "." && name != ".." && name != Latest {
		if p := filepath.Join(s.Dir, name); isDir(p) {
			return p, nil
		}
	}
	if isDir(name) {
		return filepath.Abs(name)
	}
	return "", fmt.Errorf("%s: %w", name, ErrNoRecording)
}

// Entry is a recording in the store.
type Entry struct {
	Name, Dir string
	Meta      *Meta // nil when Err says why it cannot be read
	Err       error
	Size      int64 // bytes on disk
	Live      bool  // being recorded now
	Anonymous bool  // of a run that has not ended or did not end properly
	Latest    bool
	Changed   time.Time
}

// List returns the store's recordings, oldest first.
func (s Store) List() ([]Entry, error) {
	names, err := s.names()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	latest, _ := os.Readlink(filepath.Join(s.Dir, Latest))
	var out []Entry
	for _, name := range names {
		e := Entry{Name: name, Dir: filepath.Join(s.Dir, name), Latest: name == latest}
		e.Anonymous = strings.HasPrefix(name, anonPrefix)
		if strings.HasPrefix(name, ".") && !e.Anonymous {
			continue
		}
		if !IsRecording(e.Dir) {
			continue // being made this moment, or not ours
		}
		if st, err := os.Stat(filepath.Join(e.Dir, metaName)); err == nil {
			e.Changed = st.ModTime()
		}
		e.Meta, e.Err = ReadMeta(e.Dir)
		e.Size = diskUsage(e.Dir)
		e.Live = inUse(e.Dir, false)
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return a.Changed.Compare(b.Changed) })
	return out, nil
}

// Live reports whether the recording in dir is being made now.
func Live(dir string) bool { return inUse(dir, false) }

// ReadMeta reads the description of the recording in dir.
func ReadMeta(dir string) (*Meta, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readMeta(root, filepath.Join(dir, metaName))
}

// Remove removes the recording that name resolves to, unless somebody uses it
// or it is not a recording.
func (s Store) Remove(name string) error {
	dir, err := s.Resolve(name)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	switch {
	case !IsRecording(dir):
		err = ErrNotRecording
	case inUse(dir, true):
		err = ErrInUse
	default:
		err = removeTree(dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return s.relink()
}

// Discard closes and removes a recording of the store.
func (s Store) Discard(r *Recording) error {
	err := r.Discard()
	if e := s.relink(); err == nil {
		err = e
	}
	return err
}

// relink makes the newest recording the latest if latest is one that has gone.
func (s Store) relink() error {
	link := filepath.Join(s.Dir, Latest)
	if _, err := os.Readlink(link); err != nil {
		return nil
	}
	if _, err := os.Stat(link); err == nil {
		return nil
	}
	list, err := s.List()
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(list) {
		if !e.Anonymous {
			return s.setLatest(e.Name)
		}
	}
	return os.Remove(link)
}

// Sweep removes what died yores left in the store: recordings half made or half
// removed, and anonymous ones older than age.
func (s Store) Sweep(age time.Duration) error {
	names, err := s.names()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var errs []error
	for _, name := range names {
		dir := filepath.Join(s.Dir, name)
		limit := time.Hour // a recording is made in less
		switch {
		case strings.HasPrefix(name, anonPrefix):
			limit = age
		case !strings.HasPrefix(name, newPrefix) && !strings.HasPrefix(name, oldPrefix):
			continue
		}
		st, err := os.Stat(dir)
		if err != nil || time.Since(st.ModTime()) < limit || inUse(dir, true) {
			continue
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
