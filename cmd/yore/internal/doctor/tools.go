package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// MinGDB is the oldest gdb whose MI and remote protocol yore relies on.
const MinGDB = 10

// kernel wants close_range (5.9), without which checkpoints would keep the
// program's pipes open.
func kernel(o Options) Finding {
	rel := readTrim(filepath.Join(o.Proc, "sys/kernel/osrelease"))
	text := "Linux " + rel
	major, minor, ok := kernelVersion(rel)
	switch {
	case !ok:
		return Finding{"kernel", Note, text + ": not a version that yore can read", ""}
	case major < 5 || major == 5 && minor < 9:
		return Finding{"kernel", Lack, text, "a kernel from 5.9 on"}
	}
	return Finding{"kernel", OK, text, ""}
}

func kernelVersion(rel string) (major, minor int, ok bool) {
	n, _ := fmt.Sscanf(rel, "%d.%d", &major, &minor)
	return major, minor, n == 2
}

// gdb looks for the gdb that yore would start and asks its version.
func gdb(o Options) Finding {
	mend := "install gdb " + strconv.Itoa(MinGDB) + " or newer (Debian, Ubuntu: apt-get install gdb)"
	path := o.GDB
	if !strings.Contains(path, "/") {
		name := path
		if name == "" {
			name = "gdb"
		}
		if path = find(o.Path, name); path == "" {
			return Finding{"gdb", Lack, "no " + name + " on PATH; record works without it, the prompt does not", mend}
		}
	}
	out, err := output(path, "--batch", "-nx", "--version")
	if err != nil {
		return Finding{"gdb", Lack, fmt.Sprintf("%s does not run: %v", path, err), mend}
	}
	line, _, _ := strings.Cut(out, "\n")
	v, ok := GDBVersion(line)
	switch {
	case !ok:
		return Finding{"gdb", Limit, fmt.Sprintf("%s prints no version that yore can read: %q", path, line), ""}
	case v < MinGDB:
		return Finding{"gdb", Lack, fmt.Sprintf("%s is version %d, too old", path, v), mend}
	}
	return Finding{"gdb", OK, path + ": " + line, ""}
}

// GDBVersion reads the major version from the first line of gdb --version:
// "GNU gdb (Debian 13.1-3) 13.1", "GNU gdb (GDB) Fedora Linux 14.2-1.fc39".
func GDBVersion(line string) (int, bool) {
	rest := line
	// What stands in brackets is the packager's.
	if i := strings.LastIndex(line, ")"); i >= 0 {
		rest = line[i+1:]
	}
	m := regexp.MustCompile(`\b(\d{1,3})\.\d`).FindStringSubmatch(rest)
	if m == nil {
		return 0, false
	}
	v, err := strconv.Atoi(m[1])
	return v, err == nil
}

func compiler(o Options) Finding {
	if p := find(o.Path, "gcc"); p != "" {
		return Finding{"gcc", OK, p + ", for the samples and tests", ""}
	}
	return Finding{"gcc", Note, "no gcc on PATH; only make demo and make test need it", "install gcc and g++"}
}

func delve(o Options) Finding {
	if p := find(o.Path, "dlv"); p != "" {
		return Finding{"delve", OK, p, ""}
	}
	return Finding{"delve", Note, "no dlv on PATH; only editors that debug Go through it need it", ""}
}

// perf matters to stock dlv alone: it refuses to replay where it believes that
// rr could not run.
func perf(o Options) Finding {
	s := readTrim(filepath.Join(o.Proc, "sys/kernel/perf_event_paranoid"))
	if v, err := strconv.Atoi(s); err == nil && v > 1 {
		return Finding{"perf", Note, "perf_event_paranoid is " + s + "; yore needs no counters, but dlv replay refuses above 1",
			"for dlv replay, as root: sysctl kernel.perf_event_paranoid=1; or without root the line for it in the README"}
	}
	return Finding{"perf", OK, "yore needs no performance counters", ""}
}

func cpuModel(o Options) string {
	b, _ := os.ReadFile(filepath.Join(o.Proc, "cpuinfo"))
	for _, l := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "x86-64"
}

func processor(o Options) Finding {
	n := cpuCount()
	var ext []string
	for _, e := range []struct {
		has  bool
		name string
	}{{cpu.X86.HasAVX, "avx"}, {cpu.X86.HasAVX2, "avx2"}, {cpu.X86.HasAVX512F, "avx512"}} {
		if e.has {
			ext = append(ext, e.name)
		}
	}
	text := fmt.Sprintf("%s, %d usable", cpuModel(o), n)
	if len(ext) > 0 {
		text += ", " + strings.Join(ext, " ")
	}
	if n == 1 {
		return Finding{"cpu", Note, text + "; searches run one probe at a time", ""}
	}
	return Finding{"cpu", OK, text, ""}
}

func cpuCount() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return set.Count()
}

// find returns the first executable file called name on path, "" for none.
func find(path, name string) string {
	for _, d := range filepath.SplitList(path) {
		if d == "" {
			d = "."
		}
		p := filepath.Join(d, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && unix.Access(p, unix.X_OK) == nil {
			return p
		}
	}
	return ""
}

// output runs a tool for at most ten seconds and returns what it printed.
func output(path string, args ...string) (string, error) {
	cmd := exec.Command(path, args...)
	cmd.WaitDelay = time.Second
	t := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer t.Stop()
	b, err := cmd.Output()
	return string(b), err
}

func readTrim(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}
