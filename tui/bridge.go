package tui

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"yore/debugger"
)

// Messages from the debugger's side.
type (
	textMsg     string // for the console
	progressMsg struct {
		what     string
		fraction float64
	}
	runningMsg  bool   // the program was resumed, or has stopped
	programMsg  []byte // the program wrote this
	questionMsg struct {
		text   string
		answer chan bool
	}
	shellMsg struct {
		cmd  *exec.Cmd
		done chan error
	}
)

// Bridge is the debugger's UI. Its methods may be called from any goroutine but
// the model's.
type Bridge struct {
	send func(tea.Msg)

	mu       sync.Mutex
	width    int
	last     time.Time // of a progress message
	closed   chan struct{}
	terminal *os.File // the program's
}

var _ debugger.UI = (*Bridge)(nil)

func newBridge(send func(tea.Msg)) *Bridge {
	return &Bridge{send: send, width: 80, closed: make(chan struct{})}
}

// Print is part of debugger.UI.
func (b *Bridge) Print(text string) { b.send(textMsg(text)) }

// Progress is part of debugger.UI.
func (b *Bridge) Progress(what string, fraction float64) {
	const every = 50 * time.Millisecond
	b.mu.Lock()
	now := time.Now()
	late := now.Sub(b.last) >= every
	if late {
		b.last = now
	}
	b.mu.Unlock()
	if late {
		b.send(progressMsg{what, fraction})
	}
}

// Running is told when the program is resumed and has stopped.
func (b *Bridge) Running(running bool) { b.send(runningMsg(running)) }

// Confirm is part of debugger.UI.
func (b *Bridge) Confirm(question string) bool {
	answer := make(chan bool, 1)
	b.send(questionMsg{question, answer})
	select {
	case yes := <-answer:
		return yes
	case <-b.closed:
		return true
	}
}

// Width is part of debugger.UI: of the console.
func (b *Bridge) Width() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(20, b.width)
}

func (b *Bridge) setWidth(w int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.width = w
}

// Shell is part of debugger.UI: a command's output goes to the console, an
// interactive shell gets the terminal.
func (b *Bridge) Shell(ctx context.Context, command string) error {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	if command != "" {
		cmd := exec.CommandContext(ctx, shell, "-c", command)
		out, err := cmd.CombinedOutput()
		b.Print(strings.ReplaceAll(string(out), "\r\n", "\n"))
		return err
	}
	done := make(chan error, 1)
	b.send(shellMsg{exec.CommandContext(ctx, shell), done})
	select {
	case err := <-done:
		return err
	case <-b.closed:
		return nil
	}
}
