package snapshot

import (
	"io"
	"os"

	"yore/engine/internal/tracee"
)

// Contents reads the recorded content of mapped files. It belongs to one
// goroutine.
type Contents struct {
	// Open opens a file's recorded content.
	Open func(file uint32) (*os.File, error)
	open map[uint32]*os.File
}

// File returns the open file, which stays Contents's own.
func (c *Contents) File(id uint32) (*os.File, error) {
	if f := c.open[id]; f != nil {
		return f, nil
	}
	f, err := c.Open(id)
	if err != nil {
		return nil, err
	}
	if c.open == nil {
		c.open = map[uint32]*os.File{}
	}
	c.open[id] = f
	return f, nil
}

// page reads one page of a file, with zeros behind its end.
func (c *Contents) page(id uint32, off uint64, p []byte) error {
	f, err := c.File(id)
	if err != nil {
		return err
	}
	n, err := f.ReadAt(p[:tracee.PageSize], int64(off))
	if err == io.EOF {
		clear(p[n:tracee.PageSize])
		err = nil
	}
	return err
}

// Close closes the files.
func (c *Contents) Close() {
	for _, f := range c.open {
		f.Close()
	}
	c.open = nil
}
