package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// promptSet is the flags of a command with a prompt.
func promptSet() (*pflag.FlagSet, *promptFlags, *sessionFlags) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	fs.SetInterspersed(false)
	var p promptFlags
	var s sessionFlags
	p.register(fs)
	s.register(fs)
	return fs, &p, &s
}

func TestNormalise(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"-batch -ex run ./p -ex x", "--batch --ex run ./p -ex x"},
		{"-ex -batch ./p", "--ex -batch ./p"}, // a command that looks like a flag
		{"-ex=bt -x f ./p", "--ex=bt -x f ./p"},
		{"-command f -nx -quiet -- -ex", "--command f --nx --quiet -- -ex"},
		{"--ex bt --gdb g ./p -nx", "--ex bt --gdb g ./p -nx"},
		{"-q -nx ./p", "-q --nx ./p"},
		{"-xfile -nx", "-xfile --nx"},
		{"-qx file -nx", "-qx file --nx"},
		{"-iex a -ix b -init-command c -eval-command d", "--iex a --ix b --init-command c --eval-command d"},
		{"-ex", "--ex"},
		{"./p -batch", "./p -batch"},
		{"- -batch", "- -batch"},
		{"", ""},
		{"-nosuch -batch", "-nosuch --batch"},
		{"--stdin f -batch", "--stdin f --batch"},
		{"-stdin=f -batch", "--stdin=f --batch"},
		{"-env A=b -batch", "--env A=b --batch"},
	} {
		fs, _, _ := promptSet()
		got := normalise(strings.Fields(c.in), fs)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %q", c.in, got, c.want)
		}
	}
}

// Whatever is normalised, parsing leaves PROG and its arguments as they were.
func FuzzNormalise(f *testing.F) {
	f.Add("-batch -ex run", "./p -ex x")
	f.Add("-x", "-")
	f.Fuzz(func(t *testing.T, flags, prog string) {
		fs, _, _ := promptSet()
		words := append(strings.Fields(flags), "--")
		words = append(words, strings.Fields(prog)...)
		got := normalise(words, fs)
		if len(got) != len(words) {
			t.Fatalf("%q: %d words became %q", words, len(words), got)
		}
		for i, w := range words {
			if got[i] != w && got[i] != "-"+w {
				t.Fatalf("%q: word %d became %q", words, i, got[i])
			}
		}
	})
}

func TestPromptFlags(t *testing.T) {
	fs, p, s := promptSet()
	args := normalise([]string{"-batch", "-ex", "a", "-x", "/dev/null", "-ex", "b c", "-iex", "set x", "--checkpoint-memory", "1.5G",
		"--checkpoint-every", "200ms", "--env", "A=1", "--env", "B", "./p", "-ex", "mine"}, fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if want := (scriptList{{Command: "a"}, {File: "/dev/null"}, {Command: "b c"}}); !reflect.DeepEqual(p.Commands, want) {
		t.Errorf("commands %v, want %v", p.Commands, want)
	}
	if want := (scriptList{{Command: "set x"}}); !reflect.DeepEqual(p.Early, want) {
		t.Errorf("early commands %v, want %v", p.Early, want)
	}
	if want := []string{"./p", "-ex", "mine"}; !reflect.DeepEqual(fs.Args(), want) {
		t.Errorf("program %q, want %q", fs.Args(), want)
	}
	if !p.Batch || s.CheckpointMemory != 3<<29 || s.CheckpointEvery.Milliseconds() != 200 {
		t.Errorf("got %+v %+v", p, s)
	}
	env := s.environ([]string{"A=0", "AA=2", "B=3", "C=4"})
	if want := []string{"AA=2", "C=4", "A=1"}; !reflect.DeepEqual(env, want) {
		t.Errorf("environment %q, want %q", env, want)
	}
}

func TestSessionFlagErrors(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"--backend lldb", exitUsage, "--backend lldb: want gdb, delve or auto"},
		{"--tty /dev/tty --stdin x", exitUsage, "--tty cannot be combined with --stdin, --stdout, --stderr"},
		{"--env =x", exitUsage, `--env "=x": want K=V`},
		{"--cwd /nowhere", exitUsage, "--cwd /nowhere: no such directory"},
		{"--checkpoint-every -1s", exitUsage, "--checkpoint-every -1s: is negative"},
		{"", exitOK, ""},
	} {
		fs, _, s := promptSet()
		if err := fs.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		err := s.check()
		if statusOf(err) != c.status || err != nil && err.Error() != c.want {
			t.Errorf("%s: got %v, status %d; want %q, status %d", c.args, err, statusOf(err), c.want, c.status)
		}
	}
}

func TestByteSize(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64 // -1: refused
		out  string
	}{
		{"512", 512, "512"}, {"512M", 512 << 20, "512M"}, {"2g", 2 << 30, "2G"}, {"2GiB", 2 << 30, "2G"},
		{"0.5k", 512, "512"}, {"1TB", 1 << 40, "1T"}, {"0", 0, ""},
		{"", -1, ""}, {"M", -1, ""}, {"-1", -1, ""}, {"x", -1, ""}, {"1P", -1, ""}, {"1e30T", -1, ""}, {"NaN", -1, ""}, {"inf", -1, ""},
	} {
		var b byteSize
		err := b.Set(c.in)
		switch {
		case c.want < 0 && err == nil:
			t.Errorf("%q: got %d, want it refused", c.in, b)
		case c.want >= 0 && (err != nil || int64(b) != c.want || b.String() != c.out):
			t.Errorf("%q: got %d %q %v, want %d %q", c.in, b, b.String(), err, c.want, c.out)
		}
	}
}
