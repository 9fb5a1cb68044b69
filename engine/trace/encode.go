package trace

// The binary form of one event: a length, then a body. The body is the kind, a
// mask that says which fields are not zero, and those fields in the order of
// their bits. Numbers are varints (encoding/binary's), signed ones zigzag.
//
// Zero fields are absent and empty slices decode as nil, so the form is
// lossless but for the difference between nil and empty. Encoding never fails.
// Decoding trusts nothing: what it allocates is bounded by the input's length,
// and it accepts only what encoding can have produced (no unknown kinds or
// fields, no bytes left over). Integrity is the frame's business (frame.go).

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Bits of the field mask, part of the disk format. Those of an ordinary system
// call are the low seven: their mask fits one byte.
const (
	hasTID = 1 << iota
	hasNR
	hasRet
	hasArgs
	hasPC
	hasSP
	hasTime
	hasWrites
	hasRegs
	hasXState
	hasMaps
	hasSig
	hasInfo
	hasChild
	hasChildRegs
	hasStub
	hasCount
	hasOut
	allFields = 1<<iota - 1
)

// MaxEvent bounds the encoded size of one event. The kernel transfers at most
// 2 GiB in one call.
const MaxEvent = 1<<31 + 1<<26

// AppendEvent appends the binary form of e to dst and returns the result. It
// keeps no reference to e.
func AppendEvent(dst []byte, e *Event) []byte { return appendEvent(dst, e, 0) }

// appendEvent is AppendEvent with the time stored relative to base.
func appendEvent(dst []byte, e *Event, base int64) []byte {
	start := len(dst)
	dst = append(dst, 0) // the length, when it fits one byte
	dst = appendBody(dst, e, base)
	n := len(dst) - start - 1
	if n < 0x80 {
		dst[start] = byte(n)
		return dst
	}
	var pfx [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(pfx[:], uint64(n))
	dst = append(dst, pfx[:k-1]...) // make room, then shift the body
	copy(dst[start+k:], dst[start+1:start+1+n])
	copy(dst[start:], pfx[:k])
	return dst
}

func appendBody(dst []byte, e *Event, base int64) []byte {
	var m uint64
	set := func(on bool, bit uint64) {
		if on {
			m |= bit
		}
	}
	t := e.Time - base
	set(e.TID != 0, hasTID)
	set(e.NR != 0, hasNR)
	set(e.Ret != 0, hasRet)
	set(e.Args != [6]uint64{}, hasArgs)
	set(e.PC != 0, hasPC)
	set(e.SP != 0, hasSP)
	set(t != 0, hasTime)
	set(len(e.Writes) != 0, hasWrites)
	set(e.Regs != nil, hasRegs)
	set(len(e.XState) != 0, hasXState)
	set(len(e.Maps) != 0, hasMaps)
	set(e.Sig != 0, hasSig)
	set(len(e.Info) != 0, hasInfo)
	set(e.Child != 0, hasChild)
	set(e.ChildRegs != nil, hasChildRegs)
	set(e.Stub != 0, hasStub)
	set(e.Count != 0, hasCount)
	set(len(e.Out) != 0, hasOut)

	dst = append(dst, byte(e.Kind))
	dst = binary.AppendUvarint(dst, m)
	if m&hasTID != 0 {
		dst = binary.AppendVarint(dst, int64(e.TID))
	}
	if m&hasNR != 0 {
		dst = binary.AppendVarint(dst, int64(e.NR))
	}
	if m&hasRet != 0 {
		dst = binary.AppendVarint(dst, e.Ret)
	}
	if m&hasArgs != 0 {
		at := len(dst)
		dst = append(dst, 0)
		for i, a := range e.Args {
			if a != 0 {
				dst[at] |= 1 << i
				dst = binary.AppendUvarint(dst, a)
			}
		}
	}
	if m&hasPC != 0 {
		dst = binary.AppendUvarint(dst, e.PC)
	}
	if m&hasSP != 0 {
		dst = binary.AppendUvarint(dst, e.SP)
	}
	if m&hasTime != 0 {
		dst = binary.AppendVarint(dst, t)
	}
	if m&hasWrites != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Writes)))
		for i := range e.Writes {
			dst = binary.AppendUvarint(dst, e.Writes[i].Addr)
			dst = appendBytes(dst, e.Writes[i].Data)
		}
	}
	if m&hasRegs != 0 {
		dst = appendRegs(dst, e.Regs)
	}
	if m&hasXState != 0 {
		dst = appendBytes(dst, e.XState)
	}
	if m&hasMaps != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Maps)))
		for i := range e.Maps {
			dst = appendMap(dst, &e.Maps[i])
		}
	}
	if m&hasSig != 0 {
		dst = binary.AppendVarint(dst, int64(e.Sig))
	}
	if m&hasInfo != 0 {
		dst = appendBytes(dst, e.Info)
	}
	if m&hasChild != 0 {
		dst = binary.AppendVarint(dst, int64(e.Child))
	}
	if m&hasChildRegs != 0 {
		dst = appendRegs(dst, e.ChildRegs)
	}
	if m&hasStub != 0 {
		dst = binary.AppendVarint(dst, int64(e.Stub))
	}
	if m&hasCount != 0 {
		dst = binary.AppendUvarint(dst, e.Count)
	}
	if m&hasOut != 0 {
		dst = appendBytes(dst, e.Out)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendMap(dst []byte, m *Map) []byte {
	dst = binary.AppendUvarint(dst, m.Addr)
	dst = binary.AppendUvarint(dst, m.Len)
	dst = binary.AppendUvarint(dst, uint64(m.Prot))
	var flags byte
	if m.Shared {
		flags |= mapShared
	}
	if m.Object != 0 {
		flags |= mapObject
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(m.File))
	dst = binary.AppendUvarint(dst, m.Off)
	if m.Object != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Object))
	}
	return dst
}

// Flags of a mapping, part of the disk format.
const (
	mapShared = 1 << iota
	mapObject // the object's number follows
)

// regFields lists the registers in the kernel's order (struct user_regs_struct
// of asm/user_64.h), which is also the order on disk.
func regFields(r *unix.PtraceRegs) [27]*uint64 {
	return [27]*uint64{
		&r.R15, &r.R14, &r.R13, &r.R12, &r.Rbp, &r.Rbx, &r.R11, &r.R10, &r.R9,
		&r.R8, &r.Rax, &r.Rcx, &r.Rdx, &r.Rsi, &r.Rdi, &r.Orig_rax, &r.Rip,
		&r.Cs, &r.Eflags, &r.Rsp, &r.Ss, &r.Fs_base, &r.Gs_base, &r.Ds, &r.Es,
		&r.Fs, &r.Gs,
	}
}

// appendRegs writes 27 varints; orig_rax, mostly -1, is zigzag.
func appendRegs(dst []byte, r *unix.PtraceRegs) []byte {
	for i, p := range regFields(r) {
		if i == 15 {
			dst = binary.AppendVarint(dst, int64(*p))
		} else {
			dst = binary.AppendUvarint(dst, *p)
		}
	}
	return dst
}

// DecodeEvent reads one event from the start of b and returns it with the
// number of bytes that it took. The event's slices are parts of b: neither may
// be changed while the other is in use. Errors are *FormatError without a path,
// the offset counted from b's start.
func DecodeEvent(b []byte) (Event, int, error) {
	var e Event
	n, err := decodeEvent(b, &e, 0)
	return e, n, err
}

func decodeEvent(b []byte, e *Event, base int64) (int, error) {
	d := decoder{b: b}
	n := d.uvarint("length")
	if d.err == nil && (n > MaxEvent || n > uint64(len(b)-d.at)) {
		d.fail("length")
	}
	if d.err != nil {
		return 0, d.err
	}
	end := d.at + int(n)
	d.b = b[:end]
	d.event(e, base)
	if d.err == nil && d.at != end {
		d.fail("end of event")
	}
	if d.err != nil {
		*e = Event{}
		return 0, d.err
	}
	return end, nil
}

// decoder reads fields from b; after the first error every read yields zero.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = &FormatError{Offset: int64(d.at), What: "bad event: " + what}
		d.at = len(d.b)
	}
}

func (d *decoder) byte(what string) byte {
	if d.at >= len(d.b) {
		d.fail(what)
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

func (d *decoder) uvarint(what string) uint64 {
	// Small numbers first: most are.
	if d.at < len(d.b) && d.b[d.at] < 0x80 {
		d.at++
		return uint64(d.b[d.at-1])
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail(what)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) varint(what string) int64 {
	u := d.uvarint(what)
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (d *decoder) int32(what string) int32 {
	v := d.varint(what)
	if int64(int32(v)) != v {
		d.fail(what)
		return 0
	}
	return int32(v)
}

func (d *decoder) uint32(what string) uint32 {
	v := d.uvarint(what)
	if uint64(uint32(v)) != v {
		d.fail(what)
		return 0
	}
	return uint32(v)
}

func (d *decoder) bytes(what string) []byte {
	n := d.uvarint(what)
	if n > uint64(len(d.b)-d.at) {
		d.fail(what)
		return nil
	}
	if n == 0 {
		return nil
	}
	s := d.b[d.at : d.at+int(n) : d.at+int(n)]
	d.at += int(n)
	return s
}

// count reads the number of list elements that take at least min bytes each.
func (d *decoder) count(what string, min int) int {
	n := d.uvarint(what)
	if n > uint64((len(d.b)-d.at)/min) {
		d.fail(what)
		return 0
	}
	return int(n)
}

func (d *decoder) regs(what string) *unix.PtraceRegs {
	if len(d.b)-d.at < 27 {
		d.fail(what)
		return nil
	}
	r := new(unix.PtraceRegs)
	for i, p := range regFields(r) {
		if i == 15 {
			*p = uint64(d.varint(what))
		} else {
			*p = d.uvarint(what)
		}
	}
	return r
}

func (d *decoder) event(e *Event, base int64) {
	*e = Event{Kind: Kind(d.byte("kind"))}
	if e.Kind < Start || e.Kind > lastKind {
		d.at--
		d.fail(fmt.Sprintf("unknown kind %d", e.Kind))
		return
	}
	m := d.uvarint("field mask")
	if m&^uint64(allFields) != 0 {
		d.fail("unknown field")
		return
	}
	if m&hasTID != 0 {
		e.TID = d.int32("thread")
	}
	if m&hasNR != 0 {
		e.NR = d.int32("system call number")
	}
	if m&hasRet != 0 {
		e.Ret = d.varint("result")
	}
	if m&hasArgs != 0 {
		which := d.byte("arguments")
		if which >= 1<<len(e.Args) {
			d.fail("arguments")
		}
		for i := range e.Args {
			if which&(1<<i) != 0 {
				e.Args[i] = d.uvarint("arguments")
			}
		}
	}
	if m&hasPC != 0 {
		e.PC = d.uvarint("pc")
	}
	if m&hasSP != 0 {
		e.SP = d.uvarint("sp")
	}
	e.Time = base
	if m&hasTime != 0 {
		e.Time += d.varint("time")
	}
	if m&hasWrites != 0 {
		if n := d.count("writes", 2); n > 0 {
			e.Writes = make([]Write, n)
			for i := range e.Writes {
				e.Writes[i].Addr = d.uvarint("write address")
				e.Writes[i].Data = d.bytes("write data")
			}
		}
	}
	if m&hasRegs != 0 {
		e.Regs = d.regs("registers")
	}
	if m&hasXState != 0 {
		e.XState = d.bytes("xstate")
	}
	if m&hasMaps != 0 {
		if n := d.count("maps", 6); n > 0 {
			e.Maps = make([]Map, n)
			for i := range e.Maps {
				d.mapping(&e.Maps[i])
			}
		}
	}
	if m&hasSig != 0 {
		e.Sig = d.int32("signal")
	}
	if m&hasInfo != 0 {
		e.Info = d.bytes("siginfo")
	}
	if m&hasChild != 0 {
		e.Child = d.int32("child")
	}
	if m&hasChildRegs != 0 {
		e.ChildRegs = d.regs("child's registers")
	}
	if m&hasStub != 0 {
		e.Stub = d.int32("stub")
	}
	if m&hasCount != 0 {
		e.Count = d.uvarint("count")
	}
	if m&hasOut != 0 {
		e.Out = d.bytes("output")
	}
}

func (d *decoder) mapping(m *Map) {
	m.Addr = d.uvarint("mapping address")
	m.Len = d.uvarint("mapping length")
	m.Prot = d.uint32("mapping protection")
	flags := d.byte("mapping flags")
	if flags&^(mapShared|mapObject) != 0 {
		d.fail("mapping flags")
	}
	m.Shared = flags&mapShared != 0
	m.File = d.uint32("mapped file")
	m.Off = d.uvarint("mapping offset")
	if flags&mapObject != 0 {
		if m.Object = d.uint32("mapped object"); m.Object == 0 {
			d.fail("mapped object")
		}
	}
}
