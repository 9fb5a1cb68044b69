package engine

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"yore/engine/gdbserver"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
)

func (s *Session) background() context.Context { return context.Background() }

// space returns the memory of the present, nil when it is to be had from the
// window only.
func (s *Session) space() *tracee.Space {
	switch {
	case s.div != nil:
		return s.div.c.Space
	case s.here.frontier:
		return s.rec.Space()
	case s.here.r == nil:
		return nil
	}
	return s.here.r.Space
}

// read reads memory of the present as the program sees it.
func (s *Session) read(addr uint64, p []byte) int {
	n := 0
	if sp := s.space(); sp != nil {
		n = sp.Read(addr, p)
	} else {
		n = s.here.win.ReadMemory(s.here.k, addr, p)
	}
	s.unpatch(addr, p[:n])
	return n
}

// ReadMemory reads memory of the present and returns how many bytes of p could
// be read.
func (s *Session) ReadMemory(addr uint64, p []byte) (n int, err error) {
	err = s.do(s.background(), func() error {
		n = s.read(addr, p)
		if s.reads != nil {
			s.reads.read(addr, uint64(n))
		}
		return nil
	})
	return n, err
}

// Threads returns the threads of the present.
func (s *Session) Threads() (out []gdbserver.Thread) {
	s.do(s.background(), func() error {
		var ids []int
		if s.here.frontier {
			ids = s.rec.ThreadIDs()
		} else {
			r, err := s.proc()
			if err != nil {
				return err
			}
			ids = r.Live()
		}
		for _, id := range ids {
			out = append(out, gdbserver.Thread{ID: id, Name: s.facts.ThreadName(id)})
		}
		return nil
	})
	return out
}

// Current returns the thread that the last stop belongs to.
func (s *Session) Current() (id int) {
	s.do(s.background(), func() error { id = s.here.thread; return nil })
	return id
}

// Registers returns the registers and the XSAVE area of a thread.
func (s *Session) Registers(tid int) (regs unix.PtraceRegs, xstate []byte, err error) {
	err = s.do(s.background(), func() (err error) {
		regs, xstate, err = s.registers(tid)
		return err
	})
	return regs, xstate, err
}

func (s *Session) registers(tid int) (regs unix.PtraceRegs, xstate []byte, err error) {
	switch {
	case s.div != nil:
		if regs, err = s.div.c.ThreadRegs(tid); err == nil {
			xstate, err = s.div.c.ThreadXState(tid)
		}
	case s.here.frontier:
		regs, xstate, err = s.rec.Registers(tid)
	case s.inWindow(tid):
		regs, xstate = s.here.win.Registers(s.here.k), s.here.win.XState(s.here.k)
	default:
		var r *replay.Runner
		if r, err = s.proc(); err != nil {
			return regs, nil, err
		}
		if regs, err = r.ThreadRegs(tid); err == nil {
			xstate, err = r.ThreadXState(tid)
		}
	}
	regs.Orig_rax = ^uint64(0)
	return regs, xstate, err
}

// Auxv returns the program's auxiliary vector.
func (s *Session) Auxv() (b []byte) {
	s.do(s.background(), func() error {
		b = s.facts.Auxv()
		return nil
	})
	return b
}

// ExecFile returns the path of the program's executable.
func (s *Session) ExecFile() (path string) {
	s.do(s.background(), func() error { path = s.facts.ExecFile(); return nil })
	return path
}

// Siginfo returns the siginfo_t of the signal that the present stop shows, nil
// when it shows none.
func (s *Session) Siginfo(tid int) (b []byte) {
	s.do(s.background(), func() error {
		if tid != s.here.thread {
			return nil
		}
		if s.here.frontier {
			if p := s.rec.Pending(); p != nil {
				b = slices.Clone(p.Info[:])
			}
			return nil
		}
		if e, _ := s.log.At(s.here.event + 1); e != nil && int(e.TID) == tid && len(e.Info) == 128 {
			b = slices.Clone(e.Info)
		}
		return nil
	})
	return b
}

// PassSignals names the signals that are delivered without a stop.
func (s *Session) PassSignals(sigs []int) {
	s.do(s.background(), func() error {
		s.pass = [65]bool{}
		for _, n := range sigs {
			if n > 0 && n < len(s.pass) {
				s.pass[n] = true
			}
		}
		return nil
	})
}

func (s *Session) stopFor(sig int) bool { return sig <= 0 || sig >= len(s.pass) || !s.pass[sig] }
