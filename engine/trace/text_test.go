package trace

import (
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var textCases = []struct {
	text string
	e    Event
}{
	{"start", Event{Kind: Start}},
	{
		`syscall tid=1 nr=1 ret=3 args=0x1,0x4020,0x3,0,0,0 pc=0x401020 sp=0x7ffe10 time=52 out="hi\n"`,
		Event{Kind: Syscall, TID: 1, NR: 1, Ret: 3, Args: [6]uint64{1, 0x4020, 3}, PC: 0x401020,
			SP: 0x7ffe10, Time: 52, Out: []byte("hi\n")},
	},
	{
		`signal tid=-1 nr=-1 write=0x10:- write=0x20:ff00+0*16+01 regs=rax:0x5,orig_rax:0xffffffffffffffff xstate=0*64 sig=11 info=0b000000+0*124`,
		Event{Kind: Signal, TID: -1, NR: -1,
			Writes: []Write{{0x10, nil}, {0x20, append(append([]byte{0xff, 0}, make([]byte, 16)...), 1)}},
			Regs:   &unix.PtraceRegs{Rax: 5, Orig_rax: 1<<64 - 1}, XState: make([]byte, 64),
			Sig: 11, Info: append([]byte{11}, make([]byte, 127)...)},
	},
	{
		`clone nr=56 ret=7 map=0x1000+0x2000,3,private,0@0x0 map=0x5000+0x1000,5,shared,9@0x3000,object 2 child=7 childregs=-`,
		Event{Kind: Clone, NR: 56, Ret: 7, Maps: []Map{{0x1000, 0x2000, 3, false, 0, 0, 0}, {0x5000, 0x1000, 5, true, 9, 0x3000, 2}},
			Child: 7, ChildRegs: &unix.PtraceRegs{}},
	},
	{"preempt stub=3 count=18446744073709551615", Event{Kind: Preempt, Stub: 3, Count: 1<<64 - 1}},
}

func TestText(t *testing.T) {
	for _, c := range textCases {
		got, err := ParseEvent(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if !reflect.DeepEqual(got, c.e) {
			t.Errorf("%s: parsed as %+v", c.text, got)
		}
		again, err := ParseEvent(FormatEvent(&c.e))
		if err != nil || !reflect.DeepEqual(again, c.e) {
			t.Errorf("%s: formatted as %s: %v", c.text, FormatEvent(&c.e), err)
		}
	}
	for _, k := range []int{0, 1, 3, 4} {
		if got := FormatEvent(&textCases[k].e); got != textCases[k].text {
			t.Errorf("got  %s\nwant %s", got, textCases[k].text)
		}
	}
}

func TestTextLossless(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	for range 3000 {
		e := randomEvent(r)
		s := FormatEvent(e)
		if strings.ContainsAny(s, "\n\r") {
			t.Fatalf("more than one line: %q", s)
		}
		got, err := ParseEvent(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if !reflect.DeepEqual(&got, e) {
			t.Fatalf("%s\ngot  %+v\nwant %+v", s, got, *e)
		}
	}
}

// Data with more zeros than the text form abbreviates is still lossless.
func TestTextManyZeros(t *testing.T) {
	e := &Event{Kind: Syscall}
	for range 5 {
		e.Writes = append(e.Writes, Write{1, make([]byte, 16<<20)})
	}
	s := FormatEvent(e)
	got, err := ParseEvent(s)
	if err != nil || !reflect.DeepEqual(&got, e) {
		t.Fatalf("%d characters: %v", len(s), err)
	}
}

func TestTextErrors(t *testing.T) {
	for _, s := range []string{
		"", "sycall", "syscall tid", "syscall tid=", "syscall tid=x", "syscall tid=1 tid=2", "syscall foo=1",
		"syscall args=1,2,3", "syscall args=1,2,3,4,5,6,7", "syscall write=1", "syscall write=1:", "syscall write=1:f",
		"syscall write=1:0*99999999999", "syscall write=1:0*70000000", "syscall regs=foo:1", "syscall regs=rax",
		`syscall out="`, `syscall out="a"b`, "syscall map=1+2,3,public,4@5", "syscall map=1+2,3,private,4",
		"syscall tid=4294967296", "syscall\ttid=1",
	} {
		if e, err := ParseEvent(s); err == nil {
			t.Errorf("%q: parsed as %+v", s, e)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, c := range textCases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEvent(s)
		if err != nil {
			return
		}
		again, err := ParseEvent(FormatEvent(&e))
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%q: %+v became %+v, %v", s, e, again, err)
		}
		bin, _, err := DecodeEvent(AppendEvent(nil, &e))
		if err != nil || !reflect.DeepEqual(e, bin) {
			t.Fatalf("%q: %+v became %+v, %v", s, e, bin, err)
		}
	})
}

// Every kind has a name, and a bit in a frame's summary.
func TestKinds(t *testing.T) {
	for k := Start; k <= lastKind; k++ {
		e, err := ParseEvent(k.String())
		if err != nil || e.Kind != k {
			t.Errorf("kind %d is called %q: %v", k, k, err)
		}
	}
	if lastKind >= 31 {
		t.Error("a frame's summary has no bit for the last kind")
	}
	src, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	// lastKind must follow the kinds that are added.
	if n := strings.Count(string(src), " Kind = "); n != int(lastKind) {
		t.Errorf("%d kinds are declared, lastKind is %d", n, lastKind)
	}
}
