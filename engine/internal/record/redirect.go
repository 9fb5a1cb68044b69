package record

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// While a thread waits inside a call the kernel may write the call's outputs at
// any moment, in the middle of another thread's slice. So they go to scratch
// memory of the thread (package syscalls plans how), and the bytes move to their
// place when the call's end is logged.
//
// Scratch memory lies where programs have nothing: high in the address space,
// below the kernel's place for mappings. Each thread has a slot of addresses, of
// which as much is mapped as its calls have needed. A call that needs more than a
// slot is let in alone: no other thread runs until it is over.

const (
	scratchBase = tracee.ScratchLo
	scratchSlot = 16 << 20 // addresses of one thread
	scratchMax  = (tracee.ScratchHi - tracee.ScratchLo) / scratchSlot
	// scratchFirst is what a thread gets to begin with, bytes.
	scratchFirst = 256 << 10
)

// Ours reports whether an address lies in memory that the engine has added to the
// program: its page, the data of stubs, scratch memory.
func Ours(addr uint64) bool {
	return addr >= tracee.EngineCode && addr < engineTop || addr >= tracee.ScratchLo && addr < tracee.ScratchHi
}

// Passing reports whether an address lies in memory of ours whose content is no part
// of the program's state: the engine's page and scratch memory. The data of stubs are
// such a part: what is counted goes on from there.
func Passing(addr uint64) bool {
	return addr >= tracee.EngineCode && addr < tracee.EngineEnd || addr >= tracee.ScratchLo && addr < tracee.ScratchHi
}

// engineTop is the end of the low addresses that are ours.
const engineTop = 0x7d000000

// redirect exchanges the outputs of the call that t is entering. With done the
// call has been broken off, to be entered again.
func (r *Recorder) redirect(t *Thread) (done bool, err error) {
	if t.redir != nil {
		return false, nil // an interrupted call goes on where it was
	}
	a := args(&t.entry)
	d, need := t.row.Redirect(a, mem{r.space}, t.scratch)
	if need > 0 {
		if need > scratchSlot {
			return true, r.proceed(t)
		}
		if err := r.backOut(t); err != nil {
			return true, err
		}
		return true, r.giveScratch(t, t, need)
	}
	if d == nil {
		return false, nil
	}
	for _, p := range d.Init {
		if err := r.space.Write(p.Addr, p.Data); err != nil {
			return false, fmt.Errorf("record: scratch memory: %w", err)
		}
	}
	t.redir = d
	if d.Args != a {
		x := t.entry
		setArgs(&x, d.Args)
		t.SetRawRegs(x)
	}
	return false, nil
}

// setArgs puts a call's arguments into registers.
func setArgs(x *unix.PtraceRegs, a syscalls.Args) {
	x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9 = a[0], a[1], a[2], a[3], a[4], a[5]
}

// collect reads what t's call has written, for the log, and moves what was
// redirected to its place.
func (r *Recorder) collect(t *Thread, ret int64) ([]trace.Write, error) {
	if t.redir == nil {
		outputs, known := t.row.Outputs(args(&t.entry), ret, mem{r.space})
		if !known {
			return nil, fmt.Errorf("record: outputs of %s are not known after all", t.row.Name)
		}
		return r.grab(outputs), nil
	}
	var out []trace.Write
	for _, m := range t.redir.Outputs(ret, mem{r.space}) {
		if m.Len == 0 {
			continue
		}
		b := make([]byte, m.Len)
		b = b[:r.space.Read(m.Tmp, b)]
		if len(b) == 0 {
			continue
		}
		if m.Tmp != m.Addr {
			if err := r.space.Write(m.Addr, b); err != nil {
				return nil, fmt.Errorf("record: outputs of %s: %w", t.row.Name, err)
			}
		}
		out = append(out, trace.Write{Addr: m.Addr, Data: b})
	}
	t.redir = nil
	return out, nil
}

// giveScratch maps at least need bytes of scratch memory for t; by, which is in
// user mode, makes the call.
func (r *Recorder) giveScratch(t, by *Thread, need uint64) error {
	at := t.scratch.Addr
	if at == 0 {
		i := 0
		for i < len(r.slots) && r.slots[i] {
			i++
		}
		if i == scratchMax {
			return fmt.Errorf("record: more than %d threads", scratchMax)
		}
		if i == len(r.slots) {
			r.slots = append(r.slots, false)
		}
		r.slots[i] = true
		at = uint64(scratchBase + i*scratchSlot)
	}
	n := uint64(scratchFirst)
	for n < need {
		n *= 2
	}
	ret, err := by.Inject(unix.SYS_MMAP, at, n, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED, ^uint64(0), 0)
	if err != nil {
		return err
	}
	if uint64(ret) != at {
		return fmt.Errorf("record: scratch memory: %w", unix.Errno(-ret))
	}
	t.scratch = syscalls.Range{Addr: at, Len: n}
	return nil
}

// returnScratch lets another thread have t's slot, whose memory stays mapped.
func (r *Recorder) returnScratch(t *Thread) {
	if t.scratch.Len > 0 {
		r.slots[(t.scratch.Addr-scratchBase)/scratchSlot] = false
		t.scratch = syscalls.Range{}
	}
}
