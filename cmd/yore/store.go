package main

import (
	"errors"
	"os"
	"path/filepath"
)

// storeDir returns the directory that recordings go to by default:
// ${YORE_DIR:-${XDG_DATA_HOME:-~/.local/share}/yore}. It need not exist.
// A relative XDG_DATA_HOME is ignored, as its specification demands.
func storeDir(getenv func(string) string) (string, error) {
	if d := getenv("YORE_DIR"); d != "" {
		return filepath.Abs(d)
	}
	if d := getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "yore"), nil
	}
	if h := getenv("HOME"); filepath.IsAbs(h) {
		return filepath.Join(h, ".local/share/yore"), nil
	}
	return "", withStatus(exitMachine, errors.New("no place for recordings: HOME is not set; set YORE_DIR"))
}

// isRecording reports whether dir has the form of a recording's directory.
// Whether it is sound is for the reader of its meta file to say.
func isRecording(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, "meta"))
	return err == nil && st.Mode().IsRegular()
}

// resolve follows links, so that `latest` keeps meaning what it meant.
func resolve(dir string) string {
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		return r
	}
	return dir
}
