package snapshot

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"yore/engine/image"
	"yore/engine/internal/ptrace"
	"yore/engine/internal/tracee"
)

const (
	maxMapped = 4096     // runs that are mapped lazily, at most
	minMapped = 64 << 10 // shorter ones are copied
	maxFiles  = 400      // files that are handed to the helper
	taskSize  = 0x7ffffffff000
	maxObject = 1 << 40 // bytes of memory that mappings share
)

// Restore makes a process from an image. contents opens the files that the
// image refers to. A confined process is killed when it makes a system call by
// itself (confine.go). It belongs to the tracing thread.
func Restore(im *image.Image, contents *Contents, confined bool) (*tracee.Copy, *Info, error) {
	c, in, err := restore(im, contents)
	if err == nil && confined {
		if err = confine(c); err != nil {
			c.Kill()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("restore image %d: %w", im.ID, err)
	}
	return c, in, nil
}

func restore(im *image.Image, contents *Contents) (*tracee.Copy, *Info, error) {
	in, err := InfoOf(im)
	if err != nil {
		return nil, nil, err
	}
	if err := check(im, in); err != nil {
		return nil, nil, err
	}
	// The helper inherits the files: 3 is the page file.
	extra := []*os.File{im.PageFile()}
	fds := map[uint32]int{}
	for i := range im.Regions {
		id := im.Regions[i].File
		if id == 0 || fds[id] != 0 {
			continue
		}
		f, err := contents.File(id)
		if err != nil {
			return nil, nil, err
		}
		if len(extra) > maxFiles {
			return nil, nil, fmt.Errorf("more than %d mapped files", maxFiles)
		}
		fds[id] = 3 + len(extra)
		extra = append(extra, f)
	}
	t, err := helper(extra)
	if err != nil {
		return nil, nil, err
	}
	c := &tracee.Copy{Task: t, Threads: map[int]*tracee.Thread{}, Active: in.Active, Brk: in.Brk}
	if err := fill(c, im, in, fds); err != nil {
		c.Kill()
		return nil, nil, err
	}
	return c, in, nil
}

// check refuses what no saver writes.
func check(im *image.Image, in *Info) error {
	bad := func(format string, args ...any) error {
		return &image.FormatError{Path: im.Path(), What: fmt.Sprintf(format, args...)}
	}
	active := false
	for i := range im.Threads {
		active = active || int(im.Threads[i].TID) == in.Active
	}
	if !active {
		return bad("its active thread %d is missing", in.Active)
	}
	for i := range im.Regions {
		r := &im.Regions[i]
		if r.End() > taskSize || r.Addr < tracee.EngineEnd && r.End() > tracee.EngineCode {
			return bad("region %#x+%#x cannot be mapped", r.Addr, r.Len)
		}
	}
	for i := range in.Views {
		v := &in.Views[i]
		if v.Lo >= v.Hi || v.Hi > taskSize || v.Off > maxObject || v.Hi-v.Lo > maxObject ||
			im.Region(v.Lo) == nil || v.Lo < tracee.EngineEnd && v.Hi > tracee.EngineCode {
			return bad("view %#x-%#x cannot be made", v.Lo, v.Hi)
		}
	}
	return nil
}

// helper starts this executable, stopped before its first instruction, with
// files as descriptors 3 and up.
func helper(files []*os.File) (*tracee.Task, error) {
	t, err := tracee.Launch(tracee.Spec{Path: "/proc/self/exe", Args: []string{"yore"}, Extra: files})
	if err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	return t, nil
}

func fill(c *tracee.Copy, im *image.Image, in *Info, fds map[uint32]int) error {
	b := &batch{t: c.Task}
	if err := b.load(); err != nil {
		return err
	}
	b.call(0, unix.SYS_SETSID)
	b.calls[0].anyResult = true
	b.call(0, unix.SYS_MUNMAP, 0, tracee.EngineCode)
	b.call(0, unix.SYS_MUNMAP, tracee.EngineEnd, taskSize-tracee.EngineEnd)
	for i := range im.Regions {
		r := &im.Regions[i]
		flags := uint64(unix.MAP_PRIVATE | unix.MAP_FIXED | unix.MAP_NORESERVE)
		if r.File != 0 {
			b.call(r.Addr, unix.SYS_MMAP, r.Addr, r.Len, uint64(r.Prot), flags, uint64(fds[r.File]), r.Off)
			continue
		}
		flags |= unix.MAP_ANONYMOUS | uint64(r.Flags&unix.MAP_GROWSDOWN)
		b.call(r.Addr, unix.SYS_MMAP, r.Addr, r.Len, uint64(r.Prot), flags, ^uint64(0), 0)
	}
	mapped, copied := im.Plan(maxMapped, minMapped)
	var shown tracee.PageSet
	for _, run := range mapped {
		r := im.Region(run.Addr)
		// A stack must stay one mapping to grow. Code is not mapped from the
		// page file because its file system may forbid that (noexec).
		if r.Flags&unix.MAP_GROWSDOWN != 0 || r.Prot&unix.PROT_EXEC != 0 {
			copied = append(copied, run)
			continue
		}
		b.call(run.Addr, unix.SYS_MMAP, run.Addr, run.Len, uint64(r.Prot), unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE, 3, uint64(run.Off))
		p := tracee.Piece{Range: tracee.Range{Lo: run.Addr, Hi: run.Addr + run.Len}, File: r.File}
		if r.File != 0 {
			p.Off = r.Off + run.Addr - r.Addr
		}
		c.Shown = append(c.Shown, p)
		shown = append(shown, p.Range)
	}
	b.call(0, unix.SYS_CLOSE_RANGE, 0, uint64(^uint32(0)), 0)
	if err := b.run(); err != nil {
		return err
	}
	if err := b.unload(); err != nil {
		return err
	}
	c.Lineage = tracee.Rebuilt(tracee.Union(shown))
	buf := make([]byte, 1<<20)
	for _, run := range copied {
		for n := uint64(0); n < run.Len; {
			p := buf[:min(uint64(len(buf)), run.Len-n)]
			if _, err := im.PageFile().ReadAt(p, run.Off+int64(n)); err != nil {
				return err
			}
			if err := c.Space.Write(run.Addr+n, p); err != nil {
				return err
			}
			n += uint64(len(p))
		}
	}
	clear(buf)
	for _, run := range im.Zeros() {
		for n := uint64(0); n < run.Len; n += uint64(len(buf)) {
			if err := c.Space.Write(run.Addr+n, buf[:min(uint64(len(buf)), run.Len-n)]); err != nil {
				return err
			}
		}
	}
	if len(in.Views) > 0 {
		if err := c.Share(in.Views); err != nil {
			return err
		}
	}
	if in.StackLimit != 0 {
		var lim unix.Rlimit
		if unix.Prlimit(c.Space.PID, unix.RLIMIT_STACK, nil, &lim) == nil {
			lim.Cur = min(in.StackLimit, lim.Max)
			unix.Prlimit(c.Space.PID, unix.RLIMIT_STACK, &lim, nil)
		}
	}
	return threads(c, im, in)
}

// threads enters the image's threads.
func threads(c *tracee.Copy, im *image.Image, in *Info) error {
	size := len(c.Task.XState())
	for i := range im.Threads {
		t := &im.Threads[i]
		x, err := fitXState(t.XState, size)
		if err != nil {
			return err
		}
		th := &tracee.Thread{ID: int(t.TID), Regs: t.Regs, XState: x, InCall: t.InSyscall, Call: in.Calls[int(t.TID)]}
		th.Regs.Orig_rax = ^uint64(0)
		c.Threads[th.ID] = th
		if th.ID == in.Active {
			c.SetRegs(th.Regs)
			c.SetXState(x)
			c.Flush()
		}
	}
	return c.Err()
}

// fitXState gives an XSAVE area this machine's size.
func fitXState(b []byte, size int) ([]byte, error) {
	if len(b) == size || len(b) == 0 {
		return b, nil
	}
	if len(b) < tracee.XStateMin {
		return nil, fmt.Errorf("extended state of %d bytes", len(b))
	}
	for _, x := range b[min(size, len(b)):] {
		if x != 0 {
			return nil, fmt.Errorf("the program uses processor state that this machine lacks")
		}
	}
	out := make([]byte, size)
	copy(out, b)
	return out, nil
}

// batch makes the helper execute many system calls at one go, by a loop of
// machine code in the engine's page.
type batch struct {
	t     *tracee.Task
	calls []batchCall
}

type batchCall struct {
	nr        uint64
	args      [6]uint64
	want      uint64
	anyResult bool
}

const (
	batchCode  = tracee.EngineCode + 0x100
	batchCalls = tracee.PageSize / 64
)

// The loop: rbx points to the table of calls (number, six arguments, result), r12
// counts them.
var batchLoop = []byte{
	0x48, 0x8b, 0x03, // mov rax, [rbx]
	0x48, 0x8b, 0x7b, 0x08, // mov rdi, [rbx+8]
	0x48, 0x8b, 0x73, 0x10, // mov rsi, [rbx+16]
	0x48, 0x8b, 0x53, 0x18, // mov rdx, [rbx+24]
	0x4c, 0x8b, 0x53, 0x20, // mov r10, [rbx+32]
	0x4c, 0x8b, 0x43, 0x28, // mov r8, [rbx+40]
	0x4c, 0x8b, 0x4b, 0x30, // mov r9, [rbx+48]
	0x0f, 0x05, // syscall
	0x48, 0x89, 0x43, 0x38, // mov [rbx+56], rax
	0x48, 0x83, 0xc3, 0x40, // add rbx, 64
	0x49, 0xff, 0xcc, // dec r12
	0x75, 0xd6, // jnz the first
	0xcc, // int3
}

func (b *batch) load() error { return b.t.Space.Write(batchCode, batchLoop) }

// unload leaves the engine's pages as they are in every process.
func (b *batch) unload() error {
	if err := b.t.Space.Write(batchCode, make([]byte, len(batchLoop))); err != nil {
		return err
	}
	return b.t.Space.Write(tracee.EngineData, make([]byte, tracee.PageSize))
}

// call adds a call that must return want.
func (b *batch) call(want, nr uint64, args ...uint64) {
	c := batchCall{nr: nr, want: want}
	copy(c.args[:], args)
	b.calls = append(b.calls, c)
}

// run executes the calls.
func (b *batch) run() error {
	for len(b.calls) > 0 {
		n := min(len(b.calls), batchCalls)
		if err := b.some(b.calls[:n]); err != nil {
			return err
		}
		b.calls = b.calls[n:]
	}
	return nil
}

func (b *batch) some(calls []batchCall) error {
	table := make([]byte, 64*len(calls))
	for i, c := range calls {
		e := table[64*i:]
		binary.LittleEndian.PutUint64(e, c.nr)
		for k, a := range c.args {
			binary.LittleEndian.PutUint64(e[8+8*k:], a)
		}
	}
	t := b.t
	if err := t.Space.Write(tracee.EngineData, table); err != nil {
		return err
	}
	r := *t.Regs()
	r.Rip, r.Rbx, r.R12 = batchCode, tracee.EngineData, uint64(len(calls))
	t.SetRegs(r)
	for {
		st, err := t.Run(ptrace.Cont, 0)
		if err != nil {
			return err
		}
		if st.IsTrap() && t.Regs().Rip == batchCode+uint64(len(batchLoop)) {
			break
		}
		if st.IsSignal() && st.Signal() == int(unix.SIGSEGV) {
			return fmt.Errorf("the process that was to be filled crashed")
		}
	}
	if t.Space.Read(tracee.EngineData, table) != len(table) {
		return fmt.Errorf("the process that was to be filled is gone")
	}
	for i, c := range calls {
		if got := binary.LittleEndian.Uint64(table[64*i+56:]); got != c.want && !c.anyResult {
			if int64(got) < 0 && int64(got) > -4096 {
				return fmt.Errorf("system call %d (%#x, %#x): %w", c.nr, c.args[0], c.args[1], unix.Errno(-int64(got)))
			}
			return fmt.Errorf("system call %d (%#x, %#x) returned %#x", c.nr, c.args[0], c.args[1], got)
		}
	}
	return nil
}
