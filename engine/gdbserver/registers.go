package gdbserver

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// This file is the table of registers: their numbers and sizes on the wire and
// where in ptrace's structures each lives. The number of a register is its
// place in the table, and the g packet is all of them in that order; the
// target description (features.go) is printed from the same table, so the two
// cannot drift. The first 60 are always there; AVX, AVX-512 and PKRU follow as
// the machine has them. Package agent repeats the numbers of the integer
// registers; a test compares.

// Numbers of the registers that stop replies carry.
const (
	regRBP = 6
	regRSP = 7
	regRIP = 16
)

// register is a row of the table. Exactly one of user, x87 and size-with-comp
// says where it lives.
type register struct {
	name  string
	size  int    // bytes on the wire
	typ   string // of the target description
	group string // of the target description

	user func(*unix.PtraceRegs) *uint64 // in the general registers
	x87  x87Field                       // a control register of the x87
	comp component                      // in the XSAVE area: component,
	off  int                            // and offset in it
}

// x87Field names the control registers that gdb wants in other forms than
// FXSAVE keeps them.
type x87Field uint8

const (
	notX87 x87Field = iota
	fctrl
	fstat
	ftag
	fiseg
	fioff
	foseg
	fooff
	fop
	mxcsrField
)

// feature is a named group of registers of the target description.
type feature struct {
	name  string // gdb's name for it
	annex string // the file name under which its XML is read
	regs  []register
}

func coreFeature() feature {
	f := feature{name: "org.gnu.gdb.i386.core", annex: "64bit-core.xml"}
	gpr := func(name, typ string, user func(*unix.PtraceRegs) *uint64) {
		f.regs = append(f.regs, register{name: name, size: 8, typ: typ, user: user})
	}
	small := func(name, typ string, user func(*unix.PtraceRegs) *uint64) {
		f.regs = append(f.regs, register{name: name, size: 4, typ: typ, user: user})
	}
	gpr("rax", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rax })
	gpr("rbx", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rbx })
	gpr("rcx", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rcx })
	gpr("rdx", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rdx })
	gpr("rsi", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rsi })
	gpr("rdi", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.Rdi })
	gpr("rbp", "data_ptr", func(r *unix.PtraceRegs) *uint64 { return &r.Rbp })
	gpr("rsp", "data_ptr", func(r *unix.PtraceRegs) *uint64 { return &r.Rsp })
	gpr("r8", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R8 })
	gpr("r9", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R9 })
	gpr("r10", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R10 })
	gpr("r11", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R11 })
	gpr("r12", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R12 })
	gpr("r13", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R13 })
	gpr("r14", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R14 })
	gpr("r15", "int64", func(r *unix.PtraceRegs) *uint64 { return &r.R15 })
	gpr("rip", "code_ptr", func(r *unix.PtraceRegs) *uint64 { return &r.Rip })
	small("eflags", "i386_eflags", func(r *unix.PtraceRegs) *uint64 { return &r.Eflags })
	small("cs", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Cs })
	small("ss", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Ss })
	small("ds", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Ds })
	small("es", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Es })
	small("fs", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Fs })
	small("gs", "int32", func(r *unix.PtraceRegs) *uint64 { return &r.Gs })
	for i := range 8 {
		f.regs = append(f.regs, register{name: fmt.Sprintf("st%d", i), size: 10, typ: "i387_ext", comp: compX87, off: 32 + 16*i})
	}
	for _, c := range []struct {
		name  string
		field x87Field
	}{{"fctrl", fctrl}, {"fstat", fstat}, {"ftag", ftag}, {"fiseg", fiseg}, {"fioff", fioff}, {"foseg", foseg}, {"fooff", fooff}, {"fop", fop}} {
		f.regs = append(f.regs, register{name: c.name, size: 4, typ: "int", group: "float", x87: c.field, comp: compX87})
	}
	return f
}

func sseFeature() feature {
	f := feature{name: "org.gnu.gdb.i386.sse", annex: "64bit-sse.xml"}
	for i := range 16 {
		f.regs = append(f.regs, register{name: fmt.Sprintf("xmm%d", i), size: 16, typ: "vec128", comp: compSSE, off: 16 * i})
	}
	f.regs = append(f.regs, register{name: "mxcsr", size: 4, typ: "i386_mxcsr", group: "vector", x87: mxcsrField, comp: compSSE})
	return f
}

func linuxFeature() feature {
	return feature{name: "org.gnu.gdb.i386.linux", annex: "64bit-linux.xml", regs: []register{
		{name: "orig_rax", size: 8, typ: "int64", group: "system", user: func(r *unix.PtraceRegs) *uint64 { return &r.Orig_rax }}}}
}

func segmentsFeature() feature {
	return feature{name: "org.gnu.gdb.i386.segments", annex: "64bit-segments.xml", regs: []register{
		{name: "fs_base", size: 8, typ: "int64", user: func(r *unix.PtraceRegs) *uint64 { return &r.Fs_base }},
		{name: "gs_base", size: 8, typ: "int64", user: func(r *unix.PtraceRegs) *uint64 { return &r.Gs_base }}}}
}

func avxFeature() feature {
	f := feature{name: "org.gnu.gdb.i386.avx", annex: "64bit-avx.xml"}
	for i := range 16 {
		f.regs = append(f.regs, register{name: fmt.Sprintf("ymm%dh", i), size: 16, typ: "uint128", comp: compAVX, off: 16 * i})
	}
	return f
}

func avx512Feature() feature {
	f := feature{name: "org.gnu.gdb.i386.avx512", annex: "64bit-avx512.xml"}
	for i := 16; i < 32; i++ {
		f.regs = append(f.regs, register{name: fmt.Sprintf("xmm%d", i), size: 16, typ: "vec128", comp: compHi16, off: 64 * (i - 16)})
	}
	for i := 16; i < 32; i++ {
		f.regs = append(f.regs, register{name: fmt.Sprintf("ymm%dh", i), size: 16, typ: "uint128", comp: compHi16, off: 64*(i-16) + 16})
	}
	for i := range 8 {
		f.regs = append(f.regs, register{name: fmt.Sprintf("k%d", i), size: 8, typ: "uint64", comp: compOpmask, off: 8 * i})
	}
	for i := range 16 {
		f.regs = append(f.regs, register{name: fmt.Sprintf("zmm%dh", i), size: 32, typ: "v2ui128", comp: compZMMHi, off: 32 * i})
	}
	for i := 16; i < 32; i++ {
		f.regs = append(f.regs, register{name: fmt.Sprintf("zmm%dh", i), size: 32, typ: "v2ui128", comp: compHi16, off: 64*(i-16) + 32})
	}
	return f
}

func pkeysFeature() feature {
	return feature{name: "org.gnu.gdb.i386.pkeys", annex: "64bit-pkeys.xml", regs: []register{
		{name: "pkru", size: 4, typ: "int", comp: compPKRU}}}
}

// registerSet is the registers that a debuggee has, and their wire form.
type registerSet struct {
	layout   XSAVELayout
	features []feature
	regs     []register // of all features, by number
	size     int        // bytes of all
}

// newRegisterSet chooses the registers that an XSAVE area of this layout holds.
func newRegisterSet(layout XSAVELayout) *registerSet {
	s := &registerSet{layout: layout}
	s.features = []feature{coreFeature(), sseFeature(), linuxFeature(), segmentsFeature()}
	if layout.has(compAVX) {
		s.features = append(s.features, avxFeature())
		if layout.has(compOpmask) && layout.has(compZMMHi) && layout.has(compHi16) {
			s.features = append(s.features, avx512Feature())
		}
	}
	if layout.has(compPKRU) {
		s.features = append(s.features, pkeysFeature())
	}
	for _, f := range s.features {
		s.regs = append(s.regs, f.regs...)
	}
	for _, r := range s.regs {
		s.size += r.size
	}
	return s
}

// state is the registers of one thread in ptrace's form. A nil xsave means
// that the floating-point and vector registers cannot be read.
type state struct {
	user  unix.PtraceRegs
	xsave []byte
}

// value appends the register's bytes to dst; false when it is unavailable.
func (s *registerSet) value(dst []byte, r *register, st *state) ([]byte, bool) {
	le := binary.LittleEndian
	if r.user != nil {
		v := *r.user(&st.user)
		if r.size == 4 {
			return le.AppendUint32(dst, uint32(v)), true
		}
		return le.AppendUint64(dst, v), true
	}
	x := xsaveArea{&s.layout, st.xsave}
	if len(x.data) < 512 {
		return dst, false
	}
	if r.x87 != notX87 {
		return le.AppendUint32(dst, x.control(r.x87)), true
	}
	if !x.live(r.comp) {
		return append(dst, make([]byte, r.size)...), true
	}
	b := x.bytes(r.comp, r.off, r.size)
	if b == nil {
		return dst, false
	}
	return append(dst, b...), true
}

// hex appends the register's wire form to dst: hex, or x's when unavailable.
func (s *registerSet) hex(dst []byte, n int, st *state) []byte {
	r := &s.regs[n]
	var buf [32]byte
	b, ok := s.value(buf[:0], r, st)
	if !ok {
		return append(dst, bytes.Repeat([]byte("x"), 2*r.size)...)
	}
	return appendHex(dst, b)
}

// all appends the payload of a g reply.
func (s *registerSet) all(dst []byte, st *state) []byte {
	for n := range s.regs {
		dst = s.hex(dst, n, st)
	}
	return dst
}

// set writes a register into st and says which half changed. A value equal to
// the present one changes nothing, which keeps a G packet from writing the
// vector registers each time.
func (s *registerSet) set(n int, val []byte, st *state) (user, xsave bool, err error) {
	r := &s.regs[n]
	if len(val) != r.size {
		return false, false, fmt.Errorf("register %s: %d bytes, want %d", r.name, len(val), r.size)
	}
	var buf [32]byte
	old, ok := s.value(buf[:0], r, st)
	if !ok {
		return false, false, fmt.Errorf("register %s is unavailable", r.name)
	}
	if bytes.Equal(old, val) {
		return false, false, nil
	}
	if r.user != nil {
		p := r.user(&st.user)
		if r.size == 4 {
			*p = uint64(binary.LittleEndian.Uint32(val))
		} else {
			*p = binary.LittleEndian.Uint64(val)
		}
		return true, false, nil
	}
	x := xsaveArea{&s.layout, st.xsave}
	x.enliven(r.comp)
	if r.x87 != notX87 {
		x.setControl(r.x87, binary.LittleEndian.Uint32(val))
		return false, true, nil
	}
	copy(x.bytes(r.comp, r.off, r.size), val)
	return false, true, nil
}

// setAll writes the registers of a G packet's decoded payload.
func (s *registerSet) setAll(val []byte, st *state) (user, xsave bool, err error) {
	if len(val) != s.size {
		return false, false, fmt.Errorf("%d bytes of registers, want %d", len(val), s.size)
	}
	for n := range s.regs {
		u, x, err := s.set(n, val[:s.regs[n].size], st)
		if err != nil {
			return user, xsave, err
		}
		user, xsave = user || u, xsave || x
		val = val[s.regs[n].size:]
	}
	return user, xsave, nil
}
