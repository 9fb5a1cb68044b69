package image

// The image file: a header of fileHeader bytes and a payload, one zstd stream of
// varints and byte strings (FORMAT.md). The payload begins with the Head, so
// that listing images need not unpack them whole. Reading is streamed: a hostile
// payload costs no more memory than the elements that it really holds.

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	fileMagic  = "yoreimag"
	fileHeader = 64

	// Bounds of what an image file may hold, far beyond what programs need.
	maxPayload = 256 << 20 // stored bytes
	maxString  = 1 << 20
	maxBlob    = 16 << 20
	maxRegions = 1 << 20 // the kernel's default limit is 65530
	maxRuns    = 1 << 24
	maxThreads = 1 << 16
	zstdWindow = 1 << 20
)

// header is the file's header.
type header struct {
	id     ID
	stored uint64 // length of the payload
	hash   uint64 // xxhash64 of it
	pages  uint32 // pages of the page file when the image was written
}

func (h *header) append(dst []byte) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = append(dst, fileMagic...)
	dst = le.AppendUint32(dst, FormatVersion)
	dst = le.AppendUint32(dst, uint32(h.id))
	dst = le.AppendUint64(dst, h.stored)
	dst = le.AppendUint64(dst, h.hash)
	dst = le.AppendUint32(dst, h.pages)
	dst = append(dst, make([]byte, fileHeader-4-(len(dst)-at))...)
	return le.AppendUint32(dst, crc32.Checksum(dst[at:], crcTable))
}

func parseHeader(path string, b []byte) (header, error) {
	bad := func(off int64, what string, err error) (header, error) {
		return header{}, &FormatError{Path: path, Offset: off, What: what, Err: err}
	}
	le := binary.LittleEndian
	switch {
	case len(b) < len(fileMagic) || string(b[:8]) != fileMagic:
		return bad(0, "image file", ErrNotImage)
	case len(b) < fileHeader:
		return bad(0, "incomplete header", nil)
	case le.Uint32(b[fileHeader-4:]) != crc32.Checksum(b[:fileHeader-4], crcTable):
		return bad(0, "header fails its checksum", nil)
	case le.Uint32(b[8:]) > FormatVersion:
		return bad(8, fmt.Sprintf("image of version %d", le.Uint32(b[8:])), ErrNewer)
	case le.Uint32(b[8:]) != FormatVersion:
		return bad(8, fmt.Sprintf("image of unknown version %d", le.Uint32(b[8:])), nil)
	}
	h := header{
		id: ID(le.Uint32(b[12:])), stored: le.Uint64(b[16:]),
		hash: le.Uint64(b[24:]), pages: le.Uint32(b[32:]),
	}
	if h.stored > maxPayload {
		return bad(16, "payload of impossible size", nil)
	}
	return h, nil
}

// encode returns the image file of a state and its runs, which are valid.
func encode(s *State, runs []Run, id ID, pages uint32) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, fileHeader))
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	e := encoder{w: bufio.NewWriterSize(z, 64<<10)}
	e.state(s)
	e.runs(runs)
	if e.err != nil {
		z.Close()
		return nil, e.err
	}
	if err := e.w.Flush(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	b := out.Bytes()
	payload := b[fileHeader:]
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("image of %d bytes beside its pages", len(payload))
	}
	h := header{id: id, stored: uint64(len(payload)), hash: xxhash.Sum64(payload), pages: pages}
	h.append(b[:0])
	return b, nil
}

// encoder writes the payload. Only exceeding the format's bounds is an error:
// the writer below it is memory.
type encoder struct {
	w   *bufio.Writer
	tmp [binary.MaxVarintLen64]byte
	err error
}

func (e *encoder) uint(v uint64) { e.w.Write(e.tmp[:binary.PutUvarint(e.tmp[:], v)]) }
func (e *encoder) int(v int64)   { e.w.Write(e.tmp[:binary.PutVarint(e.tmp[:], v)]) }

func (e *encoder) count(what string, n, limit int) {
	if n > limit && e.err == nil {
		e.err = fmt.Errorf("%s: %d is more than %d", what, n, limit)
	}
	e.uint(uint64(n))
}

func (e *encoder) blob(what string, b []byte) {
	e.count(what, len(b), maxBlob)
	e.w.Write(b)
}

func (e *encoder) str(what, s string) {
	e.count(what, len(s), maxString)
	e.w.WriteString(s)
}

func (e *encoder) regs(r *unix.PtraceRegs) {
	for _, p := range regFields(r) {
		e.uint(*p)
	}
}

func (e *encoder) state(s *State) {
	e.int(s.Event)
	e.str("position", s.Position)
	e.int(s.Time)
	e.str("note", s.Note)

	e.int(int64(s.PID))
	e.str("executable", s.Exe)
	e.str("working directory", s.Cwd)
	for _, p := range s.MM.fields() {
		e.uint(*p)
	}
	e.blob("auxiliary vector", s.Auxv)
	e.blob("signal dispositions", s.Signals)
	e.blob("extension", s.Ext)

	e.count("regions", len(s.Regions), maxRegions)
	var end uint64
	for i := range s.Regions {
		r := &s.Regions[i]
		e.uint((r.Addr - end) / PageSize)
		e.uint(r.Len / PageSize)
		e.uint(uint64(r.Prot))
		e.uint(uint64(r.Flags))
		e.uint(uint64(r.File))
		e.uint(r.Off)
		e.str("region's name", r.Name)
		end = r.End()
	}
	e.count("threads", len(s.Threads), maxThreads)
	for i := range s.Threads {
		t := &s.Threads[i]
		e.int(int64(t.TID))
		e.str("thread's name", t.Name)
		e.regs(&t.Regs)
		e.blob("xstate", t.XState)
		e.uint(t.SigMask)
		e.uint(t.AltStack.SP)
		e.uint(t.AltStack.Size)
		e.int(int64(t.AltStack.Flags))
		e.blob("thread's signals", t.Signals)
		if t.InSyscall {
			e.uint(1)
			e.regs(&t.Entry)
		} else {
			e.uint(0)
		}
		e.uint(t.ClearChildTID)
		e.uint(t.RobustList)
		e.uint(t.RobustLen)
		e.uint(t.Rseq)
		e.blob("thread's extension", t.Ext)
	}
}

func (e *encoder) runs(runs []Run) {
	e.count("runs", len(runs), maxRuns)
	var end uint64
	for _, r := range runs {
		e.uint((r.Addr - end) / PageSize)
		e.uint(r.Len / PageSize)
		e.uint(uint64(r.Off) / PageSize)
		end = r.Addr + r.Len
	}
}

// regFields lists the registers in the kernel's order (struct user_regs_struct).
func regFields(r *unix.PtraceRegs) [27]*uint64 {
	return [27]*uint64{
		&r.R15, &r.R14, &r.R13, &r.R12, &r.Rbp, &r.Rbx, &r.R11, &r.R10, &r.R9,
		&r.R8, &r.Rax, &r.Rcx, &r.Rdx, &r.Rsi, &r.Rdi, &r.Orig_rax, &r.Rip,
		&r.Cs, &r.Eflags, &r.Rsp, &r.Ss, &r.Fs_base, &r.Gs_base, &r.Ds, &r.Es,
		&r.Fs, &r.Gs,
	}
}

// decoder reads the payload; after the first error every read yields zero.
type decoder struct {
	r   *bufio.Reader
	at  int64 // bytes of the unpacked payload consumed
	err error
}

// newDecoder unpacks payload, which has passed its checksum.
func newDecoder(payload io.Reader) (*decoder, *zstd.Decoder, error) {
	z, err := zstd.NewReader(payload, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return nil, nil, err
	}
	return &decoder{r: bufio.NewReaderSize(z, 64<<10)}, z, nil
}

func (d *decoder) fail(what string, err error) {
	if d.err != nil {
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
		what = "payload ends before its " + what
	}
	d.err = &FormatError{Offset: d.at, What: what, Err: err}
}

func (d *decoder) uint(what string) uint64 {
	if d.err != nil {
		return 0
	}
	var v uint64
	for shift := 0; ; shift += 7 {
		b, err := d.r.ReadByte()
		if err != nil {
			d.fail(what, err)
			return 0
		}
		d.at++
		if shift == 63 && b > 1 {
			d.fail("bad "+what, nil)
			return 0
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

func (d *decoder) int(what string) int64 {
	u := d.uint(what)
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (d *decoder) int32(what string) int32 {
	v := d.int(what)
	if int64(int32(v)) != v {
		d.fail("bad "+what, nil)
		return 0
	}
	return int32(v)
}

func (d *decoder) uint32(what string) uint32 {
	v := d.uint(what)
	if uint64(uint32(v)) != v {
		d.fail("bad "+what, nil)
		return 0
	}
	return uint32(v)
}

func (d *decoder) count(what string, limit int) int {
	n := d.uint(what)
	if n > uint64(limit) {
		d.fail(fmt.Sprintf("impossible number of %s", what), nil)
		return 0
	}
	return int(n)
}

// bytes reads a byte string, growing only as its bytes arrive.
func (d *decoder) bytes(what string, limit int) []byte {
	n := d.count(what, limit)
	if d.err != nil || n == 0 {
		return nil
	}
	b := make([]byte, 0, min(n, 4096))
	for len(b) < n {
		k := min(n-len(b), max(len(b), 4096))
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(d.r, b[len(b)-k:]); err != nil {
			d.fail(what, err)
			return nil
		}
		d.at += int64(k)
	}
	return b
}

func (d *decoder) str(what string) string { return string(d.bytes(what, maxString)) }

func (d *decoder) regs(what string, r *unix.PtraceRegs) {
	for _, p := range regFields(r) {
		*p = d.uint(what)
	}
}

// pages reads a number of pages as bytes.
func (d *decoder) pages(what string) uint64 {
	n := d.uint(what)
	if n > userEnd/PageSize {
		d.fail("impossible "+what, nil)
		return 0
	}
	return n * PageSize
}

func (d *decoder) head(h *Head) {
	h.Event = d.int("event")
	h.Position = d.str("position")
	h.Time = d.int("time")
	h.Note = d.str("note")
}

func (d *decoder) state(s *State) {
	d.head(&s.Head)
	s.PID = d.int32("process id")
	s.Exe = d.str("executable")
	s.Cwd = d.str("working directory")
	for _, p := range s.MM.fields() {
		*p = d.uint("layout")
	}
	s.Auxv = d.bytes("auxiliary vector", maxBlob)
	s.Signals = d.bytes("signal dispositions", maxBlob)
	s.Ext = d.bytes("extension", maxBlob)

	var end uint64
	for n := d.count("regions", maxRegions); n > 0 && d.err == nil; n-- {
		var r Region
		r.Addr = end + d.pages("region's address")
		r.Len = d.pages("region's length")
		r.Prot = d.uint32("region's protection")
		r.Flags = d.uint32("region's flags")
		r.File = d.uint32("region's file")
		r.Off = d.uint("region's offset")
		r.Name = d.str("region's name")
		end = r.End()
		if end > userEnd {
			d.fail("region outside a program's addresses", nil)
		}
		s.Regions = append(s.Regions, r)
	}
	for n := d.count("threads", maxThreads); n > 0 && d.err == nil; n-- {
		var t Thread
		d.thread(&t)
		s.Threads = append(s.Threads, t)
	}
}

func (d *decoder) thread(t *Thread) {
	t.TID = d.int32("thread id")
	t.Name = d.str("thread's name")
	d.regs("registers", &t.Regs)
	t.XState = d.bytes("xstate", maxBlob)
	t.SigMask = d.uint("signal mask")
	t.AltStack.SP = d.uint("alternate stack")
	t.AltStack.Size = d.uint("alternate stack")
	t.AltStack.Flags = d.int32("alternate stack")
	t.Signals = d.bytes("thread's signals", maxBlob)
	switch d.uint("system call flag") {
	case 0:
	case 1:
		t.InSyscall = true
		d.regs("entry registers", &t.Entry)
	default:
		d.fail("bad system call flag", nil)
	}
	t.ClearChildTID = d.uint("clear_child_tid")
	t.RobustList = d.uint("robust list")
	t.RobustLen = d.uint("robust list")
	t.Rseq = d.uint("rseq area")
	t.Ext = d.bytes("thread's extension", maxBlob)
}

func (d *decoder) runs() []Run {
	var runs []Run
	var end uint64
	for n := d.count("runs", maxRuns); n > 0 && d.err == nil; n-- {
		var r Run
		r.Addr = end + d.pages("run's address")
		r.Len = d.pages("run's length")
		r.Off = int64(d.uint32("run's page")) * PageSize
		end = r.Addr + r.Len
		if end > userEnd {
			d.fail("run outside a program's addresses", nil)
		}
		runs = append(runs, r)
	}
	return runs
}

// end checks that nothing follows.
func (d *decoder) end() {
	if d.err != nil {
		return
	}
	if _, err := d.r.ReadByte(); !errors.Is(err, io.EOF) {
		d.fail("bytes after the payload's end", err)
	}
}
