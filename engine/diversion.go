package engine

import (
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/ptrace"
	"yore/engine/internal/replay"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// diversion is a throw-away fork of the present in which registers and memory
// are written and functions called. It begins with the first write and ends when
// the program moves.
//
// At the frontier writes are real; yet gdb calls a function by writing registers
// and stack first. So there, too, writes go to a diversion, and when the program
// is resumed for something else than a call they are made for real (commit). A
// call is recognised by its return breakpoint, which lies in memory that is not
// code.
type diversion struct {
	c       *tracee.Copy
	running bool
	called  bool
	regs    map[int]ptrace.Regs
	writes  []trace.Write
}

func (s *Session) divert() (*diversion, error) {
	if s.div != nil {
		return s.div, nil
	}
	d := &diversion{regs: map[int]ptrace.Regs{}}
	if s.here.frontier {
		c, err := s.rec.Freeze()
		if err != nil {
			return nil, fmt.Errorf("diversion: %w", err)
		}
		d.c = c
	} else {
		r, err := s.proc()
		if err != nil {
			return nil, fmt.Errorf("diversion: %w", err)
		}
		c, err := r.Copy.Fork()
		if err != nil {
			return nil, fmt.Errorf("diversion: %w", err)
		}
		d.c = c
	}
	s.pacing.fresh = false
	s.div = d
	return d, nil
}

// SetRegisters writes a thread's registers, and its XSAVE area unless xstate is
// nil.
func (s *Session) SetRegisters(tid int, r unix.PtraceRegs, xstate []byte) error {
	return s.do(s.background(), func() error {
		d, err := s.divert()
		if err != nil {
			return err
		}
		r.Orig_rax = ^uint64(0)
		d.regs[tid] = r
		if tid == d.c.Active {
			d.c.SetRegs(r)
			d.c.SetXState(xstate)
		} else if th := d.c.Threads[tid]; th != nil {
			th.Regs = r
			if xstate != nil {
				th.XState = xstate
			}
		}
		return d.c.Err()
	})
}

// WriteMemory writes memory of the present.
func (s *Session) WriteMemory(addr uint64, p []byte) error {
	return s.do(s.background(), func() error {
		d, err := s.divert()
		if err != nil {
			return err
		}
		if err := d.c.Space.Write(addr, p); err != nil {
			return err
		}
		d.writes = append(d.writes, trace.Write{Addr: addr, Data: append([]byte(nil), p...)})
		if s.reads != nil {
			s.reads.wrote(addr, uint64(len(p)))
		}
		return nil
	})
}

// EndDiversion forgets changes that were made to the past and the traces of
// calls. At the frontier it makes plain writes real first.
func (s *Session) EndDiversion() {
	s.do(s.background(), func() error { return s.settle() })
}

// settle ends the diversion before the program moves.
func (s *Session) settle() error {
	d := s.div
	if d == nil {
		return nil
	}
	defer s.endDiversion()
	if d.called || !s.here.frontier || len(d.writes) == 0 && len(d.regs) == 0 {
		return nil
	}
	changed := false
	for tid, r := range d.regs {
		old, _, err := s.rec.Registers(tid)
		old.Orig_rax = ^uint64(0)
		changed = changed || err == nil && old != r
	}
	if len(d.writes) == 0 && !changed {
		return nil
	}
	return s.poke(d)
}

func (s *Session) endDiversion() {
	if s.div != nil {
		s.div.c.Kill()
		s.div = nil
	}
}

// isCall reports whether a breakpoint that only a call of a function needs is
// set: one in memory that is not code.
func (s *Session) isCall() bool {
	if s.div == nil || len(s.div.regs) == 0 {
		return false
	}
	maps, err := s.div.c.Space.Maps()
	if err != nil {
		return false
	}
	for addr := range s.breakpoints {
		for _, m := range maps {
			if addr >= m.Lo && addr < m.Hi && m.Prot&unix.PROT_EXEC == 0 {
				return true
			}
		}
	}
	return false
}

// runDiversion lets the diversion run until a breakpoint, a signal or ctx's end.
// System calls are executed in it as far as they concern only itself; the rest
// fails.
func (s *Session) runDiversion(ctx context.Context, tid int) (timeline.Stop, error) {
	d := s.div
	d.called = true
	c := d.c
	stop := timeline.Stop{Thread: tid}
	if tid != 0 && tid != c.Active {
		if err := c.Switch(tid); err != nil {
			return stop, err
		}
	}
	stop.Thread = c.Active
	sp := c.Space
	old := map[uint64][1]byte{}
	for addr := range s.breakpoints {
		var b [1]byte
		if sp.Read(addr, b[:]) == 1 && addr != c.Regs().Rip && sp.Write(addr, int3) == nil {
			old[addr] = b
		}
	}
	defer func() {
		for addr, b := range old {
			if c.Err() == nil {
				sp.Write(addr, b[:])
			}
		}
	}()
	pid, t := sp.PID, c.TID
	defer context.AfterFunc(ctx, func() { ptrace.Tgkill(pid, t, unix.SIGSTOP) })()
	// The return breakpoint is on a stack that may not be executed: the fault of
	// returning there is the hit.
	for {
		st, err := s.traced(c)
		if err != nil || !st.Stopped() {
			return stop, fmt.Errorf("the called function ended the process: %v", st)
		}
		switch {
		case s.stepped(c, st):
		case st.IsSyscall():
			if s.reads != nil {
				s.reads.opaque("it calls a function that makes system calls")
			}
			if err := s.divertedCall(c); err != nil {
				return stop, err
			}
		case st.IsSignal():
			var info ptrace.Siginfo
			ptrace.GetSiginfo(c.TID, &info)
			rip := c.Regs().Rip
			switch sig := st.Signal(); {
			case sig == int(unix.SIGTRAP) && s.breakpoints[rip-1] != nil:
				r := *c.Regs()
				r.Rip--
				c.SetRegs(r)
				stop.Reason, stop.Addr = timeline.Breakpoint, rip-1
				return stop, nil
			case sig == int(unix.SIGSEGV) && s.breakpoints[rip] != nil:
				stop.Reason, stop.Addr = timeline.Breakpoint, rip
				return stop, nil
			case sig == int(unix.SIGILL) && s.facts.Original(rip) != nil:
				if err := emulate(c, s.facts.Original(rip)); err != nil {
					return stop, err
				}
			case sig == int(unix.SIGSTOP):
				if ctx.Err() != nil {
					stop.Reason = timeline.Interrupted
					return stop, nil
				}
			case replay.Synchronous(sig, &info):
				stop.Reason, stop.Signal = timeline.Signal, sig
				return stop, nil
			}
		}
	}
}

// foreign reports whether a call made by somebody else's code would learn of this
// machine, or disturb the engine's pages.
func foreign(nr uint64, a [6]uint64) bool {
	switch nr {
	case unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE:
		return replay.TouchesEngine(a[0], a[1])
	case unix.SYS_MREMAP:
		return replay.TouchesEngine(a[0], max(a[1], a[2])) || replay.TouchesEngine(a[4], a[2])
	case unix.SYS_BRK, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_GETRANDOM, unix.SYS_SCHED_YIELD,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_WRITE, unix.SYS_FSTAT, unix.SYS_FUTEX:
		return false
	}
	return true
}

// divertedCall handles a system call of a diversion, at whose entry c is.
func (s *Session) divertedCall(c *tracee.Copy) error {
	x := *c.Regs()
	x.Rcx, x.R11 = x.Rip, x.Eflags
	a := [6]uint64{x.Rdi, x.Rsi, x.Rdx, x.R10, x.R8, x.R9}
	nr := x.Orig_rax
	ret := -int64(unix.EPERM)
	var err error
	if s.opts.Confined && foreign(nr, a) {
		x.Rax = uint64(ret)
		c.SetRegs(x)
		return nil
	}
	switch nr {
	case unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_BRK,
		unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_GETRANDOM,
		unix.SYS_RT_SIGPROCMASK, unix.SYS_UNAME, unix.SYS_SCHED_YIELD, unix.SYS_GETUID, unix.SYS_GETGID,
		unix.SYS_GETEUID, unix.SYS_GETEGID, unix.SYS_GETCWD, unix.SYS_ACCESS, unix.SYS_STAT, unix.SYS_LSTAT,
		unix.SYS_NEWFSTATAT:
		c.SetRegs(x)
		ret, err = c.Inject(nr, a[:]...)
	case unix.SYS_GETPID:
		ret = int64(s.facts.PID())
	case unix.SYS_GETTID:
		ret = int64(c.Active)
	case unix.SYS_WRITE:
		ret = int64(a[2])
		if a[0] == 1 || a[0] == 2 {
			b := make([]byte, min(a[2], 1<<20))
			b = b[:c.Space.Read(a[1], b)]
			ret = int64(len(b))
			s.sayOutput(b)
		} else {
			ret = -int64(unix.EBADF)
		}
	case unix.SYS_FSTAT:
		ret = -int64(unix.EBADF)
		if a[0] <= 2 { // stdio asks before its first output: a character device
			var st [144]byte
			binary.LittleEndian.PutUint32(st[24:], unix.S_IFCHR|0o620)
			ret = 0
			err = c.Space.Write(a[1], st[:])
		}
	case unix.SYS_FUTEX:
		ret = 0
		if op := a[1] & 0x7f; op == 0 || op == 9 { // waiting would be for ever
			ret = -int64(unix.EAGAIN)
		}
	}
	if err != nil {
		return fmt.Errorf("diversion: %w", err)
	}
	x.Rax = uint64(ret)
	c.SetRegs(x)
	return nil
}
