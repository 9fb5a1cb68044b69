package main

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"yore/cmd/yore/internal/inspect"
)

// A targetError says in one sentence why a path is not a program that yore can
// debug. Kind lets each command choose its exit status.
type targetError struct {
	Kind targetProblem
	Path string
	Msg  string // the sentence, naming the path
}

type targetProblem int

const (
	problemMissing  targetProblem = iota // there is no such file
	problemNotExec                       // a directory, a device, no permission
	problemForeign                       // not a program, or not one for this machine
	problemNotFound                      // a bare name that nothing answers to
)

func (e *targetError) Error() string { return e.Msg }

// checkProgram says whether path is an executable that yore can run: an ELF
// program for Linux x86-64. name is what the person typed and appears in the
// sentence. args are the program's arguments, for the advice given with a
// script. Nothing is executed.
func checkProgram(name, path string, args []string) error {
	bad := func(k targetProblem, format string, a ...any) error {
		return &targetError{k, path, name + ": " + fmt.Sprintf(format, a...)}
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if l, err := os.Readlink(path); err == nil {
			return bad(problemMissing, "no such program: the link points to %s, which does not exist", l)
		}
		return bad(problemMissing, "no such program")
	case errors.Is(err, fs.ErrPermission):
		return bad(problemNotExec, "permission denied: a directory on the way may not be entered")
	case err != nil:
		return bad(problemMissing, "%v", errors.Unwrap(err))
	case st.IsDir():
		return bad(problemNotExec, "is a directory, and not a recording")
	case !st.Mode().IsRegular():
		return bad(problemNotExec, "is not a regular file")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return bad(problemNotExec, "may not be read; yore reads a program that it debugs")
	} else if err != nil {
		return bad(problemNotExec, "%v", errors.Unwrap(err))
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return bad(problemNotExec, "cannot be read: %v", err)
	}
	head = head[:n]
	if msg := describeNonELF(name, head, args); msg != "" {
		return bad(problemForeign, "%s", msg)
	}
	if msg := checkELF(head, f); msg != "" {
		return bad(problemForeign, "%s", msg)
	}
	if !mayExecute(path) {
		return bad(problemNotExec, "is not executable; try: chmod +x %s", inspect.Quote(name))
	}
	return nil
}

// describeNonELF returns a sentence about a file whose first bytes are head,
// "" when it is an ELF file.
func describeNonELF(name string, head []byte, args []string) string {
	switch {
	case len(head) == 0:
		return "is empty, not a program"
	case strings.HasPrefix(string(head), elf.ELFMAG):
		return ""
	case strings.HasPrefix(string(head), "#!"):
		interp := shebang(head)
		if len(interp) == 0 {
			return "is a script that names no interpreter"
		}
		words := append(append(append([]string{"yore", "run"}, interp...), name), args...)
		return "is a script; to debug its interpreter: " + inspect.Command(words)
	case strings.HasPrefix(string(head), "MZ"):
		return "is a Windows program; yore runs Linux x86-64 programs"
	case strings.HasPrefix(string(head), "\xcf\xfa\xed\xfe"), strings.HasPrefix(string(head), "\xca\xfe\xba\xbe"):
		return "is a macOS program; yore runs Linux x86-64 programs"
	case strings.HasPrefix(string(head), "!<arch>\n"):
		return "is a library archive, not a program"
	}
	switch filepath.Ext(name) {
	case ".go":
		return "is Go source; build it first: go build -gcflags='all=-N -l'"
	case ".c":
		return "is C source; build it first: gcc -g -O0"
	case ".cc", ".cpp", ".cxx":
		return "is C++ source; build it first: g++ -g -O0"
	case ".rs":
		return "is Rust source; build it first: cargo build"
	}
	return "is not a program (no ELF header)"
}

// shebang returns the interpreter of a script and its argument, as the kernel
// splits them; "/usr/bin/env X" counts as X.
func shebang(head []byte) []string {
	r := bufio.NewReader(strings.NewReader(string(head[2:])))
	line, _ := r.ReadString('\n')
	interp, arg, _ := strings.Cut(strings.Trim(line, " \t\r\n"), " ")
	arg = strings.TrimSpace(arg)
	if interp == "" {
		return nil
	}
	if filepath.Base(interp) == "env" && arg != "" {
		words := strings.Fields(arg)
		if words[0] == "-S" {
			words = words[1:]
		}
		for len(words) > 0 && (strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		if len(words) > 0 {
			return words
		}
	}
	if arg == "" {
		return []string{interp}
	}
	return []string{interp, arg}
}

// checkELF returns a sentence on why an ELF file is not a program for this
// machine, "" when it is one. head is its beginning.
func checkELF(head []byte, f *os.File) string {
	if len(head) < 20 {
		return "is damaged: its ELF header is cut off"
	}
	class, data := elf.Class(head[elf.EI_CLASS]), elf.Data(head[elf.EI_DATA])
	machine := elf.Machine(uint16(head[18]) | uint16(head[19])<<8)
	if data == elf.ELFDATA2MSB {
		machine = elf.Machine(uint16(head[19]) | uint16(head[18])<<8)
	}
	if machine != elf.EM_X86_64 || class != elf.ELFCLASS64 || data != elf.ELFDATA2LSB {
		return fmt.Sprintf("is a program for %s; yore runs x86-64 programs", machineName(machine, class))
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return "is damaged: " + strings.TrimPrefix(err.Error(), "bad ELF: ")
	}
	switch e.Type {
	case elf.ET_REL:
		return "is an object file; link it into a program first"
	case elf.ET_CORE:
		return "is a core dump, not a program"
	case elf.ET_EXEC, elf.ET_DYN:
	default:
		return "is an ELF file, but not a program"
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Filesz > 4096 {
			return "is damaged: the name of its loader is too long"
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "is damaged: the name of its loader is cut off"
		}
		loader := strings.TrimRight(string(b), "\x00")
		if _, err := os.Stat(loader); err != nil {
			return fmt.Sprintf("needs the loader %s, which this machine does not have", loader)
		}
		return ""
	}
	if e.Type == elf.ET_DYN && e.Entry == 0 {
		return "is a shared library, not a program"
	}
	return ""
}

func machineName(m elf.Machine, c elf.Class) string {
	switch m {
	case elf.EM_386:
		return "32-bit x86 (i386)"
	case elf.EM_X86_64:
		if c == elf.ELFCLASS32 {
			return "the x32 ABI"
		}
		return "x86-64"
	case elf.EM_AARCH64:
		return "aarch64"
	case elf.EM_ARM:
		return "32-bit ARM"
	case elf.EM_RISCV:
		return "RISC-V"
	case elf.EM_PPC64:
		return "POWER"
	case elf.EM_S390:
		return "s390"
	}
	return "another machine (" + strings.TrimPrefix(m.String(), "EM_") + ")"
}
