package record

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// A round trip records a program to its end while keeping copies of it, replays
// it from its first instruction to each of those copies and to the end, and from
// each copy to the end, and compares all registers and all memory wherever two of
// them meet.

// trip says what to record and how it must end.
type trip struct {
	args  []string
	env   []string // added to the environment
	stdin string
	dir   string // working directory, empty for a new one
	limit time.Duration
	// sparse keeps fewer copies: for programs with many events.
	sparse bool
	seed   uint64      // not 0: chaos
	cpus   unix.CPUSet // what the program may believe in
	// during is called in a goroutine of its own with the program's process id.
	during func(pid int)
}

const tripLimit = 60 * time.Second

// tape is a log in memory.
type tape struct{ events []*trace.Event }

func (p *tape) Append(e *trace.Event) (int64, error) {
	p.events = append(p.events, e)
	return int64(len(p.events) - 1), nil
}
func (p *tape) At(i int64) (*trace.Event, error) { return p.events[i], nil }
func (p *tape) Len() int64                       { return int64(len(p.events)) }

// waypoint is a copy of the program in the slice before event n.
type waypoint struct {
	c *tracee.Copy
	n int64
}

// outcome is what a round trip leaves for further checks.
type outcome struct {
	rec    *Recorder
	log    *tape
	output string
}

func roundTrip(t *testing.T, args ...string) *outcome {
	t.Helper()
	return trip{args: args}.run(t)
}

func (p trip) run(t *testing.T) *outcome {
	t.Helper()
	runtime.LockOSThread() // never unlocked: what cleans up must wait on this thread too
	defer pin(t, &p)()
	path, err := exec.LookPath(p.args[0])
	if err != nil {
		t.Skip(err)
	}
	if p.limit == 0 {
		p.limit = tripLimit
	}
	scratch := t.TempDir()
	if p.dir == "" {
		p.dir = scratch
	}
	in, out := p.streams(t, scratch)
	task, err := tracee.Launch(tracee.Spec{Path: path, Args: p.args, Dir: p.dir, Env: append(os.Environ(), p.env...), Files: [3]*os.File{in, out, out}, FixedAddresses: p.seed != 0})
	if err != nil {
		t.Fatal(err)
	}
	log := &tape{}
	dog := watch(t, p.limit, task.TID)
	defer dog.stop()
	rec, points, execs := p.record(t, dog.ctx, task, log)
	text, _ := os.ReadFile(out.Name())
	res := &outcome{rec, log, string(text)}
	if t.Failed() {
		return res
	}
	final, err := rec.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	dog.also(final.Space.PID)
	defer final.Kill()
	defer dog.pause()
	points = append(points, waypoint{final, log.Len()})
	env := &replay.Env{Log: log, Stubs: rec.Stubs(), FilePath: rec.Files().Path,
		Restore: func(i int64) (*tracee.Copy, error) { return execs[i].Fork() }}
	began := time.Now()
	for i := range points[:len(points)-1] {
		if !p.replay(t, dog, env, points, i) {
			break
		}
		if i == 0 {
			t.Logf("replayed in %v", time.Since(began).Round(time.Millisecond))
		}
	}
	return res
}

// pin keeps the tracing thread and what it launches on one CPU, as the engine does.
func pin(t *testing.T, p *trip) (undo func()) {
	t.Helper()
	if err := unix.SchedGetaffinity(0, &p.cpus); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if p.cpus.IsSet(i) {
			var one unix.CPUSet
			one.Set(i)
			if err := unix.SchedSetaffinity(0, &one); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	return func() { unix.SchedSetaffinity(0, &p.cpus) }
}

// streams opens the program's input and output.
func (p *trip) streams(t *testing.T, dir string) (in, out *os.File) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "stdin"), []byte(p.stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "stdin"))
	if err != nil {
		t.Fatal(err)
	}
	out, err = os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out
}

// record runs the program to its end, and returns copies made on the way and
// those made after its execve calls.
func (p *trip) record(t *testing.T, ctx context.Context, task *tracee.Task, log *tape) (*Recorder, []waypoint, map[int64]*tracee.Copy) {
	t.Helper()
	var points []waypoint
	var rec *Recorder
	n, next := 0, 100
	execs := map[int64]*tracee.Copy{}
	opts := Options{Keep: true, Quantum: 5 * time.Millisecond}
	if p.seed != 0 {
		opts.Chaos, opts.Seed, opts.Quantum = true, p.seed, 0
	}
	opts.AtBoundary = func() error {
		if n++; n != 1 && (n < next || len(points) > 6) {
			return nil
		}
		if n > 1 {
			next = n * 2
			if p.sparse {
				next = n * 8
			}
		}
		c, err := rec.Freeze()
		if err == nil {
			points = append(points, waypoint{c, log.Len()})
		}
		return err
	}
	opts.Break = func() error { return nil }
	opts.AfterExec = func() error {
		c, err := rec.Freeze()
		execs[log.Len()-1] = c
		return err
	}
	rec, err := New(task, log, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, w := range points {
			w.c.Kill()
		}
		for _, c := range execs {
			c.Kill()
		}
		rec.Kill()
		rec.Close()
	})
	rec.SetAffinity(p.cpus)
	if p.during != nil {
		go p.during(rec.PID())
	}
	began := time.Now()
	for rec.Ended() == nil {
		st, err := rec.Run(ctx, false)
		if err == nil && st.Reason == Interrupted {
			err = context.Cause(ctx)
		}
		if err != nil {
			t.Error(err)
			explain(t, log, log.Len()-1)
			break
		}
	}
	t.Logf("%d events in %v, %+v, %+v", log.Len(), time.Since(began).Round(time.Millisecond), rec.Ended(), rec.Stats)
	return rec, points, execs
}

// replay runs from point i on and compares what it comes to: from the first
// point with all others, else with the last.
func (p *trip) replay(t *testing.T, dog *watchdog, env *replay.Env, points []waypoint, i int) bool {
	t.Helper()
	from, err := points[i].c.Fork()
	if err != nil {
		t.Error(err)
		return false
	}
	run := replay.New(from, env, points[i].n)
	dog.also(run.Space.PID)
	defer func() { dog.pause(); run.Kill() }()
	to := points[len(points)-1:]
	if i == 0 {
		to = points[1:]
	}
	for _, w := range to {
		err := run.Advance(dog.ctx, w.n)
		dog.also(run.Space.PID) // an Exec replaces it
		if err != nil {
			t.Errorf("from event %d: %v", points[i].n, err)
			explain(t, env.Log.(*tape), run.Next)
			return false
		}
		compareStates(t, fmt.Sprintf("from event %d to %d", points[i].n, w.n), run.Copy, w.c)
	}
	return true
}

// watchdog ends a trip that takes too long: first politely, then by killing the
// process at work, when its stacks have been printed.
type watchdog struct {
	ctx  context.Context
	end  context.CancelFunc
	pid  atomic.Int64
	kill *time.Timer
}

func watch(t *testing.T, limit time.Duration, pid int) *watchdog {
	ctx, end := context.WithTimeout(context.Background(), limit)
	d := &watchdog{ctx: ctx, end: end}
	d.pid.Store(int64(pid))
	d.kill = time.AfterFunc(limit+3*time.Second, func() {
		pid := d.pid.Load()
		if pid == 0 {
			return
		}
		var b bytes.Buffer
		pprof.Lookup("goroutine").WriteTo(&b, 2)
		fmt.Fprintf(os.Stderr, "%s: over its limit of %v; process %d is killed\n%s\n", t.Name(), limit, pid, b.Bytes())
		unix.Kill(int(pid), unix.SIGKILL)
	})
	return d
}

func (d *watchdog) also(pid int) { d.pid.Store(int64(pid)) }
func (d *watchdog) pause()       { d.pid.Store(0) }
func (d *watchdog) stop()        { d.kill.Stop(); d.end() }

// explain prints the events that led to one.
func explain(t *testing.T, log *tape, at int64) {
	t.Helper()
	n := int64(8)
	if s := os.Getenv("YORE_TEST_EVENTS"); s != "" {
		fmt.Sscan(s, &n)
	}
	for i := max(0, at-n); i <= at && i < log.Len(); i++ {
		e := log.events[i]
		t.Logf("  %d: %v t%d nr %d ret %#x args %#x pc %#x sig %d", i, e.Kind, e.TID, e.NR, uint64(e.Ret), e.Args, e.PC, e.Sig)
	}
}

// compareStates holds every register and byte of a against b.
func compareStates(t *testing.T, what string, a, b *tracee.Copy) {
	t.Helper()
	for _, id := range b.Live() {
		x, err := a.ThreadRegs(id)
		if err != nil {
			t.Errorf("%s: thread %d: %v", what, id, err)
			continue
		}
		y, _ := b.ThreadRegs(id)
		if x != y {
			t.Errorf("%s: thread %d: registers differ:\n%+v\n%+v", what, id, x, y)
		}
		v, _ := a.ThreadXState(id)
		w, _ := b.ThreadXState(id)
		if i := tracee.DifferingXState(v, w); i >= 0 {
			t.Errorf("%s: thread %d: extended state differs at byte %d", what, id, i)
		}
	}
	compareMemory(t, what, a, b)
	compareMaps(t, what, a, b)
}

func compareMemory(t *testing.T, what string, a, b *tracee.Copy) {
	t.Helper()
	x, err := a.Space.Anonymous()
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Space.Anonymous()
	if err != nil {
		t.Fatal(err)
	}
	set := tracee.Union(x, y)
	for range 3 {
		addr, differs := tracee.FirstDifference(a.Space, b.Space, set, Ours)
		if !differs {
			break
		}
		var u, v [16]byte
		a.Space.Read(addr, u[:])
		b.Space.Read(addr, v[:])
		t.Errorf("%s: memory differs at %#x: %x, not %x", what, addr, u, v)
		set = set.From(addr&^4095 + 4096)
	}
}

// compareMaps holds the mappings against each other: where they are and what may
// be done there.
func compareMaps(t *testing.T, what string, a, b *tracee.Copy) {
	t.Helper()
	type area struct {
		lo, hi uint64
		prot   uint32
	}
	list := func(c *tracee.Copy) (out []area) {
		maps, err := c.Space.Maps()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range maps {
			if Ours(m.Lo) || m.Kernel() || m.Path == "[stack]" {
				continue
			}
			if n := len(out); n > 0 && out[n-1].hi == m.Lo && out[n-1].prot == m.Prot {
				out[n-1].hi = m.Hi
				continue
			}
			out = append(out, area{m.Lo, m.Hi, m.Prot})
		}
		return out
	}
	x, y := list(a), list(b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			t.Errorf("%s: mappings differ from number %d on:\n%x\n%x", what, i, x[min(i, len(x)):], y[min(i, len(y)):])
			return
		}
	}
}

var _ = io.EOF
