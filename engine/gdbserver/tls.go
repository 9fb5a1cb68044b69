package gdbserver

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// This file finds thread-local variables (qGetTLSAddr). gdb gives a thread, the
// link map of the module that defines the variable and the offset in the
// module's TLS block. For local programs gdb leaves the rest to libthread_db;
// for remote ones it asks the stub.
//
// Words: the thread pointer is fs_base, at which glibc's struct pthread begins;
// the TLS block of a module loaded at start lies at a fixed distance below it;
// one of a module loaded later is allocated when a thread first touches it and
// is found through the thread's vector (dtv), indexed by module id. The
// layouts of these structures differ between versions of glibc, but glibc
// describes them to libthread_db in variables named _thread_db_*, which libc
// (libpthread before 2.34) exports: this file reads those through the dynamic
// symbol table. Without them (musl, static programs) only the main program's
// block can be found, whose place follows from its program headers.
//
// Everything is read from the debuggee's memory and not trusted: walks are
// bounded.

// tlsReader computes addresses in one thread.
type tlsReader struct {
	read   func(addr uint64, p []byte) (int, error)
	fsBase uint64
	auxv   []byte
}

var errNoTLSBlock = errors.New("the thread has not yet allocated this module's thread-local storage")

// The public head of struct link_map.
const (
	lmAddr = 0
	lmLD   = 16
	lmNext = 24
	lmPrev = 32
)

const maxModules = 10_000

// tlsAddress answers qGetTLSAddr:THREAD,OFFSET,LINKMAP.
func (c *client) tlsAddress(p []byte) []byte {
	s := scanner{rest: p}
	t := s.thread()
	s.want(",")
	offset := s.hex()
	s.want(",")
	lm := s.hex()
	s.end()
	if s.err != nil {
		return c.failure(s.err)
	}
	st, err := c.state(t.tid)
	if err != nil {
		return c.failure(err)
	}
	r := tlsReader{c.target.ReadMemory, st.user.Fs_base, c.target.Auxv()}
	addr, err := r.address(lm, offset)
	if err != nil {
		return c.failure(fmt.Errorf("thread-local variable: %w", err))
	}
	return fmt.Appendf(nil, "%x", addr)
}

// address returns the address of the byte at offset in the TLS block of the
// module whose link map is at lm; lm 0 is the program of a static executable.
func (r *tlsReader) address(lm, offset uint64) (uint64, error) {
	if lm == 0 {
		return r.inProgram(offset)
	}
	first, err := r.firstModule(lm)
	if err != nil {
		return 0, err
	}
	d, err := r.descriptors(first)
	if err != nil {
		if lm == first {
			return r.inProgram(offset)
		}
		return 0, err
	}
	modid, err := d.linkMapModID.get(r, lm)
	if err != nil {
		return 0, err
	}
	if modid == 0 {
		return 0, errors.New("the module has no thread-local storage")
	}
	static, err := d.linkMapOffset.get(r, lm)
	if err != nil {
		return 0, err
	}
	if static != 0 && int64(static) > 0 { // neither unset nor forced dynamic
		return r.fsBase - static + offset, nil
	}
	block, err := r.dynamicBlock(d, modid)
	return block + offset, err
}

// dynamicBlock finds a block through the thread's dtv.
func (r *tlsReader) dynamicBlock(d *descriptors, modid uint64) (uint64, error) {
	dtv, err := d.pthreadDTV.get(r, r.fsBase)
	if err != nil {
		return 0, err
	}
	stride := uint64(d.dtvEntry.bits) / 8
	entry := func(i uint64) uint64 { return dtv + uint64(d.dtvEntry.offset) + i*stride }
	length, err := d.dtvCounter.get(r, entry(0)-stride)
	if err != nil {
		return 0, err
	}
	if modid > length {
		return 0, errNoTLSBlock
	}
	// The entry may be of a module that was unloaded and whose id this one
	// has got: then the thread's generation is older than the module's.
	have, err := d.dtvCounter.get(r, entry(0))
	if err != nil {
		return 0, err
	}
	want, err := r.generation(d, modid)
	if err != nil {
		return 0, err
	}
	if want > have {
		return 0, errNoTLSBlock
	}
	block, err := d.dtvPointer.get(r, entry(modid))
	if err != nil {
		return 0, err
	}
	if block == 0 || block&1 != 0 { // all ones: not allocated
		return 0, errNoTLSBlock
	}
	return block, nil
}

// generation looks a module up in the loader's list of modules with TLS.
func (r *tlsReader) generation(d *descriptors, modid uint64) (uint64, error) {
	list, err := d.slotinfoList.get(r, d.rtldGlobal)
	if err != nil {
		return 0, err
	}
	for range maxModules {
		if list == 0 {
			break
		}
		n, err := d.listLen.get(r, list)
		if err != nil {
			return 0, err
		}
		if modid < n {
			slot := list + uint64(d.listSlots.offset) + modid*uint64(d.listSlots.bits)/8
			return d.slotGen.get(r, slot)
		}
		modid -= n
		if list, err = d.listNext.get(r, list); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("the loader does not know the module's id")
}

// inProgram computes the place of the main program's block from its program
// headers: it ends at the thread pointer, with its own alignment.
func (r *tlsReader) inProgram(offset uint64) (uint64, error) {
	phdr, n := r.auxvEntry(3), r.auxvEntry(5)
	for i := uint64(0); i < min(n, 1000); i++ {
		var ph [56]byte
		if err := r.fill(phdr+56*i, ph[:]); err != nil {
			return 0, err
		}
		le := binary.LittleEndian
		if le.Uint32(ph[:]) != 7 { // PT_TLS
			continue
		}
		vaddr, memsz, align := le.Uint64(ph[16:]), le.Uint64(ph[40:]), max(le.Uint64(ph[48:]), 1)
		if align&(align-1) != 0 {
			return 0, fmt.Errorf("bad alignment %#x of PT_TLS", align)
		}
		first := -vaddr & (align - 1)
		size := (memsz-first+align-1)&^(align-1) + first
		return r.fsBase - size + offset, nil
	}
	return 0, errors.New("the program has no thread-local storage")
}

func (r *tlsReader) auxvEntry(typ uint64) uint64 {
	for a := r.auxv; len(a) >= 16; a = a[16:] {
		if binary.LittleEndian.Uint64(a) == typ {
			return binary.LittleEndian.Uint64(a[8:])
		}
	}
	return 0
}

// firstModule goes from a link map to the head of its list: the program.
func (r *tlsReader) firstModule(lm uint64) (uint64, error) {
	for range maxModules {
		prev, err := r.word(lm + lmPrev)
		if err != nil {
			return 0, err
		}
		if prev == 0 {
			return lm, nil
		}
		lm = prev
	}
	return 0, errors.New("the list of modules has no beginning")
}

// field describes a structure's member, as the _thread_db_* variables do:
// size in bits of one element, number of elements, offset.
type field struct {
	bits, count, offset uint32
}

// get reads the member of the structure at base.
func (f field) get(r *tlsReader, base uint64) (uint64, error) {
	switch f.bits {
	case 32:
		var b [4]byte
		err := r.fill(base+uint64(f.offset), b[:])
		return uint64(binary.LittleEndian.Uint32(b[:])), err
	case 64:
		return r.word(base + uint64(f.offset))
	}
	return 0, fmt.Errorf("glibc describes a member of %d bits", f.bits)
}

// descriptors are the members that matter here.
type descriptors struct {
	linkMapModID, linkMapOffset      field
	pthreadDTV                       field
	dtvEntry, dtvCounter, dtvPointer field
	slotinfoList                     field
	listLen, listNext, listSlots     field
	slotGen                          field
	rtldGlobal                       uint64
}

// descriptors finds and reads glibc's descriptions.
func (r *tlsReader) descriptors(first uint64) (*descriptors, error) {
	var d descriptors
	libc, err := r.moduleWith(first, "_thread_db_link_map_l_tls_modid")
	if err != nil {
		return nil, err
	}
	for _, want := range []struct {
		name string
		to   *field
	}{
		{"link_map_l_tls_modid", &d.linkMapModID},
		{"link_map_l_tls_offset", &d.linkMapOffset},
		{"pthread_dtvp", &d.pthreadDTV},
		{"dtv_dtv", &d.dtvEntry},
		{"dtv_t_counter", &d.dtvCounter},
		{"dtv_t_pointer_val", &d.dtvPointer},
		{"rtld_global__dl_tls_dtv_slotinfo_list", &d.slotinfoList},
		{"dtv_slotinfo_list_len", &d.listLen},
		{"dtv_slotinfo_list_next", &d.listNext},
		{"dtv_slotinfo_list_slotinfo", &d.listSlots},
		{"dtv_slotinfo_gen", &d.slotGen},
	} {
		addr, err := libc.lookup(r, "_thread_db_"+want.name)
		if err != nil {
			return nil, err
		}
		var b [12]byte
		if err := r.fill(addr, b[:]); err != nil {
			return nil, err
		}
		le := binary.LittleEndian
		*want.to = field{le.Uint32(b[:]), le.Uint32(b[4:]), le.Uint32(b[8:])}
	}
	if d.dtvEntry.bits < 64 || d.dtvEntry.bits > 1024 || d.listSlots.bits < 64 || d.listSlots.bits > 1024 {
		return nil, errors.New("glibc's descriptions make no sense")
	}
	loader, err := r.moduleWith(first, "_rtld_global")
	if err != nil {
		return nil, err
	}
	d.rtldGlobal, err = loader.lookup(r, "_rtld_global")
	return &d, err
}

// moduleWith finds the first module of the list that exports a symbol.
func (r *tlsReader) moduleWith(lm uint64, symbol string) (*module, error) {
	for range maxModules {
		if lm == 0 {
			break
		}
		if m, err := r.module(lm); err == nil {
			if _, err := m.lookup(r, symbol); err == nil {
				return m, nil
			}
		}
		next, err := r.word(lm + lmNext)
		if err != nil {
			return nil, err
		}
		lm = next
	}
	return nil, fmt.Errorf("no module exports %s: not glibc?", symbol)
}

// module is where a loaded module keeps its dynamic symbols.
type module struct {
	base, symtab, strtab, gnuHash uint64
}

// module reads a dynamic section.
func (r *tlsReader) module(lm uint64) (*module, error) {
	base, err := r.word(lm + lmAddr)
	if err != nil {
		return nil, err
	}
	ld, err := r.word(lm + lmLD)
	if err != nil {
		return nil, err
	}
	m := &module{base: base}
	for i := uint64(0); i < 500; i++ {
		tag, err := r.word(ld + 16*i)
		if err != nil {
			return nil, err
		}
		val, err := r.word(ld + 16*i + 8)
		if err != nil {
			return nil, err
		}
		if val < base { // the loader relocates these in place, but not always
			val += base
		}
		switch tag {
		case 0: // DT_NULL
			if m.symtab == 0 || m.strtab == 0 || m.gnuHash == 0 {
				return nil, errors.New("no symbol table")
			}
			return m, nil
		case 5: // DT_STRTAB
			m.strtab = val
		case 6: // DT_SYMTAB
			m.symtab = val
		case 0x6ffffef5: // DT_GNU_HASH
			m.gnuHash = val
		}
	}
	return nil, errors.New("the dynamic section does not end")
}

var errNoSymbol = errors.New("no such symbol")

// lookup finds a defined dynamic symbol by the GNU hash table: a header of four
// words (buckets, first hashed symbol, Bloom words, shift), the Bloom filter,
// the buckets, and for each hashed symbol its hash, the lowest bit marking the
// end of a chain.
func (m *module) lookup(r *tlsReader, name string) (uint64, error) {
	h := uint32(5381)
	for _, c := range []byte(name) {
		h = h*33 + uint32(c)
	}
	var head [16]byte
	if err := r.fill(m.gnuHash, head[:]); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	nbuckets, symoffset, bloom := le.Uint32(head[:]), le.Uint32(head[4:]), le.Uint32(head[8:])
	if nbuckets == 0 {
		return 0, errNoSymbol
	}
	buckets := m.gnuHash + 16 + 8*uint64(bloom)
	chains := buckets + 4*uint64(nbuckets)
	i, err := r.half(buckets + 4*uint64(h%nbuckets))
	if err != nil || i < symoffset {
		return 0, errNoSymbol
	}
	for range 100_000 {
		ch, err := r.half(chains + 4*uint64(i-symoffset))
		if err != nil {
			return 0, err
		}
		if ch|1 == h|1 {
			var sym [24]byte
			if err := r.fill(m.symtab+24*uint64(i), sym[:]); err != nil {
				return 0, err
			}
			got := make([]byte, len(name)+1)
			if err := r.fill(m.strtab+uint64(le.Uint32(sym[:])), got); err != nil {
				return 0, err
			}
			if string(got) == name+"\x00" && le.Uint16(sym[6:]) != 0 {
				return m.base + le.Uint64(sym[8:]), nil
			}
		}
		if ch&1 != 0 {
			break
		}
		i++
	}
	return 0, errNoSymbol
}

// fill reads all of p.
func (r *tlsReader) fill(addr uint64, p []byte) error {
	n, err := r.read(addr, p)
	if n == len(p) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("no memory at %#x", addr)
	}
	return err
}

func (r *tlsReader) word(addr uint64) (uint64, error) {
	var b [8]byte
	err := r.fill(addr, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func (r *tlsReader) half(addr uint64) (uint32, error) {
	var b [4]byte
	err := r.fill(addr, b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}
