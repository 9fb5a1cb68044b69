package tracee

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
)

// Thread is a thread of the program as data.
type Thread struct {
	ID     int // recorded thread id
	Regs   ptrace.Regs
	XState []byte
	// InCall is set between Enter and Leave events: the thread is inside
	// system call Call, whose entry registers are Regs.
	InCall bool
	Call   int64
	Dead   bool
}

// Copy is a copy-on-write fork of the program: one task, and all threads as
// data. It is frozen until somebody runs its task.
type Copy struct {
	*Task
	Lineage *Lineage
	// Threads holds every thread; the state of the Active one is in the task
	// (Save brings the data up to date).
	Threads map[int]*Thread
	Active  int
	// Brk is the program break that replay emulates, 0 until the first brk.
	Brk uint64
	// Shown is the memory of a rebuilt process that maps pages of its image in
	// place of what belongs there: anonymous memory, or with File set that file's
	// content. A call that would bring the latter back (madvise) must be told.
	// Forks share the slice: it is replaced, not changed.
	Shown []Piece
	// TimeTrapped: its time stamp instructions fault.
	TimeTrapped bool
	// Views is the memory that shows objects, in address order.
	Views   []View
	objects map[uint32]*object
}

// Piece is a range of memory that has to do with a file of the recording: it
// shows, or showed, its content from Off on. File 0 is none: plain data.
type Piece struct {
	Range
	File uint32
	Off  uint64
}

// Cut returns sorted pieces without what they have in r.
func Cut(pieces []Piece, r Range) []Piece {
	out := pieces[:0:0]
	for _, p := range pieces {
		if p.Lo < r.Lo {
			a := p
			a.Hi = min(p.Hi, r.Lo)
			out = append(out, a)
		}
		if p.Hi > r.Hi {
			if p.Lo < r.Hi {
				p.Off += r.Hi - p.Lo
				p.Lo = r.Hi
			}
			out = append(out, p)
		}
	}
	return out
}

// Within returns the parts of sorted pieces in r.
func Within(pieces []Piece, r Range) []Piece {
	var out []Piece
	for _, p := range pieces {
		if p.Hi <= r.Lo || p.Lo >= r.Hi {
			continue
		}
		if p.Lo < r.Lo {
			p.Off += r.Lo - p.Lo
			p.Lo = r.Lo
		}
		p.Hi = min(p.Hi, r.Hi)
		out = append(out, p)
	}
	return out
}

// ForkTask forks the process of task t, which must be at a stop in user mode,
// and returns the new process's only task, stopped, with t's registers, no open
// files, and its lineage.
func ForkTask(t *Task, lin *Lineage) (*Task, *Lineage, error) {
	written, err := t.Space.exclusive()
	if err != nil {
		return nil, nil, fmt.Errorf("fork: %w", err)
	}
	saved := *t.Regs()
	flags := uint64(unix.CLONE_PARENT)
	if t.nursery != nil {
		flags = 0 // its parent must not see it
	}
	ret, child, err := t.inject(unix.SYS_CLONE, []uint64{flags})
	if err != nil {
		return nil, nil, fmt.Errorf("fork: %w", err)
	}
	if ret < 0 {
		return nil, nil, fmt.Errorf("fork: %w", unix.Errno(-ret))
	}
	c := NewTask(child, NewSpace(child))
	if t.nursery != nil {
		c.nursery = &nursery{parent: t.nursery}
	}
	if st, err := c.Wait(); err != nil || st.Event() != ptrace.EventStop {
		return nil, nil, fmt.Errorf("fork: new process: %v %v", st, err)
	}
	c.SetRegs(saved)
	if lin == nil {
		return c, nil, nil
	}
	return c, lin.child(written), nil
}

// CloseFiles closes all open files of the task's process.
func (t *Task) CloseFiles() error {
	ret, err := t.Inject(unix.SYS_CLOSE_RANGE, 0, uint64(^uint32(0)), 0)
	if err == nil && ret < 0 && ret != -int64(unix.ENOSYS) {
		err = fmt.Errorf("close files: %w", unix.Errno(-ret))
	}
	return err
}

// Fork returns a copy of c. c must be at a stop in user mode.
func (c *Copy) Fork() (*Copy, error) {
	c.Save()
	t, lin, err := ForkTask(c.Task, c.Lineage)
	if err != nil {
		return nil, err
	}
	n := &Copy{Task: t, Lineage: lin, Threads: make(map[int]*Thread, len(c.Threads)), Active: c.Active, Brk: c.Brk, Shown: c.Shown, TimeTrapped: c.TimeTrapped}
	for id, th := range c.Threads {
		d := *th
		n.Threads[id] = &d
	}
	if len(c.Views) > 0 {
		if err := n.Share(c.Views); err != nil {
			n.Kill()
			return nil, fmt.Errorf("fork: %w", err)
		}
	}
	return n, nil
}

// Save brings the active thread's data up to date with the task.
func (c *Copy) Save() {
	if th := c.Threads[c.Active]; th != nil {
		th.Regs = *c.Regs()
		th.Regs.Orig_rax = ^uint64(0)
	}
}

// Switch makes the task impersonate thread id.
func (c *Copy) Switch(id int) error {
	if id == c.Active {
		return nil
	}
	th := c.Threads[id]
	if th == nil || th.Dead {
		return fmt.Errorf("no thread %d", id)
	}
	c.Save()
	if old := c.Threads[c.Active]; old != nil && !old.Dead {
		old.XState = c.Task.XState()
	}
	c.SetRegs(th.Regs)
	c.SetXState(th.XState)
	c.Active = id
	return c.err
}

// ThreadRegs returns the registers of a thread, active or not.
func (c *Copy) ThreadRegs(id int) (ptrace.Regs, error) {
	if id == c.Active {
		r := *c.Regs()
		r.Orig_rax = ^uint64(0)
		return r, c.err
	}
	th := c.Threads[id]
	if th == nil {
		return ptrace.Regs{}, fmt.Errorf("no thread %d", id)
	}
	return th.Regs, nil
}

// ThreadXState returns a copy of a thread's XSAVE area.
func (c *Copy) ThreadXState(id int) ([]byte, error) {
	if id == c.Active {
		return c.Task.XState(), c.err
	}
	th := c.Threads[id]
	if th == nil {
		return nil, fmt.Errorf("no thread %d", id)
	}
	return th.XState, nil
}

// Live returns the ids of the threads that have not ended, in order.
func (c *Copy) Live() []int {
	var ids []int
	for id, th := range c.Threads {
		if !th.Dead {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Kill ends the copy and reaps it.
func (c *Copy) Kill() {
	c.Task.KillProcess()
	c.dropObjects()
}

// KillProcess kills the task's single-task process and reaps it.
func (t *Task) KillProcess() {
	unix.Kill(t.Space.PID, unix.SIGKILL)
	for {
		_, st, err := ptrace.Wait(t.TID, 0)
		if err != nil || !st.Stopped() {
			break
		}
	}
	if t.nursery != nil {
		t.nursery.parent.leave(t.Space.PID)
	}
	t.fail(fmt.Errorf("process %d was discarded", t.Space.PID))
	t.Space.Close()
}

// Written returns the pages that c can have written since it was forked.
func (c *Copy) Written() (PageSet, error) {
	x, err := c.Space.exclusive()
	if err != nil {
		return nil, err
	}
	return Union(append(slices.Clone(c.Lineage.deltas), x, c.Lineage.moved)...), nil
}

// Differing returns a superset of the pages whose content can differ between
// two processes of the same program, given by space and lineage. Between
// processes without a common ancestor, built from different images, it is all
// memory that is not as its mapping shows it by itself.
func Differing(sa *Space, a *Lineage, sb *Space, b *Lineage) (PageSet, error) {
	if ra, rb := a.root(), b.root(); ra != rb {
		xa, err := sa.Anonymous()
		if err != nil {
			return nil, err
		}
		xb, err := sb.Anonymous()
		if err != nil {
			return nil, err
		}
		return Union(xa, xb, ra.shown, rb.shown), nil
	}
	xa, err := sa.exclusive()
	if err != nil {
		return nil, err
	}
	xb, err := sb.exclusive()
	if err != nil {
		return nil, err
	}
	return Union(xa, xb, a.moved, b.moved, between(a, b)), nil
}

// FirstDifference compares the pages in set of two spaces and returns the first
// address that differs. Pages mapped on neither side are equal; ignore, when not
// nil, exempts addresses.
func FirstDifference(a, b *Space, set PageSet, ignore func(uint64) bool) (addr uint64, differs bool) {
	const chunk = 256 << 10
	x, y := make([]byte, chunk), make([]byte, chunk)
	for _, r := range set {
		for lo := r.Lo; lo < r.Hi; {
			n := int(min(chunk, r.Hi-lo))
			i, j := a.Read(lo, x[:n]), b.Read(lo, y[:n])
			if i == n && j == n && bytes.Equal(x[:n], y[:n]) {
				lo += uint64(n)
				continue
			}
			if n > PageSize { // page by page
				n = PageSize
				i, j = a.Read(lo, x[:n]), b.Read(lo, y[:n])
			}
			if ignore == nil || !ignore(lo) {
				if i != j {
					return lo, true
				}
				if !bytes.Equal(x[:i], y[:j]) {
					for k := range i {
						if x[k] != y[k] {
							return lo + uint64(k), true
						}
					}
				}
			}
			lo += uint64(n)
		}
	}
	return 0, false
}
