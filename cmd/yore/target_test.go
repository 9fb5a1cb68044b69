package main

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yore/engine/trace"
)

// elfFile returns a minimal ELF file: a header and, with loader set, a PT_INTERP.
func elfFile(class elf.Class, data elf.Data, typ elf.Type, m elf.Machine, loader string) []byte {
	var bo binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		bo = binary.BigEndian
	}
	b := make([]byte, 64+56)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(class), byte(data), 1
	bo.PutUint16(b[16:], uint16(typ))
	bo.PutUint16(b[18:], uint16(m))
	bo.PutUint32(b[20:], 1)
	if class != elf.ELFCLASS64 {
		return b
	}
	bo.PutUint64(b[24:], 0x1000) // e_entry
	bo.PutUint64(b[32:], 64)     // e_phoff
	bo.PutUint16(b[52:], 64)     // e_ehsize
	bo.PutUint16(b[54:], 56)     // e_phentsize
	bo.PutUint16(b[58:], 64)     // e_shentsize
	if loader != "" {
		bo.PutUint16(b[56:], 1) // e_phnum
		bo.PutUint32(b[64:], uint32(elf.PT_INTERP))
		bo.PutUint64(b[64+8:], uint64(len(b)))
		bo.PutUint64(b[64+32:], uint64(len(loader)+1))
		bo.PutUint64(b[64+40:], uint64(len(loader)+1))
		b = append(b, loader...)
		b = append(b, 0)
	}
	return b
}

func native(loader string) []byte {
	return elfFile(elf.ELFCLASS64, elf.ELFDATA2LSB, elf.ET_EXEC, elf.EM_X86_64, loader)
}

func write(t *testing.T, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestCheckProgram(t *testing.T) {
	dir := t.TempDir()
	const le, be = elf.ELFDATA2LSB, elf.ELFDATA2MSB
	const c64, c32 = elf.ELFCLASS64, elf.ELFCLASS32
	for _, c := range []struct {
		name string
		file []byte
		mode os.FileMode
		kind targetProblem
		want string // the sentence after "NAME: ", "" when the program is fine
	}{
		{"fine", native(""), 0o755, 0, ""},
		{"fine-with-loader", native("/proc/self/exe"), 0o755, 0, ""},
		{"noloader", native("/lib/ld-nowhere.so.1"), 0o755, problemForeign, "needs the loader /lib/ld-nowhere.so.1, which this machine does not have"},
		{"noexec", native(""), 0o644, problemNotExec, "is not executable; try: chmod +x noexec"},
		{"i386", elfFile(c32, le, elf.ET_EXEC, elf.EM_386, ""), 0o755, problemForeign, "is a program for 32-bit x86 (i386); yore runs x86-64 programs"},
		{"x32", elfFile(c32, le, elf.ET_EXEC, elf.EM_X86_64, ""), 0o755, problemForeign, "is a program for the x32 ABI; yore runs x86-64 programs"},
		{"arm64", elfFile(c64, le, elf.ET_EXEC, elf.EM_AARCH64, ""), 0o755, problemForeign, "is a program for aarch64; yore runs x86-64 programs"},
		{"s390x", elfFile(c64, be, elf.ET_EXEC, elf.EM_S390, ""), 0o755, problemForeign, "is a program for s390; yore runs x86-64 programs"},
		{"odd", elfFile(c64, le, elf.ET_EXEC, elf.EM_SPARCV9, ""), 0o755, problemForeign, "is a program for another machine (SPARCV9); yore runs x86-64 programs"},
		{"thing.o", elfFile(c64, le, elf.ET_REL, elf.EM_X86_64, ""), 0o755, problemForeign, "is an object file; link it into a program first"},
		{"core", elfFile(c64, le, elf.ET_CORE, elf.EM_X86_64, ""), 0o755, problemForeign, "is a core dump, not a program"},
		{"cut", native("")[:18], 0o755, problemForeign, "is damaged: its ELF header is cut off"},
		{"cut2", native("")[:40], 0o755, problemForeign, "is damaged: EOF"},
		{"empty", nil, 0o755, problemForeign, "is empty, not a program"},
		{"text", []byte("hello\n"), 0o755, problemForeign, "is not a program (no ELF header)"},
		{"a.exe", []byte("MZ\x90"), 0o755, problemForeign, "is a Windows program; yore runs Linux x86-64 programs"},
		{"lib.a", []byte("!<arch>\n"), 0o644, problemForeign, "is a library archive, not a program"},
		{"x.go", []byte("package main\n"), 0o644, problemForeign, "is Go source; build it first: go build -gcflags='all=-N -l'"},
		{"x.c", []byte("int main;\n"), 0o644, problemForeign, "is C source; build it first: gcc -g -O0"},
		{"sh", []byte("#!/bin/sh\necho\n"), 0o755, problemForeign, "is a script; to debug its interpreter: yore run /bin/sh sh 1 'a b'"},
		{"sh-e", []byte("#! /bin/sh -e\n"), 0o755, problemForeign, "is a script; to debug its interpreter: yore run /bin/sh -e sh-e 1 'a b'"},
		{"env", []byte("#!/usr/bin/env python3\n"), 0o755, problemForeign, "is a script; to debug its interpreter: yore run python3 env 1 'a b'"},
		{"env-S", []byte("#!/usr/bin/env -S A=1 python3 -u\n"), 0o755, problemForeign, "is a script; to debug its interpreter: yore run python3 -u env-S 1 'a b'"},
		{"shebang-only", []byte("#!"), 0o755, problemForeign, "is a script that names no interpreter"},
	} {
		path := filepath.Join(dir, c.name)
		write(t, path, c.file, c.mode)
		err := checkProgram(c.name, path, []string{"1", "a b"})
		expect(t, c.name, err, c.kind, c.want)
	}

	expect(t, "directory", checkProgram("directory", dir, nil), problemNotExec, "is a directory, and not a recording")
	expect(t, "gone", checkProgram("gone", dir+"/gone", nil), problemMissing, "no such program")
	expect(t, "dev", checkProgram("dev", "/dev/null", nil), problemNotExec, "is not a regular file")
	expect(t, "under", checkProgram("under", dir+"/text/x", nil), problemMissing, "not a directory")
	if err := os.Symlink("/nowhere", dir+"/dangling"); err != nil {
		t.Fatal(err)
	}
	expect(t, "dangling", checkProgram("dangling", dir+"/dangling", nil), problemMissing, "no such program: the link points to /nowhere, which does not exist")
}

func expect(t *testing.T, name string, err error, kind targetProblem, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v, want no error", name, err)
		}
		return
	}
	var e *targetError
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want a target error", name, err)
		return
	}
	if e.Kind != kind || e.Msg != name+": "+want {
		t.Errorf("%s: got %d %q, want %d %q", name, e.Kind, e.Msg, kind, name+": "+want)
	}
	if strings.Contains(e.Msg, "\n") {
		t.Errorf("%s: %q is more than a line", name, e.Msg)
	}
}

// record makes an empty recording in dir.
func record(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := trace.CreateAt(dir, false, trace.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// A small world: a working directory with programs and recordings, a PATH of
// two directories, a store with a recording and `latest`.
func world(t *testing.T) sniffer {
	t.Helper()
	root := t.TempDir()
	s := sniffer{Dir: root + "/cwd", Path: root + "/shims:" + root + "/bin::", Store: trace.Store{Dir: root + "/store"}}
	write(t, s.Dir+"/prog", native(""), 0o755)
	write(t, s.Dir+"/data", []byte("x"), 0o644)
	record(t, s.Dir+"/rec")
	write(t, s.Dir+"/dir/file", nil, 0o644)
	write(t, s.Dir+"/ls-1/other", nil, 0o644) // a directory of a recording's name
	write(t, root+"/shims/python3", []byte("#!/bin/bash\n"), 0o755)
	write(t, root+"/shims/tool", native(""), 0o644)
	write(t, root+"/bin/tool", native(""), 0o755)
	write(t, root+"/bin/python3", native(""), 0o755)
	write(t, root+"/bin/ls", native(""), 0o755)
	write(t, root+"/bin/readme", []byte("text"), 0o644)
	record(t, s.Store.Dir+"/ls-1")
	record(t, s.Store.Dir+"/tool")
	if err := os.Symlink("ls-1", s.Store.Dir+"/latest"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSniffAny(t *testing.T) {
	s := world(t)
	root := filepath.Dir(s.Dir)
	for _, c := range []struct{ words, path, recording, err string }{
		{"./prog", "cwd/prog", "", ""},
		{"./prog a -b", "cwd/prog", "", ""},
		{"prog", "cwd/prog", "", ""}, // the empty entry of PATH is the working directory
		{"ls", "bin/ls", "", ""},
		{"ls -l", "bin/ls", "", ""},
		{"tool", "bin/tool", "", ""}, // a program wins over a recording's name
		{"rec", "", "cwd/rec", ""},
		{"./rec/", "", "cwd/rec", ""},
		{"latest", "", "store/ls-1", ""},
		{"ls-1", "", "store/ls-1", ""},
		{"latest x", "", "", "latest: no such program on PATH"},
		{"./dir", "", "", "./dir: is a directory, and not a recording"},
		{"nosuch", "", "", "nosuch: no such program on PATH"},
		{"./nosuch", "", "", "./nosuch: no such program"},
		{"readme", "", "", root + "/bin/readme: is not a program (no ELF header)"},
		{"python3 x.py", "", "", root + "/shims/python3: is a script; to debug its interpreter: yore run /bin/bash " + root +
			"/shims/python3 x.py (the next python3 on PATH is a program: " + root + "/bin/python3)"},
		{" ", "", "", "the program's name is empty"},
	} {
		words := strings.Fields(c.words)
		if len(words) == 0 {
			words = []string{""}
		}
		got, err := s.any(words)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %q", c.words, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.words, err)
			continue
		}
		if rel(root, got.Path) != c.path || rel(root, got.Recording) != c.recording {
			t.Errorf("%q: got program %q, recording %q; want %q, %q", c.words, got.Path, got.Recording, c.path, c.recording)
		}
		if c.path != "" && strings.Join(got.Args, " ") != c.words {
			t.Errorf("%q: argv %q", c.words, got.Args)
		}
	}
	s.Path = root + "/bin"
	if _, err := s.any([]string{"prog"}); err == nil || err.Error() != "prog: no such program on PATH; did you mean ./prog?" {
		t.Errorf("prog, without the working directory on PATH: %v", err)
	}
	s.Store.Dir = root + "/nostore"
	if _, err := s.any([]string{"latest"}); err == nil || err.Error() != "there is no recording yet in "+s.Store.Dir {
		t.Errorf("latest of an empty store: %v", err)
	}
}

func TestSniffRecording(t *testing.T) {
	s := world(t)
	root := filepath.Dir(s.Dir)
	for _, c := range []struct{ name, want, err string }{
		{"", "store/ls-1", ""},
		{"latest", "store/ls-1", ""},
		{"ls-1", "store/ls-1", ""}, // ./ls-1 is a directory, but no recording
		{"tool", "store/tool", ""},
		{"rec", "cwd/rec", ""},
		{"../cwd/rec", "cwd/rec", ""},
		{"dir", "", "dir: is a directory, but not a recording"},
		{"data", "", "data: is not a recording"},
		{"./nosuch", "", "./nosuch: no such recording"},
		{"nosuch", "", "nosuch: no such recording, here or in " + s.Store.Dir},
	} {
		got, err := s.recording(c.name)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %q", c.name, err, c.err)
			}
		} else if err != nil || rel(root, got) != c.want {
			t.Errorf("%q: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// rel is path below root, "" for "".
func rel(root, path string) string {
	if path == "" {
		return ""
	}
	if r, err := filepath.EvalSymlinks(root); err == nil {
		root = r
	}
	path = filepath.Clean(path)
	if r, err := filepath.EvalSymlinks(path); err == nil {
		path = r
	}
	r, err := filepath.Rel(root, path)
	if err != nil {
		return err.Error()
	}
	return r
}
