package delve

import (
	"context"
	"errors"
	"strings"

	"github.com/go-delve/delve/pkg/proc"
)

// needsCall reports whether an evaluation failed because it would call a function
// of the program.
func needsCall(err error) bool {
	return err != nil && strings.Contains(err.Error(), "function calls not allowed")
}

var errNoCalls = errors.New("this expression calls a function of the program, which is not possible here; " +
	"name the fields that the function looks at instead")

// call evaluates an expression that calls functions of the program.
func (b *Backend) call(context.Context, string) (*proc.Variable, error) { return nil, errNoCalls }

// StartCallInjection is part of proc.ProcessInternal.
func (p *process) StartCallInjection() (func(), error) { return nil, errNoCalls }

// continueCall is ContinueOnce while a function of the program is being called.
func (p *process) continueCall() (proc.Thread, proc.StopReason, error) {
	return nil, proc.StopUnknown, errNoCalls
}
