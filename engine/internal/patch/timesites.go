package patch

import (
	"bytes"
	"slices"
	"strings"
)

// Instructions whose result comes from outside, for the recorder to replace.
//
// The text is searched for their opcode bytes; only functions that contain some
// are decoded. What the bytes are is then a question of instruction boundaries:
//
//   - in a function whose sweep is consistent (blocks.go) the sweep decides;
//   - in one that is not, what direct branches from its entry reach is decided;
//   - elsewhere (no function known, or bytes that nothing is known to reach) the
//     bytes are taken for an instruction only if decoding from every one of the
//     preceding 40 addresses either fails or meets its boundary, at least half
//     meet it, and the instructions behind use the result as compilers do
//     (rdtsc: shl rdx, 32; rdrand and rdseed: a test of the carry). Constants
//     that happen to contain 0F 31 do not pass that. Where the addresses agree
//     and only the use is missing, the bytes are reported as unsure and left
//     alone: trapping the time stamp counter by prctl is sound where patching
//     would be a guess.
//
// In memory that no file is mapped to (code made at run time) all are unsure.

// isTimeSite reports whether instructions of kind k are to be replaced.
func isTimeSite(k TimeSource) bool {
	switch k {
	case RDTSC, RDTSCP, RDRAND, RDSEED, RDPID, RDPRU, CPUID, XGETBV, XSAVE, XSAVEC, XSAVEOPT:
		return true
	}
	return false
}

// TimeSites returns the time sources among the instructions of [lo, hi), in
// address order: rdtsc, rdtscp, rdrand, rdseed, rdpid, rdpru, cpuid (whose answer
// depends on the processor that happens to execute it), and what shows which
// parts of the extended state the processor takes to be in use: xgetbv and the
// xsave family. unsure are
// addresses that hold such bytes in executable memory and may be code or data.
func (t *Text) TimeSites(lo, hi uint64) (sites []Inst, unsure []uint64) {
	for _, a := range t.areas {
		from, to := max(lo, a.Lo), min(hi, a.Hi)
		if from >= to {
			continue
		}
		var f *function // of the last candidate
		for _, c := range t.candidates(from, to) {
			if f == nil || c >= f.hi {
				f = t.bounds(c)
			}
			i, known, ok := t.timeSite(a, f, c)
			switch {
			case ok:
				sites = append(sites, i)
			case !known:
				unsure = append(unsure, c)
			}
		}
	}
	slices.SortFunc(sites, func(a, b Inst) int { return cmpU64(a.PC, b.PC) })
	sites = slices.CompactFunc(sites, func(a, b Inst) bool { return a.PC == b.PC })
	return sites, unsure
}

var timePatterns = [][]byte{{0x0f, 0x31}, {0x0f, 0x01, 0xf9}, {0x0f, 0x01, 0xfd}, {0x0f, 0x01, 0xd0}, {0x0f, 0xc7}, {0x0f, 0xae}, {0x0f, 0xa2}}

// operandFits reports whether the byte behind 0F C7 or 0F AE can belong to a time
// source: rdrand, rdseed and rdpid have a register operand, the xsave family one
// in memory.
func operandFits(op, modrm byte) bool {
	reg := modrm >> 3 & 7
	if modrm >= 0xc0 {
		return op == 0xc7 && reg >= 6
	}
	return reg == 4 || op == 0xae && reg == 6
}

// candidates returns the addresses in [lo, hi) of the 0F byte of what looks
// like a time source.
func (t *Text) candidates(lo, hi uint64) []uint64 {
	var out []uint64
	buf := make([]byte, 1<<20)
	for at := lo; at < hi; {
		n := t.mem.Read(at, buf[:min(uint64(len(buf)), hi-at)])
		if n < 2 {
			at = at&^(pageSize-1) + pageSize // a hole: the end of the file
			continue
		}
		b := buf[:n]
		for _, pat := range timePatterns {
			for p := 0; ; p++ {
				k := bytes.Index(b[p:], pat)
				if k < 0 {
					break
				}
				p += k
				if len(pat) == 2 && (pat[1] == 0xc7 || pat[1] == 0xae) && (p+2 >= n || !operandFits(pat[1], b[p+2])) {
					continue
				}
				out = append(out, at+uint64(p))
			}
		}
		if at+uint64(n) >= hi {
			break
		}
		at += uint64(n) - 2 // patterns across the seam
		if n < 4 {
			at += 2
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// bounds decodes the function around c only as far as to know its instructions'
// boundaries, and does not keep it. nil when there is none.
func (t *Text) bounds(c uint64) *function {
	lo, hi, ok := t.Func(c)
	if !ok || hi-lo > maxFunc {
		return nil
	}
	code, ok := t.code(lo, hi)
	if !ok {
		return nil
	}
	a := t.area(lo)
	h := t.hints(t.module(a), a.bias, lo, hi)
	h.jumps = nil
	return sweep(code, lo, hi, h)
}

// timeSite decides about the bytes at c in function f. known is false when
// nothing says whether they are code.
func (t *Text) timeSite(a *area, f *function, c uint64) (i Inst, known, ok bool) {
	if !strings.HasPrefix(a.Path, "/") {
		return i, false, false
	}
	if f != nil {
		for k := range f.blocks {
			b := &f.blocks[k]
			if c < b.Lo() || c >= b.Hi() {
				continue
			}
			if n, _ := instAt(b.Insts, c); n >= 0 {
				i := b.Insts[n]
				return i, true, isTimeSite(i.Time) && c-i.PC == uint64(i.opcodeAt())
			}
		}
		if !f.partial {
			return i, true, false // padding
		}
	}
	return t.plausible(a, c)
}

// opcodeAt is the offset of a legacy two-byte opcode's 0F.
func (i *Inst) opcodeAt() int {
	for p, b := range i.Bytes() {
		if b == 0x0f {
			return p
		}
	}
	return -1
}

// plausible applies the rule for bytes about which nothing is known. decided is
// false when they decode like code but are not used like a time source.
func (t *Text) plausible(a *area, c uint64) (i Inst, decided, ok bool) {
	const before, behind = 40, 40
	if c < a.Lo+before || c+behind > a.Hi {
		return Inst{}, true, false
	}
	lo := c - before
	b := make([]byte, before+behind)
	if t.mem.Read(lo, b) != len(b) {
		return Inst{}, true, false
	}
	votes := map[uint64]int{}
	for s := lo; s < c-4; s++ {
		for pc := s; pc <= c; {
			i, err := Decode(b[pc-lo:], pc)
			if err != nil || i.Kind == Stop {
				break
			}
			if i.Next() > c {
				votes[pc]++
				break
			}
			pc = i.Next()
		}
	}
	if len(votes) != 1 {
		return Inst{}, true, false
	}
	for pc, n := range votes {
		i, err := Decode(b[pc-lo:], pc)
		if err != nil || !isTimeSite(i.Time) || c-pc != uint64(i.opcodeAt()) || n < (before-4)/2 {
			break
		}
		ok := used(i, b[i.Next()-lo:])
		return i, ok || i.Time >= XGETBV, ok
	}
	return Inst{}, true, false
}

// used reports whether the code behind i uses i's result in the usual way.
func used(i Inst, code []byte) bool {
	for p, n := 0, 0; n < 6; n++ {
		x, err := Decode(code[p:], i.Next()+uint64(p))
		if err != nil || x.Kind == Stop {
			return false
		}
		switch i.Time {
		case RDTSC, RDTSCP:
			if bytes.Equal(x.Bytes(), []byte{0x48, 0xc1, 0xe2, 0x20}) { // shl rdx, 32
				return true
			}
		case RDRAND, RDSEED:
			if x.enc != legacy {
				break
			}
			switch {
			case x.Kind == Jcc && x.op&0xe == 2, // jb, jae
				x.omap == 1 && (x.op == 0x92 || x.op == 0x93 || x.op == 0x42 || x.op == 0x43): // setc, cmovc
				return true
			}
		}
		p += x.Len
	}
	return false
}
