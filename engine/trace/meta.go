package trace

// The file `meta` of a recording: one JSON object that says what was recorded,
// where and how it ended. Keys that this version does not know are kept when the
// file is rewritten. Strings that came from the program (arguments, paths) may
// hold any bytes, see Str. The first key is a checksum, the crc32c of the file
// with the checksum's own digits as zeros, because replay depends on what the
// file says.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	metaName  = "meta"
	metaHead  = "{\n  \"checksum\": \""
	metaNoSum = "00000000"
	metaKind  = "yore recording"
	maxMeta   = 16 << 20
)

// Str is a string of arbitrary bytes. In JSON it is a string when it is UTF-8,
// otherwise {"base64": "…"}.
type Str string

type strBase64 struct {
	Base64 []byte `json:"base64"`
}

func (s Str) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(s)) {
		return json.Marshal(string(s))
	}
	return json.Marshal(strBase64{[]byte(s)})
}

func (s *Str) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var o struct {
			Base64 *string `json:"base64"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		if o.Base64 == nil {
			return errors.New("neither a string nor base64")
		}
		raw, err := base64.StdEncoding.DecodeString(*o.Base64)
		*s = Str(raw)
		return err
	}
	return json.Unmarshal(b, (*string)(s))
}

// Strs converts a list of strings.
func Strs(list []string) []Str {
	out := make([]Str, len(list))
	for i, s := range list {
		out[i] = Str(s)
	}
	return out
}

// Strings converts it back.
func Strings(list []Str) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// Meta describes a recording.
type Meta struct {
	Kind    string `json:"kind"`   // metaKind; set on writing
	Format  int    `json:"format"` // FormatVersion; set on writing
	Yore    string `json:"yore"`   // version of yore that recorded it
	Program Str    `json:"program"`
	Args    []Str  `json:"args"` // argv, from argv[0] on
	Env     []Str  `json:"env"`
	Cwd     Str    `json:"cwd"`
	// BuildIDs holds the hex build-ids of the program and of the libraries that
	// it mapped, by path.
	BuildIDs map[string]string `json:"build_ids,omitempty"`
	PID      int32             `json:"pid"` // of the recorded program
	Began    time.Time         `json:"began"`
	Machine  Machine           `json:"machine"`

	// What follows is written when the recording ends, and as it goes on.
	Seconds float64 `json:"seconds,omitempty"` // wall clock time of the program
	Events  int64   `json:"events,omitempty"`
	Threads int     `json:"threads,omitempty"` // largest number at one time
	// Counts holds further figures by name: preemptions, images, checkpoints…
	Counts map[string]int64 `json:"counts,omitempty"`
	// First is the event that history begins with, 0 unless the recording is a part
	// of another. Of events before it only the time is kept.
	First int64 `json:"first,omitempty"`
	// Ended is nil while the program runs, and for good when yore was killed.
	Ended *Ended `json:"ended,omitempty"`
	// EndImage is the image of the recording's end when that lies inside the last
	// slice, 0 when it is the slice's start.
	EndImage uint32 `json:"end_image,omitempty"`
	// Frames are the innermost frames at the end, as text, when known.
	Frames []string `json:"frames,omitempty"`
	// Notes are remarks to show with the recording, such as what made it
	// unreliable or what was cut off.
	Notes []string `json:"notes,omitempty"`

	unknown map[string]json.RawMessage
}

// Ended says how the recorded program, or its recording, ended.
type Ended struct {
	// How is "exit", "signal", "detached" (the program went on or was killed by
	// yore), "timeout" or "error" (yore gave up: Error says why).
	How    string `json:"how"`
	Status int    `json:"status,omitempty"` // exit status
	Signal int    `json:"signal,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (e *Ended) String() string {
	switch {
	case e == nil:
		return "not ended"
	case e.How == "exit":
		return fmt.Sprintf("exited with status %d", e.Status)
	case e.How == "signal":
		return fmt.Sprintf("killed by signal %d", e.Signal)
	case e.Error != "":
		return e.How + ": " + e.Error
	}
	return e.How
}

// metaKeys are the keys that Meta has fields for.
var metaKeys = func() map[string]bool {
	keys := map[string]bool{}
	t := reflect.TypeFor[Meta]()
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag != "" {
			keys[tag] = true
		}
	}
	return keys
}()

// encode returns the file's content.
func (m *Meta) encode() ([]byte, error) {
	m.Kind, m.Format = metaKind, FormatVersion
	known, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	if len(m.unknown) > 0 {
		more, err := json.MarshalIndent(m.unknown, "", "  ")
		if err != nil {
			return nil, err
		}
		known = append(bytes.TrimSuffix(known, []byte("\n}")), ',')
		known = append(known, bytes.TrimPrefix(more, []byte("{"))...)
	}
	b := append([]byte(metaHead+metaNoSum+"\","), bytes.TrimPrefix(known, []byte("{"))...)
	b = append(b, '\n')
	if len(b) > maxMeta {
		return nil, fmt.Errorf("description of %d bytes", len(b))
	}
	copy(b[len(metaHead):], fmt.Sprintf("%08x", crc32.Checksum(b, crcTable)))
	return b, nil
}

// checkMeta verifies the checksum.
func checkMeta(b []byte) error {
	end := len(metaHead) + len(metaNoSum)
	if len(b) < end || string(b[:len(metaHead)]) != metaHead {
		return errors.New("description has no checksum")
	}
	sum := crc32.Checksum(b[:len(metaHead)], crcTable)
	sum = crc32.Update(sum, crcTable, []byte(metaNoSum))
	sum = crc32.Update(sum, crcTable, b[end:])
	if fmt.Sprintf("%08x", sum) != string(b[len(metaHead):end]) {
		return errors.New("description fails its checksum")
	}
	return nil
}

// parseMeta reads a file's content. Errors are *FormatError with path.
func parseMeta(path string, b []byte) (*Meta, error) {
	bad := func(what string, err error) (*Meta, error) {
		return nil, &FormatError{Path: path, What: what, Err: err}
	}
	var head struct {
		Kind   string `json:"kind"`
		Format int    `json:"format"`
	}
	err := json.Unmarshal(b, &head)
	sumErr := checkMeta(b)
	switch {
	case sumErr != nil && !bytes.HasPrefix(b, []byte(metaHead)) && head.Kind != metaKind:
		return bad("description", ErrNotRecording)
	case sumErr != nil:
		return bad(sumErr.Error(), nil)
	case err != nil:
		return bad("description is not JSON", err)
	case head.Kind != metaKind:
		return bad("description", ErrNotRecording)
	case head.Format > FormatVersion:
		return bad(fmt.Sprintf("recording of format %d", head.Format), ErrNewer)
	case head.Format != FormatVersion:
		return bad(fmt.Sprintf("recording of unknown format %d", head.Format), nil)
	}
	m := new(Meta)
	if err := json.Unmarshal(b, m); err != nil {
		return bad("description", err)
	}
	if err := json.Unmarshal(b, &m.unknown); err != nil {
		return bad("description", err)
	}
	for k := range m.unknown {
		if metaKeys[k] || k == "checksum" {
			delete(m.unknown, k)
		}
	}
	if len(m.unknown) == 0 {
		m.unknown = nil
	}
	return m, nil
}

func readMeta(root *os.Root, path string) (*Meta, error) {
	f, err := openRegular(root, metaName, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &FormatError{Path: path, What: "no description", Err: ErrNotRecording}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMeta+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxMeta {
		return nil, &FormatError{Path: path, Offset: maxMeta, What: "description is too large"}
	}
	return parseMeta(path, b)
}

// writeMeta replaces the file in one step.
func writeMeta(root *os.Root, m *Meta) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	const tmp = metaName + ".new"
	if err := root.WriteFile(tmp, b, 0o600); err != nil {
		root.Remove(tmp)
		return err
	}
	return root.Rename(tmp, metaName)
}

// ParseMeta reads a description from the content of its file. Errors about it are
// *FormatError with path.
func ParseMeta(path string, b []byte) (*Meta, error) { return parseMeta(path, b) }
