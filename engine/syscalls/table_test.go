package syscalls

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/table.txt")

// text renders the whole table for review.
func text() string {
	var b bytes.Buffer
	for _, r := range byNr {
		if r == nil {
			continue
		}
		line(&b, fmt.Sprintf("%3d %-24s %-9s", r.Nr, r.Name, r.Class), r.sig, r.wait, r.outs, r.Why, r.file.String())
		if r.Class == Refused {
			fmt.Fprintf(&b, "%41s= -%v\n", "", errnoName(r.Errno))
		}
		if s := r.sub; s != nil {
			ops := slices.Clone(s.ops)
			slices.SortFunc(ops, func(x, y op) int { return int(int64(x.val) - int64(y.val)) })
			for _, o := range ops {
				why, tag := "", ""
				if o.give != nil {
					why = o.give.why
					tag = "= " + result(o.give.ret)
					if o.give.when != nil {
						tag += " for some arguments"
					}
				}
				if o.compare {
					tag = "compared"
				}
				if o.file.kind != fNone {
					tag = o.file.String()
				}
				if o.early {
					tag = "a0[4] before it waits"
				}
				line(&b, fmt.Sprintf("      %10x %s", o.val, o.name), "", o.wait, o.outs, why, tag)
			}
			if s.strict {
				fmt.Fprintf(&b, "      %10s\n", "others compared")
			} else {
				fmt.Fprintf(&b, "      %10s\n", "others have no outputs")
			}
		}
	}
	return b.String()
}

func line(b *bytes.Buffer, head, sig string, w wait, os []out, why, tag string) {
	parts := []string{}
	for _, s := range []string{tag, w.String(), describe(os)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	s := head
	if sig != "" {
		s += " (" + strings.ReplaceAll(sig, " ", ", ") + ")"
	}
	if len(parts) > 0 {
		s += " | " + strings.Join(parts, " | ")
	}
	if why != "" {
		s += " -- " + why
	}
	fmt.Fprintln(b, strings.TrimRight(s, " "))
}

func TestGoldenTable(t *testing.T) {
	const name = "testdata/table.txt"
	got := text()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("the table changed; review it and run with -update:\n%s", d)
	}
}

// TestNoHoles holds the table against the kernel's numbers, as x/sys and the C
// library's headers know them, in both directions.
func TestNoHoles(t *testing.T) {
	known := map[int]string{}
	for _, src := range []struct{ path, re, renamed string }{
		{filepath.Join(xsys(t), "unix", "zsysnum_linux_amd64.go"), `(?m)^\s*SYS_(\w+)\s*=\s*(\d+)`, ""},
		{"/usr/include/x86_64-linux-gnu/asm/unistd_64.h", `(?m)^#define __NR_(\w+) (\d+)`, ""},
		{"testdata/names.txt", `(?m)^(\w+) (\d+)`, ""},
	} {
		b, err := os.ReadFile(src.path)
		if os.IsNotExist(err) && strings.HasPrefix(src.path, "/usr/include") {
			t.Logf("no %s here: checked against x/sys and testdata/names.txt", src.path)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(src.re).FindAllStringSubmatch(string(b), -1)
		if len(m) < 350 {
			t.Fatalf("%s: only %d numbers found", src.path, len(m))
		}
		for _, g := range m {
			nr, _ := strconv.Atoi(g[2])
			name := strings.ToLower(g[1])
			known[nr] = name
			if r := Lookup(int64(nr)); r.Name != name {
				t.Errorf("%s: %d is %s, the table has %s", src.path, nr, name, r.Name)
			}
		}
	}
	for _, r := range table {
		if known[r.Nr] != r.Name {
			t.Errorf("row %d %s: the kernel's tables have %q", r.Nr, r.Name, known[r.Nr])
		}
	}
}

func xsys(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func TestRowsAreComplete(t *testing.T) {
	for _, r := range table {
		if (r.Class == Refused) != (r.Errno != 0) || r.Class == Refused && r.Why == "" {
			t.Errorf("%s: class %v with errno %v, reason %q", r.Name, r.Class, r.Errno, r.Why)
		}
		nargs := len(strings.Fields(r.sig))
		for _, o := range r.outs {
			if o.kind != kFunc && (int(o.arg) >= nargs || int(o.by) >= nargs) {
				t.Errorf("%s: output %v beyond its %d arguments", r.Name, o, nargs)
			}
		}
		for _, k := range strings.Fields(r.sig) {
			if _, ok := argKinds[k]; !ok {
				t.Errorf("%s: unknown kind of argument %q", r.Name, k)
			}
		}
	}
	if r := Lookup(4711); r.Class != Compared || r.Name != "syscall_4711" || !r.MayBlock(Args{}, nil) {
		t.Errorf("unknown number: %+v", r)
	}
	if r := Lookup(-1); r.Class != Compared {
		t.Errorf("number -1: %+v", r)
	}
}
