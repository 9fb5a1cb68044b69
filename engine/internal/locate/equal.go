package locate

import (
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

const (
	flagTF  = 0x100
	flagRF  = 0x10000
	cutKind = trace.Cut
)

// normal returns registers as compared: without the flags that tracing leaves
// behind and without the number of a system call being restarted.
func normal(r *ptrace.Regs) ptrace.Regs {
	n := *r
	n.Orig_rax = 0
	n.Eflags &^= flagTF | flagRF
	return n
}

// state is a point's full state, given by a frozen process or by registers and
// some words of memory.
type state struct {
	regs   ptrace.Regs // normal
	xstate []byte      // nil: not compared
	proc   *tracee.Copy
	words  []Word
}

func stateOf(c *tracee.Copy) (*state, error) {
	regs, err := c.ThreadRegs(c.Active)
	if err != nil {
		return nil, err
	}
	x, err := c.ThreadXState(c.Active)
	if err != nil {
		return nil, err
	}
	return &state{regs: normal(&regs), xstate: x, proc: c}, nil
}

// equalRegs compares everything but the memory of a frozen process with r, which
// stands at a point.
func (s *state) equalRegs(r *replay.Runner) (bool, error) {
	if normal(r.Regs()) != s.regs {
		return false, r.Err()
	}
	if s.xstate != nil && tracee.DifferingXState(r.XState(), s.xstate) >= 0 {
		return false, r.Err()
	}
	for _, w := range s.words {
		if v, ok := r.Space.Uint64(w.Addr); !ok || v != w.Value {
			return false, r.Err()
		}
	}
	return true, r.Err()
}

// ours reports whether a page belongs to the engine. A state of the frontier has
// scratch memory that a replay of it lacks.
func ours(page uint64) bool {
	return page >= tracee.EngineCode && page < tracee.EngineEnd || page >= tracee.ScratchLo && page < tracee.ScratchHi
}
