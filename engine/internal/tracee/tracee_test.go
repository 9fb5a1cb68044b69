package tracee

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
)

// launch builds a C program and launches it on this (locked) thread.
func launch(t *testing.T, src string) *Task {
	t.Helper()
	dir := t.TempDir()
	c, bin := filepath.Join(dir, "p.c"), filepath.Join(dir, "p")
	if err := os.WriteFile(c, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O1", "-o", bin, c).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runtime.LockOSThread()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	task, err := Launch(Spec{Path: bin, Args: []string{bin}, Files: [3]*os.File{null, null, null}, FixedAddresses: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { task.KillProcess(); null.Close(); runtime.UnlockOSThread() })
	return task
}

const writer = `#include <unistd.h>
#include <string.h>
static volatile char a[64*4096];
int main(void) { for (int i = 0; i < 64; i++) { a[i*4096] = i + 1; getppid(); } return 0; }
`

// syscalls runs the task to its n-th getppid from here.
func toGetppid(t *testing.T, task *Task, n int) {
	t.Helper()
	for n > 0 {
		st, err := task.Run(ptrace.Syscall, 0)
		if err != nil {
			t.Fatal(err)
		}
		msg, _ := ptrace.EventMessage(task.TID)
		if st.IsSyscall() && msg == 2 && task.Regs().Orig_rax == unix.SYS_GETPPID {
			n--
		}
	}
}

func TestForkTreeDifferences(t *testing.T) {
	task := launch(t, writer)
	lin := &Lineage{}
	fork := func() *Copy {
		c, l, err := ForkTask(task, lin)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.KillProcess)
		if err := c.CloseFiles(); err != nil {
			t.Fatal(err)
		}
		return &Copy{Task: c, Lineage: l, Threads: map[int]*Thread{1: {ID: 1}}, Active: 1}
	}
	toGetppid(t, task, 1)
	a := fork()
	toGetppid(t, task, 10)
	b := fork()
	c, err := b.Fork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	toGetppid(t, task, 5)
	for _, pair := range []struct {
		name string
		x, y *Copy
		want int // pages at least
	}{{"a-b", a, b, 10}, {"a-c", a, c, 10}, {"b-c", b, c, 0}} {
		set, err := Differing(pair.x.Space, pair.x.Lineage, pair.y.Space, pair.y.Lineage)
		if err != nil {
			t.Fatal(err)
		}
		if n := set.Pages(); n < pair.want || n > pair.want+12 {
			t.Errorf("%s: %d pages can differ, want about %d", pair.name, n, pair.want)
		}
		checkSet(t, pair.name, pair.x.Space, pair.y.Space, set)
	}
	set, err := Differing(task.Space, lin, a.Space, a.Lineage)
	if err != nil {
		t.Fatal(err)
	}
	checkSet(t, "live-a", task.Space, a.Space, set)
}

// checkSet holds the set against a comparison of every byte.
func checkSet(t *testing.T, name string, x, y *Space, set PageSet) {
	t.Helper()
	maps, err := x.Maps()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range maps {
		if m.Kernel() || m.Lo == EngineCode {
			continue
		}
		for lo := m.Lo; lo < m.Hi; lo += PageSize {
			if _, differs := FirstDifference(x, y, PageSet{{lo, lo + PageSize}}, nil); differs && !set.Has(lo) {
				t.Errorf("%s: page %#x (%s) differs but is not in the set", name, lo, m.Path)
			}
		}
	}
}

func TestInjectPreservesRegisters(t *testing.T) {
	task := launch(t, writer)
	before := *task.Regs()
	pid, err := task.Inject(unix.SYS_GETPID)
	if err != nil || int(pid) != task.TID {
		t.Fatalf("getpid = %d, %v", pid, err)
	}
	task.Flush()
	task.have = false
	after := *task.Regs()
	before.Orig_rax, after.Orig_rax = 0, 0
	if before != after {
		t.Errorf("registers changed:\n%+v\n%+v", before, after)
	}
}

const ticking = `#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
static char a[4 << 20];
static void f(int s) { (void)s; }
int main(void) {
  for (unsigned i = 0; i < sizeof a; i += 4096) a[i] = 1; // fork takes its time
  signal(SIGALRM, f);
  struct itimerval t = {{0, 50}, {0, 50}};
  setitimer(ITIMER_REAL, &t, 0);
  getppid();
  for (;;) ;
}
`

// TestForkUnderSignals: signals that come while a fork is made are kept, and the
// fork is made all the same.
func TestForkUnderSignals(t *testing.T) {
	task := launch(t, ticking)
	toGetppid(t, task, 1)
	before := *task.Regs()
	signals := 0
	for range 300 {
		c, _, err := ForkTask(task, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.KillProcess()
		signals += len(task.TakeSignals())
	}
	if *task.Regs() != before {
		t.Error("registers changed")
	}
	if signals == 0 {
		t.Error("no signal came")
	}
}

func TestUnion(t *testing.T) {
	p := func(n ...uint64) PageSet {
		var s PageSet
		for _, x := range n {
			s = s.add(Range{x * PageSize, (x + 1) * PageSize})
		}
		return s
	}
	u := Union(p(1, 2, 9), p(2, 3), nil, p(7, 8))
	if len(u) != 2 || u.Pages() != 6 || !u.Has(3*PageSize+5) || u.Has(4*PageSize) {
		t.Errorf("union is %v", u)
	}
}

func TestSetArithmetic(t *testing.T) {
	rng := func(pairs ...uint64) PageSet {
		var s PageSet
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, Range{pairs[i] * PageSize, pairs[i+1] * PageSize})
		}
		return s
	}
	for _, c := range []struct{ a, b, and, not PageSet }{
		{rng(1, 5), rng(2, 3), rng(2, 3), rng(1, 2, 3, 5)},
		{rng(1, 5), nil, nil, rng(1, 5)},
		{rng(1, 5, 7, 9), rng(0, 2, 4, 8), rng(1, 2, 4, 5, 7, 8), rng(2, 4, 8, 9)},
		{rng(1, 2, 3, 4, 5, 6), rng(0, 9), rng(1, 2, 3, 4, 5, 6), nil},
		{rng(0, 9), rng(1, 2, 3, 4), rng(1, 2, 3, 4), rng(0, 1, 2, 3, 4, 9)},
	} {
		if got := c.a.And(c.b); !slices.Equal(got, c.and) {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.and)
		}
		if got := c.a.Not(c.b); !slices.Equal(got, c.not) {
			t.Errorf("%v not %v: %v, want %v", c.a, c.b, got, c.not)
		}
	}
}
