package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// assemble turns "const8 5; reg 7; add; end" into bytecode. A word that ends
// in a colon is a label; if_goto and goto take labels or numbers.
func assemble(t testing.TB, text string) []byte {
	t.Helper()
	byName := map[string]Opcode{}
	for i, o := range ops {
		if o.name != "" {
			byName[o.name] = Opcode(i)
		}
	}
	var code []byte
	labels := map[string]int{}
	fix := map[int]string{}
	for _, part := range strings.Split(text, ";") {
		f := strings.Fields(part)
		for len(f) > 0 && strings.HasSuffix(f[0], ":") {
			labels[strings.TrimSuffix(f[0], ":")] = len(code)
			f = f[1:]
		}
		if len(f) == 0 {
			continue
		}
		oc, ok := byName[f[0]]
		if !ok {
			t.Fatalf("no opcode %q", f[0])
		}
		o := ops[oc]
		code = append(code, byte(oc))
		if o.operand == 0 {
			continue
		}
		v, err := strconv.ParseUint(f[1], 0, 64)
		if err != nil {
			fix[len(code)] = f[1]
		}
		for i := o.operand - 1; i >= 0; i-- {
			code = append(code, byte(v>>(8*i)))
		}
	}
	for at, l := range fix {
		target, ok := labels[l]
		if !ok {
			t.Fatalf("no label %q", l)
		}
		binary.BigEndian.PutUint16(code[at:], uint16(target))
	}
	return code
}

// fake has registers n → 1000+n and memory whose byte at a is a's low byte,
// below 1 MiB only.
type fake struct{}

func (fake) Register(n int) (uint64, error) {
	if n >= 60 {
		return 0, ErrNoRegister
	}
	return uint64(1000 + n), nil
}

var errUnmapped = errors.New("unmapped")

func (fake) ReadMemory(addr uint64, p []byte) error {
	if addr > 1<<20 {
		return errUnmapped
	}
	for i := range p {
		p[i] = byte(addr) + byte(i)
	}
	return nil
}

func TestEval(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{
		{"const8 5; const8 3; add; end", 8},
		{"const8 5; const8 3; sub; end", 2},
		{"const8 3; const8 5; sub; end", -2},
		{"const8 5; const8 3; mul; end", 15},
		{"const64 0xfffffffffffffff9; const8 2; div_signed; end", -3},
		{"const64 0xfffffffffffffff9; const8 2; div_unsigned; end", 0x7ffffffffffffffc},
		{"const64 0xfffffffffffffff9; const8 2; rem_signed; end", -1},
		{"const64 0xfffffffffffffff9; const8 4; rem_unsigned; end", 1},
		{"const64 0x8000000000000000; const64 0xffffffffffffffff; div_signed; end", math.MinInt64},
		{"const64 0x8000000000000000; const64 0xffffffffffffffff; rem_signed; end", 0},
		{"const8 1; const8 63; lsh; end", math.MinInt64},
		{"const8 1; const8 64; lsh; end", 0},
		{"const64 0x8000000000000000; const8 63; rsh_signed; end", -1},
		{"const64 0x8000000000000000; const8 200; rsh_signed; end", -1},
		{"const64 0x8000000000000000; const8 63; rsh_unsigned; end", 1},
		{"const64 0x8000000000000000; const8 64; rsh_unsigned; end", 0},
		{"const8 0; log_not; end", 1},
		{"const8 7; log_not; end", 0},
		{"const8 0xc; const8 0xa; bit_and; end", 8},
		{"const8 0xc; const8 0xa; bit_or; end", 14},
		{"const8 0xc; const8 0xa; bit_xor; end", 6},
		{"const8 0; bit_not; end", -1},
		{"const8 4; const8 4; equal; end", 1},
		{"const8 4; const8 5; equal; end", 0},
		{"const64 0xffffffffffffffff; const8 1; less_signed; end", 1},
		{"const64 0xffffffffffffffff; const8 1; less_unsigned; end", 0},
		{"const8 1; const8 2; less_unsigned; end", 1},
		{"const8 0x80; ext 8; end", -128},
		{"const8 0x7f; ext 8; end", 127},
		{"const8 0x80; ext 64; end", 128},
		{"const8 0x80; ext 0; end", 128},
		{"const8 1; ext 1; end", -1},
		{"const32 0xffff8000; ext 16; end", -32768},
		{"const32 0xffff8001; zero_ext 16; end", 0x8001},
		{"const32 0xffff8001; zero_ext 64; end", 0xffff8001},
		{"const8 0x10; ref8; end", 0x10},
		{"const8 0x10; ref16; end", 0x1110},
		{"const8 0x10; ref32; end", 0x13121110},
		{"const8 0x10; ref64; end", 0x1716151413121110},
		{"const16 0x1234; end", 0x1234},
		{"const32 0x12345678; end", 0x12345678},
		{"const64 0x123456789abcdef0; end", 0x123456789abcdef0},
		{"reg 7; end", 1007},
		{"reg 0x3a; end", 1058},
		{"const8 3; dup; add; end", 6},
		{"const8 3; const8 4; pop; end", 3},
		{"const8 3; const8 4; swap; sub; end", 1},
		{"const8 9; const8 8; const8 7; pick 0; end", 7},
		{"const8 9; const8 8; const8 7; pick 2; end", 9},
		// a b c → c a b: the top goes below, so 2 is on top and 1 under it
		{"const8 1; const8 2; const8 3; rot; end", 2},
		{"const8 1; const8 2; const8 3; rot; pop; end", 1},
		{"const8 1; const8 2; const8 3; rot; pop; pop; end", 3},
		{"goto over; const8 1; end; over: const8 2; end", 2},
		{"const8 1; if_goto yes; const8 5; end; yes: const8 6; end", 6},
		{"const8 0; if_goto yes; const8 5; end; yes: const8 6; end", 5},
		// sum of 1..10 by a loop: stack is sum, i
		{"const8 0; const8 10; top: dup; rot; add; swap; const8 1; sub; dup; if_goto top; pop; end", 55},
	} {
		code := assemble(t, c.text)
		got, err := Eval(code, fake{})
		if err != nil || got != c.want {
			t.Errorf("%s: got %d, %v; want %d", c.text, got, err, c.want)
		}
		if _, err := Decode(code); err != nil {
			t.Errorf("%s: decode: %v", c.text, err)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	deep := strings.Repeat("const8 1; ", MaxStack+1) + "end"
	for _, c := range []struct {
		code   []byte
		want   string
		decode bool // Decode refuses it too
	}{
		{nil, "outside", true},
		{[]byte{0xff}, "unknown opcode 0xff", true},
		{[]byte{0x00}, "unknown opcode", true},
		{[]byte{byte(Const32), 1, 2}, "cut short", true},
		{assemble(t, "add; end"), "underflow", true},
		{assemble(t, "const8 1; add; end"), "underflow", true},
		{assemble(t, "const8 1; const8 2; rot; end"), "underflow", true},
		{assemble(t, "const8 1; pick 1; end"), "underflow", true},
		{assemble(t, "end"), "underflow", true},
		{assemble(t, "const8 1"), "outside", true},
		{assemble(t, "goto 500"), "outside", true},
		{assemble(t, deep), "more than", true},
		{assemble(t, "top: const8 1; goto top"), "more than", true},
		{assemble(t, "top: const8 1; pop; goto top"), "not finished", false},
		{assemble(t, "const8 1; const8 0; div_signed; end"), "division by zero", false},
		{assemble(t, "const8 1; const8 0; rem_unsigned; end"), "division by zero", false},
		{assemble(t, "const32 0x7fffffff; ref8; end"), "unmapped", false},
		{assemble(t, "reg 900; end"), "no such integer register", false},
		{assemble(t, "float; end"), "no meaning", true},
		{assemble(t, "const8 1; trace; end"), "no meaning", true},
		{assemble(t, "getv 1; end"), "no meaning", true},
		{assemble(t, "const8 1; setv 1; end"), "no meaning", true},
		{assemble(t, "const8 1; l_to_d; end"), "no meaning", true},
		{assemble(t, "const8 1; ref_double; end"), "no meaning", true},
		{assemble(t, "printf 1; end"), "no meaning", true},
	} {
		_, err := Eval(c.code, fake{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("% x: got %v, want %q", c.code, err, c.want)
		}
		if _, err := Decode(c.code); (err != nil) != c.decode {
			t.Errorf("% x: decode: %v, want an error: %v", c.code, err, c.decode)
		}
	}
}

func TestDecodeDepths(t *testing.T) {
	// two paths meet with one and with two elements
	code := assemble(t, "const8 1; const8 1; if_goto b; const8 3; b: end")
	if _, err := Decode(code); err == nil || !strings.Contains(err.Error(), "reached with") {
		t.Errorf("got %v", err)
	}
}

func TestHit(t *testing.T) {
	no, yes := assemble(t, "const8 0; end"), assemble(t, "const8 1; end")
	bad := assemble(t, "const32 0x7fffffff; ref8; end")
	for i, c := range []struct {
		conds [][]byte
		want  bool
		err   error
	}{
		{nil, true, nil},
		{[][]byte{no}, false, nil},
		{[][]byte{no, yes}, true, nil},
		{[][]byte{no, bad}, true, errUnmapped},
	} {
		got, err := Hit(c.conds, fake{})
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("case %d: %v, %v", i, got, err)
		}
	}
}

func TestRegister(t *testing.T) {
	r := &unix.PtraceRegs{Rax: 100, Rbx: 101, Rcx: 102, Rdx: 103, Rsi: 104, Rdi: 105, Rbp: 106, Rsp: 107,
		R8: 108, R9: 109, R10: 110, R11: 111, R12: 112, R13: 113, R14: 114, R15: 115, Rip: 116, Eflags: 117,
		Cs: 118, Ss: 119, Ds: 120, Es: 121, Fs: 122, Gs: 123, Orig_rax: 157, Fs_base: 158, Gs_base: 159}
	for n := range 200 {
		v, err := Register(n, r)
		integer := n < 24 || n >= 57 && n <= 59
		if (err == nil) != integer || integer && v != uint64(100+n) {
			t.Errorf("register %d: %d, %v", n, v, err)
		}
	}
}

func TestText(t *testing.T) {
	got := Text(assemble(t, "reg 6; const8 20; sub; ref32; ext 32; const8 7; equal; end"))
	want := "0: reg 6; 3: const8 0x14; 5: sub; 6: ref32; 7: ext 32; 9: const8 0x7; 11: equal; 12: end"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Text([]byte{0xfe}); !strings.Contains(got, "unknown opcode") {
		t.Errorf("got %s", got)
	}
}

// What Decode accepts must not fail for a reason that Decode promises to find.
func FuzzEval(f *testing.F) {
	f.Add(assemble(f, "reg 6; const8 20; sub; ref32; ext 32; const8 7; equal; end"))
	f.Add(assemble(f, "const8 0; const8 10; top: dup; rot; add; swap; const8 1; sub; dup; if_goto top; pop; end"))
	f.Add([]byte{0x22})
	f.Fuzz(func(t *testing.T, code []byte) {
		list, derr := Decode(code)
		_, err := Eval(code, fake{})
		_ = Text(code)
		if derr != nil {
			return
		}
		if len(list) == 0 {
			t.Fatal("accepted, but no instruction")
		}
		if err == nil || errors.Is(err, errUnmapped) || errors.Is(err, ErrNoRegister) ||
			strings.Contains(err.Error(), "division") || strings.Contains(err.Error(), "not finished") {
			return
		}
		t.Fatalf("%s: decode accepted it, eval: %v", Text(code), err)
	})
}

func BenchmarkEval(b *testing.B) {
	code := assemble(b, "reg 6; const8 20; sub; ref32; ext 32; const8 7; equal; end")
	for b.Loop() {
		if _, err := Eval(code, fake{}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleText() {
	fmt.Println(Text([]byte{byte(Const8), 1, byte(End)}))
	// Output: 0: const8 0x1; 2: end
}
