package engine

// A live session as a recording on disk, for a bundle. The log is copied, and those
// checkpoints become images without which it could not be replayed: the start, what
// lies on either side of each event that only a state can cross, and the frontier.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"yore/engine/image"
	"yore/engine/internal/replay"
	"yore/engine/internal/snapshot"
	"yore/engine/trace"
)

// kept is a checkpoint with what an image of it needs and only the time at which it
// was made can tell.
type kept struct {
	c  *checkpoint // never dropped
	st snapshot.State
}

// keepForSaving notes a checkpoint that Save will need.
func (s *Session) keepForSaving(c *checkpoint) {
	c.users++
	s.kept = append(s.kept, kept{c, s.stateOf(snapshot.Point{Event: c.event, Start: c.start, Time: int64(c.time)})})
}

// stateOf describes the live program as it is now.
func (s *Session) stateOf(at snapshot.Point) snapshot.State {
	pid := s.rec.PID()
	st := snapshot.State{Point: at, PID: pid}
	st.Exe, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	st.Cwd, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	st.Auxv, _ = os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	st.Info.SetPatched(s.rec.Patched())
	st.Info.Stubs = replay.Encode(s.rec.Stubs().List())
	st.Info.Limits = s.rec.LimitWords()
	st.Info.StackLimit = s.rec.StackLimit()
	st.Pieces = s.rec.Layout().Pieces()
	return st
}

// Directory is the directory of a recorded session's recording, "" of a live one.
func (s *Session) Directory() string {
	if s.disk == nil {
		return ""
	}
	return s.disk.rec.Dir()
}

// Save writes a live session's history so far as a recording into directory dir,
// which must not exist. m describes the program; what the session knows is filled
// in. The session stays where it is.
func (s *Session) Save(ctx context.Context, dir string, m trace.Meta) error {
	if s.disk != nil {
		return errors.New("save: the session is on a recording already")
	}
	if err := s.do(ctx, func() error { return s.save(ctx, dir, m) }); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

func (s *Session) save(ctx context.Context, dir string, m trace.Meta) error {
	m.PID, m.Began, m.Threads = int32(s.rec.PID()), s.began, max(1, len(s.rec.ThreadIDs()))
	m.Seconds = s.rec.Elapsed().Seconds()
	m.Ended = &trace.Ended{How: "detached"}
	if e := s.facts.Ended(); e != nil {
		m.Ended = &trace.Ended{How: "exit", Status: e.Code}
		if e.Signaled {
			m.Ended = &trace.Ended{How: "signal", Signal: e.Code}
		}
	}
	if _, x, err := s.rec.Registers(s.rec.PID()); err == nil {
		m.Machine.XStateSize = len(x)
	}
	m.BuildIDs = buildIDs(s.rec.Files().List())
	to, err := trace.CreateAt(dir, false, m)
	if err != nil {
		return err
	}
	err = s.saveTo(ctx, to)
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.RemoveAll(dir)
	}
	return err
}

func (s *Session) saveTo(ctx context.Context, to *trace.Recording) error {
	n := s.log.Len()
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := s.log.At(i)
		if err == nil {
			_, err = to.Log.Append(e)
		}
		if err != nil {
			return err
		}
	}
	if err := s.saveFiles(to); err != nil {
		return err
	}
	images := s.kept
	inside := false // the end is inside a slice
	if s.rec.Current() != nil {
		c, err := s.keepFrontier("")
		if err != nil {
			return err
		}
		inside = !c.start
		now := s.stateOf(snapshot.Point{Event: n - 1, Start: c.start, Time: int64(c.time)})
		images = append(images[:len(images):len(images)], kept{c, now})
	}
	imageDir := filepath.Join(to.Dir(), imagesDir)
	store, err := image.OpenStore(imageDir)
	if err != nil {
		return err
	}
	var last image.ID
	for _, k := range images {
		if last, err = saveImage(store, imageDir, to, k); err != nil {
			break
		}
	}
	if cerr := store.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := to.Log.Flush(); err != nil {
		return err
	}
	return to.UpdateMeta(func(m *trace.Meta) {
		m.Events = to.Log.Len()
		if inside {
			m.EndImage = uint32(last)
		}
		m.Counts = map[string]int64{"images": int64(len(images))}
		if s.rec.Ended() != nil {
			m.Frames = topFrames(s.rec)
		}
		m.Notes = append(m.Notes, s.remarks.list...)
	})
}

// saveFiles puts all mapped files into a recording.
func (s *Session) saveFiles(to *trace.Recording) error {
	for _, f := range s.rec.Files().List() {
		content, err := f.Open()
		if err != nil {
			return err
		}
		d, err := trace.StatFile(f.Path, content)
		if err == nil {
			var id uint32
			if id, err = to.Files.Add(d, nil); err == nil && id != f.ID {
				err = fmt.Errorf("file %s: entered as %d, known as %d", f.Path, id, f.ID)
			}
		}
		if err == nil {
			if _, err = content.Seek(0, io.SeekStart); err == nil {
				err = to.Files.Capture(f.ID, content)
			}
		}
		content.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// saveImage writes one image, whole: pages that others have are stored once.
func saveImage(store *image.Store, dir string, to *trace.Recording, k kept) (image.ID, error) {
	// What is done to the copy while it is read must not be seen by those who fork it.
	copy, err := k.c.r.Copy.Fork()
	if err != nil {
		return 0, err
	}
	defer copy.Kill()
	saver := snapshot.Saver{Store: store, Dir: dir}
	saver.Sums.Contents = &snapshot.Contents{Open: to.Files.Open}
	defer saver.Close()
	sh, err := saver.Take(copy, k.st)
	if err != nil {
		return 0, err
	}
	id, sum, err := saver.Write(sh)
	if err == nil && k.st.Start {
		err = to.AddFingerprint(sum)
	}
	return id, err
}
