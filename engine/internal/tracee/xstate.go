package tracee

import "encoding/binary"

// The XSAVE area as ptrace shows it: the legacy region, in which the kernel uses
// what the processor leaves to software, and the header (Intel SDM volume 1, 13.4;
// arch/x86/include/asm/fpu/types.h).
const (
	xstateSoftware = 464
	xstateHeader   = 512
	xstateExtended = 576

	// XStateMin is the size of the smallest XSAVE area, bytes.
	XStateMin = xstateExtended
)

// NormalXState returns a copy of an XSAVE area as it may be compared: without the
// header, which says what parts the processor takes to be in use. That changes with
// time, and the contents of parts not in use are their initial values. It returns
// nil for what is too short to be one.
func NormalXState(b []byte) []byte {
	if len(b) < XStateMin {
		return nil
	}
	out := append([]byte(nil), b...)
	clear(out[xstateSoftware:xstateExtended])
	if binary.LittleEndian.Uint64(b[xstateHeader:])&1 == 0 {
		clear(out[8:24]) // x87 pointers of an unused unit
	}
	return out
}

// DifferingXState returns the offset of the first byte in which two XSAVE areas
// differ as NormalXState has them, -1 when there is none.
func DifferingXState(a, b []byte) int {
	x, y := NormalXState(a), NormalXState(b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i
		}
	}
	if len(x) != len(y) {
		return min(len(x), len(y))
	}
	return -1
}
