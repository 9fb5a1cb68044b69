// Package scripts tests the project's shell scripts on made-up machines: a PATH
// that holds stubs alone.
package scripts

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a directory of stub programs. Each appends its command line to
// the file "log" and then runs its body.
type machine struct {
	t   *testing.T
	dir string
}

// complete makes a machine that lacks nothing, and takes away what is named.
func complete(t *testing.T, without ...string) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	for _, tool := range []string{"bash", "cat", "mktemp", "rm", "touch"} {
		p, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(p, filepath.Join(m.dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"go", "make", "gdb", "g++", "readelf", "tmux"} {
		m.stub(tool, "")
	}
	m.stub("gcc", `[ "$1" != -print-file-name=libc.a ] || echo "$0"`)
	m.stub("id", "echo 0")
	for _, tool := range without {
		if err := os.Remove(filepath.Join(m.dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *machine) stub(name, body string) {
	m.t.Helper()
	text := "#!" + filepath.Join(m.dir, "bash") + "\ncd \"${0%/*}\"; echo \"${0##*/} $*\" >>log\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// setup runs scripts/setup there.
func (m *machine) setup(args ...string) (status int, out string) {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(m.dir, "bash"), append([]string{"setup"}, args...)...)
	cmd.Env = []string{"PATH=" + m.dir}
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		m.t.Fatal(err)
	}
	return status, string(b)
}

// calls returns the command lines of a stub.
func (m *machine) calls(name string) []string {
	b, _ := os.ReadFile(filepath.Join(m.dir, "log"))
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, name+" ") {
			out = append(out, l)
		}
	}
	return out
}

func TestSetupNothingMissing(t *testing.T) {
	m := complete(t)
	m.stub("apt-get", "exit 1")
	if status, out := m.setup(); status != 0 || out != "" {
		t.Errorf("status %d, printed %q; want 0 and nothing", status, out)
	}
	if c := m.calls("apt-get"); c != nil {
		t.Errorf("it called %q", c)
	}
}

func TestSetupInstalls(t *testing.T) {
	const install = "apt-get install -y -qq --no-install-recommends gdb g++"
	m := complete(t, "gdb", "g++")
	m.stub("apt-get", "touch gdb g++")
	if status, out := m.setup(); status != 0 || out != "scripts/setup: installing gdb g++\n" {
		t.Errorf("status %d, printed %q", status, out)
	}
	if c := m.calls("apt-get"); len(c) != 1 || c[0] != install {
		t.Errorf("it called %q, want %q once", c, install)
	}
}

// Package lists that are not there are fetched, once.
func TestSetupUpdates(t *testing.T) {
	m := complete(t, "gdb")
	m.stub("apt-get", `case $1 in update) touch lists;; *) [ -e lists ];; esac`)
	if status, out := m.setup(); status != 0 {
		t.Errorf("status %d: %s", status, out)
	}
	if c := m.calls("apt-get"); len(c) != 3 || !strings.HasPrefix(c[1], "apt-get update") {
		t.Errorf("it called %q, want install, update, install", c)
	}
}

func TestSetupSudo(t *testing.T) {
	m := complete(t, "gdb")
	m.stub("id", "echo 1000")
	m.stub("sudo", `[ "$1" = -n ] && shift && [ "$1" = true ] || PATH=$PWD "$@"`)
	m.stub("apt-get", "")
	if status, out := m.setup(); status != 0 {
		t.Errorf("status %d: %s", status, out)
	}
	if c := m.calls("apt-get"); len(c) != 1 {
		t.Errorf("it called %q", c)
	}
}

func TestSetupCannot(t *testing.T) {
	for _, c := range []struct {
		name    string
		without []string
		prepare func(*machine)
		want    string
	}{
		{"no root, no sudo", []string{"gdb"}, func(m *machine) { m.stub("id", "echo 1000"); m.stub("apt-get", "") },
			"please install, as root: apt-get install --no-install-recommends gdb\n"},
		{"apt fails", []string{"gdb"}, func(m *machine) { m.stub("apt-get", "echo E: broken >&2; exit 100") },
			"E: broken\nscripts/setup: could not install: apt-get install --no-install-recommends gdb\n"},
		{"dnf", []string{"gdb", "g++"}, func(m *machine) { m.stub("dnf", "") }, "please install: dnf install gdb gcc-c++ glibc-static\n"},
		{"pacman", []string{"gcc"}, func(m *machine) { m.stub("pacman", "") }, "please install: pacman -S gcc glibc\n"},
		{"unknown", []string{"gdb"}, func(*machine) {}, "please install: gdb and the C library's headers and libc.a\n"},
	} {
		m := complete(t, c.without...)
		c.prepare(m)
		status, out := m.setup()
		if status != 69 || !strings.HasSuffix(out, c.want) {
			t.Errorf("%s: status %d, printed %q; want 69 and %q", c.name, status, out, c.want)
		}
	}
}

// The conformance list does without what cannot be had.
func TestSetupConformance(t *testing.T) {
	m := complete(t)
	m.stub("id", "echo 1000")
	m.stub("apt-get", "")
	for _, tool := range []string{"perl", "sqlite3", "git", "xz", "vim", "node", "redis-server", "rustc"} {
		m.stub(tool, "")
	}
	status, out := m.setup("conformance")
	if status != 0 || !strings.Contains(out, "please install, as root: apt-get install --no-install-recommends") || !strings.Contains(out, "lua5.4") {
		t.Errorf("status %d, printed %q; want 0 and what to install", status, out)
	}
}

// Every script is at least well-formed.
func TestSyntax(t *testing.T) {
	for _, s := range []string{"setup", "test", "fuzz", "demo", "../.ci/run"} {
		if out, err := exec.Command("bash", "-n", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", s, out)
		}
	}
}
