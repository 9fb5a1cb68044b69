package delve

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/go-delve/delve/pkg/elfwriter"
	"github.com/go-delve/delve/pkg/logflags"
	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/pkg/proc/linutil"

	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// process is the engine's session as Delve wants to see a process.
type process struct {
	// Two methods of ProcessInternal have types that only Delve can name. They
	// are promoted from here, and never called: SupportsBPF says no.
	proc.ProcessInternal

	prog    Program
	bi      *proc.BinaryInfo
	grp     *proc.TargetGroup
	bps     proc.BreakpointMap
	threads map[int]*thread
	listed  threadsAt
	mem     memory
	dir     proc.Direction

	ctx   context.Context // of the call being made
	moves int             // resumes so far
	last  timeline.Stop
	edge  bool // the last resume ended at an edge of history
	dirty bool // memory or registers were written since the last forget

	diverted bool // a function of the program is being called
}

// threadsAt says for which point of history the threads were listed. They
// change with events only.
type threadsAt struct {
	event    int64
	frontier bool
	ok       bool
}

var (
	_ proc.ProcessGroup                  = (*process)(nil)
	_ proc.ProcessInternal               = (*process)(nil)
	_ proc.RecordingManipulationInternal = (*process)(nil)
)

// quietLogs keeps Delve's own logging off the person's terminal.
func quietLogs() { logflags.Setup(false, "", "") }

// newProcess has Delve read a program's debug information and look at it.
func newProcess(prog Program, path string, debug []string) (*process, *proc.TargetGroup, error) {
	p := &process{prog: prog, bi: proc.NewBinaryInfo(runtime.GOOS, runtime.GOARCH, false),
		bps: proc.NewBreakpointMap(), threads: map[int]*thread{}, ctx: context.Background()}
	p.mem.prog = prog
	prog.PassSignals(gdbserver.ProgramSignals())
	p.list()
	if path == "" {
		path = prog.ExecFile()
	}
	if err := debuggable(path); err != nil {
		return nil, nil, err
	}
	grp, add := proc.NewGroup(p, proc.NewTargetGroupConfig{StopReason: proc.StopLaunched, DebugInfoDirs: debug})
	grp.KeepSteppingBreakpoints = proc.TracepointKeepsSteppingBreakpoints
	p.grp = grp
	current, ok := p.threads[prog.Current()]
	if !ok {
		return nil, nil, fmt.Errorf("the program has no thread %d", prog.Current())
	}
	_, err := add(p, prog.PID(), current, path, proc.StopLaunched, filepath.Base(path))
	var bad *proc.ErrBadBinaryInfo
	if errors.As(err, &bad) {
		return nil, nil, &StrippedError{path, bad.Err}
	} else if err != nil {
		return nil, nil, fmt.Errorf("delve cannot look at %s: %w", path, err)
	}
	return p, grp, nil
}

// debuggable looks for debug information before Delve does, which would complain on
// the process's own stderr.
func debuggable(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return &StrippedError{path, err}
	}
	defer f.Close()
	for _, name := range []string{".debug_info", ".zdebug_info", ".gnu_debuglink"} {
		if f.Section(name) != nil {
			return nil
		}
	}
	return &StrippedError{path, errors.New("it is stripped")}
}

// begin is told of a call of the backend.
func (p *process) begin(ctx context.Context) { p.ctx = ctx }

// stale reports whether a diversion may have ended since it was written to.
func (p *process) stale() bool { return p.dirty }

// forget drops what is known of memory, registers and threads.
func (p *process) forget() {
	p.mem.forget()
	p.dirty = false
	p.list()
	for _, t := range p.threads {
		t.regs = nil
	}
}

// list asks the engine which threads there are.
func (p *process) list() {
	at := threadsAt{p.prog.Event(), p.prog.AtFrontier(), true}
	if at == p.listed {
		return
	}
	live := map[int]*thread{}
	for _, t := range p.prog.Threads() {
		if old := p.threads[t.ID]; old != nil {
			live[t.ID] = old
		} else {
			live[t.ID] = &thread{p: p, id: t.ID}
		}
	}
	p.threads, p.listed = live, at
}

// moved takes in that the program has been resumed and has stopped.
func (p *process) moved(stop timeline.Stop) {
	p.moves++
	p.last = stop
	p.edge = stop.Reason == timeline.HistoryBegin || stop.Reason == timeline.HistoryEnd
	p.forget()
	for _, t := range p.threads {
		t.bp.Clear()
	}
}

// resume moves the program by q.
func (p *process) resume(q gdbserver.Resume) (timeline.Stop, error) {
	stop, err := p.prog.Resume(p.ctx, q)
	if err != nil { // the program is where it was
		p.forget()
		return stop, err
	}
	p.moved(stop)
	return stop, nil
}

func (p *process) direction() timeline.Direction {
	if p.dir == proc.Backward {
		return timeline.Backward
	}
	return timeline.Forward
}

// ContinueOnce is part of proc.ProcessGroup.
func (p *process) ContinueOnce(cctx *proc.ContinueOnceContext) (proc.Thread, proc.StopReason, error) {
	if cctx.ResumeChan != nil {
		close(cctx.ResumeChan)
		cctx.ResumeChan = nil
	}
	if p.diverted {
		return p.continueCall()
	}
	stop, err := p.resume(gdbserver.Resume{Dir: p.direction()})
	if err != nil {
		return nil, proc.StopUnknown, err
	}
	if p.bi.ElfDynamicSection.Addr != 0 {
		// What cannot be read before the loader has run is read at a later stop.
		_ = linutil.ElfUpdateSharedObjects(p)
	}
	th := p.at(stop)
	if th == nil {
		return nil, proc.StopUnknown, fmt.Errorf("the program stopped in thread %d, which does not exist", stop.Thread)
	}
	switch stop.Reason {
	case timeline.HistoryBegin, timeline.HistoryEnd, timeline.Arrived:
		return th, proc.StopLaunched, nil
	case timeline.Watchpoint:
		th.bp.Breakpoint = p.bps.M[stop.Addr]
	case timeline.Interrupted:
		if err := p.grp.RequestManualStop(); err != nil {
			return th, proc.StopManual, err
		}
		return th, proc.StopManual, nil
	default:
		err = th.SetCurrentBreakpoint(true)
	}
	return th, proc.StopUnknown, err
}

// at returns the thread of a stop.
func (p *process) at(stop timeline.Stop) *thread {
	if t := p.threads[stop.Thread]; t != nil {
		return t
	}
	return p.threads[p.prog.Current()]
}

// StepInstruction is part of proc.ProcessGroup.
func (p *process) StepInstruction(tid int) error {
	for {
		stop, err := p.resume(gdbserver.Resume{Dir: p.direction(), Mode: gdbserver.Step, Thread: tid})
		if err != nil {
			return err
		}
		// Other threads may have to come to a point before this one can go on.
		if stop.Reason != timeline.Step || stop.Thread == tid {
			if stop.Reason == timeline.Interrupted && p.ctx.Err() != nil {
				return p.ctx.Err()
			}
			return nil
		}
	}
}

// Detach and Close are part of proc.ProcessGroup. The engine's session outlives
// Delve's interest in it.
func (p *process) Detach(int, bool) error { return nil }
func (p *process) Close() error           { return nil }

// BinInfo is part of proc.Process.
func (p *process) BinInfo() *proc.BinaryInfo { return p.bi }

// EntryPoint is part of proc.Process.
func (p *process) EntryPoint() (uint64, error) {
	return linutil.EntryPointFromAuxv(p.prog.Auxv(), p.bi.Arch.PtrSize()), nil
}

// FindThread is part of proc.Process.
func (p *process) FindThread(id int) (proc.Thread, bool) {
	t, ok := p.threads[id]
	return t, ok
}

// ThreadList is part of proc.Process.
func (p *process) ThreadList() []proc.Thread {
	out := make([]proc.Thread, 0, len(p.threads))
	for _, t := range p.threads {
		out = append(out, t)
	}
	return out
}

// Breakpoints is part of proc.Process.
func (p *process) Breakpoints() *proc.BreakpointMap { return &p.bps }

// Memory is part of proc.Process.
func (p *process) Memory() proc.MemoryReadWriter { return p }

// Valid is part of proc.ProcessInternal. A program that has ended still has its
// history.
func (p *process) Valid() (bool, error) { return true, nil }

// RequestManualStop is part of proc.ProcessInternal. The call's context is what
// stops the program.
func (p *process) RequestManualStop(*proc.ContinueOnceContext) error { return nil }

// WriteBreakpoint is part of proc.ProcessInternal.
func (p *process) WriteBreakpoint(bp *proc.Breakpoint) error {
	if bp.WatchType != 0 {
		return p.prog.InsertWatchpoint(watchpoint(bp))
	}
	return p.prog.InsertBreakpoint(gdbserver.Breakpoint{Addr: bp.Addr})
}

// EraseBreakpoint is part of proc.ProcessInternal.
func (p *process) EraseBreakpoint(bp *proc.Breakpoint) error {
	if bp.WatchType != 0 {
		return p.prog.RemoveWatchpoint(watchpoint(bp))
	}
	return p.prog.RemoveBreakpoint(bp.Addr)
}

func watchpoint(bp *proc.Breakpoint) gdbserver.Watchpoint {
	w := gdbserver.Watchpoint{Addr: bp.Addr, Len: bp.WatchType.Size(), Kind: timeline.WatchWrite}
	switch {
	case bp.WatchType.Read() && bp.WatchType.Write():
		w.Kind = timeline.WatchAccess
	case bp.WatchType.Read():
		w.Kind = timeline.WatchRead
	}
	return w
}

// What only live processes can do.
func (p *process) SupportsBPF() bool { return false }
func (p *process) DumpProcessNotes(n []elfwriter.Note, _ func()) (bool, []elfwriter.Note, error) {
	return false, n, nil
}
func (p *process) MemoryMap() ([]proc.MemoryMapEntry, error) {
	return nil, proc.ErrMemoryMapNotSupported
}
func (p *process) FollowExec(on bool) error {
	if on {
		return errors.New("programs that this one starts are not followed")
	}
	return nil
}
