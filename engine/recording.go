package engine

// Recording a program without a debugger: the stand-in of `yore record`. The
// program keeps the files, session and environment that it is given, runs at its
// natural speed and ends as it would have ended; the events, images and
// fingerprints go to a recording on disk.
//
// Threads. Record's own goroutine is locked to an OS thread, which traces. Images
// are written by another goroutine (images.go). Signals and time limits reach the
// program by kill(2) from any goroutine.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// RecordOptions say what to record and how.
type RecordOptions struct {
	Path string   // the executable
	Args []string // argv, program name included
	Env  []string // the program's environment
	Dir  string   // working directory, empty for the present one
	// Files are the program's standard streams.
	Files [3]*os.File
	// Recording, which was made with the meta of NewMeta, gets everything. Record
	// does not close it.
	Recording *trace.Recording
	// Timeout, when positive, ends the program by SIGABRT.
	Timeout time.Duration
	// ImageEvery is the time between images, 0 adapts. Disk bounds what images
	// take, bytes; 0 leaves a part of the file system free.
	ImageEvery time.Duration
	Disk       int64
	// Portable captures every mapped file.
	Portable bool
	// Chaos lets dice with the given seed schedule the threads, to bring out races.
	Chaos bool
	Seed  uint64
	// Signals are signals for the program; the channel may be nil.
	Signals <-chan unix.Signal
	// JobStop, when not nil, stops this process as the program was stopped by a
	// signal of job control, and returns when it goes on.
	JobStop func(sig int) error
	// Remark, when not nil, is told what else is to be said of the recording, such
	// as what makes it unreliable.
	Remark func(string)
}

// Result says how a recorded program ended.
type Result struct {
	Ending   timeline.Ending
	TimedOut bool
	Events   int64
}

// Status is the exit status of a stand-in for the program: its own, or 128 and
// the number of the signal.
func (r *Result) Status() int {
	if r.Ending.Signaled {
		return 128 + r.Ending.Code
	}
	return r.Ending.Code
}

// LaunchError says that the program could not be started.
type LaunchError struct {
	Path string
	Err  error
}

func (e *LaunchError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *LaunchError) Unwrap() error { return e.Err }

// NewMeta describes a recording that is about to begin.
func NewMeta(o *RecordOptions, version string) trace.Meta {
	dir := o.Dir
	if dir == "" {
		dir, _ = os.Getwd()
	}
	path := o.Path
	if p, err := filepath.Abs(path); err == nil {
		path = p
	}
	return trace.Meta{Yore: version, Program: trace.Str(path), Args: trace.Strs(o.Args), Env: trace.Strs(o.Env),
		Cwd: trace.Str(dir), Began: time.Now(), Machine: trace.ThisMachine()}
}

// Record runs a program to its end and records it. The error is about the
// recording; when it is not a *LaunchError the Result is valid as far as it goes.
// Cancelling ctx kills the program.
func Record(ctx context.Context, o RecordOptions) (Result, error) {
	type answer struct {
		res Result
		err error
	}
	done := make(chan answer, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		k := &recording{RecordOptions: o}
		err := k.run(ctx)
		done <- answer{k.res, err}
	}()
	a := <-done
	return a.res, a.err
}

// recording is a running Record.
type recording struct {
	RecordOptions
	rec     *record.Recorder
	cpu     int // as pinThread gives it
	log     *sink
	images  *imager
	began   time.Time
	threads int // most at a time
	res     Result
	remarks remarks
	frames  []string // innermost, at the end

	// tree, when not nil, has found the program, which is no child of ours.
	tree  *tree
	found tracee.Handover
}

// start launches the program, or takes over the one that tree has found.
func (k *recording) start() (*tracee.Task, error) {
	if k.tree == nil {
		t, err := tracee.Launch(tracee.Spec{Path: k.Path, Args: k.Args, Env: k.Env, Dir: k.Dir, Files: k.Files,
			FixedAddresses: k.Chaos})
		if err != nil {
			return nil, &LaunchError{k.Path, err}
		}
		return t, nil
	}
	return k.found.Adopt()
}

func (k *recording) run(ctx context.Context) (err error) {
	if k.tree == nil {
		k.cpu = pinThread(0)
	} else {
		k.cpu = k.tree.pin(k.found.PID)
	}
	t, err := k.start()
	if err != nil {
		return err
	}
	k.began = time.Now()
	defer func() {
		err = k.finish(err)
	}()
	if k.images, err = newImager(k.Recording, k.ImageEvery, k.Disk); err != nil {
		t.KillProcess()
		return err
	}
	k.log = &sink{to: k.Recording.Log}
	k.remarks.say = k.Remark
	k.rec, err = record.New(t, k.log, record.Options{
		Began: k.began, AtBoundary: k.atBoundary, OnTick: k.atTick, TickEvery: time.Second,
		AfterExec: k.afterExec, Break: k.atBreak, OnFile: k.file, OnChange: k.capture, JobStop: k.JobStop, Keep: true,
		Chaos: k.Chaos, Seed: k.Seed,
		OwnTrap: func(uint64, *ptrace.Siginfo) bool { return true }, ChildProcess: k.tree.adopter(), ChildMemory: k.unreliable, Remark: k.remarks.add,
	})
	if err != nil {
		t.KillProcess()
		return err
	}
	if k.Chaos {
		k.remarks.list = append(k.remarks.list, fmt.Sprintf("recorded with --chaos --seed %d", k.Seed))
	}
	if portable(k.Env) {
		k.remarks.list = append(k.remarks.list, "recorded with --portable: glibc and Go were kept to instructions that all processors have")
	}
	k.rec.SetAffinity(allowed)
	k.images.rec = k.rec
	if err := k.describe(); err != nil {
		k.rec.Kill()
		return err
	}
	if err := k.needImage(); err != nil {
		k.rec.Kill()
		return err
	}
	stop := k.deliver()
	defer stop()
	for k.rec.Ended() == nil {
		st, err := k.rec.Run(ctx, false)
		if err == nil && st.Reason == record.Interrupted && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			k.rec.Kill()
			return err
		}
	}
	k.frames = topFrames(k.rec)
	// The last image; where the program is gone already, there is none.
	if k.rec.Current() != nil && k.log.err == nil {
		if err := k.images.take(k.began, true); err != nil && !errors.Is(err, errNotNow) {
			k.remarks.list = append(k.remarks.list, fmt.Sprintf("no image of the end: %v", err))
		}
	}
	if err := k.rec.Release(); err != nil {
		k.rec.Kill()
		return err
	}
	return nil
}

// CutError says that the program was run to its end, but not recorded up to there.
type CutError struct{ Err error }

func (e *CutError) Error() string { return fmt.Sprintf("the recording is cut short: %v", e.Err) }
func (e *CutError) Unwrap() error { return e.Err }

// sink is the log as the recorder sees it. When the log cannot be written any
// more, a full disk, events are dropped: the program goes on as if nothing were,
// and the recording ends there.
type sink struct {
	to  *trace.Log
	n   int64
	err error
}

func (s *sink) Len() int64 { return s.n }

func (s *sink) Append(e *trace.Event) (int64, error) {
	if s.err == nil {
		_, s.err = s.to.Append(e)
	}
	s.n++
	return s.n - 1, nil
}

// fail ends the recording because of err.
func (s *sink) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// deliver passes signals and the time limit on to the program.
func (k *recording) deliver() (stop func()) {
	return passOn(k.rec.PID(), k.Signals, k.Timeout, &k.res.TimedOut)
}

// passOn sends process pid the signals that come, and when the time limit is over,
// unless it is 0, SIGABRT and at last SIGKILL. timedOut is valid after stop.
func passOn(pid int, signals <-chan unix.Signal, limit time.Duration, timedOut *bool) (stop func()) {
	quit := make(chan struct{})
	var timer <-chan time.Time
	if limit > 0 {
		timer = time.After(limit)
	}
	ended := make(chan struct{})
	late := false
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			case s := <-signals:
				unix.Kill(pid, s)
			case <-timer:
				sig := unix.SIGABRT
				if late { // it has survived that
					sig = unix.SIGKILL
				}
				late = true
				unix.Kill(pid, sig)
				timer = time.After(5 * time.Second)
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
		*timedOut = late
	}
}

// describe completes the description once the program exists.
func (k *recording) describe() error {
	var xcr0 uint64
	_, x, err := k.rec.Registers(k.rec.PID())
	if err == nil && len(x) >= 512 {
		xcr0 = uint64(x[464]) | uint64(x[465])<<8 | uint64(x[466])<<16 | uint64(x[467])<<24
	}
	return k.Recording.UpdateMeta(func(m *trace.Meta) {
		m.PID = int32(k.rec.PID())
		m.Machine.Ran = k.cpu
		m.Machine.XCR0, m.Machine.XStateSize = xcr0, len(x)
	})
}

// finish writes the rest of the recording: what images are under way, and how
// it ended. err is why recording failed; it is returned, or what went wrong here.
func (k *recording) finish(err error) error {
	var ended trace.Ended
	if k.rec != nil {
		defer k.rec.Close()
		if e := k.rec.Ended(); e != nil {
			k.res.Ending = timeline.Ending{Signaled: e.Signaled, Code: e.Code}
			ended = trace.Ended{How: "exit", Status: e.Code}
			if e.Signaled {
				ended = trace.Ended{How: "signal", Signal: e.Code}
			}
			if k.res.TimedOut {
				ended.How = "timeout"
			}
		}
	}
	if k.log != nil {
		k.log.fail(k.Recording.Log.Flush())
		if err == nil && k.log.err != nil {
			err = &CutError{k.log.err}
		}
	}
	if err != nil {
		ended = trace.Ended{How: "error", Error: err.Error()}
		if errors.Is(err, context.Canceled) {
			ended = trace.Ended{How: "detached"}
		}
	}
	seconds := time.Since(k.began).Seconds()
	var errs []error
	var images int
	if k.images != nil {
		n, e := k.images.close()
		images = n
		errs = append(errs, e)
	}
	k.res.Events = k.Recording.Log.Len()
	ids := k.buildIDs()
	errs = append(errs, k.Recording.UpdateMeta(func(m *trace.Meta) {
		m.Seconds, m.Events, m.Ended, m.BuildIDs = seconds, k.res.Events, &ended, ids
		m.Threads = max(1, k.threads)
		m.Counts = map[string]int64{"images": int64(images)}
		m.Notes, m.Frames = k.remarks.list, k.frames
		if k.rec != nil {
			st := k.rec.Stats
			for name, n := range map[string]int64{"switches": st.Switches, "preemptions": st.Preempts, "preemptions by count": st.Counted,
				"signals": st.Signals, "calls recorded by comparison": st.Compared, "child processes": st.Children} {
				if n > 0 {
					m.Counts[name] = n
				}
			}
		}
	}))
	if err != nil { // what follows from it is not worth saying
		return err
	}
	return errors.Join(errs...)
}

// file enters a mapped file into the recording's table, under the recorder's id.
func (k *recording) file(f *record.File, changing bool) error {
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	d, err := trace.StatFile(f.Path, content)
	if err != nil {
		return err
	}
	var hashed *os.File // is hashed in the background
	capture := changing || k.Portable
	if !capture {
		if hashed, err = f.Open(); err != nil {
			return err
		}
	}
	id, err := k.Recording.Files.Add(d, hashed)
	if err != nil {
		return err
	}
	if id != f.ID {
		return fmt.Errorf("file %s: entered as %d, known as %d", f.Path, id, f.ID)
	}
	if !capture {
		return nil
	}
	return k.capture(f)
}

// capture copies a file's content into the recording.
func (k *recording) capture(f *record.File) error {
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return k.Recording.Files.Capture(f.ID, content)
}

func (k *recording) atBoundary() error {
	if k.log.err != nil {
		return nil
	}
	if n := len(k.rec.ThreadIDs()); n > k.threads {
		k.threads = n
	}
	return k.images.due(k.began)
}

func (k *recording) atTick() error {
	if k.log.err != nil {
		return nil
	}
	return k.images.due(k.began)
}

// atBreak keeps the state before an event that only an image can cross, afterExec
// that after it. Without them nothing behind that event could be replayed.
func (k *recording) atBreak() error { return k.needImage() }

func (k *recording) afterExec() error { return k.needImage() }

// unreliable notes that a child process shares too much memory with the program.
func (k *recording) unreliable(pid int, size uint64) { k.remarks.sharing(k.log.Len(), pid, size) }

func (k *recording) needImage() error {
	if k.log.err == nil {
		k.log.fail(k.images.take(k.began, true))
	}
	return nil
}
