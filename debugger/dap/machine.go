package dap

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-dap"

	"yore/debugger"
)

// Bounds of one answer.
const (
	maxInstructions = 10_000
	maxMemory       = 4 << 20
)

// parseReference reads an address as the client names it, with an offset.
func parseReference(ref string, offset int) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(ref), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not an address", ref)
	}
	return n + uint64(offset), nil
}

func (s *session) disassemble(ctx context.Context, a dap.DisassembleArguments) (any, error) {
	b, err := ability[debugger.Machine](s)
	if err != nil {
		return nil, err
	}
	addr, err := parseReference(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	if a.InstructionCount < 0 || a.InstructionCount > maxInstructions || a.InstructionOffset < -maxInstructions || a.InstructionOffset > maxInstructions {
		return nil, fmt.Errorf("disassemble: %d instructions are the most", maxInstructions)
	}
	list, err := b.Disassemble(ctx, addr, a.InstructionOffset, a.InstructionCount)
	if err != nil {
		return nil, plainError(err)
	}
	body := dap.DisassembleResponseBody{Instructions: []dap.DisassembledInstruction{}}
	last := ""
	for _, in := range list {
		d := dap.DisassembledInstruction{Address: fmt.Sprintf("%#x", in.Addr), Instruction: in.Text, InstructionBytes: strings.TrimSpace(fmt.Sprintf("% x", in.Bytes))}
		if a.ResolveSymbols {
			d.Symbol = in.Symbol
		}
		if src := s.sourceOf(in.Location); src != nil {
			d.Line = in.Line - 1 + s.lineBase
			if src.Path != last { // the same as before is left out
				d.Location, last = src, src.Path
			}
		}
		body.Instructions = append(body.Instructions, d)
	}
	return body, nil
}

func (s *session) readMemory(ctx context.Context, a dap.ReadMemoryArguments) (any, error) {
	b, err := ability[debugger.Machine](s)
	if err != nil {
		return nil, err
	}
	addr, err := parseReference(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	if a.Count < 0 || a.Count > maxMemory {
		return nil, fmt.Errorf("readMemory: %d bytes are the most", maxMemory)
	}
	p, err := b.ReadMemory(ctx, addr, a.Count)
	if err != nil {
		return nil, plainError(err)
	}
	return dap.ReadMemoryResponseBody{Address: fmt.Sprintf("%#x", addr), UnreadableBytes: a.Count - len(p), Data: base64.StdEncoding.EncodeToString(p)}, nil
}

func (s *session) writeMemory(ctx context.Context, a dap.WriteMemoryArguments) (any, error) {
	addr, err := parseReference(a.MemoryReference, a.Offset)
	if err != nil {
		return nil, err
	}
	p, err := base64.StdEncoding.DecodeString(a.Data)
	if err != nil {
		return nil, fmt.Errorf("writeMemory: the data is not in base64: %w", err)
	}
	if len(p) > 0 {
		if err := s.d().WriteMemory(ctx, addr, p); err != nil {
			return nil, plainError(err)
		}
	}
	return dap.WriteMemoryResponseBody{BytesWritten: len(p)}, nil
}
