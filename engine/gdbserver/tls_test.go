package gdbserver

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startTLS builds and starts testdata/tls.c and returns its lines and memory.
func startTLS(t *testing.T, flags ...string) (lines []string, r tlsReader) {
	t.Helper()
	dir := t.TempDir()
	build := func(args ...string) {
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc %v: %v\n%s", args, err, out)
		}
	}
	var libs []string
	for _, name := range []string{"liblate.so", "libagain.so", "libfirst.so"} {
		lib := filepath.Join(dir, name)
		build("-shared", "-fPIC", "-o", lib, "testdata/tlslib.c")
		libs = append(libs, lib)
	}
	exe := filepath.Join(dir, "tls")
	build(append([]string{"-g", "-o", exe, "testdata/tls.c", libs[2], "-Wl,-rpath," + dir, "-pthread"}, flags...)...)
	cmd := exec.Command(exe, libs...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	sc := bufio.NewScanner(pipe)
	for sc.Scan() && sc.Text() != "ready" {
		lines = append(lines, sc.Text())
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mem.Close() })
	r.read = func(addr uint64, p []byte) (int, error) { return mem.ReadAt(p, int64(addr)) }
	if r.auxv, err = os.ReadFile(fmt.Sprintf("/proc/%d/auxv", cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	return lines, r
}

func TestThreadLocalAddresses(t *testing.T) {
	for _, flags := range [][]string{{"-pie", "-fPIE"}, {"-no-pie"}} {
		lines, r := startTLS(t, flags...)
		if len(lines) != 5 {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		for i, line := range lines {
			var lm uint64
			var want string
			if _, err := fmt.Sscanf(line, "%x %x %s", &r.fsBase, &lm, &want); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got, err := r.address(lm, 0)
			switch {
			case want == "none":
				if !errors.Is(err, errNoTLSBlock) {
					t.Errorf("line %d: %#x, %v; want %v", i, got, err, errNoTLSBlock)
				}
			case err != nil || fmt.Sprintf("%x", got) != want:
				t.Errorf("line %d: %x, %v; want %s", i, got, err, want)
			}
			if i%3 == 0 { // the program's own block can be found without glibc's help
				if got, err := r.inProgram(0); err != nil || fmt.Sprintf("%x", got) != want {
					t.Errorf("line %d from the headers: %x, %v; want %s", i, got, err, want)
				}
				if got, err := r.address(0, 8); err != nil || fmt.Sprintf("%x", got-8) != want {
					t.Errorf("line %d without link map: %x, %v; want %s", i, got, err, want)
				}
			}
		}
	}
}

// gdb uses it: the same program, stopped where all variables are in scope.
func TestThreadLocalInGDB(t *testing.T) {
	exe := buildC(t, "threads.c", "-pthread", "-static")
	m := newMachine(record(t, exe, 100000))
	sock := serveMachine(t, m, Options{})
	out := gdb(t, nil, preamble(exe, sock)+"echo ==static\\n\nprint mine\nprint other\n")
	checkSections(t, out, []check{{"static", "$1 = 5\n$2 = {1, 2, 3}"}})
}

// Memory that makes no sense gives errors, and soon.
func TestThreadLocalGarbage(t *testing.T) {
	loops := func(addr uint64, p []byte) (int, error) {
		for i := range p {
			p[i] = byte(0x10 * (i % 8 / 7)) // every word points at 0x10…
		}
		return len(p), nil
	}
	ones := func(addr uint64, p []byte) (int, error) {
		for i := range p {
			p[i] = 1
		}
		return len(p), nil
	}
	nothing := func(addr uint64, p []byte) (int, error) { return 0, errors.New("unmapped") }
	for i, read := range []func(uint64, []byte) (int, error){loops, ones, nothing} {
		r := tlsReader{read: read, fsBase: 0x1000, auxv: []byte(strings.Repeat("\x03\x00\x00\x00\x00\x00\x00\x00", 8))}
		for _, lm := range []uint64{0, 0x5000} {
			if got, err := r.address(lm, 0); err == nil {
				t.Errorf("memory %d, link map %#x: %#x", i, lm, got)
			}
		}
	}
}
