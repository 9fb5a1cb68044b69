package main

import (
	"strings"
	"testing"
)

func TestParseGDB(t *testing.T) {
	for _, c := range []struct{ in, options, target, more string }{
		{"./p", "", "./p", ""},
		{"./p a -b", "", "./p a -b", ""},
		{"--args ./p -x y", "", "./p -x y", "args"},
		{"-args ./p", "", "./p", "args"},
		{"-q -nx -ex bt --args ./p", "-q -nx -ex bt", "./p", "args"},
		{"-ex -args ./p", "-ex -args", "./p", ""},
		{"-ex=bt --batch ./p", "-ex=bt --batch", "./p", ""},
		{"-x f -iex c ./p", "-x f -iex c", "./p", ""},
		{"-xf ./p", "-xf", "./p", ""},
		{"-tty /dev/pts/3 -cd /tmp ./p", "-cd /tmp", "./p", "dir=/tmp tty=/dev/pts/3"},
		{"--cd=/tmp --tty=/dev/tty ./p", "--cd=/tmp", "./p", "dir=/tmp tty=/dev/tty"},
		{"-i mi3 ./p", "-i mi3", "./p", ""},
		{"--interp=mi ./p", "--interp=mi", "./p", ""},
		{"-tui ./p", "-tui", "./p", ""},
		{"-d src -D data ./p", "-d src -D data", "./p", ""},
		{"-ret ./p", "-ret", "./p", ""},
		{"-nx -- -weird", "-nx", "-weird", "args"},
		{"--version", "--version", "", "info"},
		{"", "", "", ""},
	} {
		l, err := parseGDB(strings.Fields(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		var more []string
		if l.Args {
			more = append(more, "args")
		}
		if l.Info {
			more = append(more, "info")
		}
		if l.Dir != "" {
			more = append(more, "dir="+l.Dir)
		}
		if l.TTY != "" {
			more = append(more, "tty="+l.TTY)
		}
		if strings.Join(l.Options, " ") != c.options || strings.Join(l.Target, " ") != c.target || strings.Join(more, " ") != c.more {
			t.Errorf("%s: got %+v, want options %q, target %q, %s", c.in, l, c.options, c.target, c.more)
		}
	}
	for in, want := range map[string]string{
		"-p 12":       "gdb -p: yore records from a program's first instruction and cannot attach to a running one",
		"--pid=12":    "gdb --pid=12: yore records from a program's first instruction and cannot attach to a running one",
		"./p2 -p 12":  "",
		"-c core ./p": "gdb -c: a core dump has no history; gdb alone reads it",
		"-ex":         "gdb: option -ex needs a value",
		"-nosuch ./p": "gdb has no option -nosuch",
		"-init ./p":   "gdb: option -init is ambiguous",
		"-s sym ./p":  "gdb -s: name the program as the last thing on the line",
	} {
		_, err := parseGDB(strings.Fields(in))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", in, err)
			}
		} else if err == nil || err.Error() != want || statusOf(err) != exitUsage {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}
