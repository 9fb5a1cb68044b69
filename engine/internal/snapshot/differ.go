package snapshot

import (
	"yore/engine/image"
	"yore/engine/internal/tracee"
)

// FirstDifference compares the memory of an image with that of a copy and
// returns the first byte that differs. It reads all of both: it is for saying
// what went wrong.
func FirstDifference(im *image.Image, in *Info, c *tracee.Copy, contents *Contents) (addr uint64, want, got byte, found bool, err error) {
	m := newMask(in.Limits)
	var w, g [tracee.PageSize]byte
	for i := range im.Regions {
		r := &im.Regions[i]
		own, err := c.Space.Anonymous()
		if err != nil {
			return 0, 0, 0, false, err
		}
		pages := tracee.PageSet{{Lo: r.Addr, Hi: r.End()}}
		if r.File != 0 || r.Len > 1<<30 {
			// Elsewhere both show the file, or nothing was ever there.
			var runs tracee.PageSet
			for _, x := range im.Runs {
				runs = append(runs, tracee.Range{Lo: x.Addr, Hi: x.Addr + x.Len})
			}
			pages = pages.And(tracee.Union(own, tracee.Union(runs)))
		}
		for _, p := range pages {
			for a := p.Lo; a < p.Hi; a += tracee.PageSize {
				n, err := im.ReadAt(w[:], a)
				if err != nil {
					return 0, 0, 0, false, err
				}
				if n < len(w) {
					clear(w[:])
					if r.File != 0 {
						if err := contents.page(r.File, r.Off+a-r.Addr, w[:]); err != nil {
							return 0, 0, 0, false, err
						}
					}
				}
				clear(g[:])
				if c.Space.Read(a, g[:]) < len(g) && r.File != 0 {
					continue
				}
				m.apply(a, w[:])
				m.apply(a, g[:])
				for k := range w {
					if w[k] != g[k] {
						return a + uint64(k), w[k], g[k], true, nil
					}
				}
			}
		}
	}
	return 0, 0, 0, false, nil
}
