package gdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"yore/debugger"
	"yore/gdbmi"
)

// Oldest is the oldest gdb that works: the first with mi3 and all the commands
// used here.
const Oldest = 10

// Options say how to start gdb.
type Options struct {
	Path    string   // of gdb; "" is gdb on PATH
	NoInit  bool     // -nx: read no .gdbinit
	PreExec []string // -iex commands, executed before anything is loaded, after .gdbinit
	Dir     string   // working directory, "" for ours
	Env     []string // added to our environment, K=V
	Files   Files    // where files are, when not where the program says
	// Print shows gdb's console output to the person. It is called from one
	// goroutine at a time.
	Print func(text string)
	// OnRun, when set, is called when the program is resumed (true) and has
	// stopped (false).
	OnRun func(running bool)
	// EvalTimeout bounds the evaluation of one expression of the debugger's own;
	// 0 is a second.
	EvalTimeout time.Duration
}

// Backend is a running gdb. It implements debugger.Backend.
type Backend struct {
	opts    Options
	exe     string
	socket  string
	noDebug bool // the program has no debug information

	busy sync.Mutex // held during a call

	// Of the present gdb; replaced when it dies.
	conn *gdbmi.Conn

	mu      sync.Mutex // guards what gdb's callbacks touch
	out     output
	ev      events
	running bool
	runs    int // resumes so far
	breaks  breakpoints
	params  params

	resumed  chan struct{} // gets a word when the program was resumed
	moved    bool          // guarded by mu: the program was resumed since values were read
	returned returned      // guarded by mu
	values   values
	helped   bool              // gdb has helper.py
	filters  map[string]string // breakpoints that exception filters made, with what they stand for; written under mu
	signals  []string          // those that gdb stopped for before any filter was set

	shown     string // the thread of the last stop shown, as gdb names its target
	inCall    bool   // stopped inside a function that an expression called
	quiet     bool
	gone      error
	evalLimit time.Duration
}

var (
	_ debugger.Backend = (*Backend)(nil)
	_ debugger.Limiter = (*Backend)(nil)
	_ debugger.Reader  = (*Backend)(nil)

	_ debugger.Logger       = (*Backend)(nil)
	_ debugger.Disassembler = (*Backend)(nil)
)

// Start runs gdb on a program (an ELF file with the symbols) whose remote server
// listens on a unix socket, and connects the two. The program is stopped, and
// stays so. Errors are one sentence for the person.
func Start(ctx context.Context, exe, socket string, opts Options) (*Backend, error) {
	if opts.Print == nil {
		opts.Print = func(string) {}
	}
	if opts.EvalTimeout == 0 {
		opts.EvalTimeout = time.Second
	}
	path, err := find(opts.Path)
	if err != nil {
		return nil, err
	}
	opts.Path = path
	g := &Backend{opts: opts, exe: exe, socket: socket, evalLimit: opts.EvalTimeout, resumed: make(chan struct{}, 1)}
	g.busy.Lock()
	defer g.busy.Unlock()
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// NotFoundError says that there is no gdb to start.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string {
	if e.Path == "" {
		return "gdb is not installed: install it (apt install gdb), or name one with --gdb PATH"
	}
	return fmt.Sprintf("%s is not a gdb that can be started: name another with --gdb PATH", e.Path)
}

// TooOldError says that gdb's version is below Oldest.
type TooOldError struct{ Path, Version string }

func (e *TooOldError) Error() string {
	return fmt.Sprintf("%s is version %s, too old: yore needs gdb %d or newer (--gdb PATH names another)", e.Path, e.Version, Oldest)
}

func find(path string) (string, error) {
	name := path
	if name == "" {
		name = "gdb"
	}
	full, err := exec.LookPath(name)
	if err != nil {
		return "", &NotFoundError{Path: path}
	}
	return full, nil
}

// NoDebugInfo reports whether gdb found no debug information in the program.
func (g *Backend) NoDebugInfo() bool { return g.noDebug }

// Close ends gdb. The program is not told: its end is the engine's business.
func (g *Backend) Close() {
	g.busy.Lock()
	defer g.busy.Unlock()
	if g.conn == nil {
		return
	}
	g.mute()
	// Without this gdb would kill the program.
	g.conn.Go("-target-disconnect")
	g.conn.Close(3 * time.Second)
	g.gone = errors.New("closed")
}

// start runs a gdb, settles it and connects it. The caller holds busy.
func (g *Backend) start(ctx context.Context) error {
	args := []string{"-q"}
	if g.opts.NoInit {
		args = append(args, "-nx")
	}
	if os.Getenv("DEBUGINFOD_URLS") == "" {
		// Before a file is loaded, which the person's init file may do.
		args = append(args, "-iex", "set debuginfod enabled off")
	}
	for _, c := range append(g.opts.Files.early(), g.opts.PreExec...) {
		args = append(args, "-iex", c)
	}
	g.mu.Lock()
	g.ev, g.running, g.inCall = events{}, false, false
	g.mu.Unlock()
	g.values.lost()
	g.helped, g.filters, g.signals = false, nil, nil
	show := g.show()
	conn, err := gdbmi.Start(gdbmi.Config{
		Path: g.opts.Path, Args: args, Dir: g.opts.Dir,
		Env:     append(language(os.Environ()), g.opts.Env...),
		OnAsync: g.onAsync, OnStream: g.onStream, OnLate: g.onLate,
	})
	if err != nil {
		return &NotFoundError{Path: g.opts.Path}
	}
	g.conn = conn
	if err := g.settle(ctx, show); err != nil {
		g.mute()
		conn.Close(time.Second)
		return err
	}
	return nil
}

// settle waits for gdb's first prompt, checks its version, makes our settings,
// loads the program and connects.
func (g *Backend) settle(ctx context.Context, show func()) error {
	// What init files print is the person's.
	if _, err := g.send(ctx, "-gdb-show confirm"); err != nil {
		return fmt.Errorf("%s does not start: %w", g.opts.Path, err)
	}
	g.mute()
	defer show()
	text, err := g.captured(ctx, "-gdb-version")
	if err != nil {
		return err
	}
	if v, major := version(text); major < Oldest {
		return &TooOldError{Path: g.opts.Path, Version: v}
	}
	for _, s := range []string{
		"mi-async off", "non-stop off", "schedule-multiple off", "pagination off", "confirm off", "width 0", "height 0",
		"breakpoint always-inserted on", "remotetimeout 10000", "remotecache on", "can-use-hw-watchpoints 1",
	} {
		// A gdb that does not know one of them works without.
		if _, err := g.send(ctx, "-gdb-set "+s); err != nil && gone(err) {
			return err
		}
	}
	if err := g.locate(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	g.params.forget() // they are ours, not the person's
	g.mu.Unlock()
	if g.exe != "" {
		// The machine command does not say whether there are symbols.
		text, err = g.captured(ctx, console("file "+gdbmi.Quote(g.exe)))
		if err != nil {
			return fmt.Errorf("gdb cannot load %s: %w", g.exe, err)
		}
		g.noDebug = strings.Contains(text, "No debugging symbols found")
	}
	if g.socket != "" {
		if _, err := g.captured(ctx, "-target-select extended-remote "+g.socket); err != nil {
			return fmt.Errorf("gdb cannot connect to the program: %w", err)
		}
	}
	return nil
}

var versionRE = regexp.MustCompile(`(\d+)\.[\d.]+\S*\s*$`)

// version finds the version in the first line of what gdb says of itself; 0
// when it says something else.
func version(text string) (string, int) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	m := versionRE.FindStringSubmatch(first)
	if m == nil {
		return "unknown", 0
	}
	n, _ := strconv.Atoi(m[1])
	return strings.TrimSpace(m[0]), n
}

// language returns the environment that makes gdb speak English, which parts
// of its output need that have no machine form, without changing how it takes
// the program's characters.
func language(env []string) []string {
	get := func(name string) string {
		for _, kv := range env {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v
			}
		}
		return ""
	}
	out := []string{"LC_MESSAGES=C", "LANGUAGE=", "INSIDE_YORE=1"}
	if all := get("LC_ALL"); all != "" {
		out = append(out, "LC_ALL=", "LC_CTYPE="+all)
	}
	return out
}

// gone reports whether an error means that gdb has ended.
func gone(err error) bool { return errors.As(err, new(*gdbmi.ExitError)) }
