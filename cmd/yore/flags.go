package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sessionFlags are the flags of commands that open a session.
type sessionFlags struct {
	Backend          string
	GDB              string
	Stdin            string
	Stdout           string
	Stderr           string
	TTY              string
	Cwd              string
	Env              []string
	CheckpointEvery  time.Duration
	CheckpointMemory byteSize
	DebugDirs        []string
	SourceDirs       []string
}

func (f *sessionFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.Backend, "backend", "auto", "the debugger behind the prompt: `gdb|delve|auto`")
	fs.StringVar(&f.GDB, "gdb", "", "the gdb to use, a `PATH` or a name on PATH")
	f.registerProgram(fs)
	f.registerCheckpoints(fs)
}

// registerReplay registers what commands on recordings take.
func (f *sessionFlags) registerReplay(fs *pflag.FlagSet) {
	fs.StringVar(&f.Backend, "backend", "auto", "the debugger behind the prompt: `gdb|delve|auto`")
	fs.StringVar(&f.GDB, "gdb", "", "the gdb to use, a `PATH` or a name on PATH")
	fs.StringArrayVar(&f.DebugDirs, "debug-dir", nil, "look for debug files in `DIR` too, by build-id as in /usr/lib/debug; repeatable")
	fs.StringArrayVar(&f.SourceDirs, "source-dir", nil, "look for sources in `DIR` too; repeatable")
	f.registerCheckpoints(fs)
}

// registerProgram registers what the program is started with.
func (f *sessionFlags) registerProgram(fs *pflag.FlagSet) {
	fs.StringVar(&f.Stdin, "stdin", "", "the program reads `FILE`")
	fs.StringVar(&f.Stdout, "stdout", "", "the program writes to `FILE`")
	fs.StringVar(&f.Stderr, "stderr", "", "the program's errors go to `FILE`")
	fs.StringVar(&f.TTY, "tty", "", "the program's terminal is `DEV`")
	fs.StringVar(&f.Cwd, "cwd", "", "the program starts in `DIR`")
	fs.StringArrayVar(&f.Env, "env", nil, "the program's environment gets `K=V` (K alone: K is removed); repeatable")
}

func (f *sessionFlags) registerCheckpoints(fs *pflag.FlagSet) {
	fs.DurationVar(&f.CheckpointEvery, "checkpoint-every", 0, "the time between checkpoints, a `DURATION` such as 200ms; 0 adapts")
	fs.Var(&f.CheckpointMemory, "checkpoint-memory", "the memory that checkpoints may take, a `SIZE` such as 2G")
}

// check finds contradictions that pflag cannot.
func (f *sessionFlags) check() error {
	switch f.Backend {
	case "", "gdb", "delve", "auto":
	default:
		return usagef("--backend %s: want gdb, delve or auto", f.Backend)
	}
	if f.CheckpointEvery < 0 {
		return usagef("--checkpoint-every %v: is negative", f.CheckpointEvery)
	}
	if f.TTY != "" && (f.Stdin != "" || f.Stdout != "" || f.Stderr != "") {
		return usagef("--tty cannot be combined with --stdin, --stdout, --stderr")
	}
	for _, kv := range f.Env {
		if strings.HasPrefix(kv, "=") || kv == "" {
			return usagef("--env %q: want K=V", kv)
		}
	}
	if f.Cwd != "" {
		if st, err := os.Stat(f.Cwd); err != nil || !st.IsDir() {
			return usagef("--cwd %s: no such directory", f.Cwd)
		}
	}
	return nil
}

// environ applies --env to base: later settings win, K without = removes K.
func (f *sessionFlags) environ(base []string) []string {
	env := append([]string(nil), base...)
	for _, kv := range f.Env {
		k, _, set := strings.Cut(kv, "=")
		kept := env[:0]
		for _, e := range env {
			if !strings.HasPrefix(e, k+"=") {
				kept = append(kept, e)
			}
		}
		env = kept
		if set {
			env = append(env, kv)
		}
	}
	return env
}

// promptFlags are the flags of commands that end in a prompt, with gdb's names.
type promptFlags struct {
	Batch bool
	NX    bool
	Quiet bool
	// Commands are -ex and -x in the order given: gdb runs them so.
	Commands scriptList
	Early    scriptList // -iex, -ix
	Return   bool       // --return-child-result
}

func (f *promptFlags) register(fs *pflag.FlagSet) {
	fs.BoolVar(&f.Batch, "batch", false, "no prompt and no colours; end after the commands, with status 1 when one fails")
	fs.Var(f.Commands.flag(false), "ex", "run the command `CMD` when the session is open; repeatable")
	fs.Var(f.Commands.flag(false), "eval-command", "as --ex, a `CMD`")
	fs.VarP(f.Commands.flag(true), "command", "x", "run the commands in `FILE`; repeatable, in order with --ex")
	fs.Var(f.Early.flag(false), "iex", "as --ex, but run `CMD` before the program is there")
	fs.Var(f.Early.flag(false), "init-eval-command", "as --iex, a `CMD`")
	fs.Var(f.Early.flag(true), "ix", "run the commands in `FILE` before the program is there")
	fs.Var(f.Early.flag(true), "init-command", "as --ix, a `FILE`")
	fs.BoolVar(&f.NX, "nx", false, "do not read ~/.gdbinit and its like")
	fs.BoolVarP(&f.Quiet, "quiet", "q", false, "no banner")
	fs.BoolVar(&f.Quiet, "silent", false, "as --quiet")
	fs.BoolVar(&f.Return, "return-child-result", false, "exit with the program's status")
	for _, alias := range []string{"eval-command", "init-eval-command", "init-command", "silent"} {
		fs.Lookup(alias).Hidden = true
	}
}

// A script is a command, or a file of them.
type script struct {
	Command string
	File    string
}

// A scriptList keeps commands and files of commands in their order.
type scriptList []script

func (l *scriptList) flag(file bool) pflag.Value { return &scriptFlag{l, file} }

type scriptFlag struct {
	list *scriptList
	file bool
}

func (f *scriptFlag) Set(s string) error {
	if f.file {
		if _, err := os.Stat(s); err != nil {
			return fmt.Errorf("no such file")
		}
		*f.list = append(*f.list, script{File: s})
	} else {
		*f.list = append(*f.list, script{Command: s})
	}
	return nil
}
func (f *scriptFlag) String() string { return "" }
func (f *scriptFlag) Type() string   { return "string" }

// byteSize is a flag value in bytes, written with K, M, G or T (of 1024).
type byteSize int64

func (b *byteSize) Set(s string) error {
	num := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	shift := 0
	if n := len(num); n > 0 {
		if i := strings.IndexByte("KMGT", num[n-1]); i >= 0 {
			shift, num = 10*(i+1), num[:n-1]
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || v < 0 || v*float64(int64(1)<<shift) > 1<<62 || v != v {
		return fmt.Errorf("want a size such as 512M or 2G")
	}
	*b = byteSize(v * float64(int64(1)<<shift))
	return nil
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	v, unit := int64(*b), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if v%1024 != 0 {
			break
		}
		v, unit = v/1024, u
	}
	return strconv.FormatInt(v, 10) + unit
}

func (b *byteSize) Type() string { return "SIZE" }

// programArgs makes cmd leave everything from its first word on alone: it
// belongs to PROG.
func programArgs(cmd *cobra.Command) {
	cmd.Flags().SetInterspersed(false)
}
