package debugger

// Finding a change by bisection over points of history. Values are text as the
// backend prints them. A point where the expression has no value is unknown: it
// never counts as a change, and the search goes on beside it.
//
// The search is pure logic over a prober: it moves nothing itself.

import (
	"context"
	"fmt"
	"slices"
)

// point is somewhere the search can look. Points are compared by their order in
// a list only.
type point struct {
	seek  seek
	event int64
	mark  Mark // nil until the point has been visited
	slice bool // the start of a slice, which nothing but its number holds
}

// sample is what was found at a point.
type sample uint8

const (
	unknown sample = iota // no value
	differs               // another value than the present's
	same                  // the present's value
)

// prober looks at a point, and finds points between two that were looked at
// (ok false: they are too close).
type prober interface {
	look(ctx context.Context, p *point) (sample, error)
	between(ctx context.Context, lo, hi *point) (mid *point, ok bool, err error)
}

// bracket is what a search ends with: the value differs at lo (or is unknown
// there, when no point differs) and is the present's at hi, which is later.
type bracket struct {
	lo, hi *point
	found  bool // it differs at lo
}

// pastwards looks at points in growing strides back from the present until one
// differs, then bisects. points are in the order of history and end with the
// present, which is known to be same.
func pastwards(ctx context.Context, pr prober, points []*point) (bracket, error) {
	seen := map[int]sample{len(points) - 1: same}
	at := func(i int) (sample, error) {
		if s, ok := seen[i]; ok {
			return s, nil
		}
		s, err := pr.look(ctx, points[i])
		if err == nil {
			seen[i] = s
		}
		return s, err
	}
	hi := len(points) - 1 // the oldest point that is same, as far as looked
	lo := -1              // the newest older point that differs
	oldest := hi          // the oldest point looked at
	for stride := 1; oldest > 0; stride *= 2 {
		oldest = max(0, oldest-stride)
		s, err := at(oldest)
		if err != nil {
			return bracket{}, err
		}
		if s == differs {
			lo = oldest
			break
		}
		if s == same {
			hi = oldest
		}
	}
	if lo < 0 {
		// Nothing differs, but a value may have begun and changed between an
		// unknown point and the oldest that is same.
		if hi == 0 {
			return bracket{hi: points[0]}, nil
		}
		lo = 0
	}
	for hi-lo > 1 {
		i, s, err := nearMiddle(lo, hi, at)
		if err != nil {
			return bracket{}, err
		}
		switch s {
		case differs:
			lo = i
		case same:
			hi = i
		default: // all between are unknown
			if seen[lo] == differs {
				return bracket{lo: points[lo], hi: points[hi], found: true}, nil
			}
			lo = hi - 1
		}
	}
	return bracket{lo: points[lo], hi: points[hi], found: seen[lo] == differs}, nil
}

// nearMiddle looks at the point between lo and hi that is nearest to their
// middle and has a value; unknown when none has.
func nearMiddle(lo, hi int, at func(int) (sample, error)) (int, sample, error) {
	mid := lo + (hi-lo)/2
	for off := 0; mid+off < hi || mid-off > lo; off++ {
		for _, i := range []int{mid + off, mid - off} {
			if i <= lo || i >= hi {
				continue
			}
			s, err := at(i)
			if err != nil || s != unknown {
				return i, s, err
			}
		}
	}
	return 0, unknown, nil
}

// narrow splits a bracket until its points are too close to be split. Where a
// point between is unknown, it goes on in the later half while that may hold
// the change, then in the earlier.
func narrow(ctx context.Context, pr prober, b bracket) (bracket, error) {
	for tries := 0; ; tries++ {
		if tries > 400 {
			return b, fmt.Errorf("no progress in splitting an interval")
		}
		mid, ok, err := pr.between(ctx, b.lo, b.hi)
		if err != nil || !ok {
			return b, err
		}
		s, err := pr.look(ctx, mid)
		if err != nil {
			return b, err
		}
		switch s {
		case differs:
			b.lo, b.found = mid, true
		case same:
			b.hi = mid
		case unknown:
			if !b.found {
				b.lo = mid // the value begins later than here
				continue
			}
			// Known at both ends and unknown between: look for a later point with
			// a value; if it is still another, the change is after it.
			m2, ok, err := pr.between(ctx, mid, b.hi)
			if err != nil || !ok {
				return b, err
			}
			s2, err := pr.look(ctx, m2)
			if err != nil {
				return b, err
			}
			switch s2 {
			case differs:
				b.lo = m2
			case same:
				b.hi = m2
			default:
				return b, nil
			}
		}
	}
}

// scatter looks at up to n points spread between lo and hi, later ones first at
// each round, until the value differs at one. hi is known to be same; ls is what lo
// is. It is for values that are the same wherever pastwards looked: those may have
// changed and changed back.
func scatter(ctx context.Context, pr prober, lo, hi *point, ls sample, n int) (bracket, error) {
	type seen struct {
		p *point
		s sample
	}
	all := []seen{{lo, ls}, {hi, same}} // in the order of history
	for {
		split := false
		for i := len(all) - 2; i >= 0; i-- {
			if n == 0 {
				return bracket{hi: hi}, nil
			}
			mid, ok, err := pr.between(ctx, all[i].p, all[i+1].p)
			if err != nil {
				return bracket{}, err
			}
			if !ok {
				continue
			}
			split = true
			n--
			s, err := pr.look(ctx, mid)
			if err != nil {
				return bracket{}, err
			}
			if s == differs {
				for _, later := range all[i+1:] {
					if later.s == same {
						return bracket{lo: mid, hi: later.p, found: true}, nil
					}
				}
			}
			all = slices.Insert(all, i+1, seen{mid, s})
		}
		if !split {
			return bracket{hi: hi}, nil
		}
	}
}
