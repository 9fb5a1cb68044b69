package delve

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/locspec"
	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/service/api"
)

// locate finds the addresses that a location means, one list for each place that
// it names. Locations are written as for Delve:
//
//	FILE:LINE  FUNCTION  FUNCTION:LINES  LINE  +LINES  -LINES  *ADDRESS  /REGEX/
//
// and as for gdb, where that differs: FILE:FUNCTION, names in 'quotes', and `main`
// for main.main.
func (b *Backend) locate(spec string) ([]api.Location, error) {
	text := gdbSpelling(spec)
	scope, _ := b.scope() // without one, lines need a file's name
	if file, fn, ok := strings.Cut(text, ":"); ok && strings.HasSuffix(file, ".go") && !number(fn) {
		return b.inFile(file, fn)
	}
	parsed, err := locspec.Parse(text)
	if err != nil {
		return nil, err
	}
	locs, _, err := parsed.Find(b.target(), nil, scope, text, false, b.config.substitute)
	if err != nil {
		var missing *locspec.ErrLocationNotFound
		if errors.As(err, &missing) {
			return nil, b.notFound(spec)
		}
		return nil, err
	}
	for _, l := range locs {
		if len(l.PCs) == 0 && l.PC == 0 {
			return nil, fmt.Errorf("there is no code at %s", spec)
		}
	}
	return locs, nil
}

// notFound says that a location does not exist, and what is called almost so.
func (b *Backend) notFound(spec string) error {
	base, _, _ := strings.Cut(spec, ":")
	if !strings.HasSuffix(base, ".go") {
		lower := strings.ToLower(base)
		for i := range b.p.bi.Functions {
			fn := &b.p.bi.Functions[i]
			if strings.ToLower(fn.Name) == lower || strings.ToLower(fn.BaseName()) == lower {
				return fmt.Errorf("there is no function or line %s; did you mean %s?", spec, fn.Name)
			}
		}
	}
	return fmt.Errorf("there is no function or line %s", spec)
}

func gdbSpelling(spec string) string {
	s := strings.TrimSpace(spec)
	if len(s) > 1 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	if s == "main" {
		return "main.main"
	}
	return strings.ReplaceAll(s, "::", ".")
}

func number(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// inFile finds a function by its file.
func (b *Backend) inFile(file, fn string) ([]api.Location, error) {
	var out []api.Location
	for i := range b.p.bi.Functions {
		f := &b.p.bi.Functions[i]
		if f.Name != fn && f.BaseName() != fn || f.Entry == 0 {
			continue
		}
		if name, _ := b.p.bi.EntryLineForFunc(f); name != file && !strings.HasSuffix(name, "/"+strings.TrimPrefix(file, "./")) {
			continue
		}
		pc, err := proc.FirstPCAfterPrologue(b.target(), f, false)
		if err != nil {
			return nil, err
		}
		l := api.ConvertLocation(proc.Location{PC: pc, Fn: f})
		l.File, l.Line, _ = b.p.bi.PCToLine(pc)
		l.PCs = []uint64{pc}
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no function %s in %s", fn, filepath.Base(file))
	}
	return out, nil
}

// addresses are all addresses of a location.
func addresses(l api.Location) []uint64 {
	if len(l.PCs) > 0 {
		return l.PCs
	}
	return []uint64{l.PC}
}

// splitCondition takes the condition behind a location: `LOC if COND`.
func splitCondition(text string) (spec, cond string) {
	if rest, ok := strings.CutPrefix(text, "if "); ok {
		return "", strings.TrimSpace(rest)
	}
	if i := strings.Index(text, " if "); i >= 0 {
		return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+len(" if "):])
	}
	return strings.TrimSpace(text), ""
}
