package repl

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Print is part of debugger.UI.
func (r *REPL) Print(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.progress.clear()
	r.write(r.opts.Stdout, text)
}

// write writes our text, with the newlines that the terminal's mode needs. The
// caller holds mu.
func (r *REPL) write(f *os.File, text string) {
	if r.raw {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	f.WriteString(text) // a closed pipe ends us by SIGPIPE; nothing else can be done
}

// say prints to a person, and is silent towards a pipe.
func (r *REPL) say(text string) {
	if r.interactive {
		r.Print(text)
	}
}

// fail prints an error.
func (r *REPL) fail(err error) {
	text := err.Error()
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.progress.clear()
	if colors(r.opts.Stderr) {
		text = "\x1b[31m" + strings.TrimSuffix(text, "\n") + "\x1b[m\n"
	}
	r.write(r.opts.Stderr, text)
}

// colors reports whether a file is a terminal that wants colours.
func colors(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// flush prints what the program has written so far.
func (r *REPL) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
}

// drain is flush for holders of mu.
func (r *REPL) drain() {
	if r.program != nil {
		r.program.drain()
	}
}

// Progress is part of debugger.UI.
func (r *REPL) Progress(what string, fraction float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.show(what, fraction)
}

// Confirm is part of debugger.UI.
func (r *REPL) Confirm(question string) bool {
	if !r.interactive || r.editor == nil {
		return true
	}
	r.flush()
	r.editor.resume()
	defer r.editor.suspend()
	for {
		answer, err := r.editor.ask(question + " (y or n) ")
		if err != nil {
			return false
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true
		case "n", "no":
			return false
		}
		r.Print("Please answer y or n.\n")
	}
}

// Width is part of debugger.UI.
func (r *REPL) Width() int {
	if w, _, err := term.GetSize(int(r.opts.Stdout.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

// Shell is part of debugger.UI.
func (r *REPL) Shell(ctx context.Context, command string) error {
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	var args []string
	if command != "" {
		args = []string{"-c", command}
	}
	cmd := exec.CommandContext(ctx, shell, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.opts.Stdin, r.opts.Stdout, r.opts.Stderr
	if !r.interactive {
		cmd.Stdin = nil // ours is commands
	}
	return cmd.Run()
}

// progress is the line that tells how far long work is. It appears after half a
// second, on a terminal only.
type progress struct {
	out   *os.File // nil when it is no terminal
	since time.Time
	last  time.Time
	shown bool
	mu    sync.Mutex // guards since: begin comes from the loop, show from anywhere
}

const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func (p *progress) init(out *os.File) {
	if term.IsTerminal(int(out.Fd())) {
		p.out = out
	}
}

func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

// show draws the line. A negative fraction is unknown.
func (p *progress) show(what string, fraction float64) {
	p.mu.Lock()
	since := p.since
	p.mu.Unlock()
	now := time.Now()
	if p.out == nil || now.Sub(since) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprint(p.out, "\r\x1b[K"+progressText(what, fraction, now.Sub(since)))
}

// progressText is the line.
func progressText(what string, fraction float64, elapsed time.Duration) string {
	if fraction < 0 {
		return fmt.Sprintf("%s … %.1f s", what, elapsed.Seconds())
	}
	return fmt.Sprintf("%s … %d%%, %.1f s", what, int(100*min(1, fraction)), elapsed.Seconds())
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) end() { p.clear() }
