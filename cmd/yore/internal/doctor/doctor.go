package doctor

import (
	"fmt"
	"io"
	"strings"
)

// State is how a finding stands.
type State int

const (
	OK    State = iota // as it should be
	Note               // worth knowing, no loss
	Limit              // works with less: slower, smaller, or one feature gone
	Lack               // yore cannot be used
)

func (s State) String() string { return [...]string{"ok", "note", "limit", "LACK"}[s] }

// Finding is one line of the report.
type Finding struct {
	Name  string // what was looked at: "ptrace"
	State State
	Text  string // how it stands
	Mend  string // what to do about it, "" when nothing is to be done
}

// Options is what the checks need to know of yore's environment.
type Options struct {
	Proc  string // "/proc", another root in tests
	Cgrp  string // "/sys/fs/cgroup"
	Store string // the directory of recordings; need not exist
	GDB   string // the gdb that yore would use, "" to look on PATH
	Path  string // $PATH
	// Probe is the command that blocks reading its standard input, run as a
	// child to try ptrace on.
	Probe []string
}

// Run makes all checks, in the order of the report.
func Run(o Options) []Finding {
	var fs []Finding
	fs = append(fs, kernel(o))
	fs = append(fs, tryPtrace(o)...)
	fs = append(fs, gdb(o), compiler(o), delve(o))
	fs = append(fs, processor(o), perf(o))
	fs = append(fs, processes(o), tasks(o), memory(o), overcommit(o))
	fs = append(fs, store(o), privileges(o))
	return fs
}

// Usable reports whether nothing that yore cannot do without is lacking.
func Usable(fs []Finding) bool {
	for _, f := range fs {
		if f.State == Lack {
			return false
		}
	}
	return true
}

// Write prints a line for each finding and a line of conclusion. With color
// set the states are coloured for a terminal.
func Write(w io.Writer, fs []Finding, color bool) error {
	var b strings.Builder
	width := 0
	for _, f := range fs {
		width = max(width, len(f.Name))
	}
	for _, f := range fs {
		fmt.Fprintf(&b, "%s  %-*s  %s", paint(f.State, color), width, f.Name, f.Text)
		if f.Mend != "" {
			fmt.Fprintf(&b, "; to mend: %s", f.Mend)
		}
		b.WriteByte('\n')
	}
	if Usable(fs) {
		b.WriteString("yore can be used on this machine\n")
	} else {
		b.WriteString("yore cannot be used on this machine as it is\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func paint(s State, color bool) string {
	text := fmt.Sprintf("%-5s", s)
	if !color {
		return text
	}
	code := [...]string{"32", "36", "33", "1;31"}[s]
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
