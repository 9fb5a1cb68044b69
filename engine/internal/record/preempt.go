package record

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Preemption. A thread that computes without events must give way to others at
// a point that replay can find again. The points are executions of counting
// stubs, which make them exact by construction:
//
//  1. A tick finds a thread computing while others could run, or while a signal
//     waits for it. It notes the thread's rip.
//  2. At the next event boundary stubs are installed around that rip (anchors.go).
//     That is an event (Stubs). From here on they count.
//  3. A later tick arms them all: limit = count + 1. The next execution of any of
//     them stops the thread: the event is Preempt (stub, count). When there is
//     none until the tick after, nearer ones are installed.
//  4. If nobody is ready any more, the thread goes on from the stop: no event.
//
// A thread that computes before any event could install stubs is stopped where it
// is, and the state is kept (Options.Break): such points cannot be counted to,
// only restored.

const patience = 3 // ticks without an event or a hit before a Break

type preemption struct {
	plans  []*patch.Plan
	stubs  *replay.Stubs
	first  int // id of the first stub of the present program
	mapped []patch.Region
	want   []uint64            // rips to install stubs for
	levels map[uint64]nearness // of the next stubs, by the function's address
	spent  map[uint64]bool     // rips for which there is nothing more to install
	armed  bool
	far    bool // armed by chaos: limits may be far away
	// armedFor is the thread for which stubs were armed, when it had run for armedAt.
	armedFor *Thread
	armedAt  time.Duration
	overdue  int // ticks since the last event
}

// Stubs returns the table of the stubs that have been installed.
func (r *Recorder) Stubs() *replay.Stubs { return r.pre.stubs }

// overdue is called when a tick has stopped a thread inside a slice, between two
// instructions of its own.
func (r *Recorder) overdue(t *Thread) error {
	if r.OnTick != nil {
		if err := r.OnTick(); err != nil {
			return err
		}
	}
	r.poll()
	if len(r.ready)+len(r.kin.tasks) == 0 && !r.deliverable(t) {
		return nil
	}
	p := &r.pre
	if ran := t.ranFor(); p.armed && t == p.armedFor && ran-p.armedAt < r.Quantum/2 {
		return nil // others had the processor
	}
	p.overdue++
	if p.overdue > patience && r.Break != nil {
		p.overdue = 0
		return r.stopHere(t)
	}
	if (!p.armed || p.far) && p.stubs.Len() > p.first {
		p.armedFor, p.armedAt = t, t.ranFor()
		return r.arm(true)
	}
	if rip := t.Regs().Rip; len(p.want) == 0 && !p.spent[rip] {
		p.want = append(p.want, rip)
	}
	return nil
}

// ranFor returns how long t has been on a processor (/proc/PID/task/TID/schedstat,
// Documentation/scheduler/sched-stats.rst); a kernel without these statistics says
// the time.
func (t *Thread) ranFor() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", t.Space.PID, t.TID))
	var ns int64
	if err == nil {
		_, err = fmt.Sscan(string(b), &ns)
	}
	if err != nil {
		ns = time.Now().UnixNano()
	}
	return time.Duration(ns)
}

// deliverable reports whether a held signal waits for t.
func (r *Recorder) deliverable(t *Thread) bool {
	t.hold(t.TakeSignals()...)
	if len(t.held) == 0 {
		return false
	}
	mask, err := ptrace.GetSigmask(t.TID)
	for _, s := range t.held {
		if err == nil && mask>>(s.No-1)&1 == 0 && !r.ours(s.No, &s.Info) && r.fate(s.No) != ignored {
			return true
		}
	}
	return false
}

// stopHere makes the present point of t a preemption that only its state tells.
func (r *Recorder) stopHere(t *Thread) error {
	if err := r.Break(); err != nil {
		return err
	}
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	e := &trace.Event{Kind: trace.Preempt, TID: int32(t.ID), NR: -1, PC: x.Rip, SP: x.Rsp, Regs: &x, Stub: -1}
	r.boundary = true
	if err := r.append(e); err != nil {
		return err
	}
	if err := r.AfterExec(); err != nil {
		return err
	}
	r.Stats.Preempts++
	r.yieldTurn(t)
	return nil
}

// yieldTurn hands the turn over if another thread is ready.
func (r *Recorder) yieldTurn(t *Thread) {
	if len(r.ready) > 0 {
		r.ready = append(r.ready, t)
		r.cur = nil
	}
}

// arm sets every stub's limit to its next execution, or to none.
func (r *Recorder) arm(on bool) error {
	p := &r.pre
	for id := p.first; id < p.stubs.Len(); id++ {
		limit := uint64(replay.NoLimit)
		if on {
			limit = p.stubs.Count(r.space, id) + 1
		}
		if err := p.stubs.SetLimit(r.space, id, limit); err != nil {
			return err
		}
	}
	p.armed, p.far = on, false
	return nil
}

// stubHit handles the stop of a stub.
func (r *Recorder) stubHit(t *Thread, id int, real ptrace.Regs) error {
	if err := r.arm(false); err != nil {
		return err
	}
	r.poll()
	if len(r.ready)+len(r.kin.tasks) == 0 && !r.deliverable(t) {
		return nil // behind the int3 the stub goes on
	}
	e := &trace.Event{Kind: trace.Preempt, TID: int32(t.ID), NR: -1, PC: real.Rip, SP: real.Rsp, Regs: &real,
		Stub: int32(id), Count: r.pre.stubs.Count(r.space, id)}
	t.SetRegs(real)
	if err := r.pre.stubs.Rewind(r.space, id); err != nil {
		return err
	}
	r.boundary = true
	if err := r.append(e); err != nil {
		return err
	}
	r.Stats.Preempts++
	r.Stats.Counted++
	r.pre.overdue = 0
	r.yieldTurn(t)
	return nil
}

// program reads the program's own code: without our patches.
type program struct{ r *Recorder }

func (p program) Read(addr uint64, b []byte) int {
	n := p.r.space.Read(addr, b)
	p.r.Hide(addr, b[:n])
	return n
}

// Hide replaces patches of ours in b, read at addr, by the program's own code.
func (r *Recorder) Hide(addr uint64, b []byte) {
	r.pre.stubs.Hide(addr, b)
	for at, old := range r.patches {
		lo, hi := max(addr, at), min(addr+uint64(len(b)), at+uint64(len(old)))
		if lo < hi {
			copy(b[lo-addr:hi-addr], old[lo-at:hi-at])
		}
	}
}

// install puts stubs where ticks wanted them. t is at an event boundary.
func (r *Recorder) install(t *Thread) error {
	want := r.pre.want
	r.pre.want, r.pre.overdue = nil, 0
	return r.plant(t, func(plan *patch.Plan, text *patch.Text) {
		for _, rip := range want {
			for !r.pre.spent[rip] && len(plan.Stubs()) == 0 {
				r.pre.spent[rip] = !r.pre.anchors(plan, text, rip)
			}
		}
	})
}

// plant puts stubs where choose plans them. t is at an event boundary.
func (r *Recorder) plant(t *Thread, choose func(*patch.Plan, *patch.Text)) error {
	p := &r.pre
	maps, err := r.space.Maps()
	if err != nil {
		return err
	}
	regions := Regions(maps)
	text := patch.NewText(program{r}, regions, r.modules)
	var avoid []uint64
	for _, u := range r.threads {
		if x, err := r.Regs(u.ID); err == nil {
			avoid = append(avoid, x.Rip)
		}
	}
	plan := patch.NewPlan(text, append(regions, p.mapped...), avoid)
	for _, s := range p.stubs.List()[p.first:] {
		plan.Protect(s.Addr, s.Addr+uint64(max(5, len(s.Orig))))
	}
	for at, old := range r.patches {
		plan.Protect(at, at+uint64(len(old)))
	}
	choose(plan, text)
	if len(plan.Stubs()) == 0 {
		return nil
	}
	regs := *t.Regs()
	e := &trace.Event{Kind: trace.Stubs, TID: int32(t.ID), NR: -1, PC: regs.Rip, SP: regs.Rsp}
	for _, m := range plan.Maps() {
		e.Maps = append(e.Maps, trace.Map{Addr: m.Lo, Len: m.Hi - m.Lo, Prot: m.Prot})
		p.mapped = append(p.mapped, m)
		ret, err := t.Inject(unix.SYS_MMAP, m.Lo, m.Hi-m.Lo, uint64(m.Prot),
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0)
		if err != nil {
			return err
		}
		if uint64(ret) != m.Lo {
			return fmt.Errorf("record: map stubs at %#x: %v", m.Lo, unix.Errno(-ret))
		}
	}
	for _, w := range plan.Writes() {
		if err := r.space.Write(w.Addr, w.Data); err != nil {
			return err
		}
		e.Writes = append(e.Writes, trace.Write{Addr: w.Addr, Data: w.Data})
	}
	var stubs []replay.Stub
	undo := plan.Undo()
	for i, s := range plan.Stubs() {
		x := replay.Stub{Addr: s.Addr, Hit: s.Hit, Counter: s.CounterAddr, Limit: s.LimitAddr, Data: plan.Data(), Orig: undo[i].Data}
		x.Lo, x.Hi = s.Code()
		for _, in := range s.Inner() {
			x.Inner = append(x.Inner, replay.Inner(in))
		}
		stubs = append(stubs, x)
	}
	e.Stub, e.Info = int32(p.stubs.Add(stubs)), replay.Encode(stubs)
	p.plans = append(p.plans, plan)
	return r.append(e)
}

// outOfStub moves a thread that was stopped inside a stub back to the
// instruction that the stub stands for.
func (r *Recorder) outOfStub(t *Thread) error {
	x := *t.Regs()
	for _, p := range r.pre.plans {
		if s, _ := p.Find(x.Rip); s == nil {
			continue
		}
		f, err := p.Fix(x, patch.Async, r.space)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		if f.Where == patch.Interior {
			return nil // the program's own place
		}
		t.SetRegs(f.Regs)
		for _, w := range append(f.Memory, f.Rewind...) {
			if err := r.space.Write(w.Addr, w.Data); err != nil {
				return err
			}
		}
	}
	return nil
}

// strayFault handles a synchronous signal that has to do with our stubs. At an
// instruction boundary that a jump covers, the thread goes on in the relocated
// copy (done). In such a copy the fault is the program's own: its instruction is
// repeated at its own place, so that the signal has all its particulars, and the
// result is the new signal.
func (r *Recorder) strayFault(t *Thread, s *tracee.Signal, how patch.How) (done bool, err error) {
	x := *t.Regs()
	at := x.Rip
	if how == patch.Trap {
		at--
	}
	for _, p := range r.pre.plans {
		if stub, _ := p.Find(at); stub == nil {
			continue
		}
		f, err := p.Fix(x, how, r.space)
		if err != nil {
			return false, fmt.Errorf("record: %w", err)
		}
		switch f.Where {
		case patch.Interior:
			t.SetRegs(f.Resume)
			return true, nil
		case patch.Inside:
			return r.repeat(t, s, p, &f)
		}
	}
	return false, nil
}

// repeat executes the instruction that has faulted in a stub's copy at its own
// place; done is false when it faults there too, with the new signal in s.
func (r *Recorder) repeat(t *Thread, s *tracee.Signal, p *patch.Plan, f *patch.Fixed) (done bool, err error) {
	for _, w := range f.Memory {
		if err := r.space.Write(w.Addr, w.Data); err != nil {
			return false, fmt.Errorf("record: %w", err)
		}
		t.undone = append(t.undone, trace.Write{Addr: w.Addr, Data: w.Data})
	}
	writes := func(ws []patch.Write) error {
		for _, w := range ws {
			if err := r.space.Write(w.Addr, w.Data); err != nil {
				return fmt.Errorf("record: %w", err)
			}
		}
		return nil
	}
	if err := writes(p.Undo()); err != nil {
		return false, err
	}
	t.SetRegs(f.Regs)
	st, err := t.Run(ptrace.SingleStep, 0)
	for err == nil && st.IsSignal() && !st.IsTrap() {
		n := tracee.Signal{No: st.Signal()}
		if err := ptrace.GetSiginfo(t.TID, &n.Info); err != nil {
			return false, err
		}
		if replay.Synchronous(n.No, &n.Info) {
			*s = n
			return false, writes(p.Text())
		}
		t.hold(n)
		st, err = t.Run(ptrace.SingleStep, 0)
	}
	if err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	return false, fmt.Errorf("record: thread %d faulted in the stub of %#x, but not at %#x", t.ID, f.Stub.Addr, f.Regs.Rip)
}

// Physical returns where the program's instruction at pc is executed: its relocated
// form's address when a stub's jump covers it, otherwise pc. A breakpoint belongs
// there.
func (r *Recorder) Physical(pc uint64) uint64 {
	for _, s := range r.pre.stubs.List()[r.pre.first:] {
		for _, in := range s.Inner {
			if in.At == pc {
				return in.To
			}
		}
	}
	return pc
}

// coveredTrap reports whether t was stopped by a breakpoint at the relocated form
// of an instruction that a stub's jump covers; t then stands behind an int3 at the
// instruction's own address.
func (r *Recorder) coveredTrap(t *Thread) bool {
	x := *t.Regs()
	for _, s := range r.pre.stubs.List()[r.pre.first:] {
		for _, in := range s.Inner {
			var b [1]byte
			if in.To == x.Rip-1 && r.space.Read(in.To, b[:]) == 1 && b[0] == 0xcc {
				x.Rip = in.At + 1
				t.SetRegs(x)
				return true
			}
		}
	}
	return false
}

// surface moves a thread that a step, a breakpoint or a debug register has stopped
// inside a stub on to the next point of the program.
func (r *Recorder) surface(t *Thread) error {
	for _, p := range r.pre.plans {
		for {
			x := *t.Regs()
			s, where := p.Find(x.Rip)
			if s == nil || where == patch.Interior {
				break
			}
			if f, err := p.Fix(x, patch.Async, r.space); err != nil {
				return fmt.Errorf("record: %w", err)
			} else if where == patch.Inside && f.Regs.Rip != s.Addr && len(f.Memory) == 0 && !f.Counted && x.Rip == r.Physical(f.Regs.Rip) {
				t.SetRegs(f.Regs)
				break
			}
			st, err := t.Run(ptrace.SingleStep, 0)
			switch {
			case err != nil:
				return fmt.Errorf("record: %w", err)
			case !st.IsSignal():
				return fmt.Errorf("record: thread %d: %v inside the stub of %#x", t.ID, st, s.Addr)
			case !st.IsTrap():
				var sig tracee.Signal
				sig.No = st.Signal()
				if err := ptrace.GetSiginfo(t.TID, &sig.Info); err != nil {
					return fmt.Errorf("record: %w", err)
				}
				if replay.Synchronous(sig.No, &sig.Info) {
					// The relocated instruction faults: the program stands before it
					// and will see that when it goes on.
					return r.outOfStub(t)
				}
				t.hold(sig)
			}
		}
	}
	return nil
}
