package gdbserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"yore/engine/timeline"
)

// plain is a Target without a program: 64 KiB of memory at 0x10000, two
// threads, and stops that the test hands it. It notes every call that changes
// something.
type plain struct {
	mu      sync.Mutex
	mem     []byte
	regs    map[int]unix.PtraceRegs
	xsave   map[int][]byte
	cur     int
	siginfo []byte
	calls   []string
	stops   []timeline.Stop // answers of Resume, in turn; the last stays
	err     error           // of Resume
	running chan struct{}   // when set, Resume says so here and waits for its end
}

const plainBase = 0x10000

func newPlain() *plain {
	p := &plain{mem: make([]byte, 64<<10), cur: 10, regs: map[int]unix.PtraceRegs{}, xsave: map[int][]byte{}}
	for i := range p.mem {
		p.mem[i] = byte(i * 7)
	}
	for _, tid := range []int{10, 11} {
		p.regs[tid] = unix.PtraceRegs{Rip: plainBase + uint64(tid), Rsp: 0x7000, Rbp: 0x7010, Rax: uint64(tid), Orig_rax: ^uint64(0)}
		p.xsave[tid] = blankArea(amdLayout)
	}
	return p
}

// blankArea is an XSAVE area with everything in its initial state.
func blankArea(l XSAVELayout) []byte {
	x := make([]byte, l.end())
	binary.LittleEndian.PutUint64(x[xcr0Offset:], l.Features)
	return x
}

func (p *plain) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

// taken returns the calls since it was last asked.
func (p *plain) taken() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.calls, "; ")
	p.calls = nil
	return s
}

func (p *plain) XSAVELayout() XSAVELayout { return amdLayout }

func (p *plain) PID() int          { return 10 }
func (p *plain) Threads() []Thread { return []Thread{{10, "ma<in"}, {11, "work"}} }
func (p *plain) Current() int      { return p.cur }

func (p *plain) Registers(tid int) (unix.PtraceRegs, []byte, error) {
	r, ok := p.regs[tid]
	if !ok {
		return r, nil, errors.New("no such thread")
	}
	return r, append([]byte(nil), p.xsave[tid]...), nil
}

func (p *plain) SetRegisters(tid int, r unix.PtraceRegs, xstate []byte) error {
	p.note("registers of %d, xsave %v", tid, xstate != nil)
	p.regs[tid] = r
	if xstate != nil {
		p.xsave[tid] = xstate
	}
	return nil
}

func (p *plain) ReadMemory(addr uint64, b []byte) (int, error) {
	if addr < plainBase || addr >= plainBase+uint64(len(p.mem)) {
		return 0, errors.New("unmapped")
	}
	return copy(b, p.mem[addr-plainBase:]), nil
}

func (p *plain) WriteMemory(addr uint64, b []byte) error {
	if addr < plainBase || addr+uint64(len(b)) > plainBase+uint64(len(p.mem)) {
		return errors.New("unmapped")
	}
	p.note("write %#x % x", addr, b)
	copy(p.mem[addr-plainBase:], b)
	return nil
}

func (p *plain) InsertBreakpoint(b Breakpoint) error {
	if b.Addr == 0xbad {
		return errors.New("cannot")
	}
	p.note("break %#x %x", b.Addr, b.Cond)
	return nil
}

func (p *plain) RemoveBreakpoint(addr uint64) error { p.note("unbreak %#x", addr); return nil }

func (p *plain) InsertWatchpoint(w Watchpoint) error {
	if w.Addr >= 0x9000 {
		return errors.New("no more")
	}
	p.note("watch %v", w)
	return nil
}

func (p *plain) RemoveWatchpoint(w Watchpoint) error { p.note("unwatch %v", w); return nil }
func (p *plain) PassSignals(sigs []int)              { p.note("pass %v", sigs) }

func (p *plain) Resume(ctx context.Context, r Resume) (timeline.Stop, error) {
	p.note("resume %+v", r)
	if p.running != nil {
		p.running <- struct{}{}
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return timeline.Stop{Reason: timeline.Interrupted, Thread: p.cur}, nil
	}
	if p.err != nil {
		return timeline.Stop{}, p.err
	}
	if len(p.stops) == 0 {
		return timeline.Stop{Thread: p.cur}, nil
	}
	s := p.stops[0]
	if len(p.stops) > 1 {
		p.stops = p.stops[1:]
	}
	p.cur = max(s.Thread, 10)
	return s, nil
}

func (p *plain) Auxv() []byte     { return []byte("}#$*auxv") }
func (p *plain) ExecFile() string { return "/bin/true" }

func (p *plain) Siginfo(tid int) []byte {
	if tid == p.cur {
		return p.siginfo
	}
	return nil
}

func (p *plain) Monitor(ctx context.Context, cmd string) (string, error) {
	switch cmd {
	case "hello":
		return "world", nil
	case "huge":
		return strings.Repeat("x", 50000), nil
	case "long":
		return strings.Repeat("x", 10000), nil
	}
	return "partly", fmt.Errorf("unknown command %q", cmd)
}
