package debugger

// The proof that a change is the latest. A value is a function of the memory that
// its evaluation reads: while nothing of it is written the value stays the same.
//
//  1. At a point with the present's value, note what an evaluation reads.
//  2. Find the latest change of that memory before the point. From there up to the
//     point the value has been the same. When there is none it has always been.
//  3. Evaluate just before that change. Another value: this is the latest change.
//     The same: go on from there. None: the proof ends here.
//
// Each round is a link. An expression that reads memory which changes often without
// changing the value needs too many of them; then the answer comes from a bisection
// of what lies before the earliest point reached, and is a transition.

import (
	"context"
	"errors"
	"fmt"
)

// maxLinks bounds the rounds of a proof, maxSearches its searches of an interval for
// a few words.
const (
	maxLinks    = 16
	maxSearches = 40
)

// prove looks for the latest change. ok means that the program stands just before
// the instruction or event that made it. Otherwise h.from is the earliest point
// that is known to have the present's value and h.why says why there is no proof.
func (h *hunt) prove(ctx context.Context) (ok bool, err error) {
	w, seen := h.d.tl.(Witness)
	r, reads := h.d.back.(Reader)
	if h.soft || !seen || !reads {
		out, ok, err := h.watch(ctx)
		if ok && err == nil && (!out.Moved || out.Edge) {
			err = h.unchanged()
		}
		return ok, err
	}
	at := h.home
	searches, links := 0, 0
	for ; links < maxLinks && searches < maxSearches; links++ {
		set, err := h.reads(ctx, w, r)
		if err != nil {
			return false, h.unproved(err)
		}
		write, err := w.LastWrite(ctx, set, at, h.first.event)
		if err != nil {
			return false, h.unproved(err)
		}
		if write != nil {
			searches += write.Searches
			h.marks = append(h.marks, write.After)
			if write.Before != nil {
				h.marks = append(h.marks, write.Before)
			}
		}
		if write == nil || write.Before == nil {
			return false, h.unchanged()
		}
		if _, err := h.arrive(ctx, h.d.toMark(write.Before)); err != nil {
			return false, err
		}
		if h.first.mark != nil {
			if early, err := h.passed(ctx, h.first); err != nil {
				return false, err
			} else if early {
				return false, h.unchanged()
			}
		}
		s, err := h.sample(ctx)
		switch {
		case err != nil:
			return false, err
		case s == differs:
			h.answer.Guarantee = Latest
			return true, nil
		case s == unknown:
			h.from = write.After
			h.why = "it has no value just before the latest change of what it reads"
			return false, nil
		}
		at = write.Before
		h.from = at
	}
	h.why = fmt.Sprintf("what it reads was written %d times later without a change of the value, and what lies before that was only sampled", links)
	return false, nil
}

// unproved notes why there is no proof; other errors it gives back.
func (h *hunt) unproved(err error) error {
	var u *UnprovedError
	if !errors.As(err, &u) {
		return err
	}
	h.why = u.Reason
	return nil
}

// reads evaluates the expression, where it has just been evaluated, and returns
// the memory that it reads.
func (h *hunt) reads(ctx context.Context, w Witness, r Reader) (Reads, error) {
	h.answer.Evaluations++
	v, loose, err := r.EvaluateReading(ctx, h.bound, w.BeginReads)
	set := w.EndReads()
	h.d.tl.EndDiversion()
	switch {
	case isUnknown(err):
		return set, &UnprovedError{"its second evaluation gave no value: " + err.Error()}
	case err != nil:
		return set, err
	case v != h.now:
		return set, &UnprovedError{"two evaluations at one point gave different values"}
	case loose != "":
		return set, &UnprovedError{loose}
	case set.Opaque != "":
		return set, &UnprovedError{set.Opaque}
	}
	return set, nil
}
