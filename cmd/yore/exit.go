package main

import (
	"errors"
	"fmt"
	"io"
)

// Exit statuses of yore itself. Commands that stand in for the program exit
// with the program's own.
const (
	exitOK      = 0
	exitFailed  = 1   // the command's own "no": diverged, not usable, a failed command of a batch
	exitUsage   = 64  // wrong command line (EX_USAGE)
	exitData    = 65  // damaged or foreign file (EX_DATAERR)
	exitMachine = 69  // the machine lacks something (EX_UNAVAILABLE)
	exitSelf    = 125 // record: yore failed; bisect: could not tell
	exitNoExec  = 126 // record: cannot be executed
	exitNoFile  = 127 // record: not found
)

// statusError is an error that knows the exit status it asks for.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// withStatus gives err an exit status; an error without one ends yore with 1.
func withStatus(status int, err error) error {
	if err == nil {
		return nil
	}
	return &statusError{status, err}
}

// usagef is a wrong command line.
func usagef(format string, args ...any) error {
	return withStatus(exitUsage, fmt.Errorf(format, args...))
}

// exited asks for an exit status without anything being said.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// statusOf returns the exit status that err asks for, 0 for nil.
func statusOf(err error) int {
	var quiet exited
	var s *statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &s):
		return s.status
	}
	return exitFailed
}

// tell writes what a person should read about err: one line, and for a wrong
// command line where to look. A quiet exit writes nothing.
func tell(w io.Writer, err error, help string) {
	var quiet exited
	if err == nil || errors.As(err, &quiet) {
		return
	}
	fmt.Fprintf(w, "yore: %v\n", err)
	if statusOf(err) == exitUsage && help != "" {
		fmt.Fprintf(w, "Try '%s'.\n", help)
	}
}
