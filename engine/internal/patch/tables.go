package patch

// attr describes an opcode: what follows it and what it does to memory.
type attr uint32

const (
	aRM    attr = 1 << iota // modrm byte
	aI8                     // 8-bit immediate
	aIz                     // 32-bit immediate, 16-bit with prefix 66
	aI16                    // 16-bit immediate
	aRel8                   // 8-bit branch
	aRelz                   // 32-bit branch
	aByte                   // operand is one byte
	aR                      // reads its memory operand
	aW                      // writes it
	aNoMem                  // does not touch the memory its operand names
	aStr                    // string instruction
	aBad                    // no instruction
	aVec                    // memory operand of at most 16 bytes, exact size not known
	aQ                      // operand is 8 bytes whatever the prefixes
	aW2                     // operand is 2 bytes
	aFPU                    // x87
	aRW    = aR | aW
	aRMR   = aRM | aR
	aRMW   = aRM | aW
	aRMRW  = aRM | aR | aW
	aSSE   = aRM | aR | aVec
	aSSEW  = aRM | aW | aVec
	aSSEI8 = aSSE | aI8
)

// oneByte is the map of one-byte opcodes; prefixes and escapes are aBad here.
var oneByte = func() (t [256]attr) {
	for i := range t {
		t[i] = aBad
	}
	set := func(a attr, ops ...int) {
		for _, o := range ops {
			t[o] = a
		}
	}
	span := func(a attr, lo, hi int) {
		for o := lo; o <= hi; o++ {
			t[o] = a
		}
	}
	for b := 0; b < 0x40; b += 8 {
		rw := aRW
		if b == 0x38 {
			rw = aR
		}
		t[b] = aRM | aByte | rw
		t[b+1] = aRM | rw
		t[b+2] = aRMR | aByte
		t[b+3] = aRMR
		t[b+4] = aI8
		t[b+5] = aIz
	}
	span(aQ, 0x50, 0x5f)
	set(aRMR, 0x63)
	set(aIz, 0x68)
	set(aRMR|aIz, 0x69)
	set(aI8, 0x6a)
	set(aRMR|aI8, 0x6b)
	set(aStr|aByte, 0x6c, 0x6e)
	set(aStr, 0x6d, 0x6f)
	span(aRel8, 0x70, 0x7f)
	set(aRMRW|aByte|aI8, 0x80)
	set(aRMRW|aIz, 0x81)
	set(aRMRW|aI8, 0x83)
	set(aRMR|aByte, 0x84, 0x8a)
	set(aRMR, 0x85, 0x8b)
	set(aRMRW|aByte, 0x86)
	set(aRMRW, 0x87)
	set(aRMW|aByte, 0x88)
	set(aRMW, 0x89)
	set(aRMW|aW2, 0x8c)
	set(aRM|aNoMem, 0x8d)
	set(aRMR|aW2, 0x8e)
	set(aRMW|aQ, 0x8f)
	span(0, 0x90, 0x99)
	span(0, 0x9b, 0x9f)
	span(0, 0xa0, 0xa3) // moffs, handled apart
	set(aStr|aByte, 0xa4, 0xa6, 0xaa, 0xac, 0xae)
	set(aStr, 0xa5, 0xa7, 0xab, 0xad, 0xaf)
	set(aI8, 0xa8)
	set(aIz, 0xa9)
	span(aI8, 0xb0, 0xb7)
	span(aIz, 0xb8, 0xbf) // imm64 with REX.W, handled apart
	set(aRMRW|aByte|aI8, 0xc0)
	set(aRMRW|aI8, 0xc1)
	set(aI16, 0xc2, 0xca)
	set(0, 0xc3, 0xc9, 0xcb, 0xcc, 0xcf)
	set(aRMW|aByte|aI8, 0xc6)
	set(aRMW|aIz, 0xc7)
	set(aI16|aI8, 0xc8)
	set(aI8, 0xcd)
	set(aRMRW|aByte, 0xd0, 0xd2)
	set(aRMRW, 0xd1, 0xd3)
	set(0, 0xd7)
	span(aRMRW|aFPU, 0xd8, 0xdf)
	span(aRel8, 0xe0, 0xe3)
	span(aI8, 0xe4, 0xe7)
	set(aRelz, 0xe8, 0xe9)
	set(aRel8, 0xeb)
	span(0, 0xec, 0xef)
	set(0, 0xf1, 0xf4, 0xf5)
	set(aRMRW|aByte, 0xf6)
	set(aRMRW, 0xf7)
	span(0, 0xf8, 0xfd)
	set(aRMRW|aByte, 0xfe)
	set(aRMRW, 0xff)
	return
}()

// twoByte is the map of opcodes behind 0F.
var twoByte = func() (t [256]attr) {
	for i := range t {
		t[i] = aBad
	}
	set := func(a attr, ops ...int) {
		for _, o := range ops {
			t[o] = a
		}
	}
	span := func(a attr, lo, hi int) {
		for o := lo; o <= hi; o++ {
			t[o] = a
		}
	}
	set(aRMRW|aVec, 0x00, 0x01)
	set(aRMR|aW2, 0x02, 0x03)
	set(0, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e)
	set(aRM|aNoMem, 0x0d)
	set(aSSEI8, 0x0f)
	span(aSSE, 0x10, 0x17)
	set(aSSEW, 0x11, 0x13, 0x17)
	span(aRM|aNoMem, 0x18, 0x1f)
	span(aRM|aNoMem, 0x20, 0x23)
	span(aSSE, 0x28, 0x2f)
	set(aSSEW, 0x29, 0x2b)
	span(0, 0x30, 0x35)
	set(0, 0x37)
	span(aRMR, 0x40, 0x4f)
	span(aSSE, 0x50, 0x6f)
	span(aSSEI8, 0x70, 0x73)
	span(aSSE, 0x74, 0x76)
	set(0, 0x77)
	set(aRMRW|aVec, 0x78, 0x79)
	span(aSSE, 0x7c, 0x7d)
	span(aSSEW, 0x7e, 0x7f)
	span(aRelz, 0x80, 0x8f)
	span(aRMW|aByte, 0x90, 0x9f)
	set(aQ, 0xa0, 0xa1, 0xa8, 0xa9)
	set(0, 0xa2, 0xaa)
	set(aRMR, 0xa3)
	set(aRMRW|aI8, 0xa4, 0xac)
	set(aRMRW, 0xa5, 0xad, 0xab, 0xb3, 0xbb)
	set(aRMRW|aVec, 0xae)
	set(aRMR, 0xaf)
	set(aRMRW|aByte, 0xb0, 0xc0)
	set(aRMRW, 0xb1, 0xc1)
	set(aSSE, 0xb2, 0xb4, 0xb5)
	set(aRMR|aByte, 0xb6, 0xbe)
	set(aRMR|aW2, 0xb7, 0xbf)
	set(aRMR, 0xb8, 0xbc, 0xbd)
	set(aRM|aNoMem, 0xb9, 0xff)
	set(aRMRW|aI8, 0xba)
	set(aSSEI8, 0xc2, 0xc6)
	set(aRMW, 0xc3)
	set(aSSEI8, 0xc4, 0xc5)
	set(aRMRW|aVec, 0xc7)
	span(0, 0xc8, 0xcf)
	span(aSSE, 0xd0, 0xfe)
	set(aSSEW, 0xd6, 0xe7)
	return
}()

// map38 and map3A are the opcodes that exist behind 0F 38 and 0F 3A without
// VEX. All take a modrm byte; those of 3A an 8-bit immediate too.
var (
	map38 = opcodes(0x00, 0x0b, 0x10, 0x10, 0x14, 0x15, 0x17, 0x17, 0x1c, 0x1e, 0x20, 0x25,
		0x28, 0x2b, 0x30, 0x35, 0x37, 0x41, 0x80, 0x82, 0xc8, 0xcd, 0xcf, 0xcf, 0xd8, 0xd8,
		0xdb, 0xdf, 0xf0, 0xf1, 0xf5, 0xf6, 0xf8, 0xfc)
	map3A = opcodes(0x08, 0x0f, 0x14, 0x17, 0x20, 0x22, 0x40, 0x42, 0x44, 0x44, 0x60, 0x63,
		0xcc, 0xcc, 0xce, 0xcf, 0xdf, 0xdf, 0xf0, 0xf0)
)

// opcodes builds a set from inclusive spans.
func opcodes(spans ...int) (t [256]bool) {
	for i := 0; i < len(spans); i += 2 {
		for o := spans[i]; o <= spans[i+1]; o++ {
			t[o] = true
		}
	}
	return
}
