package trace

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// smallEvents are short, so that a whole recording can be damaged byte by byte.
func smallEvents(n int) []*Event {
	es := make([]*Event, n)
	for i := range es {
		es[i] = &Event{Kind: Syscall, TID: 1, NR: int32(i), Time: int64(i) * 1000, PC: uint64(0x1000 + i),
			Writes: []Write{{uint64(i) << 12, []byte(fmt.Sprint("event ", i))}}}
	}
	return es
}

var smallPrints = []Fingerprint{{Event: 3, Regs: 1, Memory: 2, Pages: 3, Threads: 1}, {Event: 17, Regs: 9}}

// smallRecording makes a recording with segments of a few frames of four events
// and returns its directory.
func smallRecording(t testing.TB, es []*Event) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rec")
	r, err := CreateAt(dir, false, Meta{PID: 5, Args: []Str{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	r.Log.w.limit = 500
	for i, e := range es {
		if _, err := r.Log.Append(e); err != nil {
			t.Fatal(err)
		}
		if i%4 == 3 {
			if err := r.Log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range smallPrints {
		if err := r.AddFingerprint(p); err != nil {
			t.Fatal(err)
		}
	}
	src := filepath.Join(filepath.Dir(dir), "file")
	os.WriteFile(src, []byte("captured"), 0o600)
	for k := range 2 {
		f, err := os.Open(src)
		if err != nil {
			t.Fatal(err)
		}
		st, err := StatFile(src, f)
		if err != nil {
			t.Fatal(err)
		}
		st.Ino += uint64(k)
		id, err := r.Files.Add(st, nil)
		if err == nil {
			err = r.Files.Capture(id, f)
		}
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// snapshot is all that can be read from a recording.
type snapshot struct {
	meta   Meta
	events []*Event
	prints []Fingerprint
	files  []File
	copies []string
	cut    []*Truncated
}

func read(dir string) (s snapshot, err error) {
	r, err := OpenRecording(dir)
	if err != nil {
		return s, err
	}
	defer r.Close()
	s.meta, s.cut = r.Meta(), r.Truncated()
	for i := range r.Log.Len() {
		e, err := r.Log.At(i)
		if err != nil {
			return s, err
		}
		s.events = append(s.events, e)
	}
	var cut *Truncated
	if s.prints, cut, err = r.Fingerprints(); err != nil {
		return s, err
	}
	if cut != nil {
		s.cut = append(s.cut, cut)
	}
	for id := uint32(1); id <= uint32(r.Files.Len()); id++ {
		f, _ := r.Files.Get(id)
		s.files = append(s.files, f)
		c, err := r.Files.Open(id)
		if err != nil {
			return s, err
		}
		var b bytes.Buffer
		_, err = b.ReadFrom(c)
		c.Close()
		if err != nil {
			return s, err
		}
		s.copies = append(s.copies, b.String())
	}
	return s, nil
}

// checkDamaged holds what can be read of a damaged recording against the good
// one: everything as it was, or a prefix that is said to be one, or an error
// about its bytes in one line. It returns which.
func checkDamaged(t *testing.T, what, dir string, good snapshot) string {
	t.Helper()
	got, err := read(dir)
	if err != nil {
		var fe *FileError // a damaged entry of the table names another file
		if !IsBadInput(err) && !errors.As(err, &fe) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
		return "error"
	}
	if !reflect.DeepEqual(got.meta, good.meta) {
		t.Errorf("%s: wrong description without an error: %+v", what, got.meta)
	}
	if len(got.cut) == 0 {
		if !reflect.DeepEqual(got, good) {
			t.Errorf("%s: wrong data without an error", what)
		}
		return "whole"
	}
	for _, c := range got.cut {
		if c.Bytes < 0 || c.Offset < 0 || c.Why == "" || strings.Contains(c.String(), "\n") {
			t.Errorf("%s: %v", what, c)
		}
	}
	prefix := func(n int, ok func(k int) bool) {
		if !ok(n) {
			t.Errorf("%s: wrong data in what is left", what)
		}
	}
	prefix(len(got.events), func(k int) bool {
		return k <= len(good.events) && reflect.DeepEqual(got.events, good.events[:k:k]) || k == 0
	})
	for _, p := range got.prints {
		if !slices.Contains(good.prints, p) {
			t.Errorf("%s: fingerprint %+v", what, p)
		}
	}
	for i, f := range got.files {
		// A later record of a file may be lost.
		if i >= len(good.files) || f.Path != good.files[i].Path || f.Captured && f != good.files[i] || got.copies[i] != "captured" {
			t.Errorf("%s: file %+v", what, f)
		}
	}
	return "prefix"
}

// recordingFiles lists the files whose bytes matter.
func recordingFiles(t testing.TB, dir string) []string {
	t.Helper()
	segs, err := filepath.Glob(filepath.Join(dir, "events", "*.seg"))
	if err != nil || len(segs) < 3 {
		t.Fatalf("segments %v, %v", segs, err)
	}
	return append(segs, filepath.Join(dir, "meta"), filepath.Join(dir, "sums"), filepath.Join(dir, "files.tab"), filepath.Join(dir, "files", "1"))
}

// Every file of a recording cut at every byte.
func TestTruncatedEverywhere(t *testing.T) {
	dir := smallRecording(t, smallEvents(30))
	good, err := read(dir)
	if err != nil || len(good.cut) != 0 || len(good.events) != 30 || len(good.files) != 2 {
		t.Fatalf("%+v, %v", good, err)
	}
	for _, path := range recordingFiles(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := map[string]int{}
		last := -1
		for n := len(b); n >= 0; n-- {
			// Shorter by a byte each time.
			if err := f.Truncate(int64(n)); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s of %d bytes", filepath.Base(path), n)
			o := checkDamaged(t, what, dir, good)
			outcomes[o]++
			if o == "whole" && n < len(b) {
				t.Errorf("%s: not noticed", what)
			}
			last = n
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
		t.Logf("%s: %v, down to %d", filepath.Base(path), outcomes, last)
	}
	// A missing file is like one that was cut.
	for _, path := range recordingFiles(t, dir) {
		os.Rename(path, path+".away")
		if o := checkDamaged(t, filepath.Base(path)+" is missing", dir, good); o == "whole" {
			t.Errorf("without %s: not noticed", filepath.Base(path))
		}
		os.Rename(path+".away", path)
	}
	if o := checkDamaged(t, "restored", dir, good); o != "whole" {
		t.Errorf("restored recording: %s", o)
	}
}

// overwrite changes a file's bytes but not its length, which is cheaper than
// writing it anew.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b, 0)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Random bits flipped in 1,000 copies.
func TestFlippedBits(t *testing.T) {
	dir := smallRecording(t, smallEvents(60))
	good, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(77, 1))
	paths := recordingFiles(t, dir)
	outcomes := map[string]int{}
	for k := range 1000 {
		path := paths[k%len(paths)]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(b)
		var flips []string
		for range 1 + r.IntN(3) {
			at, bit := r.IntN(len(b)), r.IntN(8)
			bad[at] ^= 1 << bit
			flips = append(flips, fmt.Sprintf("%d.%d", at, bit))
		}
		overwrite(t, path, bad)
		o := checkDamaged(t, fmt.Sprintf("%s, bits %v", filepath.Base(path), flips), dir, good)
		if o == "whole" && !bytes.Equal(b, bad) {
			t.Errorf("%s, bits %v: not noticed", filepath.Base(path), flips)
		}
		outcomes[o]++
		overwrite(t, path, b)
	}
	t.Logf("%v", outcomes)
	if outcomes["prefix"] == 0 || outcomes["error"] == 0 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// Zeros or another frame behind the end, as a file system may leave them.
func TestTrailingBytes(t *testing.T) {
	dir := smallRecording(t, smallEvents(30))
	good, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	segs, _ := filepath.Glob(filepath.Join(dir, "events", "*.seg"))
	path := segs[len(segs)-1]
	b, _ := os.ReadFile(path)
	for _, tail := range [][]byte{make([]byte, 1), make([]byte, 5000), b[segmentHeader:]} {
		os.WriteFile(path, append(bytes.Clone(b), tail...), 0o600)
		got, err := read(dir)
		if err != nil || len(got.cut) != 1 || got.cut[0].Bytes != int64(len(tail)) || !reflect.DeepEqual(got.events, good.events) {
			t.Errorf("%d bytes more: %v, %v", len(tail), got.cut, err)
		}
	}
}

// helper runs this test binary as the recorder of a recording in dir.
func helper(t *testing.T, how, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), "TRACE_TEST_HELPER="+how, "TRACE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestHelper is not a test: it is what helper starts.
func TestHelper(t *testing.T) {
	dir := os.Getenv("TRACE_TEST_DIR")
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	switch os.Getenv("TRACE_TEST_HELPER") {
	case "":
		return
	case "endless":
		r, err := CreateAt(dir, false, Meta{})
		fail(err)
		es := someEvents(51, 5000)
		for i := 0; ; i++ {
			_, err := r.Log.Append(es[i%len(es)])
			fail(err)
			if i == 20000 {
				fail(r.Log.Flush())
				fmt.Println("flushed")
			}
		}
	case "full":
		// A file of 300 kB is as large as this disk allows.
		signal.Ignore(unix.SIGXFSZ)
		r, err := CreateAt(dir, false, Meta{})
		fail(err)
		fail(unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 300000, Max: 300000}))
		es := someEvents(51, 5000)
		n := int64(0)
		for err == nil {
			if _, err = r.Log.Append(es[n%5000]); err == nil {
				n++
			}
		}
		fmt.Println("append:", errors.Is(err, unix.EFBIG))
		_, again := r.Log.Append(es[0])
		fmt.Println("append again:", errors.Is(again, unix.EFBIG))
		for i := range n {
			e, err := r.Log.At(i)
			fail(err)
			if !reflect.DeepEqual(e, es[i%5000]) {
				fmt.Println("event", i, "differs")
			}
		}
		fmt.Println("flush:", errors.Is(r.Log.Flush(), unix.EFBIG))
		fmt.Println("close:", errors.Is(r.Close(), unix.EFBIG))
	}
	os.Exit(0)
}

// kill -9 of the recorder: what it flushed is there, and the recording says that
// it was not closed.
func TestKilledRecorder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rec")
	cmd := helper(t, "endless", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil || line != "flushed\n" {
		t.Fatalf("%q, %v", line, err)
	}
	r, err := OpenRecording(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Log.Truncated() == nil || r.Files.Truncated() == nil || r.Log.Len() < 20001 {
		t.Errorf("%d events, truncated %v", r.Log.Len(), r.Truncated())
	}
	es := someEvents(51, 5000)
	for i := range r.Log.Len() {
		e, err := r.Log.At(i)
		if err != nil || !reflect.DeepEqual(e, es[i%5000]) {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if inUse(dir, false) {
		t.Error("the dead recorder's lock is still held")
	}
}

// A full disk: Append says so, for good; what was appended stays readable; the
// recording opens up to the last frame that fitted.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rec")
	out, err := helper(t, "full", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), "append: true\nappend again: true\nflush: true\nclose: true\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	r, err := OpenRecording(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if tr := r.Truncated(); len(tr) != 1 || tr[0].Bytes != 0 || r.Log.Len() == 0 {
		t.Errorf("%d events, truncated %v", r.Log.Len(), tr)
	}
	es := someEvents(51, 5000)
	for i := range r.Log.Len() {
		e, err := r.Log.At(i)
		if err != nil || !reflect.DeepEqual(e, es[i%5000]) {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

// mend gives the headers and payloads of a segment's bytes, as far as they
// follow each other, valid checksums, so that fuzzing gets behind them.
func mend(b []byte) {
	le := binary.LittleEndian
	for at := segmentHeader; at+headerSize <= len(b); {
		h := b[at : at+headerSize]
		copy(h, frameMagic)
		stored := int(le.Uint32(h[8:]))
		if next := at + headerSize + stored; stored < 0 || next > len(b) {
			stored = 0
		}
		le.PutUint64(h[40:], xxhash.Sum64(b[at+headerSize:at+headerSize+stored]))
		le.PutUint32(h[headerSize-4:], crc32.Checksum(h[:headerSize-4], crcTable))
		at += headerSize + stored
	}
}

// FuzzSegment reads segments whose checksums are right and whose content is
// anything: errors are errors about the bytes, events that decode encode again.
func FuzzSegment(f *testing.F) {
	dir := smallRecording(f, smallEvents(6))
	b, err := os.ReadFile(filepath.Join(dir, "events", segmentName(0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	var example []byte
	for line := range strings.Lines(block(f, "hex")) {
		_, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		row, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		example = append(example, row...)
	}
	f.Add(example)
	dec, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		mend(b)
		s, err := scanSegment(bytes.NewReader(b), int64(len(b)), 0, true)
		if err != nil {
			t.Fatal(err)
		}
		if s.good > int64(len(b)) && len(b) >= segmentHeader || s.at > int64(max(len(b), segmentHeader)) {
			t.Fatalf("%d bytes, good %d, stopped at %d", len(b), s.good, s.at)
		}
		var fr frame
		for i := range s.frames {
			h := &s.frames[i]
			if fr.raw, err = openPayload(fr.raw, h, b[h.off+headerSize:h.next()], dec); err != nil {
				return
			}
			if h.flags&flagMore != 0 {
				continue
			}
			fr.info = *h
			if fr.index() != nil {
				return
			}
			for k := h.first; k < h.end(); k++ {
				var e Event
				if fr.decode(k, &e) == nil {
					if again, _, err := DecodeEvent(AppendEvent(nil, &e)); err != nil || !reflect.DeepEqual(e, again) {
						t.Fatalf("%+v became %+v, %v", e, again, err)
					}
				}
			}
			fr = frame{}
		}
	})
}

// FuzzStream reads side streams, the checksums of their first record mended.
func FuzzStream(f *testing.F) {
	dir := smallRecording(f, smallEvents(1))
	for _, name := range []string{filesName, sumsName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(b) - streamHeader - recordHeader; n > 0 {
			b = bytes.Clone(b)
			size := int(binary.LittleEndian.Uint32(b[streamHeader:]))
			if size <= n {
				p := b[streamHeader+recordHeader:]
				binary.LittleEndian.PutUint32(b[streamHeader+4:], crc32.Checksum(p[:size], crcTable))
			}
		}
		total := 0
		for _, magic := range []string{filesMagic, sumsMagic} {
			cut, err := parseStream(bytes.NewReader(b), int64(len(b)), "stream", magic, func(p []byte) error {
				total += len(p)
				_, err := parseFingerprint(p)
				return err
			})
			if err != nil && !IsBadInput(err) {
				t.Fatal(err)
			}
			if cut != nil && (cut.Bytes < 0 || cut.Offset+cut.Bytes != int64(len(b))) {
				t.Fatalf("%d bytes: %+v", len(b), cut)
			}
		}
		if total > 2*len(b) {
			t.Fatalf("%d bytes of records in %d bytes", total, len(b))
		}
	})
}
