package tracee

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Memory that a program has mapped shared becomes private in a copy: the copy
// must not disturb the program, nor be disturbed. That is the same to the program
// as long as the memory has one mapping. Where several mappings show the same
// memory, the copy has it as an object: a memory file of the copy's own, which
// these ranges (views) map. Private mappings of the same file are views too; pages
// that the program has written there are its own, as everywhere.
//
// Each fork of a copy gets objects of its own, with the content that its views
// show. What no view shows is not kept.

// Beyond is the object of memory behind the end of its file: access raises SIGBUS.
// Equal to trace.Beyond.
const Beyond = ^uint32(0)

// View is a range of a copy's memory that shows an object from Off on.
type View struct {
	Range
	Object  uint32
	Off     uint64
	Private bool // copy on write
	// Own, in the description of a private view of a process that is being rebuilt,
	// are the pages that the program has written. Nil: the kernel knows.
	Own *PageSet `json:",omitempty"`
}

// Described returns the copy's views with all that is needed to rebuild them.
func (c *Copy) Described() ([]View, error) {
	out := slices.Clone(c.Views)
	for i := range out {
		if v := &out[i]; v.Private {
			own, err := c.Space.Private(v.Range)
			if err != nil {
				return nil, err
			}
			v.Own = &own
		}
	}
	return out, nil
}

// object is a copy's own memory file.
type object struct {
	f    *os.File
	size uint64
}

func (c *Copy) object(n uint32) (*object, error) {
	if o := c.objects[n]; o != nil {
		return o, nil
	}
	fd, err := unix.MemfdCreate("object", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	if c.objects == nil {
		c.objects = map[uint32]*object{}
	}
	o := &object{f: os.NewFile(uintptr(fd), "object")}
	c.objects[n] = o
	return o, nil
}

func (c *Copy) dropObjects() {
	for _, o := range c.objects {
		o.f.Close()
	}
	c.objects = nil
}

// Share makes ranges of the copy's memory views. An object that is new to the copy
// gets the content that is in the ranges now. c must be at a stop in user mode.
func (c *Copy) Share(views []View) error {
	maps, err := c.Space.Maps()
	if err != nil {
		return err
	}
	fresh := map[uint32]bool{}
	for _, v := range views {
		if v.Object != Beyond && c.objects[v.Object] == nil {
			fresh[v.Object] = true
		}
	}
	// Content first, since mapping one changes what others show; what shared
	// mappings show prevails.
	own := make([]PageSet, len(views))
	for _, private := range []bool{true, false} {
		for i, v := range views {
			if v.Private != private {
				continue
			}
			if v.Own != nil {
				own[i] = *v.Own
			} else if v.Private {
				if own[i], err = c.Space.Private(v.Range); err != nil {
					return err
				}
			}
			if fresh[v.Object] || !v.Private && v.Object != Beyond && !c.shows(v) {
				if err := c.fill(v, own[i]); err != nil {
					return err
				}
			}
		}
	}
	for i, v := range views {
		for _, m := range maps {
			lo, hi := max(m.Lo, v.Lo), min(m.Hi, v.Hi)
			if lo >= hi {
				continue
			}
			part := View{Range: Range{lo, hi}, Object: v.Object, Off: v.Off + lo - v.Lo, Private: v.Private}
			if err := c.attach(part, m.Prot, own[i].Clip(part.Range)); err != nil {
				return err
			}
		}
	}
	return nil
}

// shows reports whether v is a view already.
func (c *Copy) shows(v View) bool {
	return slices.ContainsFunc(c.Views, func(w View) bool {
		return w.Object == v.Object && !w.Private && w.Lo <= v.Lo && v.Hi <= w.Hi && w.Off+v.Lo-w.Lo == v.Off
	})
}

// fill copies the memory in v's range, apart from the pages in own, into its
// object.
func (c *Copy) fill(v View, own PageSet) error {
	o, err := c.object(v.Object)
	if err != nil {
		return err
	}
	if err := o.grow(v.Off + v.Hi - v.Lo); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for _, r := range (PageSet{v.Range}).Not(own) {
		for lo := r.Lo; lo < r.Hi; lo += uint64(len(buf)) {
			b := buf[:min(uint64(len(buf)), r.Hi-lo)]
			b = b[:c.Space.Read(lo, b)]
			if zero(b) {
				continue
			}
			if _, err := o.f.WriteAt(b, int64(v.Off+lo-v.Lo)); err != nil {
				return fmt.Errorf("object: %w", err)
			}
		}
	}
	return nil
}

func (o *object) grow(size uint64) error {
	if size <= o.size {
		return nil
	}
	o.size = size
	if err := o.f.Truncate(int64(size)); err != nil {
		return fmt.Errorf("object: %w", err)
	}
	return nil
}

// Attach maps v, replacing what is in its range.
func (c *Copy) Attach(v View, prot uint32) error { return c.attach(v, prot, nil) }

// attach maps v and keeps the pages in own, which are the program's own in a
// private view.
func (c *Copy) attach(v View, prot uint32, own PageSet) error {
	o, err := c.object(v.Object)
	if err != nil {
		return err
	}
	if v.Object != Beyond {
		if err := o.grow(v.Off + v.Hi - v.Lo); err != nil {
			return err
		}
	}
	type kept struct {
		at uint64
		b  []byte
	}
	var keep []kept
	for _, r := range own {
		b := make([]byte, r.Hi-r.Lo)
		keep = append(keep, kept{r.Lo, b[:c.Space.Read(r.Lo, b)]})
	}
	flags := uint64(unix.MAP_SHARED)
	if v.Private {
		flags = unix.MAP_PRIVATE
	}
	if err := c.MapFile(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), o.f.Fd()), true, v.Range, prot, flags|unix.MAP_NORESERVE, v.Off); err != nil {
		return fmt.Errorf("object: %w", err)
	}
	for _, k := range keep {
		if err := c.Space.Write(k.at, k.b); err != nil {
			return err
		}
	}
	if len(c.Shown) > 0 {
		c.Shown = Cut(c.Shown, v.Range)
	}
	c.View(v)
	return nil
}

// View enters memory that is mapped already.
func (c *Copy) View(v View) {
	c.Unview(v.Range)
	i, _ := slices.BinarySearchFunc(c.Views, v.Lo, func(w View, lo uint64) int {
		if w.Lo < lo {
			return -1
		}
		return 1
	})
	c.Views = slices.Insert(slices.Clone(c.Views), i, v)
	c.common()
}

// WriteMemory writes memory as the kernel would for the program: into the object
// where it shows one, whatever the protection.
func (c *Copy) WriteMemory(addr uint64, b []byte) error {
	for _, v := range c.ViewsIn(Range{addr, addr + uint64(len(b))}) {
		o := c.objects[v.Object]
		if v.Private || v.Object == Beyond || o == nil {
			continue
		}
		if _, err := o.f.WriteAt(b[v.Lo-addr:v.Hi-addr], int64(v.Off)); err != nil {
			return fmt.Errorf("object: %w", err)
		}
		if v.Lo > addr {
			if err := c.Space.Write(addr, b[:v.Lo-addr]); err != nil {
				return err
			}
		}
		b, addr = b[v.Hi-addr:], v.Hi
	}
	if len(b) == 0 {
		return nil
	}
	return c.Space.Write(addr, b)
}

// MapFile has the copy map a file, opened by a path that the tracer knows, at a
// fixed address.
func (c *Copy) MapFile(path string, write bool, r Range, prot uint32, flags, off uint64) error {
	if err := c.Space.Write(EngineData, append([]byte(path), 0)); err != nil {
		return err
	}
	how := uint64(unix.O_RDONLY)
	if write {
		how = unix.O_RDWR
	}
	const cwd = ^uint64(99) // AT_FDCWD
	fd, err := c.Inject(unix.SYS_OPENAT, cwd, EngineData, how|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if fd < 0 {
		return fmt.Errorf("open mapped file %s: %w", path, unix.Errno(-fd))
	}
	at, err := c.Inject(unix.SYS_MMAP, r.Lo, r.Hi-r.Lo, uint64(prot), flags|unix.MAP_FIXED, uint64(fd), off)
	if err != nil {
		return err
	}
	if uint64(at) != r.Lo {
		return fmt.Errorf("map %s at %#x: %w", path, r.Lo, unix.Errno(-at))
	}
	_, err = c.Inject(unix.SYS_CLOSE, uint64(fd))
	return err
}

// Unview forgets the views in r, whose memory is being replaced.
func (c *Copy) Unview(r Range) {
	hit := func(v View) bool { return v.Lo < r.Hi && r.Lo < v.Hi }
	if !slices.ContainsFunc(c.Views, hit) {
		return
	}
	var out []View
	for _, v := range c.Views {
		if !hit(v) {
			out = append(out, v)
			continue
		}
		if v.Lo < r.Lo {
			a := v
			a.Hi = r.Lo
			out = append(out, a)
		}
		if v.Hi > r.Hi {
			v.Off += r.Hi - v.Lo
			v.Lo = r.Hi
			out = append(out, v)
		}
	}
	c.Views = out
	c.common()
}

// ViewsIn returns the parts of views that are in r.
func (c *Copy) ViewsIn(r Range) []View {
	var out []View
	for _, v := range c.Views {
		if v.Hi <= r.Lo || v.Lo >= r.Hi {
			continue
		}
		if v.Lo < r.Lo {
			v.Off += r.Lo - v.Lo
			v.Lo = r.Lo
		}
		v.Hi = min(v.Hi, r.Hi)
		out = append(out, v)
	}
	return out
}

// common tells the space which memory is to be taken for written.
func (c *Copy) common() {
	var s PageSet
	for _, v := range c.Views {
		if v.Object != Beyond {
			s = s.add(v.Range)
		}
	}
	c.Space.common = s
}
