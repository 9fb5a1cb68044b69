package record

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/internal/patch"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Instructions whose result comes from outside (rdtsc, rdrand, cpuid, xsave…) are overwritten
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

// Code that is made at run time cannot be searched: when the program gets
// executable memory without a file the processor is told to trap time stamps
// (trap.go).

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
	sites, unsure := r.timeSources(maps, lo, hi)
	if unsure {
		r.trapTime(e)
	}
	for _, in := range sites {
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
// false when there is none, and when the program's own instruction raised the
// signal that s is then.
func (r *Recorder) emulate(t *Thread, s *tracee.Signal) (done bool, err error) {
	at := *t.Regs()
	code := r.patches[at.Rip]
	if code == nil {
		return false, nil
	}
	writes, err := Emulate(t.Task, code)
	if err == errNotEmulated {
		if done, err := r.execute(t, code, s); !done || err != nil {
			return false, err
		}
	} else if err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	r.boundary = true
	return true, r.append(&trace.Event{Kind: trace.Insn, TID: int32(t.ID), NR: -1, PC: at.Rip, SP: at.Rsp, Regs: &x, Writes: writes})
}

// execute has the processor do a patched instruction after all; done is false when
// it raised a signal, which s is then.
func (r *Recorder) execute(t *Thread, code []byte, s *tracee.Signal) (done bool, err error) {
	pc := t.Regs().Rip
	if err := r.space.Write(pc, code[:len(ud2)]); err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	for {
		st, err := t.Run(ptrace.SingleStep, 0)
		switch {
		case err != nil:
			return false, fmt.Errorf("record: %w", err)
		case st.IsTrap():
			return true, r.space.Write(pc, ud2)
		case !st.IsSignal():
			return false, fmt.Errorf("record: thread %d at %#x: %v", t.ID, pc, st)
		}
		n := tracee.Signal{No: st.Signal()}
		if err := ptrace.GetSiginfo(t.TID, &n.Info); err != nil {
			return false, err
		}
		if replay.Synchronous(n.No, &n.Info) {
			*s = n
			return false, r.space.Write(pc, ud2)
		}
		t.hold(n)
	}
}

// errNotEmulated says that an instruction is to be left to the processor: it
// would fault, or is used in a way that is not known here.
var errNotEmulated = errors.New("not emulated")

// Emulate does the work of the patched instruction that was code, before which
// task t stands, and returns what it wrote to memory.
func Emulate(t *tracee.Task, code []byte) ([]trace.Write, error) {
	x := *t.Regs()
	in, err := patch.Decode(code, x.Rip)
	if err != nil {
		return nil, err
	}
	var writes []trace.Write
	switch in.Time {
	case patch.XSAVE, patch.XSAVEC, patch.XSAVEOPT:
		writes, err = xsave(t, &in, &x)
	case patch.XGETBV:
		err = xgetbv(t, &x)
	default:
		err = result(&in, &x)
	}
	if err != nil {
		return nil, err
	}
	x.Rip += uint64(in.Len)
	t.SetRegs(x)
	return writes, t.Err()
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

// timeSources returns the time sources in the executable mappings in [lo, hi);
// unsure says that there may be, or come to be, others.
func (r *Recorder) timeSources(maps []tracee.Region, lo, hi uint64) (sites []patch.Inst, unsure bool) {
	var text *patch.Text
	for i := range maps {
		m := &maps[i]
		from, to := max(m.Lo, lo), min(m.Hi, hi)
		if m.Prot&unix.PROT_EXEC == 0 || from >= to || m.Kernel() || Ours(m.Lo) {
			continue
		}
		if !ofFile(m) {
			unsure = true
			continue
		}
		if text == nil {
			text = patch.NewText(r.space, Regions(maps), r.modules)
		}
		found, guesses := text.TimeSites(from, to)
		sites = append(sites, found...)
		unsure = unsure || len(guesses) > 0 || m.Prot&unix.PROT_WRITE != 0
	}
	return sites, unsure
}

// ofFile reports whether a mapping shows a file that is there for others too: not
// what the program alone has written.
func ofFile(m *tracee.Region) bool {
	return strings.HasPrefix(m.Path, "/") && !strings.HasPrefix(m.Path, "/memfd:") && !strings.HasSuffix(m.Path, " (deleted)")
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
