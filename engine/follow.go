package engine

// Recording some descendants of a program that itself runs natively: the stand-in of
// `yore record --follow`.
//
// The tree of processes is traced only for the making of processes and for execve:
// between those everything runs at native speed, and the processes survive yore. A
// process that executes a program to be recorded changes hands (tracee.Handover):
// from then on a recording of its own traces it. Its parent is still the one that it
// had, which sees it end as it would have. What a recorded program forks goes back
// to the tree.
//
// What this changes for natively running processes: none of them can be traced by
// others (a debugger, LeakSanitizer), and programs gain no rights by execve. A
// recorded program other than the first is not stopped by signals of job control.
//
// Threads. Each recording and each part of the tree has an OS thread, which traces
// it; they wait for their own tasks only. The callbacks of FollowOptions may be
// called from several goroutines at a time.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// FollowOptions say what to run and which of its descendants to record.
type FollowOptions struct {
	// RecordOptions describe the program to run, and how to record; Recording is not
	// used. A time limit also ends the recorded programs.
	RecordOptions
	// Match says whether to record a program: by the path that it was executed by,
	// and that of its executable, another for a script.
	Match func(executed, executable string) bool
	// Begin makes the recording of a program, End disposes of it when that has ended.
	Begin func(o *RecordOptions) (*trace.Recording, error)
	End   func(o *RecordOptions, res Result, err error)
}

// tree is the processes of a Follow.
type tree struct {
	FollowOptions
	ctx    context.Context
	began  time.Time
	root   int                  // process id of the program
	ended  chan timeline.Ending // its
	wg     sync.WaitGroup       // of recordings
	mu     sync.Mutex
	failed []error
}

// Follow runs a program to its end and records those of its descendants, and of
// itself, that match. It returns when the program has ended and all recorded ones
// have. The Result is the program's.
func Follow(ctx context.Context, o FollowOptions) (Result, error) {
	f := &tree{FollowOptions: o, ctx: ctx, began: time.Now(), ended: make(chan timeline.Ending, 1)}
	pinOnce.Do(setUpThreads)
	started := make(chan int, 1)
	over := make(chan struct{})
	defer close(over)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f.run(started, over)
	}()
	pid, ok := <-started
	if !ok {
		return Result{}, &LaunchError{o.Path, errors.Join(f.failed...)}
	}
	var res Result
	stop := passOn(pid, o.Signals, o.Timeout, &res.TimedOut)
	res.Ending = <-f.ended
	stop()
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return res, errors.Join(f.failed...)
}

func (f *tree) fail(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = append(f.failed, err)
}

// run launches the program, of which the calling thread stays the parent until over
// is closed: it waits for nothing, or it would be told of stops that are another's.
func (f *tree) run(started chan<- int, over <-chan struct{}) {
	t, err := tracee.Launch(tracee.Spec{Path: f.Path, Args: f.Args, Env: f.Env, Dir: f.Dir, Files: f.Files, Native: true, FixedAddresses: f.Chaos})
	if err != nil {
		f.fail(err)
		close(started)
		return
	}
	f.root = t.TID
	match := f.matches(t)
	h, err := t.HandOverFresh()
	f.fail(err)
	if match {
		f.found(h)
	} else {
		f.adopter()(h)
	}
	started <- t.TID
	<-over
}

// matches reports whether the program that t has just executed is to be recorded.
func (f *tree) matches(t *tracee.Task) bool {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", t.TID))
	return f.Match(t.ExecName(), exe) && traceable(t.TID)
}

// traceable reports whether another thread of ours may trace pid: Yama wants it to be
// a descendant, which a process whose parent has ended is not.
func traceable(pid int) bool {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil || b[0] == '0' || os.Geteuid() == 0 {
		return true
	}
	for pid > 1 {
		if pid == os.Getpid() {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		i := strings.LastIndexByte(string(stat), ')')
		if err != nil || i < 0 {
			return false
		}
		pid = 0
		if f := strings.Fields(string(stat[i+1:])); len(f) > 1 {
			pid, _ = strconv.Atoi(f[1])
		}
	}
	return false
}

// found has a program recorded.
func (f *tree) found(h tracee.Handover) {
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		if res, ok := f.record(h); ok && h.PID == f.root {
			f.ended <- res.Ending
		}
	}()
}

// watch handles the stops of the tasks that the calling thread traces until none is
// left, or the root of the tree has ended.
func (f *tree) watch() error {
	for {
		id, st, err := ptrace.Wait(-1, 0)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("follow: %w", err)
		case !st.Stopped():
			if id == f.root {
				if st.Killed() != 0 {
					f.ended <- timeline.Ending{Signaled: true, Code: st.Killed()}
				} else {
					f.ended <- timeline.Ending{Code: st.Code()}
				}
				return nil
			}
			continue
		case st.Event() == unix.PTRACE_EVENT_EXEC:
			t := tracee.NewTask(id, tracee.NewSpace(id))
			match := f.matches(t)
			if match {
				h, err := t.HandOverFresh()
				if err != nil {
					return err
				}
				f.found(h)
			}
			t.Space.Close()
			if match {
				continue
			}
		case st.Event() == ptrace.EventStop && st.Signal() != int(unix.SIGTRAP): // job control
			ptrace.Listen(id)
			if id == f.root && f.JobStop != nil {
				f.fail(f.JobStop(st.Signal()))
			}
			continue
		case st.IsSignal():
			ptrace.Resume(ptrace.Cont, id, st.Signal())
			continue
		}
		ptrace.Resume(ptrace.Cont, id, 0) // one that is gone reports its end
	}
}

// record records the program that was handed over to its end. ok is false when it
// runs natively instead.
func (f *tree) record(h tracee.Handover) (res Result, ok bool) {
	o := f.RecordOptions
	o.Signals, o.Files = nil, [3]*os.File{}
	if h.PID != f.root {
		o.JobStop = nil
	}
	if f.Timeout > 0 {
		o.Timeout = max(time.Millisecond, f.Timeout-time.Since(f.began))
	}
	o.Path, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", h.PID))
	o.Dir, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", h.PID))
	o.Args = procStrings(h.PID, "cmdline")
	o.Env = procStrings(h.PID, "environ")
	rec, err := f.Begin(&o)
	if err != nil {
		f.fail(err)
		f.adopter()(h) // it runs natively
		return Result{}, false
	}
	o.Recording = rec
	done := make(chan Result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		k := &recording{RecordOptions: o, tree: f, found: h}
		err := k.run(f.ctx)
		f.End(&o, k.res, err)
		done <- k.res
	}()
	return <-done, true
}

// take makes the calling thread the native tracer of a process.
func (f *tree) take(h tracee.Handover) error {
	t, err := h.Take(tracee.NativeOptions)
	if err != nil {
		return err
	}
	t.Space.Close()
	return ptrace.Resume(ptrace.Cont, h.PID, 0)
}

// adopter returns what takes over the children of recorded programs, nil without a
// tree.
func (f *tree) adopter() func(tracee.Handover) {
	if f == nil {
		return nil
	}
	return func(h tracee.Handover) {
		go func() {
			runtime.LockOSThread() // never unlocked: what is still traced by it runs on
			err := f.take(h)
			if err == nil {
				err = f.watch()
			}
			f.fail(err)
		}()
	}
}

// pin keeps the calling thread and program pid on one CPU; different programs may
// have different ones. The result is as pinThread's.
func (f *tree) pin(pid int) int {
	one := oneCPU(pid, 0)
	if one != 0 {
		set := one.set()
		unix.SchedSetaffinity(pid, &set)
	}
	return one.pin()
}

// procStrings reads a file of strings of a process's.
func procStrings(pid int, name string) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}
