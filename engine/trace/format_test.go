package trace

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// block returns the text of the fenced block of FORMAT.md with the given tag.
func block(t testing.TB, tag string) string {
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
	return text
}

// The worked example of FORMAT.md is a log of the events that stand above it.
func TestFormatExample(t *testing.T) {
	var raw []byte
	for line := range strings.Lines(block(t, "hex")) {
		_, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b...)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "00000000.seg"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Truncated() != nil {
		t.Errorf("truncated: %v", l.Truncated())
	}
	var want []Event
	for line := range strings.Lines(block(t, "events")) {
		e, err := ParseEvent(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	if l.Len() != int64(len(want)) || len(want) == 0 {
		t.Fatalf("%d events, want %d", l.Len(), len(want))
	}
	for i := range want {
		e, err := l.At(int64(i))
		if err != nil || !reflect.DeepEqual(*e, want[i]) {
			t.Errorf("event %d: %v\ngot  %+v\nwant %+v", i, err, e, want[i])
		}
	}
	// The kinds, by number.
	for k := Start; k <= lastKind; k++ {
		if b, _ := os.ReadFile("FORMAT.md"); !strings.Contains(string(b), " "+strconv.Itoa(int(k))+" "+k.String()) {
			t.Errorf("FORMAT.md does not name kind %d %s", k, k)
		}
	}
}
