package inspect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"yore/engine/trace"
)

// List prints a line for each recording of the store, oldest first: name, when,
// how long, events, size, how it ended, the command line. It returns how many
// there were. Recordings of runs that never got a name are left out unless they
// are being made.
func List(w io.Writer, s trace.Store) (int, error) {
	entries, err := s.List()
	if err != nil {
		return 0, err
	}
	n := 0
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range entries {
		if e.Anonymous && !e.Live {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintln(tw, "NAME\tWHEN\tSECONDS\tEVENTS\tSIZE\tENDED\tCOMMAND")
		}
		fmt.Fprintln(tw, strings.Join(row(e), "\t"))
	}
	return n, tw.Flush()
}

func row(e trace.Entry) []string {
	name := Printable(e.Name)
	if e.Latest {
		name += " (latest)"
	}
	if e.Err != nil {
		return []string{name, e.Changed.Format(time.DateTime), "", "", Size(e.Size), "unreadable: " + Printable(e.Err.Error()), ""}
	}
	m := e.Meta
	return []string{name, m.Began.Local().Format(time.DateTime), fmt.Sprintf("%.3f", m.Seconds),
		fmt.Sprint(m.Events), Size(e.Size), Printable(ended(m, e.Live)), Command(trace.Strings(m.Args))}
}

// ended says how a recording ended, which it may not have done.
func ended(m *trace.Meta, live bool) string {
	switch {
	case live:
		return "being recorded"
	case m.Ended == nil:
		return "cut short"
	}
	return m.Ended.String()
}

// Size prints a number of bytes for people.
func Size(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "kB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
