package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/engine"
	"yore/engine/bundle"
	"yore/engine/pack"
)

// The prompt's `pack`, and what of a session is in a bundle.

// packLive is `pack` in a live session of p.
func packLive(s *engine.Session, p live.Program) func(context.Context, string, debugger.Saved) (string, error) {
	return func(ctx context.Context, file string, saved debugger.Saved) (string, error) {
		tmp, err := os.MkdirTemp("", "yore-pack-")
		if err != nil {
			return "", fmt.Errorf("pack: %w", err)
		}
		defer os.RemoveAll(tmp)
		name := filepath.Base(p.Path)
		dir := filepath.Join(tmp, name)
		meta := engine.NewMeta(&engine.RecordOptions{Path: p.Path, Args: p.Args, Env: p.Env, Dir: p.Dir}, versionLine())
		if err := s.Save(ctx, dir, meta); err != nil {
			return "", err
		}
		return packSession(dir, file, name, saved, nil)
	}
}

// packRecorded is `pack` in a session on a recording.
func packRecorded(rec *recorded) func(context.Context, string, debugger.Saved) (string, error) {
	return func(_ context.Context, file string, saved debugger.Saved) (string, error) {
		name := rec.name()
		if rec.bundle != nil {
			name = rec.bundle.Manifest.Name
		}
		return packSession(rec.dir, file, name, saved, rec.bundle)
	}
}

func packSession(dir, file, name string, saved debugger.Saved, from *pack.Opened) (string, error) {
	if file == "" {
		file = unused(filepath.Base(name))
	}
	p, err := pack.Pack(dir, file, pack.Options{Yore: versionLine(), Name: name, Session: sessionOf(saved), From: from})
	if err != nil {
		return "", err
	}
	return packedText(p), nil
}

// unused is a bundle's name that no file has yet.
func unused(name string) string {
	for n := 1; ; n++ {
		file := name + bundleSuffix
		if n > 1 {
			file = fmt.Sprintf("%s-%d%s", name, n, bundleSuffix)
		}
		if _, err := os.Lstat(file); err != nil {
			return file
		}
	}
}

// sessionOf and savedOf convert what is kept of a session.
func sessionOf(s debugger.Saved) bundle.Session {
	out := bundle.Session{Position: s.Position, Current: s.Current}
	for _, b := range s.Breakpoints {
		out.Breakpoints = append(out.Breakpoints, bundle.Breakpoint(b))
	}
	for _, b := range s.Bookmarks {
		out.Bookmarks = append(out.Bookmarks, bundle.Bookmark(b))
	}
	for _, v := range s.Stops {
		out.Stops = append(out.Stops, bundle.Stop(v))
	}
	return out
}

func savedOf(s bundle.Session) debugger.Saved {
	out := debugger.Saved{Position: s.Position, Current: s.Current}
	for _, b := range s.Breakpoints {
		out.Breakpoints = append(out.Breakpoints, debugger.SavedBreakpoint(b))
	}
	for _, b := range s.Bookmarks {
		out.Bookmarks = append(out.Bookmarks, debugger.SavedBookmark(b))
	}
	for _, v := range s.Stops {
		out.Stops = append(out.Stops, debugger.SavedStop(v))
	}
	return out
}
