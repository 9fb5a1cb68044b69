package snapshot

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"

	"yore/engine/image"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Point says where in history a copy stands.
type Point struct {
	Event int64 // in whose slice it is
	Start bool  // at the slice's start
	Time  int64 // ns since the recording began
}

// Info is what is known of a program beside its memory and registers.
type Info struct {
	Brk        uint64 `json:"brk,omitempty"`
	Active     int    `json:"active"`
	Start      bool   `json:"start,omitempty"`
	StackLimit uint64 `json:"stack_limit,omitempty"` // RLIMIT_STACK, bytes
	// Patched holds the original bytes of patched instructions, by address in
	// hex.
	Patched map[string][]byte `json:"patched,omitempty"`
	// Stubs are the counting stubs so far, as replay.Encode writes them, and
	// Limits the addresses of their limits, which are no part of the state.
	Stubs  []byte   `json:"stubs,omitempty"`
	Limits []uint64 `json:"limits,omitempty"`
	// Views is the memory that shows objects: what is stored through one is seen
	// through the others.
	Views []tracee.View `json:"views,omitempty"`
	// Calls holds the system calls that threads are in, by thread id.
	Calls map[int]int64 `json:"calls,omitempty"`
}

// SetPatched and Originals convert Patched.
func (in *Info) SetPatched(m map[uint64][]byte) {
	in.Patched = make(map[string][]byte, len(m))
	for a, b := range m {
		in.Patched[fmt.Sprintf("%x", a)] = b
	}
}

func (in *Info) Originals() map[uint64][]byte {
	out := make(map[uint64][]byte, len(in.Patched))
	for k, b := range in.Patched {
		var a uint64
		if _, err := fmt.Sscanf(k, "%x", &a); err == nil && len(b) < 16 {
			out[a] = b
		}
	}
	return out
}

// InfoOf reads an image's Info.
func InfoOf(im *image.Image) (*Info, error) {
	in := new(Info)
	if err := json.Unmarshal(im.Ext, in); err != nil {
		return nil, &image.FormatError{Path: im.Path(), What: "extension", Err: err}
	}
	return in, nil
}

// normal returns registers as fingerprints have them: without the trap and resume
// flags and without orig_rax, which only stops show.
func normal(r unix.PtraceRegs) unix.PtraceRegs {
	r.Eflags &^= 0x10100
	r.Orig_rax = ^uint64(0)
	return r
}

// threadSum returns the registers' part of a fingerprint.
func threadSum(c *tracee.Copy) (sum uint64, n int32, err error) {
	for id, th := range c.Threads {
		if th.Dead {
			continue
		}
		regs, err := c.ThreadRegs(id)
		if err != nil {
			return 0, 0, err
		}
		x, err := c.ThreadXState(id)
		if err != nil {
			return 0, 0, err
		}
		regs = normal(regs)
		sum += trace.HashThread(int32(id), &regs, tracee.NormalXState(x))
		n++
	}
	return sum, n, nil
}

// mask says which words of which pages are no part of the state.
type mask map[uint64][]int

func newMask(words []uint64) mask {
	m := mask{}
	for _, a := range words {
		p := a &^ (tracee.PageSize - 1)
		m[p] = append(m[p], int(a-p))
	}
	return m
}

// apply makes the words of a page what they are at rest: all ones, no limit.
func (m mask) apply(addr uint64, page []byte) {
	for _, at := range m[addr] {
		if at+8 <= len(page) {
			binary.LittleEndian.PutUint64(page[at:], ^uint64(0))
		}
	}
}

// piece returns the piece that holds addr.
func piece(ps []tracee.Piece, addr uint64) *tracee.Piece {
	i := sort.Search(len(ps), func(i int) bool { return ps[i].Hi > addr })
	if i < len(ps) && ps[i].Lo <= addr {
		return &ps[i]
	}
	return nil
}
