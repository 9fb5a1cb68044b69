package delve

import "fmt"

// memory reads whole pages and keeps them until the program moves or is written
// to: Delve reads a structure field by field, and each read of the engine is a
// message to another thread.
type memory struct {
	prog  Program
	pages map[uint64][]byte
	// reads, when set, notes what is read: address → length.
	reads map[uint64]int
}

const pageSize = 4096

// mostPages bounds what is kept, 64 MB.
const mostPages = 16 << 10

func (m *memory) forget() { m.pages = nil }

// page returns the page at addr, shorter than a page where not all of it can be
// read.
func (m *memory) page(addr uint64) ([]byte, error) {
	if b, ok := m.pages[addr]; ok {
		return b, nil
	}
	b := make([]byte, pageSize)
	n, err := m.prog.ReadMemory(addr, b)
	if err != nil {
		return nil, err
	}
	if m.pages == nil || len(m.pages) >= mostPages {
		m.pages = map[uint64][]byte{}
	}
	m.pages[addr] = b[:n]
	return b[:n], nil
}

// read fills p from addr on, or fails.
func (m *memory) read(p []byte, addr uint64) (int, error) {
	n, err := m.fill(p, addr)
	if m.reads != nil && err == nil {
		m.reads[addr] = max(m.reads[addr], n)
	}
	return n, err
}

func (m *memory) fill(p []byte, addr uint64) (int, error) {
	if len(p) > 64*pageSize {
		n, err := m.prog.ReadMemory(addr, p)
		if err == nil && n < len(p) {
			err = unreadable(addr + uint64(n))
		}
		return n, err
	}
	for n := 0; n < len(p); {
		at := addr + uint64(n)
		start := at &^ (pageSize - 1)
		b, err := m.page(start)
		if err != nil {
			return n, err
		}
		if off := int(at - start); off < len(b) {
			n += copy(p[n:], b[off:])
			continue
		}
		return n, unreadable(at)
	}
	return len(p), nil
}

func unreadable(addr uint64) error { return fmt.Errorf("cannot read memory at %#x", addr) }

// ReadMemory is part of proc.MemoryReader.
func (p *process) ReadMemory(buf []byte, addr uint64) (int, error) { return p.mem.read(buf, addr) }

// WriteMemory is part of proc.MemoryReadWriter. In the past it writes to a
// diversion, which ends with the next command.
func (p *process) WriteMemory(addr uint64, data []byte) (int, error) {
	p.mem.forget()
	p.dirty = true
	if err := p.prog.WriteMemory(addr, data); err != nil {
		return 0, err
	}
	return len(data), nil
}
