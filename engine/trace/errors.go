package trace

import (
	"errors"
	"fmt"
)

// ErrNewer is wrapped by errors about a recording whose format is newer than
// this program understands.
var ErrNewer = errors.New("format is newer than this yore")

// ErrNotRecording is wrapped by errors about a file or directory that is not a
// recording at all.
var ErrNotRecording = errors.New("not a yore recording")

// ErrClosed is returned by a log after Close, and by Append after Finish.
var ErrClosed = errors.New("event log is closed")

// FormatError says that a recording's bytes are damaged or foreign. Callers
// map it, ErrNewer and ErrNotRecording to exit status 65.
type FormatError struct {
	Path   string // file, "" for bytes that come from no file
	Offset int64  // where in the file the bad part begins
	What   string // what is wrong there
	Err    error  // ErrNewer, ErrNotRecording or a decoder's complaint; may be nil
}

func (e *FormatError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Path == "" {
		return fmt.Sprintf("damaged at byte %d: %s", e.Offset, s)
	}
	if errors.Is(e.Err, ErrNotRecording) || errors.Is(e.Err, ErrNewer) {
		return fmt.Sprintf("%s: %s", e.Path, s)
	}
	return fmt.Sprintf("%s: damaged at byte %d: %s", e.Path, e.Offset, s)
}

func (e *FormatError) Unwrap() error { return e.Err }

// IsBadInput reports whether err is about the bytes of a recording (exit status
// 65) rather than about this machine.
func IsBadInput(err error) bool {
	var f *FormatError
	return errors.As(err, &f) || errors.Is(err, ErrNewer) || errors.Is(err, ErrNotRecording)
}
