package trace

// Side streams: small append-only files of checksummed records, for what does
// not belong on the timeline (the table of mapped files, fingerprints). A
// stream that was cut is read up to its last good record; one that was closed
// says so at its end.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	streamHeader = 16 // magic[8], version u32, crc32c of the 12 bytes
	recordHeader = 8  // length u32, crc32c of the payload u32
	maxRecord    = 1 << 20
)

// endRecord closes a stream: in place of a record header, a length that no
// record has and a mark.
var endRecord = []byte("\xff\xff\xff\xffyEND")

type streamWriter struct {
	f    *os.File
	size int64
	err  error // of the first failed write; nothing is written after it
}

func createStream(root *os.Root, name, magic string) (*streamWriter, error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &streamWriter{f: f}
	h := binary.LittleEndian.AppendUint32([]byte(magic), FormatVersion)
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, crcTable))
	if err := w.write(h); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

func (w *streamWriter) add(payload []byte) error {
	if len(payload) > maxRecord {
		return fmt.Errorf("record of %d bytes", len(payload))
	}
	b := make([]byte, 0, recordHeader+len(payload))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, crcTable))
	return w.write(append(b, payload...))
}

// close ends the stream.
func (w *streamWriter) close() error {
	err := w.write(endRecord)
	if e := w.f.Close(); err == nil {
		err = e
	}
	return err
}

func (w *streamWriter) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	if _, err := w.f.WriteAt(b, w.size); err != nil {
		w.f.Truncate(w.size)
		w.err = err
		return err
	}
	w.size += int64(len(b))
	return nil
}

// readStream calls fn with each good record's payload, which is valid until fn
// returns. It returns what was cut off, if anything: all, when the file is
// missing. A header that is not the stream's is a *FormatError.
func readStream(root *os.Root, name, path, magic string, fn func([]byte) error) (*Truncated, error) {
	f, err := openRegular(root, name, path)
	if errors.Is(err, os.ErrNotExist) {
		return &Truncated{Path: path, Why: "file is missing"}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return parseStream(io.LimitReader(f, st.Size()), st.Size(), path, magic, fn)
}

// parseStream is readStream of a stream of size bytes.
func parseStream(f io.Reader, size int64, path, magic string, fn func([]byte) error) (*Truncated, error) {
	r := bufio.NewReader(f)
	le := binary.LittleEndian
	off := int64(0)
	// cut describes a stream that ends at off, unless err is about the machine.
	cut := func(why string, err error) (*Truncated, error) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		return &Truncated{Path: path, Offset: off, Bytes: size - off, Why: why}, nil
	}
	var h [streamHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return cut("incomplete header", err)
	}
	switch v := le.Uint32(h[8:]); {
	case string(h[:8]) != magic:
		return nil, &FormatError{Path: path, What: "side stream", Err: ErrNotRecording}
	case le.Uint32(h[12:]) != crc32.Checksum(h[:12], crcTable):
		return nil, &FormatError{Path: path, What: "header fails its checksum"}
	case v > FormatVersion:
		return nil, &FormatError{Path: path, Offset: 8, What: fmt.Sprintf("side stream of version %d", v), Err: ErrNewer}
	}
	off = streamHeader
	var buf []byte
	for {
		n, err := io.ReadFull(r, h[:recordHeader])
		if n == 0 && errors.Is(err, io.EOF) {
			return cut("the recorder ended without closing it", nil)
		}
		if err != nil {
			return cut("incomplete record", err)
		}
		if string(h[:recordHeader]) == string(endRecord) {
			off += recordHeader
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				return cut("bytes after the end", err)
			}
			return nil, nil
		}
		length := le.Uint32(h[:])
		if length > maxRecord || int64(length) > size-off-recordHeader {
			return cut("incomplete record", nil)
		}
		buf = append(buf[:0], make([]byte, length)...)
		if _, err := io.ReadFull(r, buf); err != nil {
			return cut("incomplete record", err)
		}
		if crc32.Checksum(buf, crcTable) != le.Uint32(h[4:]) {
			return cut("record fails its checksum", nil)
		}
		if err := fn(buf); err != nil {
			return nil, &FormatError{Path: path, Offset: off, What: "bad record", Err: err}
		}
		off += recordHeader + int64(length)
	}
}

// openRegular opens a file of a recording for reading and refuses anything but
// a regular file, which a foreign recording might hold instead. path is its
// name for messages.
func openRegular(root *os.Root, name, path string) (*os.File, error) {
	st, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &FormatError{Path: path, What: "not a regular file", Err: ErrNotRecording}
	}
	return root.Open(name)
}
