package patch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileText shows an ELF file's segments as memory at their own addresses.
type fileText struct {
	data  []byte
	loads []load
}

func (f *fileText) Read(addr uint64, p []byte) int {
	for _, l := range f.loads {
		if addr >= l.vaddr && addr < l.vaddr+l.filesz {
			return copy(p, f.data[l.off+addr-l.vaddr:l.off+l.filesz])
		}
	}
	return 0
}

// loadText makes a Text of a file as if it were mapped at its own addresses.
func loadText(t testing.TB, path string) *Text {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("%v", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := NewModule(f, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	abs, _ := filepath.Abs(path)
	var maps []Region
	for _, l := range m.loads {
		r := Region{Lo: l.vaddr &^ 4095, Hi: (l.vaddr + l.filesz + 4095) &^ 4095, Prot: unix.PROT_READ, Path: abs, Off: l.off &^ 4095}
		if l.exec {
			r.Prot |= unix.PROT_EXEC
		}
		maps = append(maps, r)
	}
	return NewText(&fileText{b, m.loads}, maps, nil)
}

func TestTimeSitesInFiles(t *testing.T) {
	exe, _ := os.Executable()
	for _, f := range []string{exe, "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/lib/x86_64-linux-gnu/libstdc++.so.6", "/lib64/ld-linux-x86-64.so.2", "/usr/bin/python3", "/usr/bin/gdb", "/usr/bin/node"} {
		t.Run(filepath.Base(f), func(t *testing.T) {
			if _, err := os.Stat(f); err != nil {
				t.Skipf("%v", err)
			}
			f, _ = filepath.EvalSymlinks(f)
			text := loadText(t, f)
			t0 := time.Now()
			sites, unsure := text.TimeSites(0, ^uint64(0))
			t.Logf("%d sites, %d unsure, %v", len(sites), len(unsure), time.Since(t0))
			for k := range unsure {
				if k < 8 {
					t.Logf("unsure %#x", unsure[k])
				}
			}
			if st, _ := os.Stat(f); st.Size() > 20<<20 {
				return // objdump would take long
			}
			// objdump decodes data in the text too, so what it finds in
			// hand-written libraries may be none: it must not be less.
			dumped := map[uint64]bool{}
			disasm(t, f, func(addr uint64, _ []byte, _ int, text string) {
				switch op, _, _ := strings.Cut(text, " "); op {
				case "rdtsc", "rdtscp", "rdrand", "rdseed", "rdpid", "rdpru", "cpuid", "xgetbv",
					"xsave", "xsave64", "xsavec", "xsavec64", "xsaveopt", "xsaveopt64":
					dumped[addr] = true
				}
			})
			for _, s := range sites {
				if !dumped[s.PC] {
					t.Errorf("%v (%v) is none for objdump", &s, s.Time)
				}
				delete(dumped, s.PC)
			}
			for a := range dumped {
				if _, _, ok := text.Func(a); ok {
					t.Errorf("%#x missed", a)
				}
			}
			t.Logf("%d that objdump sees outside of functions left alone", len(dumped))
		})
	}
}
