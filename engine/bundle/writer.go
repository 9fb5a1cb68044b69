package bundle

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// Writer writes a bundle. After an error it is of no use but to be discarded.
type Writer struct {
	path string
	f    *os.File
	sum  *xxhash.Digest
	z    *zip.Writer
	n    int64
	err  error
}

// Create begins the bundle path, whose manifest is m. The file appears there when
// Close succeeds, in place of what was there.
func Create(path string, m *Manifest) (*Writer, error) {
	w, err := create(path, m)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	return w, nil
}

func create(path string, m *Manifest) (*Writer, error) {
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d", filepath.Base(path), os.Getpid()))
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, f: f, sum: xxhash.New()}
	w.z = zip.NewWriter(w)
	w.z.RegisterCompressor(zstd.ZipMethodWinZip, zstd.ZipCompressor(zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(windowSize)))
	if err := w.add(ManifestName, int64(len(text)), zstdMethod, func(to io.Writer) error {
		_, err := to.Write(text)
		return err
	}); err != nil {
		w.Discard()
		return nil, err
	}
	return w, nil
}

const (
	zstdMethod = zstd.ZipMethodWinZip
	windowSize = 8 << 20 // a reader refuses more
)

// Write is the archive's output.
func (w *Writer) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	w.sum.Write(b[:n])
	w.n += int64(n)
	return n, err
}

// Add adds an entry with size bytes of content, which it reads from the beginning.
// What is compressed already is stored as it is.
func (w *Writer) Add(name string, content io.ReadSeeker, size int64, compressed bool) error {
	method := uint16(zstdMethod)
	if !compressed && size > ratioFree {
		dense, err := w.tooDense(content, size)
		if err != nil {
			return fmt.Errorf("bundle: entry %s: %w", name, err)
		}
		compressed = dense
	}
	if compressed {
		method = zip.Store
	}
	return w.add(name, size, method, func(to io.Writer) error {
		n, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{io.LimitReader(content, size+1)}, make([]byte, 1<<20))
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes became %d", size, n)
		}
		return err
	})
}

// tooDense reports whether content packs so well that a reader would take it for a
// bomb: gigabytes of one byte.
func (w *Writer) tooDense(content io.ReadSeeker, size int64) (bool, error) {
	enough := errors.New("enough")
	left := (size-ratioFree)/maxRatio + 1
	e, err := zstd.NewWriter(writerFunc(func(b []byte) (int, error) {
		if left -= int64(len(b)); left < 0 {
			return 0, enough
		}
		return len(b), nil
	}), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowSize))
	if err != nil {
		return false, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{e}, struct{ io.Reader }{content}, make([]byte, 1<<20))
	if cerr := e.Close(); err == nil {
		err = cerr
	}
	if errors.Is(err, enough) {
		err = nil
	} else if err != nil {
		return false, err
	}
	_, err = content.Seek(0, io.SeekStart)
	return left >= 0, err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (w *Writer) add(name string, size int64, method uint16, write func(io.Writer) error) error {
	if w.err != nil {
		return w.err
	}
	k := kindOf(name)
	if k == nil || size > k.max {
		return fmt.Errorf("bundle: entry %q of %d bytes", name, size)
	}
	out, err := w.z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err == nil {
		err = write(out)
	}
	if err != nil {
		w.err = fmt.Errorf("bundle: entry %s: %w", name, err)
	}
	return w.err
}

// Close completes the bundle.
func (w *Writer) Close() error {
	err := w.finish()
	if err != nil {
		w.Discard()
		return fmt.Errorf("bundle %s: %w", w.path, err)
	}
	return nil
}

func (w *Writer) finish() error {
	if w.err != nil {
		return w.err
	}
	if err := w.z.SetComment(trailer(0)); err != nil {
		return err
	}
	if err := w.z.Close(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt([]byte(trailer(w.sum.Sum64())), w.n-trailerLen); err != nil {
		return err
	}
	// The reader's view is the last word: what it would refuse is not handed on.
	r, err := newReader(w.path, w.f, w.n)
	if err != nil {
		return err
	}
	r.f = nil
	if err := w.f.Close(); err != nil {
		return err
	}
	return os.Rename(w.f.Name(), w.path)
}

// Discard gives the bundle up.
func (w *Writer) Discard() {
	w.f.Close()
	os.Remove(w.f.Name())
}
