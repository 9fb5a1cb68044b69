package pack

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/bundle"
	"yore/engine/trace"
)

func bundleOf(t *testing.T, m *bundle.Manifest, entries map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.yore.zip")
	w, err := bundle.Create(path, m)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range entries {
		if err := w.Add(name, strings.NewReader(text), int64(len(text)), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree lists what is below dir.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Whatever paths a bundle names, its files stay in its directory, and paths that
// are in each other's way do no harm.
func TestOpenForeignPaths(t *testing.T) {
	outside := t.TempDir()
	parent := filepath.Join(outside, "parent")
	paths := []string{"/usr/lib/libc.so.6", "../../../../escape", "/a", "/a/b", "/a", "x\x00y", "", "/", "..", "/with\nnewline",
		"/" + strings.Repeat("n", 300), "/" + strings.Repeat("d/", 1500) + "deep", outside + "/absolute", "relative/p", "/\xff\xfe"}
	m := &bundle.Manifest{}
	entries := map[string]string{}
	for i, p := range paths {
		m.Files = append(m.Files, bundle.File{ID: uint32(i + 1), Paths: trace.Strs([]string{p, p})})
		entries[bundle.FileEntry(uint32(i+1))] = "file"
		m.Sources = append(m.Sources, bundle.Part{Path: trace.Str(p)})
		entries[bundle.SourceEntry(i+1)] = "source"
		m.Debug = append(m.Debug, bundle.Part{Path: trace.Str(p), BuildID: []string{"", "../../x", "00ff", "zz"}[i%4]})
		entries[bundle.DebugEntry(i+1)] = "debug"
	}
	o, err := Open(bundleOf(t, m, entries), parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tree(t, outside) {
		if !strings.HasPrefix(f, "parent/"+privatePrefix) {
			t.Errorf("outside: %q", f)
		}
	}
	for p, want := range map[string]string{o.Path("/usr/lib/libc.so.6"): "file", o.Path("../escape"): "file", o.Path("/a"): "file",
		filepath.Join(o.Source, "relative/p"): "source", filepath.Join(o.Debug, ".build-id/00/ff.debug"): "debug"} {
		if b, err := os.ReadFile(p); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", p, b, err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if left := tree(t, outside); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A bundle without the entries that its manifest names does not open.
func TestOpenMissingEntry(t *testing.T) {
	parent := t.TempDir()
	m := &bundle.Manifest{Sources: []bundle.Part{{Path: "/a.c"}}}
	if _, err := Open(bundleOf(t, m, nil), parent); !bundle.IsBadInput(err) {
		t.Error(err)
	}
	if left := tree(t, parent); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// gdb reads a source of a path with "..", which needs the directories on the way.
func TestOpenRoundaboutPath(t *testing.T) {
	m := &bundle.Manifest{Sources: []bundle.Part{{Path: "/project/build/../src/a.c"}}}
	o, err := Open(bundleOf(t, m, map[string]string{bundle.SourceEntry(1): "int a;"}), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if b, err := os.ReadFile(o.Source + "/project/build/../src/a.c"); err != nil || string(b) != "int a;" {
		t.Errorf("%q, %v", b, err)
	}
	if len(o.SourceTops) != 1 || o.SourceTops[0] != "project" {
		t.Errorf("%q", o.SourceTops)
	}
}

// The directory of a yore that was killed goes when the next bundle is opened, one
// in use stays.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	used, err := makePrivate(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer used.remove()
	dead, err := makePrivate(parent)
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as its process's death does
	old := time.Now().Add(-time.Hour)
	for _, p := range []*private{used, dead} {
		if err := os.Chtimes(filepath.Join(p.dir, lockName), old, old); err != nil {
			t.Fatal(err)
		}
	}
	fresh := filepath.Join(parent, privatePrefix+"fresh")
	other := filepath.Join(parent, "precious")
	for _, d := range []string{fresh, other} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sweep(parent)
	for dir, want := range map[string]bool{used.dir: true, dead.dir: false, fresh: true, other: true} {
		_, err := os.Stat(dir)
		if got := err == nil; got != want {
			t.Errorf("%s is there: %v", dir, got)
		}
	}
}

// What does not fit is not begun, and the error says what is missing.
func TestNoRoom(t *testing.T) {
	parent := t.TempDir()
	if _, err := newPrivate([]string{parent}, 1<<60); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "MB free") {
		t.Error(err)
	}
	if list, _ := os.ReadDir(parent); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// Zeros are not written, and the file is as long as it was.
func TestHoles(t *testing.T) {
	want := append(append(bytes.Repeat([]byte{1}, 100<<10), make([]byte, 1<<20)...), 2)
	want = append(want, make([]byte, 300<<10)...)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := &holes{f: f}
	for i := 0; i < len(want); i += 1 << 20 {
		if _, err := h.Write(want[i:min(i+1<<20, len(want))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(h.at); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestAliases(t *testing.T) {
	dir := t.TempDir()
	lib := filepath.Join(dir, "libx.so.1.2")
	if err := os.WriteFile(lib, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"libx.so.1": "libx.so.1.2", "libx.so": "libx.so.1", "liby.so": "/etc/passwd", "other": "libx.so.1.2"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(aliases(lib), " ")
	if want := lib + " " + filepath.Join(dir, "libx.so") + " " + filepath.Join(dir, "libx.so.1"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
