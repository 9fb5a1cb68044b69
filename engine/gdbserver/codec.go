package gdbserver

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
)

// This file reads and writes the small things packets are made of: hex
// numbers, hex strings, thread ids. Everything read here comes from the peer:
// errors, never panics.

const hexDigits = "0123456789abcdef"

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// scanner reads a packet from left to right. After the first failure every
// further read fails too; err says what was expected where.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail(want string) {
	if s.err == nil {
		s.err = fmt.Errorf("malformed packet: want %s before %.20q", want, s.rest)
	}
}

// hex reads a number of 1 to 16 hex digits.
func (s *scanner) hex() uint64 {
	var v uint64
	n := 0
	for n < len(s.rest) {
		d, ok := unhex(s.rest[n])
		if !ok {
			break
		}
		if v>>60 != 0 {
			s.fail("a 64-bit number")
			return 0
		}
		v = v<<4 | uint64(d)
		n++
	}
	if n == 0 || s.err != nil {
		s.fail("a hex number")
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

// size reads a number that must fit a non-negative int.
func (s *scanner) size() int {
	v := s.hex()
	if v > 1<<31-1 {
		s.fail("a smaller number")
		return 0
	}
	return int(v)
}

// lit consumes text if it comes next and says whether it did.
func (s *scanner) lit(text string) bool {
	if s.err != nil || !bytes.HasPrefix(s.rest, []byte(text)) {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// want consumes text or fails.
func (s *scanner) want(text string) {
	if !s.lit(text) {
		s.fail(strconv.Quote(text))
	}
}

// until consumes up to and including sep and returns what is before it; all of
// the rest when there is no sep.
func (s *scanner) until(sep byte) []byte {
	if s.err != nil {
		return nil
	}
	before, after, _ := bytes.Cut(s.rest, []byte{sep})
	s.rest = after
	return before
}

// end fails unless all was read.
func (s *scanner) end() {
	if s.err == nil && len(s.rest) > 0 {
		s.fail("the end")
	}
}

// take consumes n bytes.
func (s *scanner) take(n int) []byte {
	if s.err != nil || n < 0 || n > len(s.rest) {
		s.fail(fmt.Sprintf("%d bytes", n))
		return nil
	}
	p := s.rest[:n]
	s.rest = s.rest[n:]
	return p
}

// Special thread numbers of a threadID.
const (
	anyThread = 0
	allThread = -1
)

// threadID is a thread as packets name it: TID or pPID.TID, each a hex number,
// 0 for any or -1 for all.
type threadID struct {
	pid, tid int
}

func (s *scanner) threadPart() int {
	if s.lit("-1") {
		return allThread
	}
	return s.size()
}

// thread reads a thread id. pPID alone means all threads of the process.
func (s *scanner) thread() threadID {
	if s.lit("p") {
		t := threadID{pid: s.threadPart(), tid: allThread}
		if s.lit(".") {
			t.tid = s.threadPart()
		}
		return t
	}
	return threadID{tid: s.threadPart()}
}

// decodeHex decodes pairs of hex digits.
func decodeHex(p []byte) ([]byte, error) {
	out := make([]byte, hex.DecodedLen(len(p)))
	if _, err := hex.Decode(out, p); err != nil {
		return nil, fmt.Errorf("malformed packet: %w", err)
	}
	return out, nil
}

// appendHexLE appends the size bytes of v, little-endian, as hex.
func appendHexLE(dst []byte, v uint64, size int) []byte {
	for range size {
		dst = append(dst, hexDigits[v>>4&15], hexDigits[v&15])
		v >>= 8
	}
	return dst
}

// appendHex appends data as pairs of hex digits.
func appendHex(dst, data []byte) []byte {
	for _, b := range data {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}
