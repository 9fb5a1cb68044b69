package testprogs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// ErrNoCompiler is wrapped by Make's error when the language's compiler is not
// installed.
var ErrNoCompiler = errors.New("not installed")

// Build builds program name, or finds it built, and returns its executable's
// path. flags are added to the compiler's command line: "-O2", "-no-pie",
// "-static", "-fsanitize=address"; for Go "-race" or "-gcflags=…". For Python
// and SQL the path is the source's: run it with python3 or sqlite3. The test is
// skipped where the compiler is missing, and fails where the build does.
func Build(t testing.TB, name string, flags ...string) string {
	t.Helper()
	p, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := p.Make(flags...)
	if errors.Is(err, ErrNoCompiler) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Line returns the number of the line of program name that is marked with
// "MARK mark" in a comment.
func Line(t testing.TB, name, mark string) int {
	t.Helper()
	p, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Line(mark)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Make is Build without a test.
func (p *Program) Make(flags ...string) (string, error) {
	if p.Lang == "py" || p.Lang == "sql" {
		return p.Path, nil
	}
	argv, env := p.command(flags)
	tool, err := exec.LookPath(argv[0])
	if err != nil {
		return "", fmt.Errorf("testprogs: %s: %s: %w", p.Name, argv[0], ErrNoCompiler)
	}
	version, err := toolVersion(tool)
	if err != nil {
		return "", err
	}
	key, err := p.key(append(append([]string{version}, argv...), env...))
	if err != nil {
		return "", err
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, strings.ReplaceAll(p.Name, "/", "_")+"-"+key)
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	// Another process may be building the same: each builds its own file and
	// the last rename wins.
	tmp, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return "", fmt.Errorf("testprogs: %w", err)
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, filepath.Base(p.Name))
	for i, a := range argv {
		if a == outputHere {
			argv[i] = made
		}
	}
	cmd := exec.Command(tool, argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("testprogs: %s: %w\n%s", strings.Join(argv, " "), err, b)
	}
	if err := os.Rename(made, out); err != nil {
		return "", fmt.Errorf("testprogs: %w", err)
	}
	return out, nil
}

// outputHere stands for the output's path until that is known.
const outputHere = "\x00output"

// command returns the compiler's command line and additions to its environment.
func (p *Program) command(flags []string) (argv, env []string) {
	all := append(append([]string(nil), p.Flags...), flags...)
	switch p.Lang {
	case "go":
		argv = append([]string{"go", "build", "-o", outputHere}, all...)
		return append(argv, p.Path), []string{"GOFLAGS=-mod=mod", "GOWORK=off"}
	case "rs":
		argv = append([]string{"rustc", "--edition=2021", "-g", "-o", outputHere}, all...)
		return append(argv, p.Path), nil
	case "cc":
		argv = []string{"g++", "-std=c++20"}
	default:
		argv = []string{"gcc", "-std=gnu17"}
	}
	argv = append(argv, "-g", "-O0", "-pthread")
	var libs []string // come last
	for _, f := range all {
		if strings.HasPrefix(f, "-l") {
			libs = append(libs, f)
		} else {
			argv = append(argv, f)
		}
	}
	return append(append(argv, "-o", outputHere, p.Path), libs...), nil
}

// key hashes the source, the headers beside it and the command line.
func (p *Program) key(parts []string) (string, error) {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(p.Path), "*.h"))
	if err != nil {
		return "", fmt.Errorf("testprogs: %w", err)
	}
	h := sha256.New()
	for _, f := range append(files, p.Path) {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", fmt.Errorf("testprogs: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(f), len(b))
		h.Write(b)
	}
	fmt.Fprintf(h, "%q", parts)
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// cacheDir is testprogs/build, or a directory of the user's own below the
// system's temporary one when the checkout cannot be written.
func cacheDir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	var last error
	for _, dir := range []string{
		filepath.Join(root, "build"),
		filepath.Join(os.TempDir(), fmt.Sprintf("yore-testprogs-%d", os.Getuid())),
	} {
		if last = os.MkdirAll(dir, 0o755); last != nil {
			continue
		}
		f, err := os.CreateTemp(dir, "try-")
		if last = err; err == nil {
			f.Close()
			os.Remove(f.Name())
			return dir, nil
		}
	}
	return "", fmt.Errorf("testprogs: %w", last)
}

var (
	versionsMu sync.Mutex
	versions   = map[string]string{}
)

// toolVersion returns what a compiler says of itself, once per process.
func toolVersion(tool string) (string, error) {
	versionsMu.Lock()
	defer versionsMu.Unlock()
	if v, ok := versions[tool]; ok {
		return v, nil
	}
	arg := "--version"
	if filepath.Base(tool) == "go" {
		arg = "version"
	}
	b, err := exec.Command(tool, arg).Output()
	if err != nil {
		return "", fmt.Errorf("testprogs: %s %s: %w", tool, arg, err)
	}
	versions[tool] = string(b)
	return versions[tool], nil
}
