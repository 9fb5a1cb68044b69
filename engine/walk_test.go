package engine

import (
	"context"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yore/engine/gdbserver"
	"yore/engine/internal/record"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/testprogs"
)

// Random walks through a session. A walk starts at breakpoints in awkward places,
// live, and moves at random: instruction by instruction both ways, from breakpoint
// to breakpoint both ways, to positions and marks seen before. What must hold:
//
//   - n steps forwards and n back visit the same states in opposite order, in
//     either order, on both sides of the frontier;
//   - a position stands for one state: whatever way the walk comes to it, the hash
//     of registers and memory is that of the first time, and seeking it leads there;
//   - the marks of all stops, taken back one after the other, retrace the walk;
//   - breakpoints are met backwards where they were met forwards.
//
// `make test` does a selection, YORE_WALKS=N every program, N seeds and longer walks.

// A tour is a program to walk in, and where.
type tour struct {
	prog  string
	args  []string // nil: those of the program's header
	marks []string // MARKs and functions to stop at
}

var tours = []tour{
	{"walk", []string{"20"}, []string{"once", "after_long_call", "handler", "after_signal", "library", "rep", "bottom", "thread", "joined", "compare"}},
	{"insn_string", nil, []string{"main"}},
	{"sig_nested", nil, []string{"main"}},
	{"sig_alarm", nil, []string{"main"}},
	{"sig_crash", nil, []string{"main"}},
	{"cxx_exceptions", nil, []string{"main"}},
	{"thr_workers", nil, []string{"main"}},
	{"thr_compute", nil, []string{"main"}},
}

// more are the tours that only YORE_WALKS makes.
var more = []tour{
	{"thr_race", nil, []string{"main"}},
	{"thr_locks", nil, []string{"main"}},
	{"thr_pingpong", nil, []string{"main"}},
	{"sig_threads", nil, []string{"main"}},
	{"sig_segv", nil, []string{"main"}},
	{"cxx_containers", nil, []string{"main"}},
}

var walkBuilds = [][]string{{"-O0"}, {"-O2"}, {"-O0", "-no-pie"}, {"-O2", "-no-pie"}, {"-O1", "-static"}}

func TestWalks(t *testing.T) {
	seeds, motions, all := 1, 60, false
	if v := os.Getenv("YORE_WALKS"); v != "" {
		motions, all = 200, true
		fmt.Sscan(v, &seeds)
	}
	which := tours
	if all {
		which = slices.Concat(tours, more)
	}
	for i, tr := range which {
		for k, flags := range walkBuilds {
			if !all && i > 0 && k != i%2 {
				continue
			}
			for seed := range seeds {
				t.Run(fmt.Sprintf("%s%s/%d", tr.prog, strings.Join(flags, ""), seed), func(t *testing.T) {
					tr.walk(t, flags, int64(seed), motions)
				})
			}
		}
	}
}

func (tr tour) walk(t *testing.T, flags []string, seed int64, motions int) {
	p, err := testprogs.Find(tr.prog)
	if err != nil {
		t.Fatal(err)
	}
	exe := testprogs.Build(t, tr.prog, flags...)
	args := tr.args
	if args == nil {
		args = p.Args
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(motions)*4*time.Second)
	defer cancel()
	s := session(t, append([]string{exe}, args...)...)
	w := &walker{t: t, ctx: ctx, s: s, rnd: rand.New(rand.NewSource(seed)), hashes: map[timeline.Position]uint64{}}
	w.code = codeOf(t, s, exe)
	for _, m := range tr.marks {
		w.stops = append(w.stops, w.code.places(t, p, m)...)
	}
	if len(w.stops) == 0 {
		t.Fatal("nowhere to stop")
	}
	w.run(motions)
	t.Logf("%d motions, %d positions, %d events, %v", w.motions, len(w.hashes), s.Events(), w.did)
}

// code finds addresses of a program that is running.
type code struct {
	bias uint64
	syms map[string]uint64         // functions
	data map[string]uint64         // variables
	line map[string]map[int]uint64 // by file's base name: the first address of each line
}

func codeOf(t *testing.T, s *Session, exe string) *code {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &code{syms: map[string]uint64{}, data: map[string]uint64{}, line: map[string]map[int]uint64{}}
	if f.Type == elf.ET_DYN {
		aux := s.Auxv()
		const entry = 9 // AT_ENTRY
		for ; len(aux) >= 16; aux = aux[16:] {
			if leUint64(aux) == entry {
				c.bias = leUint64(aux[8:]) - f.Entry
			}
		}
	}
	ss, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range ss {
		switch elf.ST_TYPE(x.Info) {
		case elf.STT_FUNC:
			c.syms[x.Name] = x.Value + c.bias
		case elf.STT_OBJECT:
			c.data[x.Name] = x.Value + c.bias
		}
	}
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		if e.Tag != dwarf.TagCompileUnit {
			continue
		}
		lr, err := d.LineReader(e)
		if err != nil || lr == nil {
			continue
		}
		var l dwarf.LineEntry
		for lr.Next(&l) == nil {
			if !l.IsStmt || l.EndSequence || l.File == nil {
				continue
			}
			file := filepath.Base(l.File.Name)
			if c.line[file] == nil {
				c.line[file] = map[int]uint64{}
			}
			if a, ok := c.line[file][l.Line]; !ok || l.Address+c.bias < a {
				c.line[file][l.Line] = l.Address + c.bias
			}
		}
	}
	return c
}

func leUint64(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

// places returns the address of a function, or of the line that is marked.
func (c *code) places(t *testing.T, p *testprogs.Program, mark string) []uint64 {
	if a, ok := c.syms[mark]; ok {
		return []uint64{a}
	}
	n, err := p.Line(mark)
	if err != nil {
		return nil
	}
	if a, ok := c.line[filepath.Base(p.Path)][n]; ok {
		return []uint64{a}
	}
	return nil
}

type walker struct {
	t       *testing.T
	ctx     context.Context
	s       *Session
	rnd     *rand.Rand
	code    *code
	stops   []uint64
	hashes  map[timeline.Position]uint64
	order   []timeline.Position
	trail   []crumb
	signal  int // to deliver with the next resume
	motions int
	last    string
	did     map[string]int
}

// crumb is a stop to come back to.
type crumb struct {
	m    *Mark
	hash uint64
}

// fatal ends the walk with what led to it.
func (w *walker) fatal(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("motion %d (%s): %s", w.motions, w.last, fmt.Sprintf(format, args...))
}

func (w *walker) check(err error) {
	w.t.Helper()
	if err != nil {
		w.fatal("%v", err)
	}
}

// where describes the present for a message.
func (w *walker) where() string {
	x, _, err := w.s.Registers(w.s.Current())
	if err != nil {
		return err.Error()
	}
	frontier := ""
	if w.s.AtFrontier() {
		frontier = ", frontier"
	}
	return fmt.Sprintf("event %d pc %#x sp %#x rcx %#x flags %#x thread %d%s", w.s.Event(), x.Rip, x.Rsp, x.Rcx, x.Eflags, w.s.Current(), frontier)
}

func (w *walker) hash() uint64 {
	h, err := w.s.Hash(w.ctx)
	w.check(err)
	return h
}

// see notes the present's position and holds its state against what was there
// before.
func (w *walker) see() uint64 {
	w.t.Helper()
	h := w.hash()
	pos, err := w.s.Position(w.ctx)
	w.check(err)
	if was, ok := w.hashes[pos]; !ok {
		w.hashes[pos] = h
		w.order = append(w.order, pos)
	} else if was != h {
		w.fatal("the state at %v is %x, was %x; %s", pos, h, was, w.where())
	}
	return h
}

func (w *walker) drop() {
	m, err := w.s.Mark(w.ctx)
	w.check(err)
	w.trail = append(w.trail, crumb{m, w.hash()})
}

// resume moves, passing signals on as a debugger does.
func (w *walker) resume(q gdbserver.Resume) timeline.Stop {
	w.t.Helper()
	if q.Dir == timeline.Forward {
		q.Signal = w.signal
	}
	w.signal = 0
	st, err := w.s.Resume(w.ctx, q)
	w.check(err)
	if st.Reason == timeline.Interrupted {
		w.fatal("interrupted: the walk takes too long; %s", w.where())
	}
	if st.Reason == timeline.Signal {
		w.signal = st.Signal
	}
	return st
}

const stepMode = gdbserver.Step

func (w *walker) stepForward() timeline.Stop {
	return w.resume(gdbserver.Resume{Mode: stepMode, Thread: 0})
}

func (w *walker) stepBack() timeline.Stop {
	return w.resume(gdbserver.Resume{Dir: timeline.Backward, Mode: stepMode})
}

// state is what a step must come back to.
type state struct {
	hash   uint64
	thread int
	where  string
	m      *Mark
}

func (w *walker) state() state {
	w.t.Helper()
	m, err := w.s.Mark(w.ctx)
	w.check(err)
	return state{w.hash(), w.s.Current(), w.where(), m}
}

// differ says in what two states differ.
func (w *walker) differ(a, b state) (what string) {
	w.check(w.s.do(w.ctx, func() error {
		x, y := a.m.runner(), b.m.runner()
		ids, other := x.Live(), y.Live()
		if !slices.Equal(ids, other) {
			what = fmt.Sprintf("threads %v, %v", ids, other)
		}
		for _, id := range ids {
			p, perr := x.ThreadRegs(id)
			q, qerr := y.ThreadRegs(id)
			if d := replay.Differing(&p, &q); d != "" || perr != nil || qerr != nil {
				what += fmt.Sprintf("; thread %d: %s %v %v", id, d, perr, qerr)
			}
		}
		pages := map[uint64]string{}
		if err := w.s.ownPages(x.Copy, func(p uint64, b []byte) { pages[p] = string(b) }); err != nil {
			return err
		}
		err := w.s.ownPages(y.Copy, func(p uint64, b []byte) {
			if pages[p] != string(b) {
				what += fmt.Sprintf("; page %#x of %s", p, mapAt(y.Space, p))
			}
			delete(pages, p)
		})
		for p := range pages {
			what += fmt.Sprintf("; page %#x only in the first, of %s", p, mapAt(x.Space, p))
		}
		if err != nil {
			return err
		}
		set, err := tracee.Differing(x.Space, x.Lineage, y.Space, y.Lineage)
		if err != nil {
			return err
		}
		if addr, d := tracee.FirstDifference(x.Space, y.Space, set, record.Ours); d {
			v, _ := x.Space.Uint64(addr)
			u, _ := y.Space.Uint64(addr)
			what += fmt.Sprintf("; memory at %#x: %#x, %#x", addr, v, u)
			what += " in " + mapAt(x.Space, addr)
		}
		return nil
	}))
	return what
}

// thereAndBack makes n steps in one direction and the same number back.
func (w *walker) thereAndBack(n int, dir timeline.Direction) {
	w.t.Helper()
	step, back := w.stepForward, w.stepBack
	if dir == timeline.Backward {
		step, back = back, step
	}
	states := []state{w.state()}
	defer func() {
		for _, x := range states {
			x.m.Release()
		}
	}()
	for range n {
		st := step()
		if st.Reason == timeline.Signal && dir == timeline.Forward {
			continue // the same point, shown once more
		}
		if st.Reason == timeline.HistoryEnd || st.Reason == timeline.HistoryBegin {
			break
		}
		now := w.state()
		if now.thread != states[0].thread {
			break // back goes another way: by this thread's own instructions
		}
		states = append(states, now)
	}
	if w.s.Current() != states[0].thread {
		return
	}
	for i := len(states) - 2; i >= 0; i-- {
		st := back()
		if st.Reason == timeline.Signal {
			st = back()
		}
		if now := w.state(); now.hash != states[i].hash {
			w.fatal("%v: step %d of %d is another state coming back (%v):\n was %s\n now %s\n from %s\n%s", dir, i, len(states)-1, st.Reason, states[i].where, now.where, states[i+1].where, w.differ(states[i], now))
		}
	}
}

func mapAt(s *tracee.Space, addr uint64) string {
	maps, err := s.Maps()
	for _, m := range maps {
		if m.Lo <= addr && addr < m.Hi {
			return fmt.Sprintf("%+v", m)
		}
	}
	return fmt.Sprintf("no mapping %v", err)
}

func (w *walker) setBreakpoints(on bool) {
	for _, a := range w.stops {
		if on {
			w.check(w.s.InsertBreakpoint(gdbserver.Breakpoint{Addr: a}))
		} else {
			w.check(w.s.RemoveBreakpoint(a))
		}
	}
}

// leave steps off a breakpoint, as a debugger does before it continues.
func (w *walker) leave() {
	w.setBreakpoints(false)
	if w.signal == 0 {
		w.stepForward()
	}
	w.setBreakpoints(true)
}

// run makes about n motions of each of the walk's kinds.
func (w *walker) run(n int) {
	w.did = map[string]int{}
	do := func(what string, f func()) {
		w.motions++
		w.last = what
		w.did[what]++
		f()
	}
	w.setBreakpoints(true)
	ended := false
	for i := 0; i < n; i++ {
		w.setBreakpoints(true)
		switch k := w.rnd.Intn(20); {
		case k < 5:
			do("continue", func() {
				w.leave()
				st := w.resume(gdbserver.Resume{})
				ended = ended || st.Reason == timeline.HistoryEnd
				w.see()
			})
		case k < 8:
			do("reverse-continue", func() {
				w.resume(gdbserver.Resume{Dir: timeline.Backward})
				w.see()
			})
		case k < 11:
			do("steps forwards and back", func() {
				w.setBreakpoints(false)
				w.thereAndBack(1+w.rnd.Intn(30), timeline.Forward)
			})
		case k < 14:
			do("steps back and forwards", func() {
				w.setBreakpoints(false)
				w.thereAndBack(1+w.rnd.Intn(30), timeline.Backward)
			})
		case k < 17:
			do("steps", func() {
				w.setBreakpoints(false)
				step := w.stepForward
				if w.rnd.Intn(2) == 0 {
					step = w.stepBack
				}
				for range 1 + w.rnd.Intn(200) {
					step()
				}
				w.see()
			})
		case k < 19 && len(w.order) > 0:
			do("seek", func() {
				pos := w.order[w.rnd.Intn(len(w.order))]
				w.last = "seek " + pos.String()
				w.signal = 0
				_, err := w.s.SeekPosition(w.ctx, pos)
				w.check(err)
				if h := w.hash(); h != w.hashes[pos] {
					w.fatal("the state at %v is another: %s", pos, w.where())
				}
				if now, err := w.s.Position(w.ctx); err != nil || now != pos {
					w.fatal("sought %v, came to %v, %v", pos, now, err)
				}
			})
		default:
			do("again", func() { w.drop() })
		}
		if w.rnd.Intn(4) == 0 {
			w.drop()
		}
	}
	do("retrace", func() {
		for i := len(w.trail) - 1; i >= 0; i-- {
			w.signal = 0
			_, err := w.s.SeekMark(w.ctx, w.trail[i].m)
			w.check(err)
			if h := w.hash(); h != w.trail[i].hash {
				w.fatal("mark %d of %d: %s", i, len(w.trail), w.where())
			}
		}
	})
	w.setBreakpoints(false)
}
