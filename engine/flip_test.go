package engine

import (
	"context"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yore/engine/trace"
)

var flips = flag.Int("flips", 20, "how many bytes of each of its three recordings TestFlippedBytes changes")

// TestFlippedBytes flips a bit in each of many logged bytes, one at a time: bytes of
// events that are evenly spread over a recording. The reader sees valid checksums. Each
// must be
//
//   - refused, because it is no event any more;
//   - noticed by replay or by a fingerprint; a replay that never ends is noticed too; or
//   - without effect: in what replay does not need (the time, the list of output, a
//     siginfo), or in state that is as recorded again before the end, whereas all that
//     the program asked of the system on the way was as recorded.
func TestFlippedBytes(t *testing.T) {
	for _, name := range []string{"sig_nested", "thr_short", "sys_pipes"} {
		t.Run(name, func(t *testing.T) { flipBytes(t, name) })
	}
}

func flipBytes(t *testing.T, name string) {
	dir, _ := recorded(t, name)
	runtime.LockOSThread() // never unlocked: the thread traces
	d, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	defer d.kill()
	d.pin()
	sums, _, err := d.rec.Fingerprints()
	if n := len(sums); err != nil || n == 0 || sums[n-1].Event != d.log.Len()-1 {
		t.Fatalf("the end has no fingerprint: %v %v", sums, err)
	}
	log := &flippedLog{history: d.log, at: -1}
	d.env.Log = log
	began := time.Now()
	if err := d.verify(context.Background(), nil, &Verified{}); err != nil {
		t.Fatal(err)
	}
	limit := 20*time.Since(began) + 2*time.Second

	dice := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for k := range int64(*flips) {
		log.at = (k*log.Len()/int64(*flips) + dice.Int64N(max(1, log.Len()/int64(*flips)))) % log.Len()
		old, err := d.log.At(log.at)
		if err != nil {
			t.Fatal(err)
		}
		b := trace.AppendEvent(nil, old)
		within := dice.IntN(len(b))
		b[within] ^= 1 << dice.IntN(8)
		e, used, err := trace.DecodeEvent(b)
		if err != nil || used != len(b) {
			counts["refused by the reader"]++
			continue
		}
		log.e = &e
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		var v Verified
		err = d.verify(ctx, nil, &v)
		cancel()
		var diverged *Divergence
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			counts["never ends"]++
		case errors.As(err, &diverged):
			counts["diverged"]++
		case err != nil:
			counts["refused by replay"]++
		default:
			what := difference(old, &e)
			counts["no effect: "+old.Kind.String()+" "+what]++
			switch field, _, _ := strings.Cut(what, "."); field {
			case "Time", "Out", "Info", "Writes", "Regs", "XState", "ChildRegs":
			default:
				t.Errorf("event %d (%v), byte %d of %d: %s was changed and nothing noticed:\n%v\n%v", log.at, old.Kind, within, len(b), what, old, &e)
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d %s", counts[what], what)
	}
	if counts["diverged"] == 0 {
		t.Error("no flipped byte was noticed by replay")
	}
}

// difference names the fields in which two events, or what they point to, differ.
func difference[T any](a, b *T) string {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	out := ""
	for i := range x.NumField() {
		p, q := x.Field(i).Interface(), y.Field(i).Interface()
		if reflect.DeepEqual(p, q) {
			continue
		}
		out += " " + x.Type().Field(i).Name
		if p, ok := p.(*unix.PtraceRegs); ok && p != nil {
			if q := q.(*unix.PtraceRegs); q != nil {
				out += "." + difference(p, q)
			}
		}
	}
	return out[min(1, len(out)):]
}

// flippedLog is a log in which event at is e.
type flippedLog struct {
	*history
	at int64
	e  *trace.Event
}

func (l *flippedLog) At(i int64) (*trace.Event, error) {
	if i == l.at {
		return l.e, nil
	}
	return l.history.At(i)
}
