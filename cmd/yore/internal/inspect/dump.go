package inspect

import (
	"bufio"
	"fmt"
	"io"

	"yore/engine/trace"
)

// Dump prints the events from, …, to of the recording in dir, a line each: the
// event's number and its text form. to < 0 means all of them.
func Dump(w io.Writer, dir string, from, to int64) error {
	r, err := trace.OpenRecording(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	last := r.Log.Len() - 1
	if to < 0 || to > last {
		to = last
	}
	out := bufio.NewWriterSize(w, 1<<16)
	var printErr error
	err = r.Log.Scan(from, to+1, trace.Filter{}, func(i int64, e *trace.Event) bool {
		_, printErr = fmt.Fprintf(out, "%d %s\n", i, trace.FormatEvent(e))
		return printErr == nil
	})
	if ferr := out.Flush(); printErr == nil {
		printErr = ferr
	}
	if printErr != nil {
		return printErr
	}
	return err
}
