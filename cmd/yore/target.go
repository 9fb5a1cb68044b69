package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A target is what a command was asked to debug: a program with its arguments,
// or a recording. Exactly one of Path and Recording is set.
type target struct {
	Path      string   // the program's file, absolute
	Args      []string // the program's argv, Args[0] as it was typed
	Recording string   // the recording's directory
}

// sniffer decides what TARGET is. It looks at files and at nothing else of the
// machine but the environment handed to it.
type sniffer struct {
	Dir   string // the working directory, absolute
	Path  string // $PATH
	Store string // the directory of recordings
}

// newSniffer returns a sniffer for this process.
func newSniffer() (sniffer, error) {
	dir, err := os.Getwd()
	if err != nil {
		return sniffer{}, withStatus(exitMachine, fmt.Errorf("working directory: %w", err))
	}
	store, err := storeDir(os.Getenv)
	if err != nil {
		return sniffer{}, err
	}
	return sniffer{Dir: dir, Path: os.Getenv("PATH"), Store: store}, nil
}

// program resolves words as a program and its arguments, never as a recording.
// A name without a slash is looked up on PATH, as a shell does.
func (s sniffer) program(words []string) (target, error) {
	name := words[0]
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

// any resolves words as a recording or a program: `latest` and what has the
// form of a recording is one, everything else is a program. A single word that
// no program answers to may be a recording's name in the store.
func (s sniffer) any(words []string) (target, error) {
	if len(words) == 1 {
		if dir, ok := s.recordingAt(words[0]); ok {
			return target{Recording: dir}, nil
		}
	}
	t, err := s.program(words)
	if err == nil || len(words) > 1 || strings.Contains(words[0], "/") {
		return t, err
	}
	if dir := filepath.Join(s.Store, words[0]); isRecording(dir) {
		return target{Recording: resolve(dir)}, nil
	}
	if words[0] == "latest" {
		return t, &targetError{problemMissing, "", "latest: there is no recording yet in " + s.Store}
	}
	return t, err
}

// recording resolves the name of a recording: a directory, or a name in the
// store; "" is `latest`.
func (s sniffer) recording(name string) (string, error) {
	if name == "" {
		name = "latest"
	}
	if dir, ok := s.recordingAt(name); ok {
		return dir, nil
	}
	if !strings.Contains(name, "/") {
		if dir := filepath.Join(s.Store, name); isRecording(dir) {
			return resolve(dir), nil
		}
		if name == "latest" {
			return "", &targetError{problemMissing, "", "there is no recording yet in " + s.Store + " (make one with: yore record PROG)"}
		}
	}
	path := s.abs(name)
	st, err := os.Stat(path)
	switch {
	case err != nil && strings.Contains(name, "/"):
		return "", &targetError{problemMissing, path, name + ": no such recording"}
	case err != nil:
		return "", &targetError{problemMissing, path, name + ": no such recording, here or in " + s.Store}
	case !st.IsDir():
		return "", &targetError{problemForeign, path, name + ": is not a recording"}
	}
	return "", &targetError{problemForeign, path, name + ": is a directory, but not a recording (it has no meta file)"}
}

// recordingAt reports the recording that name means without any search but for
// `latest`: the path of a recording's directory.
func (s sniffer) recordingAt(name string) (string, bool) {
	dir := s.abs(name)
	if name == "latest" && !isRecording(dir) {
		dir = filepath.Join(s.Store, name)
	}
	if !isRecording(dir) {
		return "", false
	}
	return resolve(dir), true
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

// shellJoin prints words so that a shell reads them back.
func shellJoin(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = shellQuote(w)
	}
	return strings.Join(q, " ")
}

func shellQuote(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=+,@%", r)
	}
	if w != "" && strings.TrimFunc(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
