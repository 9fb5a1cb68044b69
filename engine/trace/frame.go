package trace

// Frames: the unit in which events are compressed, checksummed and lost.
//
// On disk a frame is a header of headerSize bytes and a payload, one zstd frame
// of the encoded events laid end to end. The header carries enough to find an
// event, and to skip the frame in a search, without touching the payload. An
// event too large for one frame is split over several: all but the last have
// flagMore and count 0. FORMAT.md has the offset tables.
//
// In memory a frame holds its events encoded. It is append-only while it is the
// log's newest and immutable afterwards, so that decoded events may alias it.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

const (
	headerSize = 128
	frameMagic = "yFRM"

	frameEvents = 1 // events
	frameEnd    = 2 // no payload: the segment is complete

	flagMore   = 1 // frameEvents: the event goes on in the next frame
	flagClosed = 2 // frameEnd: no segment follows, the log was closed

	// maxPart bounds a frame's uncompressed payload, hence what reading one
	// may allocate.
	maxPart = 1 << 20
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// pageSet is a Bloom filter of page numbers: which pages a frame's events wrote.
type pageSet [8]uint64

// manyPages is the number of pages from which a range counts as all pages.
const manyPages = 1 << 10

func pageBits(page uint64) (uint, uint) {
	h := page * 0x9E3779B97F4A7C15
	return uint(h >> 55), uint(h>>46) & 511
}

func (s *pageSet) fill() {
	for i := range s {
		s[i] = ^uint64(0)
	}
}

func (s *pageSet) add(addr, n uint64) {
	if n == 0 {
		return
	}
	first, last := addr>>12, (addr+n-1)>>12
	if last < first || last-first >= manyPages {
		s.fill()
		return
	}
	for p := first; p <= last; p++ {
		a, b := pageBits(p)
		s[a>>6] |= 1 << (a & 63)
		s[b>>6] |= 1 << (b & 63)
	}
}

// has reports whether a page of [addr, addr+n) may be in the set.
func (s *pageSet) has(addr, n uint64) bool {
	if n == 0 {
		return false
	}
	first, last := addr>>12, (addr+n-1)>>12
	if last < first || last-first >= manyPages {
		return true
	}
	for p := first; p <= last; p++ {
		a, b := pageBits(p)
		if s[a>>6]&(1<<(a&63)) != 0 && s[b>>6]&(1<<(b&63)) != 0 {
			return true
		}
	}
	return false
}

// Bits of a frame's summary beside 1<<Kind for each kind of event in it.
const (
	sumOut = 1 << 0  // an event has Out
	sumMem = 1 << 31 // a system call of memory management (see isMemCall)
)

// isMemCall reports whether call nr may change what is mapped where: the calls
// whose effect on memory is not in Writes.
func isMemCall(nr int32) bool {
	switch nr {
	case 9, 10, 11, 12, 25, 28, 29, 30, 67, 216, 329: // mmap mprotect munmap brk mremap madvise shmat shmctl(31 has no effect) shmdt remap_file_pages pkey_mprotect
		return true
	}
	return false
}

// frameInfo is a frame's header.
type frameInfo struct {
	typ    uint8
	flags  uint8
	stored uint32 // payload's length in the file
	raw    uint32 // and uncompressed
	first  int64  // index of the first event
	count  uint32 // events that end in this frame
	sum    uint32 // summary bits
	time   int64  // of the first event; the events' times are relative to it
	hash   uint64 // xxhash64 of the payload as stored
	pages  pageSet

	off int64 // of the header in the segment file; not stored
}

func (f *frameInfo) end() int64  { return f.first + int64(f.count) }
func (f *frameInfo) next() int64 { return f.off + headerSize + int64(f.stored) }

func (f *frameInfo) append(dst []byte) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = append(dst, frameMagic...)
	dst = append(dst, f.typ, f.flags, 0, 0)
	dst = le.AppendUint32(dst, f.stored)
	dst = le.AppendUint32(dst, f.raw)
	dst = le.AppendUint64(dst, uint64(f.first))
	dst = le.AppendUint32(dst, f.count)
	dst = le.AppendUint32(dst, f.sum)
	dst = le.AppendUint64(dst, uint64(f.time))
	dst = le.AppendUint64(dst, f.hash)
	for _, w := range f.pages {
		dst = le.AppendUint64(dst, w)
	}
	dst = append(dst, make([]byte, headerSize-4-(len(dst)-at))...)
	return le.AppendUint32(dst, crc32.Checksum(dst[at:], crcTable))
}

// parseHeader reads a frame header. The error is a bare description: the caller
// knows the file and offset.
func parseHeader(b []byte) (frameInfo, error) {
	var f frameInfo
	le := binary.LittleEndian
	if len(b) < headerSize {
		return f, fmt.Errorf("incomplete frame header")
	}
	b = b[:headerSize]
	if string(b[:4]) != frameMagic {
		return f, fmt.Errorf("no frame header")
	}
	if le.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], crcTable) {
		return f, fmt.Errorf("frame header fails its checksum")
	}
	f.typ, f.flags = b[4], b[5]
	f.stored, f.raw = le.Uint32(b[8:]), le.Uint32(b[12:])
	f.first = int64(le.Uint64(b[16:]))
	f.count, f.sum = le.Uint32(b[24:]), le.Uint32(b[28:])
	f.time = int64(le.Uint64(b[32:]))
	f.hash = le.Uint64(b[40:])
	for i := range f.pages {
		f.pages[i] = le.Uint64(b[48+8*i:])
	}
	// What follows cannot fail for a file that yore wrote.
	switch {
	case f.typ != frameEvents && f.typ != frameEnd:
		return f, fmt.Errorf("frame of unknown type %d", f.typ)
	case f.first < 0 || f.first > 1<<56:
		return f, fmt.Errorf("frame with impossible event number")
	case f.raw > maxPart || f.stored > maxPart+maxPart/8:
		return f, fmt.Errorf("frame of impossible size")
	case f.typ == frameEnd && (f.stored != 0 || f.raw != 0 || f.count != 0):
		return f, fmt.Errorf("end frame with a payload")
	case f.typ == frameEvents && (f.raw == 0 || f.count > f.raw):
		return f, fmt.Errorf("frame of impossible count")
	case f.typ == frameEvents && (f.flags&flagMore != 0) != (f.count == 0):
		return f, fmt.Errorf("frame of impossible count")
	}
	return f, nil
}

// frame is a run of encoded events in memory.
type frame struct {
	info frameInfo // first, count, sum, time and pages; the rest once written
	raw  []byte
	offs []uint32 // start of each event in raw (large frames hold one event)
}

// bytes is what the frame costs a cache.
func (f *frame) bytes() int { return cap(f.raw) + 4*cap(f.offs) + 256 }

// newFrame starts an empty frame for event first, with room for size bytes.
func newFrame(first int64, size int) *frame {
	f := &frame{raw: make([]byte, 0, size), offs: make([]uint32, 0, size/64)}
	f.info.typ = frameEvents
	f.info.first = first
	return f
}

// add encodes e at the frame's end.
func (f *frame) add(e *Event) {
	if f.info.count == 0 {
		f.info.time = e.Time
	}
	f.offs = append(f.offs, uint32(len(f.raw)))
	f.raw = appendEvent(f.raw, e, f.info.time)
	f.info.count++
	f.info.sum |= summary(e)
	for i := range e.Writes {
		f.info.pages.add(e.Writes[i].Addr, uint64(len(e.Writes[i].Data)))
	}
	for i := range e.Maps {
		f.info.pages.add(e.Maps[i].Addr, e.Maps[i].Len)
	}
}

func summary(e *Event) uint32 {
	s := uint32(1) << (e.Kind & 31)
	if len(e.Out) != 0 {
		s |= sumOut
	}
	if e.NR >= 0 && isMemCall(e.NR) || len(e.Maps) != 0 {
		s |= sumMem
	}
	return s
}

// encoded returns the bytes of event i, which is in the frame.
func (f *frame) encoded(i int64) []byte {
	k := int(i - f.info.first)
	if k+1 < len(f.offs) {
		return f.raw[f.offs[k]:f.offs[k+1]]
	}
	return f.raw[f.offs[k]:]
}

// decode reads event i, which is in the frame.
func (f *frame) decode(i int64, e *Event) error {
	if _, err := decodeEvent(f.encoded(i), e, f.info.time); err != nil {
		return fmt.Errorf("event %d: %w", i, err)
	}
	return nil
}

// index finds the events in raw, which must hold exactly info.count of them.
func (f *frame) index() error {
	f.offs = make([]uint32, 0, f.info.count)
	at := 0
	for at < len(f.raw) {
		n, k := binary.Uvarint(f.raw[at:])
		if k <= 0 || n > uint64(len(f.raw)-at-k) || len(f.offs) == int(f.info.count) {
			return fmt.Errorf("frame's events do not add up")
		}
		f.offs = append(f.offs, uint32(at))
		at += k + int(n)
	}
	if len(f.offs) != int(f.info.count) {
		return fmt.Errorf("frame's events do not add up")
	}
	return nil
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxPart), zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true))
}

func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPart), zstd.WithDecoderMaxWindow(maxPart), zstd.WithDecodeAllCapLimit(true))
}

// appendPart appends a frame to dst: header and packed payload. info says what
// the frame is, part is what it holds of the events' bytes; the header with all
// its fields is returned.
func appendPart(dst []byte, info frameInfo, part []byte, enc *zstd.Encoder) ([]byte, frameInfo) {
	at := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	dst = enc.EncodeAll(part, dst)
	payload := dst[at+headerSize:]
	info.raw, info.stored = uint32(len(part)), uint32(len(payload))
	info.hash = xxhash.Sum64(payload)
	info.append(dst[:at])
	return dst, info
}

// openPayload checks and decompresses a stored payload, appending to dst.
func openPayload(dst []byte, h *frameInfo, stored []byte, dec *zstd.Decoder) ([]byte, error) {
	if xxhash.Sum64(stored) != h.hash {
		return nil, fmt.Errorf("frame fails its checksum")
	}
	n := len(dst)
	if cap(dst)-n < int(h.raw) {
		// Doubling keeps the parts of a huge event linear.
		grown := make([]byte, n, max(n+int(h.raw), min(2*n, n+64<<20)))
		copy(grown, dst)
		dst = grown
	}
	out, err := dec.DecodeAll(stored, dst[n:n:n+int(h.raw)])
	if err != nil {
		return nil, fmt.Errorf("frame does not decompress: %w", err)
	}
	if len(out) != int(h.raw) {
		return nil, fmt.Errorf("frame decompresses to the wrong length")
	}
	return dst[:n+len(out)], nil
}
