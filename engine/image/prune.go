package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Remove removes an image. Its pages stay until Prune.
func (s *Store) Remove(id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.root.Remove(imageName(id))
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNoImage
	}
	if err != nil {
		return fmt.Errorf("image %d: %w", id, err)
	}
	return nil
}

// Prune gives the space of pages that no image refers to back to the file
// system, as holes in the page file, and returns the number of those pages. The
// images' runs stay as they are. No writer may be at work. An image that cannot
// be read stops it: what it refers to is not known.
func (s *Store) Prune() (int64, error) {
	n, err := s.prune()
	if err != nil {
		return n, fmt.Errorf("prune images: %w", err)
	}
	return n, nil
}

func (s *Store) prune() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flush(); err != nil {
		return 0, err
	}
	ids, err := list(s.root)
	if err != nil {
		return 0, err
	}
	used := make([]uint64, s.n/64+1) // a bit for each page
	used[0] = 1                      // the header
	for _, id := range ids {
		var st State
		var runs []Run
		path := filepath.Join(s.dir, imageName(id))
		if _, err := readImage(s.root, path, id, func(d *decoder) { d.state(&st); runs = d.runs(); d.end() }); err != nil {
			return 0, err
		}
		if err := checkRuns(runs, st.Regions, uint64(s.n)); err != nil {
			return 0, &FormatError{Path: path, Offset: fileHeader, What: "impossible memory", Err: err}
		}
		for _, r := range runs {
			if r.Off == 0 {
				continue
			}
			for p := r.Off / PageSize; p < (r.Off+int64(r.Len))/PageSize; p++ {
				used[p/64] |= 1 << (p % 64)
			}
		}
	}
	// The index knows pages that will be gone: fill it again, below.
	s.idx = index{max: maxIndex}
	var freed int64
	for first := uint32(1); first < s.n; {
		if used[first/64]&(1<<(first%64)) != 0 {
			first++
			continue
		}
		end := first
		for end < s.n && end-first < prunePages && used[end/64]&(1<<(end%64)) == 0 {
			end++
		}
		n, err := s.punch(first, end)
		freed += n
		if err != nil {
			return freed, err
		}
		first = end
	}
	return freed, s.load()
}

// prunePages bounds the hole that is punched at a time.
const prunePages = 1 << 14

// punch frees pages [first, end) and returns how many of them were not free.
func (s *Store) punch(first, end uint32) (int64, error) {
	sums := make([]byte, 8*(end-first))
	if _, err := s.sums.ReadAt(sums, 8*int64(first)); err != nil {
		return 0, err
	}
	var n int64
	for i := 0; i < len(sums); i += 8 {
		if binary.LittleEndian.Uint64(sums[i:]) != 0 {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	// First the checksums: a page without one is never used again.
	clear(sums)
	if _, err := s.sums.WriteAt(sums, 8*int64(first)); err != nil {
		return 0, err
	}
	err := unix.Fallocate(int(s.pages.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
		int64(first)*PageSize, int64(end-first)*PageSize)
	if err != nil {
		return 0, fmt.Errorf("punch a hole: %w", err)
	}
	return n, nil
}
