package patch

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sys/unix"
)

// ErrUnpatchable means that no stub can be put at an address safely.
var ErrUnpatchable = errors.New("cannot be patched")

// Plan is a set of stubs for one process, or for all of its forks. Building a
// plan reads the program's memory and writes nothing; Maps, Writes and Undo say
// what to do to a process. The same inputs in the same order give the same
// plan. A Plan is not safe for concurrent use.
type Plan struct {
	text     *Text
	mem      Reader
	avoid    []uint64
	space    *space
	data     *dataArea
	pools    pools
	tramps   tramps
	stubs    []*Stub
	byAddr   map[uint64]*Stub
	used     []span // bytes of text that belong to stubs, sorted
	patches  []Write
	orig     []Write
	interior map[uint64]inner
	byBase   []*Stub // sorted by base, rebuilt on demand
	recent   *function
	foreign  map[uint64]foreign
}

// inner is an instruction boundary inside a window.
type inner struct {
	stub *Stub
	n    int
	op   byte // the faulting opcode that lies there
}

// NewPlan starts a plan. occupied are the mappings that exist now or may come
// to exist while the stubs are in place; avoid are the addresses at which
// threads are stopped.
func NewPlan(text *Text, occupied []Region, avoid []uint64) *Plan {
	s := newSpace(occupied)
	p := &Plan{text: text, mem: text.mem, avoid: avoid, space: s, byAddr: map[uint64]*Stub{}, interior: map[uint64]inner{}}
	p.data = newDataArea(s)
	p.pools.space, p.tramps.space = s, s
	return p
}

// Protect keeps stubs of this plan off the text in [lo, hi), for example
// where a breakpoint or a stub of another plan lies.
func (p *Plan) Protect(lo, hi uint64) {
	if lo < hi {
		p.use(span{lo, hi})
	}
}

func (p *Plan) use(s span) {
	n := sort.Search(len(p.used), func(i int) bool { return p.used[i].lo >= s.lo })
	p.used = slices.Insert(p.used, n, s)
	// Keep the ends sorted too: join what overlaps (protected ranges may).
	for n > 0 && p.used[n-1].hi >= p.used[n].lo {
		p.used[n-1].hi = max(p.used[n-1].hi, p.used[n].hi)
		p.used = slices.Delete(p.used, n, n+1)
		n--
	}
	for n+1 < len(p.used) && p.used[n].hi >= p.used[n+1].lo {
		p.used[n].hi = max(p.used[n].hi, p.used[n+1].hi)
		p.used = slices.Delete(p.used, n+1, n+2)
	}
}

// NewGroup makes a counter that stubs can share. It stops the program when its
// count is not below limit.
func (p *Plan) NewGroup(limit uint64) (*Group, error) {
	if p.data == nil {
		return nil, fmt.Errorf("%w: no room below 2 GB", ErrUnpatchable)
	}
	off, err := p.data.take(16)
	if err != nil {
		return nil, err
	}
	p.data.put(off+8, limit)
	return &Group{CounterAddr: p.data.base + off, LimitAddr: p.data.base + off + 8, off: off}, nil
}

// Add plans a stub at addr, which must be the address of an instruction: one that
// a thread was seen at, or one of a block of Text.Blocks. The error is
// ErrUnpatchable when addr cannot have a stub; the plan is then unchanged.
func (p *Plan) Add(addr uint64, spec Spec) (*Stub, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if p.data == nil {
		return nil, unpatchable(addr, "no room below 2 GB")
	}
	ws, err := p.windows(addr)
	if err != nil {
		return nil, err
	}
	for _, w := range ws {
		if s, err := p.add(addr, spec, w); err == nil {
			return s, nil
		} else if !errors.Is(err, ErrUnpatchable) {
			return nil, err
		}
	}
	return nil, unpatchable(addr, "no trampoline in reach")
}

// AddNear plans a stub at the first address that can have one, from addr to the
// end of its basic block. steps is the number of instructions between.
func (p *Plan) AddNear(addr uint64, spec Spec) (s *Stub, steps int, err error) {
	for ; ; steps++ {
		s, e := p.Add(addr, spec)
		if e == nil {
			return s, steps, nil
		}
		if err == nil {
			err = e
		}
		if !errors.Is(e, ErrUnpatchable) {
			return nil, 0, e
		}
		i, e := p.inst(addr)
		if e != nil || i.Kind != Normal {
			return nil, 0, err
		}
		addr = i.Next()
		if f := p.functionOf(addr); f != nil && f.targeted(addr) {
			return nil, 0, err
		}
	}
}

// Patchable reports whether Add at addr would succeed.
func (p *Plan) Patchable(addr uint64) bool {
	if p.data == nil {
		return false
	}
	ws, err := p.windows(addr)
	if err != nil {
		return false
	}
	for k := range ws {
		if _, po, _ := p.room(addr, &ws[k]); po != nil {
			return true
		}
	}
	return false
}

// room finds where the stub of a window can be, and the trampoline to it, 0 when it
// needs none. The error, ErrUnpatchable, says what there is none of.
func (p *Plan) room(addr uint64, w *window) (tramp uint64, po *pool, err error) {
	if !w.direct {
		var ok bool
		if tramp, ok = p.tramps.find(addr+5, &w.cons); !ok {
			return 0, nil, unpatchable(addr, "no trampoline in reach")
		}
	}
	if po = p.pools.near(addr, tramp, maxStub); po == nil {
		return 0, nil, unpatchable(addr, "no room in reach")
	}
	return tramp, po, nil
}

func (p *Plan) inst(addr uint64) (Inst, error) {
	var b [15]byte
	return Decode(b[:p.mem.Read(addr, b[:])], addr)
}

// maxStub bounds the size of a stub's code.
const maxStub = 1024

// add builds the stub of a window.
func (p *Plan) add(addr uint64, spec Spec, w window) (*Stub, error) {
	tramp, po, err := p.room(addr, &w)
	if err != nil {
		return nil, err
	}
	s := &Stub{ID: len(p.stubs), Addr: addr, Spec: spec, win: w, tramp: tramp}
	mark := p.data.used
	if s.entry, err = p.data.take(16); err != nil {
		return nil, err
	}
	s.CounterAddr, s.LimitAddr = p.data.base+s.entry, p.data.base+s.entry+8
	limit := uint64(never)
	if spec.Limited {
		limit = spec.Limit
	}
	p.data.put(s.entry+8, limit)
	s.base = po.place()
	a := &asm{base: s.base, data: p.data.base}
	err = s.emit(a, p.data)
	if err == nil && (a.far || len(a.b) > maxStub) {
		err = unpatchable(addr, "an operand is out of reach")
	}
	jump, ok := jumpTo(addr, s.base)
	if s.tramp != 0 {
		_, reaches := jumpTo(s.tramp, s.base)
		jump, ok = jumpTo(addr, s.tramp)
		ok = ok && reaches
	}
	if err == nil && !ok {
		err = unpatchable(addr, "stub out of reach")
	}
	if err != nil {
		p.data.buf, p.data.used = p.data.buf[:mark], mark
		return nil, err
	}
	p.pools.take(po)
	po.put(a.b)
	if s.tramp != 0 {
		p.tramps.put(s.tramp, s.base)
	}
	n := min(5, w.n)
	old := make([]byte, n)
	if f, ok := p.foreign[addr]; ok {
		copy(old, f.jump[:])
	} else if p.mem.Read(addr, old) != n {
		panic("patch: text vanished while planning")
	}
	p.patches = append(p.patches, Write{addr, jump[:n]})
	p.orig = append(p.orig, Write{addr, old})
	lo, hi := s.Bytes()
	p.use(span{lo, hi})
	for k := 1; k < len(w.insts); k++ {
		at := w.insts[k].PC
		p.interior[at] = inner{s, k, jump[at-addr]}
		if !isFaulting[jump[at-addr]] {
			panic("patch: boundary inside a window is not protected")
		}
	}
	p.stubs = append(p.stubs, s)
	p.byAddr[addr] = s
	p.byBase = nil
	return s, nil
}

// jumpTo encodes a jump at from to target.
func jumpTo(from, target uint64) ([]byte, bool) {
	d := int64(target - from - 5)
	return le.AppendUint32([]byte{0xe9}, uint32(int32(d))), d == int64(int32(d))
}

// Data returns where the plan's data begin: rax as a stub saved it, and 8
// behind the flags (ah: SF ZF AF PF CF, al: OF).
func (p *Plan) Data() uint64 { return p.data.base }

// Stubs returns the plan's stubs; the index is the ID.
func (p *Plan) Stubs() []*Stub { return p.stubs }

// At returns the stub at addr.
func (p *Plan) At(addr uint64) *Stub { return p.byAddr[addr] }

// Covers reports whether the byte of text at addr belongs to a stub or is
// protected: nobody else may write there while the plan is in place.
func (p *Plan) Covers(addr uint64) bool { return p.taken(addr, addr+1) }

// Maps returns the anonymous private mappings that the plan needs, in address
// order, with their protection. Stub code is written by the tracer only.
func (p *Plan) Maps() []Region {
	if len(p.stubs) == 0 {
		return nil
	}
	out := []Region{{Lo: p.data.base, Hi: p.data.base + (p.data.used+pageSize-1)&^(pageSize-1),
		Prot: unix.PROT_READ | unix.PROT_WRITE}}
	for _, x := range p.pools.all {
		if len(x.buf) > 0 {
			out = append(out, x.region())
		}
	}
	out = append(out, p.tramps.regions()...)
	slices.SortFunc(out, func(a, b Region) int { return cmpU64(a.Lo, b.Lo) })
	return out
}

// Reserved returns all address ranges that the plan may come to use as it is
// now, for the occupied regions of another plan.
func (p *Plan) Reserved() []Region {
	var out []Region
	if p.data != nil {
		out = append(out, Region{Lo: p.data.base, Hi: p.data.base + dataSize})
	}
	for _, x := range p.pools.all {
		out = append(out, Region{Lo: x.base, Hi: x.base + poolSize})
	}
	return append(out, p.tramps.regions()...)
}

// Writes returns what is to be written once Maps exist, in order: data, stubs,
// trampolines, and the text last.
func (p *Plan) Writes() []Write {
	if len(p.stubs) == 0 {
		return nil
	}
	out := []Write{{p.data.base, slices.Clone(p.data.buf)}}
	for _, x := range p.pools.all {
		if len(x.buf) > 0 {
			out = append(out, Write{x.base, slices.Clone(x.buf)})
		}
	}
	p.tramps.opened(func(t *trampPage) {
		// From the first used byte to the last.
		lo, hi := 0, pageSize
		for t.used[lo/8]>>(lo%8)&1 == 0 {
			lo++
		}
		for t.used[(hi-1)/8]>>((hi-1)%8)&1 == 0 {
			hi--
		}
		out = append(out, Write{t.base + uint64(lo), slices.Clone(t.buf[lo:hi])})
	})
	return append(out, p.Text()...)
}

// Text returns only the patches of the text, to put stubs back in place whose
// code and data are still there.
func (p *Plan) Text() []Write { return slices.Clone(p.patches) }

// Undo returns the original bytes of the text. The maps may go once no thread
// is in a stub.
func (p *Plan) Undo() []Write { return slices.Clone(p.orig) }

// Ring reads the ids that the ring holds, newest first, and how many were ever
// appended.
func (p *Plan) Ring(r Reader) (ids []int, appended uint64, err error) {
	appended, err = readWord(r, p.data.base+offSeq)
	if err != nil {
		return nil, 0, err
	}
	var b [4 * RingSize]byte
	if r.Read(p.data.base+offRing, b[:]) != len(b) {
		return nil, 0, fmt.Errorf("the ring cannot be read")
	}
	for k := uint64(1); k <= min(appended, RingSize-1); k++ {
		ids = append(ids, int(le.Uint32(b[(appended-k)%RingSize*4:])))
	}
	return ids, appended, nil
}
