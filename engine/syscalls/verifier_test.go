package syscalls

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yore/testprogs"
)

type task struct {
	tid     int
	fresh   bool // has not run yet
	sig     int  // to deliver when it goes on
	blocked bool // inside call, which did not end at once
	stopped bool

	row    *Row
	args   Args
	call   string
	known  bool
	answer *int64
	execs  int
	slot   uint64
	redir  *Redirection
	before []mapping // memory at the call's entry, while no other thread has run
	tidptr uint64    // clear_child_tid
	robust uint64
}

type verifier struct {
	t     *testing.T
	wrong func(format string, args ...any)
	trim  uint64 // leave so many bytes off each output
	// exchange redirects calls that may block, to scratch memory at scratch.
	exchange bool
	scratch  uint64
	moved    map[string]int
	pid      int
	tasks    []*task
	seen     map[string]int // calls verified, by name and operation
	left     map[string]int // calls not verified: compared, mapped, special
	execs    int
}

// verify runs the program to its end.
func verify(t *testing.T, p *testprogs.Program, path string, opts ...func(*verifier)) *verifier {
	runtime.LockOSThread() // every ptrace call and wait belongs to this thread; never unlocked
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(path, p.Args...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true, Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Release()
	v := &verifier{t: t, pid: cmd.Process.Pid, seen: map[string]int{}, left: map[string]int{}, moved: map[string]int{}, wrong: t.Errorf}
	for _, o := range opts {
		o(v)
	}
	defer func() {
		unix.Kill(v.pid, unix.SIGKILL)
		for len(v.tasks) > 0 {
			var ws unix.WaitStatus
			if _, err := unix.Wait4(-1, &ws, unix.WALL|wnothread, nil); err == unix.ECHILD {
				return
			}
		}
	}()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(v.pid, &ws, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceSetOptions(v.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|
		unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL); err != nil {
		t.Fatal(err)
	}
	v.tasks = []*task{{tid: v.pid, stopped: true}}
	end := v.run()
	if end.Signaled() && int(end.Signal()) != p.Signal || end.Exited() && (end.ExitStatus() != p.Exit || p.Signal != 0) {
		b, _ := os.ReadFile(out.Name())
		t.Errorf("%s ended with %v %d\n%s", p.Name, end.Signaled(), end.ExitStatus(), b)
	}
	return v
}

// patience is how long nothing may happen before that counts as a failure; it
// measures nothing.
const patience = 60 * time.Second

const wnothread = 0x20000000 // __WNOTHREAD: leave the children of other threads alone

// run drives the tasks, one at a time, until the process has ended.
func (v *verifier) run() unix.WaitStatus {
	deadline := time.Now().Add(5 * patience)
	for next := 0; ; next++ {
		if time.Now().After(deadline) {
			v.t.Fatalf("still running after %v", 5*patience)
		}
		var ready *task
		for i := range v.tasks {
			if k := v.tasks[(next+i)%len(v.tasks)]; k.stopped {
				ready = k
				break
			}
		}
		if ready == nil {
			k, ws := v.wait(nil, patience)
			if k == nil {
				v.t.Fatal("all threads are blocked for good")
			}
			exit := k.blocked && ws.Stopped() && ws.StopSignal() == unix.SIGTRAP|0x80
			if v.stop(k, ws) {
				return ws
			}
			if exit {
				v.finish(k, k.before)
			}
			continue
		}
		if end, over := v.step(ready); over {
			return end
		}
	}
}

// wait waits for a stop or the end of k, or of any task when k is nil. Stops of
// other tasks are taken note of on the way.
func (v *verifier) wait(k *task, limit time.Duration) (*task, unix.WaitStatus) {
	for end := time.Now().Add(limit); ; {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL|wnothread|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			v.t.Fatalf("wait4: %v", err)
		case tid == 0:
			if time.Now().After(end) {
				return nil, ws
			}
			time.Sleep(20 * time.Microsecond)
			continue
		}
		other := v.task(tid)
		if k == nil || other == k {
			return other, ws
		}
		if v.stop(other, ws) {
			return other, ws
		}
	}
}

func (v *verifier) task(tid int) *task {
	for _, k := range v.tasks {
		if k.tid == tid {
			return k
		}
	}
	k := &task{tid: tid, fresh: true}
	v.tasks = append(v.tasks, k)
	return k
}

// stop takes note of a stop of a task that was not being waited for: the end of
// a call that had blocked, a new thread, a signal. It reports whether the
// process is over.
func (v *verifier) stop(k *task, ws unix.WaitStatus) bool {
	if ws.Exited() || ws.Signaled() {
		v.tasks = slices.DeleteFunc(v.tasks, func(o *task) bool { return o == k })
		return len(v.tasks) == 0
	}
	k.stopped = true
	switch sig := ws.StopSignal(); {
	case ws.TrapCause() > 0: // an event; the call that made it goes on
		v.event(k, ws)
	case sig == unix.SIGTRAP|0x80:
		k.blocked = false // at its exit
	case sig == unix.SIGSTOP && k.fresh:
		k.fresh = false
	default:
		k.sig = int(sig)
	}
	return false
}

func (v *verifier) event(k *task, ws unix.WaitStatus) {
	switch ws.TrapCause() {
	case unix.PTRACE_EVENT_CLONE:
		msg, err := unix.PtraceGetEventMsg(k.tid)
		if err != nil {
			v.t.Fatal(err)
		}
		child := v.task(int(msg))
		if k.args[0]&0x200000 != 0 { // CLONE_CHILD_CLEARTID
			child.tidptr = k.args[3]
		}
	case unix.PTRACE_EVENT_EXEC:
		v.execs++
	}
}

func (v *verifier) resume(k *task) {
	k.stopped = false
	if err := unix.PtraceSyscall(k.tid, k.sig); err != nil {
		v.t.Fatalf("resume %d: %v", k.tid, err)
	}
	k.sig = 0
}

// step runs k up to its next call and through it, or until it blocks there.
func (v *verifier) step(k *task) (unix.WaitStatus, bool) {
	for _, o := range v.tasks {
		o.before = nil
	}
	v.resume(k)
	got, ws := v.wait(k, patience)
	if got == nil {
		v.t.Fatalf("thread %d computes for %v", k.tid, patience)
	}
	if got != k || !ws.Stopped() || ws.StopSignal() != unix.SIGTRAP|0x80 {
		return ws, v.stop(got, ws)
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(k.tid, &regs); err != nil {
		v.t.Fatal(err)
	}
	if v.exchange && v.scratch == 0 {
		v.mapScratch(k, regs)
		return ws, false
	}
	k.row = Lookup(int64(regs.Orig_rax))
	k.args = Args{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	k.answer = nil
	if ret, _, ok := k.row.Answer(k.args); ok {
		k.answer = &ret
		regs.Orig_rax = ^uint64(0)
		if err := unix.PtraceSetRegs(k.tid, &regs); err != nil {
			v.t.Fatal(err)
		}
	}
	mem := memory(v.pid)
	k.known = k.row.Known(k.args, mem)
	may := k.row.MayBlock(k.args, mem)
	before := v.snapshot()
	k.redir = nil
	if v.exchange && k.known && may {
		v.redirect(k, regs)
	}
	k.call = FormatCall(int64(k.row.Nr), k.args, mem)
	dying := k.row.Name == "exit"
	robust := RobustWords(k.robust, mem)
	k.execs = v.execs

	v.resume(k)
	limit := 30 * time.Millisecond
	if !may {
		limit = patience
	}
	for {
		got, ws = v.wait(k, limit)
		if got == nil {
			if !may {
				v.t.Fatalf("%s waits, although MayBlock says no", k.call)
			}
			k.blocked, k.before = true, before
			v.check(before, append(k.row.EnterOutputs(k.args, mem), v.others(k)...), k.call+" while it waits")
			return ws, false
		}
		if got != k {
			return ws, true
		}
		if ws.Stopped() && ws.TrapCause() > 0 {
			v.event(k, ws)
			v.resume(k)
			continue
		}
		break
	}
	if ws.Exited() || ws.Signaled() {
		over := v.stop(k, ws)
		if !over && dying {
			v.check(before, append(robust, append(v.others(k), Range{k.tidptr, 4})...), k.call)
		}
		return ws, over
	}
	if ws.StopSignal() != unix.SIGTRAP|0x80 {
		v.t.Fatalf("%s: stopped by %v inside the call", k.call, ws.StopSignal())
	}
	k.stopped = true
	v.finish(k, before)
	return ws, false
}

// finish looks at a call of k that has ended: before is memory at its entry, nil
// when other threads have run since.
func (v *verifier) finish(k *task, before []mapping) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(k.tid, &regs); err != nil {
		v.t.Fatal(err)
	}
	if k.answer != nil {
		regs.Rax = uint64(*k.answer)
		if err := unix.PtraceSetRegs(k.tid, &regs); err != nil {
			v.t.Fatal(err)
		}
	}
	ret := int64(regs.Rax)
	switch {
	case k.row.Name == "set_tid_address":
		k.tidptr = k.args[0]
	case k.row.Name == "set_robust_list" && ret == 0:
		k.robust = k.args[0]
	}
	name := k.row.Name
	if o := k.row.op(k.args); o != nil {
		name += ":" + o.name
	}
	if k.redir != nil && before == nil {
		v.settle(k, regs, ret)
	}
	if !k.known || k.row.Class == Mapped || before == nil || k.execs != v.execs || k.row.Name == "rt_sigreturn" ||
		k.row.Name == "vfork" || k.row.Name == "clone" && k.args[0]&0x4000 != 0 {
		v.left[name]++
		return
	}
	if k.redir != nil {
		v.check(before, v.others(k), k.call+" = "+result(ret)+", redirected,")
		v.settle(k, regs, ret)
		v.moved[k.row.Name]++
		return
	}
	outs, ok := k.row.Outputs(k.args, ret, memory(v.pid))
	if !ok {
		v.wrong("%s: Known said yes, Outputs says no", k.call)
		return
	}
	for i := range outs {
		outs[i].Len -= v.trim
	}
	if _, ok := k.row.ChangesFile(k.args); ok {
		outs = append(outs, fileMappings(v.t, v.pid)...)
	}
	v.check(before, append(outs, v.others(k)...), k.call+" = "+result(ret))
	if ret >= 0 {
		v.seen[name]++
	} else {
		v.seen[name+" "+result(ret)]++
	}
}

const slotSize = 256 << 10

// mapScratch makes the call that k enters an mmap of scratch memory; the call
// itself is made again afterwards.
func (v *verifier) mapScratch(k *task, regs unix.PtraceRegs) {
	x := regs
	x.Orig_rax, x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9 = unix.SYS_MMAP, 0, 32*slotSize, 3, 0x4022, ^uint64(0), 0
	if err := unix.PtraceSetRegs(k.tid, &x); err != nil {
		v.t.Fatal(err)
	}
	v.resume(k)
	if got, ws := v.wait(k, patience); got != k || ws.StopSignal() != unix.SIGTRAP|0x80 {
		v.t.Fatalf("mapping scratch memory: %v", ws)
	}
	if err := unix.PtraceGetRegs(k.tid, &x); err != nil {
		v.t.Fatal(err)
	}
	v.scratch = x.Rax
	regs.Rip, regs.Rax, regs.Orig_rax = regs.Rip-2, regs.Orig_rax, ^uint64(0)
	if err := unix.PtraceSetRegs(k.tid, &regs); err != nil {
		v.t.Fatal(err)
	}
	k.stopped = true
}

// snapshot leaves scratch memory out.
func (v *verifier) snapshot() []mapping { return snapshot(v.t, v.pid, v.scratch) }

func (v *verifier) write(addr uint64, p []byte) {
	local := []unix.Iovec{{Base: &p[0], Len: uint64(len(p))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}
	if n, err := unix.ProcessVMWritev(v.pid, local, remote, 0); err != nil || n != len(p) {
		v.t.Fatalf("write %d bytes at %#x: %d, %v", len(p), addr, n, err)
	}
}

// redirect exchanges the outputs of the call that k enters.
func (v *verifier) redirect(k *task, regs unix.PtraceRegs) {
	if k.slot == 0 {
		used := map[uint64]bool{}
		for _, o := range v.tasks {
			used[o.slot] = true
		}
		for k.slot = v.scratch; used[k.slot]; k.slot += slotSize {
		}
	}
	d, need := k.row.Redirect(k.args, memory(v.pid), Range{k.slot, slotSize})
	if d == nil {
		if need > 0 {
			v.wrong("%s needs %d bytes of scratch memory", k.row.Name, need)
		}
		return
	}
	for _, p := range d.Init {
		v.write(p.Addr, p.Data)
	}
	k.redir = d
	setArgs(&regs, d.Args)
	if err := unix.PtraceSetRegs(k.tid, &regs); err != nil {
		v.t.Fatal(err)
	}
}

func setArgs(x *unix.PtraceRegs, a Args) {
	x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9 = a[0], a[1], a[2], a[3], a[4], a[5]
}

// settle puts the outputs of a redirected call in their place.
func (v *verifier) settle(k *task, regs unix.PtraceRegs, ret int64) {
	for _, m := range k.redir.Outputs(ret, memory(v.pid)) {
		b := make([]byte, m.Len)
		if n, err := memory(v.pid).Read(m.Tmp, b); n != len(b) {
			v.t.Fatalf("%s: reading %d bytes of scratch memory: %d, %v", k.call, len(b), n, err)
		}
		v.write(m.Addr, b)
	}
	setArgs(&regs, k.args)
	if err := unix.PtraceSetRegs(k.tid, &regs); err != nil {
		v.t.Fatal(err)
	}
	k.redir = nil
}

// others is what calls that other threads are blocked in may write meanwhile.
func (v *verifier) others(k *task) []Range {
	var rs []Range
	for _, o := range v.tasks {
		if o != k && o.blocked && o.redir == nil {
			rs = append(rs, o.row.declared(o.args, memory(v.pid))...)
		}
	}
	return rs
}

func (v *verifier) check(before []mapping, allowed []Range, call string) {
	v.t.Helper()
	for _, r := range changed(before, v.snapshot()) {
		if !covered(r, allowed) {
			v.wrong("%s wrote %d bytes at %#x outside %x", call, r.Len, r.Addr, allowed)
		}
	}
}
