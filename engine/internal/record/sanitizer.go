package record

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// LeakSanitizer looks for leaks, at a program's exit, from a task that attaches to
// the program's threads by ptrace. They are traced already, so it gives up and ends
// the program with status 1. It is switched off here, which leaves the rest of the
// sanitizers and the exit status as they are:
//
//  1. The runtimes of gcc and clang take their options from /proc/self/environ, which
//     they read by system calls of their own, before the program's first instruction.
//     The last word on detect_leaks has LSAN_OPTIONS.
//  2. What such a read returns begins with LSAN_OPTIONS as the user has set it, and
//     detect_leaks=0 behind; the first of two variables of one name counts. The result
//     is logged like that of any read.
//
// The environment itself is as it was: the program does not see the option, nor do
// its children and what it executes. A program without the runtime is left alone.

// leakChecker is a function that every runtime with LeakSanitizer in it defines for
// programs to call.
const leakChecker = "__lsan_do_leak_check"

// opened notes a descriptor that shows the program's environment.
func (r *Recorder) opened(fd int64) {
	path, err := os.Readlink(fdPath(r.space.PID, int(fd)))
	if err == nil && path == fmt.Sprintf("/proc/%d/environ", r.pid) {
		r.environ, r.toldEnviron = int(fd), false
	} else if r.environ == int(fd) {
		r.environ = 0
	}
}

// withoutLeaks changes the result ret of a read by t from the beginning of its
// environment, if it is LeakSanitizer that reads; it returns the new result.
func (r *Recorder) withoutLeaks(t *Thread, ret int64) (int64, error) {
	if r.toldEnviron {
		return ret, nil // an empty environment is read from its beginning again and again
	}
	if at, ok := position(r.pid, r.environ); !ok || at != uint64(ret) || !r.checksLeaks(t.entry.Rip) {
		return ret, nil
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", r.pid))
	if err != nil {
		return 0, fmt.Errorf("record: LeakSanitizer: %w", err)
	}
	asan, _ := variable(env, "ASAN_OPTIONS")
	lsan, set := variable(env, "LSAN_OPTIONS")
	if !leaksWanted(asan + ":" + lsan) {
		return ret, nil
	}
	own := []byte("LSAN_OPTIONS=detect_leaks=0\x00")
	if set {
		own = []byte("LSAN_OPTIONS=" + lsan + ":detect_leaks=0\x00")
	}
	x := *t.Regs()
	size := int64(x.Rdx)
	if int64(len(own)) > size {
		return ret, nil
	}
	b := make([]byte, ret)
	b = append(own, b[:r.space.Read(x.Rsi, b)]...)
	if over := int64(len(b)) - size; over > 0 { // the next read is to begin there
		b = b[:size]
		if at, err := t.Inject(unix.SYS_LSEEK, uint64(r.environ), uint64(ret-over), unix.SEEK_SET); err != nil || at != ret-over {
			return 0, fmt.Errorf("record: LeakSanitizer: %d %w", at, err)
		}
	}
	if err := r.space.Write(x.Rsi, b); err != nil {
		return 0, fmt.Errorf("record: LeakSanitizer: %w", err)
	}
	r.toldEnviron = true
	x.Rax = uint64(len(b))
	t.SetRawRegs(x)
	if r.Remark != nil && !r.leaksOff {
		r.leaksOff = true
		r.Remark("LeakSanitizer is switched off: it cannot look for leaks in a program that is recorded")
	}
	return int64(len(b)), nil
}

// checksLeaks reports whether the code at pc is of a runtime with LeakSanitizer.
func (r *Recorder) checksLeaks(pc uint64) bool {
	maps, err := r.space.Maps()
	if err != nil {
		return false
	}
	for i := range maps {
		if m := &maps[i]; pc >= m.Lo && pc < m.Hi && ofFile(m) {
			return defines(m.Path, leakChecker)
		}
	}
	return false
}

// defines reports whether the ELF file at path has a definition of symbol name.
func defines(path, name string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, list := range []func() ([]elf.Symbol, error){f.DynamicSymbols, f.Symbols} {
		all, _ := list()
		for i := range all {
			if all[i].Name == name && all[i].Section != elf.SHN_UNDEF {
				return true
			}
		}
	}
	return false
}

// variable returns the value of the first variable name in env, whose variables each
// end with a zero byte.
func variable(env []byte, name string) (value string, ok bool) {
	for _, v := range bytes.Split(env, []byte{0}) {
		if s, ok := strings.CutPrefix(string(v), name+"="); ok {
			return s, true
		}
	}
	return "", false
}

// leaksWanted reports whether a sanitizer's options leave detect_leaks on.
func leaksWanted(options string) bool {
	wanted := true
	for _, o := range strings.FieldsFunc(options, func(c rune) bool { return strings.ContainsRune(" ,:\n\t\r", c) }) {
		if v, ok := strings.CutPrefix(o, "detect_leaks="); ok {
			v = strings.Trim(v, `"'`)
			wanted = v != "0" && v != "no" && v != "false"
		}
	}
	return wanted
}
