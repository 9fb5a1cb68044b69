// Package timeline holds the vocabulary of moving in time: positions and their
// printed form, stops and their reasons. It is pure: no process is needed to
// test it.
package timeline

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a point of recorded history: in slice Event, the point at which
// the instruction at Addr is about to be executed for the Count-th time since
// the slice began. Count 0 (Addr ignored) is the slice's start, just after
// event Event took effect; Event 0 Count 0 is the start of history.
type Position struct {
	Event int64
	Count uint64
	Addr  uint64
}

// Start is the beginning of history: the program's first instruction.
var Start = Position{}

// AtSlice reports whether p is the start of a slice.
func (p Position) AtSlice() bool { return p.Count == 0 }

// String prints EVENT or EVENT+COUNT@0xADDR, the form that Parse reads.
func (p Position) String() string {
	if p.Count == 0 {
		return strconv.FormatInt(p.Event, 10)
	}
	return fmt.Sprintf("%d+%d@%#x", p.Event, p.Count, p.Addr)
}

// Parse reads the printed form of a position. It accepts nothing else: an
// error names the part that is wrong.
func Parse(s string) (Position, error) {
	var p Position
	bad := func(what string) (Position, error) {
		return Position{}, fmt.Errorf("position %q: %s (want EVENT or EVENT+COUNT@ADDR)", s, what)
	}
	ev, rest, in := strings.Cut(s, "+")
	n, err := strconv.ParseInt(ev, 10, 64)
	if err != nil || n < 0 {
		return bad("bad event number")
	}
	p.Event = n
	if !in {
		return p, nil
	}
	cnt, addr, ok := strings.Cut(rest, "@")
	if !ok {
		return bad("no @ADDR")
	}
	if p.Count, err = strconv.ParseUint(cnt, 10, 64); err != nil || p.Count == 0 {
		return bad("bad count")
	}
	hex, ok := strings.CutPrefix(addr, "0x")
	if !ok {
		return bad("bad address")
	}
	if p.Addr, err = strconv.ParseUint(hex, 16, 64); err != nil {
		return bad("bad address")
	}
	return p, nil
}
