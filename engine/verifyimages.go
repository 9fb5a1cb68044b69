package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"yore/engine/image"
	"yore/engine/internal/replay"
	"yore/engine/internal/snapshot"
	"yore/engine/trace"
)

// VerifyImages holds the images of the recording in dir against the rest of it: a
// process is built from each, its state compared with the fingerprint taken with
// the image, and replayed to the next fingerprint. Verify, which goes through from
// the beginning, does not need most of them. A difference is a *Divergence.
func VerifyImages(ctx context.Context, dir string, confined bool) (v Verified, err error) {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- verifyImages(ctx, dir, confined, &v)
	}()
	err = <-done
	return v, err
}

func verifyImages(ctx context.Context, dir string, confined bool, v *Verified) error {
	d, err := openDisk(dir)
	if err != nil {
		return err
	}
	defer d.close()
	d.confined = confined
	d.pin()
	sums, _, err := d.rec.Fingerprints()
	if err != nil {
		return err
	}
	v.Events = d.log.Len()
	for _, t := range d.rec.Truncated() {
		v.Cut = append(v.Cut, t.String())
	}
	const far = 3 // images
	for i, e := range d.images {
		if e.Event >= v.Events {
			break
		}
		end := v.Events
		if i+far < len(d.images) {
			end = min(end, d.images[i+far].Event+1)
		}
		if err := d.verifyImage(ctx, e, end, sums, v); err != nil {
			return fmt.Errorf("from image %d: %w", e.ID, err)
		}
	}
	return nil
}

// verifyImage replays from one image to the first fingerprint behind it, or to event
// end if that comes first.
func (d *disk) verifyImage(ctx context.Context, e image.Entry, end int64, sums []trace.Fingerprint, v *Verified) error {
	c, in, err := d.restore(e)
	if err != nil {
		return err
	}
	// The table of stubs only grows: with an older image's stubs it is a beginning.
	stubs, err := replay.Decode(in.Stubs)
	if err != nil {
		c.Kill()
		return err
	}
	if have := d.env.Stubs.Len(); len(stubs) > have {
		d.env.Stubs.Add(stubs[have:])
	}
	r := replay.New(c, d.env, e.Event+1)
	defer func() { r.Kill() }()
	limits := in.Limits
	check := func(want *trace.Fingerprint) error {
		f, err := r.Copy.Fork()
		if err != nil {
			return err
		}
		defer f.Kill()
		checker := snapshot.Checker{Sums: snapshot.Sums{Contents: &d.contents}}
		got, err := checker.Fingerprint(f, want.Event, limits)
		if err != nil {
			return err
		}
		if err := d.compare(want, &got, f); err != nil {
			return err
		}
		v.Checkpoints++
		return nil
	}
	if i := slices.IndexFunc(sums, func(f trace.Fingerprint) bool { return f.Event == e.Event }); i >= 0 && startImage(&e) {
		if err := check(&sums[i]); err != nil {
			return err
		}
	}
	next := slices.IndexFunc(sums, func(f trace.Fingerprint) bool { return f.Event > e.Event && f.Event < end })
	if next < 0 {
		return r.Advance(ctx, end)
	}
	want := &sums[next]
	if err := r.Advance(ctx, want.Event+1); err != nil {
		return err
	}
	if i := slices.IndexFunc(d.images, func(x image.Entry) bool { return x.Event == want.Event }); i >= 0 {
		at, err := d.info(d.images[i])
		if err != nil {
			return err
		}
		limits = at.Limits
	}
	return check(want)
}
