package bundle

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// decompressor keeps decoders for reuse.
var decompressor = zstd.ZipDecompressor(zstd.WithDecoderLowmem(true),
	zstd.WithDecoderMaxWindow(windowSize), zstd.WithDecoderConcurrency(1))

// Reader is an open bundle.
type Reader struct {
	Manifest *Manifest

	path    string
	f       *os.File
	entries map[string]*zip.File
	names   []string // in the order of the archive
}

// Open opens and checks the bundle path; the entries' content is checked as it is
// read.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &FormatError{Path: path, Err: ErrNotBundle}
	}
	var r *Reader
	if err == nil {
		r, err = newReader(path, f, st.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r.f = f
	return r, nil
}

func newReader(path string, f io.ReaderAt, size int64) (*Reader, error) {
	if err := checkTrailer(path, f, size); err != nil {
		return nil, err
	}
	if err := checkDirectory(path, f, size); err != nil {
		return nil, err
	}
	bad := func(what string, err error) (*Reader, error) {
		return nil, &FormatError{Path: path, What: what, Err: err}
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return bad("its directory cannot be read", err)
	}
	z.RegisterDecompressor(zstdMethod, decompressor)
	r := &Reader{path: path, entries: make(map[string]*zip.File, len(z.File))}
	var packed uint64
	for _, e := range z.File {
		k := kindOf(e.Name)
		switch {
		case k == nil:
			return bad(fmt.Sprintf("no bundle has an entry %.80q", e.Name), nil)
		case r.entries[e.Name] != nil:
			return bad(fmt.Sprintf("entry %s is there twice", e.Name), nil)
		case !e.Mode().IsRegular() || e.Flags&1 != 0:
			return bad(fmt.Sprintf("entry %s is not a plain file", e.Name), nil)
		case e.Method != zip.Store && e.Method != zstdMethod:
			return bad(fmt.Sprintf("entry %s is packed by method %d", e.Name, e.Method), nil)
		}
		if err := k.checkSize(e.CompressedSize64, e.UncompressedSize64); err != nil {
			return bad("entry "+e.Name, err)
		}
		if packed += e.CompressedSize64; e.CompressedSize64 > uint64(size) || packed > uint64(size) {
			return bad("its entries overlap", nil)
		}
		r.entries[e.Name] = e
		r.names = append(r.names, e.Name)
	}
	var text bytes.Buffer
	if err := r.Copy(&text, ManifestName); err != nil {
		return nil, err
	}
	if r.Manifest, err = parseManifest(text.Bytes()); err != nil {
		return bad("manifest", err)
	}
	return r, nil
}

// Names lists the entries, the manifest included.
func (r *Reader) Names() []string { return r.names }

// Size is the unpacked size of an entry; ok is false when there is none.
func (r *Reader) Size(name string) (size int64, ok bool) {
	e := r.entries[name]
	if e == nil {
		return 0, false
	}
	return int64(e.UncompressedSize64), true
}

// Packed is the size of an entry in the bundle.
func (r *Reader) Packed(name string) int64 {
	if e := r.entries[name]; e != nil {
		return int64(e.CompressedSize64)
	}
	return 0
}

// Copy writes an entry's content to w. Errors of w are returned as they are.
func (r *Reader) Copy(w io.Writer, name string) error {
	e := r.entries[name]
	if e == nil {
		return &FormatError{Path: r.path, What: fmt.Sprintf("entry %s is missing", name)}
	}
	bad := func(err error) error { return &FormatError{Path: r.path, What: "entry " + name, Err: err} }
	content, err := e.Open()
	if err != nil {
		return bad(err)
	}
	defer content.Close()
	to := &sink{w: w}
	// One byte more than declared is asked for, so that the end, where the
	// checksum is compared, is reached.
	n, err := io.CopyBuffer(to, struct{ io.Reader }{io.LimitReader(content, int64(e.UncompressedSize64)+1)}, make([]byte, 1<<20))
	switch {
	case to.err != nil:
		return to.err
	case err != nil:
		return bad(err)
	case uint64(n) != e.UncompressedSize64:
		return bad(errors.New("it is not as long as it says"))
	}
	return nil
}

// sink remembers the errors of a writer, to tell them from those of a reader.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

// Close releases the file.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
