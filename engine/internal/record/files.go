package record

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// File is a file that the program has mapped.
type File struct {
	ID    uint32 // 0 until an event refers to it
	Path  string
	Dev   uint64
	Inode uint64
	Size  int64
	Mtime int64 // ns
	Code  bool  // it has been mapped executable
	// Regular files have content that stays; others (devices) are never kept by
	// reference.
	Regular bool

	pinned bool // fd is a copy of our own
	fd     int
}

// Files is the table of mapped files. It keeps each open, so that replay in the
// same session finds the same file whatever happens to its name.
type Files struct {
	byID []*File // index id-1
	by   map[fileKey]*File
	all  []*File
}

type fileKey struct {
	dev, ino    uint64
	size, mtime int64
}

func newFiles() *Files { return &Files{by: map[fileKey]*File{}} }

// Close gives up the files.
func (f *Files) Close() {
	for _, x := range f.all {
		unix.Close(x.fd)
	}
	f.byID, f.by, f.all = nil, nil, nil
}

// List returns the files that events refer to, in the order of their ids, which count from 1.
func (f *Files) List() []*File { return f.byID }

// Path returns a path that opens file id while the table is open.
func (f *Files) Path(id uint32) (string, error) {
	if id == 0 || int(id) > len(f.byID) {
		return "", fmt.Errorf("mapped file %d is unknown", id)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.byID[id-1].fd), nil
}

// add returns the entry of the file that descriptor fd of process pid refers
// to.
func (f *Files) add(pid, fd int) (*File, error) {
	link := fdPath(pid, fd)
	path, _ := os.Readlink(link)
	return f.open(link, path, 0)
}

// known returns the entry of a file if it is in the table as it is now.
func (f *Files) known(st *unix.Stat_t) *File {
	return f.by[fileKey{st.Dev, st.Ino, st.Size, st.Mtim.Nano()}]
}

// of returns the entries of a file that still show the file itself.
func (f *Files) of(s source) []*File {
	var out []*File
	for _, x := range f.byID {
		if x.Dev == s.dev && x.Inode == s.ino && !x.pinned {
			out = append(out, x)
		}
	}
	return out
}

// addPath returns the entry of the file called path, if that is inode ino.
func (f *Files) addPath(path string, ino uint64) (*File, error) { return f.open(path, path, ino) }

func (f *Files) open(name, path string, ino uint64) (*File, error) {
	own, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(own, &st); err != nil {
		unix.Close(own)
		return nil, err
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	if ino != 0 && (st.Ino != ino || !regular) {
		unix.Close(own)
		return nil, fmt.Errorf("%s is another file now", path)
	}
	k := fileKey{st.Dev, st.Ino, st.Size, st.Mtim.Nano()}
	if x := f.by[k]; x != nil {
		unix.Close(own)
		return x, nil
	}
	x := &File{Path: path, Dev: st.Dev, Inode: st.Ino, Size: st.Size, Mtime: k.mtime, Regular: regular, fd: own}
	f.by[k] = x
	f.all = append(f.all, x)
	return x, nil
}

// enter gives a file an id: from now on events refer to it.
func (f *Files) enter(x *File, changing bool) {
	if changing { // the next mapping of it may show other content
		delete(f.by, fileKey{x.Dev, x.Inode, x.Size, x.Mtime})
	}
	f.byID = append(f.byID, x)
	x.ID = uint32(len(f.byID))
}

// Open returns another descriptor of the file.
func (x *File) Open() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(x.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.Path, err)
	}
	return os.NewFile(uintptr(fd), x.Path), nil
}

// pin makes an entry keep the file's present content: the file is about to change.
func (f *Files) pin(x *File) error {
	if x.pinned || !x.Regular {
		return nil
	}
	delete(f.by, fileKey{x.Dev, x.Inode, x.Size, x.Mtime})
	own, err := copyOf(x.fd)
	if err != nil {
		return err
	}
	unix.Close(x.fd)
	x.fd, x.pinned = own, true
	return nil
}

// copyOf copies a file, its data and not its holes, to a nameless one.
func copyOf(fd int) (int, error) {
	own, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		if own, err = unix.MemfdCreate("mapped", unix.MFD_CLOEXEC); err != nil {
			return -1, err
		}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = unix.Ftruncate(own, st.Size)
	}
	for at := int64(0); err == nil && at < st.Size; {
		lo, e := unix.Seek(fd, at, unix.SEEK_DATA)
		if e == unix.ENXIO {
			break // holes from here on
		}
		if e != nil {
			lo = at
		}
		hi, e := unix.Seek(fd, lo, unix.SEEK_HOLE)
		if e != nil {
			hi = st.Size
		}
		at = hi
		err = copyRange(own, fd, lo, hi)
	}
	if err != nil {
		unix.Close(own)
		return -1, err
	}
	return own, nil
}

func copyRange(to, from int, lo, hi int64) error {
	buf := make([]byte, 1<<20)
	for lo < hi {
		n, err := unix.Pread(from, buf[:min(int64(len(buf)), hi-lo)], lo)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		if n, err = unix.Pwrite(to, buf[:n], lo); err != nil {
			return err
		}
		lo += int64(n)
	}
	return nil
}
