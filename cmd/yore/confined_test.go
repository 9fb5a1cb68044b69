package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"yore/cmd/yore/internal/inspect"
)

// A confinement is a way to run yore with less than the tests have. It is a
// shell script named yore, put first on PATH: the same session scripts run as
// they are.
type confinement struct {
	name string
	// wrap returns the lines of the script before `exec REAL "$@"`, and what
	// replaces that; "" for why the confinement cannot be had here.
	wrap func(t *testing.T, real string) (script, why string)
	// owner is the user that the scripts' directories belong to, 0 for ours.
	owner int
}

const nobody = 65534

// unprivileged runs yore as a user without any rights. Where we have none
// ourselves the other tests show the same.
var unprivileged = confinement{name: "unprivileged", owner: nobody,
	wrap: func(t *testing.T, real string) (string, string) {
		if os.Geteuid() != 0 {
			return "", "we are not root: all tests are unprivileged"
		}
		if _, err := exec.LookPath("setpriv"); err != nil {
			return "", "setpriv is not installed"
		}
		return fmt.Sprintf("exec setpriv --reuid %d --regid %d --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all %s \"$@\"\n",
			nobody, nobody, inspect.Quote(real)), ""
	}}

// contained runs yore as PID 1 of a PID namespace, with 512 MB of memory and
// 512 tasks, as a small container does.
var contained = confinement{name: "contained",
	wrap: func(t *testing.T, real string) (string, string) {
		if _, err := exec.LookPath("unshare"); err != nil {
			return "", "unshare is not installed"
		}
		unshare := "unshare --pid --fork --kill-child --mount-proc"
		if os.Geteuid() != 0 {
			unshare = "unshare --user --map-root-user --pid --fork --kill-child --mount-proc"
		}
		if out, err := exec.Command("sh", "-c", unshare+" true").CombinedOutput(); err != nil {
			return "", fmt.Sprintf("no PID namespaces here: %s", strings.TrimSpace(string(out)))
		}
		join, why := controlGroup(t)
		if why != "" {
			return "", why
		}
		return join + fmt.Sprintf("exec %s %s \"$@\"\n", unshare, inspect.Quote(real)), ""
	}}

// controlGroup makes a group of 512 MB and 512 tasks, and returns the shell
// lines by which a process enters it.
func controlGroup(t *testing.T) (join, why string) {
	t.Helper()
	name := fmt.Sprintf("yore-test-%d", os.Getpid())
	var dirs []string
	set := func(dir, file, value string) bool {
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			return false
		}
		dirs = append(dirs, dir)
		return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644) == nil
	}
	const memory, tasks = "536870912", "512"
	v2 := filepath.Join("/sys/fs/cgroup", name)
	v1mem, v1pids := filepath.Join("/sys/fs/cgroup/memory", name), filepath.Join("/sys/fs/cgroup/pids", name)
	t.Cleanup(func() {
		for _, d := range dirs {
			os.Remove(d)
		}
	})
	switch {
	case onDisk("/sys/fs/cgroup/cgroup.controllers"):
		if !set(v2, "memory.max", memory) || !set(v2, "pids.max", tasks) {
			return "", "control groups cannot be made here"
		}
	case !set(v1mem, "memory.limit_in_bytes", memory), !set(v1pids, "pids.max", tasks):
		return "", "control groups cannot be made here"
	}
	for _, d := range dirs {
		join += fmt.Sprintf("echo $$ >%s/cgroup.procs || exit 70\n", d)
	}
	return join, ""
}

// install writes the confinement's `yore` and returns the directory to put first
// on PATH. The real one is a copy that everyone may run.
func (c confinement) install(t *testing.T, root string) string {
	t.Helper()
	real := filepath.Join(root, "real", "yore")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	write(t, real, b, 0o755)
	script, why := c.wrap(t, real)
	if why != "" {
		t.Skipf("skipped: %s: %s", c.name, why)
	}
	write(t, filepath.Join(root, "bin", "yore"), []byte("#!/bin/sh\n"+script), 0o755)
	return filepath.Join(root, "bin")
}

func onDisk(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
