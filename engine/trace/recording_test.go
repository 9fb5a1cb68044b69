package trace

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func tempStore(t *testing.T) Store {
	t.Helper()
	return Store{filepath.Join(t.TempDir(), "store")}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRecordingRoundTrip(t *testing.T) {
	s := tempStore(t)
	m := someMeta()
	m.Ended = nil
	r := must[*Recording](t)(s.Create("/usr/bin/ls", m))
	es := someEvents(31, 300)
	appendAll(t, r.Log, es)
	prints := []Fingerprint{{Event: 250, Threads: 2, Regs: 5, Memory: 6, Pages: 7}, {Event: 0, Regs: 1}, {Event: 299, Regs: 3}}
	for _, p := range prints {
		if err := r.AddFingerprint(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.UpdateMeta(func(m *Meta) { m.Ended = &Ended{How: "signal", Signal: 11} }); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	r = must[*Recording](t)(OpenRecording(filepath.Join(s.Dir, "ls-1")))
	defer r.Close()
	if tr := r.Truncated(); len(tr) != 0 {
		t.Errorf("truncated: %v", tr[0])
	}
	checkAll(t, r.Log, es, upTo(len(es)))
	want := someMeta()
	want.Kind, want.Format, want.Ended = metaKind, FormatVersion, &Ended{How: "signal", Signal: 11}
	if got := r.Meta(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got, cut, err := r.Fingerprints()
	if err != nil || cut != nil || !reflect.DeepEqual(got, []Fingerprint{prints[1], prints[0], prints[2]}) {
		t.Errorf("fingerprints %+v, %v, %v", got, cut, err)
	}
}

func TestStoreNames(t *testing.T) {
	s := tempStore(t)
	if _, err := s.Resolve(""); !errors.Is(err, ErrNoRecording) {
		t.Errorf("latest of an empty store: %v", err)
	}
	if l, err := s.List(); err != nil || len(l) != 0 {
		t.Errorf("empty store: %v, %v", l, err)
	}
	for _, c := range []struct{ prog, name string }{
		{"/bin/ls", "ls-1"}, {"ls", "ls-2"}, {"../a b\n/../my prog", "my_prog-1"}, {".hidden", "hidden-1"},
		{"-x", "x-1"}, {"/", "_-1"}, {"", "program-1"}, {"ls", "ls-3"}, {"ls-2", "ls-2-1"},
	} {
		r := must[*Recording](t)(s.Create(c.prog, Meta{}))
		if got := filepath.Base(r.Dir()); got != c.name {
			t.Errorf("recording of %q is called %q, want %q", c.prog, got, c.name)
		}
		if got, err := s.Resolve("latest"); err != nil || got != r.Dir() {
			t.Errorf("latest is %q, %v", got, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(s.Dir, "ls-2")
	for _, name := range []string{"ls-2", dir, dir + "/", filepath.Join(s.Dir, "latest", "..", "ls-2")} {
		if got, err := s.Resolve(name); err != nil || got != dir {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"ls-9", "no/such", "../../..//nothing"} {
		if got, err := s.Resolve(name); !errors.Is(err, ErrNoRecording) {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

func TestStoreRemove(t *testing.T) {
	s := tempStore(t)
	a := must[*Recording](t)(s.Create("a", Meta{}))
	b := must[*Recording](t)(s.Create("b", Meta{}))
	if err := s.Remove("b-1"); !errors.Is(err, ErrInUse) {
		t.Errorf("removing what is being recorded: %v", err)
	}
	a.Close()
	b.Close()
	rd := must[*Recording](t)(OpenRecording(b.Dir()))
	if err := s.Remove("b-1"); !errors.Is(err, ErrInUse) {
		t.Errorf("removing what is being read: %v", err)
	}
	rd.Close()
	if err := s.Remove("latest"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resolve(""); err != nil || got != a.Dir() {
		t.Errorf("latest is %q, %v", got, err)
	}
	// A damaged recording can still be removed, another directory cannot.
	os.WriteFile(filepath.Join(a.Dir(), "meta"), []byte("rubbish"), 0o600)
	other := filepath.Join(s.Dir, "other-1")
	os.Mkdir(other, 0o700)
	os.WriteFile(filepath.Join(other, "meta"), []byte("{}"), 0o600)
	if err := s.Remove("other-1"); !errors.Is(err, ErrNotRecording) {
		t.Errorf("removing a directory that is no recording: %v", err)
	}
	if _, err := os.Stat(filepath.Join(other, "meta")); err != nil {
		t.Error(err)
	}
	if err := s.Remove("a-1"); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(s.Dir)
	if len(left) != 1 || left[0].Name() != "other-1" {
		t.Errorf("left: %v", left)
	}
}

func TestStoreList(t *testing.T) {
	s := tempStore(t)
	a := must[*Recording](t)(s.Create("a", someMeta()))
	a.Close()
	anon := must[*Recording](t)(s.Anonymous(Meta{}))
	b := must[*Recording](t)(s.Create("b", Meta{}))
	b.Close()
	os.WriteFile(filepath.Join(b.Dir(), "meta"), []byte("rubbish"), 0o600)
	os.Mkdir(filepath.Join(s.Dir, "elsewhere"), 0o700)
	old := time.Now().Add(-48 * time.Hour)
	os.Chtimes(filepath.Join(a.Dir(), "meta"), old, old)

	l, err := s.List()
	if err != nil || len(l) != 3 {
		t.Fatalf("%d entries, %v", len(l), err)
	}
	if e := l[0]; e.Name != "a-1" || e.Err != nil || e.Meta.PID != 77 || e.Live || e.Latest || e.Size == 0 {
		t.Errorf("%+v", e)
	}
	for _, e := range l[1:] {
		switch {
		case e.Anonymous:
			if !e.Live || e.Dir != anon.Dir() {
				t.Errorf("%+v", e)
			}
		case e.Name != "b-1" || !IsBadInput(e.Err) || !e.Latest:
			t.Errorf("%+v", e)
		}
	}
	if err := anon.Discard(); err != nil {
		t.Fatal(err)
	}
	if l, _ := s.List(); len(l) != 2 {
		t.Errorf("%d entries after Discard", len(l))
	}
}

// An anonymous recording can be kept while it is being written and read.
func TestStoreKeep(t *testing.T) {
	s := tempStore(t)
	r := must[*Recording](t)(s.Anonymous(Meta{}))
	if _, err := s.Resolve(""); !errors.Is(err, ErrNoRecording) {
		t.Errorf("an anonymous recording is the latest: %v", err)
	}
	es := someEvents(41, 20000)
	appendAll(t, r.Log, es[:10000])
	if err := s.Keep(r, "prog"); err != nil {
		t.Fatal(err)
	}
	appendAll(t, r.Log, es[10000:])
	if err := r.Log.Flush(); err != nil {
		t.Fatal(err)
	}
	r.Log.cache = frameCache{limit: cacheBytes}
	checkAll(t, r.Log, es, upTo(len(es)))
	if r.Dir() != filepath.Join(s.Dir, "prog-1") || r.Log.Dir() != filepath.Join(r.Dir(), "events") {
		t.Errorf("kept as %s, %s", r.Dir(), r.Log.Dir())
	}
	if err := r.UpdateMeta(func(m *Meta) { m.Events = 5 }); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = must[*Recording](t)(OpenRecording(filepath.Join(s.Dir, "latest")))
	defer r.Close()
	if r.Log.Len() != 20000 || r.Meta().Events != 5 {
		t.Errorf("%d events, meta %+v", r.Log.Len(), r.Meta())
	}
}

func TestSweep(t *testing.T) {
	s := tempStore(t)
	live := must[*Recording](t)(s.Anonymous(Meta{}))
	defer live.Close()
	dead := must[*Recording](t)(s.Anonymous(Meta{}))
	dead.Close()
	kept := must[*Recording](t)(s.Create("p", Meta{}))
	kept.Close()
	half := filepath.Join(s.Dir, ".new-1")
	os.Mkdir(half, 0o700)
	if err := s.Sweep(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, d := range []string{live.Dir(), dead.Dir(), kept.Dir(), half} {
		if err := os.Chtimes(d, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sweep(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	for d, want := range map[string]bool{live.Dir(): true, dead.Dir(): false, kept.Dir(): true, half: false} {
		if _, err := os.Stat(d); (err == nil) != want {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestCreateAt(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "rec")
	if _, err := CreateAt(filepath.Join(top, "no", "rec"), false, Meta{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
	r := must[*Recording](t)(CreateAt(dir, false, Meta{PID: 1}))
	if _, err := CreateAt(dir, false, Meta{}); !errors.Is(err, ErrExists) {
		t.Errorf("over a recording: %v", err)
	}
	if _, err := CreateAt(dir, true, Meta{}); !errors.Is(err, ErrInUse) {
		t.Errorf("with force over one in use: %v", err)
	}
	r.Close()
	r = must[*Recording](t)(CreateAt(dir, true, Meta{PID: 2}))
	r.Close()
	r = must[*Recording](t)(OpenRecording(dir))
	if r.Meta().PID != 2 {
		t.Errorf("not replaced: %+v", r.Meta())
	}
	r.Close()

	file := filepath.Join(top, "file")
	os.WriteFile(file, []byte("precious"), 0o600)
	home := filepath.Join(top, "home")
	os.Mkdir(home, 0o700)
	os.WriteFile(filepath.Join(home, "meta"), []byte("precious"), 0o600)
	link := filepath.Join(top, "link")
	os.Symlink(dir, link)
	for _, p := range []string{file, home, link} {
		for _, force := range []bool{false, true} {
			if _, err := CreateAt(p, force, Meta{}); !errors.Is(err, ErrExists) {
				t.Errorf("%s, force %v: %v", p, force, err)
			}
		}
	}
	for _, p := range []string{file, filepath.Join(home, "meta")} {
		if b, err := os.ReadFile(p); string(b) != "precious" {
			t.Errorf("%s: %q, %v", p, b, err)
		}
	}
	empty := filepath.Join(top, "empty")
	os.Mkdir(empty, 0o700)
	if _, err := CreateAt(empty, false, Meta{}); !errors.Is(err, ErrExists) {
		t.Errorf("over an empty directory: %v", err)
	}
	r = must[*Recording](t)(CreateAt(empty, true, Meta{}))
	r.Close()
	left, _ := filepath.Glob(filepath.Join(top, ".*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDefaultStore(t *testing.T) {
	for _, c := range []struct{ yore, xdg, home, want string }{
		{"/a/b", "/x", "/h", "/a/b"}, {"", "/x", "/h", "/x/yore"}, {"", "x", "/h", "/h/.local/share/yore"},
		{"", "", "/h", "/h/.local/share/yore"},
	} {
		t.Setenv("YORE_DIR", c.yore)
		t.Setenv("XDG_DATA_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		if s, err := DefaultStore(); err != nil || s.Dir != c.want {
			t.Errorf("%+v: %q, %v", c, s.Dir, err)
		}
	}
}

func TestOpenForeign(t *testing.T) {
	top := t.TempDir()
	empty := filepath.Join(top, "empty")
	os.Mkdir(empty, 0o700)
	file := filepath.Join(top, "file")
	os.WriteFile(file, []byte("x"), 0o600)
	for _, p := range []string{empty, file} {
		_, err := OpenRecording(p)
		if !errors.Is(err, ErrNotRecording) || !IsBadInput(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := OpenRecording(filepath.Join(top, "none")); !errors.Is(err, os.ErrNotExist) || IsBadInput(err) {
		t.Errorf("nothing there: %v", err)
	}

	// Files of a foreign recording that are not files, or lie elsewhere.
	for _, name := range []string{"meta", "events/00000000.seg", "files.tab", "sums", "files/1"} {
		for _, how := range []string{"fifo", "link", "dir"} {
			r := must[*Recording](t)(CreateAt(filepath.Join(top, "rec"), true, Meta{}))
			f := must[*os.File](t)(os.Open(file))
			st := must[File](t)(StatFile(file, f))
			id := must[uint32](t)(r.Files.Add(st, nil))
			if err := r.Files.Capture(id, f); err != nil {
				t.Fatal(err)
			}
			f.Close()
			r.Close()
			p := filepath.Join(top, "rec", name)
			away := filepath.Join(top, "away")
			os.Remove(away)
			if err := os.Rename(p, away); err != nil {
				t.Fatal(err)
			}
			switch how {
			case "fifo":
				unix.Mkfifo(p, 0o600)
			case "link":
				os.Symlink(away, p)
			case "dir":
				os.Mkdir(p, 0o700)
			}
			r, err := OpenRecording(filepath.Join(top, "rec"))
			if err == nil {
				_, _, err = r.Fingerprints()
				if err == nil {
					_, err = r.Files.Open(1)
				}
				r.Close()
			}
			if !IsBadInput(err) {
				t.Errorf("%s as %s: %v", name, how, err)
			}
			if err := os.RemoveAll(filepath.Join(top, "rec")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	s := tempStore(t)
	top := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(top, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	open := func(p string) *os.File { return must[*os.File](t)(os.Open(p)) }
	r := must[*Recording](t)(s.Create("p", Meta{}))
	add := func(p string) uint32 {
		f := open(p)
		return must[uint32](t)(r.Files.Add(must[File](t)(StatFile(p, f)), f))
	}
	lib, data, gone, touched := write("lib", "library"), write("data", "data"), write("gone", "g"), write("touched", "same")
	ids := map[string]uint32{}
	for _, p := range []string{lib, data, gone, touched} {
		ids[p] = add(p)
	}
	if again := add(lib); again != ids[lib] {
		t.Errorf("the same file got ids %d and %d", ids[lib], again)
	}
	cap := open(data)
	if err := r.Files.Capture(ids[data], cap); err != nil {
		t.Fatal(err)
	}
	cap.Close()
	if err := r.Files.Capture(99, strings.NewReader("")); err == nil {
		t.Error("a file without an entry was captured")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	write("data", "other")
	os.Remove(gone)
	os.Remove(touched)
	write("touched", "same")
	r = must[*Recording](t)(OpenRecording(filepath.Join(s.Dir, "p-1")))
	defer r.Close()
	if r.Files.Len() != 4 {
		t.Fatalf("%d files", r.Files.Len())
	}
	content := func(id uint32) (string, error) {
		f, err := r.Files.Open(id)
		if err != nil {
			return "", err
		}
		defer f.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(f)
		return b.String(), err
	}
	for p, want := range map[string]string{lib: "library", data: "data", touched: "same"} {
		if got, err := content(ids[p]); err != nil || got != want {
			t.Errorf("%s: %q, %v", p, got, err)
		}
		if f, _ := r.Files.Get(ids[p]); f.Hash == "" {
			t.Errorf("%s has no hash", p)
		}
	}
	var fe *FileError
	if _, err := content(ids[gone]); !errors.As(err, &fe) || fe.Path != gone {
		t.Errorf("removed file: %v", err)
	}
	write("lib", "LIBRARY")
	if _, err := content(ids[lib]); !errors.As(err, &fe) || fe.Why != "has changed" {
		t.Errorf("changed file: %v", err)
	}
	if _, err := content(77); !IsBadInput(err) {
		t.Errorf("file without an entry: %v", err)
	}
	os.WriteFile(filepath.Join(r.Dir(), "files", "2"), []byte("dAta"), 0o600)
	if _, err := content(ids[data]); !IsBadInput(err) {
		t.Errorf("damaged copy: %v", err)
	}
	if _, err := r.Files.Add(File{Path: "/new"}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("adding to an opened recording: %v", err)
	}
}

// More files at once than are held open to be hashed.
func TestFilesMany(t *testing.T) {
	s := tempStore(t)
	r := must[*Recording](t)(s.Create("p", Meta{}))
	top := t.TempDir()
	const n = 3 * hashOpen
	for i := range n {
		p := filepath.Join(top, strconv.Itoa(i))
		if err := os.WriteFile(p, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
		f := must[*os.File](t)(os.Open(p))
		id := must[uint32](t)(r.Files.Add(must[File](t)(StatFile(p, f)), f))
		if id != uint32(i+1) {
			t.Fatalf("file %d has id %d", i+1, id)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = must[*Recording](t)(OpenRecording(filepath.Join(s.Dir, "p-1")))
	defer r.Close()
	for i := range n {
		f, ok := r.Files.Get(uint32(i + 1))
		want := must[string](t)(HashContent(strings.NewReader(string(f.Path)), int64(len(f.Path))))
		if !ok || f.Hash != want {
			t.Errorf("file %d: hash %q, want %q", i+1, f.Hash, want)
		}
	}
}

// Hashes of files beyond the limit come from samples; memory stays small because
// the files are sparse and read in pieces.
func TestHashContent(t *testing.T) {
	f := must[*os.File](t)(os.CreateTemp(t.TempDir(), ""))
	defer f.Close()
	const size = wholeHash + 5000000
	f.Truncate(size)
	a := must[string](t)(HashContent(f, size))
	if !strings.HasPrefix(a, "xxh64s:") {
		t.Errorf("hash %s", a)
	}
	f.WriteAt([]byte{1}, size-1)
	if b := must[string](t)(HashContent(f, size)); a == b {
		t.Error("the last byte does not matter")
	}
	if _, err := HashContent(f, size+1); err == nil {
		t.Error("hashed more than there is")
	}
	if _, err := HashContent(strings.NewReader("abc"), 4); err == nil {
		t.Error("hashed more than there is")
	}
	if h := must[string](t)(HashContent(strings.NewReader(""), 0)); h != "xxh64:ef46db3751d8e999" {
		t.Errorf("hash of nothing: %s", h)
	}
}

func TestFingerprintHashes(t *testing.T) {
	var r unix.PtraceRegs
	a := HashThread(1, &r, nil)
	r.Gs = 1
	if HashThread(1, &r, nil) == a || HashThread(2, &unix.PtraceRegs{}, nil) == a || HashThread(1, &unix.PtraceRegs{}, []byte{0}) == a {
		t.Error("hashes of different threads are equal")
	}
	page := make([]byte, 4096)
	if HashPage(0x1000, page) != 0 {
		t.Error("a page of zeros has a hash")
	}
	page[4095] = 1
	if h := HashPage(0x1000, page); h == 0 || h == HashPage(0x2000, page) {
		t.Errorf("hash %x", h)
	}
}
