package snapshot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
	"yore/engine/trace"
)

// Checker computes fingerprints of a replay as it goes on.
type Checker struct {
	Sums
	last *tracee.Lineage
}

// Fingerprint returns the fingerprint of c, frozen just after event, with limits
// the words that are no part of the state. The copy that the last call got must
// still live.
func (k *Checker) Fingerprint(c *tracee.Copy, event int64, limits []uint64) (trace.Fingerprint, error) {
	fp, err := k.fingerprint(c, event, limits)
	if err != nil {
		return fp, fmt.Errorf("fingerprint after event %d: %w", event, err)
	}
	return fp, nil
}

func (k *Checker) fingerprint(c *tracee.Copy, event int64, limits []uint64) (trace.Fingerprint, error) {
	c.Save()
	regs, n, err := threadSum(c)
	if err != nil {
		return trace.Fingerprint{}, err
	}
	maps, err := c.Space.Maps()
	if err != nil {
		return trace.Fingerprint{}, err
	}
	var mapped tracee.PageSet
	var files []tracee.Piece
	for i := range maps {
		m := &maps[i]
		if m.Kernel() || record.Passing(m.Lo) {
			continue
		}
		r := tracee.Range{Lo: m.Lo, Hi: m.Hi}
		mapped = append(mapped, r)
		if m.Inode != 0 {
			if id := k.Contents.byInode(m.Inode, m.Path); id != 0 {
				files = append(files, tracee.Piece{Range: r, File: id, Off: m.Off})
			}
		}
	}
	own, err := c.Space.Anonymous()
	if err != nil {
		return trace.Fingerprint{}, err
	}
	var shown tracee.PageSet
	for _, p := range c.Shown {
		shown = append(shown, p.Range)
	}
	own = tracee.Union(own, tracee.Union(shown)).And(tracee.Union(mapped))
	changed := own
	related := false
	if k.last != nil {
		var set tracee.PageSet
		if set, related = tracee.Between(k.last, c.Lineage); related {
			changed = own.And(set)
		}
	}
	if !related {
		k.reset()
	}
	k.last = c.Lineage
	refs := func(addr uint64) *tracee.Piece {
		if p := piece(c.Shown, addr); p != nil {
			return p
		}
		return piece(files, addr)
	}
	if err := k.scan(c.Space, own, changed, refs, newMask(limits), nil); err != nil {
		return trace.Fingerprint{}, err
	}
	return k.Sums.fingerprint(event, regs, n), nil
}

// byInode returns the open file that a mapping shows, 0 when it is none of them.
func (c *Contents) byInode(ino uint64, path string) uint32 {
	var found, same uint32
	n := 0
	for id, f := range c.open {
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) != nil || st.Ino != ino {
			continue
		}
		n++
		found = id
		if f.Name() == path {
			same = id
		}
	}
	if n > 1 {
		return same
	}
	return found
}
