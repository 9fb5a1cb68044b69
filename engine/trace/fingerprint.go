package trace

// Fingerprints: hashes of the program's state at points of the timeline, by
// which a replay is compared with what was recorded. They are a side stream, not
// events: the hash of memory is computed from a checkpoint after the recording
// has gone on.

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

const sumsMagic = "yoresums"

// Fingerprint is the state of the program just after event Event took effect.
type Fingerprint struct {
	Event   int64
	Threads int32  // number of threads whose registers are in Regs
	Regs    uint64 // wrapping sum of the threads' HashThread
	// Memory is the wrapping sum of the pages' HashPage over all writable private
	// pages, when Pages, their number, is not 0.
	Memory uint64
	Pages  int64
}

// HashThread is a thread's part of Fingerprint.Regs. xstate may be nil.
func HashThread(tid int32, r *unix.PtraceRegs, xstate []byte) uint64 {
	var b [27 * 8]byte
	for i, p := range regFields(r) {
		binary.LittleEndian.PutUint64(b[8*i:], *p)
	}
	h := xxhash.NewWithSeed(uint64(uint32(tid)))
	h.Write(b[:])
	h.Write(xstate)
	return h.Sum64()
}

// HashPage is a page's part of Fingerprint.Memory. A page of zeros has none: a
// page that was never touched equals one that holds zeros. Sums can be kept
// current by subtracting a page's old hash and adding its new one.
func HashPage(addr uint64, page []byte) uint64 {
	if isZero(page) {
		return 0
	}
	h := xxhash.NewWithSeed(addr)
	h.Write(page)
	return h.Sum64()
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

const fingerprintSize = 40

func (f *Fingerprint) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(f.Event))
	dst = le.AppendUint64(dst, f.Regs)
	dst = le.AppendUint64(dst, f.Memory)
	dst = le.AppendUint64(dst, uint64(f.Pages))
	dst = le.AppendUint32(dst, uint32(f.Threads))
	return le.AppendUint32(dst, 0)
}

func parseFingerprint(b []byte) (Fingerprint, error) {
	if len(b) != fingerprintSize {
		return Fingerprint{}, fmt.Errorf("fingerprint of %d bytes", len(b))
	}
	le := binary.LittleEndian
	f := Fingerprint{
		Event: int64(le.Uint64(b)), Regs: le.Uint64(b[8:]), Memory: le.Uint64(b[16:]),
		Pages: int64(le.Uint64(b[24:])), Threads: int32(le.Uint32(b[32:])),
	}
	if f.Event < 0 || f.Pages < 0 || f.Threads < 0 || le.Uint32(b[36:]) != 0 {
		return Fingerprint{}, fmt.Errorf("fingerprint with impossible fields")
	}
	return f, nil
}
