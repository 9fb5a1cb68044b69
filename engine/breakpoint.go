package engine

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver"
	"yore/engine/gdbserver/agent"
	"yore/engine/internal/locate"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

// breakpoint is a code breakpoint. The frontier has it as an int3 while it runs
// and never while it is stopped; replay counts it with stubs.
type breakpoint struct {
	addr uint64
	cond [][]byte
	old  [1]byte // what the int3 replaces, while inserted
	phys uint64  // where that is: not at addr when a stub of the recorder covers it
}

// InsertBreakpoint sets a breakpoint; one at the same address is replaced.
func (s *Session) InsertBreakpoint(b gdbserver.Breakpoint) error {
	return s.do(s.background(), func() error {
		if s.div != nil && s.div.running {
			return nil
		}
		var one [1]byte
		// In the past code may be missing that is there at other times.
		if s.read(b.Addr, one[:]) != 1 && s.here.frontier {
			return fmt.Errorf("breakpoint at %#x: no memory there", b.Addr)
		}
		s.breakpoints[b.Addr] = &breakpoint{addr: b.Addr, cond: b.Cond}
		return nil
	})
}

// RemoveBreakpoint removes the breakpoint at addr.
func (s *Session) RemoveBreakpoint(addr uint64) error {
	return s.do(s.background(), func() error {
		delete(s.breakpoints, addr)
		return nil
	})
}

var int3 = []byte{0xcc}

// insert puts the breakpoints into the frontier's memory.
func (s *Session) insert() error {
	sp := s.rec.Space()
	for _, b := range s.breakpoints {
		b.phys = s.rec.Physical(b.addr)
		if sp.Read(b.phys, b.old[:]) != 1 {
			continue
		}
		if err := sp.Write(b.phys, int3); err != nil {
			return err
		}
	}
	s.inserted = true
	return nil
}

// lift takes them out again.
func (s *Session) lift() error {
	if !s.inserted {
		return nil
	}
	s.inserted = false
	sp := s.rec.Space()
	for _, b := range s.breakpoints {
		var now [1]byte
		if sp.Read(b.phys, now[:]) == 1 && now[0] == 0xcc {
			if err := sp.Write(b.phys, b.old[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownTrap reports whether a SIGTRAP at rip is the program's own: raised by an
// int3 (or icebp) that is not a breakpoint of ours.
func (s *Session) ownTrap(rip uint64, info *ptrace.Siginfo) bool {
	const siKernel = 0x80
	code := int32(uint32(info[8]) | uint32(info[9])<<8 | uint32(info[10])<<16 | uint32(info[11])<<24)
	if code != siKernel { // int3 has SI_KERNEL; steps and debug registers have not
		return code <= 0
	}
	return s.breakpoints[rip-1] == nil || !s.inserted
}

// holds evaluates a breakpoint's conditions. A condition that cannot be
// evaluated holds, so that the person sees it.
func holds(cond [][]byte, space *tracee.Space, regs *unix.PtraceRegs, clean func(uint64, []byte)) bool {
	if len(cond) == 0 {
		return true
	}
	hit, err := agent.Hit(cond, condEnv{space, regs, clean})
	return hit || err != nil
}

type condEnv struct {
	space *tracee.Space
	regs  *unix.PtraceRegs
	clean func(uint64, []byte)
}

func (e condEnv) Register(n int) (uint64, error) { return agent.Register(n, e.regs) }

func (e condEnv) ReadMemory(addr uint64, p []byte) error {
	if n := e.space.Read(addr, p); n != len(p) {
		return fmt.Errorf("cannot read memory at %#x", addr)
	}
	if e.clean != nil {
		e.clean(addr, p)
	}
	return nil
}

// probes are the breakpoints as replay wants them.
func (s *Session) probes() []locate.Probe {
	var out []locate.Probe
	for _, b := range s.breakpoints {
		p := locate.Probe{Addr: b.addr}
		if len(b.cond) > 0 {
			cond := b.cond
			p.Cond = func(r *replay.Runner) (bool, error) {
				return holds(cond, r.Space, r.Regs(), s.unpatch), nil
			}
		}
		out = append(out, p)
	}
	return out
}

// unpatch replaces the recorder's patches in p, read at addr, by the program's
// own code.
func (s *Session) unpatch(addr uint64, p []byte) { s.facts.Hide(addr, p) }

// InsertWatchpoint and RemoveWatchpoint set and remove data watchpoints.
func (s *Session) InsertWatchpoint(w gdbserver.Watchpoint) error {
	return s.do(s.background(), func() error {
		if w.Len <= 0 || w.Len > 64 {
			return fmt.Errorf("watchpoint of %d bytes", w.Len)
		}
		s.watches = append(s.watches, w)
		if len(debugWords(s.watches)) > 4 {
			s.watches = s.watches[:len(s.watches)-1]
			return fmt.Errorf("too many watched words: the processor has four debug registers")
		}
		return nil
	})
}

func (s *Session) RemoveWatchpoint(w gdbserver.Watchpoint) error {
	return s.do(s.background(), func() error {
		for i, x := range s.watches {
			if x == w {
				s.watches = append(s.watches[:i], s.watches[i+1:]...)
				return nil
			}
		}
		return nil
	})
}

// value reads what a watchpoint watches.
func value(space *tracee.Space, w gdbserver.Watchpoint) []byte {
	b := make([]byte, w.Len)
	return b[:space.Read(w.Addr, b)]
}

func sameValue(a, b []byte) bool { return bytes.Equal(a, b) }
