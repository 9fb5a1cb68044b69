package locate

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// tape is a recording made by the smallest recorder that is right: one thread,
// the effect of each event found by comparing all writable memory.
type recording struct {
	t      *testing.T
	task   *tracee.Task
	lin    *tracee.Lineage
	bin    string
	events []*trace.Event
	files  map[uint32]string
	brk    uint64
	marks  map[int]*replay.Runner // frozen runners by the number of getppid calls
	names  map[string]uint64      // symbols, relocated
}

func (p *recording) At(i int64) (*trace.Event, error) { return p.events[i], nil }
func (p *recording) Len() int64                       { return int64(len(p.events)) }

var built = map[string]string{}

// build compiles src and returns the executable.
func build(t *testing.T, src string, flags ...string) string {
	t.Helper()
	key := fmt.Sprint(flags, src)
	if b := built[key]; b != "" {
		return b
	}
	dir, err := os.MkdirTemp(buildDir, "p")
	if err != nil {
		t.Fatal(err)
	}
	c, bin := filepath.Join(dir, "p.c"), filepath.Join(dir, "p")
	if err := os.WriteFile(c, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-g", "-w", "-o", bin, c}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built[key] = bin
	return bin
}

var buildDir string

func TestMain(m *testing.M) {
	d, err := os.MkdirTemp("", "locate")
	if err != nil {
		panic(err)
	}
	buildDir = d
	code := m.Run()
	os.RemoveAll(d)
	os.Exit(code)
}

// record runs a program to its end and keeps a frozen runner just after each
// getppid call. The test's goroutine stays locked to its thread.
func record(t *testing.T, bin string, args ...string) *recording {
	t.Helper()
	runtime.LockOSThread()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	task, err := tracee.Launch(tracee.Spec{Path: bin, Args: append([]string{bin}, args...), Env: []string{"LC_ALL=C", "LD_BIND_NOW=1"},
		Files: [3]*os.File{null, null, null}, FixedAddresses: true})
	null.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &recording{t: t, task: task, lin: &tracee.Lineage{}, bin: bin, files: map[uint32]string{},
		marks: map[int]*replay.Runner{}, events: []*trace.Event{{Kind: trace.Start, TID: 1}}}
	t.Cleanup(func() {
		for _, r := range p.marks {
			r.Kill()
		}
		if task.Err() == nil {
			task.KillProcess()
		}
		runtime.UnlockOSThread()
	})
	p.symbols()
	p.run()
	return p
}

func (p *recording) symbols() {
	f, err := elf.Open(p.bin)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	syms, _ := f.Symbols()
	maps, err := p.task.Space.Maps()
	if err != nil {
		p.t.Fatal(err)
	}
	bias := uint64(0)
	if f.Type == elf.ET_DYN {
		bias = maps[0].Lo
		for _, m := range maps {
			if m.Path == p.bin {
				bias = m.Lo
				break
			}
		}
	}
	p.names = map[string]uint64{}
	for _, s := range syms {
		p.names[s.Name] = s.Value + bias
	}
}

// snapshot returns the content of all writable memory.
func (p *recording) snapshot() map[uint64][]byte {
	maps, err := p.task.Space.Maps()
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[uint64][]byte{}
	for _, m := range maps {
		if m.Prot&unix.PROT_WRITE == 0 || m.Kernel() || m.Lo >= tracee.EngineCode && m.Lo < tracee.EngineEnd {
			continue
		}
		for lo := m.Lo; lo < m.Hi; lo += tracee.PageSize {
			b := make([]byte, tracee.PageSize)
			if p.task.Space.Read(lo, b) == len(b) {
				out[lo] = b
			}
		}
	}
	return out
}

func (p *recording) changes(before map[uint64][]byte) (w []trace.Write) {
	for lo, b := range p.snapshot() {
		old := before[lo]
		if old == nil || bytes.Equal(old, b) {
			continue
		}
		i, j := 0, len(b)
		for old[i] == b[i] {
			i++
		}
		for old[j-1] == b[j-1] {
			j--
		}
		w = append(w, trace.Write{Addr: lo + uint64(i), Data: append([]byte(nil), b[i:j]...)})
	}
	return w
}

func (p *recording) add(e *trace.Event) { p.events = append(p.events, e) }

func (p *recording) run() {
	sig, ppids := 0, 0
	for {
		st, err := p.task.Run(ptrace.Syscall, sig)
		sig = 0
		switch {
		case err != nil:
			p.t.Fatal(err)
		case !st.Stopped():
			p.t.Fatalf("program ended unexpectedly: %v", st)
		case st.IsSyscall():
			x := *p.task.Regs()
			e := &trace.Event{Kind: trace.Syscall, TID: 1, NR: int32(x.Orig_rax), PC: x.Rip, SP: x.Rsp,
				Args: [6]uint64{x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9}}
			if e.NR == unix.SYS_EXIT_GROUP {
				e.Kind = trace.End
				p.add(e)
				return
			}
			if e.NR == unix.SYS_RSEQ { // the kernel would write to its area at any time
				no := x
				no.Orig_rax = ^uint64(0)
				p.task.SetRawRegs(no)
			}
			before := p.snapshot()
			if st, err := p.task.Run(ptrace.Syscall, 0); err != nil || !st.IsSyscall() {
				p.t.Fatalf("system call %d: %v %v", e.NR, st, err)
			}
			y := *p.task.Regs()
			y.Orig_rax = ^uint64(0)
			if e.NR == unix.SYS_RSEQ {
				y.Rax = ^uint64(uint64(unix.ENOSYS) - 1)
				p.task.SetRegs(y)
			}
			e.Ret = int64(y.Rax)
			p.finish(e, before, &y)
			p.add(e)
			if e.NR == unix.SYS_GETPPID {
				ppids++
				p.freeze(ppids)
			}
		case st.IsSignal():
			s := st.Signal()
			var info ptrace.Siginfo
			if err := ptrace.GetSiginfo(p.task.TID, &info); err != nil {
				p.t.Fatal(err)
			}
			if !replay.Synchronous(s, &info) {
				p.t.Fatalf("unexpected signal %d", s)
			}
			x := *p.task.Regs()
			before := p.snapshot()
			if st, err := p.task.Run(ptrace.SingleStep, s); err != nil || !st.IsTrap() {
				p.t.Fatalf("signal %d: %v %v", s, st, err)
			}
			y := *p.task.Regs()
			y.Orig_rax = ^uint64(0)
			p.add(&trace.Event{Kind: trace.Fault, TID: 1, NR: -1, Sig: int32(s), PC: x.Rip, SP: x.Rsp, Info: info[:],
				Regs: &y, XState: p.task.XState(), Writes: p.changes(before)})
		default:
			p.t.Fatalf("stop %v", st)
		}
	}
}

// finish fills in what a system call did.
func (p *recording) finish(e *trace.Event, before map[uint64][]byte, y *ptrace.Regs) {
	switch e.NR {
	case unix.SYS_MMAP:
		m := trace.Map{Addr: uint64(e.Ret), Len: (e.Args[1] + 4095) &^ 4095, Prot: uint32(e.Args[2]), Off: e.Args[5]}
		if int64(e.Args[4]) >= 0 && e.Args[3]&unix.MAP_ANONYMOUS == 0 {
			path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p.task.TID, e.Args[4]))
			if err != nil {
				p.t.Fatal(err)
			}
			m.File = uint32(len(p.files) + 1)
			p.files[m.File] = path
		}
		e.Maps = []trace.Map{m}
		return
	case unix.SYS_BRK:
		p.brk = uint64(e.Ret)
		return
	case unix.SYS_MUNMAP, unix.SYS_MPROTECT:
		return
	case unix.SYS_RT_SIGRETURN:
		e.Regs, e.XState = y, p.task.XState()
	}
	e.Writes = p.changes(before)
}

func (p *recording) freeze(n int) {
	c, lin, err := tracee.ForkTask(p.task, p.lin)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.CloseFiles(); err != nil {
		p.t.Fatal(err)
	}
	cp := &tracee.Copy{Task: c, Lineage: lin, Threads: map[int]*tracee.Thread{1: {ID: 1}}, Active: 1, Brk: p.brk}
	env := &replay.Env{Log: p, FilePath: func(id uint32) (string, error) { return p.files[id], nil }}
	p.marks[n] = replay.New(cp, env, int64(len(p.events)))
}

// sameState fails the test unless two runners are in equal states.
func sameState(t *testing.T, what string, a, b *replay.Runner) {
	t.Helper()
	if x, y := normal(a.Regs()), normal(b.Regs()); x != y {
		t.Fatalf("%s: registers differ:\n%+v\n%+v", what, x, y)
	}
	if tracee.DifferingXState(a.XState(), b.XState()) >= 0 {
		t.Fatalf("%s: extended state differs", what)
	}
	set, err := tracee.Differing(a.Space, a.Lineage, b.Space, b.Lineage)
	if err != nil {
		t.Fatal(err)
	}
	if addr, d := tracee.FirstDifference(a.Space, b.Space, set, ours); d {
		t.Fatalf("%s: memory differs at %#x", what, addr)
	}
	sameMaps(t, what, a, b)
}

// sameMaps compares where the mappings are and what may be done there. How far
// down the stack reaches does not count: reading below it through /proc makes the
// kernel extend it (__access_remote_vm), and tests read at random.
func sameMaps(t *testing.T, what string, a, b *replay.Runner) {
	t.Helper()
	x, _ := a.Space.Maps()
	y, _ := b.Space.Maps()
	if len(x) != len(y) {
		t.Fatalf("%s: %d and %d mappings\n%v\n%v", what, len(x), len(y), x, y)
	}
	for i := range x {
		if x[i].Lo != y[i].Lo && x[i].Path != "[stack]" || x[i].Hi != y[i].Hi || x[i].Prot != y[i].Prot {
			t.Fatalf("%s: mappings differ: %+v and %+v", what, x[i], y[i])
		}
	}
}
