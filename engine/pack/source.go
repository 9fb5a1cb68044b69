package pack

import (
	"debug/dwarf"
	"debug/elf"
	"os"
	"path/filepath"
	"slices"

	"yore/engine/bundle"
	"yore/engine/trace"
)

const (
	maxSource      = 8 << 20 // a single source, bytes
	sourcesDefault = 64 << 20
	maxSources     = 50_000
)

// sources returns the source files that exist here and that the debug information
// of the binaries and debug files names, the earlier ones first, up to limit
// bytes; and what did not fit.
func sources(binaries []string, limit int64) (found []bundle.Part, left []bundle.LeftOut) {
	seen := map[string]bool{}
	var sum int64
	for _, b := range binaries {
		names := sourceNames(b)
		slices.Sort(names)
		for _, name := range names {
			clean := filepath.Clean(name)
			if seen[clean] || !filepath.IsAbs(clean) {
				continue
			}
			seen[clean] = true
			st, err := os.Stat(clean)
			if err != nil || !st.Mode().IsRegular() {
				continue
			}
			p := bundle.Part{Path: trace.Str(name), Size: st.Size(), MtimeNS: st.ModTime().UnixNano()}
			switch {
			case p.Size > maxSource:
				left = append(left, bundle.LeftOut{Path: p.Path, Size: p.Size, Why: "source too large"})
			case sum+p.Size > limit || len(found) == maxSources:
				left = append(left, bundle.LeftOut{Path: p.Path, Size: p.Size, Why: "limit of all sources"})
			default:
				sum += p.Size
				found = append(found, p)
			}
		}
	}
	return found, left
}

// sourceNames returns the file names in a binary's line tables, joined to their
// directories but not cleaned. What cannot be read has none.
func sourceNames(path string) (names []string) {
	defer func() {
		if recover() != nil { // debug/dwarf on damaged tables
			names = nil
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for r := d.Reader(); ; r.SkipChildren() {
		e, err := r.Next()
		if e == nil || err != nil {
			return names
		}
		if e.Tag != dwarf.TagCompileUnit && e.Tag != dwarf.TagPartialUnit {
			continue
		}
		dir, _ := e.Val(dwarf.AttrCompDir).(string)
		add := func(name string) {
			if name != "" && !filepath.IsAbs(name) {
				name = dir + "/" + name
			}
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			add(name)
		}
		lines, err := d.LineReader(e)
		if lines == nil || err != nil {
			continue
		}
		for _, lf := range lines.Files() {
			if lf != nil {
				add(lf.Name)
			}
		}
	}
}
