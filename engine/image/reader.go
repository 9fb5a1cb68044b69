package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
)

func sortIDs(ids []ID) { slices.Sort(ids) }

// reader is the page file and the checksums that opened images read.
type reader struct {
	dir   string
	pages *os.File
	sums  *os.File
}

// Open reads image id of the store in dir. The image holds files open until its
// Close.
func Open(dir string, id ID) (*Image, error) {
	im, err := open(dir, id)
	if err != nil {
		return nil, fmt.Errorf("image %d: %w", id, err)
	}
	return im, nil
}

func open(dir string, id ID) (_ *Image, err error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoImage
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	im := &Image{ID: id, store: &reader{dir: dir}}
	defer func() {
		if err != nil {
			im.Close()
		}
	}()
	path := filepath.Join(dir, imageName(id))
	h, err := readImage(root, path, id, func(d *decoder) {
		d.state(&im.State)
		im.Runs = d.runs()
		d.end()
	})
	if err != nil {
		return nil, err
	}
	if err := im.State.check(); err != nil {
		return nil, &FormatError{Path: path, Offset: fileHeader, What: "impossible state", Err: err}
	}
	if im.store.pages, err = openRegular(root, dir, pagesName); err != nil {
		return nil, err
	}
	if im.store.sums, err = openRegular(root, dir, sumsName); err != nil {
		return nil, err
	}
	pages, err := im.store.size()
	if err != nil {
		return nil, err
	}
	// Pages are written before the image that refers to them.
	if pages < uint64(h.pages) {
		return nil, &FormatError{Path: filepath.Join(dir, pagesName), Offset: int64(pages) * PageSize,
			What: fmt.Sprintf("page file ends before page %d", h.pages)}
	}
	if err := checkRuns(im.Runs, im.Regions, uint64(h.pages)); err != nil {
		return nil, &FormatError{Path: path, Offset: fileHeader, What: "impossible memory", Err: err}
	}
	return im, nil
}

// readImage checks an image file and decodes its payload with read.
func readImage(root *os.Root, path string, id ID, read func(*decoder)) (header, error) {
	f, err := openRegular(root, filepath.Dir(path), imageName(id))
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	return readImageFrom(f, st.Size(), path, id, read)
}

// readImageFrom is readImage for a file of size bytes.
func readImageFrom(f io.ReaderAt, size int64, path string, id ID, read func(*decoder)) (header, error) {
	h, err := headerOf(f, path)
	if err != nil {
		return header{}, err
	}
	bad := func(off int64, what string) (header, error) {
		return header{}, &FormatError{Path: path, Offset: off, What: what}
	}
	if h.id != id {
		return bad(12, fmt.Sprintf("image calls itself number %d", h.id))
	}
	if size != fileHeader+int64(h.stored) {
		return bad(min(size, fileHeader+int64(h.stored)),
			fmt.Sprintf("image file has %d bytes instead of %d", size, fileHeader+h.stored))
	}
	payload := func() io.Reader { return io.NewSectionReader(f, fileHeader, int64(h.stored)) }
	sum := xxhash.New()
	if _, err := io.Copy(sum, payload()); err != nil {
		return header{}, err
	}
	if sum.Sum64() != h.hash {
		return bad(fileHeader, "image fails its checksum")
	}
	d, z, err := newDecoder(payload())
	if err != nil {
		return header{}, err
	}
	defer z.Close()
	read(d)
	if fe := (*FormatError)(nil); errors.As(d.err, &fe) {
		fe.Path = path
		return header{}, fe
	}
	return h, nil
}

func headerOf(f io.ReaderAt, path string) (header, error) {
	b := make([]byte, fileHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	return parseHeader(path, b[:n])
}

// readHeader reads the header of the image file at path.
func readHeader(root *os.Root, path string) (header, error) {
	f, err := openRegular(root, filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	return headerOf(f, path)
}

// openRegular opens a store's file and refuses anything but a regular file.
func openRegular(root *os.Root, dir, name string) (*os.File, error) {
	path := filepath.Join(dir, name)
	st, err := root.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		if filepath.Ext(name) == imageSuffix {
			return nil, ErrNoImage
		}
		return nil, &FormatError{Path: path, What: "file is missing"}
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &FormatError{Path: path, What: "not a regular file", Err: ErrNotImage}
	}
	return root.Open(name)
}

// size returns the number of pages, of which each has a checksum.
func (r *reader) size() (uint64, error) {
	hdr := make([]byte, PageSize)
	n, err := r.pages.ReadAt(hdr, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if err := checkPagesHeader(filepath.Join(r.dir, pagesName), hdr[:n]); err != nil {
		return 0, err
	}
	pst, err := r.pages.Stat()
	if err != nil {
		return 0, err
	}
	sst, err := r.sums.Stat()
	if err != nil {
		return 0, err
	}
	return uint64(min(pst.Size()/PageSize, sst.Size()/8)), nil
}

// read reads whole stored pages from off on and checks them.
func (r *reader) read(off int64, p []byte) error {
	path := filepath.Join(r.dir, pagesName)
	if _, err := r.pages.ReadAt(p, off); err != nil {
		if errors.Is(err, io.EOF) {
			return &FormatError{Path: path, Offset: off, What: "page file ends early"}
		}
		return err
	}
	sums := make([]byte, len(p)/PageSize*8)
	if _, err := r.sums.ReadAt(sums, off/PageSize*8); err != nil {
		if errors.Is(err, io.EOF) {
			return &FormatError{Path: filepath.Join(r.dir, sumsName), Offset: off / PageSize * 8, What: "page checksums end early"}
		}
		return err
	}
	for ; len(p) > 0; p, sums, off = p[PageSize:], sums[8:], off+PageSize {
		switch binary.LittleEndian.Uint64(sums) {
		case pageSum(p[:PageSize]):
		case 0:
			return &FormatError{Path: path, Offset: off, What: "page was pruned"}
		default:
			return &FormatError{Path: path, Offset: off, What: "page fails its checksum"}
		}
	}
	return nil
}

// Path is the image's file, for messages.
func (im *Image) Path() string { return filepath.Join(im.store.dir, imageName(im.ID)) }

// Close releases the image's files. What was read stays usable.
func (im *Image) Close() error {
	for _, f := range []*os.File{im.store.pages, im.store.sums} {
		if f != nil {
			f.Close()
		}
	}
	return nil
}

// PageFile returns the open page file, in which Run.Off points, for mapping. It
// is read-only and closed by Close.
func (im *Image) PageFile() *os.File { return im.store.pages }

// ReadAt reads the memory at addr, as far as it is in runs, and returns how many
// bytes that was. Fewer than len(p) without an error means that the memory from
// there on is in no run.
func (im *Image) ReadAt(p []byte, addr uint64) (int, error) {
	i := sort.Search(len(im.Runs), func(i int) bool { return im.Runs[i].Addr+im.Runs[i].Len > addr })
	n := 0
	var page [PageSize]byte
	for ; n < len(p) && i < len(im.Runs); i++ {
		r := im.Runs[i]
		for n < len(p) && addr >= r.Addr && addr-r.Addr < r.Len {
			from := addr % PageSize
			k := int(min(PageSize-from, uint64(len(p)-n)))
			if r.Off == 0 {
				clear(p[n : n+k])
			} else {
				if err := im.store.read(r.Off+int64(addr-from-r.Addr), page[:]); err != nil {
					return n, fmt.Errorf("image %d: %w", im.ID, err)
				}
				copy(p[n:n+k], page[from:])
			}
			n += k
			addr += uint64(k)
		}
		if addr < r.Addr {
			break
		}
	}
	return n, nil
}

// Pages calls fn with the content of all runs in order, in pieces of whole
// pages, checked. p is valid until fn returns.
func (im *Image) Pages(fn func(addr uint64, p []byte) error) error {
	buf := make([]byte, bufferPages*PageSize)
	zero := make([]byte, bufferPages*PageSize)
	for _, r := range im.Runs {
		for r.Len > 0 {
			n := min(r.Len, uint64(len(buf)))
			p := zero[:n]
			if r.Off != 0 {
				p = buf[:n]
				if err := im.store.read(r.Off, p); err != nil {
					return fmt.Errorf("image %d: %w", im.ID, err)
				}
			}
			if err := fn(r.Addr, p); err != nil {
				return err
			}
			r = r.from(r.Addr + n)
		}
	}
	return nil
}

// Verify checks every page that the image refers to.
func (im *Image) Verify() error {
	return im.Pages(func(uint64, []byte) error { return nil })
}

// Entry is an image in a list.
type Entry struct {
	ID ID
	Head
	Size int64 // of the image file, without the pages
	Err  error // why it cannot be read
}

// List returns the images of the store in dir, ordered by id. A store that does
// not exist has none.
func List(dir string) ([]Entry, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	defer root.Close()
	ids, err := list(root)
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	out := make([]Entry, len(ids))
	for i, id := range ids {
		e := &out[i]
		e.ID = id
		if st, err := root.Lstat(imageName(id)); err == nil {
			e.Size = st.Size()
		}
		_, e.Err = readImage(root, filepath.Join(dir, imageName(id)), id, func(d *decoder) { d.head(&e.Head) })
	}
	return out, nil
}
