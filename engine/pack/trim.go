package pack

// Trimming: a part of a recording is a recording. It begins with an image, which is
// the start of a slice, and ends with an event. Events keep their numbers: those
// before the part stay in the log with nothing but their time.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"yore/engine/image"
	"yore/engine/trace"
)

// Range is the part of history that is to be held, from the start of slice From to
// the end of slice To. It gets what precedes From up to the last image.
type Range struct{ From, To int64 }

// trim makes the recording's events and images, as far as they are in the range, in
// the staging directory, and has the packer take them from there.
func (p *packer) trim(m *trace.Meta) error {
	log := p.rec.Log
	last := log.Len() - 1
	if p.Range.From > last || p.Range.From > p.Range.To {
		return fmt.Errorf("history ends with event %d: there is none from %d to %d", last, p.Range.From, p.Range.To)
	}
	from, err := p.startBefore(p.Range.From)
	if err != nil {
		return err
	}
	to, err := p.endOf(p.Range.To, last)
	if err != nil {
		return err
	}
	if from == m.First && to == last {
		return nil
	}
	if err := p.trimLog(from, to); err != nil {
		return err
	}
	if err := p.trimImages(from, to); err != nil {
		return err
	}
	at, err := log.At(to)
	if err != nil {
		return err
	}
	m.First = from
	m.Notes = append(m.Notes, fmt.Sprintf("a part of a recording of %d events: from event %d to %d", last+1, from, to))
	if to < last {
		m.Ended, m.EndImage, m.Frames = nil, 0, nil
		m.Events, m.Seconds = to+1, float64(at.Time)/1e9
	}
	p.m.From, p.m.To = from, to
	p.dir = p.staging
	return nil
}

// startBefore is the event of the last image of a slice's start that is not after
// slice i.
func (p *packer) startBefore(i int64) (int64, error) {
	list, err := image.List(filepath.Join(p.dir, "images"))
	if err != nil {
		return 0, err
	}
	found := int64(-1)
	for _, e := range list {
		if e.Err == nil && e.Event <= i && e.Position != "" {
			found = max(found, e.Event)
		}
	}
	if found < 0 {
		return 0, errors.New("there is no image to begin with")
	}
	return found, nil
}

// endOf is the event that ends slice i, or the last one there is.
func (p *packer) endOf(i, last int64) (int64, error) {
	for i = min(i, last); i < last; {
		i++
		e, err := p.rec.Log.At(i)
		if err != nil || e.Kind != trace.Cut {
			return i, err
		}
	}
	return i, nil
}

func (p *packer) trimLog(from, to int64) error {
	log, err := trace.CreateLog(filepath.Join(p.staging, "events"))
	if err != nil {
		return err
	}
	defer log.Close()
	for i := int64(0); i <= to; i++ {
		e, err := p.rec.Log.At(i)
		if err != nil {
			return err
		}
		if i < from {
			e = &trace.Event{Kind: trace.Cut, TID: e.TID, NR: -1, Time: e.Time}
		}
		if _, err := log.Append(e); err != nil {
			return err
		}
	}
	return log.Finish()
}

// trimImages copies the images of the range, and their pages without those of others.
func (p *packer) trimImages(from, to int64) (err error) {
	src, dst := filepath.Join(p.dir, "images"), filepath.Join(p.staging, "images")
	list, err := image.List(src)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dst, 0o700); err != nil {
		return err
	}
	names := []string{"pages", "pages.sum"}
	for _, e := range list {
		// One inside the first slice needs none before it.
		if e.Err == nil && e.Event >= from && e.Event <= to {
			names = append(names, fmt.Sprintf("%d.img", e.ID))
		}
	}
	for _, name := range names {
		if err := copyFile(filepath.Join(dst, name), filepath.Join(src, name)); err != nil {
			return err
		}
	}
	store, err := image.OpenStore(dst)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	_, err = store.Prune()
	return err
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// inRange are the fingerprints of the part that is held.
func (p *packer) inRange(sums []trace.Fingerprint) []trace.Fingerprint {
	var out []trace.Fingerprint
	for _, f := range sums {
		if f.Event >= p.m.From && f.Event <= p.m.To {
			out = append(out, f)
		}
	}
	return out
}
