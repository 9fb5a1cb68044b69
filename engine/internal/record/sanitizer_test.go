package record

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"yore/testprogs"
)

// TestSanitizers: what the sanitizers find is found in a recorded program, and it ends
// with their exit status; only leaks, of which san_address has one, are not.
func TestSanitizers(t *testing.T) {
	for _, name := range []string{"ASAN_OPTIONS", "LSAN_OPTIONS"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	long := "LSAN_OPTIONS=max_leaks=3:suppressions=" + strings.Repeat("/", 4000) + "nothing"
	for _, x := range []struct {
		flag, env string
		arg       string
		exit      int
		output    string
	}{
		{"-fsanitize=address", "A=1", "leak", 0, "options: none\n"},
		{"-fsanitize=address", "ASAN_OPTIONS=detect_leaks=1:exitcode=9", "leak", 0, "options: none\n"},
		{"-fsanitize=address", "ASAN_OPTIONS=detect_leaks=1:exitcode=9", "beyond", 9, "heap-buffer-overflow"},
		{"-fsanitize=address", "LSAN_OPTIONS=exitcode=9", "leak", 0, "options: exitcode=9\n"},
		{"-fsanitize=leak", "A=1", "leak", 0, "options: none\n"},
		{"-fsanitize=leak", "LSAN_OPTIONS=detect_leaks=1", "leak", 0, "options: detect_leaks=1\n"},
		{"-fsanitize=address", long, "leak", 0, "options: max_leaks=3:"},
		{"-fsanitize=undefined", "A=1", "leak", 0, "options: none\n"},
	} {
		t.Run(fmt.Sprintf("%s %.40s %s", x.flag, x.env, x.arg), func(t *testing.T) {
			args := []string{testprogs.Build(t, "san_address", "-fno-sanitize=address", x.flag), x.arg}
			r := trip{args: args, env: []string{x.env}}.run(t)
			if e := r.rec.Ended(); e == nil || e.Signaled || e.Code != x.exit {
				t.Errorf("ended %+v, want exit status %d", e, x.exit)
			}
			if !strings.Contains(r.output, x.output) || strings.Contains(r.output, "LeakSanitizer") {
				t.Errorf("output %q, want %q in it", r.output, x.output)
			}
		})
	}
}

func TestLeaksWanted(t *testing.T) {
	for options, want := range map[string]bool{
		"": true, "verbosity=1": true, "detect_leaks=0": false, "detect_leaks=1": true, ":detect_leaks=0 verbosity=1": false,
		"detect_leaks=0:detect_leaks=1": true, "detect_leaks=1,detect_leaks=no": false, "detect_leaks='false'": false, "no_detect_leaks=0": true,
	} {
		if got := leaksWanted(options); got != want {
			t.Errorf("%q: %v, want %v", options, got, want)
		}
	}
}
