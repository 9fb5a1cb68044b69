package snapshot

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
)

// confined returns a process with the filter on it.
func confined(t *testing.T) *tracee.Copy {
	t.Helper()
	runtime.LockOSThread()
	task, err := tracee.Launch(tracee.Spec{Path: "/bin/true", Args: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &tracee.Copy{Task: task, Threads: map[int]*tracee.Thread{1: {ID: 1}}, Active: 1}
	t.Cleanup(func() { c.Kill(); runtime.UnlockOSThread() })
	if err := confine(c); err != nil {
		t.Fatal(err)
	}
	return c
}

const mapAt = 0x10000000

func mapPage(t *testing.T, c *tracee.Copy) {
	t.Helper()
	got, err := c.Inject(unix.SYS_MMAP, mapAt, tracee.PageSize, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED, ^uint64(0), 0)
	if err != nil || got != mapAt {
		t.Fatalf("mmap by the engine: %#x, %v", got, err)
	}
}

// What replay does itself goes on: mappings, files, forks.
func TestConfinedEngine(t *testing.T) {
	c := confined(t)
	mapPage(t, c)
	if err := c.MapFile("/bin/true", false, tracee.Range{Lo: mapAt, Hi: mapAt + tracee.PageSize}, unix.PROT_READ, unix.MAP_PRIVATE, 0); err != nil {
		t.Error(err)
	}
	task, _, err := tracee.ForkTask(c.Task, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer task.KillProcess()
	task.Inject(unix.SYS_GETPID)
	killed(t, task)
}

// killed checks that the task, which has tried a system call, did not get past it.
func killed(t *testing.T, task *tracee.Task) {
	t.Helper()
	if task.Err() != nil {
		return // at once
	}
	// Newer kernels report the end of the call that they have not made first.
	if st, err := task.Run(ptrace.Cont, 0); err != nil || st.Stopped() {
		t.Errorf("it went on: %v, %v", st, err)
	}
}

// What it does not do, not even the engine's own instruction may.
func TestConfinedCalls(t *testing.T) {
	for name, call := range map[string][]uint64{
		"getpid":                {unix.SYS_GETPID},
		"write":                 {unix.SYS_WRITE, 1, mapAt, 1},
		"socket":                {unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0},
		"execve":                {unix.SYS_EXECVE, 0, 0, 0},
		"fork":                  {unix.SYS_FORK},
		"clone of a thread":     {unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_PARENT},
		"openat that makes one": {unix.SYS_OPENAT, ^uint64(99), 0, unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC, 0o600},
		"openat that cuts one":  {unix.SYS_OPENAT, ^uint64(99), 0, unix.O_RDWR | unix.O_TRUNC | unix.O_CLOEXEC, 0},
		"prctl":                 {unix.SYS_PRCTL, unix.PR_SET_NAME, 0},
		"x32 mmap":              {unix.SYS_MMAP | 1<<30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := confined(t)
			c.Inject(call[0], call[1:]...)
			killed(t, c.Task)
		})
	}
}

// Code of the program's own is killed even by a call that replay makes, be it by the
// instruction for 32-bit programs.
func TestConfinedCode(t *testing.T) {
	for name, insn := range map[string][]byte{"syscall": {0x0f, 0x05}, "int 0x80": {0xcd, 0x80}, "sysenter": {0x0f, 0x34}} {
		t.Run(name, func(t *testing.T) {
			c := confined(t)
			mapPage(t, c)
			if err := c.Space.Write(mapAt, append(insn, 0xcc)); err != nil {
				t.Fatal(err)
			}
			r := *c.Regs()
			r.Rip, r.Rax, r.Rdi, r.Rsi = mapAt, unix.SYS_MUNMAP, mapAt+tracee.PageSize, tracee.PageSize
			c.SetRegs(r)
			// sysenter is no instruction of 64-bit code on some processors.
			st, err := c.Run(ptrace.Cont, 0)
			if err != nil {
				t.Fatal(err)
			}
			if st.Stopped() && (name != "sysenter" || st.IsTrap()) {
				t.Errorf("it went on: %v", st)
			}
		})
	}
}
