package engine

// The images of a recording, listed and removed without starting anything.
//
// An image is needed when history behind it cannot be reached without it: the
// first, those of the state after an event that cannot be replayed (an execve, a
// preemption of a thread that could not be counted), and those of the state just
// before such a preemption, which say where in its slice it was. All others only
// save time: replay starts from the one before.

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"yore/engine/image"
	"yore/engine/internal/replay"
	"yore/engine/trace"
)

// ImageInfo is an image of a recording.
type ImageInfo struct {
	ID     int64
	Event  int64         // in whose slice it is
	Inside bool          // it is inside the slice, not at its start
	Time   time.Duration // since the recording began
	Bytes  int64         // memory that is not zeros, much of it shared with other images
	Needed bool          // part of the recording cannot be replayed without it
	Err    error         // why it cannot be read; nothing else but ID is known then
}

// ErrNeeded is wrapped by errors about the removal of an image that replay needs.
var ErrNeeded = errors.New("part of the recording cannot be replayed without it")

// IsBadInput reports whether err is about the bytes of a recording or of its
// images rather than about this machine.
func IsBadInput(err error) bool { return trace.IsBadInput(err) || image.IsBadInput(err) }

// Images lists the images of the recording in dir.
func Images(dir string) ([]ImageInfo, error) {
	rec, err := trace.OpenRecording(dir)
	if err != nil {
		return nil, err
	}
	defer rec.Close()
	return images(rec)
}

func images(rec *trace.Recording) ([]ImageInfo, error) {
	dir := rec.ImagesDir()
	list, err := image.List(dir)
	if err != nil {
		return nil, err
	}
	after, before := map[int64]bool{rec.Meta().First: true}, map[int64]bool{}
	err = rec.Log.Scan(0, rec.Log.Len(), trace.Filter{Kinds: []trace.Kind{trace.Exec, trace.Poke, trace.Preempt}},
		func(i int64, e *trace.Event) bool {
			if replay.NeedsRestore(e) {
				after[i] = true
				before[i-1] = e.Kind != trace.Exec
			}
			return true
		})
	if err != nil {
		return nil, err
	}
	out := make([]ImageInfo, len(list))
	for i, e := range list {
		out[i] = ImageInfo{ID: int64(e.ID), Err: e.Err}
		if e.Err != nil {
			continue
		}
		x := &out[i]
		x.Event, x.Inside, x.Time = e.Event, !startImage(&e), time.Duration(e.Time)
		x.Needed = !x.Inside && after[e.Event] || x.Inside && before[e.Event]
		im, err := image.Open(dir, e.ID)
		if err != nil {
			x.Err = err
			continue
		}
		all, zero := im.Bytes()
		x.Bytes = int64(all - zero)
		im.Close()
	}
	return out, nil
}

// RemoveImages removes images of the recording in dir and gives the space of
// memory that no other image has back, whose size it returns, bytes. With ids nil
// it removes all but those needed and the last, which lets the recording open at its
// end at once. When one of those asked for by id is needed it removes none. Nobody else may use the recording meanwhile.
func RemoveImages(dir string, ids []int64) (removed int, freed int64, err error) {
	rec, err := trace.OpenRecording(dir)
	if err != nil {
		return 0, 0, err
	}
	defer rec.Close()
	if err := rec.Claim(); err != nil {
		return 0, 0, err
	}
	list, err := images(rec)
	if err != nil {
		return 0, 0, err
	}
	var gone []image.ID
	for i, x := range list {
		switch {
		case ids == nil && !x.Needed && i < len(list)-1, slices.Contains(ids, x.ID) && !x.Needed:
			gone = append(gone, image.ID(x.ID))
		case slices.Contains(ids, x.ID):
			return 0, 0, fmt.Errorf("image %d: %w", x.ID, ErrNeeded)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(list, func(x ImageInfo) bool { return x.ID == id }) {
			return 0, 0, fmt.Errorf("image %d: %w", id, image.ErrNoImage)
		}
	}
	store, err := image.OpenStore(filepath.Join(dir, imagesDir))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, id := range gone {
		if err := store.Remove(id); err != nil {
			return removed, 0, err
		}
		removed++
	}
	pages, err := store.Prune()
	return removed, pages * image.PageSize, err
}
