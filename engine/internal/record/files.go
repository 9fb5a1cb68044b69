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

	fd int
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
	link := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	path, _ := os.Readlink(link)
	return f.open(link, path, 0)
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

// gone reports whether the file has no name any more, or never had one.
func (x *File) gone() bool {
	var st unix.Stat_t
	return unix.Fstat(x.fd, &st) != nil || st.Nlink == 0
}
