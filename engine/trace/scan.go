package trace

// Searching the log: events by kind, by what they wrote, by the output they
// made. A frame whose summary excludes the filter is skipped without being read.

// Range is a range of the program's addresses.
type Range struct{ Addr, Len uint64 }

// Filter selects the events for which any of its conditions holds. The zero
// Filter selects all events.
type Filter struct {
	Kinds  []Kind
	Output bool    // Out is not empty
	Ranges []Range // a write or mapping of the event overlaps one of them
	// Memory selects system calls of memory management (mmap, munmap, mremap,
	// brk, madvise…) whatever their arguments, and events with Maps: together
	// with Ranges, all events that can have changed the ranges.
	Memory bool
}

func (f *Filter) all() bool {
	return len(f.Kinds) == 0 && !f.Output && len(f.Ranges) == 0 && !f.Memory
}

// mask is the summary bits of which one at least must be set.
func (f *Filter) mask() uint32 {
	var m uint32
	for _, k := range f.Kinds {
		m |= 1 << (k & 31)
	}
	if f.Output {
		m |= sumOut
	}
	if f.Memory {
		m |= sumMem
	}
	return m
}

// frame reports whether a frame can hold a selected event.
func (f *Filter) frame(h *frameInfo) bool {
	if f.all() || h.sum&f.mask() != 0 {
		return true
	}
	for _, r := range f.Ranges {
		if h.pages.has(r.Addr, r.Len) {
			return true
		}
	}
	return false
}

// Match reports whether the filter selects e.
func (f *Filter) Match(e *Event) bool {
	if f.all() || summary(e)&f.mask() != 0 {
		return true
	}
	for _, r := range f.Ranges {
		for i := range e.Writes {
			if overlap(r, e.Writes[i].Addr, uint64(len(e.Writes[i].Data))) {
				return true
			}
		}
		for i := range e.Maps {
			if overlap(r, e.Maps[i].Addr, e.Maps[i].Len) {
				return true
			}
		}
	}
	return false
}

// overlap is exact for ranges up to the last address; longer ones end there.
func overlap(r Range, addr, n uint64) bool {
	return n > 0 && r.Len > 0 &&
		(addr >= r.Addr && addr-r.Addr < r.Len || r.Addr >= addr && r.Addr-addr < n)
}

// Scan calls fn for the selected events of [from, to) in order until fn returns
// false. The event is valid until fn returns; its slices are shared and stay.
func (l *Log) Scan(from, to int64, filter Filter, fn func(i int64, e *Event) bool) error {
	from, to = max(from, 0), min(to, l.Len())
	for i := from; i < to; {
		h, load, err := l.view(i)
		if err != nil {
			return err
		}
		end := min(h.end(), to)
		if filter.frame(&h) {
			f, err := load()
			if err != nil {
				return err
			}
			for k := i; k < end; k++ {
				if more, err := visit(f, k, &filter, fn); !more {
					return err
				}
			}
		}
		i = end
	}
	return nil
}

// ScanBack is Scan from the last event of [from, to) to the first.
func (l *Log) ScanBack(from, to int64, filter Filter, fn func(i int64, e *Event) bool) error {
	from, to = max(from, 0), min(to, l.Len())
	for i := to; i > from; {
		h, load, err := l.view(i - 1)
		if err != nil {
			return err
		}
		begin := max(h.first, from)
		if filter.frame(&h) {
			f, err := load()
			if err != nil {
				return err
			}
			for k := i - 1; k >= begin; k-- {
				if more, err := visit(f, k, &filter, fn); !more {
					return err
				}
			}
		}
		i = begin
	}
	return nil
}

func visit(f *frame, i int64, filter *Filter, fn func(int64, *Event) bool) (bool, error) {
	e := new(Event)
	if err := f.decode(i, e); err != nil {
		return false, err
	}
	return !filter.Match(e) || fn(i, e), nil
}

// view returns the summary of event i's frame as it is now and a function that
// gives the frame.
func (l *Log) view(i int64) (frameInfo, func() (*frame, error), error) {
	f, err := l.inMemory(i)
	if err != nil {
		return frameInfo{}, nil, err
	}
	if f != nil {
		return f.info, func() (*frame, error) { return f, nil }, nil
	}
	_, parts, err := l.locate(i)
	if err != nil {
		return frameInfo{}, nil, err
	}
	return parts[len(parts)-1], func() (*frame, error) { return l.frame(i) }, nil
}

// TimeOf returns the last event whose Time is at most t, 0 when there is none.
// It takes the log's times to grow, as the recorder's do.
func (l *Log) TimeOf(t int64) (int64, error) {
	lo, hi := int64(0), l.Len() // the answer is in [lo, hi)
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		// Frame headers hold a time: decide by them while the frame is not read.
		h, _, err := l.view(mid)
		if err != nil {
			return 0, err
		}
		switch {
		case h.first > lo && h.time > t:
			hi = h.first
		case h.first > lo:
			lo = h.first
		default:
			e, err := l.At(mid)
			if err != nil {
				return 0, err
			}
			if e.Time > t {
				hi = mid
			} else {
				lo = mid
			}
		}
	}
	return lo, nil
}
