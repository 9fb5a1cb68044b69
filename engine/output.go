package engine

import (
	"context"
	"regexp"

	"yore/engine/trace"
)

// OutputLines calls fn for the lines that the program wrote to its standard output
// and error in all of history, in their order, until fn returns false. With re
// set only matching lines are passed.
func (s *Session) OutputLines(ctx context.Context, re *regexp.Regexp, fn func(trace.OutputLine) bool) error {
	return s.do(ctx, func() error {
		return s.log.Output(s.log.Len(), re, func(o trace.OutputLine) bool { return ctx.Err() == nil && fn(o) })
	})
}
