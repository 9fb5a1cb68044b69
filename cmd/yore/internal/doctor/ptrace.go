package doctor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tryPtrace does to a child of ours what the engine does to a debuggee: seize,
// stop, read registers and memory. Then what only saves time: pagemap and
// PAGEMAP_SCAN.
func tryPtrace(o Options) []Finding {
	cmd := exec.Command(o.Probe[0], o.Probe[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return []Finding{{"ptrace", Lack, "could not be tried: " + err.Error(), ""}}
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return []Finding{{"ptrace", Lack, "could not be tried: " + err.Error(), ""}}
	}
	if err := cmd.Start(); err != nil {
		return []Finding{{"ptrace", Lack, "could not be tried: " + err.Error(), ""}}
	}
	defer cmd.Wait()
	defer stdin.Close()
	defer cmd.Process.Kill()
	// The child says a word when it is there.
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		return []Finding{{"ptrace", Lack, "could not be tried: the child died", ""}}
	}
	pid := cmd.Process.Pid
	if step, err := seizeAndRead(pid); err != nil {
		return []Finding{ptraceRefused(o, step, err)}
	}
	fs := []Finding{{"ptrace", OK, "a child can be seized, stopped and read" + yamaNote(o), ""}}
	return append(fs, pagemap(o, pid))
}

// seizeAndRead returns the step that failed, and how.
func seizeAndRead(pid int) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const seize, interrupt = 0x4206, 0x4207 // PTRACE_SEIZE, PTRACE_INTERRUPT of linux/ptrace.h
	opts := uintptr(unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP)
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, seize, uintptr(pid), 0, opts, 0, 0); e != 0 {
		return "seizing", e
	}
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, interrupt, uintptr(pid), 0, 0, 0, 0); e != 0 {
		return "stopping", e
	}
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "waiting for", err
		}
		break
	}
	if !ws.Stopped() {
		return "stopping", fmt.Errorf("it ended instead")
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &regs); err != nil {
		return "reading the registers of", err
	}
	buf := make([]byte, 8)
	local := []unix.Iovec{{Base: &buf[0], Len: 8}}
	remote := []unix.RemoteIovec{{Base: uintptr(regs.Rsp), Len: 8}}
	if _, err := unix.ProcessVMReadv(pid, local, remote, 0); err != nil {
		return "reading the memory of", err
	}
	if _, err := unix.ProcessVMWritev(pid, local, remote, 0); err != nil {
		return "writing the memory of", err
	}
	return "", nil
}

// ptraceRefused finds out who refused.
func ptraceRefused(o Options, step string, err error) Finding {
	f := Finding{"ptrace", Lack, fmt.Sprintf("%s a child of ours: %v", step, err), ""}
	switch {
	case yama(o) == "3":
		f.Text += " (Yama forbids it: ptrace_scope is 3)"
		f.Mend = "reboot with kernel.yama.ptrace_scope=1; 3 cannot be taken back"
	case yama(o) == "2" && os.Geteuid() != 0:
		f.Text += " (Yama leaves it to root: ptrace_scope is 2)"
		f.Mend = "as root: sysctl kernel.yama.ptrace_scope=1"
	case seccomp(o):
		f.Text += " (a seccomp filter is active here: a container)"
		f.Mend = "start the container with --cap-add=SYS_PTRACE, or --security-opt seccomp=unconfined"
	case traced(o) != "":
		f.Text += " (process " + traced(o) + " traces yore itself)"
		f.Mend = "do not run yore under strace or a debugger"
	}
	return f
}

// yama returns the kernel's ptrace_scope, "" when it has none.
func yama(o Options) string { return readTrim(filepath.Join(o.Proc, "sys/kernel/yama/ptrace_scope")) }

func yamaNote(o Options) string {
	switch s := yama(o); s {
	case "", "0":
		return ""
	default:
		return " (Yama's ptrace_scope is " + s + ")"
	}
}

// seccomp reports whether a filter is active on us.
func seccomp(o Options) bool { return statusField(o, "Seccomp") == "2" }

// traced returns the process that traces us, "" for none.
func traced(o Options) string {
	if t := statusField(o, "TracerPid"); t != "0" {
		return t
	}
	return ""
}

// statusField returns a field of /proc/self/status.
func statusField(o Options, name string) string {
	b, _ := os.ReadFile(filepath.Join(o.Proc, "self/status"))
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// pagemap tells how written pages can be found: PAGEMAP_SCAN, or a walk.
func pagemap(o Options, pid int) Finding {
	f, err := os.Open(filepath.Join(o.Proc, fmt.Sprint(pid), "pagemap"))
	if err != nil {
		return Finding{"pagemap", Lack, "may not be read: " + errors.Unwrap(err).Error(), "mount a full /proc"}
	}
	defer f.Close()
	if err := pagemapScan(f); err != nil {
		return Finding{"pagemap", Limit, "no PAGEMAP_SCAN (" + err.Error() + "): programs that reserve much address space (ASan, -race, node) get slower checkpoints", "a kernel from 6.7 on"}
	}
	return Finding{"pagemap", OK, "PAGEMAP_SCAN finds written pages", ""}
}

// pagemapScan asks for the pages of an empty range: it succeeds wherever the
// call exists.
func pagemapScan(f *os.File) error {
	// struct pm_scan_arg of linux/fs.h.
	arg := struct {
		Size, Flags, Start, End, WalkEnd, Vec, VecLen, MaxPages uint64
		Inverted, Mask, AnyOf, Return                           uint64
	}{Start: 0x10000, End: 0x11000, Return: 1 << 3}
	arg.Size = uint64(unsafe.Sizeof(arg))
	var regions [4][3]uint64
	arg.Vec, arg.VecLen = uint64(uintptr(unsafe.Pointer(&regions[0]))), uint64(len(regions))
	const pagemapScanIoctl = 0xc0606610 // PAGEMAP_SCAN of linux/fs.h
	_, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), pagemapScanIoctl, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(&regions)
	if e != 0 {
		return e
	}
	return nil
}
