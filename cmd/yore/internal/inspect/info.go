package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/pack"
	"yore/engine/trace"
)

// info is what Info prints; the fields are those of --json.
type info struct {
	Name      string   `json:"name"`
	Dir       string   `json:"dir"`
	Size      int64    `json:"size"`           // bytes on disk
	Live      bool     `json:"live,omitempty"` // being recorded now
	Truncated []string `json:"truncated,omitempty"`
	// Meta says what was recorded. Events is counted, not taken from there.
	Events int64      `json:"events"`
	Meta   trace.Meta `json:"meta"`
}

// Info prints what the recording in dir is, as text or as one JSON object.
func Info(w io.Writer, dir string, asJSON bool) error {
	r, err := trace.OpenRecording(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	in := info{Name: filepath.Base(dir), Dir: dir, Events: r.Log.Len(), Meta: r.Meta()}
	if in.Size, err = usage(dir); err != nil {
		return err
	}
	if in.Meta.Ended == nil {
		in.Live = trace.Live(dir)
		if last, err := r.Log.At(r.Log.Len() - 1); err == nil {
			in.Meta.Seconds = time.Duration(last.Time).Seconds()
		}
	}
	for _, t := range r.Truncated() {
		in.Truncated = append(in.Truncated, t.String())
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(in)
	}
	_, err = io.WriteString(w, in.text())
	return err
}

func (in *info) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name+":", Printable(fmt.Sprintf(format, args...)))
	}
	m := &in.Meta
	line("recording", "%s", in.Dir)
	line("program", "%s", m.Program)
	line("command", "%s", Command(trace.Strings(m.Args)))
	line("directory", "%s", m.Cwd)
	line("pid", "%d", m.PID)
	line("recorded", "%s, %.3f s, by %s", m.Began.Local().Format(time.RFC1123Z), m.Seconds, m.Yore)
	line("machine", "%s, %d cores, Linux %s", m.Machine.CPU, m.Machine.CPUs, m.Machine.Kernel)
	can, surely := pack.Opens(m, nil)
	line("opens on", "%s", can)
	if surely != "" {
		line("surely on", "%s", surely)
	}
	line("events", "%d", in.Events)
	if m.Threads > 0 {
		line("threads", "%d", m.Threads)
	}
	for _, k := range slices.Sorted(maps.Keys(m.Counts)) {
		line(k, "%d", m.Counts[k])
	}
	line("size", "%s", Size(in.Size))
	line("ended", "%s", ended(m, in.Live))
	for _, t := range in.Truncated {
		line("cut short", "%s", t)
	}
	for i, f := range m.Frames {
		line(fmt.Sprintf("#%d", i), "%s", f)
	}
	for _, k := range slices.Sorted(maps.Keys(m.BuildIDs)) {
		line("build-id", "%s %s", m.BuildIDs[k], k)
	}
	for _, n := range m.Notes {
		line("note", "%s", n)
	}
	return b.String()
}

// usage is how much of the disk a directory takes. What vanishes meanwhile is
// not counted.
func usage(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && d.Type().IsRegular() {
			if err = unix.Lstat(p, &st); err == nil {
				n += st.Blocks * 512
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
