package trace

// Segment files: a header of segmentHeader bytes, frames, and an end frame
// unless the recorder died. Segments are numbered from 0 without gaps and are
// only ever appended to. This file reads and writes them; it knows nothing of
// caching or threads.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

const (
	segmentMagic  = "yoreevts"
	segmentHeader = 32

	// FormatVersion is the version of everything in a recording's directory.
	// It grows with any change that an older yore would misread.
	FormatVersion = 1

	// A segment ends with the first frame that reaches one of these, so that
	// neither its index nor the loss of one file is large.
	segmentBytes  = 64 << 20
	segmentFrames = 4096
)

func segmentName(n int) string { return fmt.Sprintf("%08d.seg", n) }

func appendSegmentHeader(dst []byte, num int, first int64) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = append(dst, segmentMagic...)
	dst = le.AppendUint32(dst, FormatVersion)
	dst = le.AppendUint32(dst, uint32(num))
	dst = le.AppendUint64(dst, uint64(first))
	dst = le.AppendUint32(dst, 0)
	return le.AppendUint32(dst, crc32.Checksum(dst[at:], crcTable))
}

// parseSegmentHeader checks the header of segment num and returns the index of
// its first event.
func parseSegmentHeader(path string, b []byte, num int) (int64, error) {
	bad := func(off int64, what string, err error) (int64, error) {
		return 0, &FormatError{Path: path, Offset: off, What: what, Err: err}
	}
	le := binary.LittleEndian
	if len(b) < segmentHeader {
		return bad(0, "incomplete segment header", nil)
	}
	if string(b[:8]) != segmentMagic {
		return bad(0, "event segment", ErrNotRecording)
	}
	// The checksum comes before the version: a flipped bit is damage.
	if le.Uint32(b[28:]) != crc32.Checksum(b[:28], crcTable) {
		return bad(0, "segment header fails its checksum", nil)
	}
	if v := le.Uint32(b[8:]); v != FormatVersion {
		if v > FormatVersion {
			return bad(8, fmt.Sprintf("event segment of version %d", v), ErrNewer)
		}
		return bad(8, fmt.Sprintf("event segment of unknown version %d", v), nil)
	}
	if n := le.Uint32(b[12:]); n != uint32(num) {
		return bad(12, fmt.Sprintf("segment calls itself number %d", n), nil)
	}
	first := int64(le.Uint64(b[16:]))
	if first < 0 || first > 1<<56 || num == 0 && first != 0 {
		return bad(16, "segment begins with an impossible event number", nil)
	}
	return first, nil
}

// segmentWriter appends to the newest segment of a log.
type segmentWriter struct {
	dir    *os.Root
	num    int
	f      *os.File
	size   int64
	frames int
	limit  int64 // of size, from which on the next frame begins a segment
	enc    *zstd.Encoder
	buf    []byte
}

func newSegmentWriter(dir *os.Root) (*segmentWriter, error) {
	enc, err := newEncoder()
	if err != nil {
		return nil, fmt.Errorf("event log: %w", err)
	}
	w := &segmentWriter{dir: dir, num: -1, enc: enc, limit: segmentBytes}
	if err := w.begin(0); err != nil {
		return nil, err
	}
	return w, nil
}

// begin starts the next segment, with event first. Nothing changes on an error.
func (w *segmentWriter) begin(first int64) error {
	name := segmentName(w.num + 1)
	f, err := w.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	if _, err := f.WriteAt(appendSegmentHeader(nil, w.num+1, first), 0); err != nil {
		f.Close()
		w.dir.Remove(name)
		return fmt.Errorf("event log: %w", err)
	}
	w.f, w.num, w.size, w.frames = f, w.num+1, segmentHeader, 0
	return nil
}

// roll completes the segment and begins the next.
func (w *segmentWriter) roll(first int64) error {
	if err := w.end(first, false); err != nil {
		return err
	}
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("event log: %w", err)
	}
	return w.begin(first)
}

func (w *segmentWriter) close() error {
	w.enc.Close()
	if err := w.f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("event log: %w", err)
	}
	return nil
}

func (w *segmentWriter) full() bool {
	return w.size >= w.limit || w.frames >= segmentFrames
}

// write stores f, as one frame or, when it is larger than maxPart, as several,
// and returns their headers. On an error the file is cut back to its last
// complete frame, as far as the disk lets us.
func (w *segmentWriter) write(f *frame) ([]frameInfo, error) {
	start := w.size
	var infos []frameInfo
	for rest := f.raw; len(rest) > 0; {
		part := rest[:min(len(rest), maxPart)]
		rest = rest[len(part):]
		info := f.info
		info.off = w.size
		if len(rest) > 0 {
			info.flags, info.count = flagMore, 0
		}
		w.buf, info = appendPart(w.buf[:0], info, part, w.enc)
		if err := w.append(w.buf); err != nil {
			w.size = start
			w.f.Truncate(start)
			return nil, err
		}
		infos = append(infos, info)
	}
	w.frames += len(infos)
	return infos, nil
}

// end marks the segment complete; closed says that none follows.
func (w *segmentWriter) end(next int64, closed bool) error {
	h := frameInfo{typ: frameEnd, first: next}
	if closed {
		h.flags = flagClosed
	}
	return w.append(h.append(nil))
}

func (w *segmentWriter) append(b []byte) error {
	if _, err := w.f.WriteAt(b, w.size); err != nil {
		w.f.Truncate(w.size)
		return fmt.Errorf("event log: %w", err)
	}
	w.size += int64(len(b))
	return nil
}

// segmentScan is what reading a segment's headers found.
type segmentScan struct {
	frames []frameInfo
	next   int64 // event that follows the segment's last complete one
	ended  bool  // there is an end frame
	closed bool  // and it says that the log was closed
	good   int64 // length of the part that could be read
	why    string
	at     int64 // offset of what was wrong, when why is set
}

// scanSegment reads the headers of a segment of size bytes whose first event is
// first, and with payloads set also checks every payload. It stops at the first
// thing that is wrong and says so in why.
func scanSegment(f io.ReaderAt, size, first int64, payloads bool) (segmentScan, error) {
	s := segmentScan{next: first, good: segmentHeader}
	var hdr [headerSize]byte
	var buf []byte
	off := int64(segmentHeader)
	partial := 0 // frames at the end of the list that miss their last part
	stop := func(why string) {
		s.why, s.at = why, off
	}
	for off < size && s.why == "" && !s.ended {
		n, err := f.ReadAt(hdr[:min(headerSize, size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return s, fmt.Errorf("event log: %w", err)
		}
		h, err := parseHeader(hdr[:n])
		h.off = off
		switch {
		case err != nil:
			stop(err.Error())
			continue
		case h.first != s.next:
			stop("frame begins with the wrong event")
			continue
		case partial > 0 && h.typ != frameEvents:
			stop("event misses its last part")
			continue
		case h.next() > size:
			stop("incomplete frame")
			continue
		case len(s.frames) >= segmentFrames && partial == 0 && h.typ == frameEvents:
			stop("segment of too many frames")
			continue
		}
		if payloads && h.stored > 0 {
			buf = append(buf[:0], make([]byte, h.stored)...)
			if _, err := f.ReadAt(buf, off+headerSize); err != nil {
				return s, fmt.Errorf("event log: %w", err)
			}
			if xxhash.Sum64(buf) != h.hash {
				stop("frame fails its checksum")
				continue
			}
		}
		off = h.next()
		switch {
		case h.typ == frameEnd:
			s.ended, s.closed = true, h.flags&flagClosed != 0
			s.good = off
		case h.flags&flagMore != 0:
			s.frames = append(s.frames, h)
			partial++
		default:
			s.frames = append(s.frames, h)
			s.next, s.good, partial = h.end(), off, 0
		}
	}
	s.frames = s.frames[:len(s.frames)-partial]
	if s.why == "" {
		s.at = off
		switch {
		case partial > 0:
			s.why = "event misses its last part"
		case s.ended && off < size:
			s.why = "bytes after the end"
		}
	}
	return s, nil
}
