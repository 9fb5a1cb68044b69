package syscalls

import (
	"cmp"
	"slices"
	"sort"
)

// While a call waits, the kernel may write its outputs at any moment, in the
// middle of another thread's slice. Redirect exchanges the call's output memory
// for scratch memory, structures with pointers included, so that the bytes can
// be moved to their place when the call is over and is logged:
//
//  1. at entry: Redirect; write Init to the scratch memory, put Args into the
//     registers, let the call go on;
//  2. at exit: Outputs; copy each Move from Tmp to Addr, log it as written at
//     Addr, restore the argument registers.
//
// A Redirection holds for one execution of the call. When it ends with a
// restart code and the kernel will run it again from the registers, it is
// redirected anew; when it goes on as restart_syscall (ERESTART_RESTARTBLOCK),
// the kernel has kept the scratch addresses, and so must the recorder keep the
// Redirection.
type Redirection struct {
	// Args are the arguments to give to the kernel.
	Args Args
	// Init is what the kernel must find in the scratch memory.
	Init []Patch

	row     *Row
	regions []region // in order of addr and of tmp
}

// Patch is memory to be written.
type Patch struct {
	Addr uint64
	Data []byte
}

// Move says that Len bytes which the kernel wrote at Tmp belong at Addr. They
// are equal for an output that was not redirected.
type Move struct{ Tmp, Addr, Len uint64 }

// A region is program memory with a stand-in in scratch memory.
type region struct {
	addr, tmp, n uint64
	init         []byte // what the stand-in held at entry, nil when nothing
}

// Redirect plans the exchange for a call at its entry. scratch is the thread's
// free scratch memory. d is nil when the call has no outputs that could be
// redirected, or unreadable ones, whose error the kernel is to find; need is
// then how much scratch memory it would have taken, 0 when that is not why.
func (r *Row) Redirect(a Args, m Mem, scratch Range) (d *Redirection, need uint64) {
	if r.Class != Emulated || r.inPlace {
		return nil, 0
	}
	if _, _, ok := r.Answer(a); ok {
		return nil, 0
	}
	c := ctx{a: a, m: m, declared: true, walk: true}
	if !r.eval(&c) || len(c.out) == 0 || c.overwritten() {
		return nil, 0
	}
	d = &Redirection{Args: a, row: r, regions: c.layout(scratch.Addr)}
	for _, g := range d.regions {
		need = max(need, g.tmp+g.n-scratch.Addr)
	}
	if need > scratch.Len {
		return nil, need
	}
	if !d.fill(&c) {
		return nil, 0
	}
	return d, 0
}

// layout unites all outputs and structures into regions that do not overlap,
// and gives each its place from tmp on, equally aligned.
func (c *ctx) layout(tmp uint64) []region {
	var rs []Range
	for _, p := range c.out {
		rs = append(rs, p.Range)
	}
	rs = append(append(rs, c.structs...), c.reads...)
	slices.SortFunc(rs, func(x, y Range) int { return cmp.Compare(x.Addr, y.Addr) })
	var gs []region
	for _, r := range rs {
		if k := len(gs) - 1; k >= 0 && r.Addr < gs[k].addr+gs[k].n {
			gs[k].n = max(gs[k].n, r.Addr+r.Len-gs[k].addr)
			continue
		}
		gs = append(gs, region{addr: r.Addr, n: r.Len})
	}
	for i := range gs {
		align := uint64(64)
		if gs[i].addr%512 == 0 {
			align = 512 // direct reads insist on it
		}
		gs[i].tmp = tmp + (gs[i].addr-tmp)%align
		tmp = gs[i].tmp + gs[i].n
	}
	return gs
}

// fill makes Init, with pointers into the program's memory turned into pointers
// to the stand-ins, and translates the arguments. It fails when a region cannot
// be read whole.
func (d *Redirection) fill(c *ctx) bool {
	// Which stand-ins must hold what the program has there.
	needed := make([]bool, len(d.regions))
	need := func(r Range) {
		if g := d.find(r.Addr, false); g >= 0 {
			needed[g] = true
		}
	}
	for _, r := range c.structs {
		need(r)
	}
	for _, r := range c.reads {
		need(r)
	}
	for _, p := range c.out {
		if p.in || p.soft {
			need(p.Range)
		}
	}
	named := make([]bool, len(d.regions))
	for i, kind := range d.row.kinds() {
		if kind != "ptr" && kind != "buf" && kind != "path" && kind != "str" {
			continue
		}
		if g := d.find(c.a[i], false); g >= 0 {
			d.Args[i] = d.regions[g].tmp + c.a[i] - d.regions[g].addr
			// An input inside an output, or at its very address: nanosleep(t, t).
			if named[g] || !slices.ContainsFunc(c.out, func(p piece) bool { return p.Addr == c.a[i] }) {
				needed[g] = true
			}
			named[g] = true
		}
	}
	for i := range d.regions {
		g := &d.regions[i]
		b := make([]byte, g.n)
		if !c.read(g.addr, b) {
			return false
		}
		if needed[i] {
			g.init = b
			d.Init = append(d.Init, Patch{g.tmp, b})
		}
	}
	for _, p := range c.ptrs {
		i := d.find(p, false)
		if i < 0 || p-d.regions[i].addr+8 > d.regions[i].n {
			continue
		}
		at := d.regions[i].init[p-d.regions[i].addr:]
		v := le.Uint64(at)
		if to := d.find(v, false); to >= 0 {
			le.PutUint64(at, d.regions[to].tmp+v-d.regions[to].addr)
		}
	}
	return true
}

// find returns the index of the region that addr lies in: program memory, or
// with tmp scratch memory; -1 for none.
func (d *Redirection) find(addr uint64, tmp bool) int {
	i := sort.Search(len(d.regions), func(i int) bool { return d.regions[i].start(tmp)+d.regions[i].n > addr })
	if i == len(d.regions) || addr < d.regions[i].start(tmp) {
		return -1
	}
	return i
}

func (g *region) start(tmp bool) uint64 {
	if tmp {
		return g.tmp
	}
	return g.addr
}

// Outputs returns what the kernel wrote, given the call's result (see
// Row.Outputs) and memory as it left it. Outputs that are clipped to what the
// caller declared at entry, and that the kernel may have written only in part,
// are given by the bytes that have changed.
func (d *Redirection) Outputs(ret int64, m Mem) []Move {
	c := ctx{a: d.Args, ret: ret, m: m, precise: true}
	d.row.eval(&c)
	var ms []Move
	for _, p := range c.out {
		i := d.find(p.Addr, true)
		if i < 0 {
			ms = append(ms, Move{p.Addr, p.Addr, p.Len})
			continue
		}
		g := &d.regions[i]
		off := p.Addr - g.tmp
		n := min(p.Len, g.n-off)
		if !p.soft {
			ms = append(ms, Move{p.Addr, g.addr + off, n})
			continue
		}
		if g.init == nil {
			continue // the kernel had nothing to say: the call failed
		}
		now := make([]byte, n)
		k, _ := m.Read(p.Addr, now)
		was := g.init[off:]
		for i := 0; i < k; i++ {
			if now[i] == was[i] {
				continue
			}
			j := i
			for j < k && now[j] != was[j] {
				j++
			}
			ms = append(ms, Move{p.Addr + uint64(i), g.addr + off + uint64(i), uint64(j - i)})
			i = j
		}
	}
	return ms
}
