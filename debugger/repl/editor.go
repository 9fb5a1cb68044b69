package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"
)

// errAborted says that ^C was typed instead of a line.
var errAborted = liner.ErrPromptAborted

// maxHistory is how many lines the history file keeps.
const maxHistory = 2000

// editor reads lines from the terminal. The terminal is in the editor's mode
// between resume and suspend.
type editor struct {
	state  *liner.State
	before liner.ModeApplier // the terminal's mode when we came
	within liner.ModeApplier // the editor's
	file   *os.File          // the history file, nil without one
}

// DefaultHistory is the usual history file: yore/history in the person's state
// directory; "" when there is no home.
func DefaultHistory(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "yore", "history")
}

// newEditor takes the terminal. With an error the editor works, without a
// history file.
func newEditor(history string, complete func(string) []string) (*editor, error) {
	e := &editor{}
	e.before, _ = liner.TerminalMode()
	e.state = liner.NewLiner()
	e.within, _ = liner.TerminalMode()
	e.state.SetCtrlCAborts(true)
	e.state.SetTabCompletionStyle(liner.TabPrints)
	e.state.SetCompleter(complete)
	if history == "" {
		return e, nil
	}
	lines, err := readHistory(history)
	if err == nil {
		for _, l := range lines {
			e.state.AppendHistory(l)
		}
		e.file, err = os.OpenFile(history, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err != nil {
		return e, fmt.Errorf("history: %w", err)
	}
	return e, nil
}

// readHistory returns the lines of a history file, which it makes (with its
// directory) or shortens as needed. Several yores may append to it at once.
func readHistory(path string) ([]string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	for br := bufio.NewReader(f); ; {
		l, err := br.ReadString('\n')
		if l = strings.TrimRight(l, "\r\n"); l != "" {
			lines = append(lines, l)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(lines) > 2*maxHistory {
		lines = lines[len(lines)-maxHistory:]
		tmp := path + ".new"
		if err := os.WriteFile(tmp, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return lines, err
		}
		return lines, os.Rename(tmp, path)
	}
	return lines, nil
}

// read reads a line and remembers it.
func (e *editor) read(prompt string) (string, error) {
	line, err := e.state.Prompt(prompt)
	if err != nil || strings.TrimSpace(line) == "" {
		return line, err
	}
	e.state.AppendHistory(line)
	if e.file != nil {
		e.file.WriteString(line + "\n") // a full disk costs the history, not the session
	}
	return line, nil
}

// ask reads an answer and forgets it.
func (e *editor) ask(question string) (string, error) { return e.state.Prompt(question) }

// suspend gives the terminal the mode it had when we came.
func (e *editor) suspend() {
	if e.before != nil {
		e.before.ApplyMode()
	}
}

func (e *editor) resume() {
	if e.within != nil {
		e.within.ApplyMode()
	}
}

func (e *editor) close() {
	e.state.Close()
	if e.file != nil {
		e.file.Close()
	}
}
