package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"yore/engine/trace"
)

const manifestKind = "yore bundle"

// Manifest says what a bundle holds.
type Manifest struct {
	Kind   string    `json:"kind"`   // manifestKind; set on writing
	Format int       `json:"format"` // Version; set on writing
	Yore   string    `json:"yore"`   // version of yore that packed it
	Packed time.Time `json:"packed"`
	Name   string    `json:"name"` // of the recording
	Note   string    `json:"note,omitempty"`
	// From and To are the first and the last event that are held.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Files are the files that the program mapped; the entry of file ID is
	// FileEntry(ID). Debug and Sources are in the order of their entries.
	Files   []File `json:"files"`
	Debug   []Part `json:"debug,omitempty"`
	Sources []Part `json:"sources,omitempty"`
	// LeftOut are files that would have helped and are not there.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Hidden says what was taken out of the description: "environment", a
	// pattern…
	Hidden  []string `json:"hidden,omitempty"`
	Session Session  `json:"session"`
	Needs   Needs    `json:"needs"`
}

// File is a mapped file.
type File struct {
	ID uint32 `json:"id"`
	// Paths are the absolute paths by which it was known.
	Paths   []trace.Str `json:"paths"`
	Size    int64       `json:"size"`
	MtimeNS int64       `json:"mtime_ns,omitempty"`
	BuildID string      `json:"build_id,omitempty"`
}

// Part is a debug file or a source.
type Part struct {
	Path    trace.Str `json:"path"` // absolute, or as the debug information has it
	Size    int64     `json:"size"`
	MtimeNS int64     `json:"mtime_ns,omitempty"`
	BuildID string    `json:"build_id,omitempty"` // of the binary that it describes
}

// LeftOut is a file that is not in the bundle.
type LeftOut struct {
	Path trace.Str `json:"path"`
	Size int64     `json:"size,omitempty"`
	Why  string    `json:"why"`
}

// Session is what the person was doing.
type Session struct {
	// Position is where the bundle opens, "" for the end.
	Position    string       `json:"position,omitempty"`
	Breakpoints []Breakpoint `json:"breakpoints,omitempty"`
	Bookmarks   []Bookmark   `json:"bookmarks,omitempty"`
	// Stops is the list that undo walks; Current is the index of the present one.
	Stops   []Stop `json:"stops,omitempty"`
	Current int    `json:"current,omitempty"`
}

// Breakpoint is a breakpoint or watchpoint in gdb's words.
type Breakpoint struct {
	Kind      string   `json:"kind"` // break, tbreak, hbreak, thbreak, watch, rwatch, awatch
	Where     string   `json:"where"`
	Condition string   `json:"condition,omitempty"`
	Ignore    int      `json:"ignore,omitempty"`
	Disabled  bool     `json:"disabled,omitempty"`
	Commands  []string `json:"commands,omitempty"` // shown, never executed
}

// Bookmark is a named position.
type Bookmark struct {
	Name     string `json:"name"`
	Position string `json:"position"`
	What     string `json:"what,omitempty"`
}

// Stop is a place the program was stopped at, and the command that led there.
type Stop struct {
	Position string `json:"position"`
	Command  string `json:"command"`
	What     string `json:"what,omitempty"`
}

// Needs is what replay asks of a machine beside a kernel.
type Needs struct {
	// Features are CPU features that the run is known to have used.
	Features []string `json:"features,omitempty"`
	// XStateUsed are the components of the XSAVE area that were not in their
	// initial state in some image, as a mask; XStateOffsets where each component
	// of XCR0 lies in the area, from component 2 on.
	XStateUsed    uint64         `json:"xstate_used,omitempty"`
	XStateOffsets map[int][2]int `json:"xstate_offsets,omitempty"` // offset, size
	// LowestAddress and HighestAddress bound what the images map, and Mappings is
	// the most that one maps.
	LowestAddress  uint64 `json:"lowest_address,omitempty"`
	HighestAddress uint64 `json:"highest_address,omitempty"`
	Mappings       int    `json:"mappings,omitempty"`
}

func (m *Manifest) encode() ([]byte, error) {
	m.Kind, m.Format = manifestKind, Version
	b, err := json.MarshalIndent(m, "", " ")
	if err == nil && len(b) > maxSmall {
		err = fmt.Errorf("manifest of %d bytes", len(b))
	}
	return append(b, '\n'), err
}

// parseManifest reads and checks a manifest.
func parseManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, err
	}
	switch {
	case m.Kind != manifestKind:
		return nil, ErrNotBundle
	case m.Format > Version:
		return nil, ErrNewer
	case m.Format < 1:
		return nil, errors.New("it has no version")
	case m.From < 0 || m.To < m.From:
		return nil, fmt.Errorf("it holds events %d to %d", m.From, m.To)
	}
	seen := map[uint32]bool{}
	for i := range m.Files {
		f := &m.Files[i]
		if f.ID == 0 || seen[f.ID] {
			return nil, fmt.Errorf("mapped file %d is there twice, or is none", f.ID)
		}
		seen[f.ID] = true
	}
	return m, nil
}

// SafePath makes of a path that a bundle names a relative one that stays below the
// directory that it is joined to; "" when nothing is left of it.
func SafePath(p string) string {
	if strings.IndexByte(p, 0) >= 0 {
		return ""
	}
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}
