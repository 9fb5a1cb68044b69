package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"yore/engine/bundle"
	"yore/engine/pack"
	"yore/engine/trace"
)

// bundleInfo is what Bundle prints; the fields are those of --json.
type bundleInfo struct {
	Name     string           `json:"name"`
	Size     int64            `json:"size"` // bytes
	Parts    map[string]int64 `json:"parts"`
	Events   int64            `json:"events"`
	Meta     *trace.Meta      `json:"meta"`
	Manifest *bundle.Manifest `json:"bundle"`
	Missing  []string         `json:"missing,omitempty"`
}

// Bundle prints what the bundle at path holds and gives away, as text or as one
// JSON object. Nothing of it is unpacked.
func Bundle(w io.Writer, path string, asJSON bool) error {
	r, err := bundle.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := r.Copy(&text, bundle.RecordingEntry("meta")); err != nil {
		return err
	}
	meta, err := trace.ParseMeta(path, text.Bytes())
	if err != nil {
		return err
	}
	m := r.Manifest
	in := bundleInfo{Name: m.Name, Size: st.Size(), Parts: pack.Sizes(r), Events: m.To - m.From + 1, Meta: meta, Manifest: m, Missing: pack.Missing(r)}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(in)
	}
	_, err = io.WriteString(w, in.text(path))
	return err
}

func (in *bundleInfo) text(path string) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name+":", Printable(fmt.Sprintf(format, args...)))
	}
	m, meta := in.Manifest, in.Meta
	line("bundle", "%s, %s", path, Size(in.Size))
	line("packed", "%s by %s", m.Packed.Local().Format(time.RFC1123Z), m.Yore)
	if m.Note != "" {
		for _, l := range strings.Split(m.Note, "\n") {
			line("remark", "%s", l)
		}
	}
	line("program", "%s", meta.Program)
	line("command", "%s", Command(trace.Strings(meta.Args)))
	line("directory", "%s", meta.Cwd)
	line("recorded", "%s, %.3f s, by %s", meta.Began.Local().Format(time.RFC1123Z), meta.Seconds, meta.Yore)
	line("machine", "%s, %d cores, Linux %s", meta.Machine.CPU, meta.Machine.CPUs, meta.Machine.Kernel)
	can, surely := pack.Opens(meta, &m.Needs)
	line("opens on", "%s", can)
	if surely != "" {
		line("surely on", "%s", surely)
	}
	line("events", "%d to %d of %d", m.From, m.To, max(meta.Events, m.To+1))
	line("threads", "%d", meta.Threads)
	line("ended", "%s", meta.Ended)
	for i, f := range meta.Frames {
		line(fmt.Sprintf("#%d", i), "%s", f)
	}
	if p := m.Session.Position; p != "" {
		line("opens at", "%s", p)
	}
	for _, k := range m.Session.Bookmarks {
		line("bookmark", "%s %s %s", k.Name, k.Position, k.What)
	}
	for _, p := range m.Session.Breakpoints {
		line("breakpoint", "%s", breakpointText(&p))
	}
	for _, name := range []string{pack.PartEvents, pack.PartImages, pack.PartBinaries, pack.PartDebug, pack.PartSources} {
		line("takes", "%s for %s", Size(in.Parts[name]), name)
	}
	for i := range m.Files {
		f := &m.Files[i]
		id := f.BuildID
		if id == "" {
			id = "no build-id"
		}
		if len(f.Paths) > 0 {
			line("mapped", "%s (%s, %s)", f.Paths[0], Size(f.Size), id)
		}
	}
	for _, x := range in.Missing {
		line("missing", "%s: nothing can be replayed without it", x)
	}
	for i := range m.Debug {
		line("debug file", "%s (%s)", m.Debug[i].Path, Size(m.Debug[i].Size))
	}
	for i := range m.Sources {
		line("source", "%s", m.Sources[i].Path)
	}
	for _, l := range m.LeftOut {
		line("left out", "%s (%s): %s", l.Path, Size(l.Size), l.Why)
	}
	env := trace.Strings(meta.Env)
	slices.Sort(env)
	for _, kv := range env {
		line("environment", "%s", kv)
	}
	for _, h := range m.Hidden {
		line("hidden", "%s", h)
	}
	for _, n := range meta.Notes {
		line("note", "%s", n)
	}
	b.WriteString("It also holds the program's memory and all that it read, received and wrote while it was recorded.\n")
	return b.String()
}

func breakpointText(p *bundle.Breakpoint) string {
	text := p.Kind + " " + p.Where
	if p.Condition != "" {
		text += " if " + p.Condition
	}
	if p.Disabled {
		text += " (disabled)"
	}
	if len(p.Commands) > 0 {
		text += "; its commands, which are not taken over: " + strings.Join(p.Commands, "; ")
	}
	return text
}
