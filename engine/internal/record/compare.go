package record

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// comparison holds the program's memory as it was before a call whose outputs
// are not known.
type comparison struct {
	before *tracee.Task
	lin    *tracee.Lineage
}

// beginComparison takes a copy of the program before the call that t has just
// entered. A process cannot be forked at a call's entry: the entry is undone,
// the copy made, and the call entered again.
func (r *Recorder) beginComparison(t *Thread) error {
	if err := r.backOut(t); err != nil {
		return err
	}
	before, lin, err := tracee.ForkTask(t.Task, r.Lineage)
	if err != nil {
		return err
	}
	t.compare = &comparison{before, lin}
	r.Stats.Compared++
	r.Stats.Unknown[t.row.Name]++
	return nil
}

// backOut undoes the entry into a call: t is again before its instruction, in user
// mode, and enters the call when it is resumed.
func (r *Recorder) backOut(t *Thread) error {
	x := t.entry
	x.Orig_rax = ^uint64(0)
	t.SetRawRegs(x)
	if st, err := t.Run(ptrace.Syscall, 0); err != nil || !st.IsSyscall() {
		return fmt.Errorf("record: break off %s: %v %w", t.row.Name, st, err)
	}
	x = t.entry
	x.Rip -= 2
	x.Rax = uint64(t.nr)
	t.SetRegs(x)
	t.restart = true
	return nil
}

// endComparison returns what changed since beginComparison.
func (r *Recorder) endComparison(t *Thread) ([]trace.Write, error) {
	c := t.compare
	t.compare = nil
	defer c.before.KillProcess()
	set, err := tracee.Differing(r.space, r.Lineage, c.before.Space, c.lin)
	if err != nil {
		return nil, err
	}
	return changed(c.before.Space, r.space, set), nil
}

// changed returns the differences of b from a in the pages of set, outside our
// own memory.
func changed(a, b *tracee.Space, set tracee.PageSet) []trace.Write {
	var out []trace.Write
	var x, y [tracee.PageSize]byte
	for _, g := range set {
		for p := g.Lo; p < g.Hi; p += tracee.PageSize {
			if Ours(p) || b.Read(p, y[:]) != len(y) {
				continue
			}
			if a.Read(p, x[:]) == len(x) {
				out = differences(out, p, x[:], y[:])
			}
		}
	}
	return out
}

// fullAffinity corrects the result of sched_getaffinity: the program is pinned
// to one CPU by us, and is told what it would have without us.
func (r *Recorder) fullAffinity(e *trace.Event) {
	if len(e.Writes) == 0 || r.affinity.Count() == 0 {
		return
	}
	w := &e.Writes[0]
	clear(w.Data)
	for cpu := range min(len(w.Data)*8, 1024) {
		if r.affinity.IsSet(cpu) {
			w.Data[cpu/8] |= 1 << (cpu % 8)
		}
	}
	r.space.Write(w.Addr, w.Data)
}

// SetAffinity tells the recorder the CPUs that the program is to believe in.
func (r *Recorder) SetAffinity(s unix.CPUSet) { r.affinity = s }
