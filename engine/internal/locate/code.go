package locate

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"yore/engine/internal/patch"
	"yore/engine/internal/replay"
)

// text describes the code of r, which must not be patched by us.
func (l *Locator) text(r *replay.Runner) (*patch.Text, []patch.Region, error) {
	maps, err := r.Space.Maps()
	if err != nil {
		return nil, nil, err
	}
	out := make([]patch.Region, len(maps))
	for i, m := range maps {
		out[i] = patch.Region{Lo: m.Lo, Hi: m.Hi, Prot: m.Prot, Path: m.Path, Off: m.Off}
		if m.Inode != 0 {
			out[i].ID = fmt.Sprintf("%d:%d:%s", m.Dev, m.Inode, m.Path)
		}
	}
	// The recorder's patches are no part of the program's own code.
	var own []patch.Write
	r.Patched(func(addr uint64, b []byte) { own = append(own, patch.Write{Addr: addr, Data: b}) })
	return patch.NewText(patch.Hide(r.Space, own), out, &l.code), out, nil
}

// newPlan begins a plan for r that keeps off what the recorder has patched, except
// that the arrivals at its stubs can be counted.
func newPlan(r *replay.Runner, text *patch.Text, maps []patch.Region, avoid []uint64) *patch.Plan {
	p := patch.NewPlan(text, append(maps[:len(maps):len(maps)], r.StubRoom()...), avoid)
	foreign := map[uint64]bool{}
	r.Stubs(func(s *replay.Stub, jump [5]byte) {
		var inner []uint64
		for _, in := range s.Inner {
			inner = append(inner, in.At)
		}
		p.Foreign(s.Addr, jump, len(s.Orig), inner)
		foreign[s.Addr] = true
	})
	// Patches that come later in history are in nobody's way: the event that brings
	// one moves what is in its (see rig.apply).
	const longest = 5 // bytes of a jump
	r.Patched(func(addr uint64, b []byte) {
		now := make([]byte, len(b))
		if !foreign[addr] && (r.Space.Read(addr, now) != len(now) || !bytes.Equal(now, b)) {
			p.Protect(addr, addr+uint64(max(longest, len(b))))
		}
	})
	return p
}

// matches evaluates a match for a runner that stands at a point.
func matches(m *patch.Match, r *replay.Runner) bool {
	regs := r.Regs()
	for n, v := range m.Regs {
		if patch.GPR(regs, n) != v {
			return false
		}
	}
	for _, w := range m.Words {
		if v, ok := r.Space.Uint64(w.Addr); !ok || v != w.Value {
			return false
		}
	}
	return true
}

// holds evaluates a condition as a stub does: it is false when its memory cannot
// be read.
func holds(c *patch.Cond, r *replay.Runner) bool {
	for _, t := range c.Terms {
		v, ok := operand(t.Operand, r)
		if !ok {
			return false
		}
		if t.Mask != 0 {
			v &= t.Mask
		}
		a, b := int64(v), int64(t.Value)
		switch t.Op {
		case patch.Eq:
			ok = a == b
		case patch.Ne:
			ok = a != b
		case patch.LtS:
			ok = a < b
		case patch.LeS:
			ok = a <= b
		case patch.GtS:
			ok = a > b
		case patch.GeS:
			ok = a >= b
		case patch.LtU:
			ok = v < t.Value
		case patch.LeU:
			ok = v <= t.Value
		case patch.GtU:
			ok = v > t.Value
		case patch.GeU:
			ok = v >= t.Value
		}
		if !ok {
			return false
		}
	}
	return true
}

func operand(o patch.Operand, r *replay.Runner) (uint64, bool) {
	v := o.Addr
	if o.Reg != patch.NoReg {
		v = patch.GPR(r.Regs(), o.Reg)
	}
	for i, d := range o.Path {
		n := 8
		if i == len(o.Path)-1 {
			n = o.Width
		}
		var b [8]byte
		if r.Space.Read(v+uint64(int64(d)), b[:n]) != n {
			return 0, false
		}
		v = binary.LittleEndian.Uint64(b[:])
	}
	switch s := o.Signed; {
	case o.Width == 1 && s:
		v = uint64(int64(int8(v)))
	case o.Width == 1:
		v = uint64(uint8(v))
	case o.Width == 2 && s:
		v = uint64(int64(int16(v)))
	case o.Width == 2:
		v = uint64(uint16(v))
	case o.Width == 4 && s:
		v = uint64(int64(int32(v)))
	case o.Width == 4:
		v = uint64(uint32(v))
	}
	return v, true
}

// decode returns the program's own instruction at pc.
func decode(r *replay.Runner, pc uint64) (patch.Inst, bool) {
	var b [16]byte
	n := r.Space.Read(pc, b[:])
	r.Own(pc, b[:n])
	in, err := patch.Decode(b[:n], pc)
	return in, err == nil
}
