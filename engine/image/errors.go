package image

import (
	"errors"
	"fmt"
)

// ErrNewer is wrapped by errors about files whose format is newer than this
// program understands.
var ErrNewer = errors.New("format is newer than this yore")

// ErrNotImage is wrapped by errors about files that are no images at all.
var ErrNotImage = errors.New("not a yore process image")

// ErrNoImage is wrapped by errors about an image that does not exist.
var ErrNoImage = errors.New("no such image")

// FormatError says that an image's bytes are damaged or foreign. Callers map it
// to exit status 65.
type FormatError struct {
	Path   string
	Offset int64 // where in the file, or in its unpacked payload, it is wrong
	What   string
	Err    error // ErrNewer, ErrNotImage or a decoder's complaint; may be nil
}

func (e *FormatError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if errors.Is(e.Err, ErrNewer) || errors.Is(e.Err, ErrNotImage) {
		return fmt.Sprintf("%s: %s", e.Path, s)
	}
	return fmt.Sprintf("%s: damaged at byte %d: %s", e.Path, e.Offset, s)
}

func (e *FormatError) Unwrap() error { return e.Err }

// IsBadInput reports whether err is about an image's bytes (exit status 65)
// rather than about this machine.
func IsBadInput(err error) bool {
	var f *FormatError
	return errors.As(err, &f) || errors.Is(err, ErrNewer) || errors.Is(err, ErrNotImage)
}
