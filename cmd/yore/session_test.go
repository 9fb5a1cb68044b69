package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestConfined runs the core of the scripts with less than we have.
func TestConfined(t *testing.T) {
	for _, c := range []confinement{unprivileged, contained} {
		t.Run(c.name, func(t *testing.T) {
			// Not below t.TempDir, which only we may enter.
			root, err := os.MkdirTemp("", "yore-confined-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(root)
			if err := os.Chmod(root, 0o755); err != nil {
				t.Fatal(err)
			}
			bin := c.install(t, root)
			work := filepath.Join(root, "work")
			if err := os.Mkdir(work, 0o755); err != nil {
				t.Fatal(err)
			}
			p := scriptParams()
			p.Dir, p.Files = "", coreScripts(t)
			p.WorkdirRoot = work
			p.Setup = func(e *testscript.Env) error {
				e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
				e.Setenv("CONFINED", c.name)
				if c.owner == 0 {
					return nil
				}
				return filepath.WalkDir(e.WorkDir, func(p string, _ os.DirEntry, err error) error {
					if err != nil {
						return err
					}
					return os.Lchown(p, c.owner, c.owner)
				})
			}
			testscript.Run(t, p)
		})
	}
}

// coreScripts are those that must work everywhere. Those that are about go build
// and go test, which take most of a minute in a home without a build cache, have
// nothing to do with what a confinement takes away.
func coreScripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return slices.DeleteFunc(files, func(f string) bool {
		return strings.HasSuffix(f, "/test_go.txtar") || strings.HasSuffix(f, "/go_exec.txtar")
	})
}
