package record

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"yore/testprogs"
)

const spinners = `#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
static atomic_int turn; static volatile unsigned long work;
static void *f(void *a) { int me = (int)(long)a;
  for (int i = 0; i < 20; i++) { while (turn != me) ; for (int k = 0; k < 200000; k++) work += k ^ me; turn = (me + 1) % 4; }
  return 0; }
int main(void) { pthread_t t[4]; for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, f, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0); printf("%lu\n", work); return 0; }
`

const computers = `#include <pthread.h>
#include <stdio.h>
static unsigned long sum[4], shared;
__attribute__((noinline)) static unsigned long mix(unsigned long x) { x ^= x << 13; x ^= x >> 7; return x ^ x << 17; }
static void *f(void *a) { long me = (long)a; unsigned long x = me + 1;
  for (long i = 0; i < 20000000; i++) { x = mix(x); if (!(i & 1023)) shared = shared * 31 + me; }
  sum[me] = x; return 0; }
int main(void) { pthread_t t[4]; for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, f, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(t[i], 0); printf("%lu %lu\n", sum[0] ^ sum[1] ^ sum[2] ^ sum[3], shared); return 0; }
`

const alarms = `#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
static volatile sig_atomic_t n; static unsigned long at[20], work;
static void h(int s) { if (n < 20) at[n] = work; n++; }
int main(void) { signal(SIGALRM, h); struct itimerval t = {{0, 20000}, {0, 20000}}; setitimer(ITIMER_REAL, &t, 0);
  while (n < 20) work++; printf("%lu %lu\n", at[3], at[19]); return 0; }
`

func build(t *testing.T, src string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	c, bin := filepath.Join(dir, "p.c"), filepath.Join(dir, "p")
	if err := os.WriteFile(c, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-g", "-pthread", "-o", bin, c}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

func TestPreemption(t *testing.T) {
	for name, src := range map[string]string{"spinners": spinners, "computers": computers, "alarms": alarms} {
		for _, opt := range []string{"-O0", "-O2"} {
			t.Run(name+opt, func(t *testing.T) { roundTrip(t, build(t, src, opt)) })
		}
	}
}

// unfaithful are the sample programs whose replay is known to differ, by what
// they do. Each difference is noticed by replay or by the comparison of states.
var unfaithful = map[string]string{
	"io_raw": "needs a terminal, which this test does not give",
}

// TestPrograms round-trips every sample program.
func TestPrograms(t *testing.T) {
	all, err := testprogs.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Lang == "sql" || strings.HasPrefix(p.Name, "bench/") {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			if why := unfaithful[p.Name]; why != "" {
				t.Skip("skipped: " + why)
			}
			sample(t, p)
		})
	}
}

// sample round-trips one program and holds its ending and its output against its
// header.
func sample(t *testing.T, p *testprogs.Program, flags ...string) {
	args := append([]string{testprogs.Build(t, p.Name, flags...)}, p.Args...)
	if p.Lang == "py" {
		args = append([]string{"python3"}, args...)
	}
	r := trip{args: args, stdin: p.Stdin}.run(t)
	if r.rec.Ended() == nil {
		return
	}
	want := Ending{Code: p.Exit}
	if p.Signal != 0 {
		want = Ending{Signaled: true, Code: p.Signal}
	}
	if got := *r.rec.Ended(); got.Signaled != want.Signaled || got.Code != want.Code {
		t.Errorf("ended %+v, want %+v", got, want)
	}
	if p.Output != nil && !strings.Contains(r.output, *p.Output) {
		t.Errorf("output %q, want %q", r.output, *p.Output)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, args := range [][]string{{"true"}, {"ls", "-laR", "/etc/apt"}, {"bash", "-c", "for i in 1 2 3; do echo $i | cat; done; (exit 3)"},
		{"python3", "-c", "import json,time,random; time.sleep(.01); print(json.dumps([random.random() for i in range(1000)])[:20])"},
		{"python3", "-c", "import threading,queue\nq=queue.Queue()\ndef w():\n  for i in range(50): q.put(i)\nts=[threading.Thread(target=w) for _ in range(4)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nprint(q.qsize())"},
		{"sh", "-c", "exec env true"}} {
		t.Run(args[0], func(t *testing.T) { roundTrip(t, args...) })
	}
}
