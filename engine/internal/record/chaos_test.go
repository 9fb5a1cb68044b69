package record

import (
	"fmt"
	"slices"
	"testing"

	"yore/testprogs"
)

// Two threads take their turns at a mutex and count; all that the outside says is
// the same each time.
const takers = `#include <pthread.h>
#include <stdio.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static long n;
__attribute__((noinline)) static void take(long k) { pthread_mutex_lock(&m); n = n * 3 + k; pthread_mutex_unlock(&m); }
static void *f(void *a) { for (int i = 0; i < 200; i++) take((long)a); return 0; }
int main(void) { pthread_t t[3]; for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, f, (void *)(i + 1));
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0); printf("%lx\n", n); return 0; }
`

// schedule is the order in which threads ran, by the order of their making.
func schedule(o *outcome) []string {
	var out []string
	number := map[int32]int{}
	for _, e := range o.log.events {
		if _, ok := number[e.TID]; !ok {
			number[e.TID] = len(number)
		}
		out = append(out, fmt.Sprintf("%d:%v", number[e.TID], e.Kind))
	}
	return out
}

// Chaos replays exactly; the same seed schedules alike, others otherwise.
func TestChaos(t *testing.T) {
	prog := build(t, takers, "-O1")
	outputs := map[string]bool{}
	var preempted int64
	for seed := uint64(1); seed <= 6; seed++ {
		a := trip{args: []string{prog}, seed: seed}.run(t)
		if t.Failed() {
			return
		}
		outputs[a.output] = true
		preempted += a.rec.Stats.Counted
		if seed > 2 {
			continue
		}
		b := trip{args: []string{prog}, seed: seed}.run(t)
		if x, y := schedule(a), schedule(b); a.output != b.output || !slices.Equal(x, y) {
			i := 0
			for i < min(len(x), len(y)) && x[i] == y[i] {
				i++
			}
			t.Errorf("seed %d: %q with %d events, then %q with %d; they differ from event %d on", seed, a.output, len(x), b.output, len(y), i)
		}
	}
	if len(outputs) < 3 {
		t.Errorf("six seeds, but only %d different outcomes", len(outputs))
	}
	if preempted == 0 {
		t.Error("no thread was ever stopped inside a slice")
	}
}

func TestChaosOnPrograms(t *testing.T) {
	for _, name := range []string{"thr_workers", "thr_barrier", "cxx_async", "thr_locks", "go_mixed"} {
		t.Run(name, func(t *testing.T) {
			trip{args: []string{testprogs.Build(t, name)}, seed: 7, sparse: true}.run(t)
		})
	}
}
