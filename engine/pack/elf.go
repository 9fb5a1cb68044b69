package pack

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
)

// aliases returns the paths by which the mapped file at path, an ELF file's or
// not, may be named elsewhere in the program: by links beside it, by its soname,
// below / and /usr alike.
func aliases(path string) []string {
	out := []string{path}
	add := func(p string) {
		for _, have := range out {
			if have == p {
				return
			}
		}
		out = append(out, p)
	}
	real, err := os.Stat(path)
	if err != nil {
		return out
	}
	same := func(p string) bool {
		st, err := os.Stat(p)
		return err == nil && os.SameFile(st, real)
	}
	dir := filepath.Dir(path)
	// Links to it are of its own directory, as libNAME.so.N is of libNAME.so.N.M.
	base, _, _ := strings.Cut(filepath.Base(path), ".so")
	base = strings.TrimRight(base, "0123456789.-")
	if list, err := os.ReadDir(dir); err == nil {
		for _, e := range list {
			if e.Type()&os.ModeSymlink != 0 && strings.HasPrefix(e.Name(), base) && same(filepath.Join(dir, e.Name())) {
				add(filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, p := range append([]string(nil), out...) {
		for _, merged := range []string{"/lib", "/bin", "/sbin"} {
			switch {
			case strings.HasPrefix(p, "/usr"+merged) && same(p[len("/usr"):]):
				add(p[len("/usr"):])
			case strings.HasPrefix(p, merged) && same("/usr"+p):
				add("/usr" + p)
			}
		}
	}
	return out
}

// interpreter returns what an executable names as its dynamic linker, "" for none.
func interpreter(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz > 1 && p.Filesz < 4096 {
			b := make([]byte, p.Filesz)
			if n, _ := p.ReadAt(b, 0); n == len(b) {
				return strings.TrimRight(string(b), "\x00")
			}
		}
	}
	return ""
}

const systemDebug = "/usr/lib/debug"

// debugFile is a separate debug file of a binary.
type debugFile struct {
	path    string
	buildID string // of the binary
}

// findDebug looks for a binary's separate debug file where gdb does, and where
// debuginfod's client keeps what it fetched.
func findDebug(path, buildID string) (string, bool) {
	var tries []string
	if len(buildID) > 2 {
		tries = append(tries, filepath.Join(systemDebug, ".build-id", buildID[:2], buildID[2:]+".debug"))
		if c, err := os.UserCacheDir(); err == nil {
			tries = append(tries, filepath.Join(c, "debuginfod_client", buildID, "debuginfo"))
		}
	}
	if name := debugLink(path); name != "" {
		dir := filepath.Dir(path)
		tries = append(tries, filepath.Join(dir, name), filepath.Join(dir, ".debug", name), filepath.Join(systemDebug, dir, name))
	}
	for _, p := range tries {
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && p != path {
			return p, true
		}
	}
	return "", false
}

// debugLink is the name in a binary's .gnu_debuglink, "" for none.
func debugLink(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	s := f.Section(".gnu_debuglink")
	if s == nil || s.Size > 4096 {
		return ""
	}
	b, err := s.Data()
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(b), "\x00")
	if name != filepath.Base(name) {
		return ""
	}
	return name
}
