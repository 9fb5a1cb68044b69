package engine

import (
	"encoding/binary"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"yore/engine/internal/locate"
	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// What an evaluation reads. Its value is a function of that memory, of registers
// and of constants: as long as nothing in it is written the value stays the same.
//
// Between BeginReads and EndReads the debugger's own reads are noted, and a
// function that it calls is stepped, with the operands of each instruction
// decoded. Bytes that were written before they were read (the called function's
// own frame) do not count. The set can be larger than what was read, never
// smaller; where that cannot be had Opaque says why.

// Reads is a set of memory that an evaluation read.
type Reads struct {
	// Opaque, when not empty, says why more than the set may have been read.
	Opaque string

	words map[uint64]byte // aligned words, a bit for each byte
}

// Words returns the number of aligned words of eight bytes that have something of
// the set.
func (r *Reads) Words() int { return len(r.words) }

// readSet is the set while it grows.
type readSet struct {
	Reads
	written map[uint64]byte
	steps   int
	stubs   []replay.Stub // the recorder's, whose data is no part of the program
	linker  []tracee.Range
}

// tracedSteps bounds how many instructions of called functions are stepped (some
// 30 µs each); what is called then runs on, unseen.
const tracedSteps = 30000

// BeginReads begins a set of what the debugger reads.
func (s *Session) BeginReads() {
	s.do(s.background(), func() error {
		s.reads = &readSet{Reads: Reads{words: map[uint64]byte{}}, written: map[uint64]byte{}, stubs: s.env.Stubs.List()}
		return nil
	})
}

// EndReads returns the set.
func (s *Session) EndReads() (r Reads) {
	s.do(s.background(), func() error {
		if s.reads != nil {
			r = s.reads.Reads
		}
		s.reads = nil
		return nil
	})
	return r
}

// opaque notes the first reason why the set is not whole.
func (r *readSet) opaque(why string) {
	if r.Opaque == "" {
		r.Opaque = why
	}
}

// each calls f for the words that [addr, addr+n) touches, with the bytes of it.
func each(addr, n uint64, f func(word uint64, mask byte)) {
	for end := addr + n; addr < end; {
		word := addr &^ 7
		hi := min(end, word+8)
		f(word, byte(uint16(1)<<(hi-word)-uint16(1)<<(addr-word)))
		addr = hi
	}
}

func (r *readSet) read(addr, n uint64) {
	each(addr, n, func(word uint64, mask byte) {
		if mask &^= r.written[word]; mask != 0 && !isOurs(word) {
			r.words[word] |= mask
		}
	})
}

func (r *readSet) wrote(addr, n uint64) {
	each(addr, n, func(word uint64, mask byte) { r.written[word] |= mask })
}

func isOurs(addr uint64) bool { return addr >= tracee.EngineCode && addr < tracee.EngineEnd }

// longest is the length up to which a range is noted byte by byte.
const longest = 1 << 20

// executes notes what the instruction at which c stands will do.
func (r *readSet) executes(c *tracee.Copy) {
	regs := c.Regs()
	var code [16]byte
	n := c.Space.Read(regs.Rip, code[:])
	in, err := patch.Decode(code[:n], regs.Rip)
	if err != nil {
		r.opaque("it calls a function with an instruction that is not known")
		return
	}
	if r.skips(regs.Rip) {
		return
	}
	if in.Time != patch.NoTime && in.Time != patch.CPUID && in.Time < patch.XSAVE {
		r.opaque("it calls a function that reads a clock or random numbers")
	}
	if in.ThreadLocal() && !isCanary(&in, regs) {
		r.opaque("it reads memory of one thread only")
	}
	as, exact := in.Accesses(regs)
	if !exact {
		r.opaque("it calls a function that gathers words from memory")
	}
	for _, a := range as {
		switch {
		case a.Len > longest:
			r.opaque("it reads very much memory")
		case a.Read:
			r.read(a.Addr, a.Len)
		}
	}
	for _, a := range as {
		// Only what is written for sure hides what is read later.
		if a.Write && a.Sure && a.Len <= longest {
			r.wrote(a.Addr, a.Len)
		}
	}
}

// skips reports code whose reads do not count: the recorder's stubs; and the
// dynamic linker, which looks up a function at its first call. What that finds
// depends on what is loaded only, and the slot that remembers it is in the set.
func (r *readSet) skips(pc uint64) bool {
	for _, x := range r.stubs {
		if pc >= x.Lo && pc < x.Hi {
			return true
		}
	}
	return slices.ContainsFunc(r.linker, func(x tracee.Range) bool { return pc >= x.Lo && pc < x.Hi })
}

// learn finds out where in c the dynamic linker is.
func (r *readSet) learn(c *tracee.Copy) error {
	if r.linker != nil {
		return nil
	}
	maps, err := c.Space.Maps()
	if err != nil {
		return err
	}
	r.linker = []tracee.Range{}
	for _, m := range maps {
		name := filepath.Base(m.Path)
		if m.Prot&unix.PROT_EXEC != 0 && (strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl") || name == "ld.so") {
			r.linker = append(r.linker, tracee.Range{Lo: m.Lo, Hi: m.Hi})
		}
	}
	return nil
}

// isCanary reports an access to the stack protector's word, which is the same in
// all threads and all the time.
func isCanary(in *patch.Inst, regs *ptrace.Regs) bool {
	as, _ := in.Accesses(regs)
	const canary = 0x28
	return len(as) == 1 && as[0].Addr == regs.Fs_base+canary
}

// traced is how runDiversion goes on while reads are noted: by one instruction.
func (s *Session) traced(c *tracee.Copy) (ptrace.Status, error) {
	r := s.reads
	if r == nil || r.steps >= tracedSteps {
		return c.Run(ptrace.Sysemu, 0)
	}
	if r.steps++; r.steps == tracedSteps {
		r.opaque("it calls a function that executes very many instructions")
		return c.Run(ptrace.Sysemu, 0)
	}
	if err := r.learn(c); err != nil {
		return 0, err
	}
	r.executes(c)
	return c.Run(ptrace.SysemuStep, 0)
}

// stepped reports whether a stop is that of a step of traced.
func (s *Session) stepped(c *tracee.Copy, st ptrace.Status) bool {
	if s.reads == nil || s.reads.steps >= tracedSteps || !st.IsSignal() || st.Signal() != int(unix.SIGTRAP) {
		return false
	}
	var info ptrace.Siginfo
	err := ptrace.GetSiginfo(c.TID, &info)
	return err == nil && int32(binary.LittleEndian.Uint32(info[8:])) == trapTrace
}

// trapTrace is TRAP_TRACE (asm-generic/siginfo.h).
const trapTrace = 2

// pieces cuts the set into ranges that a debug register can watch, in the order of
// their addresses. A range may cover more than the set does.
func (r *Reads) pieces() []locate.Watch {
	words := make([]uint64, 0, len(r.words))
	for w := range r.words {
		words = append(words, w)
	}
	slices.Sort(words)
	var out []locate.Watch
	for _, w := range words {
		lo := uint64(bits.TrailingZeros8(r.words[w]))
		hi := uint64(8 - bits.LeadingZeros8(r.words[w]))
		n := uint64(1)
		for lo&^(n-1)+n < hi {
			n *= 2
		}
		out = append(out, locate.Watch{Addr: w + lo&^(n-1), Len: int(n)})
	}
	return out
}
