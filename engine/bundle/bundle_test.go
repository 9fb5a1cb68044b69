package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func small() *Manifest {
	return &Manifest{Yore: "test", Packed: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Name: "list-1", From: 0, To: 88}
}

func write(t testing.TB, m *Manifest, entries map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yore.zip")
	w, err := Create(path, m)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range entries {
		if err := w.Add(name, bytes.NewReader(b), int64(len(b)), strings.HasSuffix(name, ".seg")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRoundTrip(t *testing.T) {
	m := small()
	m.Note = "it breaks"
	m.Files = []File{{ID: 1, Paths: nil, Size: 3}}
	big := bytes.Repeat([]byte("page"), 1<<20)
	want := map[string][]byte{
		"recording/meta": []byte("{}"), "recording/events/00000000.seg": {1, 2, 3}, "recording/images/pages": big,
		FileEntry(1): []byte("elf"), SourceEntry(1): nil, DebugEntry(12): []byte("x"),
	}
	r, err := Open(write(t, m, want))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if d := cmp.Diff(m, r.Manifest); d != "" {
		t.Errorf("manifest: %s", d)
	}
	if len(r.Names()) != len(want)+1 {
		t.Errorf("entries %q", r.Names())
	}
	for name, b := range want {
		var got bytes.Buffer
		if err := r.Copy(&got, name); err != nil || !bytes.Equal(got.Bytes(), b) {
			t.Errorf("%s: %v, %d bytes of %d", name, err, got.Len(), len(b))
		}
	}
	if n := r.Packed("recording/images/pages"); n >= int64(len(big)) {
		t.Errorf("pages of one pattern take %d bytes of %d", n, len(big))
	}
}

// Nothing is left behind by a bundle that was not completed.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "a.yore.zip"), small())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add("../escape", bytes.NewReader(nil), 0, false); err == nil {
		t.Error("a foreign name was taken")
	}
	w.Discard()
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// A change of any one byte, and any shorter file, is noticed.
func TestDamage(t *testing.T) {
	path := write(t, small(), map[string][]byte{"recording/meta": []byte("{}"), FileEntry(1): bytes.Repeat([]byte("x"), 300)})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err == nil {
			r.Close()
			t.Errorf("%s: not noticed", what)
		} else if !IsBadInput(err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range good {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= x
			try(fmt.Sprintf("byte %d ^ %#x", i, x), b)
		}
	}
	for n := range good {
		try(fmt.Sprintf("cut at %d", n), good[:n])
	}
	try("a byte more", append(bytes.Clone(good), 0))
}

// hostile makes an archive whose trailer is right, of whatever entries.
func hostile(t testing.TB, add func(z *zip.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zstdMethod, zstd.ZipCompressor())
	add(z)
	z.SetComment(trailer(0))
	z.Close()
	return sealed(t, b.Bytes())
}

// sealed gives a file with a trailer the right checksum.
func sealed(t testing.TB, b []byte) string {
	t.Helper()
	copy(b[len(b)-trailerLen:], trailer(0))
	copy(b[len(b)-trailerLen:], trailer(xxhash.Sum64(b)))
	path := filepath.Join(t.TempDir(), "hostile.yore.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHostile(t *testing.T) {
	manifest := func(z *zip.Writer) {
		m := small()
		text, _ := m.encode()
		w, _ := z.CreateHeader(&zip.FileHeader{Name: ManifestName, Method: zstdMethod})
		w.Write(text)
	}
	entry := func(z *zip.Writer, h zip.FileHeader, size int) {
		w, err := z.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		for ; size > 0; size -= 1 << 20 {
			w.Write(bytes.Repeat([]byte{'A'}, min(size, 1<<20)))
		}
	}
	link := zip.FileHeader{Name: "source/1"}
	link.SetMode(os.ModeSymlink | 0o777)
	for _, c := range []struct {
		name string
		add  func(z *zip.Writer)
		says string
	}{
		{"slip", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "../../etc/passwd"}, 1) }, "no bundle has an entry"},
		{"absolute", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "/etc/passwd"}, 1) }, "no bundle has an entry"},
		{"slip below", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "source/../../x"}, 1) }, "no bundle has an entry"},
		{"directory", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "source/"}, 0) }, "no bundle has an entry"},
		{"newline", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "source/1\n"}, 0) }, "no bundle has an entry"},
		{"symlink", func(z *zip.Writer) { manifest(z); entry(z, link, 1) }, "not a plain file"},
		{"twice", func(z *zip.Writer) {
			manifest(z)
			entry(z, zip.FileHeader{Name: "source/1"}, 1)
			entry(z, zip.FileHeader{Name: "source/1"}, 2)
		}, "there twice"},
		{"two manifests", func(z *zip.Writer) { manifest(z); manifest(z) }, "there twice"},
		{"bomb", func(z *zip.Writer) {
			manifest(z)
			entry(z, zip.FileHeader{Name: "source/1", Method: zstdMethod}, 300<<20)
		}, "which nothing real is"},
		{"deflate", func(z *zip.Writer) { manifest(z); entry(z, zip.FileHeader{Name: "source/1", Method: zip.Deflate}, 10) }, "packed by method 8"},
		{"no manifest", func(z *zip.Writer) { entry(z, zip.FileHeader{Name: "source/1"}, 1) }, "bundle.json is missing"},
		{"no entries", func(z *zip.Writer) {}, "bundle.json is missing"},
		{"manifest of noise", func(z *zip.Writer) { entry(z, zip.FileHeader{Name: ManifestName}, 100) }, "manifest"},
		{"manifest of another", func(z *zip.Writer) {
			w, _ := z.Create(ManifestName)
			w.Write([]byte("{}"))
		}, "method 8"},
		{"manifest of a later yore", func(z *zip.Writer) {
			w, _ := z.CreateHeader(&zip.FileHeader{Name: ManifestName, Method: zip.Store})
			w.Write([]byte(`{"kind":"yore bundle","format":2}`))
		}, "newer"},
	} {
		r, err := Open(hostile(t, c.add))
		if err == nil {
			r.Close()
			t.Errorf("%s: opened", c.name)
		} else if !IsBadInput(err) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A directory that claims, or has, more entries than there can be is not read.
func TestTooManyEntries(t *testing.T) {
	path := hostile(t, func(z *zip.Writer) {
		for i := range maxEntries + 1 {
			z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("source/%d", i+1)})
		}
	})
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "more entries") {
		t.Error(err)
	}
}

// Of an entry that holds something else than its sizes say, nothing beyond them is
// handed on.
func TestLyingSizes(t *testing.T) {
	path := hostile(t, func(z *zip.Writer) {
		m := small()
		text, _ := m.encode()
		w, _ := z.CreateHeader(&zip.FileHeader{Name: ManifestName, Method: zstdMethod})
		w.Write(text)
		body, _ := zstd.NewWriter(nil)
		packed := body.EncodeAll(bytes.Repeat([]byte("A"), 1<<20), nil)
		raw, _ := z.CreateRaw(&zip.FileHeader{Name: "source/1", Method: zstdMethod, CompressedSize64: uint64(len(packed)), UncompressedSize64: 10})
		raw.Write(packed)
	})
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if err := r.Copy(&got, "source/1"); !IsBadInput(err) || got.Len() > 11 {
		t.Errorf("%v, %d bytes", err, got.Len())
	}
}

// What packs too well to be believed is stored as it is.
func TestDenseContent(t *testing.T) {
	const size = ratioFree + 8<<20
	b := make([]byte, size)
	r, err := Open(write(t, small(), map[string][]byte{FileEntry(1): b}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Copy(io.Discard, FileEntry(1)); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfTheWriterAreNotTheBundles(t *testing.T) {
	r, err := Open(write(t, small(), map[string][]byte{FileEntry(1): []byte("abc")}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	full := errors.New("no space left")
	if err := r.Copy(writerFunc(func([]byte) (int, error) { return 0, full }), FileEntry(1)); err != full {
		t.Error(err)
	}
}

func TestSniff(t *testing.T) {
	b, err := os.ReadFile(write(t, small(), nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"whole", b, true}, {"cut", b[:len(b)-5], true}, {"end only", b[100:], true},
		{"empty", nil, false}, {"text", []byte(strings.Repeat("hello ", 20)), false}, {"another zip", []byte("PK\x03\x04" + strings.Repeat("x", 60)), false},
	} {
		if got := Sniff(bytes.NewReader(c.b), int64(len(c.b))); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestSafePath(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/lib/libc.so.6": "usr/lib/libc.so.6", "../../etc/passwd": "etc/passwd", "/a/../../b": "b", "": "", "/": "",
		"x\x00y": "", "a//b/./c": "a/b/c", "..": "",
	} {
		if got := SafePath(in); got != want {
			t.Errorf("SafePath(%q) = %q, want %q", in, got, want)
		}
	}
}

// The worked example of FORMAT.md is the bundle of small().
func TestFormatExample(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```hex\n")
	block, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("FORMAT.md has no hex block")
	}
	var raw []byte
	for line := range strings.Lines(block) {
		_, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b...)
	}
	path := filepath.Join(t.TempDir(), "example.yore.zip")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := small()
	want.encode()
	if d := cmp.Diff(want, r.Manifest); d != "" {
		t.Error(d)
	}
	var meta bytes.Buffer
	if err := r.Copy(&meta, "recording/meta"); err != nil || meta.String() != "{}" {
		t.Errorf("meta %q, %v", meta.String(), err)
	}
}

// FuzzReader opens whatever bytes, with the right checksum, as a bundle and reads
// all of it.
func FuzzReader(f *testing.F) {
	for _, entries := range []map[string][]byte{nil, {"recording/meta": []byte("{}"), FileEntry(1): bytes.Repeat([]byte("x"), 100)}} {
		b, err := os.ReadFile(write(f, small(), entries))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < trailerLen {
			return
		}
		b = bytes.Clone(b)
		copy(b[len(b)-trailerLen:], trailer(0))
		copy(b[len(b)-trailerLen:], trailer(xxhash.Sum64(b)))
		r, err := newReader("fuzzed", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !IsBadInput(err) {
				t.Fatalf("%v is not about the bundle", err)
			}
			return
		}
		defer r.Close()
		for _, n := range r.Names() {
			if size, _ := r.Size(n); size > 1<<20 {
				continue
			}
			if err := r.Copy(io.Discard, n); err != nil && !IsBadInput(err) {
				t.Fatalf("%s: %v is not about the bundle", n, err)
			}
		}
	})
}
