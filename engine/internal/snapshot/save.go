package snapshot

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"yore/engine/image"
	"yore/engine/internal/record"
	"yore/engine/internal/tracee"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// Saver writes the images of a recording, one after the other.
type Saver struct {
	Store *image.Store
	Dir   string // of the store
	Sums  Sums

	last *tracee.Lineage // of the copy taken last; Take's
	prev *image.Image    // written last; Write's
}

// State is what the caller knows of the program of which a copy is taken.
type State struct {
	Point
	PID      int
	Exe, Cwd string
	Auxv     []byte
	Info     Info
	Pieces   []tracee.Piece // memory that has to do with files
	Fresh    tracee.PageSet // captured pieces new since the last copy
	Shared   tracee.PageSet // shared memory of the program: looked at each time
}

// Shot is a frozen copy that is to become an image.
type Shot struct {
	Copy *tracee.Copy
	// Changed counts the pages that can have changed since the last shot, -1 when
	// all can.
	Changed int

	state   image.State
	point   Point
	pieces  []tracee.Piece
	changed tracee.PageSet
	all     bool
	regs    uint64
	threads int32
	mask    mask
}

// Take notes what is to be known of copy c, which must stay frozen until the
// shot is written. It belongs to the tracing thread.
func (s *Saver) Take(c *tracee.Copy, st State) (*Shot, error) {
	sh := &Shot{Copy: c, point: st.Point, pieces: st.Pieces, mask: newMask(st.Info.Limits)}
	c.Save()
	in := st.Info
	in.Brk, in.Active, in.Start = c.Brk, c.Active, st.Start
	var err error
	if in.Views, err = c.Described(); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	in.Calls = map[int]int64{}
	head := image.Head{Event: st.Event, Time: st.Time}
	if st.Start { // a point inside a slice has no position yet
		head.Position = timeline.Position{Event: st.Event}.String()
	}
	sh.state = image.State{Head: head, PID: int32(st.PID), Exe: st.Exe, Cwd: st.Cwd, Auxv: st.Auxv}
	for _, id := range c.Live() {
		th := c.Threads[id]
		x, err := c.ThreadXState(id)
		if err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		t := image.Thread{TID: int32(id), Name: comm(st.PID, id), Regs: th.Regs, XState: x, InSyscall: th.InCall}
		if th.InCall {
			t.Entry = th.Regs
			in.Calls[id] = th.Call
		}
		sh.state.Threads = append(sh.state.Threads, t)
	}
	if sh.state.Ext, err = json.Marshal(&in); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if sh.regs, sh.threads, err = threadSum(c); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	sh.all = true
	sh.Changed = -1
	if s.last != nil {
		if set, related := tracee.Between(s.last, c.Lineage); related {
			sh.all = false
			sh.changed = tracee.Union(set, st.Fresh, st.Shared)
			sh.Changed = sh.changed.Pages()
		}
	}
	s.last = c.Lineage
	return sh, nil
}

func comm(pid, tid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", pid, tid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}

// Write stores a shot. Shots are written in the order in which they were taken;
// after an error the saver is unusable. The fingerprint is that of the copy's
// state.
func (s *Saver) Write(sh *Shot) (image.ID, trace.Fingerprint, error) {
	id, err := s.write(sh)
	if err != nil {
		return 0, trace.Fingerprint{}, fmt.Errorf("save image: %w", err)
	}
	return id, s.Sums.fingerprint(sh.point.Event, sh.regs, sh.threads), nil
}

func (s *Saver) write(sh *Shot) (image.ID, error) {
	sp := sh.Copy.Space.Again()
	defer sp.Close()
	maps, err := sp.Maps()
	if err != nil {
		return 0, err
	}
	st := &sh.state
	var mapped tracee.PageSet
	for i := range maps {
		if m := &maps[i]; !m.Kernel() && !record.Passing(m.Lo) {
			mapped = append(mapped, tracee.Range{Lo: m.Lo, Hi: m.Hi})
			st.Regions = append(st.Regions, regions(m, sh.pieces)...)
		}
	}
	own, err := ownPages(sp, sh.pieces)
	if err != nil {
		return 0, err
	}
	own = own.And(tracee.Union(mapped))
	add := own
	if sh.all || s.prev == nil {
		s.Sums.reset()
	} else {
		add = own.And(sh.changed)
	}
	w := s.Store.NewWriter()
	refs := func(addr uint64) *tracee.Piece { return piece(sh.pieces, addr) }
	err = s.Sums.scan(sp, own, add, refs, sh.mask, func(addr uint64, p []byte, ps pageState) error {
		switch {
		case ps == data:
			return w.Add(addr, p)
		case ps == zero && refs(addr) != nil && refs(addr).File != 0:
			return w.Add(addr, p)
		}
		return nil // as the mapping shows it by itself
	})
	if err != nil {
		return 0, err
	}
	if s.prev != nil {
		for _, r := range own.Not(add) {
			w.Inherit(s.prev, r.Lo, r.Hi-r.Lo)
		}
	}
	id, err := w.Close(st)
	if err != nil {
		return 0, err
	}
	im, err := image.Open(s.Dir, id)
	if err != nil {
		return 0, err
	}
	if s.prev != nil {
		s.prev.Close()
	}
	s.prev = im
	return id, nil
}

// ownPages returns the pages whose content is not given by a file's mapping.
func ownPages(sp *tracee.Space, pieces []tracee.Piece) (tracee.PageSet, error) {
	own, err := sp.Anonymous()
	if err != nil {
		return nil, err
	}
	var plain tracee.PageSet
	for _, p := range pieces {
		if p.File == 0 {
			plain = append(plain, p.Range)
		}
	}
	return tracee.Union(own, tracee.Union(plain)), nil
}

// regions returns mapping m for an image, cut where pieces begin and end.
func regions(m *tracee.Region, pieces []tracee.Piece) []image.Region {
	var out []image.Region
	flags := uint32(unix.MAP_PRIVATE)
	if m.Path == stackName {
		flags |= unix.MAP_GROWSDOWN
	}
	name := m.Path
	add := func(lo, hi uint64, file uint32, off uint64) {
		if lo < hi {
			out = append(out, image.Region{Addr: lo, Len: hi - lo, Prot: m.Prot, Flags: flags, File: file, Off: off, Name: name})
		}
	}
	at := m.Lo
	for _, p := range tracee.Within(pieces, tracee.Range{Lo: m.Lo, Hi: m.Hi}) {
		if p.File == 0 {
			continue
		}
		add(at, p.Lo, 0, 0)
		add(p.Lo, p.Hi, p.File, p.Off)
		at = p.Hi
	}
	add(at, m.Hi, 0, 0)
	return out
}

const stackName = "[stack]"

// Close releases what the saver holds, the store aside.
func (s *Saver) Close() {
	if s.prev != nil {
		s.prev.Close()
		s.prev = nil
	}
	if s.Sums.Contents != nil {
		s.Sums.Contents.Close()
	}
}
