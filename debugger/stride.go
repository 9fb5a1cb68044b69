package debugger

import "context"

// Strider is a Timeline that counts instructions forwards over short distances.
type Strider interface {
	// Stride returns how many instructions lie between two marks, the earlier
	// first. ok is false when they are more than most or not countable.
	Stride(ctx context.Context, a, b Mark, most int) (n int, ok bool, err error)
	// Ahead returns a mark n instructions after another.
	Ahead(ctx context.Context, a Mark, n int) (Mark, error)
}

// strideMost is the distance up to which instructions are counted; what lies
// between two marks that cannot be split further is far less.
const strideMost = 50000

// stride finds the instruction between lo, where the value differs, and hi that
// changed it, by halving the number of instructions between them. It leaves the
// program just before that instruction; done is false when it could not tell.
func (h *hunt) stride(ctx context.Context, b bracket) (done bool, err error) {
	s, ok := h.d.tl.(Strider)
	if !ok || !b.found || b.lo.mark == nil || b.hi.mark == nil {
		return false, nil
	}
	n, ok, err := s.Stride(ctx, b.lo.mark, b.hi.mark, strideMost)
	if err != nil || !ok {
		return false, err
	}
	at := b.lo.mark
	probe := func(k int) (Mark, sample, error) {
		m, err := s.Ahead(ctx, b.lo.mark, k)
		if err != nil {
			return nil, unknown, err
		}
		h.marks = append(h.marks, m)
		if _, err := h.arrive(ctx, h.d.toMark(m)); err != nil {
			return nil, unknown, err
		}
		v, err := h.sample(ctx)
		return m, v, err
	}
	for lo, hi := 0, n; hi-lo > 1; {
		mid := (lo + hi) / 2
		// Where it has no value the next instruction that has one decides; if
		// none has up to hi, the change is sought before.
		k := mid
		m, v, err := probe(k)
		for err == nil && v == unknown && k+1 < hi {
			k++
			m, v, err = probe(k)
		}
		switch {
		case err != nil:
			return false, err
		case v == differs:
			lo, at = k, m
		default:
			hi = mid
		}
	}
	if _, err = h.arrive(ctx, h.d.toMark(at)); err != nil {
		return false, err
	}
	_, err = h.sample(ctx) // the value before
	return true, err
}
