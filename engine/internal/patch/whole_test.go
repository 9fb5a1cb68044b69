package patch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWholePrograms runs real programs with stubs in very many of their blocks
// and the libraries', and compares their output. Counters are compared with
// those of a second run that has only a few stubs.
func TestWholePrograms(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.py")
	if err := os.WriteFile(script, []byte(strings.TrimSpace(`
import json, re
def f(n):
    return n if n < 2 else f(n-1) + f(n-2)
d = {str(i): [f(i % 9), i / 7, "x" * (i % 5)] for i in range(60)}
s = json.dumps(d, sort_keys=True)
assert json.loads(s) == d
class E(Exception): pass
def g(n):
    try:
        if n % 3 == 0: raise E(n)
        yield from range(n)
    except E as e: yield e.args
print(sum(map(len, re.findall(r"x+|[0-9]+", s))), [list(g(i)) for i in range(6)], sorted(s)[::97])
`)), 0o600); err != nil {
		t.Fatal(err)
	}
	csrc := filepath.Join(t.TempDir(), "x.c")
	if err := os.WriteFile(csrc, []byte("int f(int*a,int n){int s=0;for(int i=0;i<n;i++)s+=a[i]*3;return s;}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cc1, _ := filepath.Glob("/usr/l*/gcc/x86_64-linux-gnu/*/cc1")
	progs := []struct {
		exe  string
		args []string
		stop string // where stubs are installed; "" is the first instruction
	}{
		{build(t, "throw.cc", "-O2", "-lstdc++"), nil, "main"},
		{build(t, "throw.cc", "-O0", "-static", "-lstdc++", "-lm"), nil, "main"},
		{"/usr/bin/python3", []string{"-S", script}, ""},
		{"/usr/bin/perl", []string{"-e", `my %h; $h{$_ % 17} .= chr(65 + $_ % 26) for 1..500; print map { "$_$h{$_}\n" =~ s/A+/-/gr } sort keys %h`}, ""},
	}
	if len(cc1) > 0 {
		progs = append(progs, struct {
			exe  string
			args []string
			stop string
		}{cc1[0], []string{"-quiet", "-O2", csrc, "-o", "-"}, ""})
	}
	for _, c := range progs {
		t.Run(filepath.Base(c.exe), func(t *testing.T) {
			exe, err := filepath.EvalSymlinks(c.exe)
			if err != nil {
				t.Skipf("%v", err)
			}
			if _, err := os.Stat(exe); err != nil {
				t.Skipf("%v", err)
			}
			begin := func() *proc {
				x := start(t, exe, c.args...)
				if c.stop != "" {
					x.runTo(x.sym(c.stop))
				}
				return x
			}
			plain := begin()
			for sig := plain.cont(0); !plain.done; sig = plain.cont(sig) {
			}
			x := begin()
			text := x.text()
			p := NewPlan(text, x.maps(), []uint64{x.regs().Rip})
			fns, blocks := 0, 0
			budget := 12000 * long()
			for _, a := range text.areas {
				m := text.module(a)
				if m == nil || !strings.HasPrefix(a.Path, "/") {
					continue
				}
				all := m.functions()
				// A sample that is spread over the module.
				step := max(1, len(all)/(budget/20))
				for k := 0; k < len(all) && len(p.Stubs()) < budget; k += step {
					_, n, err := p.Marks(all[k].lo+a.bias, all[k].hi+a.bias)
					if err != nil {
						continue
					}
					fns, blocks = fns+1, blocks+n
				}
			}
			x.install(p)
			x.finish(p, nil)
			if x.output() != plain.output() || x.code != plain.code || x.output() == "" {
				t.Fatalf("status %d, unpatched %d; output\n%s\nunpatched\n%s", x.code, plain.code, x.output(), plain.output())
			}
			hit, total := 0, uint64(0)
			for _, n := range x.counters {
				if n > 0 {
					hit++
				}
				total += n
			}
			t.Logf("%d functions, %d blocks, %d stubs, %d of them executed %d times, %d at boundaries inside", fns, blocks, len(p.Stubs()), hit, total, x.interiors)
			if hit < 100 {
				t.Errorf("only %d stubs were executed", hit)
			}
			again := begin()
			again.install(p)
			again.finish(p, nil)
			y := begin()
			q := NewPlan(y.text(), y.maps(), []uint64{y.regs().Rip})
			for k, s := range p.Stubs() {
				if k%50 == 0 {
					if _, err := q.Add(s.Addr, Spec{Limited: true, Limit: never}); err != nil {
						t.Errorf("%#x: %v", s.Addr, err)
					}
				}
			}
			y.install(q)
			y.finish(q, nil)
			differ, fickle := 0, 0
			for a, n := range y.counters {
				if x.counters[a] != again.counters[a] {
					fickle++
				} else if x.counters[a] != n {
					if differ++; differ < 5 {
						t.Logf("stub of %#x: %d, with fewer stubs %d", a, x.counters[a], n)
					}
				}
			}
			if differ > 0 || fickle*20 > len(y.counters) {
				t.Errorf("of %d counters %d differ, %d between runs alike", len(y.counters), differ, fickle)
			}
		})
	}
}
