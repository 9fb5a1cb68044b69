package patch

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A small tracer for the tests that run patched code.

// build compiles a C program from testdata and returns the executable's path.
func build(t testing.TB, src string, flags ...string) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("yore-patch-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", src))
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(fmt.Appendf(text, "%q", flags))
	out := filepath.Join(dir, fmt.Sprintf("%s-%x", strings.TrimSuffix(src, filepath.Ext(src)), h[:8]))
	if _, err := os.Stat(out); err == nil {
		return out
	}
	tmp := filepath.Join(t.TempDir(), "out")
	args := append([]string{"-o", tmp, filepath.Join("testdata", src)}, flags...)
	if b, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %q: %v\n%s", args, err, b)
	}
	b, err := os.ReadFile(tmp)
	if err != nil {
		t.Fatal(err)
	}
	// Another run of the tests may be doing the same.
	part, err := os.CreateTemp(dir, "new")
	if err != nil {
		t.Fatal(err)
	}
	_, werr := part.Write(b)
	if err := errors.Join(werr, part.Chmod(0o700), part.Close(), os.Rename(part.Name(), out)); err != nil {
		t.Fatal(err)
	}
	return out
}

// proc is a traced single-threaded process.
type proc struct {
	t    testing.TB
	pid  int
	mem  *os.File
	out  *os.File
	base uint64 // load bias of the program
	exe  string
	done bool
	code int

	event      int // ptrace event of the last stop
	interiors  int // boundaries inside windows that were reached
	faults     int // of the program, in stubs
	onInterior func(Fixed)
	counters   map[uint64]uint64 // of each stub, read at the program's exit
}

// start runs exe with a fixed address layout up to its first instruction. The
// calling goroutine is locked to its thread from then on.
func start(t testing.TB, exe string, args ...string) *proc {
	t.Helper()
	runtime.LockOSThread()
	unix.Syscall(unix.SYS_PERSONALITY, 0x0040000, 0, 0) // ADDR_NO_RANDOMIZE
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess(exe, append([]string{exe}, args...), &os.ProcAttr{
		Env:   []string{"LC_ALL=C", "LD_BIND_NOW=", "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "PERL_HASH_SEED=0"},
		Files: []*os.File{nil, out, out},
		Sys:   &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &proc{t: t, pid: p.Pid, out: out, exe: exe}
	x.wait()
	if err := syscall.PtraceSetOptions(x.pid, 0x100000); err != nil { // EXITKILL
		t.Fatal(err)
	}
	x.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", x.pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.kill)
	x.fixRandom()
	for _, m := range x.maps() {
		if m.Path == exe && m.Off == 0 {
			e, err := elf.Open(exe)
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == elf.ET_DYN {
				x.base = m.Lo
			}
			e.Close()
			break
		}
	}
	return x
}

// fixRandom makes the 16 random bytes of the auxiliary vector the same in every
// run, and keeps the process on one processor: cpuid tells which it is.
func (x *proc) fixRandom() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", x.pid))
	if err != nil {
		x.t.Fatal(err)
	}
	for ; len(b) >= 16; b = b[16:] {
		if le.Uint64(b) == 25 {
			x.write(le.Uint64(b[8:]), []byte("sixteen bytes ok"))
		}
	}
	var set unix.CPUSet
	set.Set(0)
	if err := unix.SchedSetaffinity(x.pid, &set); err != nil {
		x.t.Fatal(err)
	}
}

func (x *proc) kill() {
	if !x.done {
		syscall.Kill(x.pid, syscall.SIGKILL)
		for !x.done {
			x.wait()
		}
	}
	x.mem.Close()
	x.out.Close()
}

// wait waits for the next stop and returns its signal; 0 when the program ended.
func (x *proc) wait() syscall.Signal {
	var st syscall.WaitStatus
	for {
		_, err := syscall.Wait4(x.pid, &st, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			x.t.Fatalf("wait4: %v", err)
		}
		break
	}
	if st.Exited() || st.Signaled() {
		x.done = true
		x.code = st.ExitStatus()
		if st.Signaled() {
			x.code = 128 + int(st.Signal())
		}
		return 0
	}
	x.event = int(st) >> 16
	return st.StopSignal()
}

func (x *proc) cont(sig syscall.Signal) syscall.Signal {
	if err := syscall.PtraceCont(x.pid, int(sig)); err != nil {
		x.t.Fatalf("cont: %v", err)
	}
	return x.wait()
}

func (x *proc) step() syscall.Signal { return x.stepWith(0) }

// stepWith delivers sig, and steps; with a handler, to its first instruction.
func (x *proc) stepWith(sig syscall.Signal) syscall.Signal {
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SINGLESTEP, uintptr(x.pid), 0, uintptr(sig), 0, 0); e != 0 {
		x.t.Fatalf("step: %v", e)
	}
	return x.wait()
}

func (x *proc) regs() (r unix.PtraceRegs) {
	if err := unix.PtraceGetRegs(x.pid, &r); err != nil {
		x.t.Fatalf("getregs: %v", err)
	}
	return
}

func (x *proc) setRegs(r unix.PtraceRegs) {
	r.Orig_rax = ^uint64(0)
	if err := unix.PtraceSetRegs(x.pid, &r); err != nil {
		x.t.Fatalf("setregs: %v", err)
	}
}

// xstate returns the processor state beside the general registers.
func (x *proc) xstate() []byte {
	b := make([]byte, 8192)
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(x.pid), 0x202, uintptr(ptr(&iov)), 0, 0); e != 0 {
		x.t.Fatalf("getregset: %v", e)
	}
	// Which parts the processor takes to be in use (XSTATE_BV) changes with time.
	clear(b[512:520])
	return b[:iov.Len]
}

func (x *proc) Read(addr uint64, p []byte) int {
	n, _ := x.mem.ReadAt(p, int64(addr))
	return n
}

func (x *proc) write(addr uint64, b []byte) {
	if _, err := x.mem.WriteAt(b, int64(addr)); err != nil {
		x.t.Fatalf("write %#x: %v", addr, err)
	}
}

func (x *proc) apply(ws []Write) {
	for _, w := range ws {
		x.write(w.Addr, w.Data)
	}
}

func (x *proc) maps() []Region {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", x.pid))
	if err != nil {
		x.t.Fatal(err)
	}
	var out []Region
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var r Region
		var prot, dev string
		var ino uint64
		fmt.Sscanf(l, "%x-%x %s %x %s %d %s", &r.Lo, &r.Hi, &prot, &r.Off, &dev, &ino, &r.Path)
		for i, c := range "rwx" {
			if prot[i] == byte(c) {
				r.Prot |= 1 << i
			}
		}
		if ino != 0 {
			r.ID = fmt.Sprintf("%s:%d", dev, ino)
		}
		out = append(out, r)
	}
	return out
}

// syscall runs a system call in the process.
func (x *proc) syscall(nr uint64, args ...uint64) uint64 {
	save := x.regs()
	var old [2]byte
	x.Read(save.Rip, old[:])
	x.write(save.Rip, []byte{0x0f, 0x05})
	r := save
	r.Rax = nr
	for k, p := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
		if k < len(args) {
			*p = args[k]
		}
	}
	x.setRegs(r)
	if s := x.step(); s != syscall.SIGTRAP {
		x.t.Fatalf("injected system call stopped with %v", s)
	}
	ret := x.regs().Rax
	x.write(save.Rip, old[:])
	x.setRegs(save)
	return ret
}

// install puts the plan's stubs in place.
func (x *proc) install(p *Plan) {
	for _, m := range p.Maps() {
		if v := x.syscall(unix.SYS_MMAP, m.Lo, m.Hi-m.Lo, uint64(m.Prot), 0x100022, ^uint64(0), 0); v != m.Lo {
			x.t.Fatalf("mmap %#x-%#x: %#x", m.Lo, m.Hi, v)
		}
	}
	x.apply(p.Writes())
}

// symbol returns the address of a function or variable of the program.
func symbol(x *proc, name string) (uint64, bool) {
	e, err := elf.Open(x.exe)
	if err != nil {
		x.t.Fatal(err)
	}
	defer e.Close()
	ss, _ := e.Symbols()
	for _, s := range ss {
		if s.Name == name {
			return s.Value + x.base, true
		}
	}
	return 0, false
}

func (x *proc) sym(name string) uint64 {
	a, ok := symbol(x, name)
	if !ok {
		x.t.Fatalf("no symbol %s", name)
	}
	return a
}

// runTo runs to addr by a breakpoint.
func (x *proc) runTo(addr uint64) {
	var old [1]byte
	x.Read(addr, old[:])
	x.write(addr, []byte{0xcc})
	if s := x.cont(0); s != syscall.SIGTRAP {
		x.t.Fatalf("running to %#x: stopped with %v", addr, s)
	}
	x.write(addr, old[:])
	r := x.regs()
	if r.Rip != addr+1 {
		x.t.Fatalf("running to %#x: stopped at %#x", addr, r.Rip)
	}
	r.Rip--
	x.setRegs(r)
}

func (x *proc) text() *Text { return NewText(x, x.maps(), nil) }

// output returns what the program printed.
func (x *proc) output() string {
	b, err := os.ReadFile(x.out.Name())
	if err != nil {
		x.t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}

// how classifies a stop for Fix.
func (x *proc) how(s syscall.Signal) How {
	switch s {
	case syscall.SIGTRAP:
		var info [128]byte
		if _, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(x.pid), 0, uintptr(bytesPtr(&info)), 0, 0); e != 0 {
			return Async // no signal: a stop of ptrace's own
		}
		if c := int32(le.Uint32(info[8:])); c == 0x80 || c == 1 {
			return Trap
		}
	case syscall.SIGSEGV, syscall.SIGILL, syscall.SIGBUS, syscall.SIGFPE:
		return Fault
	}
	return Async
}

// finish runs a patched program to its end, answering interior boundaries and
// delivering the program's own faults, and calls hit (which may be nil) for
// every stop that a stub asked for. At the end it reads the counters.
func (x *proc) finish(p *Plan, hit func(Fixed)) {
	syscall.PtraceSetOptions(x.pid, 0x100000|syscall.PTRACE_O_TRACEEXIT)
	for sig := syscall.Signal(0); ; {
		s := x.cont(sig)
		sig = 0
		if x.done {
			x.t.Fatal("ended without an exit stop")
		}
		if x.event == syscall.PTRACE_EVENT_EXIT {
			x.counters = map[uint64]uint64{}
			for _, s := range p.Stubs() {
				n, err := s.Count(x)
				if err != nil {
					x.t.Fatal(err)
				}
				x.counters[s.Addr] = n
			}
			x.cont(0)
			return
		}
		f, err := p.Fix(x.regs(), x.how(s), x)
		if err != nil {
			x.t.Fatal(err)
		}
		switch f.Where {
		case Interior, Stumble:
			x.interiors++
			if x.onInterior != nil {
				x.onInterior(f)
			}
			x.setRegs(f.Resume)
		case LimitHit, TestHit:
			if hit == nil {
				x.t.Fatalf("unasked stop at %#x", f.Regs.Rip)
			}
			hit(f)
			x.setRegs(f.Resume)
		default:
			if x.how(s) != Fault {
				x.t.Fatalf("stopped with %v at %#x (%v)", s, f.Regs.Rip, f.Where)
			}
			sig = x.ownFault(p, f, s)
		}
	}
}

// ownFault has a fault of the program in a stub raised at the program's own
// instruction, and returns the signal.
func (x *proc) ownFault(p *Plan, f Fixed, s syscall.Signal) syscall.Signal {
	if f.Where == Own {
		return s
	}
	x.faults++
	x.apply(f.Memory)
	x.setRegs(f.Regs)
	x.apply(p.Undo())
	if got := x.step(); x.how(got) != Fault {
		x.t.Fatalf("fault at %#x in a stub (%v), but at its own place %v", f.Regs.Rip, s, got)
	} else {
		s = got
	}
	x.apply(p.Text())
	return s
}
