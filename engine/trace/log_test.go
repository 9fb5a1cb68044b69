package trace

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"
)

// someEvents makes n ordinary events with times that grow.
func someEvents(seed uint64, n int) []*Event {
	r := rand.New(rand.NewPCG(seed, 0))
	es := make([]*Event, n)
	for i := range es {
		es[i] = randomEvent(r)
		es[i].Time = int64(i) * 1000
	}
	return es
}

func appendAll(t testing.TB, l *Log, es []*Event) {
	t.Helper()
	at := l.Len()
	for k, e := range es {
		i, err := l.Append(e)
		if err != nil {
			t.Fatal(err)
		}
		if i != at+int64(k) {
			t.Fatalf("event %d got index %d", at+int64(k), i)
		}
	}
}

func checkAll(t testing.TB, l *Log, es []*Event, order []int) {
	t.Helper()
	for _, i := range order {
		e, err := l.At(int64(i))
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if !reflect.DeepEqual(e, es[i]) {
			t.Fatalf("event %d: got %+v\nwant %+v", i, e, es[i])
		}
	}
}

func upTo(n int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = i
	}
	return o
}

func TestLogRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	es := someEvents(1, 20000)
	// Events of sizes around and beyond what one frame holds.
	for k, size := range []int{maxPart - 1000, maxPart, maxPart + 1, 3*maxPart + 77, frameBytes} {
		data := make([]byte, size)
		for i := 0; i+8 <= size; i += 8 * (k + 1) {
			binary.LittleEndian.PutUint64(data[i:], uint64(i)*0x9E3779B97F4A7C15)
		}
		es[1000*k].Writes = append(es[1000*k].Writes, Write{0x1000, data})
	}
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	order := rand.New(rand.NewPCG(9, 9)).Perm(len(es))
	appendAll(t, l, es[:len(es)/2])
	checkAll(t, l, es, upTo(len(es)/2))
	appendAll(t, l, es[len(es)/2:])
	checkAll(t, l, es, order)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	checkAll(t, l, es, order[:5000])
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(es[0]); err != ErrClosed {
		t.Fatalf("append after finish: %v", err)
	}
	checkAll(t, l, es, order[:1000])
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.At(0); err != ErrClosed {
		t.Fatalf("at after close: %v", err)
	}

	if l, err = OpenLog(dir); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Truncated() != nil {
		t.Fatalf("truncated: %v", l.Truncated())
	}
	if l.Len() != int64(len(es)) {
		t.Fatalf("%d events, want %d", l.Len(), len(es))
	}
	checkAll(t, l, es, order)
	checkAll(t, l, es, upTo(len(es)))
	if _, err := l.At(l.Len()); err == nil {
		t.Fatal("event behind the last one")
	}
	if _, err := l.At(-1); err == nil {
		t.Fatal("event -1")
	}
}

// A log that nobody closed, as after kill -9: what was flushed is there.
func TestLogUnclosed(t *testing.T) {
	dir := t.TempDir()
	es := someEvents(2, 3000)
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendAll(t, l, es[:2000])
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if tr := r.Truncated(); tr == nil || tr.Bytes != 0 {
		t.Fatalf("truncated: %v", tr)
	}
	if r.Len() != 2000 {
		t.Fatalf("%d events, want 2000", r.Len())
	}
	checkAll(t, r, es, upTo(2000))
}

// Events leave memory by age alone.
func TestLogFlushesByItself(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendAll(t, l, someEvents(3, 5))
	l.mu.Lock()
	deadline := time.AfterFunc(20*time.Second, func() {
		l.mu.Lock()
		l.changed.Broadcast()
		l.mu.Unlock()
	})
	start := time.Now()
	for l.durable < 5 && time.Since(start) < 20*time.Second {
		l.changed.Wait()
	}
	n := l.durable
	l.mu.Unlock()
	deadline.Stop()
	if n != 5 {
		t.Fatalf("%d of 5 events written", n)
	}
}

// Readers at every age of event while one goroutine appends, across segments.
func TestLogConcurrent(t *testing.T) {
	dir := t.TempDir()
	es := someEvents(4, 4000)
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const rounds = 5
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for k := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(k), 7))
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := l.Len()
				if n == 0 {
					continue
				}
				i := r.Int64N(n)
				if k == 0 {
					i = n - 1
				}
				e, err := l.At(i)
				if err != nil {
					t.Error(err)
					return
				}
				if !reflect.DeepEqual(e, es[i%int64(len(es))]) {
					t.Errorf("event %d differs", i)
					return
				}
			}
		}()
	}
	for range rounds {
		appendAll(t, l, es)
	}
	close(stop)
	wg.Wait()
}

// Memory stays put and segments roll: more data than the caches and a segment
// hold, incompressible.
func TestLogRolls(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	dir := t.TempDir()
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.NewChaCha8([32]byte{1})
	data := make([]byte, 50000)
	const n = 2000
	for i := range n {
		r.Read(data)
		binary.LittleEndian.PutUint64(data, uint64(i))
		if _, err := l.Append(&Event{Kind: Syscall, Ret: int64(i), Writes: []Write{{uint64(i) << 12, data}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	if len(files) != 2 {
		t.Fatalf("segments: %v", files)
	}
	if l, err = OpenLog(dir); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Len() != n || l.Truncated() != nil {
		t.Fatalf("%d events, truncated %v", l.Len(), l.Truncated())
	}
	for i := n - 1; i >= 0; i-- {
		e, err := l.At(int64(i))
		if err != nil {
			t.Fatal(err)
		}
		if e.Ret != int64(i) || binary.LittleEndian.Uint64(e.Writes[0].Data) != uint64(i) {
			t.Fatalf("event %d is %d", i, e.Ret)
		}
		if l.cache.used > cacheBytes {
			t.Fatalf("cache holds %d bytes", l.cache.used)
		}
	}

	// Without its last segment the log says so; without its first it is none.
	os.Rename(files[1], filepath.Join(dir, "away"))
	l2, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l2.Close()
	if tr := l2.Truncated(); tr == nil || l2.Len() == 0 || l2.Len() >= n {
		t.Fatalf("%d events, truncated %v", l2.Len(), tr)
	}
	os.Rename(files[0], files[1])
	if _, err := OpenLog(dir); !IsBadInput(err) {
		t.Fatalf("log without its first segment: %v", err)
	}
}

// Segments of many small frames, an event of many frames at the end of one.
func TestLogManyFrames(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	es := someEvents(61, 2*segmentFrames+100)
	es[segmentFrames-3].Writes = []Write{{1, make([]byte, 10*maxPart)}}
	for i := range es {
		appendAll(t, l, es[i:i+1])
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.seg")); len(files) != 3 {
		t.Errorf("segments: %v", files)
	}
	if l, err = OpenLog(dir); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Truncated() != nil {
		t.Fatalf("truncated: %v", l.Truncated())
	}
	checkAll(t, l, es, upTo(len(es)))
}

// What a log holds in memory does not grow with what was appended.
func TestLogMemory(t *testing.T) {
	l := tempLog(t)
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	e := typicalSyscall()
	for i := range uint64(2_000_000) {
		e.Time += 20000
		e.Args[3] = i * 0x9E3779B97F4A7C15
		if _, err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	grown := heap() - before
	if limit := cacheBytes + 12<<20; grown > limit {
		t.Errorf("%d MB in memory after %d events, limit %d MB", grown>>20, l.Len(), limit>>20)
	}
}

func TestLogRefusesToOverwrite(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	before, _ := os.ReadFile(filepath.Join(dir, segmentName(0)))
	if _, err := CreateLog(dir); err == nil {
		t.Fatal("a log was begun over another")
	}
	after, _ := os.ReadFile(filepath.Join(dir, segmentName(0)))
	if !bytes.Equal(before, after) {
		t.Fatal("the old log was changed")
	}
}

func typicalSyscall() *Event {
	return &Event{
		Kind: Syscall, TID: 4711, NR: 0, Ret: 64, PC: 0x7f12345678a1, SP: 0x7ffd12345678,
		Args:   [6]uint64{3, 0x7ffd12345700, 64, 0, 0x7f1234500000, 0x22},
		Time:   123456789,
		Writes: []Write{{0x7ffd12345700, bytes.Repeat([]byte("abcdefgh"), 8)}},
	}
}

func BenchmarkAppend(b *testing.B) {
	l, err := CreateLog(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := typicalSyscall()
	b.ReportAllocs()
	for b.Loop() {
		e.Time += 20000
		e.Args[3]++
		if _, err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend1MB(b *testing.B) {
	l, err := CreateLog(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := typicalSyscall()
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(data[:1<<19])
	e.Writes[0].Data = data
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkAt(b *testing.B, next func(i, n int64) int64) {
	dir := b.TempDir()
	l, err := CreateLog(dir)
	if err != nil {
		b.Fatal(err)
	}
	e := typicalSyscall()
	const n = 500000
	for i := range int64(n) {
		e.Time += 20000
		e.Args[3] = uint64(i)
		if _, err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	if l, err = OpenLog(dir); err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i = next(i, n)
		if _, err := l.At(i); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAtForward(b *testing.B) {
	benchmarkAt(b, func(i, n int64) int64 { return (i + 1) % n })
}

func BenchmarkAtRandom(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	benchmarkAt(b, func(i, n int64) int64 { return r.Int64N(n) })
}
