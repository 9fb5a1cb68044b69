package tracee

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Isolate cuts a fresh fork of the program off from the world: it closes the
// files, so that pipes still reach their end, leaves the program's process group
// and session, whose signals it would collect, and, when the program has shared
// mappings, replaces them: those that show the same memory by objects (views), all
// others by private copies.
func (c *Copy) Isolate(shared bool, views []View) error {
	if err := c.CloseFiles(); err != nil {
		return err
	}
	if _, err := c.Inject(unix.SYS_SETSID); err != nil {
		return err
	}
	if !shared {
		return nil
	}
	if len(views) > 0 {
		if err := c.Share(views); err != nil {
			return fmt.Errorf("shared memory: %w", err)
		}
	}
	maps, err := c.Space.Maps()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if !m.Shared || m.Kernel() {
			continue
		}
		for _, r := range (PageSet{{m.Lo, m.Hi}}).Not(c.viewed()) {
			for lo := r.Lo; lo < r.Hi; lo += privateStep {
				part := m
				part.Lo, part.Hi = lo, min(lo+privateStep, r.Hi)
				if err := c.privatize(part); err != nil {
					return fmt.Errorf("shared memory at %#x: %w", part.Lo, err)
				}
			}
		}
	}
	return nil
}

// privateStep is how much shared memory is copied at a time, bytes: one page of
// mincore's answers.
const privateStep = PageSize * PageSize

// viewed returns the memory that shows objects.
func (c *Copy) viewed() PageSet {
	var s PageSet
	for _, v := range c.Views {
		s = s.add(v.Range)
	}
	return s
}

// privatize replaces shared memory, at most privateStep of it, by a private copy.
func (c *Copy) privatize(m Region) error {
	const chunk = 1 << 20
	type piece struct {
		at uint64
		b  []byte
	}
	filled, err := c.resident(m)
	if err != nil {
		return err
	}
	var data []piece
	for _, r := range filled {
		for lo := r.Lo; lo < r.Hi; lo += chunk {
			b := make([]byte, min(chunk, r.Hi-lo))
			if b = b[:c.Space.Read(lo, b)]; !zero(b) {
				data = append(data, piece{lo, b})
			}
		}
	}
	ret, err := c.Inject(unix.SYS_MMAP, m.Lo, m.Hi-m.Lo, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE, ^uint64(0), 0)
	if err != nil {
		return err
	}
	if uint64(ret) != m.Lo {
		return unix.Errno(-ret)
	}
	for _, p := range data {
		if err := c.Space.Write(p.at, p.b); err != nil {
			return err
		}
	}
	ret, err = c.Inject(unix.SYS_MPROTECT, m.Lo, m.Hi-m.Lo, uint64(m.Prot))
	if err == nil && ret != 0 {
		err = unix.Errno(-ret)
	}
	return err
}

// resident returns the pages of shared memory m that can hold anything but
// zeros. Reading the others would make the kernel allocate them, for the program
// too.
func (c *Copy) resident(m Region) (PageSet, error) {
	all := PageSet{{m.Lo, m.Hi}}
	if !memoryOnly(m.Path) || swapping() {
		return all, nil
	}
	ret, err := c.Inject(unix.SYS_MINCORE, m.Lo, m.Hi-m.Lo, EngineData)
	if err != nil {
		return nil, err
	}
	vec := make([]byte, (m.Hi-m.Lo)/PageSize)
	if ret != 0 || c.Space.Read(EngineData, vec) != len(vec) {
		return all, nil
	}
	var out PageSet
	for i, x := range vec {
		if x&1 != 0 {
			a := m.Lo + uint64(i)*PageSize
			out = out.add(Range{a, a + PageSize})
		}
	}
	return out, nil
}

// memoryOnly reports whether the file of a shared mapping has no other place than
// memory: what is not in memory is zeros.
func memoryOnly(path string) bool {
	return path == "/dev/zero (deleted)" || strings.HasPrefix(path, "/SYSV") || strings.HasPrefix(path, "/memfd:")
}

// swapping reports whether pages may have been swapped out.
func swapping() bool {
	b, err := os.ReadFile("/proc/swaps")
	return err != nil || bytes.Count(b, []byte{'\n'}) > 1
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
