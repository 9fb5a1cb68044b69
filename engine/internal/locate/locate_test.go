package locate

import (
	"context"
	"testing"
	"time"

	"yore/engine/internal/replay"
)

const simple = `
#include <unistd.h>
#include <string.h>
#include <stdlib.h>
int table[300]; volatile long sink; char big[9000], big2[9000];
__attribute__((noinline)) int once(int x) { table[3] = x; return x * 3; }
__attribute__((noinline)) int hot(int x) { sink += x; return sink & 7; }
__attribute__((noinline)) long deep(int n) { return n ? deep(n - 1) + n : hot(n); }
__attribute__((noinline)) long longcall(int n) { long s = 0; for (volatile int i = 0; i < n; i++) s += i; return s; }
__attribute__((noinline)) void after(long v) { sink ^= v; }
static int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(int argc, char **argv) {
	getppid();
	for (int i = 0; i < 200; i++) hot(i);
	once(7);
	deep(60);
	sink += longcall(LONG);
	after(sink);
	for (int i = 0; i < 300; i++) table[i] = (i * 7919) % 301;
	qsort(table, 200, sizeof table[0], cmp);
	memset(big, 3, sizeof big);
	asm volatile("rep movsb" :: "S"(big), "D"(big2), "c"(sizeof big) : "memory");
	memcpy(big, big2 + 1, 8000);
	once(8);
	getppid();
	for (int i = 0; i < 50; i++) hot(i);
	write(1, big, 10);
	for (int i = 0; i < 50; i++) hot(i);
	after(1);
	getppid();
	return 0;
}
`

// at returns a runner at the n-th execution of addr since base, by a debug
// register alone.
func at(t *testing.T, base *replay.Runner, addr uint64, n int) *replay.Runner {
	t.Helper()
	r, err := fork(base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Kill() })
	if err := setDebug(r, 0, addr, 0, 1); err != nil {
		t.Fatal(err)
	}
	for range n {
		if stop, err := r.RunSlice(context.Background()); err != nil || stop != replay.Trap {
			t.Fatalf("to %#x: %v %v", addr, stop, err)
		}
	}
	if err := setDebug(r, 0, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	clean(r)
	return r
}

func TestFindSeekPredecessor(t *testing.T) {
	bin := build(t, simple, "-O1", "-DLONG=30000")
	tp := record(t, bin)
	base := tp.marks[1]
	ctx := context.Background()
	l := New()
	for _, p := range []struct {
		sym string
		n   int
	}{{"once", 1}, {"once", 2}, {"hot", 1}, {"hot", 150}, {"deep", 30}, {"after", 1}, {"cmp", 1}, {"cmp", 233}} {
		target := at(t, base, tp.names[p.sym], p.n)
		c, err := l.Find(ctx, base, target.Copy)
		if err != nil {
			t.Fatalf("%s %d: %v", p.sym, p.n, err)
		}
		if want := (Coord{tp.names[p.sym], uint64(p.n)}); c != want {
			t.Errorf("%s %d: found at %v, want %v", p.sym, p.n, c, want)
		}
		check(t, l, base, c, target)
	}
}

// check seeks c, compares with target, and goes back and forth one instruction.
func check(t *testing.T, l *Locator, base *replay.Runner, c Coord, target *replay.Runner) {
	t.Helper()
	ctx := context.Background()
	t0 := time.Now()
	s, err := l.Seek(ctx, base, c)
	if err != nil {
		t.Fatalf("seek %v: %v", c, err)
	}
	defer s.Kill()
	t1 := time.Now()
	sameState(t, "seek "+c.String(), s, target)
	t2 := time.Now()
	p, err := l.Predecessor(ctx, base, c)
	if err != nil {
		t.Fatalf("predecessor of %v: %v", c, err)
	}
	defer p.Kill()
	t.Logf("%v: seek %v predecessor %v", c, t1.Sub(t0), time.Since(t2))
	if stop, err := stepOne(ctx, p); err != nil || stop != replay.Trap {
		t.Fatalf("step to %v: %v %v", c, stop, err)
	}
	sameState(t, "step to "+c.String(), p, target)
}

func TestEndOf(t *testing.T) {
	tp := record(t, build(t, simple, "-O1", "-DLONG=1000"))
	l := New()
	r, c, err := l.EndOf(context.Background(), tp.marks[1])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Kill()
	var b [2]byte
	r.Space.Read(r.Regs().Rip, b[:])
	if b != [2]byte{0x0f, 0x05} || c.Count != 1 || c.Addr != r.Regs().Rip {
		t.Errorf("end of slice at %v, % x", c, b)
	}
	if stop, err := stepOne(context.Background(), r); err != nil || stop != replay.AtEvent {
		t.Errorf("step from the end: %v %v", stop, err)
	}
}

func TestSearch(t *testing.T) {
	tp := record(t, build(t, simple, "-O1", "-DLONG=1000"))
	l, ctx := New(), context.Background()
	base := tp.marks[1]
	probes := []Probe{{Addr: tp.names["once"]}, {Addr: tp.names["hot"]}}
	end := End{Event: tp.marks[3].Next - 1}
	h, err := l.Search(ctx, base, end, probes)
	if err != nil || h == nil {
		t.Fatalf("search: %v %v", h, err)
	}
	defer h.Runner.Kill()
	if h.Probe != 1 || h.At != (Coord{tp.names["hot"], 50}) || h.Relative {
		t.Errorf("last hit is %+v", h)
	}
	if d := h.Runner.Regs().Rdi; d != 49 {
		t.Errorf("last hit has rdi %d, want 49", d)
	}
	odd := func(r *replay.Runner) (bool, error) { return r.Regs().Rdi == 12, nil }
	probes[1].Cond = odd
	h2, err := l.Search(ctx, base, End{Event: h.Event, At: Coord{tp.names["hot"], 13}}, probes)
	if err != nil || h2 == nil {
		t.Fatalf("search: %v %v", h2, err)
	}
	defer h2.Runner.Kill()
	if h2.Event != tp.marks[2].Next-1 || h2.At.Count != 13 {
		t.Errorf("last hit is %+v", h2)
	}
	r, err := base.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Kill()
	for i, want := range []uint64{7, 8} {
		f, why, err := l.Run(ctx, r, end, probes[:1])
		if err != nil || why != AtHit || f.Runner != r || r.Regs().Rdi != want {
			t.Fatalf("run %d: %+v %v %v", i, f, why, err)
		}
	}
	if f, why, err := l.Run(ctx, r, end, probes[:1]); err != nil || why != AtEndPoint || f != nil || r.Next-1 != end.Event {
		t.Errorf("run to the end: %+v %v %v", f, why, err)
	}
	o, err := l.Order(ctx, base, Coord{tp.names["once"], 1}, Coord{tp.names["hot"], 200})
	if err != nil || o != 1 {
		t.Errorf("order %d %v", o, err)
	}
	o, err = l.Order(ctx, base, Coord{tp.names["once"], 1}, Coord{tp.names["hot"], 201})
	if err != nil || o != -1 {
		t.Errorf("order %d %v", o, err)
	}
}
