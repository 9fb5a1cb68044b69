package debugger

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"yore/engine/timeline"
)

// reel is a tape with few events: a hundred states make a slice, which take ten
// seconds. Points inside slices are found by splitting only.
type reel struct {
	*tape
	splits int
	stuck  bool // what is inside a slice cannot be split
}

const perSlice = 100

func (r *reel) Events() int64                   { return int64(r.end() / perSlice) }
func (r *reel) Event() int64                    { return int64(r.pos / perSlice) }
func (r *reel) EventTime(e int64) time.Duration { return time.Duration(e) * 10 * time.Second }
func (r *reel) EventAtTime(d time.Duration) int64 {
	return min(int64(d/(10*time.Second)), r.Events())
}

func (r *reel) SeekPosition(ctx context.Context, p timeline.Position) (timeline.Stop, error) {
	return r.tape.SeekPosition(ctx, at(int(p.Event)*perSlice))
}

func (r *reel) SeekMark(ctx context.Context, m Mark) (timeline.Stop, error) {
	return r.tape.SeekPosition(ctx, at(m.(*tapeMark).pos))
}

func (r *reel) Between(ctx context.Context, a, b Mark) (Mark, bool, error) {
	r.splits++
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	x, y := a.(*tapeMark).pos, b.(*tapeMark).pos
	if y-x < 2 || r.stuck {
		return nil, false, nil
	}
	r.marks++
	return &tapeMark{t: r.tape, pos: (x + y) / 2}, true, nil
}

func (r *reel) now() time.Duration { return time.Duration(r.pos) * 100 * time.Millisecond }

func newReel(t *testing.T) (*reel, *Debugger) {
	t.Helper()
	r := &reel{tape: counting(200)} // 803 states
	d, err := New(t.Context(), r.tape, r, tapeUI{r.tape}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r, d
}

// TestScrub: near any time, by few splits, which later scrubs use again.
func TestScrub(t *testing.T) {
	r, d := newReel(t)
	const off = time.Second
	for _, want := range []time.Duration{0, 3 * time.Second, 3500 * time.Millisecond, 47 * time.Second, 59900 * time.Millisecond, 60 * time.Second, 3 * time.Second} {
		before := r.splits
		got, err := d.Scrub(t.Context(), want, off)
		if err != nil {
			t.Fatal(err)
		}
		if diff := (r.now() - want).Abs(); diff > off || (got-r.now()).Abs() > 200*time.Millisecond {
			t.Errorf("scrub to %v: told %v, is at %v", want, got, r.now())
		}
		if n := r.splits - before; n > 5 {
			t.Errorf("scrub to %v takes %d splits", want, n)
		}
	}
	before := r.splits
	if _, err := d.Scrub(t.Context(), 3*time.Second, off); err != nil || r.splits != before {
		t.Errorf("the second time: %d splits, %v", r.splits-before, err)
	}
	// Where nothing can be split the slice's nearer end has to do.
	r.stuck = true
	if got, err := d.Scrub(t.Context(), 28*time.Second, off); err != nil || got != 30*time.Second || r.pos != 300 {
		t.Errorf("stuck: %v at state %d, %v", got, r.pos, err)
	}
	d.Close()
	if r.marks != 0 {
		t.Errorf("%d marks are left", r.marks)
	}
}

// TestScrubBounds: the points kept are bounded.
func TestScrubBounds(t *testing.T) {
	r, d := newReel(t)
	for range 3 {
		for i := range 80 {
			if _, err := d.Scrub(t.Context(), time.Duration(i)*time.Second, 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if n := len(d.track.made); n > maxWaypoints+perSlice {
				t.Fatalf("%d points are kept", n)
			}
		}
	}
	d.Close()
	if r.marks != 0 {
		t.Errorf("%d marks are left", r.marks)
	}
}

// TestScrubIsNoMotion: what is passed is not a stop; where the next command begins
// is, and undo goes back to it.
func TestScrubIsNoMotion(t *testing.T) {
	r, d := newReel(t)
	for _, s := range []int{20, 30, 40} {
		if _, err := d.Scrub(t.Context(), time.Duration(s)*time.Second, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.history.stops); n != 1 {
		t.Errorf("scrubbing made %d stops", n-1)
	}
	if err := d.Execute(t.Context(), "next"); err != nil || r.pos != 401 {
		t.Fatalf("at state %d, %v", r.pos, err)
	}
	for _, want := range []int{400, 0} {
		if err := d.Execute(t.Context(), "undo"); err != nil || r.pos != want {
			t.Errorf("undo: state %d, want %d, %v", r.pos, want, err)
		}
	}
	if err := d.ScrubEvent(t.Context(), 1000); err != nil || r.pos != 800 {
		t.Errorf("past the end: state %d, %v", r.pos, err)
	}
	if err := d.ScrubEnd(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestScrubCancelled: the program stays where it was, also when points were being
// made, and the next scrub works.
func TestScrubCancelled(t *testing.T) {
	r, d := newReel(t)
	if _, err := d.Scrub(t.Context(), 20*time.Second, time.Second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Scrub(ctx, 55*time.Second, time.Second); !errors.Is(err, ErrInterrupted) || r.pos != 200 {
		t.Errorf("at state %d, %v", r.pos, err)
	}
	if got, err := d.Scrub(t.Context(), 55*time.Second, time.Second); err != nil || (got-55*time.Second).Abs() > time.Second {
		t.Errorf("%v, %v", got, err)
	}
}

// inspector is a tape with frames and variables.
type inspector struct{ *tape }

func (i inspector) Backtrace(context.Context, int) ([]Frame, error) {
	return []Frame{{0, Location{Function: "write", File: "write.c", Line: 5}}, {1, Location{Function: "main", File: "main.c", Line: 8}}}, nil
}
func (i inspector) Selected(context.Context) (int, int, error) { return 1, 0, nil }
func (i inspector) Variables(_ context.Context, _, level int) ([]Variable, error) {
	return []Variable{{Name: "level", Value: string(rune('0' + level))}}, nil
}
func (i inspector) Breakpoints() []Breakpoint { return []Breakpoint{{Number: "1"}} }

// TestLook: what there is to see, of the frame that has a source.
func TestLook(t *testing.T) {
	tp := counting(3)
	d, err := New(t.Context(), inspector{tp}, tp, tapeUI{tp}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Execute(t.Context(), "next"); err != nil {
		t.Fatal(err)
	}
	if err := d.Execute(t.Context(), "bookmark here"); err != nil {
		t.Fatal(err)
	}
	tp.out.Reset()
	l, err := d.Look(t.Context(), LookOptions{Watch: []string{"i", "nosuch", "nonsense("}, HasSource: func(l Location) bool { return l.File == "main.c" }})
	if err != nil {
		t.Fatal(err)
	}
	if l.Event != 1 || l.Events != 14 || l.Time != 100*time.Millisecond || l.From != l.Time || l.To != 200*time.Millisecond || l.Frontier || l.Shown != 1 || l.Level != 0 {
		t.Errorf("%+v", l)
	}
	if len(l.Frames) != 2 || len(l.Variables) != 1 || l.Variables[0].Value != "1" || len(l.Breaks) != 1 {
		t.Errorf("%+v", l)
	}
	w := l.Watched
	if len(w) != 3 || w[0].Value != "0" || w[0].Err != nil || w[1].Err == nil || w[2].Err == nil {
		t.Errorf("%+v", w)
	}
	if tp.out.Len() > 0 {
		t.Errorf("looking prints %q", tp.out.String())
	}
	if l, err = d.Look(t.Context(), LookOptions{}); err != nil || l.Shown != 0 {
		t.Errorf("without a wish for a source frame %d is shown, %v", l.Shown, err)
	}
	var pins []string
	for _, p := range d.Pins() {
		pins = append(pins, p.Label)
	}
	if got := strings.Join(pins, ","); got != "the beginning of the session,here,next" {
		t.Errorf("pins: %s", got)
	}
}
