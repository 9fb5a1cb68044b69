package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// TARGET may be Go source: it is built first, without optimisations, as a debugger
// wants it. What was built is kept under its content's name in the person's cache:
// a recording refers to it.

// goFlags make a program that a debugger sees all of.
const goFlags = "all=-N -l"

// goSource reports whether a path is a Go source file or a directory with some.
func goSource(path string) bool {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return false
	case st.Mode().IsRegular():
		return strings.HasSuffix(path, ".go")
	case !st.IsDir():
		return false
	}
	files, err := filepath.Glob(filepath.Join(path, "*.go"))
	return err == nil && len(files) > 0
}

// buildGo builds a package's directory or a source file, with test its tests, and
// returns the program's path. The compiler's complaints go to BuildOutput.
func (s sniffer) buildGo(path string, test bool) (string, error) {
	var stderr io.Writer = os.Stderr
	if s.BuildOutput != nil {
		stderr = s.BuildOutput
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", withStatus(exitMachine, fmt.Errorf("%s is Go source, and there is no go on PATH to build it", path))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", withStatus(exitMachine, fmt.Errorf("build %s: %w", path, err))
	}
	cache = filepath.Join(cache, "yore", "go")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", withStatus(exitMachine, fmt.Errorf("build %s: %w", path, err))
	}
	tmp, err := os.MkdirTemp(cache, ".build-")
	if err != nil {
		return "", withStatus(exitMachine, fmt.Errorf("build %s: %w", path, err))
	}
	defer os.RemoveAll(tmp)
	dir, pkg, name := path, ".", filepath.Base(path)
	if strings.HasSuffix(path, ".go") {
		dir, pkg = filepath.Split(path)
		name = strings.TrimSuffix(pkg, ".go")
	}
	args := []string{"build"}
	if test {
		args, name = []string{"test", "-c"}, name+".test"
	}
	out := filepath.Join(tmp, name)
	cmd := exec.Command(tool, slices.Concat(args, []string{"-gcflags=" + goFlags}, s.BuildFlags, []string{"-o", out, pkg})...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stderr, stderr
	if err := cmd.Run(); err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return "", withStatus(exitData, fmt.Errorf("%s does not build", path))
		}
		return "", withStatus(exitMachine, fmt.Errorf("build %s: %w", path, err))
	}
	switch st, err := os.Stat(out); {
	case err != nil && test:
		return "", withStatus(exitData, fmt.Errorf("%s has no tests", path))
	case err != nil:
		return "", withStatus(exitData, fmt.Errorf("%s is a library, not a program", path))
	case st.Mode()&0o111 == 0: // an archive
		return "", withStatus(exitData, fmt.Errorf("%s is a library, not a program", path))
	}
	return keepBuilt(cache, out)
}

// keepBuilt moves a program into the cache, under its content's name.
func keepBuilt(cache, made string) (string, error) {
	f, err := os.Open(made)
	if err != nil {
		return "", withStatus(exitMachine, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", withStatus(exitMachine, err)
	}
	dir := filepath.Join(cache, hex.EncodeToString(h.Sum(nil))[:16])
	path := filepath.Join(dir, filepath.Base(made))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", withStatus(exitMachine, err)
	}
	if err := os.Rename(made, path); err != nil {
		return "", withStatus(exitMachine, err)
	}
	return path, nil
}

// goTarget resolves words that name Go source; ok is false when they do not.
func (s sniffer) goTarget(words []string) (t target, ok bool, err error) {
	name := words[0]
	if name == "test" && len(words) > 1 && goSource(s.abs(words[1])) {
		t, err = s.goTest(words[1:])
		return t, true, err
	}
	if name != "." && !strings.Contains(name, "/") && !strings.HasSuffix(name, ".go") {
		return t, false, nil
	}
	at := filepath.Clean(s.abs(name))
	if !goSource(at) {
		return t, false, nil
	}
	built, err := s.buildGo(at, false)
	return target{Path: built, Args: append([]string{built}, words[1:]...)}, true, err
}

// goTest resolves `PKG [--] [TESTFLAGS]`: the package's test program, to be run in
// the package's directory as go test does.
func (s sniffer) goTest(words []string) (target, error) {
	dir := s.abs(words[0])
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return target{}, withStatus(exitUsage, fmt.Errorf("test %s: want a Go package's directory", words[0]))
	}
	path, err := s.buildGo(filepath.Clean(dir), true)
	if err != nil {
		return target{}, err
	}
	args := words[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	argv := []string{path}
	for _, a := range args {
		argv = append(argv, testFlag(a))
	}
	return target{Path: path, Args: argv, Dir: filepath.Clean(dir)}, nil
}

// testFlag spells a flag of `go test` as the test program wants it.
func testFlag(a string) string {
	name := strings.TrimLeft(a, "-")
	if name == a {
		return a
	}
	key, _, _ := strings.Cut(name, "=")
	switch key {
	case "run", "v", "count", "short", "timeout", "bench", "benchtime", "cpu", "failfast", "list", "parallel", "skip", "shuffle", "fuzz":
		return "-test." + name
	}
	return a
}
