package gdb

import (
	"context"
	"fmt"
	"strings"

	"yore/debugger"
)

// do makes one call: alone, and with a new gdb when this one dies of it.
func (g *Backend) do(ctx context.Context, f func() error) error {
	g.busy.Lock()
	defer g.busy.Unlock()
	if g.gone != nil {
		return g.gone
	}
	err := f()
	if gone(err) {
		err = g.recover(context.WithoutCancel(ctx), err)
	}
	return err
}

// recover puts a new gdb in the place of one that died, and returns the error of
// the command that it died of.
func (g *Backend) recover(ctx context.Context, cause error) error {
	how := signalled(cause)
	g.mu.Lock()
	breaks, params := g.breaks, g.params
	g.breaks = breakpoints{}
	g.params = params
	g.mu.Unlock()
	g.conn.Close(0)
	// The server may be what hangs: then there is no use in waiting for it.
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err := g.start(ctx); err != nil {
		g.gone = fmt.Errorf("gdb %s and cannot be started again (%v): %w", how, err, debugger.ErrBackendGone)
		return g.gone
	}
	for _, script := range breaks.restore() {
		g.script(ctx, script)
	}
	lost := len(breaks.list) - g.count()
	for _, line := range params.restore() {
		g.captured(ctx, console(line)) // what it refuses it could not have had
	}
	text := fmt.Sprintf("gdb %s; a new one was started at the same place", how)
	if lost > 0 {
		text += fmt.Sprintf(", without %d of the breakpoints", lost)
	}
	return fmt.Errorf("%s", text)
}

// count is how many breakpoints gdb has.
func (g *Backend) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.breaks.list)
}

// script executes lines that belong together and returns what they printed.
func (g *Backend) script(ctx context.Context, lines []string) (string, error) {
	file, remove, err := scriptFile(lines)
	if err != nil {
		return "", err
	}
	defer remove()
	text, err := g.captured(ctx, console("source "+file))
	return text, plain(file, err)
}

// plain takes the name of a temporary script out of an error.
func plain(file string, err error) error {
	refused := refusal(err)
	if refused == nil {
		return err
	}
	msg := refused.Msg
	for strings.HasPrefix(msg, file+":") {
		_, rest, ok := strings.Cut(msg, "Error in sourced command file:\n")
		if !ok {
			break
		}
		msg = rest
	}
	refused.Msg = msg
	return err
}
