package dap

import (
	"path"
	"path/filepath"
	"strings"
)

// pathRule says that sources which the debug information has under Built lie
// under Local.
type pathRule struct{ Built, Local string }

type pathRules []pathRule

// local is where the client finds a source that the debug information calls
// built. The first rule that fits is used.
func (r pathRules) local(built string) string {
	for _, rule := range r {
		if rest, ok := under(built, rule.Built); ok {
			return join(rule.Local, rest)
		}
	}
	return built
}

// built is what the debug information calls a source of the client.
func (r pathRules) built(local string) string {
	local = filepath.Clean(local)
	for _, rule := range r {
		if rest, ok := under(local, rule.Local); ok {
			return join(rule.Built, rest)
		}
	}
	return local
}

// under returns the rest of p below dir; "" when it is dir itself.
func under(p, dir string) (rest string, ok bool) {
	dir = strings.TrimSuffix(dir, "/")
	if p == dir {
		return "", true
	}
	rest, ok = strings.CutPrefix(p, dir+"/")
	return rest, ok
}

func join(dir, rest string) string {
	if rest == "" {
		return path.Clean(dir)
	}
	return path.Join(dir, rest)
}
