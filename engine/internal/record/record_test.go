package record

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
	"yore/testprogs"
)

// tape is a log in memory.
type tape struct{ events []*trace.Event }

func (p *tape) Append(e *trace.Event) (int64, error) {
	p.events = append(p.events, e)
	return int64(len(p.events) - 1), nil
}
func (p *tape) At(i int64) (*trace.Event, error) { return p.events[i], nil }
func (p *tape) Len() int64                       { return int64(len(p.events)) }

// roundTrip records a program to its end, replays it from its start and from
// checkpoints on the way, and compares the end states.
func roundTrip(t *testing.T, args ...string) (*Recorder, *tape) {
	t.Helper()
	return roundTripIn(t, "", args...)
}

// roundTripIn is roundTrip with an input for the program.
func roundTripIn(t *testing.T, input string, args ...string) (*Recorder, *tape) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte(input), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	task, err := tracee.Launch(tracee.Spec{Path: path, Args: args, Env: os.Environ(), Files: [3]*os.File{in, out, out}})
	if err != nil {
		t.Fatal(err)
	}
	log := &tape{}
	type point struct {
		c *tracee.Copy
		n int64
	}
	var points []point
	var r *Recorder
	n := 0
	opts := Options{Keep: true, Quantum: 5 * time.Millisecond}
	execs := map[int64]*tracee.Copy{}
	opts.AtBoundary = func() error {
		n++
		if n == 1 || n%101 == 0 && len(points) < 12 {
			c, err := r.Freeze()
			if err != nil {
				return err
			}
			points = append(points, point{c, log.Len()})
		}
		return nil
	}
	opts.Break = func() error { return nil }
	opts.AfterExec = func() error {
		c, err := r.Freeze()
		execs[log.Len()-1] = c
		return err
	}
	r, err = New(task, log, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Kill(); r.Close() })
	t0 := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for r.Ended() == nil {
		st, err := r.Run(ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		if st.Reason == Interrupted {
			t.Fatal("timed out")
		}
	}
	t.Logf("%v: recorded %d events in %v, %+v, %+v", args, log.Len(), time.Since(t0), r.Ended(), r.Stats)
	env := &replay.Env{Log: log, Stubs: r.Stubs(), FilePath: r.Files().Path, Restore: func(i int64) (*tracee.Copy, error) { return execs[i].Fork() }}
	text, _ := os.ReadFile(out.Name())
	t.Logf("output: %.300s", text)
	final, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer final.Kill()
	for _, p := range points {
		t1 := time.Now()
		run := replay.New(p.c, env, p.n)
		if err := run.Advance(ctx, log.Len()); err != nil {
			t.Errorf("from event %d: %v", p.n, err)
			explain(t, log, run.Next)
			run.Kill()
			continue
		}
		if p.n < 5 {
			t.Logf("from event %d: replayed in %v", p.n, time.Since(t1))
		}
		compareStates(t, run, final)
		run.Kill()
	}
	return r, log
}

func explain(t *testing.T, log *tape, at int64) {
	for i := max(0, at-6); i <= at && i < log.Len(); i++ {
		e := log.events[i]
		t.Logf("  %d: %v t%d nr %d ret %#x args %#x pc %#x", i, e.Kind, e.TID, e.NR, uint64(e.Ret), e.Args, e.PC)
	}
}

// compareStates holds every byte and register of a against b.
func compareStates(t *testing.T, a *replay.Runner, b *tracee.Copy) {
	t.Helper()
	for _, id := range b.Live() {
		x, err := a.ThreadRegs(id)
		if err != nil {
			t.Errorf("thread %d: %v", id, err)
			continue
		}
		y, _ := b.ThreadRegs(id)
		if x != y {
			t.Errorf("thread %d: registers differ:\n%+v\n%+v", id, x, y)
		}
	}
	x, err := a.Space.Anonymous()
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Space.Anonymous()
	if err != nil {
		t.Fatal(err)
	}
	set := tracee.Union(x, y)
	for range 3 {
		addr, differs := tracee.FirstDifference(a.Space, b.Space, set, Ours)
		if !differs {
			break
		}
		t.Errorf("memory differs at %#x", addr)
		set = set.From(addr&^4095 + 4096)
	}
}

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
			args := append([]string{testprogs.Build(t, p.Name)}, p.Args...)
			if p.Lang == "py" {
				args = append([]string{"python3"}, args...)
			}
			r, _ := roundTripIn(t, p.Stdin, args...)
			want := Ending{Code: p.Exit}
			if p.Signal != 0 {
				want = Ending{Signaled: true, Code: p.Signal}
			}
			if got := *r.Ended(); got.Signaled != want.Signaled || got.Code != want.Code {
				t.Errorf("ended %+v, want %+v", got, want)
			}
		})
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

var _ = ptrace.Cont
