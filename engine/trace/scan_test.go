package trace

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func tempLog(t testing.TB) *Log {
	t.Helper()
	l, err := CreateLog(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Scan and ScanBack find what looking at each event finds, whatever of the log
// is still in memory.
func TestScan(t *testing.T) {
	l := tempLog(t)
	r := rand.New(rand.NewPCG(21, 1))
	es := someEvents(21, 12000)
	for i, e := range es {
		e.Kind = Syscall
		if r.IntN(5000) == 0 {
			e.Kind = Preempt
		}
		if r.IntN(3000) != 0 {
			e.Out = nil
		}
		// Most writes go to few pages.
		for k := range e.Writes {
			e.Writes[k].Addr = 0x7f0000000000 + uint64(i/1000)<<12 + uint64(r.IntN(4096))
		}
		if r.IntN(2000) != 0 {
			e.Maps = nil
		}
		e.NR = 1
		if r.IntN(2000) == 0 {
			e.NR = 11
		}
	}
	appendAll(t, l, es[:9000])
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, es[9000:])

	filters := map[string]Filter{
		"all":      {},
		"preempt":  {Kinds: []Kind{Preempt, Clone}},
		"output":   {Output: true},
		"memory":   {Memory: true},
		"page":     {Ranges: []Range{{0x7f0000003000, 1}, {0x7f0000005ff0, 32}}},
		"anywhere": {Ranges: []Range{{0, 1<<64 - 1}}},
		"nowhere":  {Ranges: []Range{{0x1000, 8}}},
		"either":   {Kinds: []Kind{Preempt}, Memory: true, Ranges: []Range{{0x7f0000004000, 64}}},
	}
	for name, f := range filters {
		for _, span := range [][2]int64{{0, 12000}, {0, 1 << 40}, {100, 101}, {4000, 9500}, {9500, 12000}, {5, 5}} {
			var want, got []int64
			for i := span[0]; i < min(span[1], int64(len(es))); i++ {
				if f.Match(es[i]) {
					want = append(want, i)
				}
			}
			see := func(i int64, e *Event) bool {
				if !reflect.DeepEqual(e, es[i]) {
					t.Fatalf("%s: event %d differs", name, i)
				}
				got = append(got, i)
				return true
			}
			if err := l.Scan(span[0], span[1], f, see); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %v: %d events, want %d", name, span, len(got), len(want))
			}
			got = nil
			if err := l.ScanBack(span[0], span[1], f, see); err != nil {
				t.Fatal(err)
			}
			slices.Reverse(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s %v backwards: %d events, want %d", name, span, len(got), len(want))
			}
		}
	}

	n := 0
	l.Scan(0, l.Len(), Filter{}, func(int64, *Event) bool { n++; return n < 7 })
	if n != 7 {
		t.Errorf("scan went on after its function said stop: %d", n)
	}
	for _, at := range []int64{-5, 0, 999, 1000, 1001, 8999999, 9000000, 11999000, 1 << 50} {
		want := max(0, min(at/1000, 11999))
		if got, err := l.TimeOf(at); err != nil || got != want {
			t.Errorf("TimeOf(%d) = %d, %v, want %d", at, got, err, want)
		}
	}
}

func TestMatchRange(t *testing.T) {
	const top = ^uint64(0)
	for _, c := range []struct {
		r       Range
		addr, n uint64
		want    bool
	}{
		{Range{100, 10}, 90, 10, false}, {Range{100, 10}, 90, 11, true}, {Range{100, 10}, 109, 1, true},
		{Range{100, 10}, 110, 1, false}, {Range{100, 10}, 0, 1000, true}, {Range{100, 0}, 100, 1, false},
		{Range{100, 1}, 100, 0, false}, {Range{top - 7, 8}, top, 1, true}, {Range{top - 7, 100}, 0, 8, false},
		{Range{0, 8}, top - 7, 8, false},
	} {
		if got := overlap(c.r, c.addr, c.n); got != c.want {
			t.Errorf("%v and %d+%d: %v", c.r, c.addr, c.n, got)
		}
		e := &Event{Kind: Syscall, Writes: []Write{{c.addr, make([]byte, c.n)}}}
		f := Filter{Ranges: []Range{c.r}}
		fr := newFrame(0, 100)
		fr.add(e)
		if got := f.Match(e); got != c.want || got && !f.frame(&fr.info) {
			t.Errorf("%v and %d+%d: event %v, frame %v", c.r, c.addr, c.n, got, f.frame(&fr.info))
		}
	}
}

func TestOutput(t *testing.T) {
	l := tempLog(t)
	long := strings.Repeat("x", maxLine+10)
	for _, w := range []struct {
		fd  uint64
		out string
		cut int64 // bytes that the event does not keep
	}{
		0: {1, "hello\nwor", 0},
		1: {2, "oops", 0},
		2: {1, "", 0},
		3: {1, "ld\r\n\n", 0},
		4: {2, "!\n", 0},
		5: {1, long + "\n", 0},
		6: {1, "cut h", 5},
		7: {1, "ere\n", 0},
		8: {2, "late", 0},
		9: {1, "prompt> ", 0},
	} {
		e := &Event{Kind: Syscall, NR: 1, Out: []byte(w.out), Ret: int64(len(w.out)) + w.cut}
		e.Args[0] = w.fd
		if _, err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	list := func(to int64, re *regexp.Regexp) string {
		var b strings.Builder
		err := l.Output(to, re, func(o OutputLine) bool {
			text := string(o.Text)
			if len(text) > 20 {
				text = fmt.Sprintf("%s*%d", text[:1], len(text))
			}
			fmt.Fprintf(&b, "%d-%d fd%d %q", o.First, o.Last, o.FD, text)
			if o.Partial {
				b.WriteString(" partial")
			}
			b.WriteByte('\n')
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got, want := list(100, nil), `0-0 fd1 "hello"
0-3 fd1 "world"
3-3 fd1 ""
1-4 fd2 "oops!"
5-5 fd1 "x*65536" partial
5-5 fd1 "xxxxxxxxxx"
6-6 fd1 "cut h" partial
7-7 fd1 "ere"
8-8 fd2 "late" partial
9-9 fd1 "prompt> " partial
`; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if got, want := list(3, regexp.MustCompile("^(h|oop|w)")), `0-0 fd1 "hello"
0-0 fd1 "wor" partial
1-1 fd2 "oops" partial
`; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
