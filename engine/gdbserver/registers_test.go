package gdbserver

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver/agent"
)

func TestLayoutOf(t *testing.T) {
	area := func(xcr0 uint64, size int) []byte {
		x := make([]byte, size)
		binary.LittleEndian.PutUint64(x[xcr0Offset:], xcr0)
		return x
	}
	for _, c := range []struct {
		name      string
		area      []byte
		features  uint64
		hi16, pkr int
	}{
		{"fxsave only", make([]byte, 512), 3, 0, 0},
		{"sse", area(3, 576), 3, 0, 0},
		{"avx", area(7, 832), 7, 0, 0},
		{"intel avx512", area(0xe7, 2688), 0xe7, 1664, 0},
		{"intel avx512 mpx pkru", area(0x2ff, 2696), 0x2e7, 1664, 2688},
		{"intel with amx", area(0x602e7, 11008), 0x2e7, -1, -1},
		{"amd avx512", area(0xe7, 2432), 0xe7, 1408, 0},
		{"amd avx512 pkru", area(0x2e7, 2440), 0x2e7, -1, -1},
		{"no xcr0, avx fits", make([]byte, 832), 7, 0, 0},
		{"too short for what it says", area(0x2e7, 900), 7, 0, 0},
		{"too short even for avx", area(7, 700), 3, 0, 0},
	} {
		l := LayoutOf(c.area)
		if l.Features != c.features {
			t.Errorf("%s: features %#x, want %#x", c.name, l.Features, c.features)
		}
		if c.hi16 >= 0 && (l.Offset[compHi16] != c.hi16 || l.Offset[compPKRU] != c.pkr) {
			t.Errorf("%s: offsets %v", c.name, l.Offset)
		}
		if len(c.area) >= xsaveHeader && l.end() > len(c.area) {
			t.Errorf("%s: layout of %d bytes for an area of %d", c.name, l.end(), len(c.area))
		}
		// Every register of any layout can be read from its area.
		set := newRegisterSet(l)
		st := &state{xsave: c.area}
		if len(c.area) >= xsaveHeader {
			binary.LittleEndian.PutUint64(c.area[xstateBV:], math.MaxUint64)
		}
		if g := set.all(nil, st); bytes.Contains(g, []byte("x")) {
			t.Errorf("%s: registers are missing: %s", c.name, g)
		}
	}
}

func TestHostLayout(t *testing.T) {
	l := hostLayout()
	if l.Features&3 != 3 {
		t.Errorf("features %#x", l.Features)
	}
	if l.has(compAVX) && l.Offset[compAVX] != xsaveHeader {
		t.Errorf("AVX is at %d", l.Offset[compAVX])
	}
}

// Each register set to a pattern is read back, and nothing else has changed but
// what the hardware ties together.
func TestSetEachRegister(t *testing.T) {
	for _, layout := range []XSAVELayout{intelLayout, amdLayout, amdLayout.restrict(7), amdLayout.restrict(3)} {
		set := newRegisterSet(layout)
		for n := range set.regs {
			r := &set.regs[n]
			st := &state{xsave: blankArea(layout)}
			before := make([]string, len(set.regs))
			for i := range set.regs {
				before[i] = string(set.hex(nil, i, st))
			}
			val := make([]byte, r.size)
			for i := range val {
				val[i] = byte(0x11 + i)
			}
			switch r.x87 {
			case fctrl, fstat, fiseg, foseg:
				val[2], val[3] = 0, 0
			case ftag: // registers in use or not are all that can be set
				copy(val, []byte{0xff, 0xff, 0, 0})
				st.xsave[fxFTAG] = 0x10
				st.xsave[xstateBV] = 1
				before[n] = string(set.hex(nil, n, st))
			case fop:
				val[1], val[2], val[3] = 1, 0, 0
			}
			user, xs, err := set.set(n, val, st)
			if err != nil || user == xs {
				t.Fatalf("%s: %v %v %v", r.name, user, xs, err)
			}
			for i := range set.regs {
				got := string(set.hex(nil, i, st))
				switch {
				case i == n && got != fmt.Sprintf("%x", val):
					t.Errorf("%s: wrote %x, read %s", r.name, val, got)
				case i != n && got != before[i] && set.regs[i].x87 != ftag && set.regs[i].x87 != fctrl:
					t.Errorf("%s: %s went from %s to %s", r.name, set.regs[i].name, before[i], got)
				}
			}
			if user, xs, err := set.set(n, val, st); user || xs || err != nil {
				t.Errorf("%s again: %v %v %v", r.name, user, xs, err)
			}
		}
	}
}

func TestClassicTag(t *testing.T) {
	fx := make([]byte, 512)
	binary.LittleEndian.PutUint16(fx[fxFSTAT:], 6<<11) // top is register 6
	fx[fxFTAG] = 0xc0 | 0x01 | 0x02                    // 6 and 7 in use, 0 and 1 as well
	put := func(st int, mantissa uint64, exponent uint16) {
		binary.LittleEndian.PutUint64(fx[fxST+16*st:], mantissa)
		binary.LittleEndian.PutUint16(fx[fxST+16*st+8:], exponent)
	}
	put(0, 1<<63, 0x3fff) // physical 6: 1.0
	put(1, 0, 0x8000)     // physical 7: -0
	put(2, 1<<63, 0x7fff) // physical 0: infinity
	put(3, 1, 0)          // physical 1: denormal
	if got := fullTag(fx); got != tagValid<<12|tagZero<<14|tagSpecial|tagSpecial<<2|0x0ff0 {
		t.Errorf("got %#x", got)
	}
	if got := shortTag(fullTag(fx)); got != fx[fxFTAG] {
		t.Errorf("back: %#x", got)
	}
}

// Package agent has the numbers of the integer registers on its own.
func TestAgentNumbers(t *testing.T) {
	set := newRegisterSet(intelLayout)
	var st state
	st.xsave = blankArea(intelLayout)
	for n := range set.regs {
		if set.regs[n].user == nil {
			if _, err := agent.Register(n, &st.user); err == nil {
				t.Errorf("agent takes %s for an integer register", set.regs[n].name)
			}
			continue
		}
		*set.regs[n].user(&st.user) = uint64(1000 + n)
	}
	for n := range set.regs {
		if set.regs[n].user == nil {
			continue
		}
		if v, err := agent.Register(n, &st.user); err != nil || v != uint64(1000+n) {
			t.Errorf("agent's register %d is %d, %v; want %s", n, v, err, set.regs[n].name)
		}
	}
	for name, n := range map[string]int{"rbp": regRBP, "rsp": regRSP, "rip": regRIP} {
		if set.regs[n].name != name {
			t.Errorf("register %d is %s", n, set.regs[n].name)
		}
	}
}

func TestTargetDescription(t *testing.T) {
	set := newRegisterSet(intelLayout)
	names := 0
	for name, text := range set.annexes() {
		d := xml.NewDecoder(strings.NewReader(text))
		d.Strict = true
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, is := tok.(xml.StartElement); is && e.Name.Local == "reg" {
				names++
			}
		}
	}
	if names != len(set.regs) {
		t.Errorf("%d registers described, there are %d", names, len(set.regs))
	}
}

func TestUnavailableArea(t *testing.T) {
	set := newRegisterSet(amdLayout)
	st := &state{user: unix.PtraceRegs{Rax: 1}}
	if _, _, err := set.set(40, make([]byte, 16), st); err == nil {
		t.Error("xmm0 written without an area")
	}
	if got := string(set.hex(nil, 0, st)); got != "0100000000000000" {
		t.Errorf("rax: %s", got)
	}
	if _, _, err := set.setAll(make([]byte, 10), st); err == nil {
		t.Error("a short G packet was taken")
	}
}

// gdb shows the same registers for the server as for a program of its own.
func TestRegistersAsNative(t *testing.T) {
	exe := buildC(t, "walk.c")
	const show = "echo ==general\\n\ninfo registers\necho ==all\\n\ninfo all-registers\n"
	native := sections(gdb(t, nil, "set pagination off\nset confirm off\nset width 0\nset debuginfod enabled off\nfile "+exe+"\nbreak main\nrun\n"+show+"kill\n"))
	sock := serveMachine(t, newMachine(record(t, exe, 50000)), Options{})
	remote := sections(gdb(t, nil, preamble(exe, sock)+show))
	names := func(text string) string {
		var b strings.Builder
		for _, line := range strings.Split(text, "\n") {
			if f := strings.Fields(line); len(f) > 1 && !strings.HasPrefix(line, "[") {
				b.WriteString(f[0] + " ")
			}
		}
		return b.String()
	}
	for _, s := range []string{"general", "all"} {
		if w, g := names(native[s]), names(remote[s]); w != g {
			t.Errorf("%s:\nnative %s\nremote %s", s, w, g)
		}
	}
}
