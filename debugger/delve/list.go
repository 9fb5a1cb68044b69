package delve

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// listing remembers source files and where the last `list` ended.
type listing struct {
	files map[string][]string
	name  string // of the file shown last
	first int    // its lines shown last, the last one included
	last  int
}

// mostSource bounds what is read of a source file.
const mostSource = 32 << 20

// file returns a file's lines.
func (l *listing) file(name string) ([]string, error) {
	if lines, ok := l.files[name]; ok {
		return lines, nil
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.Size() > mostSource {
		return nil, fmt.Errorf("%s is too large to be source", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(bytes.TrimSuffix(text, []byte("\n"))), "\n")
	for i, s := range lines {
		lines[i] = strings.TrimSuffix(s, "\r")
	}
	if l.files == nil {
		l.files = map[string][]string{}
	}
	l.files[name] = lines
	return lines, nil
}

// source prints lines of a file, with an arrow at line at when it is among them.
func (b *Backend) source(file string, first, last, at int) error {
	file = b.config.local(file)
	lines, err := b.lists.file(file)
	if err != nil {
		return err
	}
	first, last = max(1, first), min(last, len(lines))
	if first > len(lines) {
		return fmt.Errorf("%s has only %d lines", b.short(file), len(lines))
	}
	var out strings.Builder
	for n := first; n <= last; n++ {
		sign := "  "
		if n == at {
			sign = "=>"
		}
		fmt.Fprintf(&out, "%s%4d:\t%s\n", sign, n, lines[n-1])
	}
	b.print(out.String())
	b.lists.name, b.lists.first, b.lists.last = file, first, last
	return nil
}

// around prints a line with those around it.
func (b *Backend) around(file string, line int) error {
	n := b.config.listLines
	return b.source(file, line-n, line+n, line)
}
