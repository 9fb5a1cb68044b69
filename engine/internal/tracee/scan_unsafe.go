package tracee

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pm_scan_arg and page_region of include/uapi/linux/fs.h (PAGEMAP_SCAN, 6.7).
type scanArg struct {
	size, flags, start, end, walkEnd   uint64
	vec, vecLen, maxPages              uint64
	inverted, mask, anyof, returnFlags uint64
}
type scanRegion struct{ start, end, categories uint64 }

const (
	pagemapScan  = 0xc0606610
	pageFile     = 1 << 2
	pagePresent  = 1 << 3
	pageSwapped  = 1 << 4
	pagePfnZero  = 1 << 5
	userspaceEnd = 0x7ffffffff000

	entryPresent   = 1 << 63
	entrySwapped   = 1 << 62
	entryFile      = 1 << 61
	entryExclusive = 1 << 56
)

// anonymous returns the ranges of private pages that hold data of their own:
// anonymous memory and copied file pages, present or swapped.
func anonymous(pagemap int, regions func() ([]Region, error)) (PageSet, error) {
	var out PageSet
	// The kernel is told the address of vec as a number: pinned, it is on the heap.
	// A stack moves when it grows.
	vec := new([512]scanRegion)
	var pin runtime.Pinner
	pin.Pin(vec)
	defer pin.Unpin()
	arg := scanArg{size: uint64(unsafe.Sizeof(scanArg{})), end: userspaceEnd,
		vec: uint64(uintptr(unsafe.Pointer(vec))), vecLen: uint64(len(vec)),
		inverted: pageFile | pagePfnZero, mask: pageFile | pagePfnZero,
		anyof: pagePresent | pageSwapped, returnFlags: pagePresent}
	for {
		n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(pagemap), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		if e == unix.ENOTTY || e == unix.EINVAL {
			return anonymousByMaps(pagemap, regions)
		}
		if e != 0 {
			return nil, fmt.Errorf("scan pages: %v", e)
		}
		for _, r := range vec[:n] {
			out = out.add(Range{r.start, r.end})
		}
		if int(n) < len(vec) || arg.walkEnd >= userspaceEnd {
			return out, nil
		}
		arg.start = arg.walkEnd
	}
}

func anonymousByMaps(pagemap int, regions func() ([]Region, error)) (PageSet, error) {
	rs, err := regions()
	if err != nil {
		return nil, err
	}
	var out PageSet
	for _, r := range rs {
		if r.Kernel() || r.Shared {
			continue
		}
		out = entries(pagemap, Range{r.Lo, r.Hi}, out, func(e uint64) bool {
			return e&(entryPresent|entrySwapped) != 0 && e&entryFile == 0
		})
	}
	return out, nil
}

// entries adds to out the pages of r whose pagemap entry satisfies keep.
func entries(pagemap int, r Range, out PageSet, keep func(uint64) bool) PageSet {
	var buf [4096]uint64
	for lo := r.Lo; lo < r.Hi; {
		n := min(uint64(len(buf)), (r.Hi-lo)/PageSize)
		b := unsafe.Slice((*byte)(unsafe.Pointer(&buf)), n*8)
		k, err := unix.Pread(pagemap, b, int64(lo/PageSize*8))
		if err != nil || k < 8 {
			return out
		}
		for i, e := range buf[:k/8] {
			if keep(e) {
				a := lo + uint64(i)*PageSize
				out = out.add(Range{a, a + PageSize})
			}
		}
		lo += uint64(k/8) * PageSize
	}
	return out
}

// exclusive returns the private pages that no other process shares: what the
// process has written since its own latest fork, while the other side of that
// fork lives (proc_pid_pagemap(5), bit 56).
func (s *Space) exclusive() (PageSet, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/pagemap", s.Via), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pagemap: %w", err)
	}
	defer unix.Close(fd)
	own, err := anonymous(fd, s.Maps)
	if err != nil {
		return nil, err
	}
	var out PageSet
	for _, r := range own {
		out = entries(fd, r, out, func(e uint64) bool {
			return e&entryFile == 0 && (e&(entryPresent|entryExclusive) == entryPresent|entryExclusive || e&entrySwapped != 0)
		})
	}
	return Union(out, s.common), nil
}

// Anonymous returns the pages that hold data of their own: private ones, and those
// of objects.
func (s *Space) Anonymous() (PageSet, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/pagemap", s.Via), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pagemap: %w", err)
	}
	defer unix.Close(fd)
	own, err := anonymous(fd, s.Maps)
	if err != nil {
		return nil, err
	}
	return Union(own, s.common), nil
}

// Private returns the pages of r, a private mapping of a file, that the process
// has written: they are its own.
func (s *Space) Private(r Range) (PageSet, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/pagemap", s.Via), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pagemap: %w", err)
	}
	defer unix.Close(fd)
	return entries(fd, r, nil, func(e uint64) bool {
		return e&(entryPresent|entrySwapped) != 0 && e&entryFile == 0
	}), nil
}
