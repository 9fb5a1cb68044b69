package tui

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMerge: the terminal's text in the places of the log's events.
func TestMerge(t *testing.T) {
	logged := func(texts ...string) (out []chunk) {
		for i, s := range texts {
			out = append(out, chunk{event: int64(i + 1), text: []byte(s)})
		}
		return out
	}
	for _, c := range []struct {
		logged []chunk
		text   string
		want   string
	}{
		{logged("a\n", "b\n"), "a\r\nb\r\n", "1:a\r\n 2:b\r\n"},
		{logged("Name? ", "Hello Ada\n"), "Name? Ada\r\nHello Ada\r\n", "1:Name?  1:Ada\r\n 2:Hello Ada\r\n"},
		{logged("raw\n"), "raw\n", "1:raw\n"},
		{logged("mine\n"), "child\r\nmine\r\nlater\r\n", "1:child\r\n 1:mine\r\n 1:later\r\n"},
		{logged("one\n", "two\n"), "something else", "2:something else"},
		{logged("one\n"), "", "1:one\n"},
		{nil, "text", ""},
	} {
		var got []string
		for _, k := range merge(c.logged, []byte(c.text)) {
			got = append(got, fmt.Sprintf("%d:%s", k.event, k.text))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: %q, want %q", c.text, s, c.want)
		}
	}
}

// TestTypist: keys arrive in their order.
func TestTypist(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var k typist
	var want strings.Builder
	for i := range 500 {
		s := fmt.Sprintf("%d,", i)
		want.WriteString(s)
		k.write(w, []byte(s))
	}
	got := make([]byte, want.Len())
	for n := 0; n < len(got); {
		k, err := r.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if string(got) != want.String() {
		t.Errorf("%q", got)
	}
	w.Close()
}
