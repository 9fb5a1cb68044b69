package main

import (
	"reflect"
	"testing"
)

func TestSplitArgs(t *testing.T) {
	for _, c := range []struct {
		in   string
		want argLine
		err  string
	}{
		{"", argLine{}, ""},
		{"  a  b\tc ", argLine{args: []string{"a", "b", "c"}}, ""},
		{`'a b' "c d"e '' ""`, argLine{args: []string{"a b", "c de", "", ""}}, ""},
		{`a\ b \'x "\"\$\n"`, argLine{args: []string{"a b", "'x", `"$\n`}}, ""},
		{"a < in >out 2> err b", argLine{args: []string{"a", "b"}, stdin: "in", stdout: "out", stderr: "err"}, ""},
		{"a<in 1>out", argLine{args: []string{"a"}, stdin: "in", stdout: "out"}, ""},
		{"a12>out", argLine{args: []string{"a12"}, stdout: "out"}, ""},
		{"a#b x{1}", argLine{args: []string{"a#b", "x{1}"}}, ""},
		{"'$x' \"it's\"", argLine{args: []string{"$x", "it's"}}, ""},
		{"$x", argLine{}, `'$' needs a shell; in quotes it stands for itself`},
		{"*.c", argLine{}, `'*' needs a shell; in quotes it stands for itself`},
		{"a | b", argLine{}, `'|' needs a shell; in quotes it stands for itself`},
		{`"$x"`, argLine{}, `'$' needs a shell; in single quotes it stands for itself`},
		{"'a", argLine{}, "a quote ' has no end"},
		{`"a`, argLine{}, `a quote " has no end`},
		{"a >", argLine{}, "a redirection has no file"},
		{"a >> b", argLine{}, `">>" is not understood here; plain redirections are: < FILE, > FILE, 2> FILE`},
		{"a 2>&1", argLine{}, `">&" is not understood here; plain redirections are: < FILE, > FILE, 2> FILE`},
	} {
		got, err := splitArgs(c.in)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: error %v, want %s", c.in, err, c.err)
			}
		} else if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
}

func FuzzSplitArgs(f *testing.F) {
	for _, s := range []string{`a 'b' "c" \d`, "< x > y", `"\`, "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { splitArgs(s) })
}
