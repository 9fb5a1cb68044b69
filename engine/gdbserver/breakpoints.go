package gdbserver

import (
	"errors"
	"fmt"

	"yore/engine/timeline"
)

// This file reads Z and z packets and keeps what gdb has inserted. gdb may ask
// for the same thing twice, or for a software and a hardware breakpoint at one
// address; the Target sees one breakpoint per address and watchpoints of at
// most 64 bytes.

// maxWatch bounds a watchpoint, in bytes. gdb asks for whole arrays.
const maxWatch = 4096

// maxWatchChunk is what Watchpoint.Len allows.
const maxWatchChunk = 64

// zPacket is a decoded Z or z packet.
type zPacket struct {
	typ  int // 0 software, 1 hardware breakpoint; 2 write, 3 read, 4 access
	addr uint64
	kind uint64 // length, for watchpoints
	cond [][]byte
}

// errUnsupported is answered with the empty packet.
var errUnsupported = errors.New("unsupported packet")

// parseZ reads what follows "Z" or "z": TYPE,ADDR,KIND[;XLEN,EXPR…].
func parseZ(p []byte) (zPacket, error) {
	var z zPacket
	s := scanner{rest: p}
	z.typ = s.size()
	s.want(",")
	z.addr = s.hex()
	s.want(",")
	z.kind = s.hex()
	if s.err == nil && z.typ > 4 {
		return z, errUnsupported
	}
	for s.lit(";") || len(s.rest) > 0 && s.rest[0] == 'X' {
		if z.typ > 1 {
			break // watchpoints have no conditions
		}
		if !s.lit("X") {
			break
		}
		n := s.size()
		s.want(",")
		hex := s.take(2 * n)
		if s.err != nil {
			break
		}
		code, err := decodeHex(hex)
		if err != nil {
			return z, err
		}
		z.cond = append(z.cond, code)
	}
	s.end()
	return z, s.err
}

// inserted is what gdb has inserted in the Target.
//
// gdb forgets to withdraw a condition that it has passed when it needs a
// breakpoint of its own at the same address (to step into a function, for
// finish, advance, all reverse commands): it believes that the breakpoint
// there will do, and runs away (seen with 13.1). Before it makes a breakpoint
// it reads one byte at the address, to see whether an int3 is there already.
// So at such a read the condition there is dropped (see doubt); gdb evaluates
// it again at a stop in any case, and passes it anew when it next inserts the
// breakpoint.
type inserted struct {
	target  Target
	breaks  map[uint64]*[2]*Breakpoint // by address: software, hardware
	watches map[Watchpoint][]Watchpoint
}

func newInserted(t Target) *inserted {
	return &inserted{t, make(map[uint64]*[2]*Breakpoint), make(map[Watchpoint][]Watchpoint)}
}

// insert carries out a Z packet.
func (in *inserted) insert(z zPacket) error {
	if z.typ > 1 {
		return in.insertWatch(z)
	}
	b := in.breaks[z.addr]
	if b == nil {
		b = new([2]*Breakpoint)
	}
	old := b[z.typ]
	b[z.typ] = &Breakpoint{Addr: z.addr, Cond: z.cond}
	if err := in.target.InsertBreakpoint(merge(b)); err != nil {
		b[z.typ] = old
		return err
	}
	in.breaks[z.addr] = b
	return nil
}

// doubt is told of a one-byte read at addr.
func (in *inserted) doubt(addr uint64) error {
	b := in.breaks[addr]
	if b == nil || len(merge(b).Cond) == 0 {
		return nil
	}
	return in.target.InsertBreakpoint(Breakpoint{Addr: addr})
}

// merge makes one breakpoint of the two kinds at an address: unconditional if
// either is.
func merge(b *[2]*Breakpoint) Breakpoint {
	var m Breakpoint
	for _, x := range b {
		switch {
		case x == nil:
		case len(x.Cond) == 0:
			return *x
		default:
			m.Addr, m.Cond = x.Addr, append(m.Cond, x.Cond...)
		}
	}
	return m
}

// remove carries out a z packet; what is not there is removed already.
func (in *inserted) remove(z zPacket) error {
	if z.typ > 1 {
		return in.removeWatch(z)
	}
	b := in.breaks[z.addr]
	if b == nil || b[z.typ] == nil {
		return nil
	}
	if b[1-z.typ] != nil {
		b[z.typ] = nil
		return in.target.InsertBreakpoint(merge(b))
	}
	delete(in.breaks, z.addr)
	return in.target.RemoveBreakpoint(z.addr)
}

var watchKinds = [5]timeline.WatchKind{2: timeline.WatchWrite, 3: timeline.WatchRead, 4: timeline.WatchAccess}

func (in *inserted) insertWatch(z zPacket) error {
	if z.kind == 0 || z.kind > maxWatch {
		return fmt.Errorf("watchpoint of %d bytes (want 1 to %d)", z.kind, maxWatch)
	}
	whole := Watchpoint{Kind: watchKinds[z.typ], Addr: z.addr, Len: int(z.kind)}
	if _, ok := in.watches[whole]; ok {
		return nil
	}
	var parts []Watchpoint
	for off := 0; off < whole.Len; off += maxWatchChunk {
		w := whole
		w.Addr += uint64(off)
		w.Len = min(maxWatchChunk, whole.Len-off)
		if err := in.target.InsertWatchpoint(w); err != nil {
			for _, p := range parts {
				err = errors.Join(err, in.target.RemoveWatchpoint(p))
			}
			return err
		}
		parts = append(parts, w)
	}
	in.watches[whole] = parts
	return nil
}

func (in *inserted) removeWatch(z zPacket) error {
	if z.kind > maxWatch {
		return nil
	}
	whole := Watchpoint{Kind: watchKinds[z.typ], Addr: z.addr, Len: int(z.kind)}
	var err error
	for _, p := range in.watches[whole] {
		err = errors.Join(err, in.target.RemoveWatchpoint(p))
	}
	delete(in.watches, whole)
	return err
}

// hardwareOnly says whether the only breakpoint at addr is of hardware kind.
func (in *inserted) hardwareOnly(addr uint64) bool {
	b := in.breaks[addr]
	return b != nil && b[0] == nil && b[1] != nil
}

// removeAll takes everything out of the Target, when the peer has gone.
func (in *inserted) removeAll() error {
	var err error
	for addr := range in.breaks {
		err = errors.Join(err, in.target.RemoveBreakpoint(addr))
	}
	for _, parts := range in.watches {
		for _, p := range parts {
			err = errors.Join(err, in.target.RemoveWatchpoint(p))
		}
	}
	clear(in.breaks)
	clear(in.watches)
	return err
}
