package gdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// interruptHere gets a value when gdb is in the middle of something that the
// test wants to interrupt.
var interruptHere = make(chan struct{})

// history is a machine with verbs written as one flow, as the debugger layer
// writes them: reverse-watch asks gdb for values on the way.
type history struct{ *machine }

func (h history) Armed() bool { return h.armed != nil }

func (h history) MonitorTo(ctx context.Context, cmd string, out io.Writer) error {
	verb, arg, _ := strings.Cut(cmd, " ")
	gdb, talking := AskerFrom(ctx)
	switch verb {
	case "reverse-watch", "last":
		if !talking {
			return errors.New("reverse-watch works in yore gdb only")
		}
		return h.reverseWatch(ctx, gdb, arg, out)
	case "place":
		p, err := gdb.Place(ctx)
		fmt.Fprintf(out, "%s:%d %s %v %v\n", filepath.Base(p.FullName), p.Line, p.Function, p.Thread, p.TID == h.cur)
		return err
	case "capture":
		text, err := gdb.Capture(ctx, arg)
		fmt.Fprintf(out, "captured %q\n", text)
		return err
	case "wait": // the next Resume waits for an interrupt
		h.started = interruptHere
		return nil
	case "free":
		h.started = nil
		return nil
	case "forever":
		for n := 0; ; n++ {
			if n == 3 {
				interruptHere <- struct{}{}
			}
			if _, err := gdb.Evaluate(ctx, "1"); err != nil {
				return err
			}
		}
	}
	text, err := h.Monitor(ctx, cmd)
	if text != "" {
		fmt.Fprintln(out, text)
	}
	return err
}

// reverseWatch bisects over the states from 0 to the present.
func (h history) reverseWatch(ctx context.Context, gdb *Asker, expr string, out io.Writer) error {
	value := func(k int) (string, error) {
		h.armed = &k
		if err := gdb.Arrive(ctx); err != nil {
			return "", err
		}
		return gdb.Evaluate(ctx, expr)
	}
	lo, hi := 0, h.pos
	now, err := gdb.Evaluate(ctx, expr)
	if err != nil {
		return err
	}
	if v, err := value(lo); err != nil || v == now {
		return fmt.Errorf("%s has been %s from the start (%v)", expr, now, err)
	}
	n := 0
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		v, err := value(mid)
		if err != nil {
			return err
		}
		if v == now {
			hi = mid
		} else {
			lo = mid
		}
		n++
	}
	before, err := value(lo)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s changed from %s to %s by this statement:\n", expr, before, now)
	return gdb.Show(ctx, "frame")
}

func TestScript(t *testing.T) {
	exe := buildC(t, "walk.c", "-no-pie")
	m := newMachine(record(t, exe, 50000))
	m.pos = 0
	sock := serveMachine(t, history{m}, Options{Console: true})
	file := filepath.Join(t.TempDir(), "yore.gdb")
	if err := os.WriteFile(file, []byte(Script(ScriptOptions{Exe: exe, Address: sock})), 0o644); err != nil {
		t.Fatal(err)
	}
	out := gdb(t, nil, `set width 0
define last
echo the person's own last\n
end
alias tl = info line
define hook-stop
echo (hook-stop)\n
end
source `+file+`
echo ==start\n
when
break fact if n == 1
continue
echo ==bookmark\n
bookmark here
echo ==goto\n
when
goto 3
when
info breakpoints
echo ==back\n
goto here
bt -frame-info location 2
echo ==bad\n
python
try:
    gdb.execute('goto nowhere')
except gdb.error as e:
    print('refused: %s' % e)
end
yore when
last
help goto
help yore
echo ==watch\n
continue
reverse-watch g > 200
next
echo ==restart\n
restart
continue
echo ==flow\n
python
_yore.verb('place')
_yore.verb('capture echo captured text')
try:
    _yore.verb('capture nonsense')
except gdb.GdbError as e:
    print('refused: %s' % e)
end
echo ==after\n
yore when
show logging redirect
`)
	s := sections(out)
	for _, c := range []struct{ section, want string }{
		{"start", "state 0 of"},
		{"start", "Breakpoint 1, fact (n=1)"},
		{"bookmark", "bookmark here"},
		{"goto", "state 3 of"},
		{"goto", "stopped."},
		{"goto", "hit 1 time"},
		{"back", "#0  fact"},
		{"bad", `refused: no position "nowhere"`},
		{"bad", "the person's own last"},
		{"bad", "Usage: goto POSITION"},
		{"bad", "yore reverse-watch -- Go back to the latest statement"},
		{"watch", "history ends here]"},
		{"watch", "exited with status 20"},
		{"watch", "g > 200 changed from 0 to 1 by this statement:"},
		{"watch", "main () at testdata/walk.c:48\n48\t\tg = x;"},
		{"watch", "49\t\treturn g & 0x3f;"},
		{"after", "off: Output"},
		{"flow", "walk.c:17 fact 1 true"},
		{"flow", `captured "captured text"`},
		{"flow", `refused: Undefined command: "nonsense"`},
		{"after", "state"},
		{"restart", "main () at testdata/walk.c:41"},
		{"restart", "Breakpoint 1, fact (n=1)"},
	} {
		if !strings.Contains(s[c.section], c.want) {
			t.Errorf("section %s lacks %q:\n%s", c.section, c.want, s[c.section])
		}
	}
	if n := strings.Count(s["watch"], "stopped."); n != 0 {
		t.Errorf("reverse-watch shows %d stops on its way:\n%s", n, s["watch"])
	}
	if t.Failed() {
		t.Log(out)
	}
}
