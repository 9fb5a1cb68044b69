package image

// The page file and its checksums. Page n is at n*PageSize of `pages`, page 0
// being the file's header; its checksum is the n-th word of `pages.sum`, 0 when
// the page was pruned. Both only grow. Pages are written before their checksums,
// and those before an image that refers to them.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const (
	pagesName  = "pages"
	sumsName   = "pages.sum"
	pagesMagic = "yorepage"

	// FormatVersion is the version of the files of a store.
	FormatVersion = 1

	maxPages    = 1<<32 - 1
	bufferPages = 256
)

var (
	crcTable = crc32.MakeTable(crc32.Castagnoli)
	zeroPage [PageSize]byte
)

func pageSum(p []byte) uint64 {
	if h := xxhash.Sum64(p); h != 0 {
		return h
	}
	return 1
}

func appendPagesHeader(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, pagesMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, FormatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, PageSize)
	dst = append(dst, make([]byte, PageSize-4-16)...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], crcTable))
}

func checkPagesHeader(path string, b []byte) error {
	bad := func(off int64, what string, err error) error {
		return &FormatError{Path: path, Offset: off, What: what, Err: err}
	}
	le := binary.LittleEndian
	switch {
	case len(b) < len(pagesMagic) || string(b[:8]) != pagesMagic:
		return bad(0, "page file", ErrNotImage)
	case len(b) < PageSize:
		return bad(0, "page file without a header", nil)
	case le.Uint32(b[PageSize-4:]) != crc32.Checksum(b[:PageSize-4], crcTable):
		return bad(0, "page file's header fails its checksum", nil)
	case le.Uint32(b[8:]) > FormatVersion:
		return bad(8, fmt.Sprintf("page file of version %d", le.Uint32(b[8:])), ErrNewer)
	case le.Uint32(b[8:]) != FormatVersion:
		return bad(8, fmt.Sprintf("page file of unknown version %d", le.Uint32(b[8:])), nil)
	case le.Uint32(b[12:]) != PageSize:
		return bad(12, "page file with other pages than ours", nil)
	}
	return nil
}

// Store is a directory of images, open for writing.
type Store struct {
	dir   string
	root  *os.Root
	pages *os.File
	sums  *os.File

	mu     sync.Mutex
	n      uint32 // pages, the header and those in buf included
	buf    []byte // pages that are not in the file yet
	sumBuf []byte // their checksums
	idx    index
	next   ID
	reused int64
	err    error
}

// OpenStore opens the store in dir for writing, making it if need be. Only one
// process can have it open for writing. Pages that no image can refer to, after
// a crash, are dropped.
func OpenStore(dir string) (*Store, error) {
	s, err := openStore(dir)
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	return s, nil
}

func openStore(dir string) (_ *Store, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, root: root, idx: index{max: maxIndex}, next: 1}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.pages, err = openReadWrite(root, dir, pagesName); err != nil {
		return nil, err
	}
	if err = unix.Flock(int(s.pages.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%s: %w", s.pages.Name(), err)
	}
	if s.sums, err = openReadWrite(root, dir, sumsName); err != nil {
		return nil, err
	}
	ids, err := list(root)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		s.next = ids[len(ids)-1] + 1
	}
	return s, s.load()
}

func openReadWrite(root *os.Root, dir, name string) (*os.File, error) {
	if st, err := root.Lstat(name); err == nil && !st.Mode().IsRegular() {
		return nil, &FormatError{Path: filepath.Join(dir, name), What: "not a regular file", Err: ErrNotImage}
	}
	return root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}

// load brings the two files to a common length and fills the index.
func (s *Store) load() error {
	pst, err := s.pages.Stat()
	if err != nil {
		return err
	}
	sst, err := s.sums.Stat()
	if err != nil {
		return err
	}
	if pst.Size() == 0 {
		if _, err := s.pages.WriteAt(appendPagesHeader(nil), 0); err != nil {
			return err
		}
		if _, err := s.sums.WriteAt(make([]byte, 8), 0); err != nil {
			return err
		}
		s.n = 1
		return s.sums.Truncate(8)
	}
	hdr := make([]byte, PageSize)
	n, err := s.pages.ReadAt(hdr, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := checkPagesHeader(filepath.Join(s.dir, pagesName), hdr[:n]); err != nil {
		return err
	}
	if sst.Size() < 8 {
		return &FormatError{Path: filepath.Join(s.dir, sumsName), What: "no page checksums"}
	}
	pages := min(pst.Size()/PageSize, sst.Size()/8, maxPages)
	if err := s.checkLost(pages); err != nil {
		return err
	}
	if err := s.pages.Truncate(pages * PageSize); err != nil {
		return err
	}
	if err := s.sums.Truncate(pages * 8); err != nil {
		return err
	}
	s.n = uint32(pages)
	buf := make([]byte, 64<<10)
	for at := int64(8); at < pages*8; at += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), pages*8-at)]
		if _, err := s.sums.ReadAt(b, at); err != nil {
			return err
		}
		for i := 0; i < len(b); i += 8 {
			if sum := binary.LittleEndian.Uint64(b[i:]); sum != 0 {
				s.idx.add(sum, uint32((at+int64(i))/8))
			}
		}
	}
	return nil
}

// checkLost returns an error when an image refers to pages beyond the first n:
// new pages must not take their numbers.
func (s *Store) checkLost(n int64) error {
	ids, err := list(s.root)
	if err != nil {
		return err
	}
	for _, id := range ids {
		h, err := readHeader(s.root, filepath.Join(s.dir, imageName(id)))
		if err == nil && int64(h.pages) > n {
			return &FormatError{Path: filepath.Join(s.dir, pagesName), Offset: n * PageSize,
				What: fmt.Sprintf("pages of image %d are missing", id)}
		}
	}
	return nil
}

// put stores a page that is not all zeros and returns its number.
func (s *Store) put(p []byte) (uint32, error) {
	if s.err != nil {
		return 0, s.err
	}
	sum := pageSum(p)
	if n, ok := s.idx.find(sum, func(n uint32) bool { return s.equal(n, p) }); ok {
		s.reused++
		return n, nil
	}
	if s.n == maxPages {
		s.err = errors.New("page file is full")
		return 0, s.err
	}
	n := s.n
	s.n++
	s.buf = append(s.buf, p...)
	s.sumBuf = binary.LittleEndian.AppendUint64(s.sumBuf, sum)
	s.idx.add(sum, n)
	if len(s.buf) >= bufferPages*PageSize {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// equal compares p with page n, in the buffer or the file.
func (s *Store) equal(n uint32, p []byte) bool {
	inFile := s.n - uint32(len(s.buf)/PageSize)
	if n >= inFile {
		at := int(n-inFile) * PageSize
		return bytes.Equal(s.buf[at:at+PageSize], p)
	}
	var q [PageSize]byte
	_, err := s.pages.ReadAt(q[:], int64(n)*PageSize)
	return err == nil && bytes.Equal(q[:], p)
}

// flush writes the buffer out. After an error the files are cut back and the
// store stays unusable.
func (s *Store) flush() error {
	if s.err != nil || len(s.buf) == 0 {
		return s.err
	}
	first := s.n - uint32(len(s.buf)/PageSize)
	_, err := s.pages.WriteAt(s.buf, int64(first)*PageSize)
	if err == nil {
		_, err = s.sums.WriteAt(s.sumBuf, int64(first)*8)
	}
	if err != nil {
		s.sums.Truncate(int64(first) * 8)
		s.pages.Truncate(int64(first) * PageSize)
		s.err = err
		return err
	}
	s.buf, s.sumBuf = s.buf[:0], s.sumBuf[:0]
	return nil
}

// Usage is what a store holds.
type Usage struct {
	Pages  int64 // distinct pages stored, pruned ones included
	Reused int64 // pages added since OpenStore that were there already
}

// Usage returns what the store holds.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Pages: int64(s.n) - 1, Reused: s.reused}
}

// Sync returns when everything written is on the disk.
func (s *Store) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.flush()
	if err == nil {
		err = s.pages.Sync()
	}
	if err == nil {
		err = s.sums.Sync()
	}
	if err != nil {
		return fmt.Errorf("image store: %w", err)
	}
	return nil
}

// Close releases the store. Images of writers that were not closed are lost.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.flush()
	s.close()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("image store: %w", err)
	}
	return nil
}

func (s *Store) close() {
	for _, f := range []*os.File{s.pages, s.sums} {
		if f != nil {
			f.Close()
		}
	}
	s.root.Close()
}

const imageSuffix = ".img"

func imageName(id ID) string { return strconv.FormatUint(uint64(id), 10) + imageSuffix }

// list returns the ids of the images in a store, in order.
func list(root *os.Root) ([]ID, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var ids []ID
	for _, name := range names {
		base, ok := strings.CutSuffix(name, imageSuffix)
		n, err := strconv.ParseUint(base, 10, 32)
		if ok && err == nil && n > 0 && imageName(ID(n)) == name {
			ids = append(ids, ID(n))
		}
	}
	sortIDs(ids)
	return ids, nil
}
