package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"yore/engine/bundle"
	"yore/engine/trace"
)

// A target is what a command was asked to debug: a program with its arguments,
// or a recording. Exactly one of Path and Recording is set.
type target struct {
	Path      string   // the program's file, absolute
	Args      []string // the program's argv, Args[0] as it was typed
	Dir       string   // where the program runs, "" for the working directory
	Recording string   // the recording's directory, or a bundle
}

// sniffer decides what TARGET is. It looks at files and at nothing else of the
// machine but the environment handed to it.
type sniffer struct {
	Dir   string // the working directory, absolute
	Path  string // $PATH
	Store trace.Store

	// For Go source: flags for go build beside ours, and where to write what it
	// says, nil for standard error.
	BuildFlags  []string
	BuildOutput io.Writer
}

// openStore returns the person's store, which need not exist.
func openStore() (trace.Store, error) {
	s, err := trace.DefaultStore()
	return s, withStatus(exitMachine, err)
}

// newSniffer returns a sniffer for this process.
func newSniffer() (sniffer, error) {
	dir, err := os.Getwd()
	if err != nil {
		return sniffer{}, withStatus(exitMachine, fmt.Errorf("working directory: %w", err))
	}
	store, err := openStore()
	if err != nil {
		return sniffer{}, err
	}
	return sniffer{Dir: dir, Path: os.Getenv("PATH"), Store: store}, nil
}

// program resolves words as a program and its arguments, never as a recording. Go
// source is built; `test` and a package mean the package's tests. A name without a
// slash is looked up on PATH, as a shell does.
func (s sniffer) program(words []string) (target, error) {
	name := words[0]
	if t, ok, err := s.goTarget(words); ok || err != nil {
		return t, err
	}
	path, err := s.lookup(name)
	if err != nil {
		return target{}, err
	}
	shown := name
	if !strings.Contains(name, "/") {
		shown = path
	}
	if err := checkProgram(shown, path, words[1:]); err != nil {
		return target{}, s.elsewhere(err, name, path)
	}
	return target{Path: path, Args: words}, nil
}

// any resolves words as a recording or a program. A single word is a recording
// when it is `latest` or a recording's directory, or when it is the name of one
// in the store and no program answers to it; everything else is a program.
func (s sniffer) any(words []string) (target, error) {
	if len(words) > 1 {
		return s.program(words)
	}
	name := words[0]
	if dir := s.abs(name); name != "" && (trace.IsRecording(dir) || isBundle(dir)) {
		return target{Recording: resolve(dir)}, nil
	}
	if name == trace.Latest {
		dir, err := s.recording(name)
		return target{Recording: dir}, err
	}
	t, err := s.program(words)
	if err != nil && !strings.Contains(name, "/") && name != "" {
		if dir, rerr := s.recording(name); rerr == nil {
			return target{Recording: dir}, nil
		}
	}
	return t, err
}

// recording resolves the name of a recording: a directory, a bundle, or a name in
// the store; "" is `latest`.
func (s sniffer) recording(name string) (string, error) {
	path := s.abs(name)
	if name != "" && (trace.IsRecording(path) || isBundle(path)) {
		return resolve(path), nil
	}
	bare := !strings.Contains(name, "/")
	if bare {
		dir, err := s.Store.Resolve(name)
		if err == nil && trace.IsRecording(dir) {
			return resolve(dir), nil
		}
		if err != nil && !errors.Is(err, trace.ErrNoRecording) {
			return "", err
		}
	}
	st, err := os.Stat(path)
	switch {
	case name == "", err != nil && name == trace.Latest:
		return "", &targetError{problemMissing, "", "there is no recording yet in " + s.Store.Dir}
	case err != nil && bare:
		return "", &targetError{problemMissing, path, name + ": no such recording, here or in " + s.Store.Dir}
	case err != nil:
		return "", &targetError{problemMissing, path, name + ": no such recording"}
	case st.IsDir():
		return "", &targetError{problemForeign, path, name + ": is a directory, but not a recording"}
	}
	return "", &targetError{problemForeign, path, name + ": is not a recording"}
}

// isBundle reports whether path is a file that is, or was before it was damaged, a
// bundle.
func isBundle(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular() && bundle.Sniff(f, st.Size())
}

// resolve follows links, so that `latest` keeps meaning what it meant.
func resolve(dir string) string {
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		return r
	}
	return dir
}

// lookup finds the file that a shell would run for name.
func (s sniffer) lookup(name string) (string, error) {
	if name == "" {
		return "", &targetError{problemMissing, "", "the program's name is empty"}
	}
	if strings.Contains(name, "/") {
		return s.abs(name), nil
	}
	var notExec string
	for _, p := range s.onPath(name) {
		if mayExecute(p) {
			return p, nil
		}
		if notExec == "" {
			notExec = p
		}
	}
	if notExec != "" {
		return notExec, nil
	}
	msg := name + ": no such program on PATH"
	if st, err := os.Stat(s.abs(name)); err == nil && st.Mode().IsRegular() {
		msg += "; did you mean ./" + name + "?"
	}
	return "", &targetError{problemNotFound, "", msg}
}

// onPath lists the regular files called name in the directories of PATH.
func (s sniffer) onPath(name string) []string {
	var found []string
	for _, d := range filepath.SplitList(s.Path) {
		p := filepath.Join(s.abs(d), name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			found = append(found, p)
		}
	}
	return found
}

// elsewhere adds to err, about the file that name was found at, the next file
// of that name on PATH that would do: version managers put scripts in front of
// the programs.
func (s sniffer) elsewhere(err error, name, path string) error {
	e, ok := err.(*targetError)
	if !ok || strings.Contains(name, "/") {
		return err
	}
	for _, p := range s.onPath(name) {
		if p != path && mayExecute(p) && checkProgram(name, p, nil) == nil {
			e.Msg += " (the next " + name + " on PATH is a program: " + p + ")"
			break
		}
	}
	return err
}

// abs makes a path absolute without cleaning it: what ".." means behind a link
// is for the kernel to say. "" is the working directory.
func (s sniffer) abs(path string) string {
	switch {
	case filepath.IsAbs(path):
		return path
	case path == "":
		return s.Dir
	}
	return strings.TrimSuffix(s.Dir, "/") + "/" + strings.TrimPrefix(path, "./")
}

func mayExecute(path string) bool {
	return unix.Access(path, unix.X_OK) == nil
}
