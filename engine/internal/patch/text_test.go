package patch

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goBuild builds a small Go program and returns its path.
func goBuild(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	src := "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"
	if err := os.WriteFile(filepath.Join(dir, "m.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "m")
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), filepath.Join(dir, "m.go"))...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=off")
	if slices.ContainsFunc(flags, func(f string) bool { return strings.Contains(f, "external") }) {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1") // scripts/test switches it off
	}
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %q: %v\n%s", flags, err, b)
	}
	return out
}

// TestFunctionsAgainstSymbols asks Func about every function symbol of files
// that have symbols, and compares.
func TestFunctionsAgainstSymbols(t *testing.T) {
	files := map[string]string{
		"c dynamic":        build(t, "mix.c", flagsOf("-O2")...),
		"c static":         build(t, "mix.c", flagsOf("-O2 -static")...),
		"c without frames": build(t, "mix.c", flagsOf("-O2 -static -nostartfiles -nostdlib -fno-asynchronous-unwind-tables -fno-builtin -Wl,--unresolved-symbols=ignore-all -Wl,-e,main")...),
		"go":               goBuild(t),
		"go pie":           goBuild(t, "-buildmode=pie"),
	}
	if _, err := exec.LookPath("gcc"); err == nil {
		files["go external"] = goBuild(t, "-ldflags=-linkmode=external")
		files["go external pie"] = goBuild(t, "-buildmode=pie", "-ldflags=-linkmode=external")
	}
	for name, f := range files {
		t.Run(name, func(t *testing.T) {
			e, err := elf.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ss, err := e.Symbols()
			if err != nil {
				t.Fatal(err)
			}
			text := loadText(t, f)
			n, exact, longer := 0, 0, 0
			for _, s := range ss {
				if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0 || int(s.Section) >= len(e.Sections) || e.Sections[s.Section].Name != ".text" {
					continue
				}
				n++
				for _, pc := range []uint64{s.Value, s.Value + s.Size - 1} {
					lo, hi, ok := text.Func(pc)
					switch {
					case !ok:
						t.Errorf("%s at %#x: no function", s.Name, pc)
					case pc < lo || pc >= hi:
						t.Errorf("%s: %#x is not in %#x–%#x", s.Name, pc, lo, hi)
					case lo == s.Value && hi == s.Value+s.Size:
						exact++
					case lo == s.Value && hi > s.Value+s.Size && hi < s.Value+s.Size+256:
						longer++ // with padding
					}
				}
			}
			t.Logf("%d functions, %d bounds as the symbol's, %d with padding", n, exact, longer)
			if n < 4 || exact+longer < 2*n*95/100 {
				t.Errorf("bounds differ")
			}
		})
	}
}

// TestStrippedGo holds Func on a stripped Go program against the unstripped
// one: pclntab is all there is.
func TestStrippedGo(t *testing.T) {
	for _, flags := range [][]string{{}, {"-buildmode=pie"}} {
		full, bare := goBuild(t, flags...), goBuild(t, append(flags, "-ldflags=-s -w")...)
		a, b := loadText(t, full), loadText(t, bare)
		fa, fb := a.module(a.areas[0]).functions(), b.module(b.areas[0]).functions()
		if len(fb) < 1000 || len(fb) < len(fa)*9/10 {
			t.Errorf("%q: %d functions, stripped %d", flags, len(fa), len(fb))
		}
	}
}

// TestMemoryOnly reads a program whose file cannot be opened from its memory.
func TestMemoryOnly(t *testing.T) {
	x := start(t, build(t, "mix.c", flagsOf("-O2")...))
	x.runTo(x.sym("main"))
	maps := x.maps()
	for k := range maps {
		if maps[k].Path != "" && maps[k].Path[0] == '/' {
			maps[k].Path = "/nonexistent" + maps[k].Path
		}
	}
	with, without := x.text(), NewText(x, maps, nil)
	for _, s := range []string{"main", "cmp"} {
		pc := x.sym(s) + 5
		lo, hi, ok := with.Func(pc)
		lo2, hi2, ok2 := without.Func(pc)
		if !ok || !ok2 || lo != lo2 || hi != hi2 {
			t.Errorf("%s: from the file %#x–%#x %v, from memory %#x–%#x %v", s, lo, hi, ok, lo2, hi2, ok2)
		}
	}
	for _, m := range maps {
		if m.Path == "[vdso]" {
			f, _ := with.module(with.area(m.Lo)), 0
			if f == nil || len(f.functions()) < 4 {
				t.Errorf("vdso has no functions")
			}
		}
	}
}

// TestBareTimeSites finds rdtsc where nothing but bytes is known.
func TestBareTimeSites(t *testing.T) {
	flags := []string{"-nostdlib", "-static", "-no-pie"}
	full := build(t, "tsc.S", flags...)
	bare := build(t, "tsc.S", append(flags, "-s")...)
	e, err := elf.Open(full)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ss, _ := e.Symbols()
	var want uint64
	for _, s := range ss {
		if s.Name == "thetsc" {
			want = s.Value
		}
	}
	text := loadText(t, bare)
	if _, _, ok := text.Func(want); ok {
		t.Fatal("the test's program has functions")
	}
	sites, unsure := text.TimeSites(0, ^uint64(0))
	if len(sites) != 1 || sites[0].PC != want || sites[0].Time != RDTSC {
		t.Errorf("sites %v, should be %#x", sites, want)
	}
	for _, u := range unsure {
		t.Logf("unsure %#x", u)
	}
	if len(unsure) > 0 {
		t.Errorf("unsure about %#x", unsure)
	}
}

// TestSweepKeepsReachableOnly puts data into a function.
func TestSweepKeepsReachableOnly(t *testing.T) {
	code := []byte{
		0x31, 0xc0, // 0: xor eax,eax
		0xeb, 0x08, // 2: jmp 12
		0xff, 0xff, 0xff, 0x06, 0x07, 0x48, 0x31, 0x0f, // data
		0xff, 0xc0, // 12: inc eax
		0x75, 0xfc, // 14: jne 12
		0xc3, // 16: ret
	}
	f := sweep(code, 0x1000, 0x1000+uint64(len(code)), hints{framed: true})
	if !f.partial {
		t.Fatal("taken for code")
	}
	var got []string
	for _, b := range f.blocks {
		got = append(got, fmt.Sprintf("%#x-%#x", b.Lo(), b.Hi()))
	}
	if s := fmt.Sprint(got); s != "[0x1000-0x1004 0x100c-0x1010 0x1010-0x1011]" {
		t.Errorf("blocks %s", s)
	}
}

// TestPadding keeps padding out of the blocks.
func TestPadding(t *testing.T) {
	code := []byte{
		0x85, 0xff, // test edi,edi
		0x74, 0x08, // je 12
		0xc3,                         // ret
		0x0f, 0x1f, 0x80, 0, 0, 0, 0, // nop, to 12
		0x31, 0xc0, // 12: xor eax,eax
		0xc3,       // ret
		0xcc, 0xcc, // padding
	}
	f := sweep(code, 0, uint64(len(code)), hints{framed: true})
	var got []string
	for _, b := range f.blocks {
		got = append(got, fmt.Sprintf("%d-%d", b.Lo(), b.Hi()))
	}
	if s := fmt.Sprint(got); s != "[0-4 4-5 12-15]" || f.partial {
		t.Errorf("blocks %s", s)
	}
}

// FuzzModule reads arbitrary bytes as an ELF file.
func FuzzModule(f *testing.F) {
	// Small files: the fuzzer minimises what it finds.
	for _, flags := range [][]string{{"-nostdlib", "-static", "-no-pie"}, {"-nostdlib", "-shared", "-Wl,-z,noseparate-code", "-Wl,--eh-frame-hdr"}} {
		src := "tsc.S"
		if flags[1] == "-shared" {
			src = "cond.c"
			flags = append(flags, flagsOf("-Os -Dmain=g -fPIC")...)
		}
		b, err := os.ReadFile(build(f, src, append(flags, "-Wl,-N", "-Wl,--build-id=none")...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := NewModule(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, s := range m.functions() {
			if s.lo >= s.hi || !m.inText(s) {
				t.Fatalf("function %#x–%#x", s.lo, s.hi)
			}
			m.unwindRow(s.lo + (s.hi-s.lo)/2)
		}
		for _, l := range m.loads {
			if s, ok := m.fn(l.vaddr + l.filesz/2); ok && !m.inText(s) {
				t.Fatalf("function %#x–%#x", s.lo, s.hi)
			}
		}
	})
}

// TestJumpTables: labels that only a jump table or a computed goto leads to
// begin blocks, so that nothing faults on the way to them.
func TestJumpTables(t *testing.T) {
	for _, flags := range []string{"-O0", "-O2", "-O2 -fno-pie -no-pie", "-O0 -fno-pie -no-pie"} {
		x := start(t, build(t, "tables.c", flagsOf(flags)...))
		x.runTo(x.sym("main"))
		text := x.text()
		p := NewPlan(text, x.maps(), []uint64{x.regs().Rip})
		stubs := 0
		for _, fn := range []string{"falls", "computed"} {
			lo, hi, ok := text.Func(x.sym(fn))
			if !ok {
				t.Fatal(fn)
			}
			f, err := text.function(lo, hi)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.targets) < 8 {
				t.Errorf("%s %s: %d targets", flags, fn, len(f.targets))
			}
			m, _, err := p.Marks(lo, hi)
			if err != nil {
				t.Fatal(err)
			}
			stubs += len(m)
		}
		x.install(p)
		x.finish(p, nil)
		t.Logf("%s: %d stubs, %d at boundaries inside, %s", flags, stubs, x.interiors, x.output())
		if x.interiors > 0 {
			t.Errorf("%s: %d faults on the way to labels", flags, x.interiors)
		}
	}
}

// TestSweepDoubtsUnreached: what decodes well is still not believed to be code
// when control does not get there.
func TestSweepDoubtsUnreached(t *testing.T) {
	blocks := func(code []byte, h hints) string {
		var got []string
		f := sweep(code, 0, uint64(len(code)), h)
		for _, b := range f.blocks {
			got = append(got, fmt.Sprintf("%d-%d", b.Lo(), b.Hi()))
		}
		return fmt.Sprint(got)
	}
	plain := []byte{
		0x31, 0xc0, // 0: xor eax,eax
		0xc3,                               // 2: ret
		0x01, 0x02, 0x03, 0x04, 0x05, 0x01, // 3: what might be a constant
		0xb8, 0x0f, 0x31, 0x00, 0x00, // 9: or this
		0xc3, // 14
	}
	all, some := "[0-3 3-15]", "[0-3]"
	for _, c := range []struct {
		h    hints
		want string
	}{
		{hints{}, some},
		{hints{pads: true}, some},
		{hints{framed: true}, some},
		{hints{framed: true, pads: true}, all},
		{hints{framed: true, jumps: func([]Inst) []uint64 { return []uint64{3} }}, all},
		{hints{jumps: func([]Inst) []uint64 { return []uint64{3} }}, some},
		{hints{tables: func([]Inst) []uint64 { return []uint64{3} }}, all},
	} {
		if got := blocks(plain, c.h); got != c.want {
			t.Errorf("%+v: blocks %s, want %s", c.h, got, c.want)
		}
	}
	// An operand inside the function.
	inside := []byte{
		0x66, 0x0f, 0x6f, 0x05, 1, 0, 0, 0, // 0: movdqa xmm0,[rip+1]
		0xc3,                                                       // 8: ret
		0x01, 0x02, 0x03, 0x04, 0x05, 0x01, 0x01, 0x02, 0x01, 0x02, // 9
	}
	if got := blocks(inside, hints{framed: true, pads: true}); got != "[0-9]" {
		t.Errorf("blocks %s", got)
	}
	// Padding behind the end is no reason for doubt.
	padded := []byte{0x31, 0xc0, 0xc3, 0x0f, 0x1f, 0x00, 0xcc, 0xcc}
	if f := sweep(padded, 0, uint64(len(padded)), hints{framed: true}); f.partial {
		t.Error("padding makes a function doubtful")
	}
}

// TestRestorer: a signal frame's record begins before the code that it is about.
func TestRestorer(t *testing.T) {
	f := build(t, "restorer.S", "-nostdlib", "-static", "-Wl,--eh-frame-hdr")
	e, err := elf.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ss, err := e.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ss {
		if s.Name != "restorer" {
			continue
		}
		text := loadText(t, f)
		lo, hi, ok := text.Func(s.Value)
		if !ok || lo != s.Value || hi != s.Value+s.Size {
			t.Errorf("got %#x to %#x, %v; want %#x to %#x", lo, hi, ok, s.Value, s.Value+s.Size)
		}
		if lo, _, ok := text.Func(s.Value - 1); ok {
			t.Errorf("the byte before is in a function at %#x", lo)
		}
		return
	}
	t.Fatal("no symbol restorer")
}
