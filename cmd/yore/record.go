package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/inspect"
	"yore/cmd/yore/internal/siginfo"
	"yore/engine"
	"yore/engine/pack"
	"yore/engine/trace"
)

// recordFlags are the flags of `record`.
type recordFlags struct {
	dir        string
	force      bool
	quiet      bool
	traceDirFD int
	keepFailed string
	untilFail  int
	chaos      bool
	seed       uint64
	seeded     bool
	timeout    time.Duration
	imageEvery time.Duration
	disk       byteSize
	portable   bool
	bundle     string
	follow     []string
	program    sessionFlags

	store  trace.Store
	mu     sync.Mutex // of what begin and end do
	stderr io.Writer
}

func newRecord() *cobra.Command {
	f := &recordFlags{}
	cmd := &cobra.Command{
		Use:   "record [FLAGS] [--] PROG [ARGS...]",
		Short: "run a program to its end and record it",
		Long: "record runs a program without a debugger and writes what happened to a recording, which `replay` debugs\n" +
			"and `verify` checks. It stands in for the program: standard streams, terminal, signals and exit status stay\n" +
			"the program's own. At the end it names the recording on standard error.\n\n" +
			"With --follow PROG itself runs natively, and each program that it or its descendants execute whose name\n" +
			"matches gets a recording of its own; with -o DIR they are put into DIR.\n\n" +
			"Exit status: the program's own (128+N for signal N); 125 when yore failed, 126 when the program cannot be\n" +
			"executed, 127 when it was not found.",
		Example: "  yore record ./prog arg\n  yore record -o crash.rec --timeout 1m -- ./server --port 0\n" +
			"  yore record --keep-failed ci-recordings --follow 'test_*' -- make check",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("record needs a program")
			}
			f.seeded = cmd.Flags().Changed("seed")
			if err := f.check(); err != nil {
				return err
			}
			return f.run(cmd.ErrOrStderr(), args)
		},
	}
	programArgs(cmd)
	fs := cmd.Flags()
	fs.StringVarP(&f.dir, "output", "o", "", "put the recording into `DIR`, which must not exist")
	fs.BoolVar(&f.force, "force", false, "with -o: replace the recording that is in DIR")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing about the recording")
	fs.IntVar(&f.traceDirFD, "print-trace-dir", -1, "write the recording's directory to descriptor `FD` at the start")
	fs.StringVar(&f.keepFailed, "keep-failed", "", "keep only runs that fail, in `DIR`")
	fs.IntVar(&f.untilFail, "until-fail", 0, "run up to `N` times, until a run fails; keep that one")
	fs.BoolVar(&f.chaos, "chaos", false, "let dice schedule the program's threads, to bring out races")
	fs.Uint64Var(&f.seed, "seed", 0, "with --chaos: the dice begin with `N`; the same N schedules alike")
	fs.DurationVar(&f.timeout, "timeout", 0, "end the program by SIGABRT after a `DURATION` such as 30s")
	fs.DurationVar(&f.imageEvery, "image-every", 0, "the time between images of the program, a `DURATION`; 0 adapts")
	fs.Var(&f.disk, "disk", "what the images may take, a `SIZE` such as 2G")
	fs.BoolVar(&f.portable, "portable", false, "keep copies of all files that the program maps, and keep glibc and Go from using newer instructions than all processors have (GLIBC_TUNABLES, GODEBUG)")
	fs.StringVar(&f.bundle, "bundle", "", "pack the recording into `FILE` too; without -o only the bundle is kept")
	fs.StringArrayVar(&f.follow, "follow", nil, "run PROG natively and record those programs that it executes whose name matches `GLOB`; repeatable")
	f.program.registerProgram(fs)
	return cmd
}

func (f *recordFlags) check() error {
	if err := f.program.check(); err != nil {
		return err
	}
	switch {
	case f.force && f.dir == "":
		return usagef("--force needs -o")
	case f.dir != "" && (f.keepFailed != "" || f.untilFail != 0):
		return usagef("-o cannot be combined with --keep-failed, --until-fail")
	case len(f.follow) > 0 && f.traceDirFD >= 0:
		return usagef("--follow makes many recordings, --print-trace-dir names one")
	case len(f.follow) > 0 && f.bundle != "":
		return usagef("--follow makes many recordings, --bundle holds one")
	case f.untilFail < 0:
		return usagef("--until-fail %d: is negative", f.untilFail)
	case f.seeded && !f.chaos:
		return usagef("--seed needs --chaos")
	case f.timeout < 0:
		return usagef("--timeout %v: is negative", f.timeout)
	case f.imageEvery < 0:
		return usagef("--image-every %v: is negative", f.imageEvery)
	}
	for _, g := range f.follow {
		if _, err := filepath.Match(g, ""); err != nil {
			return usagef("--follow %s: %w", g, err)
		}
	}
	return nil
}

// run records, once or with --until-fail as often as is needed.
func (f *recordFlags) run(stderr io.Writer, words []string) error {
	t, err := f.find(words)
	if err != nil {
		return err
	}
	if err := hasProc(); err != nil {
		return withStatus(exitSelf, err)
	}
	if f.store, err = openStore(); err != nil {
		return withStatus(exitSelf, err)
	}
	elsewhere := f.keepFailed
	if len(f.follow) > 0 && f.dir != "" {
		// Of many recordings DIR is the store.
		if err := vacant(f.dir, f.force); err != nil {
			return withStatus(exitSelf, err)
		}
		elsewhere, f.dir = f.dir, ""
	}
	if elsewhere != "" {
		dir, err := filepath.Abs(elsewhere)
		if err != nil {
			return withStatus(exitSelf, err)
		}
		f.store = trace.Store{Dir: dir}
	}
	f.stderr = stderr
	if err := f.store.Sweep(leftovers); err != nil && !f.quiet {
		fmt.Fprintf(stderr, "yore: %v\n", err) // the program runs all the same
	}
	signals, err := f.signals()
	if err != nil {
		return withStatus(exitSelf, err)
	}
	if f.chaos && !f.seeded {
		f.seed = rand.Uint64N(1 << 32)
	}
	for n := 1; ; n, f.seed = n+1, f.seed+1 {
		status, err := f.once(t, signals)
		if err != nil {
			return err
		}
		if status != 0 || n >= f.untilFail {
			return exited(status)
		}
	}
}

// leftovers is the age from which a recording that was not to be kept, of a yore that
// died with it, is removed.
const leftovers = 24 * time.Hour

// hasProc says when there is no /proc, through which everything about a process is
// learnt.
func hasProc() error {
	if _, err := os.Stat("/proc/self/mem"); err != nil {
		return errors.New("/proc is not mounted here, and yore cannot do without: mount -t proc proc /proc")
	}
	return nil
}

// signals are those that the program is to get: what is sent to yore alone. What
// the terminal sends the program gets itself; whether that stops it, and yore with
// it, it decides.
func (f *recordFlags) signals() (<-chan unix.Signal, error) {
	all, err := siginfo.Catch(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT,
		unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	if err != nil {
		return nil, err
	}
	c := make(chan unix.Signal)
	go func() {
		for s := range all {
			if !s.FromTerminal() {
				c <- s.No
			}
		}
	}()
	return c, nil
}

// passing reports whether a program is one of go test's or go run's, which removes
// it when it has ended.
func passing(path string) bool { return strings.Contains(path, "/go-build") }

// once is one run. It returns the exit status of the stand-in.
func (f *recordFlags) once(t target, signals <-chan unix.Signal) (int, error) {
	p := f.program.program(t)
	if f.portable {
		p.Env = engine.PortableEnv(p.Env)
	}
	opened, std, err := p.Streams([3]*os.File{os.Stdin, os.Stdout, os.Stderr})
	defer func() {
		for _, x := range opened {
			x.Close()
		}
	}()
	if err != nil {
		return 0, withStatus(exitUsage, err)
	}
	o := engine.RecordOptions{Path: p.Path, Args: p.Args, Env: p.Env, Dir: p.Dir, Files: std,
		Timeout: f.timeout, ImageEvery: f.imageEvery, Disk: int64(f.disk), Portable: f.portable || passing(t.Path), Signals: signals,
		Chaos: f.chaos, Seed: f.seed,
		JobStop: func(sig int) error { return siginfo.Stop(unix.Signal(sig)) },
		Remark: func(s string) {
			if !f.quiet {
				fmt.Fprintf(f.stderr, "yore: %s\n", s)
			}
		}}
	if len(f.follow) > 0 {
		return f.followed(o)
	}
	if o.Recording, err = f.begin(&o); err != nil {
		return 0, withStatus(exitSelf, err)
	}
	if f.traceDirFD >= 0 {
		if _, err := unix.Write(f.traceDirFD, []byte(o.Recording.Dir()+"\n")); err != nil {
			f.store.Discard(o.Recording)
			return 0, usagef("--print-trace-dir=%d: %w", f.traceDirFD, err)
		}
	}
	res, err := engine.Record(context.Background(), o)
	var launch *engine.LaunchError
	if errors.As(err, &launch) {
		f.store.Discard(o.Recording)
		return 0, launchStatus(launch)
	}
	if err := f.end(&o, res, err); err != nil {
		return 0, withStatus(exitSelf, err)
	}
	return res.Status(), nil
}

// selective: only recordings of runs that failed are kept.
func (f *recordFlags) selective() bool { return f.keepFailed != "" || f.untilFail > 0 }

// bundleOnly: the recording is but on the way to the bundle.
func (f *recordFlags) bundleOnly() bool { return f.bundle != "" && f.dir == "" && !f.selective() }

// begin makes the recording of a program.
func (f *recordFlags) begin(o *engine.RecordOptions) (*trace.Recording, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	meta := engine.NewMeta(o, versionLine())
	switch {
	case f.dir != "":
		return trace.CreateAt(f.dir, f.force, meta)
	case f.selective(), f.bundleOnly():
		return f.store.Anonymous(meta)
	}
	return f.store.Create(o.Path, meta)
}

// end keeps the recording of a program or discards it. err is why recording failed;
// what end returns is what makes the recording useless, or at least incomplete.
func (f *recordFlags) end(o *engine.RecordOptions, res engine.Result, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := err != nil || res.Status() != 0 || res.TimedOut
	keep := !f.selective() || failed
	if f.selective() && failed {
		if kerr := f.store.Keep(o.Recording, o.Path); err == nil {
			err = kerr
		}
	}
	if !keep {
		if derr := f.store.Discard(o.Recording); err == nil {
			err = derr
		}
	} else if cerr := o.Recording.Close(); err == nil {
		err = cerr
	}
	if keep && f.bundle != "" {
		if perr := f.pack(o.Recording.Dir(), o.Path); err == nil {
			err = perr
		}
		if f.bundleOnly() && err == nil {
			err = o.Recording.Discard()
			keep = false
		}
	}
	if keep && !f.quiet {
		fmt.Fprintf(f.stderr, "recording: %s\n", o.Recording.Dir())
	}
	var cut *engine.CutError
	switch {
	case errors.As(err, &cut):
		// The program has done its work all the same.
		tell(f.stderr, err, "")
	case err != nil:
		return fmt.Errorf("the recording is incomplete: %w", err)
	}
	return nil
}

// followed runs the program natively and records what matches --follow.
func (f *recordFlags) followed(o engine.RecordOptions) (int, error) {
	var errs []error
	n := 0
	res, err := engine.Follow(context.Background(), engine.FollowOptions{
		RecordOptions: o, Match: f.matches, Begin: f.begin,
		End: func(o *engine.RecordOptions, res engine.Result, err error) {
			err = f.end(o, res, err)
			f.mu.Lock()
			defer f.mu.Unlock()
			if n++; err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", o.Path, err))
			}
		},
	})
	var launch *engine.LaunchError
	if errors.As(err, &launch) {
		return 0, launchStatus(launch)
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return 0, withStatus(exitSelf, err)
	}
	if n == 0 && !f.quiet {
		fmt.Fprintf(f.stderr, "yore: nothing that was executed matches --follow %s\n", inspect.Command(f.follow))
	}
	return res.Status(), nil
}

// pack puts a recording into the bundle that was asked for.
func (f *recordFlags) pack(dir, prog string) error {
	p, err := pack.Pack(dir, f.bundle, pack.Options{Yore: versionLine(), Name: filepath.Base(prog)})
	if err == nil && !f.quiet {
		_, err = io.WriteString(f.stderr, packedText(p))
	}
	return err
}

// matches reports whether --follow names a program: by the name that it was executed
// by or by its executable's, or by the whole path when the pattern has a slash.
func (f *recordFlags) matches(executed, executable string) bool {
	for _, g := range f.follow {
		for _, name := range []string{executed, executable} {
			if !strings.Contains(g, "/") {
				name = filepath.Base(name)
			}
			if ok, _ := filepath.Match(g, name); ok {
				return true
			}
		}
	}
	return false
}

// vacant refuses a directory that is there, unless forced.
func vacant(dir string, force bool) error {
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && (len(list) == 0 || force):
		return nil
	case err == nil:
		err = trace.ErrExists
	}
	return fmt.Errorf("%s: %w", dir, err)
}

// find is what a shell would execute for the first of words; a script will do.
// Its errors have a shell's exit statuses.
func (f *recordFlags) find(words []string) (target, error) {
	s, err := newSniffer()
	if err != nil {
		return target{}, err
	}
	if t, ok, err := s.goTarget(words); ok || err != nil {
		return t, err
	}
	path, err := s.lookup(words[0])
	if err == nil {
		err = checkProgram(words[0], path, words[1:])
	}
	var t *targetError
	switch {
	case err == nil:
		return target{Path: path, Args: words}, nil
	case !errors.As(err, &t):
		return target{}, withStatus(exitSelf, err)
	case t.Kind == problemMissing, t.Kind == problemNotFound:
		return target{}, withStatus(exitNoFile, err)
	case t.Kind == problemForeign && isScript(path) && mayExecute(path):
		return target{Path: path, Args: words}, nil
	}
	return target{}, withStatus(exitNoExec, err)
}

func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [2]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && string(b[:]) == "#!"
}

// launchStatus is the exit status of a program that did not start.
func launchStatus(err *engine.LaunchError) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return withStatus(exitNoFile, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ELIBBAD):
		return withStatus(exitNoExec, err)
	}
	return withStatus(exitSelf, err)
}

func newVerify() *cobra.Command {
	var images bool
	c := &cobra.Command{
		Use:   "verify [RECORDING]",
		Short: "replay a recording and compare it with what was recorded",
		Long: "verify replays a recording from its beginning to its end and compares the program's registers and memory\n" +
			"with fingerprints that were taken when it was recorded. RECORDING is a directory or a name in the store;\n" +
			"left out, it is the latest. With --images it builds a process from each image of the recording instead, and\n" +
			"replays from each to the next. Exit status: 0 identical, 1 diverged.",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := hasProc(); err != nil {
				return withStatus(exitMachine, err)
			}
			r, err := openRecorded(args)
			if err != nil {
				return err
			}
			defer r.close()
			v, err := r.verify(context.Background(), images)
			var d *engine.Divergence
			switch {
			case errors.As(err, &d):
				return withStatus(exitFailed, err)
			case err != nil:
				return recordingStatus(err)
			}
			for _, c := range v.Cut {
				fmt.Fprintf(cmd.ErrOrStderr(), "yore: the recording was cut short: %s\n", c)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "verified: %d events, %d checkpoints\n", v.Events, v.Checkpoints)
			return nil
		},
	}
	c.Flags().BoolVar(&images, "images", false, "replay from each image to the next instead")
	return c
}
