package live

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine"
)

// Program says what to start and with what.
type Program struct {
	Path string
	Args []string // argv
	Env  []string
	Dir  string // "" for the working directory
	// Stdin, Stdout, Stderr and TTY are names of files, "" for what the caller
	// of Launch gives.
	Stdin, Stdout, Stderr, TTY string
	CheckpointEvery            time.Duration
	CheckpointMemory           int64
	Remark                     func(string) // engine.Options.Remark
}

// FileError says that a file which a Program names cannot be opened.
type FileError struct {
	Flag string // of the command line
	Err  error
}

func (e *FileError) Error() string { return e.Flag + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Launch starts the program under the engine. Its standard streams are the
// files that p names; those that it does not name are of std, and a nil in std
// is the session's own terminal.
func Launch(ctx context.Context, p Program, std [3]*os.File) (*engine.Session, error) {
	opened, err := p.open(&std)
	defer func() {
		for _, f := range opened {
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	return engine.Launch(ctx, engine.Options{
		Path: p.Path, Args: p.Args, Env: p.Env, Dir: p.Dir,
		Stdin: std[0], Stdout: std[1], Stderr: std[2],
		CheckpointEvery: p.CheckpointEvery, CheckpointMemory: p.CheckpointMemory, Remark: p.Remark,
	})
}

// Streams returns std with the files that p names in place of its own, which the
// caller closes when the program has them.
func (p Program) Streams(std [3]*os.File) (opened []*os.File, streams [3]*os.File, err error) {
	opened, err = p.open(&std)
	return opened, std, err
}

// open puts the files that p names into std and returns them.
func (p *Program) open(std *[3]*os.File) (opened []*os.File, err error) {
	if p.TTY != "" {
		f, err := os.OpenFile(p.TTY, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, &FileError{"--tty", err}
		}
		*std = [3]*os.File{f, f, f}
		return []*os.File{f}, nil
	}
	const create = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	for i, s := range []struct {
		flag, name string
		mode       int
	}{{"--stdin", p.Stdin, os.O_RDONLY}, {"--stdout", p.Stdout, create}, {"--stderr", p.Stderr, create}} {
		if s.name == "" {
			continue
		}
		if i == 2 && s.name == p.Stdout {
			std[2] = std[1] // one file, one offset
			continue
		}
		f, err := os.OpenFile(s.name, s.mode|unix.O_NOCTTY, 0o666)
		if err != nil {
			return opened, &FileError{s.flag, err}
		}
		opened = append(opened, f)
		std[i] = f
	}
	return opened, nil
}
