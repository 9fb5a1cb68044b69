package engine

import (
	"os"

	"github.com/creack/pty"
)

// terminal is the program's own pseudo terminal.
type terminal struct{ master, slave *os.File }

func openTerminal() (*terminal, error) {
	m, s, err := pty.Open()
	if err != nil {
		return nil, err
	}
	return &terminal{m, s}, nil
}

func (t *terminal) close() { t.master.Close() }
