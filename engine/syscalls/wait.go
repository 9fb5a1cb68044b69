package syscalls

import "fmt"

// wait says when a call may wait for something that another thread, process or
// the clock must do.
type wait struct {
	kind waitKind
	arg  int8
	mask uint64
}

type waitKind uint8

const (
	wNever  waitKind = iota
	wMay             // always assume so
	wFlag            // unless arg has a bit of mask
	wZero            // unless the int in arg is 0
	wTime            // unless arg points to 16 zero bytes (a timespec or timeval)
	wIfFlag          // only if arg has a bit of mask
	wIfEq            // only if the int in arg equals mask
)

var waits = wait{kind: wMay}

func unlessFlag(arg int, mask uint64) wait { return wait{wFlag, int8(arg), mask} }
func unlessZero(arg int) wait              { return wait{wZero, int8(arg), 0} }
func unlessNow(arg int) wait               { return wait{wTime, int8(arg), 0} }
func ifFlag(arg int, mask uint64) wait     { return wait{wIfFlag, int8(arg), mask} }
func ifEq(arg int, v uint64) wait          { return wait{wIfEq, int8(arg), v} }

func (w wait) String() string {
	switch w.kind {
	case wNever:
		return ""
	case wFlag:
		return fmt.Sprintf("waits unless a%d&%#x", w.arg, w.mask)
	case wZero:
		return fmt.Sprintf("waits unless a%d=0", w.arg)
	case wTime:
		return fmt.Sprintf("waits unless *a%d=0", w.arg)
	case wIfFlag:
		return fmt.Sprintf("waits if a%d&%#x", w.arg, w.mask)
	case wIfEq:
		return fmt.Sprintf("waits if a%d=%d", w.arg, w.mask)
	}
	return "waits"
}

func (w wait) may(a Args, m Mem) bool {
	switch w.kind {
	case wNever:
		return false
	case wFlag:
		return a[w.arg]&w.mask == 0
	case wIfFlag:
		return a[w.arg]&w.mask != 0
	case wIfEq:
		return uint32(a[w.arg]) == uint32(w.mask)
	case wZero:
		return uint32(a[w.arg]) != 0
	case wTime:
		var b, zero [16]byte
		n, _ := 0, error(nil)
		if a[w.arg] != 0 {
			n, _ = m.Read(a[w.arg], b[:])
		}
		return n != len(b) || b != zero
	}
	return true
}

// MayBlock reports whether the call, at its entry, may wait for something that
// does not happen by itself at once. In doubt it says true.
func (r *Row) MayBlock(a Args, m Mem) bool {
	if _, _, ok := r.Answer(a); ok {
		return false
	}
	if r.wait.may(a, m) {
		return true
	}
	if r.sub == nil {
		return false
	}
	if o := r.sub.find(a); o != nil {
		return o.wait.may(a, m)
	}
	return r.sub.strict
}
