package gdbserver

import (
	"encoding/binary"
	"sync"
)

// This file knows where an XSAVE area in the standard (uncompacted) format, as
// ptrace gives it, keeps what. The first 576 bytes are the same everywhere: the
// legacy region, with the kernel's copy of XCR0 at 464, and the header, whose
// first word XSTATE_BV names the components that are not in their initial
// state. The AVX half is always at 576. Where AVX-512 and PKRU lie depends on
// the processor (Intel leaves a gap for MPX, AMD does not): CPUID leaf 0xd says.

// component is a state component's bit number in XCR0 and XSTATE_BV.
type component int

const (
	compX87    component = 0
	compSSE    component = 1
	compAVX    component = 2
	compOpmask component = 5
	compZMMHi  component = 6
	compHi16   component = 7
	compPKRU   component = 9
	compCount  component = 10
)

var compSize = [compCount]int{compX87: 160, compSSE: 256, compAVX: 256, compOpmask: 64, compZMMHi: 512, compHi16: 1024, compPKRU: 4}

const (
	xcr0Offset   = 464
	xstateBV     = 512
	xsaveHeader  = 576 // end of legacy region and header
	mxcsrOffset  = 24
	defaultMXCSR = 0x1f80
	defaultFCTRL = 0x037f
)

// XSAVELayout says which components an XSAVE area has and where they are.
type XSAVELayout struct {
	// Features is XCR0 of the machine that the area is from.
	Features uint64
	// Offset is indexed by component number; 0 for those not present, except
	// that the legacy components 0 and 1 are where they always are.
	Offset [compCount]int
}

// has says whether the component is in the area.
func (l *XSAVELayout) has(c component) bool { return l.Features>>c&1 != 0 }

// end is the size of the area up to the last component we know.
func (l *XSAVELayout) end() int {
	end := xsaveHeader
	for c := compAVX; c < compCount; c++ {
		if l.has(c) {
			end = max(end, l.Offset[c]+compSize[c])
		}
	}
	return end
}

// restrict returns the layout with no other features than those given.
func (l XSAVELayout) restrict(features uint64) XSAVELayout {
	l.Features &= features
	for c := compAVX; c < compCount; c++ {
		if !l.has(c) {
			l.Offset[c] = 0
		}
	}
	return l
}

var (
	intelLayout = XSAVELayout{0x2e7, [compCount]int{compSSE: 160, compAVX: 576, compOpmask: 1088, compZMMHi: 1152, compHi16: 1664, compPKRU: 2688}}
	amdLayout   = XSAVELayout{0x2e7, [compCount]int{compSSE: 160, compAVX: 576, compOpmask: 832, compZMMHi: 896, compHi16: 1408, compPKRU: 2432}}
)

func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// hostLayout is this machine's layout, of all that the processor could have.
var hostLayout = sync.OnceValue(func() XSAVELayout {
	if top, _, _, _ := cpuid(0, 0); top < 0xd {
		return XSAVELayout{Features: 3}
	}
	lo, _, _, hi := cpuid(0xd, 0)
	l := XSAVELayout{Features: uint64(hi)<<32 | uint64(lo), Offset: [compCount]int{compSSE: 160}}
	for c := compAVX; c < compCount; c++ {
		if size, off, _, _ := cpuid(0xd, uint32(c)); compSize[c] != 0 && int(size) >= compSize[c] {
			l.Offset[c] = int(off)
		} else {
			l.Features &^= 1 << c
		}
	}
	return l
})

// LayoutOf finds the layout of an XSAVE area, which may be from another
// machine: of this machine's layout, Intel's and AMD's it takes the one whose
// end fits the area's length exactly, else the first that fits at all. An
// area that is too short for its own features offers only what is certain.
func LayoutOf(area []byte) XSAVELayout {
	if len(area) < xsaveHeader {
		return XSAVELayout{Features: 3, Offset: [compCount]int{compSSE: 160}}
	}
	features := binary.LittleEndian.Uint64(area[xcr0Offset:])
	if features&3 != 3 { // not filled in by a kernel
		features = 3
		if len(area) >= xsaveHeader+compSize[compAVX] {
			features = 7
		}
	}
	candidates := []XSAVELayout{hostLayout(), intelLayout, amdLayout}
	var fits *XSAVELayout
	for i := range candidates {
		l := candidates[i].restrict(features)
		// Features nobody here knows (AMX…) follow those that we know.
		if l.Features != features&intelLayout.Features {
			continue
		}
		if l.end() == len(area) {
			return l
		}
		if l.end() <= len(area) && fits == nil {
			fits = &l
		}
	}
	if fits != nil {
		return *fits
	}
	return intelLayout.restrict(features & 7 & minimalFeatures(len(area)))
}

func minimalFeatures(size int) uint64 {
	if size >= xsaveHeader+compSize[compAVX] {
		return 7
	}
	return 3
}

// xsaveArea is an XSAVE area with its layout.
type xsaveArea struct {
	layout *XSAVELayout
	data   []byte
}

// live says whether a component differs from its initial state; only then
// does the area hold it.
func (x xsaveArea) live(c component) bool {
	if len(x.data) < xsaveHeader {
		return true // a bare FXSAVE image
	}
	return binary.LittleEndian.Uint64(x.data[xstateBV:])>>c&1 != 0
}

// bytes returns size bytes at offset off of a component; nil when the area
// does not reach there.
func (x xsaveArea) bytes(c component, off, size int) []byte {
	start := x.layout.Offset[c] + off
	if start+size > len(x.data) {
		return nil
	}
	return x.data[start : start+size]
}

// mxcsr returns the control register, which belongs to SSE and AVX together.
func (x xsaveArea) mxcsr() uint32 {
	if !x.live(compSSE) && !x.live(compAVX) {
		return defaultMXCSR
	}
	return binary.LittleEndian.Uint32(x.data[mxcsrOffset:])
}

// enliven makes the area hold a component, with its initial state if it was in
// that, so that a part of it can be written.
func (x xsaveArea) enliven(c component) {
	if x.live(c) {
		return
	}
	mxcsr := x.mxcsr()
	bv := binary.LittleEndian.Uint64(x.data[xstateBV:])
	if c == compX87 {
		// The legacy region's first 160 bytes are x87 but for MXCSR and its mask.
		clear(x.data[:mxcsrOffset])
		clear(x.data[32:160])
		binary.LittleEndian.PutUint16(x.data, defaultFCTRL)
	} else if b := x.bytes(c, 0, compSize[c]); b != nil {
		clear(b)
	}
	binary.LittleEndian.PutUint64(x.data[xstateBV:], bv|1<<c)
	if c == compSSE || c == compAVX {
		binary.LittleEndian.PutUint32(x.data[mxcsrOffset:], mxcsr)
	}
}
