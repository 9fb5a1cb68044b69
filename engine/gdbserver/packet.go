package gdbserver

import (
	"bufio"
	"fmt"
	"io"
)

// This file frames packets: $PAYLOAD#CHECKSUM, the acknowledgements + and -,
// and the interrupt byte 0x03 that gdb sends between packets. It is pure: it
// reads an io.Reader and appends to byte slices. It does not expand run-length
// encoding in what it reads (gdb sends none) nor produce it.

// MaxPacket bounds the payload of a packet in either direction, in bytes on
// the wire. The server announces it as PacketSize.
const MaxPacket = 128 << 10

// frameKind is what a frameReader found next.
type frameKind uint8

const (
	framePacket    frameKind = iota // a packet with a good checksum
	frameCorrupt                    // a packet whose checksum is wrong
	frameTooLong                    // a packet above the bound; its payload is lost
	frameAck                        // '+'
	frameNak                        // '-'
	frameInterrupt                  // 0x03
)

// frame is one unit of what gdb sends.
type frame struct {
	kind    frameKind
	payload []byte // as on the wire, binary escapes in place; the receiver owns it
}

// frameReader splits a byte stream into frames. Bytes that belong to none are
// skipped, as the protocol demands.
type frameReader struct {
	r   *bufio.Reader
	max int
}

func newFrameReader(r io.Reader, max int) *frameReader {
	return &frameReader{bufio.NewReaderSize(r, 64<<10), max}
}

// next returns the next frame or the stream's error; io.EOF inside a packet is
// io.ErrUnexpectedEOF.
func (f *frameReader) next() (frame, error) {
	for {
		c, err := f.r.ReadByte()
		if err != nil {
			return frame{}, err
		}
		switch c {
		case '+':
			return frame{kind: frameAck}, nil
		case '-':
			return frame{kind: frameNak}, nil
		case 0x03:
			return frame{kind: frameInterrupt}, nil
		case '$':
			fr, err := f.packet()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fr, err
		}
	}
}

// packet reads the rest of a packet, after its '$'. A second '$' starts it
// anew: the peer gave up on the first.
func (f *frameReader) packet() (frame, error) {
	var p []byte
	var sum byte
	long := false
	for {
		c, err := f.r.ReadByte()
		if err != nil {
			return frame{}, err
		}
		if c == '#' {
			break
		}
		if c == '$' {
			p, sum, long = p[:0], 0, false
			continue
		}
		sum += c
		if len(p) == f.max {
			long = true
			continue
		}
		p = append(p, c)
	}
	hi, err := f.r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	lo, err := f.r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	h, ok1 := unhex(hi)
	l, ok2 := unhex(lo)
	switch {
	case !ok1 || !ok2 || h<<4|l != sum:
		return frame{kind: frameCorrupt, payload: p}, nil
	case long:
		return frame{kind: frameTooLong}, nil
	}
	return frame{kind: framePacket, payload: p}, nil
}

// appendPacket appends payload to dst as a packet. The payload must not hold
// '#' or '$' unescaped; see escape.
func appendPacket(dst []byte, payload []byte) []byte {
	var sum byte
	for _, c := range payload {
		sum += c
	}
	dst = append(dst, '$')
	dst = append(dst, payload...)
	return append(dst, '#', hexDigits[sum>>4], hexDigits[sum&15])
}

// escape appends binary data to dst in the protocol's escaped form.
func escape(dst, data []byte) []byte {
	for _, c := range data {
		switch c {
		case '#', '$', '}', '*':
			dst = append(dst, '}', c^0x20)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// escapeUpTo is escape for at most limit bytes of output. It returns how many
// bytes of data went in.
func escapeUpTo(dst, data []byte, limit int) ([]byte, int) {
	start := len(dst)
	for i, c := range data {
		n := 1
		if c == '#' || c == '$' || c == '}' || c == '*' {
			n = 2
		}
		if len(dst)-start+n > limit {
			return dst, i
		}
		dst = escape(dst, data[i:i+1])
	}
	return dst, len(data)
}

// unescape undoes escape.
func unescape(data []byte) ([]byte, error) {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		c := data[i]
		if c == '}' {
			i++
			if i == len(data) {
				return nil, fmt.Errorf("binary data ends in an escape character")
			}
			c = data[i] ^ 0x20
		}
		out = append(out, c)
	}
	return out, nil
}
