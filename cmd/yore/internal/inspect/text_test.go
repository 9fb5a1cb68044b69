package inspect

import (
	"os/exec"
	"testing"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "": "''", "b c": "'b c'", "it's": `'it'\''s'`, "$x": "'$x'", "--k=v": "--k=v", "ü": "'ü'",
		"a\nb": `$'a\nb'`, "\x1b[31m": `$'\x1b[31m'`, "\xff'": `$'\xff\''`, "\u202e": `$'\xe2\x80\xae'`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// A shell reads back what Command prints.
func FuzzCommand(f *testing.F) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		f.Skip("bash is not installed")
	}
	for _, s := range []string{"", "it's", "a\nb", "\x1b\xff\\", "$(x) `y` \"z\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i := range len(s) {
			if s[i] == 0 {
				return // no argument holds one
			}
		}
		out, err := exec.Command(bash, "-c", "printf '%s.' "+Command([]string{s})).Output()
		if err != nil || string(out) != s+"." {
			t.Errorf("%q as %s came back as %q, %v", s, Command([]string{s}), out, err)
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"ab ü": "ab ü", "a\x1b]0;x\a": `a\x1b]0;x\a`, "\xff": `\xff`} {
		if got := Printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
