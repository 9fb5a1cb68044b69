package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"yore/engine"
)

// A real recording, of which each copy is damaged in one place: it verifies, as far
// as it goes, or is refused as damaged. It never diverges, which would be a lie about
// the program. (Package trace cuts and flips logs at every byte.)
func TestDamagedRecordings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rec")
	if out, err := yoreCommand(t, "record", "-q", "-o", dir, "--", "true").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var files []string
	for _, pattern := range []string{"*", "*/*"} {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() && st.Size() > 0 {
				files = append(files, f)
			}
		}
	}
	if len(files) < 6 {
		t.Fatalf("the recording has only %q", files)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 10 * len(files) {
		name := files[i%len(files)]
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b, k := append([]byte(nil), whole...), rng.IntN(len(whole))
		what := "cut at"
		if i/len(files)%2 == 0 {
			b = b[:k]
		} else {
			b[k] ^= 1 << rng.IntN(8)
			what = "another bit at"
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Verify(t.Context(), dir, false, nil); engine.IsBadInput(err) {
			refused++
		} else if err != nil {
			t.Errorf("%s, %s %d: %v", filepath.Base(name), what, k, err)
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if v := verified(t, dir); len(v.Cut) > 0 {
		t.Errorf("in the end: %+v", v)
	}
}

// The binary alone, in a directory with nothing else but /proc and a static program.
func TestEmptyRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root may change the root directory")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("skipped: gcc is not installed")
	}
	root := t.TempDir()
	source := filepath.Join(t.TempDir(), "p.c")
	write(t, source, []byte("int puts(const char *);\nint main(void) { puts(\"alone\"); return 3; }\n"), 0o600)
	if out, err := exec.Command("gcc", "-static", "-o", filepath.Join(root, "prog"), source).CombinedOutput(); err != nil {
		t.Skipf("skipped: no static program can be built: %v\n%s", err, out)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "yore"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	yore := func(status int, args ...string) string {
		t.Helper()
		cmd := exec.Command("/yore", args...)
		cmd.Dir, cmd.Env = "/", []string{"YORE_DIR=/store"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		out, _ := cmd.CombinedOutput()
		if st := cmd.ProcessState.ExitCode(); st != status {
			t.Errorf("yore %q ended with %d, want %d:\n%s", args, st, status, out)
		}
		return string(out)
	}
	if out := yore(125, "record", "/prog"); !strings.Contains(out, "/proc is not mounted") || strings.Count(out, "\n") != 1 {
		t.Errorf("without /proc: %s", out)
	}
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		t.Skipf("skipped: /proc cannot be mounted: %v", err)
	}
	defer unix.Unmount(filepath.Join(root, "proc"), unix.MNT_DETACH)
	if out := yore(3, "record", "/prog"); out != "alone\nrecording: /store/prog-1\n" {
		t.Errorf("record: %s", out)
	}
	if out := yore(0, "verify"); !strings.HasPrefix(out, "verified: ") {
		t.Errorf("verify: %s", out)
	}
	if out := yore(0, "info"); !strings.Contains(out, "\nended:       exited with status 3\n") {
		t.Errorf("info: %s", out)
	}
}
