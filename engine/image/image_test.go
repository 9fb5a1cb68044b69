package image

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
)

// memory is a model of a program's memory: pages by address.
type memory map[uint64][]byte

func randomPage(r *rand.Rand) []byte {
	p := make([]byte, PageSize)
	switch r.IntN(4) {
	case 0: // zeros
	case 1: // one of few contents
		p[100] = byte(1 + r.IntN(5))
	default:
		for i := 0; i < len(p); i += 8 {
			p[i] = byte(r.Uint32())
		}
	}
	return p
}

func someState(r *rand.Rand) *State {
	s := &State{
		Head: Head{Event: r.Int64N(1000), Position: "12+3@0x401000", Time: r.Int64(), Note: "n"},
		PID:  4711, Exe: "/bin/ls", Cwd: "/tmp", Auxv: []byte{1, 2, 3}, Signals: []byte("sig"), Ext: []byte("ext"),
	}
	for _, p := range s.MM.fields() {
		*p = r.Uint64() >> r.IntN(64)
	}
	addr := uint64(0x400000)
	for i := range 6 {
		addr += uint64(r.IntN(3)) * PageSize
		g := Region{Addr: addr, Len: uint64(1+r.IntN(40)) * PageSize, Prot: 3, Flags: 2, Name: fmt.Sprint("r", i)}
		if i%2 == 0 {
			g.File, g.Off = uint32(i+1), uint64(i)*PageSize
		}
		s.Regions = append(s.Regions, g)
		addr = g.End()
	}
	for i := range 3 {
		t := Thread{TID: int32(100 + i), Name: "t", SigMask: r.Uint64(), AltStack: AltStack{r.Uint64(), 8192, 1},
			ClearChildTID: r.Uint64(), RobustList: 5, RobustLen: 24, Rseq: 7, Ext: []byte{9}, Signals: []byte{8}}
		for k, p := range regFields(&t.Regs) {
			*p = r.Uint64() >> (k % 64)
		}
		t.XState = make([]byte, 2696)
		t.XState[512] = 7
		if i == 1 {
			t.InSyscall = true
			t.Entry.Rip = 77
		}
		s.Threads = append(s.Threads, t)
	}
	return s
}

func checkImage(t *testing.T, im *Image, want *State, mem memory) {
	t.Helper()
	if !reflect.DeepEqual(&im.State, want) {
		t.Errorf("state\ngot  %+v\nwant %+v", im.State, *want)
	}
	got := memory{}
	err := im.Pages(func(addr uint64, p []byte) error {
		for ; len(p) > 0; p, addr = p[PageSize:], addr+PageSize {
			got[addr] = slices.Clone(p[:PageSize])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, mem) {
		t.Fatalf("memory differs: %d pages, want %d", len(got), len(mem))
	}
	// Random reads, and what the page file holds at the runs.
	r := rand.New(rand.NewPCG(1, uint64(len(mem))))
	for range 50 {
		addr := 0x400000 + uint64(r.IntN(150*PageSize))
		p := make([]byte, r.IntN(3*PageSize))
		n, err := im.ReadAt(p, addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			a := addr + uint64(i)
			page, ok := mem[a&^(PageSize-1)]
			if ok != (i < n) {
				t.Fatalf("read %d of %d bytes at %#x", n, len(p), addr)
			}
			if !ok {
				break
			}
			if p[i] != page[a%PageSize] {
				t.Fatalf("byte %#x is %d, want %d", a, p[i], page[a%PageSize])
			}
		}
	}
	for _, run := range im.Runs {
		for d := uint64(0); run.Off != 0 && d < run.Len; d += PageSize {
			p := make([]byte, PageSize)
			if _, err := im.PageFile().ReadAt(p, run.Off+int64(d)); err != nil || !bytes.Equal(p, mem[run.Addr+d]) {
				t.Fatalf("page file at %d is not page %#x: %v", run.Off, run.Addr+d, err)
			}
		}
	}
}

// Chains of images, each inheriting from an earlier one, equal the model, also
// when the store is opened again in between and when images are pruned.
func TestImageChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "images")
	r := rand.New(rand.NewPCG(1, 2))
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	state := someState(r)
	mem := memory{}
	type made struct {
		id    ID
		state State
		mem   memory
	}
	var all []made
	for k := range 20 {
		w := s.NewWriter()
		dirty := memory{}
		for i := range state.Regions {
			g := &state.Regions[i]
			for a := g.Addr; a < g.End(); a += PageSize {
				if r.IntN(4) == 0 {
					dirty[a] = randomPage(r)
				}
			}
		}
		if k > 0 {
			base := all[r.IntN(len(all))]
			im, err := Open(dir, base.id)
			if err != nil {
				t.Fatal(err)
			}
			// Inherit all but a hole, in two ranges.
			mid := state.Regions[3].Addr
			w.Inherit(im, 0, mid)
			w.Inherit(im, mid+2*PageSize, userEnd-mid-2*PageSize)
			im.Close()
			mem = memory{}
			for a, p := range base.mem {
				if a < mid || a >= mid+2*PageSize {
					mem[a] = p
				}
			}
		}
		addrs := []uint64{}
		for a, p := range dirty {
			addrs = append(addrs, a)
			mem[a] = p
		}
		if k%2 == 0 {
			slices.Sort(addrs)
		}
		for _, a := range addrs {
			if err := w.Add(a, dirty[a]); err != nil {
				t.Fatal(err)
			}
		}
		state.Event = int64(k)
		id, err := w.Close(state)
		if err != nil {
			t.Fatal(err)
		}
		if id != ID(k+1) {
			t.Fatalf("image %d is number %d", k+1, id)
		}
		if _, err := w.Close(state); err == nil {
			t.Fatal("a writer was closed twice")
		}
		all = append(all, made{id, *state, mem})
		if k%5 == 4 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = OpenStore(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(m made) {
		t.Helper()
		im, err := Open(dir, m.id)
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		checkImage(t, im, &m.state, m.mem)
	}
	for _, m := range all {
		check(m)
	}
	list, err := List(dir)
	if err != nil || len(list) != 20 || list[7].Event != 7 || list[7].ID != 8 || list[7].Position != state.Position || list[7].Size == 0 {
		t.Fatalf("list %+v, %v", list, err)
	}

	before := diskBlocks(t, filepath.Join(dir, pagesName))
	for _, m := range all[:15] {
		if err := s.Remove(m.id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(1); !errors.Is(err, ErrNoImage) {
		t.Errorf("removing an image twice: %v", err)
	}
	n, err := s.Prune()
	if err != nil || n == 0 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	if after := diskBlocks(t, filepath.Join(dir, pagesName)); after >= before {
		t.Errorf("page file takes %d blocks after pruning, %d before", after, before)
	}
	if n, err := s.Prune(); n != 0 || err != nil {
		t.Errorf("pruned %d more, %v", n, err)
	}
	for _, m := range all[15:] {
		check(m)
	}
	// What was pruned is stored anew when it is needed again.
	w := s.NewWriter()
	for a, p := range all[3].mem {
		if err := w.Add(a, p); err != nil {
			t.Fatal(err)
		}
	}
	id, err := w.Close(&all[3].state)
	if err != nil {
		t.Fatal(err)
	}
	check(made{id, all[3].state, all[3].mem})
}

func TestEqualPagesAreStoredOnce(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(3, 3))
	p := make([]byte, 1000*PageSize)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	clear(p[10*PageSize : 20*PageSize])
	st := &State{Regions: []Region{{Addr: 1 << 20, Len: 4000 * PageSize, Prot: 3, Flags: 2}}}
	for k := range uint64(4) {
		w := s.NewWriter()
		if err := w.Add(1<<20+k*1000*PageSize, p); err != nil {
			t.Fatal(err)
		}
		id, err := w.Close(st)
		if err != nil {
			t.Fatal(err)
		}
		im, err := Open(s.dir, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(im.Runs) != 3 {
			t.Errorf("runs %v", im.Runs)
		}
		if all, zero := im.Bytes(); all != uint64(len(p)) || zero != 10*PageSize {
			t.Errorf("%d bytes, %d zero", all, zero)
		}
		im.Close()
	}
	if u := s.Usage(); u.Pages != 990 || u.Reused != 3*990 {
		t.Errorf("usage %+v", u)
	}
}

func TestPlan(t *testing.T) {
	run := func(pages ...uint64) *Image {
		im := &Image{}
		addr := uint64(PageSize)
		for i, n := range pages {
			off := int64(i+1) << 30
			if i == 2 {
				off = 0
			}
			im.Runs = append(im.Runs, Run{addr, n * PageSize, off})
			addr += (n + 1) * PageSize
		}
		return im
	}
	im := run(1, 5, 9, 3, 5, 2)
	for _, c := range []struct {
		max         int
		min         uint64
		mapped, cop []uint64
	}{
		{10, 1, []uint64{1, 5, 3, 5, 2}, nil},
		{10, 3 * PageSize, []uint64{5, 3, 5}, []uint64{1, 2}},
		{2, 1, []uint64{5, 5}, []uint64{1, 3, 2}},
		{1, 1, nil, []uint64{1, 5, 3, 5, 2}}, // the longest two are equal
		{0, 1, nil, []uint64{1, 5, 3, 5, 2}},
	} {
		mapped, copied := im.Plan(c.max, c.min)
		lens := func(rs []Run) (out []uint64) {
			for _, r := range rs {
				out = append(out, r.Len/PageSize)
			}
			return out
		}
		if !slices.Equal(lens(mapped), c.mapped) || !slices.Equal(lens(copied), c.cop) {
			t.Errorf("max %d, min %d: mapped %v, copied %v", c.max, c.min, lens(mapped), lens(copied))
		}
	}
}

func TestZeros(t *testing.T) {
	im := &Image{State: State{Regions: []Region{{Addr: 0x1000, Len: 0x2000}, {Addr: 0x3000, Len: 0x2000, File: 1}}},
		Runs: []Run{{0x1000, 0x1000, 0}, {0x2000, 0x1000, 0x1000}, {0x3000, 0x1000, 0x1000}, {0x4000, 0x1000, 0}}}
	if z := im.Zeros(); !slices.Equal(z, im.Runs[3:]) {
		t.Errorf("zeros %v", z)
	}
}

func TestWriterErrors(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := OpenStore(dir); err == nil {
		t.Error("a store was opened for writing twice")
	}
	page := make([]byte, PageSize)
	page[0] = 1
	reg := func(rs ...Region) *State { return &State{Regions: rs} }
	ok := Region{Addr: 0x1000, Len: 0x3000}
	for name, c := range map[string]struct {
		add   []uint64
		size  int
		state *State
	}{
		"unaligned":        {[]uint64{0x1001}, PageSize, reg(ok)},
		"half a page":      {[]uint64{0x1000}, PageSize / 2, reg(ok)},
		"kernel":           {[]uint64{1 << 63}, PageSize, reg(ok)},
		"twice":            {[]uint64{0x1000, 0x2000, 0x1000}, PageSize, reg(ok)},
		"outside":          {[]uint64{0x4000}, PageSize, reg(ok)},
		"no regions":       {[]uint64{0x4000}, PageSize, reg()},
		"region order":     {nil, PageSize, reg(Region{Addr: 0x5000, Len: 0x1000}, ok)},
		"region overlap":   {nil, PageSize, reg(ok, Region{Addr: 0x3000, Len: 0x1000})},
		"region unaligned": {nil, PageSize, reg(Region{Addr: 0x5001, Len: 0x1000})},
		"region empty":     {nil, PageSize, reg(Region{Addr: 0x5000})},
		"region too long":  {nil, PageSize, reg(Region{Addr: 0x5000, Len: 1<<64 - 0x1000})},
		"threads":          {nil, PageSize, &State{Threads: []Thread{{TID: 1}, {TID: 1}}}},
		"large blob":       {nil, PageSize, &State{Ext: make([]byte, maxBlob+1)}},
	} {
		w := s.NewWriter()
		for _, a := range c.add {
			err = w.Add(a, page[:c.size])
		}
		id, err := w.Close(c.state)
		if err == nil {
			t.Errorf("%s: image %d was made", name, id)
		}
	}
	if l, err := List(dir); err != nil || len(l) != 0 {
		t.Errorf("list %v, %v", l, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*.new"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := Open(dir, 1); !errors.Is(err, ErrNoImage) {
		t.Errorf("opening nothing: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none"), 1); !errors.Is(err, ErrNoImage) {
		t.Errorf("opening nothing nowhere: %v", err)
	}
	if l, err := List(filepath.Join(dir, "none")); err != nil || len(l) != 0 {
		t.Errorf("list %v, %v", l, err)
	}
}

// Regions that touch have runs of their own though the pages are consecutive.
func TestRunsEndAtRegions(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := make([]byte, 4*PageSize)
	for i := range p {
		p[i] = byte(i/PageSize + 1)
	}
	w := s.NewWriter()
	if err := w.Add(0x1000, p); err != nil {
		t.Fatal(err)
	}
	id, err := w.Close(&State{Regions: []Region{{Addr: 0x1000, Len: 0x1000}, {Addr: 0x2000, Len: 0x2000}, {Addr: 0x4000, Len: 0x1000}}})
	if err != nil {
		t.Fatal(err)
	}
	im, err := Open(s.dir, id)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	want := []Run{{0x1000, 0x1000, 0x1000}, {0x2000, 0x2000, 0x2000}, {0x4000, 0x1000, 0x4000}}
	if !slices.Equal(im.Runs, want) {
		t.Errorf("runs %+v", im.Runs)
	}
}

// A full disk, by way of a page file that cannot grow: the error stays, earlier
// images are good, nothing half-written is left.
func TestStoreFull(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 8))
	st := &State{Regions: []Region{{Addr: 0x10000, Len: 5000 * PageSize}}}
	fresh := func(n int) []byte {
		p := make([]byte, n*PageSize)
		for i := 0; i < len(p); i += 8 {
			p[i], p[i+1], p[i+2] = byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())
		}
		return p
	}
	w := s.NewWriter()
	first := fresh(10)
	w.Add(0x10000, first)
	id, err := w.Close(st)
	if err != nil {
		t.Fatal(err)
	}
	ro, err := os.Open(filepath.Join(dir, pagesName))
	if err != nil {
		t.Fatal(err)
	}
	good := s.pages
	s.pages = ro // writes fail from here on
	w = s.NewWriter()
	err = w.Add(0x10000, fresh(bufferPages+1))
	if err == nil {
		t.Fatal("a write that failed was not noticed")
	}
	if _, err := w.Close(st); err == nil {
		t.Fatal("an image was made of pages that were not written")
	}
	if err := s.NewWriter().Add(0x10000, first); err == nil {
		t.Fatal("the store was usable after a failed write")
	}
	s.pages = good
	s.Close()
	im, err := Open(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	got := make([]byte, len(first))
	if n, err := im.ReadAt(got, 0x10000); n != len(got) || err != nil || !bytes.Equal(got, first) {
		t.Errorf("read %d, %v", n, err)
	}
	if s, err = OpenStore(dir); err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestIndexBounded(t *testing.T) {
	x := index{max: minIndex * 2}
	r := rand.New(rand.NewPCG(4, 4))
	var hashes []uint64
	found := 0
	for i := range uint32(50000) {
		h := r.Uint64()
		hashes = append(hashes, h)
		x.add(h, i+1)
	}
	if len(x.slots) > x.max {
		t.Errorf("%d slots", len(x.slots))
	}
	for i, h := range hashes {
		if n, ok := x.find(h, func(n uint32) bool { return n == uint32(i+1) }); ok {
			if n != uint32(i+1) {
				t.Fatalf("found %d for %d", n, i+1)
			}
			found++
		}
	}
	if found < x.max/2 || found > x.max {
		t.Errorf("%d of %d found in %d slots", found, len(hashes), x.max)
	}
}

func TestMergeAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 3000 {
		// Page numbers in a small space, page file positions made unique.
		var own, base []Run
		model := map[uint64]int64{}
		list := func(off int64, keep func(a uint64, off int64)) (out []Run) {
			for a := uint64(1); a < 60; {
				a += uint64(r.IntN(5))
				n := uint64(1 + r.IntN(5))
				o := off + int64(r.IntN(3))*100
				if r.IntN(4) == 0 {
					o = 0
				}
				out = append(out, Run{a * PageSize, n * PageSize, o * PageSize})
				for k := range n {
					if o == 0 {
						keep(a+k, 0)
					} else {
						keep(a+k, o+int64(k))
					}
				}
				a += n
			}
			return out
		}
		base = list(1000, func(a uint64, off int64) { model[a] = off })
		own = list(2000, func(a uint64, off int64) { model[a] = off })
		r.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
		runs, err := merge(own, base)
		if err != nil {
			t.Fatal(err)
		}
		got := map[uint64]int64{}
		last := uint64(0)
		for _, run := range runs {
			if run.Addr < last {
				t.Fatalf("out of order: %v", runs)
			}
			last = run.Addr + run.Len
			for k := uint64(0); k < run.Len/PageSize; k++ {
				o := run.Off / PageSize
				if o != 0 {
					o += int64(k)
				}
				got[run.Addr/PageSize+k] = o
			}
		}
		if !reflect.DeepEqual(got, model) {
			t.Fatalf("merge gave %v", runs)
		}
	}
}

func diskBlocks(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return blocks(t, f)
}

// Writers of several goroutines share a store.
func TestConcurrentWriters(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st := &State{Regions: []Region{{Addr: 1 << 20, Len: 600 * PageSize}}}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(k%2), 5))
			mem := make([]byte, 600*PageSize)
			for at := 0; at < len(mem); at += PageSize {
				copy(mem[at:], randomPage(r))
			}
			w := s.NewWriter()
			for at := 0; at < len(mem); at += PageSize {
				if err := w.Add(1<<20+uint64(at), mem[at:at+PageSize]); err != nil {
					t.Error(err)
					return
				}
			}
			id, err := w.Close(st)
			if err != nil {
				t.Error(err)
				return
			}
			im, err := Open(s.dir, id)
			if err != nil {
				t.Error(err)
				return
			}
			defer im.Close()
			got := make([]byte, len(mem))
			if n, err := im.ReadAt(got, 1<<20); n != len(got) || err != nil || !bytes.Equal(got, mem) {
				t.Errorf("writer %d: read %d bytes, %v", k, n, err)
			}
		}()
	}
	wg.Wait()
}
