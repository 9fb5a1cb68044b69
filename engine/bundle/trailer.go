package bundle

// The trailer is the archive's comment, a line of text at the very end of the
// file:
//
//	yore bundle 1 xxh64 0123456789abcdef\n
//
// 1 is the version; the digits are XXH64, seed 0, of the whole file with zeros in
// their place.

import (
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Version is the version of the format.
const Version = 1

const (
	trailerLen = 37
	sumDigits  = 16
	sumBack    = sumDigits + 1 // the digits begin so many bytes before the end

	localMagic = "PK\x03\x04"
	endMagic   = "PK\x05\x06"
	endLen     = 22 // of the end of the directory, without the comment
	end64Magic = "PK\x06\x06"
	loc64Magic = "PK\x06\x07"
	loc64Len   = 20
	end64Len   = 56
	nameOffset = 30 // of the first entry's name in the file
)

func trailer(sum uint64) string { return fmt.Sprintf("yore bundle %d xxh64 %016x\n", Version, sum) }

var (
	trailerForm = regexp.MustCompile(`^yore bundle ([1-9][0-9]*) xxh64 ([0-9a-f]{16})\n$`)
	newerForm   = regexp.MustCompile(`yore bundle ([1-9][0-9]{0,3}) [^\n]*\n$`)
)

// Sniff reports whether r, a file of the given size, is meant to be a bundle: it
// begins as one, or ends as one.
func Sniff(r io.ReaderAt, size int64) bool {
	head := make([]byte, nameOffset+len(ManifestName))
	if n, _ := r.ReadAt(head, 0); n == len(head) && string(head[:4]) == localMagic && string(head[nameOffset:]) == ManifestName {
		return true
	}
	tail := make([]byte, trailerLen)
	if size < trailerLen {
		return false
	}
	if n, _ := r.ReadAt(tail, size-trailerLen); n != len(tail) {
		return false
	}
	return trailerForm.Match(tail)
}

// checkTrailer verifies the trailer and the checksum of a file of size bytes.
func checkTrailer(path string, r io.ReaderAt, size int64) error {
	bad := func(what string, err error) error { return &FormatError{Path: path, What: what, Err: err} }
	tail := make([]byte, min(size, 200))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	if len(tail) < trailerLen {
		return bad("", ErrNotBundle)
	}
	m := trailerForm.FindSubmatch(tail[len(tail)-trailerLen:])
	if m == nil {
		if v := newerForm.FindSubmatch(tail); v != nil && string(v[1]) != strconv.Itoa(Version) {
			return bad(fmt.Sprintf("bundle of version %s", v[1]), ErrNewer)
		}
		return bad("it has no bundle's end: it was cut short, or is none", nil)
	}
	if string(m[1]) != strconv.Itoa(Version) {
		return bad(fmt.Sprintf("bundle of version %s", m[1]), ErrNewer)
	}
	sum, err := sumOf(r, size)
	if err != nil {
		return err
	}
	if fmt.Sprintf("%016x", sum) != string(m[2]) {
		return bad("it fails its checksum", nil)
	}
	return nil
}

// sumOf is the checksum of a file.
func sumOf(r io.ReaderAt, size int64) (uint64, error) {
	h := xxhash.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(r, 0, size-sumBack)}, make([]byte, 1<<20)); err != nil {
		return 0, err
	}
	h.WriteString("0000000000000000\n")
	return h.Sum64(), nil
}

// checkDirectory bounds the archive's directory before anybody reads it.
func checkDirectory(path string, r io.ReaderAt, size int64) error {
	bad := func(what string) error { return &FormatError{Path: path, What: what} }
	at := size - trailerLen - endLen
	b := make([]byte, endLen)
	if at < 0 {
		return bad("it is too short")
	}
	if _, err := r.ReadAt(b, at); err != nil {
		return err
	}
	le := binary.LittleEndian
	if string(b[:4]) != endMagic || le.Uint16(b[20:]) != trailerLen {
		return bad("its directory has no end")
	}
	count, length, offset := uint64(le.Uint16(b[10:])), uint64(le.Uint32(b[12:])), uint64(le.Uint32(b[16:]))
	end := uint64(at)
	if count == 0xffff || length == 0xffffffff || offset == 0xffffffff {
		if at < loc64Len+end64Len {
			return bad("its directory has no end")
		}
		l := make([]byte, loc64Len)
		if _, err := r.ReadAt(l, at-loc64Len); err != nil {
			return err
		}
		pos := le.Uint64(l[8:])
		if string(l[:4]) != loc64Magic || pos != uint64(at-loc64Len-end64Len) {
			return bad("its directory has no end")
		}
		e := make([]byte, end64Len)
		if _, err := r.ReadAt(e, int64(pos)); err != nil {
			return err
		}
		if string(e[:4]) != end64Magic {
			return bad("its directory has no end")
		}
		count, length, offset, end = le.Uint64(e[32:]), le.Uint64(e[40:]), le.Uint64(e[48:]), pos
	}
	switch {
	case count > maxEntries || length > maxDirectory:
		return bad("it has more entries than there can be")
	case offset > end || length != end-offset:
		return bad("its directory is not where it should be")
	}
	return nil
}
