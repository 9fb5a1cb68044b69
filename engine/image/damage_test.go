package image

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// smallStore makes a store of two images and returns its files by name.
func smallStore(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	st := someState(r)
	for range 2 {
		w := s.NewWriter()
		for i := range st.Regions {
			if err := w.Add(st.Regions[i].Addr, randomPage(r)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(st); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{pagesName, sumsName, imageName(1), imageName(2)} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func putStore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// readStore opens image 2, the newer one, and reads all of it.
func readStore(dir string) (State, memory, error) {
	im, err := Open(dir, 2)
	if err != nil {
		return State{}, nil, err
	}
	defer im.Close()
	mem := memory{}
	err = im.Pages(func(addr uint64, p []byte) error {
		for ; len(p) > 0; p, addr = p[PageSize:], addr+PageSize {
			mem[addr] = bytes.Clone(p[:PageSize])
		}
		return nil
	})
	return im.State, mem, err
}

// checkDamaged reads a damaged store: it gives what was written or an error
// about its bytes in one line.
func checkDamaged(t *testing.T, dir, what string, state State, mem memory) (ok bool) {
	t.Helper()
	gotState, gotMem, err := readStore(dir)
	if err != nil {
		if !IsBadInput(err) && !errors.Is(err, ErrNoImage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
		return false
	}
	if !reflect.DeepEqual(gotState, state) || !reflect.DeepEqual(gotMem, mem) {
		t.Errorf("%s: wrong data without an error", what)
	}
	return true
}

func TestTruncated(t *testing.T) {
	files := smallStore(t)
	dir := t.TempDir()
	putStore(t, dir, files)
	state, mem, err := readStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		step := 1
		if name == pagesName {
			step = 37
		}
		for n := 0; n < len(b); n += step {
			os.WriteFile(filepath.Join(dir, name), b[:n], 0o600)
			ok := checkDamaged(t, dir, fmt.Sprintf("%s of %d bytes", name, n), state, mem)
			if ok && name != imageName(1) {
				t.Fatalf("%s of %d bytes was not noticed", name, n)
			}
		}
		os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
	// Opening such a store for writing must not give lost pages' numbers away.
	os.WriteFile(filepath.Join(dir, pagesName), files[pagesName][:3*PageSize], 0o600)
	var f *FormatError
	if s, err := OpenStore(dir); !errors.As(err, &f) {
		t.Errorf("opened %v for writing, %v", s, err)
	}
}

func TestFlippedBits(t *testing.T) {
	files := smallStore(t)
	dir := t.TempDir()
	putStore(t, dir, files)
	state, mem, err := readStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 9))
	names := []string{pagesName, sumsName, imageName(1), imageName(2)}
	bad := 0
	for k := range 1000 {
		name := names[k%len(names)]
		b := bytes.Clone(files[name])
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		os.WriteFile(filepath.Join(dir, name), b, 0o600)
		if !checkDamaged(t, dir, fmt.Sprintf("copy %d, %s", k, name), state, mem) {
			bad++
		}
		os.WriteFile(filepath.Join(dir, name), files[name], 0o600)
	}
	// All flips in image 2 and most of those in pages and checksums matter.
	if bad < 500 {
		t.Errorf("%d of 1000 damaged copies were noticed", bad)
	}
}

// A payload that unpacks to much more than it should costs no more memory than
// what it really holds.
func TestBomb(t *testing.T) {
	z, err := zstd.NewWriter(nil, zstd.WithWindowSize(zstdWindow))
	if err != nil {
		t.Fatal(err)
	}
	// As many regions as the count allows to be said, then zeros for ever.
	head := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x40}
	payload := z.EncodeAll(append(head, make([]byte, 64<<20)...), nil)
	dir := t.TempDir()
	putStore(t, dir, smallStore(t))
	h := header{id: 2, stored: uint64(len(payload)), hash: xxhash.Sum64(payload)}
	os.WriteFile(filepath.Join(dir, imageName(2)), append(h.append(nil), payload...), 0o600)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Open(dir, 2)
	runtime.ReadMemStats(&after)
	var f *FormatError
	if !errors.As(err, &f) {
		t.Errorf("opened: %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 400<<20 {
		t.Errorf("%d bytes allocated for a file of %d", n, len(payload))
	}
}

func decodeRaw(raw []byte, s *State) ([]Run, error) {
	d := decoder{r: bufio.NewReader(bytes.NewReader(raw))}
	d.state(s)
	runs := d.runs()
	d.end()
	return runs, d.err
}

// mendHeader gives a header its checksum.
func mendHeader(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[fileHeader-4:], crc32.Checksum(b[:fileHeader-4], crcTable))
	return b
}

func FuzzPayload(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 2))
	st := someState(r)
	st.Regions, st.Threads = st.Regions[:2], st.Threads[1:2]
	st.Threads[0].XState = []byte{1, 2}
	b, err := encode(st, []Run{{st.Regions[0].Addr, 0x1000, 0x1000}}, 1, 2)
	if err != nil {
		f.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := d.DecodeAll(b[fileHeader:], nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s State
		runs, err := decodeRaw(raw, &s)
		if err != nil || s.check() != nil || checkRuns(runs, s.Regions, 1<<32-1) != nil {
			return
		}
		b, err := encode(&s, runs, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.DecodeAll(b[fileHeader:], nil)
		if err != nil {
			t.Fatal(err)
		}
		var s2 State
		runs2, err := decodeRaw(again, &s2)
		if err != nil || !reflect.DeepEqual(s, s2) || !reflect.DeepEqual(runs, runs2) {
			t.Fatalf("%+v %v\nbecame %+v %v\n%v", s, runs, s2, runs2, err)
		}
	})
}

// FuzzImageFile feeds whole files to the reader, their checksums mended.
func FuzzImageFile(f *testing.F) {
	b, err := encode(&State{Head: Head{Position: "1"}, Regions: []Region{{Addr: 0x1000, Len: 0x1000}}},
		[]Run{{0x1000, 0x1000, 0x1000}}, 1, 2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= fileHeader {
			b = bytes.Clone(b)
			if h, err := parseHeader("", mendHeader(b)); err == nil {
				h.stored, h.hash = uint64(len(b)-fileHeader), xxhash.Sum64(b[fileHeader:])
				h.append(b[:0])
			}
		}
		var s State
		_, err := readImageFrom(bytes.NewReader(b), int64(len(b)), "image", 1, func(d *decoder) {
			d.state(&s)
			d.runs()
			d.end()
		})
		var fe *FormatError
		if err != nil && !errors.As(err, &fe) {
			t.Fatal(err)
		}
	})
}
