package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/inspect"
	"yore/debugger/gdb"
	"yore/engine"
	"yore/engine/pack"
	"yore/engine/trace"
)

// recorded is a recording that a command has been given: a directory, or a bundle
// that was unpacked.
type recorded struct {
	path   string       // as it was given, absolute
	dir    string       // of the recording
	bundle *pack.Opened // nil when it was a directory
}

// openRecorded opens what a command's only argument names. The caller closes it.
func openRecorded(args []string) (*recorded, error) {
	path, err := recordingArg(args)
	if err != nil {
		return nil, err
	}
	return openPath(path)
}

// openPath opens a recording's directory or a bundle.
func openPath(path string) (*recorded, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return &recorded{path: path, dir: path}, nil
	}
	b, err := pack.Open(path, privateParents()...)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return nil, withStatus(exitMachine, err)
	case err != nil:
		return nil, recordingStatus(err)
	}
	return &recorded{path: path, dir: b.Recording, bundle: b}, nil
}

// privateParents are where bundles may be unpacked: the store, as far as there is
// one, and where temporary files go.
func privateParents() []string {
	var out []string
	if s, err := openStore(); err == nil {
		out = append(out, s.Dir)
	}
	return append(out, os.TempDir())
}

// close removes what was unpacked.
func (r *recorded) close() {
	if r.bundle != nil {
		r.bundle.Close()
	}
}

// name is what to call it.
func (r *recorded) name() string { return filepath.Base(r.path) }

// preflight tells on w what may stand in the way of replaying a bundle here; what
// does is an error.
func (r *recorded) preflight(w io.Writer) error {
	if r.bundle == nil {
		return nil
	}
	meta, err := trace.ReadMeta(r.dir)
	if err != nil {
		return recordingStatus(err)
	}
	size, err := engine.XStateSize()
	if err != nil {
		return withStatus(exitMachine, fmt.Errorf("%s cannot be replayed here: %w (see: yore doctor)", r.name(), err))
	}
	var refused []string
	for _, f := range pack.Preflight(r.bundle.Manifest, meta, pack.ThisHost(size)) {
		text := inspect.Printable(f.Text)
		if f.Refused {
			refused = append(refused, text)
		} else {
			fmt.Fprintf(w, "yore: preflight: %s\n", text)
		}
	}
	if len(refused) > 0 {
		return withStatus(exitMachine, fmt.Errorf("%s: %s", r.name(), strings.Join(refused, "; ")))
	}
	return nil
}

// open opens a session on it.
func (r *recorded) open(ctx context.Context, o engine.Options) (*engine.Session, error) {
	if err := r.preflight(os.Stderr); err != nil {
		return nil, err
	}
	o.Confined = r.bundle != nil
	return engine.Open(ctx, r.dir, o)
}

// verify replays all of it.
func (r *recorded) verify(ctx context.Context, images bool) (engine.Verified, error) {
	if err := r.preflight(os.Stderr); err != nil {
		return engine.Verified{}, err
	}
	if images {
		return engine.VerifyImages(ctx, r.dir, r.bundle != nil)
	}
	return engine.Verify(ctx, r.dir, r.bundle != nil, nil)
}

// exe is where the program's executable is now.
func (r *recorded) exe(s *engine.Session) string {
	if r.bundle != nil {
		return r.bundle.Path(s.ExecFile())
	}
	exe := s.ExecFile()
	if !exists(exe) { // as go test's are, when it has ended
		if own, ok := s.Copy(exe); ok {
			return own
		}
	}
	return exe
}

// files says where gdb finds what belongs to the program.
func (r *recorded) files(f *sessionFlags) gdb.Files {
	out := gdb.Files{Debug: absolute(f.DebugDirs), Sources: absolute(f.SourceDirs)}
	if b := r.bundle; b != nil {
		out.Foreign, out.Root, out.Libraries = true, b.Root, b.Libraries
		out.Debug = append([]string{b.Debug}, out.Debug...)
		for _, top := range b.SourceTops {
			out.Moved = append(out.Moved, gdb.Moved{From: "/" + top, To: filepath.Join(b.Source, top)})
		}
	}
	return out
}

func absolute(paths []string) []string {
	var out []string
	for _, p := range paths {
		if a, err := filepath.Abs(p); err == nil {
			out = append(out, a)
		}
	}
	return out
}
