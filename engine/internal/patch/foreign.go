package patch

// Foreign jumps. Another plan's stub may be in the program already: five bytes
// that jump to code of its own. The arrivals at its address can be counted all the
// same, by a stub whose one relocated instruction is that jump.

// Foreign declares that the five bytes at addr are the jump of a stub of another
// plan, which stays in place below those of this one. The first own of them belong
// to the jump alone, the rest are the program's next instructions too (a pun).
// inner are the instruction boundaries that it covers: the bytes there go on to
// fault.
func (p *Plan) Foreign(addr uint64, jump [5]byte, own int, inner []uint64) {
	if p.foreign == nil {
		p.foreign = map[uint64]foreign{}
	}
	p.foreign[addr] = foreign{jump, own, inner}
	p.Protect(addr, addr+5)
}

type foreign struct {
	jump  [5]byte
	own   int
	inner []uint64
}

// window is the patch of the foreign jump at addr.
func (f foreign) window(addr uint64) (window, error) {
	i, err := Decode(f.jump[:], addr)
	if err != nil || i.Kind != Jmp {
		return window{}, unpatchable(addr, "the stub there is no jump")
	}
	w := window{insts: []Inst{i}, n: 5, direct: len(f.inner) == 0 && f.own >= 5}
	for _, at := range f.inner {
		if o := at - addr; o > 0 && o < 5 {
			w.cons[o-1] = faulting
		}
	}
	for b := max(f.own, 1); b < 5; b++ {
		w.cons[b-1] = f.jump[b : b+1 : b+1]
	}
	return w, nil
}
