package patch

// Inner is an instruction boundary that a stub's jump covers: the byte at At
// faults when control gets there, and To is the relocated instruction to go on
// with.
type Inner struct{ At, To uint64 }

// Inner returns the boundaries that the stub's jump covers, in address order. Who
// has this list and Code can answer faults there without the plan.
func (s *Stub) Inner() []Inner {
	var out []Inner
	at := s.Addr
	for k := range s.win.insts {
		if k > 0 && at < s.Addr+5 {
			out = append(out, Inner{at, s.copies[k]})
		}
		at += uint64(s.win.insts[k].Len)
	}
	return out
}

// Code returns the addresses of the stub's code, hi exclusive.
func (s *Stub) Code() (lo, hi uint64) { return s.base, s.base + s.size }
