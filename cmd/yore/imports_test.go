package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// importRule says which of our packages may import which. A line "a < b" lets b
// import a and everything that a may import; "NONE < a" names a package that
// imports nothing of ours. "x/*" is every package below x, which may import one
// another. What no line allows is an error, and so is a package that no line
// names. Test files may import what they test beside what the rule allows, and
// the packages of TESTS.
const importRule = `
	NONE < engine/trace, engine/image, engine/syscalls, engine/internal/ptrace, engine/gdbserver/agent,
	       gdbmi, testprogs/*, scripts/*;

	engine/trace < engine/timeline, engine/bundle;
	engine/timeline, engine/gdbserver/agent < engine/gdbserver;

	engine/timeline, engine/image, engine/bundle < engine/pack;
	engine/timeline, engine/image, engine/syscalls, engine/internal/ptrace < engine/internal/*;
	engine/internal/*, engine/gdbserver < engine;

	engine < debugger;
	gdbmi, debugger < debugger/gdb;
	debugger < debugger/session, debugger/delve;
	debugger, debugger/session, debugger/gdb, debugger/delve < debugger/repl, debugger/dap, tui;

	engine/pack, debugger/repl, debugger/dap, tui < cmd/*;

	engine, gdbmi, testprogs/* < scripts/bench;
	testprogs/* < scripts/conformance;
	TESTS: testprogs/*;
`

func TestImportRule(t *testing.T) {
	rule, err := parseImportRule(importRule)
	if err != nil {
		t.Fatal(err)
	}
	root := moduleRoot(t)
	pkgs, err := ourImports(root)
	if err != nil {
		t.Fatal(err)
	}
	broken := rule.check(pkgs)
	for _, b := range broken {
		t.Error(b)
	}
	if len(broken) > 0 {
		t.Log("the rule:" + importRule)
	}
}

// The rule must be able to fail: each of these imports is forbidden by it.
func TestImportRuleForbids(t *testing.T) {
	rule, err := parseImportRule(importRule)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to string }{
		{"engine/trace", "engine/timeline"},
		{"engine/timeline", "engine/gdbserver"},
		{"engine/gdbserver", "engine/internal/replay"},
		{"engine/gdbserver", "engine"},
		{"engine/internal/replay", "engine"},
		{"engine/internal/replay", "engine/gdbserver"},
		{"engine/internal/ptrace", "engine/internal/tracee"},
		{"engine", "debugger"},
		{"gdbmi", "engine"},
		{"gdbmi", "debugger"},
		{"debugger", "debugger/gdb"},
		{"debugger", "gdbmi"},
		{"debugger/gdb", "debugger/repl"},
		{"debugger/repl", "cmd/yore"},
		{"testprogs", "engine"},
	} {
		got := rule.check(map[string]imports{c.from: {prod: []imported{{c.to, "x.go"}}}})
		if len(got) != 1 || !strings.Contains(got[0], c.from) || !strings.Contains(got[0], c.to) {
			t.Errorf("%s imports %s: got %q, want one complaint naming both", c.from, c.to, got)
		}
	}
	if got := rule.check(map[string]imports{"attic": {}}); len(got) != 1 {
		t.Errorf("package attic, which the rule does not name: got %q, want one complaint", got)
	}
}

type imported struct{ pkg, file string }

type imports struct{ prod, test []imported }

type ruleSet struct {
	below map[string][]string // pattern → patterns it may import
	named map[string]bool
	tests []string
}

func parseImportRule(text string) (*ruleSet, error) {
	r := &ruleSet{below: map[string][]string{}, named: map[string]bool{}}
	for _, stmt := range strings.Split(text, ";") {
		stmt = strings.TrimSpace(stmt)
		if stmt == "" {
			continue
		}
		if list, ok := strings.CutPrefix(stmt, "TESTS:"); ok {
			r.tests = append(r.tests, names(list)...)
			continue
		}
		groups := strings.Split(stmt, "<")
		if len(groups) < 2 {
			return nil, fmt.Errorf("import rule: %q has no <", stmt)
		}
		for i, g := range groups {
			for _, n := range names(g) {
				if n == "" {
					return nil, fmt.Errorf("import rule: empty name in %q", stmt)
				}
				r.named[n] = true
				if i > 0 {
					r.below[n] = append(r.below[n], names(groups[i-1])...)
				}
			}
		}
	}
	return r, nil
}

func names(group string) []string {
	var out []string
	for _, n := range strings.Split(group, ",") {
		out = append(out, strings.TrimSpace(n))
	}
	return out
}

// match reports whether a pattern of the rule covers a package. A package that
// a pattern names exactly is not covered by a wildcard.
func (r *ruleSet) match(pattern, pkg string) bool {
	if pattern == pkg {
		return true
	}
	dir, wild := strings.CutSuffix(pattern, "/*")
	return wild && !r.named[pkg] && (pkg == dir || strings.HasPrefix(pkg, dir+"/"))
}

// allowed returns every pattern whose packages pkg may import, and whether the
// rule names pkg at all.
func (r *ruleSet) allowed(pkg string) (map[string]bool, bool) {
	may, named := map[string]bool{}, false
	var add func(pattern string)
	add = func(pattern string) {
		for _, p := range r.below[pattern] {
			if p != "NONE" && !may[p] {
				may[p] = true
				add(p)
			}
		}
	}
	for pattern := range r.named {
		if r.match(pattern, pkg) {
			named = true
			add(pattern)
			if strings.HasSuffix(pattern, "/*") {
				may[pattern] = true
			}
		}
	}
	return may, named
}

// check returns a sentence for each package and import that the rule forbids.
func (r *ruleSet) check(pkgs map[string]imports) []string {
	var broken []string
	for pkg, imp := range pkgs {
		may, named := r.allowed(pkg)
		if !named {
			broken = append(broken, fmt.Sprintf("package %s is not named in the import rule", pkg))
			continue
		}
		for _, i := range imp.prod {
			if !r.anyMatch(may, i.pkg) {
				broken = append(broken, fmt.Sprintf("%s: %s must not import %s", i.file, pkg, i.pkg))
			}
		}
		for _, i := range imp.test {
			testing := map[string]bool{pkg: true}
			for _, p := range r.tests {
				testing[p] = true
			}
			if !r.anyMatch(may, i.pkg) && !r.anyMatch(testing, i.pkg) {
				broken = append(broken, fmt.Sprintf("%s: the tests of %s must not import %s", i.file, pkg, i.pkg))
			}
		}
	}
	sort.Strings(broken)
	return broken
}

func (r *ruleSet) anyMatch(patterns map[string]bool, pkg string) bool {
	for p := range patterns {
		if r.match(p, pkg) {
			return true
		}
	}
	return false
}

// ourImports reads the import lines of every Go file of the module, whatever
// its build tags, and keeps those of our own packages, by path in the module.
func ourImports(root string) (map[string]imports, error) {
	pkgs := map[string]imports{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && p != root {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if hasIgnoreTag(p) {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		imp := pkgs[pkg]
		for _, s := range f.Imports {
			v, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			of, ours := strings.CutPrefix(v, "yore/")
			if !ours {
				continue
			}
			if strings.HasSuffix(name, "_test.go") {
				imp.test = append(imp.test, imported{of, rel})
			} else {
				imp.prod = append(imp.prod, imported{of, rel})
			}
		}
		pkgs[pkg] = imp
		return nil
	})
	return pkgs, err
}

// hasIgnoreTag reports a file that belongs to no package: a sample program.
func hasIgnoreTag(p string) bool {
	b, err := os.ReadFile(p)
	if err != nil {
		return false
	}
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "package ") {
			return false
		}
		if strings.TrimSpace(l) == "//go:build ignore" {
			return true
		}
	}
	return false
}

// moduleRoot is the directory of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("go.mod not found above the test")
		}
		dir = up
	}
}
