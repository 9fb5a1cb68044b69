package image

import (
	"fmt"
	"sort"

	"golang.org/x/sys/unix"
)

// PageSize is the unit of memory.
const PageSize = 4096

// userEnd is the end of the addresses that a program can map (with five-level
// page tables).
const userEnd = 1 << 56

// ID names an image in its store. IDs grow; 0 is none.
type ID uint32

// Region is a mapping of the program.
type Region struct {
	Addr, Len uint64 // bytes, multiples of PageSize
	Prot      uint32 // PROT_*
	Flags     uint32 // MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN…, as for mmap
	// File is the caller's id of the file that is mapped from Off on, 0 for
	// anonymous memory.
	File uint32
	Off  uint64
	Name string // as /proc/PID/maps shows it
}

// End returns the address after the region.
func (r *Region) End() uint64 { return r.Addr + r.Len }

// Run is memory whose content is in the page file from Off on, or is zeros when
// Off is 0. A run lies in one region.
type Run struct {
	Addr, Len uint64
	Off       int64
}

// AltStack is a thread's alternate signal stack (stack_t).
type AltStack struct {
	SP, Size uint64
	Flags    int32
}

// Thread is the state of a thread.
type Thread struct {
	TID    int32 // recorded thread id
	Name   string
	Regs   unix.PtraceRegs
	XState []byte // XSAVE area
	// SigMask is the set of blocked signals, AltStack the alternate stack, and
	// Signals what else the caller keeps of signals (pending ones…).
	SigMask  uint64
	AltStack AltStack
	Signals  []byte
	// InSyscall: the thread is inside the system call that it entered with
	// registers Entry.
	InSyscall     bool
	Entry         unix.PtraceRegs
	ClearChildTID uint64 // set_tid_address
	RobustList    uint64 // set_robust_list: head and length
	RobustLen     uint64
	Rseq          uint64 // rseq area, 0 when none is registered
	Ext           []byte // the caller's
}

// MM is where the kernel thinks the parts of a process are (PR_SET_MM).
type MM struct {
	StartCode, EndCode, StartData, EndData, StartBrk, Brk, StartStack uint64
	ArgStart, ArgEnd, EnvStart, EnvEnd                                uint64
}

func (m *MM) fields() [11]*uint64 {
	return [11]*uint64{&m.StartCode, &m.EndCode, &m.StartData, &m.EndData, &m.StartBrk, &m.Brk, &m.StartStack,
		&m.ArgStart, &m.ArgEnd, &m.EnvStart, &m.EnvEnd}
}

// Head is what an image says about itself.
type Head struct {
	Event    int64  // of the timeline, in whose slice the image's point is
	Position string // the point, in the caller's printed form
	Time     int64  // ns since the recording began
	Note     string
}

// State is everything in an image but the memory's content.
type State struct {
	Head
	PID     int32
	Exe     string
	Cwd     string
	MM      MM
	Auxv    []byte
	Signals []byte // signal dispositions, as the caller keeps them
	Ext     []byte // the caller's
	Regions []Region
	Threads []Thread
}

// Image is an image read from a store.
type Image struct {
	ID ID
	State
	Runs []Run // sorted by address

	store *reader
}

// region returns the region that holds addr, nil when none does.
func region(rs []Region, addr uint64) *Region {
	i := sort.Search(len(rs), func(i int) bool { return rs[i].End() > addr })
	if i < len(rs) && rs[i].Addr <= addr {
		return &rs[i]
	}
	return nil
}

// Region returns the region that holds addr, nil when none does.
func (im *Image) Region(addr uint64) *Region { return region(im.Regions, addr) }

// Bytes returns the size of the memory in runs, and how much of it is zeros.
func (im *Image) Bytes() (all, zero uint64) {
	for _, r := range im.Runs {
		all += r.Len
		if r.Off == 0 {
			zero += r.Len
		}
	}
	return all, zero
}

// Plan splits the runs for a restorer that can afford max mappings: the longest
// stored runs of at least min bytes are to be mapped, the others to be copied.
// Both lists are sorted by address. Runs of zeros are in neither; see Zeros.
func (im *Image) Plan(max int, min uint64) (mapped, copied []Run) {
	var lens []uint64
	for _, r := range im.Runs {
		if r.Off != 0 && r.Len >= min {
			lens = append(lens, r.Len)
		}
	}
	if len(lens) > max {
		sort.Slice(lens, func(i, j int) bool { return lens[i] > lens[j] })
		min = lens[max] + 1
	}
	for _, r := range im.Runs {
		switch {
		case r.Off == 0:
		case r.Len >= min:
			mapped = append(mapped, r)
		default:
			copied = append(copied, r)
		}
	}
	return mapped, copied
}

// Zeros returns the runs of zeros that a restorer must make so: those in regions
// that map a file. Fresh anonymous memory is zero anyway.
func (im *Image) Zeros() []Run {
	var out []Run
	for _, r := range im.Runs {
		if r.Off == 0 && im.Region(r.Addr).File != 0 {
			out = append(out, r)
		}
	}
	return out
}

// check reports what is wrong with a state's regions and threads.
func (s *State) check() error {
	var end uint64
	for i := range s.Regions {
		r := &s.Regions[i]
		switch {
		case r.Len == 0 || r.Addr%PageSize != 0 || r.Len%PageSize != 0 || r.Off%PageSize != 0 && r.File != 0:
			return fmt.Errorf("region %#x+%#x is not made of pages", r.Addr, r.Len)
		case r.Addr >= userEnd || r.Len > userEnd-r.Addr:
			return fmt.Errorf("region %#x+%#x is outside a program's addresses", r.Addr, r.Len)
		case r.Addr < end:
			return fmt.Errorf("region %#x+%#x is out of order", r.Addr, r.Len)
		}
		end = r.End()
	}
	seen := map[int32]bool{}
	for i := range s.Threads {
		if seen[s.Threads[i].TID] {
			return fmt.Errorf("two threads %d", s.Threads[i].TID)
		}
		seen[s.Threads[i].TID] = true
	}
	return nil
}

// checkRuns reports what is wrong with runs over regions and a page file of
// pages pages.
func checkRuns(runs []Run, regions []Region, pages uint64) error {
	var end uint64
	for _, r := range runs {
		switch {
		case r.Len == 0 || r.Addr%PageSize != 0 || r.Len%PageSize != 0 || r.Off%PageSize != 0 || r.Off < 0:
			return fmt.Errorf("run %#x+%#x is not made of pages", r.Addr, r.Len)
		case r.Addr < end:
			return fmt.Errorf("run %#x+%#x is out of order", r.Addr, r.Len)
		}
		g := region(regions, r.Addr)
		if g == nil || r.Len > g.End()-r.Addr {
			return fmt.Errorf("run %#x+%#x is in no region", r.Addr, r.Len)
		}
		if r.Off != 0 && (uint64(r.Off)/PageSize >= pages || r.Len/PageSize > pages-uint64(r.Off)/PageSize) {
			return fmt.Errorf("run %#x+%#x is not in the page file", r.Addr, r.Len)
		}
		end = r.Addr + r.Len
	}
	return nil
}
