package gdbhost

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/session"
	"yore/engine/gdbserver"
)

//go:embed helper.py
var helper string

// stopped begins the command that tells of a stop which gdb has shown: where it
// is, and the command that led there, follow as JSON.
const stopped = "stopped "

// Host is a live target whose monitor commands are yore's verbs.
type Host struct {
	*live.Target
	d    *debugger.Debugger
	back *backend
	ui   *ui
}

var (
	_ gdbserver.Target   = (*Host)(nil)
	_ gdbserver.Streamer = (*Host)(nil)
)

// New returns a Host for a session that stands at its beginning. width is the
// number of columns of gdb's terminal.
func New(ctx context.Context, t *live.Target, width func() int) (*Host, error) {
	h := &Host{Target: t, ui: &ui{width: width}}
	h.back = &backend{target: t}
	var err error
	h.d, err = debugger.New(ctx, h.back, session.New(t.Session), h.ui, debugger.Options{})
	return h, err
}

// Close releases what the Host keeps alive of the session.
func (h *Host) Close() { h.d.Close() }

// Script is what gdb is to execute to be connected to address and to have the
// verbs.
func Script(exe, address string, mi bool) string {
	text := gdbserver.Script(gdbserver.ScriptOptions{Exe: exe, Address: address, MI: mi})
	return text + "python\n" + helper + "\nend\n"
}

// HasPython reports whether a gdb can execute the Script.
func HasPython(ctx context.Context, path string) bool {
	out, err := exec.CommandContext(ctx, path, "--batch", "-nx", "-ex", "python print('yes')").Output()
	return err == nil && strings.TrimSpace(string(out)) == "yes"
}

// MonitorTo is part of gdbserver.Streamer.
func (h *Host) MonitorTo(ctx context.Context, cmd string, out io.Writer) error {
	asker, can := gdbserver.AskerFrom(ctx)
	h.back.asker = asker
	h.ui.out = out
	defer func() { h.back.asker, h.ui.out = nil, nil }()
	if at, is := strings.CutPrefix(cmd, stopped); is {
		return h.note(ctx, at)
	}
	switch {
	case !isVerb(cmd):
		return fmt.Errorf("unknown monitor command %q; there are: %s", cmd, strings.Join(names(), ", "))
	case !can && !still(cmd):
		return errors.New("this needs yore's commands in gdb: start it with `yore gdb`")
	}
	err := h.d.Execute(ctx, cmd)
	if errors.Is(err, debugger.ErrInterrupted) {
		return errors.New("interrupted")
	}
	return err
}

// note adds a stop that gdb has shown to the history of motions.
func (h *Host) note(ctx context.Context, text string) error {
	var at struct {
		place
		Command string
	}
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		return fmt.Errorf("stop %q: %w", text, err)
	}
	h.back.noted = debugger.Outcome{Moved: true, At: debugger.Place{Location: at.location()}}
	defer func() { h.back.noted = debugger.Outcome{} }()
	return h.d.Execute(ctx, strings.TrimSpace(noted+" "+strings.Join(strings.Fields(at.Command), " ")))
}

func names() []string {
	var out []string
	for _, v := range gdbserver.Verbs {
		out = append(out, v.Name)
	}
	return append(out, "info bookmarks", "delete bookmark") // helper.py defines these
}

func isVerb(cmd string) bool {
	return slices.ContainsFunc(names(), func(n string) bool { return cmd == n || strings.HasPrefix(cmd, n+" ") })
}

// still reports whether a verb asks nothing of gdb.
func still(cmd string) bool {
	return slices.Contains([]string{"when", "info undo", "info checkpoints", "timeline"}, cmd) ||
		strings.HasPrefix(cmd, "checkpoint") || strings.HasPrefix(cmd, "delete checkpoint")
}

// ui prints into gdb's console.
type ui struct {
	out   io.Writer
	width func() int
}

func (u *ui) Print(text string) {
	if u.out != nil {
		io.WriteString(u.out, text)
	}
}
func (u *ui) Progress(string, float64) {}
func (u *ui) Confirm(string) bool      { return true }
func (u *ui) Width() int               { return u.width() }
func (u *ui) Shell(context.Context, string) error {
	return errors.New("gdb has a shell command of its own")
}
