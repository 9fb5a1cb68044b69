package delve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
)

// config are the settings, with Delve's names. gdb's `set print elements` and
// `set listsize` reach the same.
type config struct {
	load       proc.LoadConfig
	listLines  int // before and after the present line
	substitute [][2]string
	sources    []string // directories
}

func newConfig() config {
	return config{load: proc.LoadConfig{FollowPointers: true, MaxVariableRecurse: 1, MaxStringLen: 64, MaxArrayValues: 64, MaxStructFields: -1}, listLines: 5}
}

// local is where a source file is on this machine. What it returned stays so.
func (c *config) local(path string) string {
	for _, r := range c.substitute {
		if strings.HasPrefix(path, strings.TrimSuffix(r[1], "/")+"/") {
			return path
		}
	}
	for _, r := range c.substitute {
		if rest, ok := strings.CutPrefix(path, r[0]); ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(r[0], "/")) {
			return r[1] + rest
		}
	}
	// In a directory of sources a file may lie by any end of its path.
	for _, dir := range c.sources {
		for end := path; end != ""; {
			if at := filepath.Join(dir, end); isFile(at) {
				return at
			}
			_, end, _ = strings.Cut(strings.TrimPrefix(end, "/"), "/")
		}
	}
	return path
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// setting returns where a number is kept, nil when there is no such setting.
func (c *config) setting(name string) *int {
	switch name {
	case "max-string-len":
		return &c.load.MaxStringLen
	case "max-array-values":
		return &c.load.MaxArrayValues
	case "max-variable-recurse":
		return &c.load.MaxVariableRecurse
	case "source-list-line-count":
		return &c.listLines
	}
	return nil
}

var settings = []string{"max-string-len", "max-array-values", "max-variable-recurse", "source-list-line-count"}

// configure is `config`: -list, NAME VALUE, substitute-path FROM TO.
func (b *Backend) configure(_ context.Context, args string) error {
	words := strings.Fields(args)
	switch {
	case len(words) == 0, words[0] == "-list":
		for _, s := range settings {
			b.printf("%-24s %d\n", s, *b.config.setting(s))
		}
		for _, r := range b.config.substitute {
			b.printf("%-24s %s → %s\n", "substitute-path", r[0], r[1])
		}
		return nil
	case words[0] == "substitute-path":
		return b.substitutePath(words[1:])
	}
	return b.change(words[0], words[1:])
}

func (b *Backend) change(name string, words []string) error {
	p := b.config.setting(name)
	if p == nil {
		return fmt.Errorf("config %s: there is no such setting; `config -list` shows them", name)
	}
	if len(words) != 1 {
		return fmt.Errorf("config %s: want a number", name)
	}
	const most = 1 << 20
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 0 || n > most {
		return fmt.Errorf("config %s %s: want a number up to %d", name, words[0], most)
	}
	*p = n
	return nil
}

func (b *Backend) substitutePath(words []string) error {
	switch len(words) {
	case 1:
		for i, r := range b.config.substitute {
			if r[0] == words[0] {
				b.config.substitute = append(b.config.substitute[:i], b.config.substitute[i+1:]...)
				return nil
			}
		}
		return fmt.Errorf("no substitution of %s", words[0])
	case 2:
		b.config.substitute = append(b.config.substitute, [2]string{words[0], words[1]})
		return nil
	}
	return fmt.Errorf("config substitute-path: want FROM and TO")
}

// setPrint is gdb's `set print NAME VALUE`.
func (b *Backend) setPrint(_ context.Context, args string) error {
	words := strings.Fields(args)
	if len(words) == 2 && (words[0] == "elements" || words[0] == "elem") {
		if words[1] == "unlimited" || words[1] == "0" {
			words[1] = "100000"
		}
		if err := b.change("max-array-values", words[1:]); err != nil {
			return err
		}
		return b.change("max-string-len", words[1:])
	}
	return fmt.Errorf("set print %s: for Go there is `set print elements N`; `config -list` shows Delve's settings", args)
}

// setListSize is gdb's `set listsize N`.
func (b *Backend) setListSize(_ context.Context, args string) error {
	n, err := strconv.Atoi(args)
	if err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("set listsize %s: want a number of lines", args)
	}
	b.config.listLines = n / 2
	return nil
}
