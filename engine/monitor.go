package engine

import (
	"context"
	"fmt"
	"strings"
)

// Monitor answers gdb's "monitor" commands that concern the engine alone; the
// debugger layer has its own.
func (s *Session) Monitor(ctx context.Context, cmd string) (string, error) {
	if s.OnMonitor != nil {
		return s.OnMonitor(ctx, cmd)
	}
	switch f := strings.Fields(cmd); {
	case len(f) == 1 && f[0] == "when":
		p, err := s.Position(ctx)
		if err != nil {
			return "", err
		}
		return p.String() + "\n", nil
	}
	return "", fmt.Errorf("unknown monitor command %q", cmd)
}
