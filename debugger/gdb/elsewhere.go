package gdb

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"yore/gdbmi"
)

// Files says where gdb is to look for files; the zero value: where the program
// says.
type Files struct {
	// Foreign: the program and all that belongs to it come from somebody else.
	// Nothing in them is executed by gdb, and nothing is looked for where the
	// program says.
	Foreign bool
	// Root stands for the program's /. Libraries are directories in it.
	Root      string
	Libraries []string
	// Debug are directories of debug files, Sources of sources; they come before
	// gdb's own.
	Debug, Sources []string
	// Moved maps the beginnings of source paths to where they are now.
	Moved []Moved
}

// Moved is a directory that is elsewhere.
type Moved struct{ From, To string }

// Original is the path, as the program knows it, of a file that has moved.
func (f *Files) Original(path string) string {
	for _, m := range f.Moved {
		if rest, ok := strings.CutPrefix(path, m.To); ok && (rest == "" || rest[0] == '/') {
			return m.From + rest
		}
	}
	return path
}

// early are the commands to be executed before any file is loaded.
func (f *Files) early() []string {
	if !f.Foreign {
		return nil
	}
	// Scripts that come with a program, or that lie where we are, stay unread.
	return []string{"set auto-load off"}
}

// settings are what follows -gdb-set.
func (f *Files) settings() []string {
	root := f.Root
	if root == "" {
		root = "/"
	}
	out := []string{"sysroot " + root}
	if f.Foreign {
		out = append(out, "exec-file-mismatch off")
	}
	if len(f.Libraries) > 0 {
		out = append(out, "solib-search-path "+strings.Join(f.Libraries, ":"))
	}
	return out
}

// tame overrides what an expression in gdb can do to this machine, since a foreign
// program's macros are part of expressions, and loads the printers of this
// machine's C++ library, which gdb would have found by the library's path.
const tame = `python
import gdb, glob, sys
class Refused(gdb.Function):
    def invoke(self, *args):
        raise gdb.GdbError("Not with a bundle.")
Refused("_shell")
for d in glob.glob("/usr/share/gcc*/python"):
    if d not in sys.path:
        sys.path.append(d)
try:
    from libstdcxx.v6 import register_libstdcxx_printers
    register_libstdcxx_printers(None)
except Exception:
    pass
end`

// locate makes the settings for files. Output is muted.
func (g *Backend) locate(ctx context.Context) error {
	f := &g.opts.Files
	for _, s := range f.settings() {
		if _, err := g.send(ctx, "-gdb-set "+s); err != nil && gone(err) {
			return err
		}
	}
	if len(f.Debug) > 0 {
		dirs := f.Debug
		if r, err := g.send(ctx, "-gdb-show debug-file-directory"); err == nil {
			dirs = append(append([]string(nil), dirs...), r.Fields.Text("value"))
		}
		if _, err := g.send(ctx, "-gdb-set debug-file-directory "+strings.Join(dirs, ":")); err != nil && gone(err) {
			return err
		}
	}
	for _, m := range f.Moved {
		line := fmt.Sprintf("set substitute-path %s %s", gdbmi.Quote(m.From), gdbmi.Quote(m.To))
		if _, err := g.send(ctx, console(line)); err != nil && gone(err) {
			return err
		}
	}
	for i := len(f.Sources) - 1; i >= 0; i-- {
		dir, err := filepath.Abs(f.Sources[i])
		if err != nil {
			continue
		}
		if _, err := g.send(ctx, console("directory "+gdbmi.Quote(dir))); err != nil && gone(err) {
			return err
		}
	}
	if f.Foreign {
		if _, err := g.script(ctx, strings.Split(tame, "\n")); err != nil && gone(err) {
			return err
		}
	}
	return nil
}
