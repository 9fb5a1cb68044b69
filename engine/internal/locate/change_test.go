package locate

import (
	"context"
	"encoding/binary"
	"testing"
	"time"
)

const changes = `
#include <unistd.h>
#include <string.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/syscall.h>
#define NI __attribute__((noinline, noclone))
long watched[8]; struct utsname un; volatile long sink; long *volatile ptr; char area[4096];
NI void abso(long v) { watched[1] = v; }
NI void viaptr(long *p, long v) { *p = v; }
NI void indexed(long *p, long i, long v) { p[i] += v; }
NI void bystring(long v) { long b[8]; for (int i = 0; i < 8; i++) b[i] = v + i; char *d = (char *)watched, *s = (char *)b; long n = 64;
	asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory"); }
NI void bycopy(long v) { long b[8]; for (int i = 0; i < 8; i++) b[i] = v * 3 + i; memcpy(watched, b, sizeof b); }
NI long deep(int n, long v) { volatile long local = v + n; return n ? deep(n - 1, v) + local : local; }
NI void work(int n) { for (volatile int i = 0; i < n; i++) sink += i; }
int main(void) {
	ptr = watched;
	getppid();
	for (int i = 0; i < N; i++) { viaptr(&watched[i & 7], i); abso(i / 1000); indexed(watched, 1, 0); }
	work(20000);
	getppid();                                      /* A: last is viaptr or abso, then silent ones */
	bystring(5); work(1000); indexed(watched, 1, 4); work(30000);
	getppid();                                      /* B: indexed */
	for (int i = 0; i < 700; i++) viaptr(&watched[1], 77);
	work(20000);
	getppid();                                      /* C: the first of 700 equal stores */
	bycopy(9);
	getppid();                                      /* D: in memcpy */
	syscall(SYS_uname, &un); work(2000); 
	getppid();                                      /* E: uname */
	for (int i = 0; i < 100; i++) { deep(20, i); viaptr(&watched[2], i); }
	getppid();                                      /* F: nothing for watched[1] */
	return 0;
}
`

func TestLastChange(t *testing.T) {
	for _, v := range variants[:3] {
		t.Run(v.name, func(t *testing.T) {
			tp := record(t, build(t, changes, append(v.flags, "-DN=1000")...))
			l, ctx := New(), context.Background()
			w1 := Watch{Addr: tp.names["watched"] + 8, Len: 8}
			w2 := Watch{Addr: tp.names["watched"] + 16, Len: 8}
			un := Watch{Addr: tp.names["un"], Len: 4}
			r1 := w1
			r1.Reads = true
			var all []Watch
			for i := range 7 {
				all = append(all, Watch{Addr: w1.Addr + uint64(8*i), Len: 8})
			}
			for _, c := range []struct {
				name  string
				from  int
				to    int
				words []Watch
			}{{"A", 1, 2, []Watch{w1}}, {"B", 2, 3, []Watch{w1}}, {"AB", 1, 3, []Watch{w1}}, {"C", 3, 4, []Watch{w1}}, {"AC", 1, 4, []Watch{w1, w2}},
				{"D", 4, 5, []Watch{w1}}, {"E", 5, 6, []Watch{w1, un}}, {"F", 6, 7, []Watch{w1}}, {"F2", 6, 7, []Watch{w1, w2}},
				{"six", 1, 3, all[:6]}, {"eight", 1, 7, append(all, un)}, {"mixed", 3, 6, []Watch{w2, r1}},
				{"whole", 1, 7, []Watch{w1}}, {"whole2", 1, 7, []Watch{w1, w2, un}}, {"none", 6, 7, []Watch{un}}, {"reads", 3, 6, []Watch{r1}}} {
				from, end := tp.marks[c.from], End{Event: tp.marks[c.to].Next - 1}
				t0 := time.Now()
				var want *Change
				for _, g := range groups(c.words) {
					s := &changeSearch{l: l, from: from, whole: end}
					for _, i := range g {
						s.words = append(s.words, c.words[i])
					}
					x, err := s.plain(ctx)
					if err == nil && x != nil {
						x.Watch = g[x.Watch]
						want, err = l.later(ctx, want, x)
					}
					if err != nil {
						t.Fatalf("%s: %v", c.name, err)
					}
				}
				t1 := time.Now()
				got, err := l.LastChange(ctx, from, end, c.words)
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
					continue
				}
				t.Logf("%-6s plain %8.2f ms, by stores %8.2f", c.name, ms(t1.Sub(t0)), ms(time.Since(t1)))
				if (want == nil) != (got == nil) {
					t.Errorf("%s: %+v, want %+v", c.name, got, want)
					continue
				}
				if want == nil {
					continue
				}
				if got.Kernel != want.Kernel || got.Watch != want.Watch || got.Event != want.Event {
					t.Errorf("%s: %+v, want %+v", c.name, got, want)
				}
				sameState(t, c.name+": after the change", got.After, want.After)
				if got.Before != nil {
					if got.Known {
						at := from
						if !got.Relative {
							if at, err = from.Fork(); err != nil {
								t.Fatal(err)
							}
							if err := at.Advance(ctx, got.Event+1); err != nil {
								t.Fatal(err)
							}
						}
						r, err := l.Seek(ctx, at, got.At)
						if err != nil {
							t.Fatalf("%s: seek %v: %v", c.name, got.At, err)
						}
						sameState(t, c.name+": before the change", r, got.Before)
						r.Kill()
						if at != from {
							at.Kill()
						}
					}
					if !c.words[got.Watch].Reads {
						b, a := readWords(got.Before, c.words)[got.Watch], readWords(got.After, c.words)[got.Watch]
						if string(a) == string(b) {
							t.Errorf("%s: no change: %x", c.name, binary.LittleEndian.Uint32(a))
						}
					}
				}
				got.Kill()
				want.Kill()
			}
		})
	}
}
