package locate

import (
	"context"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"yore/engine/internal/replay"
)

const kinds = `
#include <unistd.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <signal.h>
#include <setjmp.h>
#include <math.h>
int table[400]; volatile long sink; char big[70000], big2[70000]; volatile double dsink;
#define NI __attribute__((noinline, noclone))
NI int once(int x) { table[3] = x; return x * 3; }
NI int hot(int x) { sink += x; return sink & 7; }
NI long deep(int n) { volatile char pad[32]; pad[n & 31] = n; return n ? deep(n - 1) + pad[n & 31] : hot(n); }
NI long longcall(int n) { long s = 0; for (volatile int i = 0; i < n; i++) s += i; return s; }
NI void after(long v) { sink ^= v; }
NI int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
NI long sw(int k) { switch (k & 15) { case 0: sink += 3; case 1: sink ^= 7; case 2: sink *= 3; break; case 3: return hot(k);
	case 4: sink--; case 5: sink -= 2; case 6: sink |= 4; break; case 7: sink += 9; break; case 8: sink <<= 1; break;
	case 9: sink >>= 1; case 10: sink += 10; case 11: sink += 11; break; default: sink = ~sink; } return sink; }
NI int viaptr(int (*f)(int), int x) { return f(x); }
static jmp_buf jb;
NI void jumper(int n) { if (n) jumper(n - 1); longjmp(jb, 5); }
NI int jumps(void) { if (setjmp(jb) == 0) jumper(5); else sink++; return sink; }
NI double fpu(int n) { double x = 1.5; for (int i = 0; i < n; i++) x = sqrt(x) + sin(x) * 0.25; dsink = x; return x; }
NI long reps(int n) { memset(big, n, 30000); asm volatile("rep movsb" :: "S"(big), "D"(big2), "c"(20000L) : "memory");
	asm volatile("pushf; popf" ::: "memory"); long r; char *p = big2; long c = 30000;
	asm volatile("repne scasb" : "=D"(p), "=c"(c) : "a"(99), "0"(p), "1"(c) : "memory", "cc"); r = c; return r; }
volatile int faulted; static char *volatile bad;
void handler(int s, siginfo_t *i, void *u) { faulted++; sink += longcall(50); bad = big; siglongjmp(jb, 1); }
int main(int argc, char **argv) {
	struct sigaction sa; memset(&sa, 0, sizeof sa); sa.sa_sigaction = handler; sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGSEGV, &sa, 0);
	getppid();
	for (int i = 0; i < 3000; i++) { hot(i); sw(i * 7); }
	once(7);
	deep(90);
	sink += longcall(LONG);
	after(sink);
	for (int i = 0; i < 200; i++) table[i] = (i * 7919) % 301;
	qsort(table, 200, sizeof table[0], cmp);
	reps(3);
	memcpy(big, big2 + 1, 48000);
	viaptr(once, 9); viaptr(hot, 3);
	jumps();
	char b[80]; sink += snprintf(b, sizeof b, "%d %s %g", table[5], "x", 2.5) + strlen(b);
	fpu(20);
	for (int i = 0; i < 300; i++) sw(i);
	after(2);
	getppid();
	if (!sigsetjmp(jb, 1)) *(bad) = 1;
	after(3);
	getppid();
	for (int i = 0; i < 100; i++) hot(i);
	getppid();
	return 0;
}
`

var variants = []struct {
	name  string
	flags []string
}{
	{"O0", []string{"-O0"}},
	{"O2", []string{"-O2"}},
	{"O2-nopie", []string{"-O2", "-no-pie"}},
	{"O1-static", []string{"-O1", "-static"}},
}

// inSlice returns the coordinates of points of interest, and of some that are met
// by running for a random time and a random number of steps.
func spots(t *testing.T, tp *recording, rnd *rand.Rand, base *replay.Runner, n int) map[string]*replay.Runner {
	out := map[string]*replay.Runner{}
	for _, p := range []struct {
		sym string
		n   int
	}{{"once", 1}, {"once", 2}, {"hot", 1}, {"hot", 2500}, {"deep", 1}, {"deep", 40}, {"after", 1}, {"after", 2},
		{"cmp", 1}, {"cmp", 333}, {"sw", 2999}, {"jumper", 3}, {"viaptr", 2}, {"fpu", 1}, {"reps", 1}, {"longcall", 1}} {
		r := at(t, base, tp.names[p.sym], p.n)
		out[fmt.Sprintf("%s:%d", p.sym, p.n)] = r
		// Some steps on: inside the prologue, in callees, in the middle of blocks.
		f, err := r.Fork()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Kill() })
		k := 1 + rnd.Intn(60)
		ended := false
		for range k {
			stop, err := stepOne(context.Background(), f)
			if err != nil {
				t.Fatalf("step from %s: %v %v", p.sym, stop, err)
			}
			ended = ended || stop == replay.AtEvent
		}
		if !ended {
			out[fmt.Sprintf("%s:%d+%d", p.sym, p.n, k)] = f
		}
		// Where it returns to.
		ret, _ := r.Space.Uint64(r.Regs().Rsp)
		sp := r.Regs().Rsp + 8
		if p.sym == "jumper" {
			continue
		}
		g := at(t, r, ret, 1)
		for g.Regs().Rsp != sp {
			g = at(t, g, ret, 2)
		}
		out[fmt.Sprintf("%s:%d:ret", p.sym, p.n)] = g
	}
	for i := range n {
		r, err := fork(base)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Kill() })
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.Intn(6000))*time.Microsecond)
		stop, err := r.RunSlice(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if in, ok := decode(r, r.Regs().Rip); ok && in.IsRep { // not in the middle
			if _, err := stepOne(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		}
		if stop == replay.Interrupted && r.Regs().Rip != base.Regs().Rip {
			out[fmt.Sprintf("random:%d", i)] = r
		}
	}
	return out
}

func TestPoints(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			tp := record(t, build(t, kinds, append(v.flags, "-DLONG=2000000", "-lm")...))
			rnd := rand.New(rand.NewSource(1))
			l, ctx, base := New(), context.Background(), tp.marks[1]
			for name, target := range spots(t, tp, rnd, base, 12) {
				t0 := time.Now()
				c, err := l.Find(ctx, base, target.Copy)
				if err != nil {
					t.Errorf("%s at %#x: find: %v", name, target.Regs().Rip, err)
					continue
				}
				t1 := time.Now()
				s, err := l.Seek(ctx, base, c)
				if err != nil {
					t.Errorf("%s: seek %v: %v", name, c, err)
					continue
				}
				sameState(t, name+": seek "+c.String(), s, target)
				s.Kill()
				t2 := time.Now()
				p, err := l.Predecessor(ctx, base, c)
				if err != nil {
					t.Errorf("%s: predecessor of %v: %v", name, c, err)
					continue
				}
				t3 := time.Now()
				if stop, err := stepOne(ctx, p); err != nil || stop != replay.Trap {
					t.Errorf("%s: step to %v: %v %v", name, c, stop, err)
				}
				clean(p)
				sameState(t, name+": step to "+c.String(), p, target)
				p.Kill()
				t.Logf("%-16s %-24v find %7.2f seek %7.2f predecessor %7.2f ms", name, c, ms(t1.Sub(t0)), ms(t2.Sub(t1)), ms(t3.Sub(t2)))
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
