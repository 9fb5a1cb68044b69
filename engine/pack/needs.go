package pack

import (
	"encoding/binary"
	"path/filepath"

	"yore/engine/image"
)

// needs finds out what replaying the images asks of a machine.
func (p *packer) needs() error {
	dir := filepath.Join(p.dir, "images")
	list, err := image.List(dir)
	if err != nil {
		return err
	}
	n := &p.m.Needs
	for _, e := range list {
		if e.Err != nil {
			continue
		}
		im, err := image.Open(dir, e.ID)
		if err != nil {
			return err
		}
		n.Mappings = max(n.Mappings, len(im.Regions))
		if len(im.Regions) > 0 {
			lo, hi := im.Regions[0].Addr, im.Regions[len(im.Regions)-1].End()
			if n.LowestAddress == 0 || lo < n.LowestAddress {
				n.LowestAddress = lo
			}
			n.HighestAddress = max(n.HighestAddress, hi)
		}
		for i := range im.Threads {
			if x := im.Threads[i].XState; len(x) >= 520 {
				n.XStateUsed |= binary.LittleEndian.Uint64(x[512:])
			}
		}
		im.Close()
	}
	return nil
}
