package trace

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// randomEvent makes an event in which each field is set with some chance,
// whatever the kind: the encoding does not depend on which kind has which field.
func randomEvent(r *rand.Rand) *Event {
	e := &Event{Kind: Kind(1 + r.IntN(int(lastKind)))}
	num := func() uint64 { return r.Uint64() >> r.IntN(64) }
	bytes := func(max int) []byte {
		b := make([]byte, r.IntN(max)+1)
		if r.IntN(2) == 0 {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		} else {
			copy(b, "some text\n")
		}
		return b
	}
	regs := func() *unix.PtraceRegs {
		g := new(unix.PtraceRegs)
		for _, p := range regFields(g) {
			*p = num()
		}
		if r.IntN(2) == 0 {
			g.Orig_rax = math.MaxUint64
		}
		return g
	}
	some := func(f func()) {
		if r.IntN(3) == 0 {
			f()
		}
	}
	some(func() { e.TID = int32(num()) })
	some(func() { e.NR = int32(r.IntN(500) - 1) })
	some(func() { e.Ret = int64(num()) - 100 })
	some(func() {
		for i := range e.Args {
			some(func() { e.Args[i] = num() })
		}
	})
	some(func() { e.PC = num() })
	some(func() { e.SP = num() })
	some(func() { e.Time = int64(num()) })
	some(func() {
		for range r.IntN(4) + 1 {
			w := Write{Addr: num()}
			some(func() { w.Data = bytes(300) })
			e.Writes = append(e.Writes, w)
		}
	})
	some(func() { e.Regs = regs() })
	some(func() { e.XState = bytes(3000) })
	some(func() {
		for range r.IntN(4) + 1 {
			e.Maps = append(e.Maps, Map{num(), num(), uint32(num()), r.IntN(2) == 0, uint32(num()), num(), uint32(num())})
		}
	})
	some(func() { e.Sig = int32(r.IntN(65)) })
	some(func() { e.Info = bytes(128) })
	some(func() { e.Child = int32(num()) })
	some(func() { e.ChildRegs = regs() })
	some(func() { e.Stub = int32(num()) })
	some(func() { e.Count = num() })
	some(func() { e.Out = bytes(200) })
	return e
}

func TestEncodeRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		e := randomEvent(r)
		for _, base := range []int64{0, 12345, math.MinInt64, e.Time} {
			b := appendEvent([]byte("pre"), e, base)
			b = append(b, "post"...)
			var got Event
			n, err := decodeEvent(b[3:], &got, base)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			if n != len(b)-7 {
				t.Fatalf("took %d bytes of %d", n, len(b)-7)
			}
			if !reflect.DeepEqual(&got, e) {
				t.Fatalf("got  %+v\nwant %+v", got, *e)
			}
			if len(b)-7 > sizeBound(e) {
				t.Fatalf("%d bytes, bound %d: %+v", len(b)-7, sizeBound(e), e)
			}
		}
	}
}

// Every proper prefix of an encoded event is an error.
func TestDecodeShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		b := AppendEvent(nil, randomEvent(r))
		for k := range b {
			_, _, err := DecodeEvent(b[:k])
			var f *FormatError
			if !errors.As(err, &f) {
				t.Fatalf("prefix of %d of %d bytes: %v", k, len(b), err)
			}
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		f.Add(AppendEvent(nil, randomEvent(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, n, err := DecodeEvent(b)
		if err != nil {
			return
		}
		if n > len(b) {
			t.Fatalf("took %d of %d bytes", n, len(b))
		}
		again, _, err := DecodeEvent(AppendEvent(nil, &e))
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
