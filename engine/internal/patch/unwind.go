package patch

import "sort"

// Unwinding by call frame information (DWARF 5, section 6.4): from the registers of a
// function to those of its caller. Expressions, which only special frames have, are not
// evaluated: the way up ends there.

// Registers are the general registers in DWARF's order for x86-64: rax rdx rcx rbx rsi
// rdi rbp rsp r8…r15, and the return address.
type Registers [17]uint64

const (
	dwarfBP, dwarfSP, dwarfRA = 6, 7, 16
	maxFDE                    = 1 << 16
)

// Caller replaces x, the registers in a function at the return address's place x[16],
// by those of its caller, as far as they are saved. first says that x is not itself a
// caller's. ok is false where the way up ends or is not known.
func (t *Text) Caller(x *Registers, first bool) (ok bool) {
	pc := x[dwarfRA]
	if !first {
		pc-- // the call, which may be its function's last instruction
	}
	if a := t.area(pc); a != nil {
		if m := t.module(a); m != nil {
			m.mu.Lock()
			u, found := m.unwindRow(pc - a.bias)
			m.mu.Unlock()
			if found {
				return u.apply(t, x)
			}
		}
	}
	// Code without that information, Go's, keeps frame pointers.
	bp := x[dwarfBP]
	ret, ok := t.word(bp + 8)
	old, ok2 := t.word(bp)
	if !ok || !ok2 || bp < x[dwarfSP] || t.area(ret) == nil {
		return false
	}
	x[dwarfRA], x[dwarfBP], x[dwarfSP] = ret, old, bp+16
	return true
}

func (t *Text) word(addr uint64) (uint64, bool) {
	var b [8]byte
	n := t.mem.Read(addr, b[:])
	return le.Uint64(b[:]), n == len(b)
}

// unwound is a row of a function's table: where its caller's registers are.
type unwound struct {
	cfaReg uint64
	cfaOff int64
	at     map[uint64]int64 // saved registers, from the CFA
	lost   map[uint64]bool
	bad    bool // needs more than is understood here
}

func (u *unwound) apply(t *Text, x *Registers) bool {
	if u.bad || u.cfaReg >= dwarfRA || u.lost[dwarfRA] {
		return false
	}
	cfa := x[u.cfaReg] + uint64(u.cfaOff)
	if cfa <= x[dwarfSP] && u.cfaReg != dwarfSP {
		return false
	}
	if _, ok := u.at[dwarfRA]; !ok {
		return false
	}
	old := *x
	for reg, off := range u.at {
		v, ok := t.word(cfa + uint64(off))
		if !ok || reg > dwarfRA {
			*x = old
			return false
		}
		x[reg] = v
	}
	x[dwarfSP] = cfa
	return x[dwarfRA] != 0
}

// unwindRow returns the row for address v. The module's lock is held.
func (m *Module) unwindRow(v uint64) (u unwound, found bool) {
	f := m.frameTab()
	if f.tab == nil {
		return u, false
	}
	i := sort.Search(len(f.tab)/8, func(i int) bool { return f.start(i) > v }) - 1
	if i < 0 {
		return u, false
	}
	at := f.base + uint64(int64(int32(le.Uint32(f.tab[i*8+4:]))))
	b := m.read(at, maxFDE)
	var c cie
	s, next, ok := m.fde(b, at, &c)
	if !ok || c.signal || v < s.lo || v >= s.hi || next-at > uint64(len(b)) || c.enc&0x70 > peDataRel {
		return u, ok && c.signal
	}
	h := m.read(c.at, maxFDE)
	r := program{b: h, p: 4}
	if len(h) < 12 || le.Uint32(h) == 0xffffffff || le.Uint32(b) == 0xffffffff {
		return u, false
	}
	r.b = h[:min(uint64(len(h)), 4+uint64(le.Uint32(h)))]
	version := r.skip(4).byte()
	aug := r.text()
	code, data := r.uleb(), r.sleb()
	ra := uint64(r.byte())
	if version != 1 || ra != dwarfRA || aug != "" && aug[0] != 'z' {
		return u, false
	}
	if aug != "" {
		r.skip(r.uleb())
	}
	u = unwound{at: map[uint64]int64{}, lost: map[uint64]bool{}}
	r.code, r.data, r.until = code, data, ^uint64(0)
	r.run(&u, nil)
	first := u.clone()
	d := program{b: b[:next-at], p: 8, pc: s.lo, until: v, code: code, data: data}
	_, n1, _ := encoded(d.b[min(8, len(d.b)):], c.enc, 0, 0)
	d.skip(uint64(n1))
	_, n2, _ := encoded(d.b[min(d.p, len(d.b)):], c.enc&0x0f, 0, 0)
	d.skip(uint64(n2))
	if aug != "" {
		d.skip(d.uleb())
	}
	d.run(&u, &first)
	u.bad = u.bad || r.bad || d.bad
	return u, true
}

func (u *unwound) clone() unwound {
	c := *u
	c.at, c.lost = map[uint64]int64{}, map[uint64]bool{}
	for k, v := range u.at {
		c.at[k] = v
	}
	for k, v := range u.lost {
		c.lost[k] = v
	}
	return c
}

// program reads and executes call frame instructions. Reading beyond the end sets bad.
type program struct {
	b         []byte
	p         int
	pc, until uint64
	code      uint64 // alignment factors
	data      int64
	bad       bool
}

func (r *program) byte() byte {
	if r.p >= len(r.b) {
		r.bad = true
		return 0
	}
	r.p++
	return r.b[r.p-1]
}

func (r *program) skip(n uint64) *program {
	if n > uint64(len(r.b)-min(r.p, len(r.b))) {
		r.bad, n = true, 0
	}
	r.p += int(n)
	return r
}

func (r *program) text() string {
	from := r.p
	for r.byte() != 0 && !r.bad {
	}
	return string(r.b[from:max(from, r.p-1)])
}

func (r *program) uleb() (v uint64) {
	for shift := 0; ; shift += 7 {
		c := r.byte()
		if shift < 64 {
			v |= uint64(c&0x7f) << shift
		}
		if c < 0x80 {
			return v
		}
	}
}

func (r *program) sleb() (v int64) {
	for shift := 0; ; {
		c := r.byte()
		if shift < 64 {
			v |= int64(c&0x7f) << shift
		}
		if shift += 7; c < 0x80 {
			if shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

func (r *program) uint(n int) (v uint64) {
	for i := range n {
		v |= uint64(r.byte()) << (8 * i)
	}
	return v
}

// run executes the instructions up to the row of address until. first is what restore
// goes back to.
func (r *program) run(u, first *unwound) {
	var kept []unwound
	set := func(reg uint64, off int64) {
		u.at[reg] = off
		delete(u.lost, reg)
	}
	restore := func(reg uint64) {
		delete(u.at, reg)
		delete(u.lost, reg)
		if first == nil {
			return
		}
		if off, ok := first.at[reg]; ok {
			u.at[reg] = off
		}
	}
	for r.p < len(r.b) && r.pc <= r.until && !r.bad && !u.bad {
		op := r.byte()
		low := uint64(op & 0x3f)
		ahead := uint64(0)
		switch op & 0xc0 {
		case 0x40: // advance_loc
			ahead = low
		case 0x80: // offset
			set(low, int64(r.uleb())*r.data)
		case 0xc0:
			restore(low)
		default:
			switch op {
			case 0x00: // nop
			case 0x02, 0x03, 0x04: // advance_loc1, 2, 4
				ahead = r.uint(1 << (op - 2))
			case 0x05: // offset_extended
				reg := r.uleb()
				set(reg, int64(r.uleb())*r.data)
			case 0x06:
				restore(r.uleb())
			case 0x07: // undefined
				reg := r.uleb()
				delete(u.at, reg)
				u.lost[reg] = true
			case 0x08: // same_value
				delete(u.at, r.uleb())
			case 0x0a: // remember_state
				if kept = append(kept, u.clone()); len(kept) > 64 {
					r.bad = true
				}
			case 0x0b: // restore_state
				if len(kept) == 0 {
					r.bad = true
					break
				}
				*u, kept = kept[len(kept)-1], kept[:len(kept)-1]
			case 0x0c: // def_cfa
				u.cfaReg, u.cfaOff = r.uleb(), int64(r.uleb())
			case 0x0d: // def_cfa_register
				u.cfaReg = r.uleb()
			case 0x0e: // def_cfa_offset
				u.cfaOff = int64(r.uleb())
			case 0x11: // offset_extended_sf
				reg := r.uleb()
				set(reg, r.sleb()*r.data)
			case 0x12: // def_cfa_sf
				u.cfaReg, u.cfaOff = r.uleb(), r.sleb()*r.data
			case 0x13: // def_cfa_offset_sf
				u.cfaOff = r.sleb() * r.data
			case 0x2e: // GNU_args_size
				r.uleb()
			default: // an expression, or unknown
				u.bad = true
			}
		}
		if r.pc += ahead * r.code; r.pc > r.until {
			return
		}
	}
}

// Symbol returns the name of the symbol that covers pc, or "", how far behind its start
// pc lies, and the file.
func (t *Text) Symbol(pc uint64) (name string, off uint64, file string) {
	a := t.area(pc)
	if a == nil {
		return "", 0, ""
	}
	m := t.module(a)
	if m == nil {
		return "", 0, a.Path
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v := pc - a.bias
	ss := m.secs()
	for _, s := range ss {
		if s.typ != 2 && s.typ != 11 || uint64(s.link) >= uint64(len(ss)) {
			continue
		}
		b, err := m.at(s.off, s.size-s.size%24)
		if err != nil {
			continue
		}
		best, at := uint64(0), -1
		for i := 0; i < len(b); i += 24 {
			lo, n := le.Uint64(b[i+8:]), le.Uint64(b[i+16:])
			if typ := b[i+4] & 15; (typ == 2 || typ == 10) && le.Uint16(b[i+6:]) != 0 && lo <= v && v-lo < max(n, 1) && (at < 0 || lo > best) {
				best, at = lo, i
			}
		}
		if at < 0 {
			continue
		}
		str := ss[s.link]
		if where := uint64(le.Uint32(b[at:])); where < str.size {
			n, err := m.at(str.off+where, min(str.size-where, 512))
			if err == nil {
				r := program{b: append(n, 0)}
				return r.text(), v - best, a.Path
			}
		}
	}
	return "", 0, a.Path
}
