package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func someMeta() Meta {
	return Meta{
		Yore: "1.0", Program: "/bin/ls", Args: Strs([]string{"ls", "-l", "\xff\xfe", "snow☃", ""}),
		Env: Strs([]string{"A=1", "B=\x00\x80"}), Cwd: "/tmp", BuildIDs: map[string]string{"/bin/ls": "ab12"},
		PID: 77, Began: time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC),
		Machine: Machine{CPU: "x", Features: []string{"avx", "sse2"}, Kernel: "6.1", CPUs: 2, XCR0: 7},
		Seconds: 1.5, Events: 12, Threads: 3, Counts: map[string]int64{"preempted": 9},
		Ended: &Ended{How: "exit", Status: 3}, Frames: []string{"main"}, Notes: []string{"n"},
	}
}

func TestMetaRoundTrip(t *testing.T) {
	m := someMeta()
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseMeta("meta", b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, &m) {
		t.Errorf("got  %+v\nwant %+v", got, m)
	}
	if !json.Valid(b) {
		t.Errorf("not JSON: %s", b)
	}
}

func TestMetaKeepsUnknownKeys(t *testing.T) {
	m := someMeta()
	m.unknown = map[string]json.RawMessage{"colour": []byte(`{"a":[1,2]}`)}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseMeta("meta", b)
	if err != nil {
		t.Fatal(err)
	}
	got.Events++
	if b, err = got.encode(); err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(all["colour"], map[string]any{"a": []any{1.0, 2.0}}) || all["events"] != 13.0 {
		t.Errorf("rewritten as %s", b)
	}
}

// reseal gives b, with some text replaced, a valid checksum.
func reseal(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	s := strings.Replace(string(b), old, new, 1)
	if s == string(b) {
		t.Fatalf("no %q in %s", old, b)
	}
	raw := []byte(s)
	copy(raw[len(metaHead):], metaNoSum)
	copy(raw[len(metaHead):], metaSum(raw))
	return raw
}

func metaSum(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, crcTable)) }

func TestMetaErrors(t *testing.T) {
	m := someMeta()
	good, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
		text string
	}{
		"empty":   {nil, ErrNotRecording, "meta: description: not a yore recording"},
		"foreign": {[]byte(`{"kind":"soup"}`), ErrNotRecording, ""},
		"binary":  {[]byte{0, 1, 2}, ErrNotRecording, ""},
		"newer":   {reseal(t, good, `"format": 1`, `"format": 2`), ErrNewer, "meta: recording of format 2: format is newer than this yore"},
		"older":   {reseal(t, good, `"format": 1`, `"format": 0`), nil, ""},
		"type":    {reseal(t, good, `"pid": 77`, `"pid": []`), nil, ""},
		"changed": {[]byte(strings.Replace(string(good), "ls", "rm", 1)), nil, "meta: damaged at byte 0: description fails its checksum"},
		"cut":     {good[:len(good)-3], nil, ""},
	} {
		got, err := parseMeta("meta", c.b)
		if err == nil {
			t.Errorf("%s: read as %+v", name, got)
			continue
		}
		if !IsBadInput(err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != nil && !errors.Is(err, c.want) || c.text != "" && err.Error() != c.text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	m := someMeta()
	b, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Mend the checksum, or nothing would be parsed.
		if end := len(metaHead) + len(metaNoSum); len(b) > end && strings.HasPrefix(string(b), metaHead) {
			b = slices.Clone(b)
			copy(b[len(metaHead):], metaNoSum)
			copy(b[len(metaHead):], metaSum(b))
		}
		m, err := parseMeta("meta", b)
		if err != nil {
			if !IsBadInput(err) {
				t.Fatal(err)
			}
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		m2, err := parseMeta("meta", again)
		if err != nil {
			t.Fatalf("%s\nbecame %s\n%v", b, again, err)
		}
		third, err := m2.encode()
		if err != nil || string(third) != string(again) {
			t.Fatalf("%s\nbecame %s\n%v", again, third, err)
		}
	})
}

func TestCPUInfo(t *testing.T) {
	model, flags, n := parseCPUInfo([]byte("processor\t: 0\nmodel name\t: Some CPU: fast\nflags\t\t: sse2 avx\n\nprocessor\t: 1\nmodel name\t: other\nflags\t\t: x\n"))
	if model != "Some CPU: fast" || !slices.Equal(flags, []string{"avx", "sse2"}) || n != 2 {
		t.Errorf("%q %q %d", model, flags, n)
	}
	here := ThisMachine()
	if here.CPUs == 0 || !slices.Contains(here.Features, "sse2") || here.Kernel == "" {
		t.Errorf("this machine: %+v", here)
	}
	other := Machine{Features: []string{"sse2", "pti"}}
	if l := other.Lacks(&Machine{Features: []string{"avx512f", "constant_tsc", "sse2"}}); !slices.Equal(l, []string{"avx512f"}) {
		t.Errorf("lacks %q", l)
	}
	if l := here.Lacks(&here); l != nil {
		t.Errorf("this machine lacks %q", l)
	}
}
