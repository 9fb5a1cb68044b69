package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGDBVersion(t *testing.T) {
	for line, want := range map[string]int{
		"GNU gdb (Debian 13.1-3) 13.1":                         13,
		"GNU gdb (GDB) 9.2":                                    9,
		"GNU gdb (GDB) Fedora Linux 14.2-1.fc39":               14,
		"GNU gdb (Ubuntu 12.1-0ubuntu1~22.04) 12.1":            12,
		"GNU gdb (GDB; openSUSE Tumbleweed) 15.2":              15,
		"GNU gdb (GDB) Red Hat Enterprise Linux 10.2-13.el9":   10,
		"GNU gdb (crosstool-NG 1.25.0) 11.2":                   11,
		"GNU gdb (GDB) 16.0.50.20240901-git":                   16,
		"GNU gdb 6.3.50-20050815 (Apple version gdb-1820) foo": 0,
		"":      0,
		"hello": 0,
	} {
		got, ok := GDBVersion(line)
		if got != want || ok != (want != 0) {
			t.Errorf("%q: got %d %v, want %d", line, got, ok, want)
		}
	}
}

func TestKernel(t *testing.T) {
	for rel, want := range map[string]State{
		"6.18.44-fc-v509": OK, "5.9.0": OK, "5.8.18": Lack, "4.19.0-26-amd64": Lack, "6.1.0-microsoft-standard-WSL2": OK, "strange": Note,
	} {
		o := fakeProc(t, map[string]string{"sys/kernel/osrelease": rel})
		if got := kernel(o); got.State != want {
			t.Errorf("%s: %v, want %v", rel, got, want)
		}
	}
}

// fakeProc makes a /proc and a control group tree of the given files, those of
// the latter below "cgroup/".
func fakeProc(t *testing.T, files map[string]string) Options {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Proc: root, Cgrp: filepath.Join(root, "cgroup"), Store: root}
}

func TestControlGroups(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64 // -1: no bound
	}{
		{"version 2, a bound above ours", map[string]string{
			"self/cgroup":         "0::/a/b",
			"cgroup/a/b/pids.max": "max", "cgroup/a/pids.max": "512", "cgroup/pids.max": "4096"}, 512},
		{"version 2 in a namespace", map[string]string{"self/cgroup": "0::/", "cgroup/pids.max": "100"}, 100},
		{"version 1", map[string]string{
			"self/cgroup":               "8:pids,misc:/x\n4:memory:/y\n0::/",
			"cgroup/pids/x/pids.max":    "300",
			"cgroup/memory/y/pids.max":  "1",
			"cgroup/unified/memory.max": "5"}, 300},
		{"none", map[string]string{"self/cgroup": "0::/", "cgroup/pids.max": "max"}, -1},
		{"no control groups", nil, -1},
		{"garbage", map[string]string{"self/cgroup": "::::\nx\n0::/../..", "cgroup/pids.max": "many"}, -1},
	} {
		got, ok := cgroupLimit(fakeProc(t, c.files), "pids", "pids.max")
		if ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("%s: got %d %v, want %d", c.name, got, ok, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	mem := "MemTotal:       16000000 kB\nMemAvailable:   12000000 kB"
	for _, c := range []struct {
		name  string
		files map[string]string
		check func(Options) Finding
		want  State
		text  string
	}{
		{"tasks", map[string]string{"self/cgroup": "0::/", "cgroup/pids.max": "100"}, tasks, Limit, "allows 100"},
		{"tasks enough", map[string]string{"self/cgroup": "0::/", "cgroup/pids.max": "512"}, tasks, OK, "allows 512"},
		{"memory", map[string]string{"meminfo": mem, "self/cgroup": "0::/", "cgroup/memory.max": "134217728"}, memory, Limit, "allows 128 MB"},
		{"memory free", map[string]string{"meminfo": mem}, memory, OK, "15 GB, 11 GB available"},
		{"memory v1", map[string]string{"meminfo": mem, "self/cgroup": "4:memory:/", "cgroup/memory/memory.limit_in_bytes": "536870912"}, memory, OK, "allows 512 MB"},
		{"memory v1 unbound", map[string]string{"meminfo": mem, "self/cgroup": "4:memory:/", "cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, memory, OK, "15 GB, 11 GB available"},
		{"overcommit", map[string]string{"sys/vm/overcommit_memory": "2"}, overcommit, Limit, "vm.overcommit_memory is 2"},
		{"overcommit 0", map[string]string{"sys/vm/overcommit_memory": "0"}, overcommit, OK, "share memory"},
		{"perf", map[string]string{"sys/kernel/perf_event_paranoid": "2"}, perf, Note, "dlv replay refuses"},
		{"perf 1", map[string]string{"sys/kernel/perf_event_paranoid": "1"}, perf, OK, "no performance counters"},
	} {
		f := c.check(fakeProc(t, c.files))
		if f.State != c.want || !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: got %v, want %v with %q", c.name, f, c.want, c.text)
		}
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	if f := store(Options{Store: filepath.Join(dir, "a/b/c")}); f.State == Lack {
		t.Errorf("a store that is yet to be made: %v", f)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := store(Options{Store: filepath.Join(dir, "file/store")}); f.State != Lack || f.Mend == "" {
		t.Errorf("a store below a file: %v, want it lacking with a way to mend it", f)
	}
	if f := store(Options{Store: "/proc/nosuch"}); f.State != Lack && os.Geteuid() != 0 {
		t.Errorf("a store in a place that may not be written: %v", f)
	}
}

// Who refused ptrace is told from what the machine says about itself.
func TestPtraceRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"yama 3", map[string]string{"sys/kernel/yama/ptrace_scope": "3"}, "reboot with kernel.yama.ptrace_scope=1"},
		{"container", map[string]string{"self/status": "Seccomp:\t2\nTracerPid:\t0"}, "--cap-add=SYS_PTRACE"},
		{"traced", map[string]string{"self/status": "Seccomp:\t0\nTracerPid:\t12"}, "do not run yore under strace"},
	} {
		f := ptraceRefused(fakeProc(t, c.files), "seizing", os.ErrPermission)
		if f.State != Lack || !strings.Contains(f.Mend, c.want) {
			t.Errorf("%s: %v, want to mend: %s", c.name, f, c.want)
		}
	}
}

// A probe that is no program of ours fails with a sentence, not a hang.
func TestPtraceProbe(t *testing.T) {
	for _, probe := range [][]string{{"/nonexistent"}, {"/bin/true"}} {
		fs := tryPtrace(Options{Proc: "/proc", Probe: probe})
		if len(fs) != 1 || fs[0].State != Lack || !strings.Contains(fs[0].Text, "could not be tried") {
			t.Errorf("%v: %v", probe, fs)
		}
	}
}

func TestWrite(t *testing.T) {
	fs := []Finding{{"a", OK, "fine", ""}, {"longer", Limit, "less", "more"}}
	var b strings.Builder
	if err := Write(&b, fs, false); err != nil {
		t.Fatal(err)
	}
	want := "ok     a       fine\nlimit  longer  less; to mend: more\nyore can be used on this machine\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	b.Reset()
	Write(&b, append(fs, Finding{"b", Lack, "gone", ""}), true)
	if !strings.Contains(b.String(), "\x1b[1;31mLACK \x1b[0m  b ") || !strings.Contains(b.String(), "cannot be used") {
		t.Errorf("got %q", b.String())
	}
}
