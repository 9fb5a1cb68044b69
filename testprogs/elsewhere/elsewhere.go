// Package elsewhere makes a machine, as far as files go, on which there is nothing but
// yore and gdb: what a bundle is opened on.
//
// It is a directory to chroot to, in a mount namespace of its own. gdb is in /gdb
// with its libraries and its dynamic linker, so that the usual places of
// libraries are empty; Python's modules and gdb's own data are bound in. No program
// that was recorded, no library of it, no source and no input file is there.
package elsewhere

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Machine is such a directory.
type Machine struct {
	Root  string
	binds []string
}

// MissingError says what a machine cannot be made without.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return e.What }

const (
	linker = "/gdb/ld.so" // instead of gdb's interpreter
	nobody = 65534
)

// New makes a machine in directory root, which is empty, with the given yore, a
// static executable. A *MissingError says what this one lacks for that.
func New(root, yore string) (*Machine, error) {
	if dynamic(yore) {
		return nil, fmt.Errorf("%s is not a static executable", yore)
	}
	gdb, err := exec.LookPath("gdb")
	if err != nil {
		return nil, &MissingError{"gdb is not installed"}
	}
	m := &Machine{Root: root}
	for _, d := range []string{"bin", "gdb/lib", "proc", "dev", "tmp", "home"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, err
		}
	}
	for _, d := range []string{"tmp", "home"} {
		if err := os.Chmod(filepath.Join(root, d), 0o1777); err != nil {
			return nil, err
		}
	}
	if err := m.copy(yore, "bin/yore"); err != nil {
		return nil, err
	}
	if err := m.addGDB(gdb); err != nil {
		return nil, err
	}
	for _, pattern := range []string{"/usr/share/gdb", "/usr/lib/python3", "/usr/lib/python3.*", "/usr/share/gcc*"} {
		dirs, _ := filepath.Glob(pattern)
		for _, d := range dirs {
			if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
				return nil, err
			}
			m.binds = append(m.binds, d)
		}
	}
	if out, err := m.Command(context.Background(), false, "/bin/yore", "version").CombinedOutput(); err != nil {
		return nil, &MissingError{fmt.Sprintf("no mount namespace, or no chroot, here: %s", strings.TrimSpace(string(out)))}
	}
	return m, nil
}

// Command is a command on the machine, as root or as a user without rights. Its
// home is /home, which anybody may write to, its working directory /.
func (m *Machine) Command(ctx context.Context, unprivileged bool, argv ...string) *exec.Cmd {
	script := "set -e\nR=$1; shift\nmount --rbind /proc $R/proc\nmount --rbind /dev $R/dev\n"
	for _, d := range m.binds {
		script += "mount --bind " + d + " $R" + d + "\n"
	}
	user := ""
	if unprivileged && os.Geteuid() == 0 {
		user = fmt.Sprintf("--userspec=%d:%d ", nobody, nobody)
	}
	script += "exec chroot " + user + "$R \"$@\"\n"
	how := "-m"
	if os.Geteuid() != 0 {
		how = "-Urm"
	}
	args := append([]string{how, "sh", "-c", script, "sh", m.Root}, argv...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = []string{"PATH=/bin:/gdb:/usr/sbin:/usr/bin:/sbin", "HOME=/home", "TMPDIR=/tmp", "LD_LIBRARY_PATH=/gdb/lib", "TERM=dumb", "LC_ALL=C.UTF-8"}
	return cmd
}

// Put copies a file to a path of the machine, readable for all.
func (m *Machine) Put(from, to string) error { return m.copy(from, to) }

// Left lists what is below a directory of the machine, hidden names too.
func (m *Machine) Left(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(m.Root, dir), func(p string, _ os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		out = append(out, strings.TrimPrefix(p, m.Root))
		return err
	})
	return out, err
}

func (m *Machine) copy(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.Root, to), b, 0o755)
}

// addGDB copies gdb and its libraries, and has it start by its own linker.
func (m *Machine) addGDB(gdb string) error {
	real, err := filepath.EvalSymlinks(gdb)
	if err != nil {
		return err
	}
	out, err := exec.Command("ldd", real).Output()
	if err != nil {
		return &MissingError{fmt.Sprintf("ldd %s: %v", real, err)}
	}
	interp := ""
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[1] == "=>":
			if err := m.copy(f[2], filepath.Join("gdb/lib", f[0])); err != nil {
				return err
			}
		case len(f) >= 1 && strings.Contains(f[0], "/ld-linux"):
			interp = f[0]
		}
	}
	if len(interp) < len(linker) {
		return &MissingError{"gdb's dynamic linker is not known"}
	}
	if err := m.copy(interp, linker); err != nil {
		return err
	}
	b, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	at := bytes.Index(b, []byte(interp+"\x00"))
	if at < 0 {
		return &MissingError{"gdb's dynamic linker is not where it should be"}
	}
	copy(b[at:], linker+"\x00")
	return os.WriteFile(filepath.Join(m.Root, "gdb/gdb"), b, 0o755)
}

func dynamic(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}
