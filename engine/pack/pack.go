package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"yore/engine/bundle"
	"yore/engine/image"
	"yore/engine/trace"
)

// Options say what to pack.
type Options struct {
	Yore string // version, for the manifest
	Name string // of the recording, "" for its directory's
	Note string
	// NoSources leaves the sources out; SourceLimit bounds their size, bytes, 0
	// for a default. NoDebug leaves separate debug files out.
	NoSources   bool
	SourceLimit int64
	NoDebug     bool
	// NoEnv takes the environment out of the description, Redact replaces what it
	// matches there by "[redacted]". Neither touches what is replayed.
	NoEnv   bool
	Redact  []*regexp.Regexp
	Session bundle.Session
	// Range is the part of history to hold, nil for all.
	Range *Range
	// From is the bundle that the recording was unpacked from, nil for none: what
	// belongs to it is there.
	From *Opened
}

// Packed says what a bundle came to.
type Packed struct {
	Path string
	Size int64
	// Parts are the sizes in the bundle by what they are for.
	Parts    map[string]int64
	Manifest *bundle.Manifest
}

// Parts of a bundle, the keys of Packed.Parts.
const (
	PartEvents   = "events"
	PartImages   = "images"
	PartBinaries = "binaries and other mapped files"
	PartDebug    = "debug files"
	PartSources  = "sources"
)

// Pack packs the recording in directory dir into the bundle out.
func Pack(dir, out string, o Options) (*Packed, error) {
	p, err := pack(dir, out, o)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	return p, nil
}

// packer is a running Pack.
type packer struct {
	Options
	rec     *trace.Recording
	dir     string // of the events and images
	staging string // of what is made for the bundle
	files   []trace.File
	debug   []string // paths, in the order of the manifest's Debug
	sources []string // paths, in the order of the manifest's Sources
	m       bundle.Manifest
}

func pack(dir, out string, o Options) (_ *Packed, err error) {
	rec, err := trace.OpenRecording(dir)
	if err != nil {
		return nil, err
	}
	defer rec.Close()
	staging, err := os.MkdirTemp("", "yore-pack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staging)
	p := &packer{Options: o, rec: rec, dir: dir, staging: staging}
	p.m = bundle.Manifest{Yore: o.Yore, Packed: time.Now().UTC().Truncate(time.Second), Name: o.Name, Note: o.Note,
		To: rec.Log.Len() - 1, Session: o.Session}
	if p.m.Name == "" {
		p.m.Name = filepath.Base(dir)
	}
	if rec.Log.Len() == 0 {
		return nil, errors.New("there is no event in it")
	}
	meta := rec.Meta()
	p.m.From = meta.First
	if p.Range != nil {
		if err := p.trim(&meta); err != nil {
			return nil, err
		}
	}
	if err := p.mapped(); err != nil {
		return nil, err
	}
	if err := p.needs(); err != nil {
		return nil, err
	}
	p.findParts()
	p.hide(&meta)
	sums, _, err := rec.Fingerprints()
	if err != nil {
		return nil, err
	}
	if err := trace.Derive(staging, meta, p.files, p.inRange(sums)); err != nil {
		return nil, err
	}
	w, err := bundle.Create(out, &p.m)
	if err != nil {
		return nil, err
	}
	if err := p.write(w); err != nil {
		w.Discard()
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return measure(out)
}

// mapped lists the mapped files and checks that their content is to be had.
func (p *packer) mapped() error {
	ids := p.rec.Meta().BuildIDs
	for id := uint32(1); int(id) <= p.rec.Files.Len(); id++ {
		f, _ := p.rec.Files.Get(id)
		content, err := p.rec.Files.Open(id)
		if err != nil {
			return err
		}
		if f.Hash == "" {
			f.Hash, err = trace.HashContent(content, f.Size)
		}
		content.Close()
		if err != nil {
			return err
		}
		if p.From != nil {
			if i := slices.IndexFunc(p.From.Manifest.Files, func(x bundle.File) bool { return x.ID == id }); i >= 0 {
				p.m.Files = append(p.m.Files, p.From.Manifest.Files[i])
				p.files = append(p.files, f)
				continue
			}
		}
		entry := bundle.File{ID: id, Size: f.Size, MtimeNS: f.MtimeNS, BuildID: ids[string(f.Path)]}
		entry.Paths = trace.Strs(aliases(string(f.Path)))
		p.m.Files = append(p.m.Files, entry)
		f.Captured = true
		p.files = append(p.files, f)
	}
	if p.From != nil {
		return nil
	}
	// The dynamic linker is known by the name that the program has for it.
	for i := range p.m.Files {
		name := interpreter(string(p.m.Files[i].Paths[0]))
		if name == "" {
			continue
		}
		st, err := os.Stat(name)
		if err != nil {
			continue
		}
		for k := range p.m.Files {
			f := &p.m.Files[k]
			if x, err := os.Stat(string(f.Paths[0])); err == nil && os.SameFile(x, st) && !slices.Contains(f.Paths, trace.Str(name)) {
				f.Paths = append(f.Paths, trace.Str(name))
			}
		}
	}
	return nil
}

// findParts looks for debug files and sources.
func (p *packer) findParts() {
	if p.From != nil {
		p.inherit()
		return
	}
	var binaries []string
	for i := range p.m.Files {
		f := &p.m.Files[i]
		path := string(f.Paths[0])
		if f.BuildID == "" && interpreter(path) == "" && filepath.Ext(path) != ".so" {
			if st, err := os.Stat(path); err != nil || !isELF(path, st.Size()) {
				continue
			}
		}
		binaries = append(binaries, path)
		if d, ok := findDebug(path, f.BuildID); ok {
			st, err := os.Stat(d)
			if err != nil {
				continue
			}
			if p.NoDebug {
				p.m.LeftOut = append(p.m.LeftOut, bundle.LeftOut{Path: trace.Str(d), Size: st.Size(), Why: "debug files were not wanted"})
				continue
			}
			p.debug = append(p.debug, d)
			p.m.Debug = append(p.m.Debug, bundle.Part{Path: trace.Str(d), Size: st.Size(), MtimeNS: st.ModTime().UnixNano(), BuildID: f.BuildID})
			binaries = append(binaries, d)
		}
	}
	if p.NoSources {
		return
	}
	limit := p.SourceLimit
	if limit == 0 {
		limit = sourcesDefault
	}
	var left []bundle.LeftOut
	p.m.Sources, left = sources(binaries, limit)
	for i := range p.m.Sources {
		p.sources = append(p.sources, filepath.Clean(string(p.m.Sources[i].Path)))
	}
	p.m.LeftOut = append(p.m.LeftOut, left...)
}

// inherit takes over the parts of the bundle that the recording comes from.
func (p *packer) inherit() {
	old := p.From.Manifest
	p.m.LeftOut = append(p.m.LeftOut, old.LeftOut...)
	p.m.Hidden = append(p.m.Hidden, old.Hidden...)
	if p.m.Note == "" {
		p.m.Note = old.Note
	}
	there := func(path string) bool {
		st, err := os.Stat(path)
		return err == nil && st.Mode().IsRegular()
	}
	for _, d := range old.Debug {
		path := p.From.debugPath(&d)
		if !p.NoDebug && there(path) {
			p.debug = append(p.debug, path)
			p.m.Debug = append(p.m.Debug, d)
		}
	}
	for _, s := range old.Sources {
		path := filepath.Join(p.From.Source, bundle.SafePath(string(s.Path)))
		if !p.NoSources && there(path) {
			p.sources = append(p.sources, path)
			p.m.Sources = append(p.m.Sources, s)
		}
	}
}

func isELF(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [4]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && size > 64 && string(b[:]) == "\x7fELF"
}

// write adds everything to the bundle.
func (p *packer) write(w *bundle.Writer) error {
	for _, name := range []string{"meta", "files.tab", "sums"} {
		if err := addFile(w, bundle.RecordingEntry(name), filepath.Join(p.staging, name), false); err != nil {
			return err
		}
	}
	if err := addDir(w, p.dir, "events", ".seg", true); err != nil {
		return err
	}
	if err := p.addImages(w); err != nil {
		return err
	}
	for i := range p.files {
		f := &p.files[i]
		content, err := p.rec.Files.Open(f.ID)
		if err != nil {
			return err
		}
		err = w.Add(bundle.FileEntry(f.ID), content, f.Size, false)
		content.Close()
		if err != nil {
			return err
		}
	}
	for i, d := range p.debug {
		if err := addFile(w, bundle.DebugEntry(i+1), d, false); err != nil {
			return err
		}
	}
	for i, path := range p.sources {
		if err := addFile(w, bundle.SourceEntry(i+1), path, false); err != nil {
			return err
		}
	}
	return nil
}

// addImages adds the images that are good, and their pages.
func (p *packer) addImages(w *bundle.Writer) error {
	dir := filepath.Join(p.dir, "images")
	list, err := image.List(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Err != nil || e.Event > p.m.To {
			continue
		}
		name := fmt.Sprintf("images/%d.img", e.ID)
		if err := addFile(w, bundle.RecordingEntry(name), filepath.Join(p.dir, name), true); err != nil {
			return err
		}
	}
	for _, name := range []string{"images/pages.sum", "images/pages"} {
		if err := addFile(w, bundle.RecordingEntry(name), filepath.Join(p.dir, name), false); err != nil {
			return err
		}
	}
	return nil
}

// addDir adds the files of a directory of the recording that end in suffix.
func addDir(w *bundle.Writer, dir, sub, suffix string, compressed bool) error {
	list, err := os.ReadDir(filepath.Join(dir, sub))
	if err != nil {
		return err
	}
	for _, e := range list {
		if filepath.Ext(e.Name()) != suffix {
			continue
		}
		name := sub + "/" + e.Name()
		if err := addFile(w, bundle.RecordingEntry(name), filepath.Join(dir, name), compressed); err != nil {
			return err
		}
	}
	return nil
}

func addFile(w *bundle.Writer, entry, path string, compressed bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return &fs.PathError{Op: "pack", Path: path, Err: errors.New("not a regular file")}
	}
	return w.Add(entry, f, st.Size(), compressed)
}

// measure looks at a bundle that was just made.
func measure(path string) (*Packed, error) {
	r, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &Packed{Path: path, Size: st.Size(), Parts: Sizes(r), Manifest: r.Manifest}, nil
}

// Sizes says what the parts of a bundle take in it.
func Sizes(r *bundle.Reader) map[string]int64 {
	out := map[string]int64{}
	for _, name := range r.Names() {
		kind, rest, _ := cutPath(name)
		if kind == "recording" {
			kind, _, _ = cutPath(rest)
		}
		if k := map[string]string{"events": PartEvents, "images": PartImages, "files": PartBinaries, "debug": PartDebug, "source": PartSources}[kind]; k != "" {
			out[k] += r.Packed(name)
		}
	}
	return out
}

func cutPath(p string) (first, rest string, ok bool) {
	for i := range len(p) {
		if p[i] == '/' {
			return p[:i], p[i+1:], true
		}
	}
	return p, "", false
}
