package main

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/delve"
	"yore/debugger/gdb"
	"yore/debugger/repl"
	"yore/engine/gdbserver"
)

// backendOptions say how a backend meets the person.
type backendOptions struct {
	NoInit bool
	Early  []string // gdb's, before the program is there
	Print  func(string)
	OnRun  func(bool)
	Files  gdb.Files // where what belongs to the program is
	Dir    string    // gdb's working directory, "" for ours
}

// openBackend opens the backend that the flags ask for, or that suits the
// program: Delve for Go, gdb for the rest. note is a sentence that the person
// should read, "" for none. close ends what was opened.
func (f *sessionFlags) openBackend(ctx context.Context, target *live.Target, exe string, o backendOptions) (back debugger.Backend, note string, close func(), err error) {
	kind := f.Backend
	if kind == "" || kind == "auto" {
		kind = "gdb"
		if isGo(exe) {
			kind = "delve"
		}
	}
	if kind == "delve" {
		b, err := openDelve(target, exe, o)
		if err == nil {
			return b, "", b.Close, nil
		}
		var stripped *delve.StrippedError
		if !errors.As(err, &stripped) || f.Backend == "delve" {
			return nil, "", nil, withStatus(exitData, err)
		}
		note = err.Error() + "; here is gdb, which sees instructions only.\n"
	}
	server, err := live.Serve(ctx, target, "", gdbserver.Options{})
	if err != nil {
		return nil, "", nil, err
	}
	g, err := gdb.Start(ctx, exe, server.Address, gdb.Options{
		Path: f.GDB, NoInit: o.NoInit, PreExec: o.Early, Dir: o.Dir, Files: o.Files, Print: o.Print, OnRun: o.OnRun,
	})
	if err != nil {
		server.Close()
		return nil, "", nil, withStatus(exitMachine, err)
	}
	if note == "" && g.NoDebugInfo() {
		note = fmt.Sprintf("%s has no debug information: there are instructions and symbols, but no lines or variables.\n", exe)
	}
	return g, note, func() { g.Close(); server.Close() }, nil
}

func openDelve(target *live.Target, exe string, o backendOptions) (*delve.Backend, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, withStatus(exitMachine, fmt.Errorf("working directory: %w", err))
	}
	opts := delve.Options{Exe: exe, Print: o.Print, OnRun: o.OnRun, Dir: dir, Debug: o.Files.Debug, Sources: o.Files.Sources}
	for _, m := range o.Files.Moved {
		opts.Moved = append(opts.Moved, [2]string{m.From, m.To})
	}
	return delve.Open(target, opts)
}

// isGo reports whether a program was made by the Go compiler.
func isGo(path string) bool {
	if _, err := buildinfo.ReadFile(path); err == nil {
		return true
	}
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Section(".gopclntab") != nil || f.Section(".data.rel.ro.gopclntab") != nil
}

// early are the person's commands for gdb before anything is loaded.
func (p *promptFlags) early() []string {
	var out []string
	for _, s := range p.Early {
		if s.File != "" {
			out = append(out, "source "+s.File)
		} else {
			out = append(out, s.Command)
		}
	}
	return out
}

// backendOptions are those of a prompt.
func (p *promptFlags) backendOptions(prompt *repl.REPL, files gdb.Files) backendOptions {
	return backendOptions{NoInit: p.NX, Early: p.early(), Print: prompt.Print, OnRun: prompt.Running, Files: files}
}
