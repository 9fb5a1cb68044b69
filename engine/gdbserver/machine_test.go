package gdbserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"
	"golang.org/x/sys/unix"

	"yore/engine/gdbserver/agent"
	"yore/engine/timeline"
)

// machine is a Target that moves along a recording: the reference for what the
// interface means. It is slow and simple on purpose. What it says of reads (for
// rwatch and awatch) comes from decoding the instruction's memory operand.
type machine struct {
	rec     *recording
	mem     map[uint64][]byte // pages at pos
	pos     int
	cur     int
	breaks  map[uint64]Breakpoint
	watches []Watchpoint
	pass    map[int]bool
	armed   *int // where the next Resume goes, set by Monitor
	// What was written since the last Resume hides the recording: a diversion
	// in which nothing can run.
	regsOver map[int]snap
	memOver  map[uint64]byte
	// started, when set, gets a value when a Resume has begun; the Resume then
	// waits for its context.
	started chan struct{}
	log     []string // what Resume was asked for
	marks   map[string]int
}

func newMachine(rec *recording) *machine {
	m := &machine{rec: rec, mem: map[uint64][]byte{}, cur: rec.pid, breaks: map[uint64]Breakpoint{}, marks: map[string]int{}}
	for a, p := range rec.pages {
		m.mem[a] = append([]byte(nil), p...)
	}
	m.divert()
	return m
}

func (m *machine) divert() { m.regsOver, m.memOver = map[int]snap{}, map[uint64]byte{} }

func (m *machine) end() int { return len(m.rec.steps) }

// snapAt is a thread's registers at state k.
func (m *machine) snapAt(tid, k int) (snap, bool) {
	list := m.rec.snaps[tid]
	i := sort.Search(len(list), func(i int) bool { return list[i].at > k })
	if i == 0 {
		return snap{}, false
	}
	return list[i-1], true
}

func (m *machine) rip(tid int) uint64 {
	s, _ := m.snapAt(tid, m.pos)
	return s.user.Rip
}

func (m *machine) PID() int { return m.rec.pid }

func (m *machine) Threads() []Thread {
	var list []Thread
	for _, tid := range m.rec.order {
		if _, ok := m.snapAt(tid, m.pos); ok {
			list = append(list, Thread{ID: tid, Name: fmt.Sprintf("walk<%d>", len(list))})
		}
	}
	return list
}

func (m *machine) Current() int { return m.cur }

func (m *machine) Registers(tid int) (unix.PtraceRegs, []byte, error) {
	s, ok := m.regsOver[tid]
	if !ok {
		s, ok = m.snapAt(tid, m.pos)
	}
	if !ok {
		return unix.PtraceRegs{}, nil, fmt.Errorf("no thread %d", tid)
	}
	return s.user, append([]byte(nil), s.xsave...), nil
}

func (m *machine) SetRegisters(tid int, r unix.PtraceRegs, xstate []byte) error {
	_, xs, err := m.Registers(tid)
	if err != nil {
		return err
	}
	if xstate == nil {
		xstate = xs
	}
	m.regsOver[tid] = snap{user: r, xsave: xstate}
	return nil
}

func (m *machine) ReadMemory(addr uint64, p []byte) (int, error) {
	for i := range p {
		a := addr + uint64(i)
		page := m.mem[a&^(pageSize-1)]
		if page == nil {
			return i, fmt.Errorf("nothing mapped at %#x", a)
		}
		p[i] = page[a%pageSize]
		if b, ok := m.memOver[a]; ok {
			p[i] = b
		}
	}
	return len(p), nil
}

func (m *machine) WriteMemory(addr uint64, p []byte) error {
	for i := range p {
		if m.mem[(addr+uint64(i))&^(pageSize-1)] == nil {
			return fmt.Errorf("nothing mapped at %#x", addr)
		}
	}
	for i, b := range p {
		m.memOver[addr+uint64(i)] = b
	}
	return nil
}

func (m *machine) InsertBreakpoint(b Breakpoint) error {
	if m.mem[b.Addr&^(pageSize-1)] == nil {
		return fmt.Errorf("nothing mapped at %#x", b.Addr)
	}
	m.breaks[b.Addr] = b
	return nil
}

func (m *machine) RemoveBreakpoint(addr uint64) error {
	if _, ok := m.breaks[addr]; !ok {
		return errors.New("no such breakpoint")
	}
	delete(m.breaks, addr)
	return nil
}

func (m *machine) InsertWatchpoint(w Watchpoint) error {
	if w.Len < 1 || w.Len > 64 {
		return errors.New("bad length")
	}
	m.watches = append(m.watches, w)
	return nil
}

func (m *machine) RemoveWatchpoint(w Watchpoint) error {
	for i := range m.watches {
		if m.watches[i] == w {
			m.watches = append(m.watches[:i], m.watches[i+1:]...)
			return nil
		}
	}
	return errors.New("no such watchpoint")
}

func (m *machine) PassSignals(sigs []int) {
	m.pass = map[int]bool{}
	for _, s := range sigs {
		m.pass[s] = true
	}
}

func (m *machine) Auxv() []byte     { return m.rec.auxv }
func (m *machine) ExecFile() string { return m.rec.exe }

func (m *machine) Siginfo(tid int) []byte {
	if m.pos < m.end() && m.rec.steps[m.pos].tid == tid {
		return m.rec.steps[m.pos].siginfo
	}
	return nil
}

func (m *machine) Monitor(ctx context.Context, cmd string) (string, error) {
	verb, arg, _ := strings.Cut(cmd, " ")
	arm := func(k int) (string, error) {
		m.armed = &k
		return "", nil
	}
	switch verb {
	case "when":
		return fmt.Sprintf("state %d of %d", m.pos, m.end()), nil
	case "goto":
		if k, ok := m.marks[arg]; ok {
			return arm(k)
		}
		k, err := strconv.Atoi(arg)
		if err != nil || k < 0 || k > m.end() {
			return "", fmt.Errorf("no position %q", arg)
		}
		return arm(k)
	case "bookmark":
		m.marks[arg] = m.pos
		return fmt.Sprintf("bookmark %s", arg), nil
	case "restart":
		return arm(0)
	case "lines":
		return strings.Repeat("a line of some length\n", 2000), nil
	}
	return "", fmt.Errorf("unknown command %q", cmd)
}

// forward and back apply and undo one step.
func (m *machine) forward() step {
	s := m.rec.steps[m.pos]
	for _, c := range s.changes {
		m.poke(c.addr, c.new)
	}
	m.pos++
	return s
}

func (m *machine) back() step {
	m.pos--
	s := m.rec.steps[m.pos]
	for _, c := range s.changes {
		m.poke(c.addr, c.old)
	}
	return s
}

func (m *machine) poke(addr uint64, p []byte) {
	copy(m.mem[addr&^(pageSize-1)][addr%pageSize:], p)
}

func (m *machine) goTo(k int) {
	for m.pos < k {
		m.forward()
	}
	for m.pos > k {
		m.back()
	}
	m.cur = m.rec.steps[min(k, m.end()-1)].tid
}

// env lets conditions see a thread.
type env struct {
	m    *machine
	user unix.PtraceRegs
}

func (e env) Register(n int) (uint64, error) { return agent.Register(n, &e.user) }

func (e env) ReadMemory(addr uint64, p []byte) error {
	_, err := e.m.ReadMemory(addr, p)
	return err
}

// atBreak says whether the thread that runs next is at a breakpoint.
func (m *machine) atBreak() (timeline.Stop, bool) {
	if m.pos == m.end() || m.rec.steps[m.pos].siginfo != nil {
		return timeline.Stop{}, false
	}
	tid := m.rec.steps[m.pos].tid
	s, _ := m.snapAt(tid, m.pos)
	b, ok := m.breaks[s.user.Rip]
	if !ok {
		return timeline.Stop{}, false
	}
	hit, _ := agent.Hit(b.Cond, env{m, s.user})
	return timeline.Stop{Reason: timeline.Breakpoint, Thread: tid, Addr: b.Addr}, hit
}

// watched says whether step k, between the states k and k+1, triggers a
// watchpoint. The registers are those of state k.
func (m *machine) watched(k int) (timeline.Stop, bool) {
	s := m.rec.steps[k]
	for _, w := range m.watches {
		stop := timeline.Stop{Reason: timeline.Watchpoint, Thread: s.tid, Addr: w.Addr, Watch: w.Kind}
		over := func(addr uint64, n int) bool {
			return addr < w.Addr+uint64(w.Len) && w.Addr < addr+uint64(n)
		}
		if w.Kind != timeline.WatchRead {
			for _, c := range s.changes {
				if over(c.addr, len(c.new)) {
					return stop, true
				}
			}
		}
		if w.Kind != timeline.WatchWrite {
			if addr, n, read := m.operand(k); n > 0 && over(addr, n) && (read || w.Kind == timeline.WatchAccess) {
				return stop, true
			}
		}
	}
	return timeline.Stop{}, false
}

// operand decodes the memory operand of the instruction at state k.
func (m *machine) operand(k int) (addr uint64, n int, read bool) {
	s := m.rec.steps[k]
	if s.siginfo != nil {
		return 0, 0, false
	}
	sn, _ := m.snapAt(s.tid, k)
	code := make([]byte, 15)
	got, _ := m.ReadMemory(sn.user.Rip, code)
	in, err := x86asm.Decode(code[:got], 64)
	if err != nil {
		return 0, 0, false
	}
	reg := func(r x86asm.Reg) uint64 {
		u := &sn.user
		switch r {
		case x86asm.RIP:
			return u.Rip + uint64(in.Len)
		}
		if r >= x86asm.RAX && r <= x86asm.R15 {
			return [...]uint64{u.Rax, u.Rcx, u.Rdx, u.Rbx, u.Rsp, u.Rbp, u.Rsi, u.Rdi, u.R8, u.R9, u.R10, u.R11, u.R12, u.R13, u.R14, u.R15}[r-x86asm.RAX]
		}
		return 0
	}
	for i, a := range in.Args {
		mem, ok := a.(x86asm.Mem)
		if !ok || in.Op == x86asm.LEA || in.Op == x86asm.NOP {
			continue
		}
		disp := uint64(int64(int32(mem.Disp)))
		return reg(mem.Base) + reg(mem.Index)*uint64(mem.Scale) + disp, in.MemBytes, i > 0 || in.Op != x86asm.MOV
	}
	return 0, 0, false
}

func (m *machine) Resume(ctx context.Context, r Resume) (timeline.Stop, error) {
	m.log = append(m.log, fmt.Sprintf("%+v", r))
	if len(m.regsOver) > 0 {
		m.divert()
		return timeline.Stop{}, errors.New("this machine cannot run a diversion")
	}
	m.divert()
	if m.armed != nil {
		m.goTo(*m.armed)
		m.armed = nil
		return timeline.Stop{Reason: timeline.Arrived, Thread: m.cur}, nil
	}
	if m.started != nil {
		m.started <- struct{}{}
		<-ctx.Done()
	}
	var stop timeline.Stop
	if r.Dir == timeline.Forward {
		stop = m.goForward(ctx, r)
	} else {
		stop = m.goBack(ctx, r)
	}
	if stop.Thread == 0 {
		stop.Thread = m.cur
	}
	m.cur = stop.Thread
	return stop, nil
}

func (m *machine) goForward(ctx context.Context, r Resume) timeline.Stop {
	for first := true; ; first = false {
		if ctx.Err() != nil {
			return timeline.Stop{Reason: timeline.Interrupted}
		}
		if m.pos == m.end() {
			code := m.rec.status.ExitStatus()
			return timeline.Stop{Reason: timeline.HistoryEnd, Ended: &timeline.Ending{Code: code}}
		}
		next := m.rec.steps[m.pos]
		// As an int3 would: a breakpoint at the present place is hit at once,
		// but for the thread that is to step.
		if stop, hit := m.atBreak(); hit && !(first && r.Mode == Step && next.tid == r.Thread) {
			return stop
		}
		if next.siginfo != nil && !first && !m.pass[signalOf(next.siginfo)] {
			return timeline.Stop{Reason: timeline.Signal, Thread: next.tid, Signal: signalOf(next.siginfo)}
		}
		k := m.pos
		m.forward()
		if stop, hit := m.watched(k); hit {
			return stop
		}
		if next.tid != r.Thread {
			continue
		}
		if pc := m.rip(r.Thread); r.Mode == Step || r.Mode == Range && (pc < r.Lo || pc >= r.Hi) {
			return timeline.Stop{Reason: timeline.Step, Thread: r.Thread}
		}
	}
}

func (m *machine) goBack(ctx context.Context, r Resume) timeline.Stop {
	for {
		if ctx.Err() != nil {
			return timeline.Stop{Reason: timeline.Interrupted}
		}
		if m.pos == 0 {
			return timeline.Stop{Reason: timeline.HistoryBegin}
		}
		s := m.back()
		if stop, hit := m.watched(m.pos); hit {
			return stop
		}
		if r.Mode == Step && s.tid == r.Thread {
			return timeline.Stop{Reason: timeline.Step, Thread: r.Thread}
		}
		if stop, hit := m.atBreak(); hit {
			return stop
		}
	}
}

// word reads 8 bytes of the machine's memory.
func (m *machine) word(addr uint64) uint64 {
	var b [8]byte
	m.ReadMemory(addr, b[:])
	return binary.LittleEndian.Uint64(b[:])
}
