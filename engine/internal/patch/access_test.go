package patch

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAccessesAgainstRuns single-steps programs and compares all writable
// memory before and after each instruction: every byte that changed must lie in
// an Access that says Write, unless the instruction is one that admits not to
// know.
func TestAccessesAgainstRuns(t *testing.T) {
	for _, c := range []struct {
		src, flags, from string
		n                int
	}{
		{"odd.c", "-O2 -static", "main", 14000}, // to its end
		{"odd.c", "-O0 -static", "main", 2000},
		{"mix.c", "-O3 -march=native -static", "main", 3000},
		{"mix.c", "-O2", "main", 3000},
	} {
		n := c.n * long()
		if testing.Short() {
			n /= 4
		}
		t.Run(c.src+" "+c.flags, func(t *testing.T) {
			x := start(t, build(t, c.src, flagsOf(c.flags)...), "1")
			x.runTo(x.sym(c.from))
			var areas []Region
			for _, m := range x.maps() {
				if m.Prot&unix.PROT_WRITE != 0 && m.Hi-m.Lo < 1<<20 {
					areas = append(areas, m)
				}
			}
			read := func() (out [][]byte) {
				for _, m := range areas {
					b := make([]byte, m.Hi-m.Lo)
					x.Read(m.Lo, b)
					out = append(out, b)
				}
				return
			}
			before := read()
			writes, unknown, sure := 0, 0, 0
			sig := syscall.Signal(0)
			for k := 0; k < n; k++ {
				r := x.regs()
				var b [15]byte
				i, err := Decode(b[:x.Read(r.Rip, b[:])], r.Rip)
				if err != nil {
					t.Fatalf("%#x % x: %v", r.Rip, b, err)
				}
				as, exact := i.Accesses(&r)
				for _, a := range as {
					if a.Write && a.Sure {
						sure++
					}
				}
				s := x.stepOnce(sig)
				delivered := sig != 0
				if sig = 0; x.done {
					break
				}
				if x.how(s) == Fault {
					sig = s
				} else if s != syscall.SIGTRAP {
					t.Fatalf("%v", s)
				}
				after := read()
				for m := range areas {
					if bytes.Equal(before[m], after[m]) {
						continue
					}
					writes++
					if i.Kind == Syscall || delivered {
						continue
					}
					if !exact {
						unknown++
						if !i.Stores() {
							t.Errorf("%v wrote memory, Stores is false", &i)
						}
						continue
					}
					for o := range before[m] {
						if before[m][o] == after[m][o] {
							continue
						}
						at := areas[m].Lo + uint64(o)
						covered := false
						for _, a := range as {
							covered = covered || a.Write && at >= a.Addr && at-a.Addr < a.Len
						}
						if !covered {
							t.Fatalf("%v wrote %#x, accesses %+v", &i, at, as)
						}
					}
				}
				before = after
			}
			t.Logf("%d instructions wrote memory, %d of them without telling where", writes, unknown)
			if writes < 100 || sure == 0 {
				t.Error("too few writes to mean anything")
			}
		})
	}
}

// TestAccessForms holds effective addresses of chosen encodings against values
// worked out by hand.
func TestAccessForms(t *testing.T) {
	regs := unix.PtraceRegs{Rax: 0x1000, Rcx: 3, Rdx: 0x2000, Rbx: 0x3000, Rsp: 0x4000, Rbp: 0x5000,
		Rsi: 0x6000, Rdi: 0x7000, R8: 0x8000, R12: 0xc000, R13: 0xd000, R15: 0xffffffffffffffff, Fs_base: 0x700000, Gs_base: 0x900000}
	down := regs
	down.Eflags = 0x400
	type A = Access
	for _, c := range []struct {
		name string
		code []byte
		regs *unix.PtraceRegs
		want []Access
	}{
		{"mov eax,[rsp-8]", []byte{0x8b, 0x44, 0x24, 0xf8}, &regs, []A{{0x3ff8, 4, true, false, true}}},
		{"mov [rdx-0x80000000],rax", []byte{0x48, 0x89, 0x82, 0, 0, 0, 0x80}, &regs, []A{{0xffffffff80002000, 8, false, true, true}}},
		{"mov [rbp+rcx*8-0x10],ax", []byte{0x66, 0x89, 0x44, 0xcd, 0xf0}, &regs, []A{{0x5000 + 24 - 16, 2, false, true, true}}},
		{"mov [r12+4],al", []byte{0x41, 0x88, 0x44, 0x24, 0x04}, &regs, []A{{0xc004, 1, false, true, true}}},
		{"mov [r13],al", []byte{0x41, 0x88, 0x45, 0x00}, &regs, []A{{0xd000, 1, false, true, true}}},
		{"mov [rip+0x10],eax", []byte{0x89, 0x05, 0x10, 0, 0, 0}, &regs, []A{{0x400000 + 6 + 0x10, 4, false, true, true}}},
		{"mov fs:[0x28],rax", []byte{0x64, 0x48, 0x89, 0x04, 0x25, 0x28, 0, 0, 0}, &regs, []A{{0x700028, 8, false, true, true}}},
		{"mov gs:[rax],rcx", []byte{0x65, 0x48, 0x89, 0x08}, &regs, []A{{0x901000, 8, false, true, true}}},
		{"mov [r15d+2],al", []byte{0x67, 0x41, 0x88, 0x47, 0x02}, &regs, []A{{1, 1, false, true, true}}},
		{"mov [abs64],eax", []byte{0xa3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}, &regs, []A{{0x1122334455667788, 4, false, true, true}}},
		{"mov al,[abs64]", []byte{0xa0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}, &regs, []A{{0x1122334455667788, 1, true, false, true}}},
		{"push rax", []byte{0x50}, &regs, []A{{0x3ff8, 8, false, true, true}}},
		{"push [rsp+8]", []byte{0xff, 0x74, 0x24, 0x08}, &regs, []A{{0x3ff8, 8, false, true, true}, {0x4008, 8, true, false, true}}},
		{"pop [rsp+8]", []byte{0x8f, 0x44, 0x24, 0x08}, &regs, []A{{0x4000, 8, true, false, true}, {0x4010, 8, false, true, true}}},
		{"call rel", []byte{0xe8, 0, 0, 0, 0}, &regs, []A{{0x3ff8, 8, false, true, true}}},
		{"call [rax+8]", []byte{0xff, 0x50, 0x08}, &regs, []A{{0x3ff8, 8, false, true, true}, {0x1008, 8, true, false, true}}},
		{"ret", []byte{0xc3}, &regs, []A{{0x4000, 8, true, false, true}}},
		{"enter 16,0", []byte{0xc8, 16, 0, 0}, &regs, []A{{0x3ff8, 8, false, true, false}}},
		{"enter 16,2", []byte{0xc8, 16, 0, 2}, &regs, []A{{0x4000 - 24, 24, false, true, false}, {0x5000 - 8, 8, true, false, false}}},
		{"leave", []byte{0xc9}, &regs, []A{{0x5000, 8, true, false, false}}},
		{"rep movsq", []byte{0xf3, 0x48, 0xa5}, &regs, []A{{0x6000, 24, true, false, true}, {0x7000, 24, false, true, true}}},
		{"rep movsq down", []byte{0xf3, 0x48, 0xa5}, &down, []A{{0x6000 - 16, 24, true, false, true}, {0x7000 - 16, 24, false, true, true}}},
		{"movsd", []byte{0xa5}, &regs, []A{{0x6000, 4, true, false, true}, {0x7000, 4, false, true, true}}},
		{"rep stosw down", []byte{0x66, 0xf3, 0xab}, &down, []A{{0x7000 - 4, 6, false, true, true}}},
		{"fs lodsb", []byte{0x64, 0xac}, &regs, []A{{0x706000, 1, true, false, true}}},
		{"repe cmpsb", []byte{0xf3, 0xa6}, &regs, []A{{0x6000, 3, true, false, false}, {0x7000, 3, true, false, false}}},
		{"bts [rdx],r15", []byte{0x4c, 0x0f, 0xab, 0x3a}, &regs, []A{{0x2000 - 8, 8, true, true, false}}},
		{"bts [rdx],eax", []byte{0x0f, 0xab, 0x02}, &regs, []A{{0x2000 + 0x200, 4, true, true, false}}},
		{"bts [rdx],5", []byte{0x0f, 0xba, 0x2a, 5}, &regs, []A{{0x2000, 4, true, true, true}}},
		{"cmpxchg16b [rsi]", []byte{0x48, 0x0f, 0xc7, 0x0e}, &regs, []A{{0x6000, 16, true, true, false}}},
		{"xsavec [rsp]", []byte{0x0f, 0xc7, 0x24, 0x24}, &regs, []A{{0x4000, 4096, true, true, false}}},
		{"fxsave64 [rsp]", []byte{0x48, 0x0f, 0xae, 0x04, 0x24}, &regs, []A{{0x4000, 512, true, true, false}}},
		{"vmovdqu [rdi+8],ymm0", []byte{0xc5, 0xfe, 0x7f, 0x47, 0x08}, &regs, []A{{0x7008, 64, true, true, false}}},
		{"lea", []byte{0x48, 0x8d, 0x44, 0x24, 0x08}, &regs, nil},
		{"nopw", []byte{0x66, 0x0f, 0x1f, 0x44, 0, 0}, &regs, nil},
		{"prefetch", []byte{0x0f, 0x18, 0x08}, &regs, nil},
		{"xlat", []byte{0xd7}, &regs, []A{{0x3000, 1, true, false, true}}},
		{"maskmovdqu", []byte{0x66, 0x0f, 0xf7, 0xc1}, &regs, []A{{0x7000, 16, false, true, false}}},
		{"cmp [rax],cl", []byte{0x38, 0x08}, &regs, []A{{0x1000, 1, true, false, true}}},
		{"movdir64b rdx,[rax]", []byte{0x66, 0x0f, 0x38, 0xf8, 0x10}, &regs, []A{{0x1000, 64, true, false, false}, {0x2000, 64, false, true, false}}},
	} {
		i, err := Decode(c.code, 0x400000)
		if err != nil || i.Len != len(c.code) {
			t.Errorf("%s: length %d, %v", c.name, i.Len, err)
			continue
		}
		got, exact := i.Accesses(c.regs)
		if !exact {
			t.Errorf("%s: not exact", c.name)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			continue
		}
		for k := range got {
			if got[k] != c.want[k] {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
				break
			}
		}
	}
	// EVEX scales one-byte displacements: all possible places are named.
	i, err := Decode([]byte{0x62, 0xf1, 0x7c, 0x48, 0x11, 0x47, 0x02}, 0) // vmovups [rdi+128], zmm0
	if err != nil {
		t.Fatal(err)
	}
	got, _ := i.Accesses(&regs)
	found := false
	for _, a := range got {
		found = found || a.Addr == 0x7000+128 && a.Len >= 64 && a.Write
	}
	if !found {
		t.Errorf("vmovups [rdi+128]: %+v", got)
	}
	// Gather and scatter cannot tell.
	for _, code := range [][]byte{
		{0x62, 0xf2, 0x7d, 0x49, 0xa0, 0x04, 0x88}, // vpscatterdd [rax+zmm1*4]{k1}, zmm0
		{0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x88},       // vpgatherdd ymm0,[rax+ymm1*4],ymm2
	} {
		i, err := Decode(code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, exact := i.Accesses(&regs); exact || i.Stores() != (code[0] == 0x62) {
			t.Errorf("% x: exact %v, stores %v", code, exact, i.Stores())
		}
	}
}

// FuzzDecode holds Decode to its bounds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x62, 0xf1, 0x7c, 0x48, 0x11, 0x47, 0x02})
	f.Add([]byte{0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x88})
	f.Add([]byte{0x66, 0x66, 0x48, 0xe8, 1, 2, 3, 4})
	f.Add([]byte{0xc7, 0xf8, 1, 2, 3, 4})
	f.Add([]byte{0xc8, 1, 2, 31})
	f.Add([]byte{0xf0, 0x48, 0x0f, 0xc7, 0x0e})
	f.Fuzz(func(t *testing.T, code []byte) {
		i, err := Decode(code, 0x400000)
		if err != nil {
			return
		}
		if i.Len < 1 || i.Len > 15 || i.Len > len(code) {
			t.Fatalf("% x: length %d", code, i.Len)
		}
		if !bytes.Equal(i.Bytes(), code[:i.Len]) {
			t.Fatalf("% x: bytes % x", code, i.Bytes())
		}
		if i.RIPOff != 0 && i.RIPOff+4 > i.Len {
			t.Fatalf("% x: RIP displacement at %d", code, i.RIPOff)
		}
		for cut := 0; cut < i.Len; cut++ {
			if _, err := Decode(code[:cut], 0x400000); err == nil {
				t.Fatalf("% x: %d bytes of %d decode", code, cut, i.Len)
			}
		}
		var r unix.PtraceRegs
		as, _ := i.Accesses(&r)
		i.Stores()
		i.movable()
		_ = i.String()
		if len(as) > 8 {
			t.Fatalf("% x: %d accesses", code, len(as))
		}
	})
}

// long is how much more the tests of this package do when YORE_TEST_LONG is set
// to a factor.
func long() int {
	if n, err := strconv.Atoi(os.Getenv("YORE_TEST_LONG")); err == nil && n > 0 {
		return n
	}
	return 1
}
