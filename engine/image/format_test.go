package image

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// exampleState is the image of FORMAT.md's worked example.
func exampleState() *State {
	s := &State{
		Head: Head{Event: 12, Position: "12+3@0x400004", Time: 5000},
		PID:  7, Exe: "/bin/x",
		Regions: []Region{{Addr: 0x400000, Len: 0x3000, Prot: 3, Flags: 2, Name: "x"}},
		Threads: []Thread{{TID: 7, XState: []byte{1, 2, 3}}},
	}
	s.MM.Brk = 0x500000
	s.Threads[0].Regs.Rip = 0x400004
	return s
}

// block returns the bytes of the dump in FORMAT.md's block with the given tag.
func block(t *testing.T, tag string) (raw []byte) {
	t.Helper()
	b, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```"+tag+"\n")
	text, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatalf("FORMAT.md has no block %q", tag)
	}
	for line := range strings.Lines(text) {
		_, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		row, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, row...)
	}
	return raw
}

// The worked example of FORMAT.md is the image that it says.
func TestFormatExample(t *testing.T) {
	raw := block(t, "hex")
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	payload, err := z.DecodeAll(raw[fileHeader:], nil)
	if err != nil || string(payload) != string(block(t, "payload")) {
		t.Errorf("unpacked payload is\n%s%v", hex.Dump(payload), err)
	}

	// The store that the image belongs to.
	dir := t.TempDir()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, 3*PageSize)
	copy(mem, "first page")
	copy(mem[2*PageSize:], "third page")
	w := s.NewWriter()
	if err := w.Add(0x400000, mem); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(exampleState()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "1.img"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	im, err := Open(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if !reflect.DeepEqual(&im.State, exampleState()) {
		t.Errorf("got  %+v\nwant %+v", im.State, *exampleState())
	}
	if want := []Run{{0x400000, 0x1000, 0x1000}, {0x401000, 0x1000, 0}, {0x402000, 0x1000, 0x2000}}; !slices.Equal(im.Runs, want) {
		t.Errorf("runs %+v", im.Runs)
	}
	got := make([]byte, len(mem))
	if n, err := im.ReadAt(got, 0x400000); n != len(got) || err != nil || string(got) != string(mem) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
