package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README's recipes for CI, each with the tool that it is for.

// recipe runs a shell script in a new directory with `yore` on PATH.
func recipe(t *testing.T, tool, script string) (out, dir string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("skipped: %s is not installed", tool)
	}
	dir = t.TempDir()
	bin := filepath.Join(dir, "bin")
	// This test binary is yore when it is called so.
	write(t, filepath.Join(bin, "yore"), []byte("#!/bin/bash\nexec -a yore "+yoreCommand(t).Path+" \"$@\"\n"), 0o755)
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-e", "-c", script)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "YORE_DIR="+filepath.Join(dir, "store"))
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return string(b), work
}

// git bisect: the stand-in's status is the program's, and 125 skips what yore could
// not record.
func TestRecipeGitBisect(t *testing.T) {
	out, _ := recipe(t, "git", `
		git init -q . && git config user.email a@b && git config user.name n
		for i in 1 2 3 4 5 6; do
			printf '#!/bin/sh\nexit %d\n' $((i >= 4)) >check; echo $i >n; chmod +x check
			git add . && git commit -qm "change $i"
		done
		git bisect start HEAD HEAD~5 >/dev/null
		git bisect run yore record --keep-failed ../failed -- ./check
		yore ls >/dev/null
		ls ../failed`)
	if !strings.Contains(out, "is the first bad commit") || !strings.Contains(out, "change 4") || !strings.Contains(out, "check-1") {
		t.Errorf("got:\n%s", out)
	}
}

// cargo: the runner of a target records tests and programs.
func TestRecipeCargo(t *testing.T) {
	if err := exec.Command("cargo", "--version").Run(); err != nil {
		t.Skipf("skipped: cargo does not run: %v", err)
	}
	out, dir := recipe(t, "cargo", `
		mkdir -p src; printf '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n' >Cargo.toml
		printf 'fn main() {}\n#[test]\nfn good() {}\n#[test]\nfn bad() { assert_eq!(1, 2) }\n' >src/main.rs
		export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="yore record --keep-failed $PWD/failed --"
		cargo test --offline 2>&1 || echo status $?
		cargo run -q --offline && ls failed`)
	if !strings.Contains(out, "test bad ... FAILED") || !strings.Contains(out, "recording: "+dir+"/failed/p-") || !strings.Contains(out, "status 101") {
		t.Errorf("got:\n%s", out)
	}
}
