package gdbserver

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file makes the conformance tests' material: a trace of a real program,
// single-stepped from main to its end under plain ptrace. For each step it
// keeps which thread ran, its registers, and every byte of memory that changed,
// found by comparing all present writable pages. It needs no knowledge of
// instructions, and shares no code with the engine.

const pageSize = 4096

// change is a run of bytes that a step changed.
type change struct {
	addr     uint64
	old, new []byte
}

// step is one element of a trace: an instruction of a thread, or the delivery
// of a signal to it.
type step struct {
	tid     int
	changes []change
	siginfo []byte // for a delivery
}

// snap is a thread's registers from state at on.
type snap struct {
	at    int
	user  unix.PtraceRegs
	xsave []byte
}

// recording is a whole trace. State k is what step k starts from; state
// len(steps) is the last.
type recording struct {
	exe    string
	pid    int
	auxv   []byte
	pages  map[uint64][]byte // memory at state 0, and pages mapped later, zero
	steps  []step
	snaps  map[int][]snap // by thread
	order  []int          // threads in order of appearance
	status syscall.WaitStatus
}

// buildC compiles a program of testdata and returns its path.
func buildC(t testing.TB, name string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), strings.TrimSuffix(name, ".c"))
	args := append([]string{"-g", "-O0", "-o", out, filepath.Join("testdata", name)}, flags...)
	if b, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", args, err, b)
	}
	return out
}

// record runs exe and traces it from main on, at most limit steps.
func record(t testing.TB, exe string, limit int) *recording {
	t.Helper()
	type result struct {
		r   *recording
		err error
	}
	ch := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread traced something
		r, err := recordHere(exe, limit)
		ch <- result{r, err}
	}()
	res := <-ch
	if res.err != nil {
		t.Fatalf("record %s: %v", exe, res.err)
	}
	return res.r
}

type recorder struct {
	rec    *recording
	mem    *os.File
	pm     *os.File
	maps   [][2]uint64 // writable ranges
	shadow map[uint64][]byte
}

func recordHere(exe string, limit int) (*recording, error) {
	cmd := exec.Command(exe)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	defer func() {
		syscall.Kill(pid, syscall.SIGKILL)
		var ws syscall.WaitStatus
		for err := error(nil); err == nil; { // every thread that we trace
			_, err = syscall.Wait4(-1, &ws, syscall.WALL|syscall.WNOTHREAD, nil)
		}
	}()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, syscall.WALL, nil); err != nil {
		return nil, err
	}
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return nil, err
	}
	r := &recorder{rec: &recording{exe: exe, pid: pid, pages: map[uint64][]byte{}, snaps: map[int][]snap{}}, shadow: map[uint64][]byte{}}
	var err error
	if r.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	defer r.mem.Close()
	if r.pm, err = os.Open(fmt.Sprintf("/proc/%d/pagemap", pid)); err != nil {
		return nil, err
	}
	defer r.pm.Close()
	if err := r.toMain(); err != nil {
		return nil, fmt.Errorf("run to main: %w", err)
	}
	if r.rec.auxv, err = os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid)); err != nil {
		return nil, err
	}
	for a := r.rec.auxv; len(a) >= 16; a = a[16:] {
		if binary.LittleEndian.Uint64(a) == 33 { // AT_SYSINFO_EHDR: as the engine, no vdso
			binary.LittleEndian.PutUint64(a, 1)
		}
	}
	if err := r.snapshot(); err != nil {
		return nil, err
	}
	return r.rec, r.run(limit)
}

// toMain runs the program natively to main's first instruction.
func (r *recorder) toMain() error {
	f, err := elf.Open(r.rec.exe)
	if err != nil {
		return err
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		return err
	}
	var main uint64
	for _, s := range syms {
		if s.Name == "main" {
			main = s.Value
		}
	}
	if f.Type == elf.ET_DYN {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.rec.pid))
		if err != nil {
			return err
		}
		base, err := strconv.ParseUint(string(text[:bytes.IndexByte(text, '-')]), 16, 64)
		if err != nil {
			return err
		}
		main += base
	}
	var orig [1]byte
	if _, err := r.mem.ReadAt(orig[:], int64(main)); err != nil {
		return err
	}
	if _, err := r.mem.WriteAt([]byte{0xcc}, int64(main)); err != nil {
		return err
	}
	if err := syscall.PtraceCont(r.rec.pid, 0); err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(r.rec.pid, &ws, syscall.WALL, nil); err != nil {
		return err
	}
	if !ws.Stopped() || ws.StopSignal() != syscall.SIGTRAP {
		return fmt.Errorf("status %#x instead of the breakpoint", ws)
	}
	if _, err := r.mem.WriteAt(orig[:], int64(main)); err != nil {
		return err
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(r.rec.pid, &regs); err != nil {
		return err
	}
	regs.Rip = main
	return unix.PtraceSetRegs(r.rec.pid, &regs)
}

// snapshot keeps all readable memory.
func (r *recorder) snapshot() error {
	if err := r.readMaps(true); err != nil {
		return err
	}
	return r.readRegs(r.rec.pid, 0)
}

// readMaps reads the writable ranges and, with all, every readable page.
func (r *recorder) readMaps(all bool) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", r.rec.pid))
	if err != nil {
		return err
	}
	r.maps = nil
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var lo, hi uint64
		var prot string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &prot); err != nil {
			return err
		}
		if strings.Contains(line, "[vvar]") || strings.Contains(line, "[vsyscall]") || strings.Contains(line, "[vvar_vclock]") {
			continue
		}
		if prot[1] == 'w' {
			r.maps = append(r.maps, [2]uint64{lo, hi})
		}
		if prot[0] != 'r' {
			continue
		}
		for a := lo; a < hi; a += pageSize {
			if r.rec.pages[a] != nil {
				continue
			}
			// Pages of later mappings are zero before a step writes them.
			p := make([]byte, pageSize)
			if all {
				if _, err := r.mem.ReadAt(p, int64(a)); err != nil {
					continue
				}
			}
			r.rec.pages[a] = p
			r.shadow[a] = bytes.Clone(p)
		}
	}
	return nil
}

func (r *recorder) readRegs(tid, at int) error {
	var s snap
	s.at = at
	if err := unix.PtraceGetRegs(tid, &s.user); err != nil {
		return err
	}
	buf := make([]byte, 16384)
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	if _, _, e := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(tid), 0x202, uintptr(unsafe.Pointer(&iov)), 0, 0); e != 0 {
		return e
	}
	s.xsave = buf[:iov.Len:iov.Len]
	list := r.rec.snaps[tid]
	if len(list) > 0 && bytes.Equal(list[len(list)-1].xsave, s.xsave) {
		s.xsave = list[len(list)-1].xsave
	}
	if len(list) == 0 {
		r.rec.order = append(r.rec.order, tid)
	}
	r.rec.snaps[tid] = append(list, s)
	return nil
}

// changes compares all present writable pages with the shadow.
func (r *recorder) changes() ([]change, error) {
	var list []change
	page := make([]byte, pageSize)
	for _, m := range r.maps {
		n := int((m[1] - m[0]) / pageSize)
		pm := make([]byte, 8*n)
		if _, err := r.pm.ReadAt(pm, int64(m[0]/pageSize*8)); err != nil {
			return nil, err
		}
		for i := range n {
			if binary.LittleEndian.Uint64(pm[8*i:])>>63 == 0 {
				continue
			}
			a := m[0] + uint64(i)*pageSize
			if _, err := r.mem.ReadAt(page, int64(a)); err != nil {
				return nil, err
			}
			sh := r.shadow[a]
			if sh == nil {
				sh = make([]byte, pageSize)
				r.shadow[a] = sh
				r.rec.pages[a] = make([]byte, pageSize)
			}
			if bytes.Equal(page, sh) {
				continue
			}
			for j := 0; j < pageSize; j++ {
				if page[j] == sh[j] {
					continue
				}
				k := j + 1
				for k < pageSize && page[k] != sh[k] {
					k++
				}
				list = append(list, change{a + uint64(j), bytes.Clone(sh[j:k]), bytes.Clone(page[j:k])})
				j = k
			}
			copy(sh, page)
		}
	}
	return list, nil
}

// task is a thread being recorded.
type task struct {
	tid     int
	sig     syscall.Signal // to deliver with the next step
	siginfo []byte
	dead    bool
	blocked bool // in a system call, resumed and not yet seen to stop
}

// run steps the threads in turn, a few dozen instructions each. A thread that
// blocks in a system call is passed over; its step is the trace's at the point
// where it is seen to have ended.
func (r *recorder) run(limit int) error {
	const turn = 40
	tasks := []*task{{tid: r.rec.pid}}
	for i := 0; ; i = (i + 1) % len(tasks) {
		t := tasks[i]
		for range turn {
			if len(r.rec.steps) >= limit {
				return fmt.Errorf("more than %d steps", limit)
			}
			ws, moved, err := r.step(t)
			if err != nil || !moved {
				if err != nil {
					return err
				}
				break
			}
			if ws.Exited() || ws.Signaled() {
				if t.tid == r.rec.pid {
					r.rec.status = ws
					return nil
				}
				t.dead = true
				break
			}
			if ws.StopSignal() == syscall.SIGTRAP && ws.TrapCause() == syscall.PTRACE_EVENT_CLONE {
				child, err := r.cloned(t)
				if err != nil {
					return err
				}
				tasks = append(tasks, child)
				t.blocked = true // the step goes on
				if err := ptrace(syscall.PTRACE_SINGLESTEP, t.tid, 0); err != nil {
					return err
				}
				continue
			}
			if err := r.keep(t, ws); err != nil {
				return err
			}
		}
	}
}

// step lets t execute an instruction. moved is false when that has not ended.
func (r *recorder) step(t *task) (ws syscall.WaitStatus, moved bool, err error) {
	wait := 0
	if t.dead {
		return ws, false, nil
	}
	if !t.blocked {
		call := r.atCall(t) // before it may take the memory with it
		if err := ptrace(syscall.PTRACE_SINGLESTEP, t.tid, uintptr(t.sig)); err == syscall.ESRCH {
			t.blocked = true // it is being killed
			return ws, false, nil
		} else if err != nil {
			return ws, false, fmt.Errorf("step thread %d: %w", t.tid, err)
		}
		if call {
			t.blocked, wait = true, 100
		}
	}
	if !t.blocked {
		_, err = syscall.Wait4(t.tid, &ws, syscall.WALL, nil)
		return ws, true, err
	}
	for range wait + 1 {
		got, err := syscall.Wait4(t.tid, &ws, syscall.WALL|syscall.WNOHANG, nil)
		if err != nil || got == t.tid {
			t.blocked = false
			return ws, true, err
		}
		time.Sleep(100 * time.Microsecond)
	}
	return ws, false, nil
}

// atCall says whether the instruction that t is to execute is a system call.
func (r *recorder) atCall(t *task) bool {
	list := r.rec.snaps[t.tid]
	var insn [2]byte
	r.mem.ReadAt(insn[:], int64(list[len(list)-1].user.Rip))
	return t.siginfo == nil && insn == [2]byte{0x0f, 0x05}
}

// cloned takes charge of the thread that t has just made.
func (r *recorder) cloned(t *task) (*task, error) {
	id, err := syscall.PtraceGetEventMsg(t.tid)
	if err != nil {
		return nil, err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(int(id), &ws, syscall.WALL, nil); err != nil {
		return nil, err
	}
	return &task{tid: int(id)}, r.readRegs(int(id), len(r.rec.steps)+1)
}

// keep adds t's step, which ended in ws, to the trace.
func (r *recorder) keep(t *task, ws syscall.WaitStatus) error {
	s := step{tid: t.tid, siginfo: t.siginfo}
	wasCall := r.atCall(t)
	t.sig, t.siginfo = 0, nil
	if ws.StopSignal() != syscall.SIGTRAP {
		// About to get a signal; the instruction was executed, or has faulted,
		// before.
		t.sig = ws.StopSignal()
		t.siginfo = make([]byte, 128)
		if _, _, e := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(t.tid), 0, uintptr(unsafe.Pointer(&t.siginfo[0])), 0, 0); e != 0 {
			return e
		}
	}
	if wasCall {
		if err := r.readMaps(false); err != nil {
			return err
		}
	}
	var err error
	if s.changes, err = r.changes(); err != nil {
		return err
	}
	r.rec.steps = append(r.rec.steps, s)
	return r.readRegs(t.tid, len(r.rec.steps))
}

func ptrace(request, tid int, data uintptr) error {
	if _, _, e := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(tid), 0, data, 0, 0); e != 0 {
		return e
	}
	return nil
}
