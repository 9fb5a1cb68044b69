package bundle

import (
	"errors"
	"fmt"
)

// ErrNewer is wrapped by errors about bundles of a later format.
var ErrNewer = errors.New("format is newer than this yore")

// ErrNotBundle is wrapped by errors about files that are no bundles at all.
var ErrNotBundle = errors.New("not a yore bundle")

// FormatError says that a bundle's bytes are damaged, foreign or hostile. Callers
// map it to exit status 65.
type FormatError struct {
	Path string
	What string
	Err  error // may be nil
}

func (e *FormatError) Error() string {
	switch {
	case e.Err != nil && e.What == "":
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	case errors.Is(e.Err, ErrNewer):
		return fmt.Sprintf("%s: %s: %v", e.Path, e.What, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("%s: damaged bundle: %s: %v", e.Path, e.What, e.Err)
	}
	return fmt.Sprintf("%s: damaged bundle: %s", e.Path, e.What)
}

func (e *FormatError) Unwrap() error { return e.Err }

// IsBadInput reports whether err is about a bundle's bytes (exit status 65) rather
// than about this machine.
func IsBadInput(err error) bool {
	var f *FormatError
	return errors.As(err, &f) || errors.Is(err, ErrNewer) || errors.Is(err, ErrNotBundle)
}
