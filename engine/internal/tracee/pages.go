package tracee

import "sort"

// PageSize is the size of a page of memory, bytes.
const PageSize = 4096

// Range is a range of addresses, Hi exclusive.
type Range struct{ Lo, Hi uint64 }

// PageSet is a set of pages: sorted, disjoint, non-adjacent page ranges.
type PageSet []Range

// Pages returns the number of pages in s.
func (s PageSet) Pages() int {
	n := uint64(0)
	for _, r := range s {
		n += (r.Hi - r.Lo) / PageSize
	}
	return int(n)
}

// Has reports whether the page of addr is in s.
func (s PageSet) Has(addr uint64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].Hi > addr })
	return i < len(s) && s[i].Lo <= addr
}

// From returns the pages of s at or above addr.
func (s PageSet) From(addr uint64) PageSet {
	var out PageSet
	for _, r := range s {
		if r.Hi > addr {
			out = append(out, Range{max(r.Lo, addr), r.Hi})
		}
	}
	return out
}

// add appends r, which must not begin before the last range of s.
func (s PageSet) add(r Range) PageSet {
	if n := len(s); n > 0 && s[n-1].Hi >= r.Lo {
		s[n-1].Hi = max(s[n-1].Hi, r.Hi)
		return s
	}
	return append(s, r)
}

// Union returns the pages of any of the sets.
func Union(sets ...PageSet) PageSet {
	switch len(sets) {
	case 0:
		return nil
	case 1:
		return sets[0]
	}
	m := len(sets) / 2
	a, b := Union(sets[:m]...), Union(sets[m:]...)
	var out PageSet
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].Lo <= b[0].Lo {
			out, a = out.add(a[0]), a[1:]
		} else {
			out, b = out.add(b[0]), b[1:]
		}
	}
	return out
}

// And returns the pages that are in both sets.
func (s PageSet) And(t PageSet) PageSet {
	var out PageSet
	for len(s) > 0 && len(t) > 0 {
		lo, hi := max(s[0].Lo, t[0].Lo), min(s[0].Hi, t[0].Hi)
		if lo < hi {
			out = append(out, Range{lo, hi})
		}
		if s[0].Hi <= t[0].Hi {
			s = s[1:]
		} else {
			t = t[1:]
		}
	}
	return out
}

// Not returns the pages of s that are not in t.
func (s PageSet) Not(t PageSet) PageSet {
	var out PageSet
	for _, r := range s {
		for len(t) > 0 && t[0].Hi <= r.Lo {
			t = t[1:]
		}
		for i := 0; i < len(t) && t[i].Lo < r.Hi; i++ {
			if r.Lo < t[i].Lo {
				out = append(out, Range{r.Lo, t[i].Lo})
			}
			r.Lo = min(t[i].Hi, r.Hi)
		}
		if r.Lo < r.Hi {
			out = append(out, r)
		}
	}
	return out
}

// Clip returns the pages of s in r.
func (s PageSet) Clip(r Range) PageSet { return s.And(PageSet{r}) }

// With returns s with the pages of r.
func (s PageSet) With(r Range) PageSet { return Union(s, PageSet{r}) }
