package gdb

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yore/gdbmi"
)

func TestNames(t *testing.T) {
	for expr, want := range map[string]string{
		"x":                            "x",
		"list_len(head) <= 10":         "list_len head",
		"p->next->v":                   "p",
		"a.b.c + a . d":                "a",
		"s.f[i].g":                     "s i",
		"ns::var + ::glob":             "ns",
		"(struct node *)p":             "struct node p",
		"$rsp + $foo":                  "",
		"strcmp(s, \"it's x\") == 'c'": "strcmp s",
		"'file.c'::v":                  "",
		"0x1f + 10ul + 1.5e3 + x1":     "x1",
		"x == x":                       "x",
		"p->*q":                        "p",
		"ärger + _a":                   "ärger _a",
		"\"unclosed":                   "",
		"":                             "",
		"a-b":                          "a b",
		"vec[v.size() - 1]":            "vec v",
		"this->len > max_len":          "this max_len",
		"arr[0]@n":                     "arr n",
	} {
		if got := strings.Join(names(expr), " "); got != want {
			t.Errorf("names(%q) = %q, want %q", expr, got, want)
		}
	}
}

func TestCalls(t *testing.T) {
	for expr, want := range map[string]bool{
		"x":                        false,
		"list_len(head) <= 10":     true,
		"(x + 1) * (y)":            false,
		"sizeof(x) + sizeof (int)": false,
		"v.size()":                 true,
		"p->f (1)":                 true,
		"(int)x":                   false,
		"(*fp)(1)":                 false, // through a pointer: gdb says itself that it cannot watch it
		"a[f(1)]":                  true,
		"\"f(1)\"":                 false,
		"x (y)":                    true,
	} {
		if got := calls(expr); got != want {
			t.Errorf("calls(%q) = %v", expr, got)
		}
	}
}

func TestBackground(t *testing.T) {
	for line, want := range map[string]bool{
		"continue&": true, "c &": true, "rc  &": true, "print a &": false, "print a && b": false,
		"next": false, "&": false, "": false, "run arg &": true,
	} {
		if got := background(line); got != want {
			t.Errorf("background(%q) = %v", line, got)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		text, version string
		major         int
	}{
		{"GNU gdb (Debian 13.1-3) 13.1\nCopyright …", "13.1", 13},
		{"GNU gdb (GDB) 7.12", "7.12", 7},
		{"GNU gdb (GDB) Fedora Linux 14.2-1.fc40", "14.2-1.fc40", 14},
		{"GNU gdb (Ubuntu 12.1-0ubuntu1~22.04) 12.1", "12.1", 12},
		{"GNU gdb (GDB) 16.0.50.20240601-git", "16.0.50.20240601-git", 16},
		{"GNU gdb (GDB; SUSE Linux Enterprise 15) 13.2", "13.2", 13},
		{"lldb", "unknown", 0},
		{"", "unknown", 0},
	} {
		if v, n := version(c.text); v != c.version || n != c.major {
			t.Errorf("version(%q) = %q, %d", c.text, v, n)
		}
	}
}

func TestLanguage(t *testing.T) {
	got := language([]string{"HOME=/x", "LC_ALL=de_DE.UTF-8", "LANG=fr"})
	for _, want := range []string{"LC_MESSAGES=C", "LC_ALL=", "LC_CTYPE=de_DE.UTF-8", "LANGUAGE="} {
		if !slices.Contains(got, want) {
			t.Errorf("%v lacks %s", got, want)
		}
	}
	if slices.ContainsFunc(language([]string{"LANG=fr"}), func(s string) bool { return strings.HasPrefix(s, "LC_CTYPE") }) {
		t.Error("LC_CTYPE is set although LC_ALL is not")
	}
}

func TestStopText(t *testing.T) {
	for in, want := range map[string]string{
		"#0  main () at a.c:7\n7\t  int a;\n":    "main () at a.c:7\n7\t  int a;\n",
		"#12 0x0000000000401 in f () at a.c:4\n": "0x0000000000401 in f () at a.c:4\n",
		"no level":                               "no level",
	} {
		if got := stopText(in); got != want {
			t.Errorf("stopText(%q) = %q", in, got)
		}
	}
}

func TestParseLine(t *testing.T) {
	for in, want := range map[string]lineRange{
		"Line 4 of \"a.c\" starts at address 0x40161c <f+7> and ends at 0x40162d <f+24>.\n":               {start: 0x40161c},
		"Line 3 of \"a.c\" starts at address 0x401615 <f> and ends at 0x40161c <f+7>.\n":                  {start: 0x401615, entry: true},
		"Line 4 of \"a.c\" starts at address 0x40161c and ends at 0x40162d.\n":                            {start: 0x40161c},
		"Line 9 of \"a b.cc\" starts at address 0x401615 <ns::f<int>(int)> and ends at 0x40161c <x+7>.\n": {start: 0x401615, entry: true},
		"Line 9 of \"b.cc\" starts at address 0x401615 <ns::f<int>(int)+4> and ends at 0x40161c <x+7>.\n": {start: 0x401615},
		"No line number information available for address 0x1234\n":                                       {},
		"Address 0x401000 <x+3> is at address 0x401000 but contains no code.\n":                           {},
		"Line 4 of \"a.c\" is at address 0x401620 <f+11> but contains no code.\n":                         {},
	} {
		if got := parseLine(in); got != want {
			t.Errorf("parseLine(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func bkpt(t *testing.T, text string) gdbmi.Tuple {
	t.Helper()
	rec, err := gdbmi.Parse("=breakpoint-modified,bkpt={" + text + "}")
	if err != nil {
		t.Fatal(err)
	}
	return rec.(gdbmi.Async).Fields.Tuple("bkpt")
}

func TestRestoreBreakpoints(t *testing.T) {
	var b breakpoints
	for _, s := range []string{
		`number="5",type="hw watchpoint",disp="keep",enabled="y",what="g",times="0",original-location="g"`,
		`number="1",type="breakpoint",disp="keep",enabled="y",addr="0x1",func="f",times="3",original-location="f"`,
		`number="3",type="breakpoint",disp="del",enabled="n",times="0",cond="x > 3",ignore="2",original-location="a.c:7",script={"silent","print x"}`,
		`number="1",type="breakpoint",disp="keep",enabled="y",addr="0x2",func="f",times="4",original-location="f"`,
		`number="6",type="catchpoint",disp="keep",enabled="y",what="exception throw",times="0"`,
		`number="7",type="breakpoint",disp="keep",enabled="y",addr="<MULTIPLE>",original-location="over",thread="2",locations=[{number="7.1",enabled="y"},{number="7.2",enabled="n"}]`,
	} {
		b.set(bkpt(t, s))
	}
	b.remove("4")
	var got []string
	for _, script := range b.restore() {
		got = append(got, strings.Join(script, "; "))
	}
	use := func(n string) string {
		return "set breakpoint pending on; tbreak yore_uses_up_a_number; delete " + n + "; set breakpoint pending auto"
	}
	want := []string{
		"break f", use("2"),
		"tbreak a.c:7; condition 3 x > 3; ignore 3 2; commands 3; silent; print x; end; disable 3", use("4"),
		"watch g", use("6"),
		"break over thread 2; disable 7.2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := b.enabled(); !slices.Equal(got, []string{"1", "5", "6", "7"}) {
		t.Errorf("enabled: %v", got)
	}
	b.remove("1")
	if b.get("1") != nil || b.get("5") == nil {
		t.Error("remove")
	}
}

func TestRestoreParams(t *testing.T) {
	var p params
	p.set("print pretty", "on")
	p.set("listsize", "5")
	p.set("print pretty", "off")
	p.set("args", "")
	if diff := cmp.Diff([]string{"set print pretty off", "set listsize 5", "set args"}, p.restore()); diff != "" {
		t.Error(diff)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a->b(c)[\"d\"]", "'", "x::y", "$a.b", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, n := range names(s) {
			if n == "" || !strings.Contains(s, n) {
				t.Fatalf("name %q of %q", n, s)
			}
		}
		calls(s)
	})
}

func TestRootNames(t *testing.T) {
	for expr, want := range map[string]string{
		"x":                           "x",
		"head->next->v":               "head",
		"list.head -> next[i + 0x1f]": "list i",
		"bank::total":                 "bank::total",
		"*(long *)p":                  "long p", // a type is taken for a name that is unknown
		"$rip + 1":                    "$rip",
	} {
		var got []string
		for _, n := range rootNames.FindAllString(expr, -1) {
			if !memberOrNumber(n) {
				got = append(got, n)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}
