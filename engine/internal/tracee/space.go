package tracee

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Space is the address space of a traced process.
type Space struct {
	PID int // kernel process id
	// Via is a task to reach the space's files in /proc through; the leader
	// unless that has ended before other threads.
	Via int
	mem int // descriptor of /proc/PID/mem, -1 until needed
	// common is memory that several mappings show (Copy.Views). The kernel does not
	// tell who has written it: it counts as written, always.
	common PageSet
}

// NewSpace returns the address space of process pid.
func NewSpace(pid int) *Space { return &Space{PID: pid, Via: pid, mem: -1} }

// Again returns the same space with a descriptor of its own, for another goroutine.
func (s *Space) Again() *Space { return &Space{PID: s.PID, Via: s.Via, mem: -1, common: s.common} }

// Close gives up the space's descriptor.
func (s *Space) Close() {
	if s.mem >= 0 {
		unix.Close(s.mem)
		s.mem = -1
	}
}

func (s *Space) memfd() int {
	if s.mem < 0 {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/mem", s.Via), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			s.mem = fd
		}
	}
	return s.mem
}

// Read reads memory whatever its protection and returns how many bytes of p
// could be read.
//
// It goes through /proc/PID/mem because process_vm_readv pins the pages, and
// pinning a page that is shared copy-on-write makes the kernel copy it: reading
// a checkpoint would unshare it and flood the exclusive bit that says what was
// written.
func (s *Space) Read(addr uint64, p []byte) int {
	n := 0
	for n < len(p) {
		k, err := unix.Pread(s.memfd(), p[n:], int64(addr)+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k <= 0 {
			break
		}
		n += k
	}
	return n
}

// Write writes memory whatever its protection.
func (s *Space) Write(addr uint64, p []byte) error {
	for n := 0; n < len(p); {
		k, err := unix.Pwrite(s.memfd(), p[n:], int64(addr)+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil || k <= 0 {
			return fmt.Errorf("write %d bytes of process %d at %#x: %v", len(p), s.PID, addr, err)
		}
		n += k
	}
	return nil
}

// Holds reports whether the bytes at addr are b.
func (s *Space) Holds(addr uint64, b []byte) bool {
	now := make([]byte, len(b))
	return s.Read(addr, now) == len(b) && bytes.Equal(now, b)
}

// Uint64 reads one word; ok is false when it is not mapped.
func (s *Space) Uint64(addr uint64) (v uint64, ok bool) {
	var b [8]byte
	if s.Read(addr, b[:]) != 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// PutUint64 writes one word.
func (s *Space) PutUint64(addr, v uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return s.Write(addr, b[:])
}

// Region is one mapping, a line of /proc/PID/maps (proc_pid_maps(5)).
type Region struct {
	Lo, Hi uint64
	Prot   uint32 // PROT_READ, PROT_WRITE, PROT_EXEC
	Shared bool
	Off    uint64
	Dev    uint64 // as makedev(3) encodes it
	Inode  uint64
	Path   string // "", "[stack]", or a file's path
}

// Kernel reports whether the region is one of the kernel's own pages.
func (r *Region) Kernel() bool {
	switch r.Path {
	case "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]":
		return true
	}
	return false
}

// Maps reads the mappings, in address order.
func (s *Space) Maps() ([]Region, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.Via))
	if err != nil {
		return nil, fmt.Errorf("mappings: %w", err)
	}
	return parseMaps(b), nil
}

func parseMaps(b []byte) []Region {
	var out []Region
	for len(b) > 0 {
		var line []byte
		line, b = cutByte(b, '\n')
		var r Region
		var f []byte
		r.Lo, line = hexUntil(line, '-')
		r.Hi, line = hexUntil(line, ' ')
		if len(line) < 5 {
			continue
		}
		for i, c := range "rwx" {
			if line[i] == byte(c) {
				r.Prot |= 1 << i
			}
		}
		r.Shared = line[3] == 's'
		_, line = cutByte(line, ' ')
		r.Off, line = hexUntil(line, ' ')
		var major, minor uint64
		major, line = hexUntil(line, ':')
		minor, line = hexUntil(line, ' ')
		r.Dev = unix.Mkdev(uint32(major), uint32(minor))
		f, line = cutByte(line, ' ')
		for _, c := range f {
			r.Inode = r.Inode*10 + uint64(c-'0')
		}
		for len(line) > 0 && line[0] == ' ' {
			line = line[1:]
		}
		r.Path = string(line)
		out = append(out, r)
	}
	return out
}

func cutByte(b []byte, c byte) (before, after []byte) {
	for i, x := range b {
		if x == c {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

func hexUntil(b []byte, c byte) (v uint64, after []byte) {
	for i, x := range b {
		switch {
		case x == c:
			return v, b[i+1:]
		case x >= '0' && x <= '9':
			v = v<<4 | uint64(x-'0')
		case x >= 'a' && x <= 'f':
			v = v<<4 | uint64(x-'a'+10)
		}
	}
	return v, nil
}
