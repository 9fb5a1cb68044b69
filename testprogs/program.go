package testprogs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Program is one sample program and what its header says of it.
type Program struct {
	Name   string   // "demo_list", "bench/w1"
	Path   string   // the source file
	Lang   string   // suffix without the dot: c, cc, go, rs, py, sql
	Flags  []string // further compiler flags
	Args   []string // arguments of the short run
	Stdin  string
	Output *string // all of standard output, nil when it varies
	Exit   int     // exit status of the short run
	Signal int     // the signal that ends it, 0 for none
	Needs  []string
	Watch  string   // the expression that goes wrong at the line with MARK culprit
	Frame  string   // the function whose variable it names, "" for none
	Back   []string // commands that lead from its failure back to the line with MARK culprit
}

var languages = map[string]bool{"c": true, "cc": true, "go": true, "rs": true, "py": true, "sql": true}

// Root returns the directory testprogs of the checkout: the nearest one at or
// above the working directory that belongs to module yore.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("testprogs: %w", err)
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module yore\n")) {
			return filepath.Join(dir, "testprogs"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("testprogs: no checkout of yore above the working directory")
		}
		dir = up
	}
}

// All returns every program in order of name.
func All() ([]*Program, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	var ps []*Program
	for _, d := range []struct{ dir, prefix string }{{"src", ""}, {"go", "go/"}, {"bench", "bench/"}} {
		files, err := filepath.Glob(filepath.Join(root, d.dir, "*.*"))
		if err != nil {
			return nil, fmt.Errorf("testprogs: %w", err)
		}
		for _, f := range files {
			lang := strings.TrimPrefix(filepath.Ext(f), ".")
			if !languages[lang] {
				continue
			}
			base := strings.TrimSuffix(filepath.Base(f), "."+lang)
			p := &Program{Name: d.prefix + base, Path: f, Lang: lang}
			if err := p.readHeader(); err != nil {
				return nil, err
			}
			ps = append(ps, p)
		}
	}
	sort.Slice(ps, func(i, j int) bool { return ps[i].Name < ps[j].Name })
	for i := 1; i < len(ps); i++ {
		if ps[i].Name == ps[i-1].Name {
			return nil, fmt.Errorf("testprogs: two programs named %s", ps[i].Name)
		}
	}
	return ps, nil
}

// Find returns the program of that name.
func Find(name string) (*Program, error) {
	ps, err := All()
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("testprogs: no program %q", name)
}

// readHeader reads the file's first comment: up to the first line that is
// neither blank nor looks like one of a comment.
func (p *Program) readHeader() error {
	f, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("testprogs: %w", err)
	}
	defer f.Close()
	in := false // inside /* */
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		comment := in
		for _, mark := range []string{"/*", "//", "#!", "# ", "--"} {
			comment = comment || strings.HasPrefix(line, mark)
		}
		if line != "" && line != "#" && !comment {
			break
		}
		if strings.HasPrefix(line, "/*") {
			in = true
		}
		ended := in && strings.Contains(line, "*/")
		line, _, _ = strings.Cut(line, "*/")
		if key, val, ok := strings.Cut(strings.TrimLeft(line, "/*#- "), ":"); ok {
			if err := p.directive(key, strings.TrimSpace(val)); err != nil {
				return fmt.Errorf("testprogs: %s: %s: %w", p.Path, key, err)
			}
		}
		if ended {
			in = false
		}
	}
	return nil
}

func (p *Program) directive(key, val string) (err error) {
	switch key {
	case "flags":
		p.Flags = strings.Fields(val)
	case "args":
		p.Args = strings.Fields(val)
	case "needs":
		p.Needs = strings.Fields(val)
	case "watch":
		p.Watch = val
	case "frame":
		p.Frame = val
	case "back":
		p.Back = strings.Split(val, "; ")
	case "stdin":
		p.Stdin, err = strconv.Unquote(`"` + val + `"`)
	case "output":
		var s string
		s, err = strconv.Unquote(`"` + val + `"`)
		p.Output = &s
	case "exit":
		p.Exit, err = strconv.Atoi(val)
	case "signal":
		p.Signal, err = strconv.Atoi(val)
	}
	return err
}

// HasMark reports whether the program has a line with "MARK mark" in it.
func (p *Program) HasMark(mark string) bool {
	_, err := p.Line(mark)
	return err == nil
}

// Line returns the number of the program's only line with "MARK mark" in it.
func (p *Program) Line(mark string) (int, error) {
	b, err := os.ReadFile(p.Path)
	if err != nil {
		return 0, fmt.Errorf("testprogs: %w", err)
	}
	at := 0
	for i, l := range strings.Split(string(b), "\n") {
		for f := strings.Fields(l); len(f) > 1; f = f[1:] {
			if f[0] != "MARK" || f[1] != mark {
				continue
			}
			if at != 0 {
				return 0, fmt.Errorf("testprogs: %s: two lines with MARK %s", p.Path, mark)
			}
			at = i + 1
		}
	}
	if at == 0 {
		return 0, fmt.Errorf("testprogs: %s: no line with MARK %s", p.Path, mark)
	}
	return at, nil
}
