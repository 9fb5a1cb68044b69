package pack

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/bundle"
	"yore/engine/trace"
)

// Opened is a bundle that was unpacked.
type Opened struct {
	Manifest  *bundle.Manifest
	Recording string // the recording's directory
	// Root is what / was to the program, as far as the bundle has it; Debug is a
	// directory of debug files by build-id.
	Root, Debug string
	// Source is where the sources are, each under its path; SourceTops are the
	// first components of those paths.
	Source     string
	SourceTops []string
	// Libraries are the directories below Root that hold mapped files.
	Libraries []string

	private *private
}

// Open unpacks the bundle at path into a private directory below one of parents,
// the first that will do.
func Open(path string, parents ...string) (*Opened, error) {
	r, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var size int64
	for _, n := range r.Names() {
		s, _ := r.Size(n)
		size += s
	}
	p, err := newPrivate(parents, size)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	o := &Opened{Manifest: r.Manifest, private: p, Recording: filepath.Join(p.dir, "recording"),
		Root: filepath.Join(p.dir, "root"), Debug: filepath.Join(p.dir, "debug"), Source: filepath.Join(p.dir, "source")}
	if err := o.unpack(r); err != nil {
		p.remove()
		if bundle.IsBadInput(err) || trace.IsBadInput(err) {
			return nil, err
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return o, nil
}

// Close removes what was unpacked.
func (o *Opened) Close() error {
	if err := o.private.remove(); err != nil {
		return fmt.Errorf("close bundle: %w", err)
	}
	return nil
}

// Path is where a path of the program's is now; it need not be there.
func (o *Opened) Path(p string) string { return filepath.Join(o.Root, bundle.SafePath(p)) }

// unpack writes everything.
func (o *Opened) unpack(r *bundle.Reader) error {
	root := o.private.root
	for _, d := range []string{"recording/events", "recording/images", "recording/files", "root", "debug/.build-id", "source"} {
		if err := root.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	var recording []string
	for _, n := range r.Names() {
		if strings.HasPrefix(n, "recording/") {
			recording = append(recording, n)
		}
	}
	if err := each(recording, func(name string) error { return o.file(r, name, name, 0) }); err != nil {
		return err
	}
	if err := o.addRoot(r); err != nil {
		return err
	}
	if err := o.addDebug(r); err != nil {
		return err
	}
	return o.addSources(r)
}

// each calls f for all names, several at a time, and returns the first error.
func each(names []string, f func(string) error) error {
	todo := make(chan string)
	errs := make(chan error, len(names))
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range todo {
				if err := f(n); err != nil {
					errs <- err
				}
			}
		}()
	}
	for _, n := range names {
		todo <- n
	}
	close(todo)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// file writes an entry to a path in the private directory, which must not exist.
func (o *Opened) file(r *bundle.Reader, entry, to string, mtime int64) error {
	f, err := o.private.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := &holes{f: f}
	err = r.Copy(h, entry)
	if err == nil {
		err = f.Truncate(h.at)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && mtime > 0 {
		t := time.Unix(0, mtime)
		err = o.private.root.Chtimes(to, t, t)
	}
	return err
}

// holes writes a file and leaves out blocks of zeros.
type holes struct {
	f  *os.File
	at int64
}

func (h *holes) Write(b []byte) (int, error) {
	const block = 64 << 10
	n := len(b)
	for len(b) > 0 {
		p := b[:min(block, len(b))]
		if slices.IndexFunc(p, func(x byte) bool { return x != 0 }) >= 0 {
			if _, err := h.f.WriteAt(p, h.at); err != nil {
				return n - len(b), err
			}
		}
		h.at += int64(len(p))
		b = b[len(p):]
	}
	return n, nil
}

const (
	maxPath = 2000 // of a bundle's paths, bytes
	maxName = 255  // of their components
)

// place makes room for a path from the bundle below dir of the private directory
// and returns the path there, "" when it cannot be had: two paths of a bundle can
// be in each other's way.
func (o *Opened) place(dir, p string) (string, error) {
	safe := bundle.SafePath(p)
	if safe == "" || len(safe) > maxPath || slices.ContainsFunc(strings.Split(safe, "/"), func(c string) bool { return len(c) > maxName }) {
		return "", nil
	}
	to := dir + "/" + safe
	if err := o.private.root.MkdirAll(path.Dir(to), 0o700); err != nil {
		if inTheWay(err) {
			return "", nil
		}
		return "", err
	}
	if _, err := o.private.root.Lstat(to); err == nil {
		return "", nil
	}
	return to, nil
}

func inTheWay(err error) bool {
	return errors.Is(err, os.ErrExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
}

// addRoot links the mapped files to where the program saw them.
func (o *Opened) addRoot(r *bundle.Reader) error {
	dirs := map[string]bool{}
	for i := range o.Manifest.Files {
		f := &o.Manifest.Files[i]
		entry := bundle.FileEntry(f.ID)
		if _, ok := r.Size(entry); !ok {
			continue
		}
		if f.MtimeNS > 0 {
			t := time.Unix(0, f.MtimeNS)
			if err := o.private.root.Chtimes(entry, t, t); err != nil {
				return err
			}
		}
		for _, p := range f.Paths {
			to, err := o.place("root", string(p))
			if err != nil {
				return err
			}
			if to == "" {
				continue
			}
			if err := o.private.root.Link(entry, to); err != nil {
				if inTheWay(err) {
					continue
				}
				return err
			}
			dirs[filepath.Join(o.private.dir, path.Dir(to))] = true
		}
	}
	for d := range dirs {
		o.Libraries = append(o.Libraries, d)
	}
	slices.Sort(o.Libraries)
	return nil
}

// addDebug unpacks debug files, by build-id; one without is put beside its
// binary's path under its own.
func (o *Opened) addDebug(r *bundle.Reader) error {
	for i := range o.Manifest.Debug {
		d := &o.Manifest.Debug[i]
		dir, path := debugPlace(d)
		to, err := o.place(dir, path)
		if err != nil {
			return err
		}
		if to == "" {
			continue
		}
		if err := o.file(r, bundle.DebugEntry(i+1), to, d.MtimeNS); err != nil {
			return err
		}
	}
	return nil
}

// debugPlace is where a debug file goes: a directory of the private one, and a path
// there.
func debugPlace(d *bundle.Part) (dir, path string) {
	if id := d.BuildID; len(id) > 2 && len(id) <= 128 && isHex(id) {
		return "debug", ".build-id/" + id[:2] + "/" + id[2:] + ".debug"
	}
	return "root", string(d.Path)
}

// debugPath is where a debug file is, when it could be placed.
func (o *Opened) debugPath(d *bundle.Part) string {
	dir, path := debugPlace(d)
	return filepath.Join(o.private.dir, dir, bundle.SafePath(path))
}

func isHex(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// addSources unpacks the sources.
func (o *Opened) addSources(r *bundle.Reader) error {
	tops := map[string]bool{}
	for i := range o.Manifest.Sources {
		s := &o.Manifest.Sources[i]
		// gdb goes through the directories of a path with "..", which must be there.
		if err := o.wayTo(string(s.Path)); err != nil {
			return err
		}
		to, err := o.place("source", string(s.Path))
		if err != nil {
			return err
		}
		if to == "" {
			continue
		}
		if err := o.file(r, bundle.SourceEntry(i+1), to, s.MtimeNS); err != nil {
			return err
		}
		for _, p := range []string{string(s.Path), "/" + bundle.SafePath(string(s.Path))} {
			if top, _, _ := strings.Cut(strings.TrimLeft(p, "/"), "/"); top != "" && top != ".." && top != "." {
				tops[top] = true
			}
		}
	}
	for t := range tops {
		o.SourceTops = append(o.SourceTops, t)
	}
	slices.SortFunc(o.SourceTops, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return nil
}

// wayTo makes the directories that a path leads through before it turns back.
func (o *Opened) wayTo(p string) error {
	if !strings.Contains(p, "/../") || len(p) > maxPath {
		return nil
	}
	var at []string
	for _, c := range strings.Split(p, "/") {
		switch c {
		case "", ".":
		case "..":
			if len(at) > 0 {
				dir := "source/" + bundle.SafePath(strings.Join(at, "/"))
				if err := o.private.root.MkdirAll(dir, 0o700); err != nil && !inTheWay(err) {
					return err
				}
				at = at[:len(at)-1]
			}
		default:
			at = append(at, c)
		}
	}
	return nil
}
