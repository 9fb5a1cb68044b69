package record

import (
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Trapped time stamps: prctl(PR_SET_TSC) makes rdtsc and rdtscp fault. It makes
// each switch between tracer and program dearer by some microseconds, so it is
// only done for programs with code that cannot be searched.

// trapTime has time stamps trapped from event e on, nil for the program's start.
func (r *Recorder) trapTime(e *trace.Event) {
	if !r.trapsTime {
		r.trapsTime = true
		if e != nil {
			e.Count = 1
		}
	}
}

// trapIn makes t's time stamps trap before it runs on.
func (r *Recorder) trapIn(t *Thread) error {
	if err := tracee.TrapTime(t.Task, true); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	t.trapped = true
	return nil
}

// timeStamp emulates the time stamp instruction at which t got a SIGSEGV; done is
// false when there is none.
func (r *Recorder) timeStamp(t *Thread) (done bool, err error) {
	if !t.trapped {
		return false, nil
	}
	at := *t.Regs()
	code := TimeStamp(t.Space, at.Rip)
	if code == nil {
		return false, nil
	}
	if _, err := Emulate(t.Task, code); err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	x := *t.Regs()
	x.Orig_rax = ^uint64(0)
	r.boundary = true
	return true, r.append(&trace.Event{Kind: trace.Insn, TID: int32(t.ID), NR: -1, PC: at.Rip, SP: at.Rsp, Regs: &x})
}

// TimeStamp returns the bytes of the time stamp instruction at pc, nil when there
// is another.
func TimeStamp(m *tracee.Space, pc uint64) []byte {
	var b [15]byte
	n := m.Read(pc, b[:])
	in, err := patch.Decode(b[:n], pc)
	if err != nil || in.Time != patch.RDTSC && in.Time != patch.RDTSCP {
		return nil
	}
	return b[:in.Len]
}
