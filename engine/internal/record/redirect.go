package record

import (
	"golang.org/x/sys/unix"

	"yore/engine/internal/tracee"
	"yore/engine/syscalls"
	"yore/engine/trace"
)

// While a thread waits inside a call the kernel may write the call's outputs at
// any moment, in the middle of another thread's slice. So their buffers are
// exchanged for scratch memory of the thread, and the bytes move to their place
// when the call's end is logged.

const (
	scratchBase = 0x71000000 // one slot per thread, above the engine's page
	scratchSlot = 256 << 10
	scratchMax  = 768 // slots, up to 0x7d000000
)

// redirect is one exchanged buffer.
type redirect struct {
	arg       int // index of the argument that points to it
	real, tmp uint64
	size      uint64
}

// argReg returns the register of argument i.
func argReg(x *unix.PtraceRegs, i int) *uint64 {
	return [...]*uint64{&x.Rdi, &x.Rsi, &x.Rdx, &x.R10, &x.R8, &x.R9}[i]
}

// redirect exchanges the output buffers of the call that t is entering.
func (r *Recorder) redirect(t *Thread) {
	t.scratch = t.scratch[:0]
	if t.slot == 0 {
		return
	}
	a := args(&t.entry)
	bufs := t.row.OutputBuffers(a, mem{r.space})
	x := t.entry
	next, end := t.slot, t.slot+scratchSlot
	for _, b := range bufs {
		i := argOf(a, b.Addr)
		if i < 0 || b.Addr == 0 || b.Len == 0 || next+b.Len > end {
			continue
		}
		data := make([]byte, b.Len)
		if n := r.space.Read(b.Addr, data); uint64(n) != b.Len {
			continue // the kernel is to find the bad address itself
		}
		if r.space.Write(next, data) != nil {
			continue
		}
		*argReg(&x, i) = next
		t.scratch = append(t.scratch, redirect{arg: i, real: b.Addr, tmp: next, size: b.Len})
		next = (next + b.Len + 63) &^ 63
	}
	if len(t.scratch) > 0 {
		t.SetRawRegs(x)
	}
}

// argOf returns the argument that equals addr, -1 when none or several do.
func argOf(a syscalls.Args, addr uint64) int {
	at := -1
	for i, v := range a {
		if v == addr {
			if at >= 0 {
				return -1
			}
			at = i
		}
	}
	return at
}

// view reads memory as the program would see it if the call's outputs were in
// place.
func (r *Recorder) view(t *Thread) syscalls.Mem {
	if len(t.scratch) == 0 {
		return mem{r.space}
	}
	return redirected{r.space, t.scratch}
}

type redirected struct {
	space *tracee.Space
	moves []redirect
}

func (v redirected) Read(addr uint64, p []byte) (int, error) {
	for _, m := range v.moves {
		if addr >= m.real && addr+uint64(len(p)) <= m.real+m.size {
			return v.space.Read(m.tmp+addr-m.real, p), nil
		}
	}
	return v.space.Read(addr, p), nil
}

// collect reads the outputs of t's call for the log and moves redirected ones
// to their place.
func (r *Recorder) collect(t *Thread, outputs []syscalls.Range) []trace.Write {
	var out []trace.Write
	view := r.view(t)
	for _, x := range outputs {
		if x.Len == 0 {
			continue
		}
		b := make([]byte, x.Len)
		n, _ := view.Read(x.Addr, b)
		if n > 0 {
			out = append(out, trace.Write{Addr: x.Addr, Data: b[:n]})
		}
	}
	for _, w := range out {
		for _, m := range t.scratch {
			if w.Addr >= m.real && w.Addr < m.real+m.size {
				r.space.Write(w.Addr, w.Data)
				break
			}
		}
	}
	t.scratch = t.scratch[:0]
	return out
}

// giveSlot maps scratch memory for t; by makes the call.
func (r *Recorder) giveSlot(t, by *Thread) error {
	i := r.slots
	if i >= scratchMax {
		return nil // outputs of the threads beyond go straight to memory
	}
	addr := uint64(scratchBase + i*scratchSlot)
	ret, err := by.Inject(unix.SYS_MMAP, addr, scratchSlot, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0)
	if err != nil {
		return err
	}
	if uint64(ret) == addr {
		t.slot = addr
		r.slots++
	}
	return nil
}
