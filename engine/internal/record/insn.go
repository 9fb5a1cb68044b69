package record

import (
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Instructions whose result comes from outside (rdtsc, rdrand, cpuid…) are overwritten
// by ud2 as their code is mapped. The fault brings them to emulate, which does
// their work and logs the result.

// patchSet holds the original bytes of patched instructions.
type patchSet map[uint64][]byte

func (s patchSet) undo(m *tracee.Space) error {
	for addr, old := range s {
		if err := m.Write(addr, old); err != nil {
			return err
		}
	}
	return nil
}

func (s patchSet) forget(lo, hi uint64) {
	for addr := range s {
		if addr >= lo && addr < hi {
			delete(s, addr)
		}
	}
}

var ud2 = []byte{0x0f, 0x0b}

// Patched returns the original bytes of the patched instruction at addr.
func (r *Recorder) Patched() map[uint64][]byte { return r.patches }

// patchMapped patches the time sources in executable memory: in what event e
// mapped or made executable, or everywhere when e is nil. The patches become
// writes of the event.
func (r *Recorder) patchMapped(t *Thread, e *trace.Event) error {
	if r.patches == nil {
		r.patches = patchSet{}
	}
	maps, err := r.space.Maps()
	if err != nil {
		return err
	}
	lo, hi := uint64(0), ^uint64(0)
	if e != nil {
		lo, hi = uint64(e.Ret), uint64(e.Ret)+pageUp(e.Args[1])
		if e.NR != unix.SYS_MMAP {
			lo, hi = e.Args[0], e.Args[0]+pageUp(e.Args[1])
		}
	}
	for _, in := range r.timeSources(maps, lo, hi) {
		if r.patches[in.PC] != nil {
			continue
		}
		r.patches[in.PC] = append([]byte(nil), in.Bytes()...)
		if err := r.space.Write(in.PC, ud2); err != nil {
			return fmt.Errorf("patch %v: %w", in, err)
		}
		if e != nil {
			e.Writes = append(e.Writes, trace.Write{Addr: in.PC, Data: ud2})
		}
	}
	return nil
}

// emulate executes the patched instruction at which t got a SIGILL; done is
// false when there is none.
func (r *Recorder) emulate(t *Thread) (done bool, err error) {
	x := *t.Regs()
	code := r.patches[x.Rip]
	if code == nil {
		return false, nil
	}
	e := &trace.Event{Kind: trace.Insn, TID: int32(t.ID), NR: -1, PC: x.Rip, SP: x.Rsp}
	if err := Emulate(code, &x); err != nil {
		return false, err
	}
	t.SetRegs(x)
	e.Regs = &x
	r.boundary = true
	return true, r.append(e)
}

// Emulate does the work of the patched instruction that was code, at x.Rip.
func Emulate(code []byte, x *unix.PtraceRegs) error {
	in, err := patch.Decode(code, x.Rip)
	if err != nil {
		return err
	}
	if err := result(&in, x); err != nil {
		return err
	}
	x.Rip += uint64(in.Len)
	x.Orig_rax = ^uint64(0)
	return nil
}

// result puts a time source's result into the registers.
func result(in *patch.Inst, x *unix.PtraceRegs) error {
	const arithmetic = 0x8d5 // OF SF ZF AF PF CF
	switch in.Time {
	case patch.RDTSC, patch.RDTSCP:
		v := uint64(time.Now().UnixNano()) * 2
		x.Rax, x.Rdx = v&0xffffffff, v>>32
		if in.Time == patch.RDTSCP {
			x.Rcx = 0
		}
	case patch.RDRAND, patch.RDSEED:
		setReg(x, in.Reg, in.OpSize, rand.Uint64())
		x.Eflags = x.Eflags&^arithmetic | 1
	case patch.CPUID:
		leaf, sub := uint32(x.Rax), uint32(x.Rcx)
		a, b, c, d := cpuid(leaf, sub)
		if leaf == 7 && sub == 0 {
			b &^= 1<<4 | 1<<11 // HLE, RTM: transactions do not survive a tracer
			c &^= 1 << 5       // WAITPKG: umwait tells time
		}
		x.Rax, x.Rbx, x.Rcx, x.Rdx = uint64(a), uint64(b), uint64(c), uint64(d)
	case patch.RDPID:
		setReg(x, in.Reg, 8, 0)
	default:
		return fmt.Errorf("emulate %v: not a time source", in)
	}
	return nil
}

// setReg writes size bytes of general register n, as an instruction with that
// operand size would.
func setReg(x *unix.PtraceRegs, n, size uint8, v uint64) {
	p := [...]*uint64{&x.Rax, &x.Rcx, &x.Rdx, &x.Rbx, &x.Rsp, &x.Rbp, &x.Rsi, &x.Rdi,
		&x.R8, &x.R9, &x.R10, &x.R11, &x.R12, &x.R13, &x.R14, &x.R15}[n]
	switch size {
	case 2:
		*p = *p&^0xffff | v&0xffff
	case 4:
		*p = v & 0xffffffff
	default:
		*p = v
	}
}

// timeSources returns the time sources in the executable private mappings that
// begin in [lo, hi).
func (r *Recorder) timeSources(maps []tracee.Region, lo, hi uint64) []patch.Inst {
	var out []patch.Inst
	var text *patch.Text
	for _, m := range maps {
		if m.Prot&unix.PROT_EXEC == 0 || m.Lo < lo || m.Lo >= hi || m.Kernel() || Ours(m.Lo) {
			continue
		}
		if text == nil {
			text = patch.NewText(r.space, Regions(maps), r.modules)
		}
		sites, _ := text.TimeSites(m.Lo, m.Hi)
		out = append(out, sites...)
	}
	return out
}

// Regions converts mappings for package patch.
func Regions(maps []tracee.Region) []patch.Region {
	out := make([]patch.Region, 0, len(maps))
	for _, m := range maps {
		out = append(out, patch.Region{Lo: m.Lo, Hi: m.Hi, Prot: m.Prot, Off: m.Off, Path: m.Path,
			ID: moduleID(&m)})
	}
	return out
}

// moduleID identifies a mapped file's content to the cache of modules.
func moduleID(m *tracee.Region) string {
	if m.Inode == 0 {
		return ""
	}
	var st unix.Stat_t
	if unix.Stat(m.Path, &st) != nil || st.Ino != m.Inode {
		return ""
	}
	return fmt.Sprintf("%x:%d:%d:%d", m.Dev, m.Inode, st.Size, st.Mtim.Nano())
}
