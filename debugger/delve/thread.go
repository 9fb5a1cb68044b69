package delve

import (
	"fmt"

	"github.com/go-delve/delve/pkg/dwarf/op"
	"github.com/go-delve/delve/pkg/proc"
	"github.com/go-delve/delve/pkg/proc/amd64util"
	"github.com/go-delve/delve/pkg/proc/linutil"
	"golang.org/x/sys/unix"
)

// thread is a thread of the program as Delve wants to see it. Its registers are
// read when asked for, and kept until the program moves.
type thread struct {
	p      *process
	id     int
	bp     proc.BreakpointState
	common proc.CommonThread
	regs   *linutil.AMD64Registers
}

var _ proc.Thread = (*thread)(nil)

// Breakpoint is part of proc.Thread.
func (t *thread) Breakpoint() *proc.BreakpointState { return &t.bp }

// ThreadID is part of proc.Thread.
func (t *thread) ThreadID() int { return t.id }

// Registers is part of proc.Thread.
func (t *thread) Registers() (proc.Registers, error) {
	if t.regs != nil {
		return t.regs, nil
	}
	regs, xstate, err := t.p.prog.Registers(t.id)
	if err != nil {
		return nil, err
	}
	gpr := linutil.AMD64PtraceRegs(regs)
	t.regs = linutil.NewAMD64Registers(&gpr, func(r *linutil.AMD64Registers) error {
		r.Fpregset = &amd64util.AMD64Xstate{Xsave: xstate}
		if err := amd64util.AMD64XstateRead(xstate, true, r.Fpregset, 0); err != nil {
			return fmt.Errorf("floating point registers: %w", err)
		}
		r.Fpregs = r.Fpregset.Decode()
		return nil
	})
	return t.regs, nil
}

// write writes registers, and the floating point ones unless they were never
// looked at.
func (t *thread) write(r *linutil.AMD64Registers) error {
	t.p.dirty = true
	var xstate []byte
	if r.Fpregset != nil {
		xstate = r.Fpregset.Xsave
	}
	return t.p.prog.SetRegisters(t.id, unix.PtraceRegs(*r.Regs), xstate)
}

// RestoreRegisters is part of proc.Thread.
func (t *thread) RestoreRegisters(saved proc.Registers) error {
	r, ok := saved.(*linutil.AMD64Registers)
	if !ok {
		return fmt.Errorf("registers of another kind: %T", saved)
	}
	t.regs = nil
	return t.write(r)
}

// SetReg is part of proc.Thread.
func (t *thread) SetReg(num uint64, reg *op.DwarfRegister) error {
	ir, err := t.Registers()
	if err != nil {
		return err
	}
	copied, err := ir.Copy()
	if err != nil {
		return err
	}
	r := copied.(*linutil.AMD64Registers)
	if _, err := r.SetReg(num, reg); err != nil {
		return err
	}
	t.regs = nil
	return t.write(r)
}

// BinInfo is part of proc.Thread.
func (t *thread) BinInfo() *proc.BinaryInfo { return t.p.bi }

// ProcessMemory is part of proc.Thread.
func (t *thread) ProcessMemory() proc.MemoryReadWriter { return t.p }

// SetCurrentBreakpoint is part of proc.Thread. The engine leaves the program
// counter at the breakpoint: there is nothing to adjust.
func (t *thread) SetCurrentBreakpoint(bool) error {
	t.bp.Clear()
	r, err := t.Registers()
	if err != nil {
		return err
	}
	if bp, ok := t.p.bps.M[r.PC()]; ok && bp.WatchType == 0 {
		t.bp.Breakpoint = bp
	}
	return nil
}

// SoftExc is part of proc.Thread.
func (t *thread) SoftExc() bool { return t.bp.Breakpoint != nil }

// Common is part of proc.Thread.
func (t *thread) Common() *proc.CommonThread { return &t.common }
