package gdb

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"yore/debugger"
	"yore/gdbmi"
)

var _ debugger.Machine = (*Backend)(nil)

// longest is the longest instruction of the processor, in bytes.
const longest = 15

// Disassemble is part of debugger.Machine. Instructions have no marks of where
// they begin: those before an address are found from the beginnings of functions.
func (g *Backend) Disassemble(ctx context.Context, addr uint64, skip, count int) ([]debugger.Instruction, error) {
	var out []debugger.Instruction
	err := g.do(ctx, func() error {
		var before []debugger.Instruction
		for at := addr; skip < 0 && len(before) < -skip; {
			list, err := g.function(ctx, at)
			if err != nil {
				return err
			}
			for len(list) > 0 && list[len(list)-1].Addr >= at {
				list = list[:len(list)-1]
			}
			if len(list) == 0 {
				if at == addr {
					// addr may be where a function begins: what is before is another's.
					if list, err = g.function(ctx, addr-1); err != nil {
						return err
					}
				}
				if len(list) == 0 {
					break
				}
			}
			before = append(list, before...)
			at = list[0].Addr - 1
			if at == 0 {
				break
			}
		}
		for i := skip; i < 0 && len(out) < count; i++ {
			if n := len(before) + i; n >= 0 {
				out = append(out, before[n])
			} else {
				out = append(out, debugger.Instruction{Addr: addr + uint64(i), Text: "??"})
			}
		}
		after := max(0, skip)
		for at := addr; len(out) < count; {
			list, err := g.decode(ctx, at, uint64((after+count-len(out))*longest))
			if err != nil {
				return err
			}
			if len(list) == 0 {
				for ; len(out) < count; at++ {
					out = append(out, debugger.Instruction{Addr: at, Text: "??"})
				}
				break
			}
			for _, in := range list {
				at = in.Addr + uint64(len(in.Bytes))
				if after > 0 {
					after--
				} else if len(out) < count {
					out = append(out, in)
				}
			}
		}
		return nil
	})
	return out, err
}

// function disassembles the function that an address is in; nothing when gdb
// knows none.
func (g *Backend) function(ctx context.Context, addr uint64) ([]debugger.Instruction, error) {
	return g.instructions(ctx, fmt.Sprintf("-data-disassemble -a %#x -- 5", addr))
}

// decode disassembles the code in n bytes, as far as there is any.
func (g *Backend) decode(ctx context.Context, addr, n uint64) ([]debugger.Instruction, error) {
	for n > 0 {
		list, err := g.instructions(ctx, fmt.Sprintf("-data-disassemble -s %#x -e %#x -- 5", addr, addr+n))
		if err != nil || len(list) > 0 {
			// The last may have been cut off by the end of the range.
			if len(list) > 1 && n > longest {
				list = list[:len(list)-1]
			}
			return list, err
		}
		n /= 2 // gdb gives nothing when some of it cannot be read
	}
	return nil, nil
}

// instructions reads the answer to a command; none when gdb refuses it.
func (g *Backend) instructions(ctx context.Context, command string) ([]debugger.Instruction, error) {
	_, res, err := g.capture(ctx, command)
	if err != nil {
		return nil, notRefusal(err)
	}
	var out []debugger.Instruction
	for _, f := range res.Fields.List("asm_insns") {
		t, ok := f.Value.(gdbmi.Tuple)
		if !ok {
			continue
		}
		at := debugger.Location{Line: number(t.Text("line")), File: t.Text("file"), FullName: t.Text("fullname")}
		for _, in := range t.List("line_asm_insn").Tuples() {
			out = append(out, instruction(in, at))
		}
		if t.Get("line_asm_insn") == nil { // code without lines
			out = append(out, instruction(t, debugger.Location{}))
		}
	}
	// Source order within a line table is not the order of addresses.
	slices.SortFunc(out, func(a, b debugger.Instruction) int { return cmp.Compare(a.Addr, b.Addr) })
	return out, nil
}

func instruction(t gdbmi.Tuple, at debugger.Location) debugger.Instruction {
	in := debugger.Instruction{Addr: address(t.Text("address")), Text: t.Text("inst"), Location: at}
	in.Location.Addr, in.Function = in.Addr, t.Text("func-name")
	if in.Function != "" {
		in.Symbol = in.Function + "+" + t.Text("offset")
	}
	in.Bytes, _ = hex.DecodeString(strings.ReplaceAll(t.Text("opcodes"), " ", ""))
	return in
}

// ReadMemory is part of debugger.Machine.
func (g *Backend) ReadMemory(ctx context.Context, addr uint64, n int) ([]byte, error) {
	var out []byte
	err := g.do(ctx, func() error {
		if n == 0 {
			return nil
		}
		_, res, err := g.capture(ctx, fmt.Sprintf("-data-read-memory-bytes %#x %d", addr, n))
		if err != nil {
			return notRefusal(err) // none of it is readable
		}
		// gdb gives the readable pieces; those behind a hole are not asked for.
		for _, t := range res.Fields.List("memory").Tuples() {
			if address(t.Text("begin")) != addr+uint64(len(out)) {
				break
			}
			b, err := hex.DecodeString(t.Text("contents"))
			if err != nil {
				return fmt.Errorf("gdb's answer about memory: %w", err)
			}
			out = append(out, b...)
		}
		return nil
	})
	return out, err
}

// WriteMemory is part of debugger.Machine.
func (g *Backend) WriteMemory(ctx context.Context, addr uint64, p []byte) error {
	return g.do(ctx, func() error {
		_, err := g.captured(ctx, fmt.Sprintf("-data-write-memory-bytes %#x %x", addr, p))
		g.values.stale = true
		return err
	})
}
