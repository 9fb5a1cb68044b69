package pack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Private directories: made below a parent that is the person's own, locked by a
// file in them as long as they are in use, and swept up later when their user died.

const (
	privatePrefix = ".bundle-"
	lockName      = "lock"
	// unlockedAge is how old a directory without a locked file may be: one that is
	// being made.
	unlockedAge = time.Minute
)

// private is a private directory.
type private struct {
	dir  string
	root *os.Root
	lock *os.File
}

// newPrivate makes a private directory below the first of parents in which that is
// possible and where there is room for size bytes.
func newPrivate(parents []string, size int64) (*private, error) {
	var errs []error
	for _, parent := range parents {
		if err := os.MkdirAll(parent, 0o700); err != nil {
			errs = append(errs, err)
			continue
		}
		sweep(parent)
		var st unix.Statfs_t
		if err := unix.Statfs(parent, &st); err == nil && int64(st.Bavail)*st.Bsize < size+size/8 {
			errs = append(errs, fmt.Errorf("%s has %d MB free and %d MB are needed: %w", parent, int64(st.Bavail)*st.Bsize>>20, (size+size/8)>>20, unix.ENOSPC))
			continue
		}
		p, err := makePrivate(parent)
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no place to unpack to: %w", errors.Join(errs...))
}

func makePrivate(parent string) (*private, error) {
	dir, err := os.MkdirTemp(parent, privatePrefix)
	if err != nil {
		return nil, err
	}
	p := &private{dir: dir}
	if p.lock, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		if err = unix.Flock(int(p.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			p.root, err = os.OpenRoot(dir)
		}
	}
	if err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

func (p *private) remove() error {
	if p.root != nil {
		p.root.Close()
	}
	err := os.RemoveAll(p.dir)
	if p.lock != nil {
		p.lock.Close()
	}
	return err
}

// sweep removes private directories below parent whose users are gone. What it
// cannot remove is somebody else's.
func sweep(parent string) {
	list, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range list {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), privatePrefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			if st, e := os.Lstat(dir); errors.Is(err, os.ErrNotExist) && e == nil && time.Since(st.ModTime()) > unlockedAge {
				os.RemoveAll(dir)
			}
			continue
		}
		// Its maker locks the file a moment after it has made it.
		st, err := f.Stat()
		if err == nil && time.Since(st.ModTime()) > time.Second && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}
