package syscalls

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// memory is a Mem over process_vm_readv.
type memory int

func (pid memory) Read(addr uint64, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &p[0], Len: uint64(len(p))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}
	n, err := unix.ProcessVMReadv(int(pid), local, remote, 0)
	return max(n, 0), err
}

type mapping struct {
	start uint64
	data  []byte
}

// snapshot reads all writable memory of pid but the mapping at skip.
func snapshot(t *testing.T, pid int, skip uint64) []mapping {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ms []mapping
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var start, end uint64
		var perm string
		if _, err := fmt.Sscanf(l, "%x-%x %s", &start, &end, &perm); err != nil {
			t.Fatalf("maps line %q: %v", l, err)
		}
		if perm[1] != 'w' || perm[0] != 'r' || start == skip {
			continue
		}
		data := make([]byte, end-start)
		n, _ := memory(pid).Read(start, data) // short where a file has been cut off
		ms = append(ms, mapping{start, data[:n]})
	}
	return ms
}

// fileMappings returns the mappings that show a file.
func fileMappings(t *testing.T, pid int) []Range {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var rs []Range
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		var start, end, off, inode uint64
		var perm, dev string
		if _, err := fmt.Sscanf(l, "%x-%x %s %x %s %d", &start, &end, &perm, &off, &dev, &inode); err != nil {
			t.Fatalf("maps line %q: %v", l, err)
		}
		if inode != 0 {
			rs = append(rs, Range{start, end - start})
		}
	}
	return rs
}

// changed returns the ranges in which two snapshots differ, where both have
// memory, each as long as the run of differing bytes.
func changed(before, after []mapping) []Range {
	var rs []Range
	for _, a := range after {
		for _, b := range before {
			lo, hi := max(a.start, b.start), min(a.start+uint64(len(a.data)), b.start+uint64(len(b.data)))
			if lo >= hi {
				continue
			}
			x, y := a.data[lo-a.start:hi-a.start], b.data[lo-b.start:hi-b.start]
			if bytes.Equal(x, y) {
				continue
			}
			for i := 0; i < len(x); i++ {
				if x[i] == y[i] {
					continue
				}
				j := i
				for j < len(x) && x[j] != y[j] {
					j++
				}
				rs = append(rs, Range{lo + uint64(i), uint64(j - i)})
				i = j
			}
		}
	}
	return rs
}

// covered reports whether every byte of r lies in one of rs.
func covered(r Range, rs []Range) bool {
	for r.Len > 0 {
		n := uint64(0)
		for _, c := range rs {
			if c.Addr <= r.Addr && r.Addr-c.Addr < c.Len {
				n = max(n, c.Addr+c.Len-r.Addr)
			}
		}
		if n == 0 {
			return false
		}
		n = min(n, r.Len)
		r.Addr, r.Len = r.Addr+n, r.Len-n
	}
	return true
}
