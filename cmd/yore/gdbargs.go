package main

import (
	"strings"
)

// gdbLine is a command line of gdb's own, taken apart as far as `yore gdb`
// must: what is gdb's, what is the program, and what of gdb's is about the
// program.
type gdbLine struct {
	Options []string // for gdb, as they were given and in their order
	Target  []string // the program and its arguments, or a recording
	Args    bool     // --args was given: Target is a program
	Dir     string   // -cd
	TTY     string   // -tty: the program's terminal
	// Info is set for -help, -version and -configuration: gdb answers those
	// without a program.
	Info bool
}

// gdbOptions are gdb's long options: true for those that take a value. gdb
// takes them with one dash or two, shortened as far as they stay unique.
var gdbOptions = map[string]bool{
	"args": false, "async": false, "batch": false, "batch-silent": false, "configuration": false,
	"dbx": false, "enable-external-editor": false, "epoch": false, "fullname": false, "help": false,
	"nh": false, "noasync": false, "nowindows": false, "nw": false, "nx": false, "quiet": false,
	"readnever": false, "readnow": false, "return-child-result": false, "silent": false,
	"statistics": false, "tui": false, "version": false, "windows": false, "write": false,
	"annotate": true, "baud": true, "cd": true, "command": true, "core": true, "data-directory": true,
	"directory": true, "early-init-command": true, "early-init-eval-command": true, "eiex": true, "eix": true,
	"eval-command": true, "ex": true, "exec": true, "iex": true, "init-command": true,
	"init-eval-command": true, "interpreter": true, "ix": true, "pid": true, "se": true,
	"symbols": true, "tty": true, "ui": true, "xdb": false,
}

// gdbLetters are gdb's options of one letter: true for those that take a value,
// which may follow in the same word.
var gdbLetters = map[byte]bool{
	'b': true, 'c': true, 'd': true, 'D': true, 'e': true, 'i': true, 'l': true, 'p': true, 's': true, 'x': true,
	'f': false, 'n': false, 'q': false, 'r': false, 'w': false, 'h': false, 'v': false,
}

// parseGDB takes args apart as gdb would. What yore cannot do (-p, -c, options
// that gdb does not have) is a wrong command line.
func parseGDB(args []string) (gdbLine, error) {
	var l gdbLine
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			l.Target = args[i+1:]
			l.Args = true
			break
		}
		if len(a) < 2 || a[0] != '-' {
			l.Target = args[i:]
			break
		}
		name, takes, value, given, err := gdbOption(a)
		if err != nil {
			return l, err
		}
		words := []string{a}
		if takes && !given {
			if i++; i == len(args) {
				return l, usagef("gdb: option %s needs a value", a)
			}
			value = args[i]
			words = append(words, value)
		}
		switch name {
		case "args":
			l.Args = true
			continue
		case "tty":
			l.TTY = value
			continue
		case "cd":
			l.Dir = value
		case "help", "h", "version", "v", "configuration":
			l.Info = true
		case "pid", "p":
			return l, usagef("gdb %s: yore records from a program's first instruction and cannot attach to a running one", a)
		case "core", "c":
			return l, usagef("gdb %s: a core dump has no history; gdb alone reads it", a)
		case "exec", "e", "se", "symbols", "s":
			return l, usagef("gdb %s: name the program as the last thing on the line", a)
		}
		l.Options = append(l.Options, words...)
	}
	return l, nil
}

// gdbOption reads one option: its full name, whether it takes a value, and the
// value when it stands in the same word.
func gdbOption(a string) (name string, takes bool, value string, given bool, err error) {
	word, value, given := strings.Cut(strings.TrimPrefix(a[1:], "-"), "=")
	if t, ok := gdbOptions[word]; ok {
		return word, t, value, given, nil
	}
	if !strings.HasPrefix(a, "--") && len(word) == 1 {
		if t, ok := gdbLetters[word[0]]; ok {
			return word, t, value, given, nil
		}
	}
	var near []string
	for n := range gdbOptions {
		if strings.HasPrefix(n, word) {
			near = append(near, n)
		}
	}
	switch {
	case len(near) == 1:
		return near[0], gdbOptions[near[0]], value, given, nil
	case len(near) > 1 && len(word) > 0:
		return "", false, "", false, usagef("gdb: option %s is ambiguous", a)
	}
	// A letter with its value attached: -xFILE.
	if !strings.HasPrefix(a, "--") && gdbLetters[a[1]] {
		return a[1:2], true, a[2:], true, nil
	}
	return "", false, "", false, usagef("gdb has no option %s", a)
}
