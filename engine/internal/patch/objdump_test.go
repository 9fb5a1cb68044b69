package patch

import (
	"bufio"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// disasm runs objdump over the executable sections of file and calls f with
// each instruction's address, its bytes to the section's end, its length by
// objdump's next line (0 when unknown) and its text.
func disasm(t *testing.T, file string, f func(addr uint64, code []byte, n int, text string)) {
	t.Helper()
	e, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	type sec struct {
		lo, hi uint64
		data   []byte
	}
	var secs []sec
	for _, s := range e.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 && s.Type == elf.SHT_PROGBITS && s.Addr != 0 {
			b, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			secs = append(secs, sec{s.Addr, s.Addr + s.Size, b})
		}
	}
	cmd := exec.Command("objdump", "-d", "-z", "-w", "--no-show-raw-insn", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	var prev uint64
	var prevText string
	have := false
	flush := func(next uint64) {
		if !have {
			return
		}
		have = false
		for _, s := range secs {
			if prev >= s.lo && prev < s.hi {
				n := 0
				if next > prev && next <= s.hi && next-prev < 16 {
					n = int(next - prev)
				}
				f(prev, s.data[prev-s.lo:], n, prevText)
			}
		}
	}
	sc := bufio.NewScanner(out)
	sc.Buffer(make([]byte, 1<<20), 1<<20)
	for sc.Scan() {
		l := sc.Text()
		a, text, ok := strings.Cut(strings.TrimSpace(l), ":\t")
		if !ok {
			continue
		}
		addr, err := strconv.ParseUint(a, 16, 64)
		if err != nil {
			continue
		}
		flush(addr)
		prev, prevText, have = addr, text, true
	}
	flush(0)
}

// badText matches what objdump prints for bytes that are no instruction, and
// for prefixes that stand alone.
var badText = regexp.MustCompile(`\(bad\)|^\.byte|^(rex(\.[WRXB]+)?|data16|addr32|lock|repz?|repnz|[cdefgs]s|bnd|notrack)( (rex(\.[WRXB]+)?|data16|addr32|lock|repz?|repnz|[cdefgs]s))*\s*$`)

// compareObjdump holds Decode against objdump over all of file. In an extra
// file, which may have data in its text, instructions that we reject are
// counted; in others they are errors.
func compareObjdump(t *testing.T, file string, extra bool) {
	total, bad, skipped, rejected := 0, 0, 0, 0
	disasm(t, file, func(addr uint64, code []byte, n int, text string) {
		if badText.MatchString(text) || n == 0 {
			skipped++
			return
		}
		total++
		i, err := Decode(code, addr)
		if err == nil && i.Len == 1 && code[0] == 0x9b {
			return // fwait is an instruction of its own; objdump joins it to the next
		}
		if err != nil && extra {
			rejected++ // hand-written libraries have data in their text
			return
		}
		if err != nil || i.Len != n {
			bad++
			if bad <= 20 {
				t.Errorf("%s: %#x % x %q: objdump %d bytes, we %d (%v)", filepath.Base(file), addr, code[:min(n, len(code))], text, n, i.Len, err)
			}
		}
	})
	t.Logf("%s: %d instructions, %d differ, %d rejected, %d not compared", file, total, bad, rejected, skipped)
	if total == 0 {
		t.Errorf("%s: nothing compared", file)
	}
}

func TestLengthsAgainstObjdump(t *testing.T) {
	if _, err := exec.LookPath("objdump"); err != nil {
		t.Skip("objdump (binutils) is not installed")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := []string{exe}
	for _, g := range []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6"} {
		if _, err := os.Stat(g); err == nil {
			files = append(files, g)
		}
	}
	for _, f := range files {
		compareObjdump(t, f, false)
	}
	for _, f := range strings.Fields(os.Getenv("PATCH_OBJDUMP")) {
		compareObjdump(t, f, true)
	}
}
