package gdbserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// walker drives gdb along a random walk and prints where it is after each
// motion. It never leaves the functions of walk.c: near main's end, and after a
// motion that left them, it goes back. Both gdbs make the same choices as long
// as they are at the same places.
const walker = `python
import gdb, random
random.seed(%d)
known = ('main', 'compute', 'addmul', 'fact', 'push')
both = ['step', 'next', 'stepi', 'nexti', 'continue', 'step 3', 'advance addmul', 'until']
back = ['reverse-step', 'reverse-next', 'reverse-stepi', 'reverse-nexti', 'reverse-continue', 'reverse-step 2', 'reverse-stepi 7', 'reverse-finish']
for i in range(%d):
    f = gdb.newest_frame()
    name, line = f.name(), f.find_sal().line
    choice = back[:]
    if name in known and not (name == 'main' and line >= 47):
        choice += both
        if name != 'main':
            choice += ['finish']
    cmd = random.choice(choice)
    if name == 'main':
        cmd = cmd.replace('reverse-finish', 'reverse-next')
    try:
        gdb.execute(cmd, to_string=True)
        note = ''
    except gdb.error as e:
        note = str(e)
    f = gdb.newest_frame()
    names = []
    while f is not None and (not names or names[-1] != 'main'):
        names.append(f.name() or '?')
        f = f.older()
    f = gdb.newest_frame()
    s = gdb.lookup_global_symbol
    print('%%d %%s: %%#x line %%d g=%%d head=%%d %%s %%s' %% (i, cmd, f.pc(), f.find_sal().line, int(gdb.parse_and_eval('g')), int(gdb.parse_and_eval('head')), '<'.join(names), note))
end
`

const walkBreaks = `break walk.c:48
break push if i == 4 || i == 8
break fact if n == 3
watch arr[3]
`

// The same random walks under gdb's own recording and under the server must
// visit the same places.
func TestWalkAgainstRecordFull(t *testing.T) {
	for _, flags := range [][]string{{"-no-pie"}, {"-no-pie", "-O1"}} {
		exe := buildC(t, "walk.c", flags...)
		rec := record(t, exe, 50000)
		for seed := range 2 {
			t.Run(fmt.Sprintf("%s/%d", strings.Join(flags, ""), seed), func(t *testing.T) {
				const n = 150
				walk := walkBreaks + "continue\ncontinue\ncontinue\n" + fmt.Sprintf(walker, seed, n)
				native := "set pagination off\nset confirm off\nset width 0\nset debuginfod enabled off\nfile " + exe +
					"\nbreak *main\nrun\nrecord full\ntbreak walk.c:49\ncontinue\nreverse-continue\ndelete\n" +
					"set can-use-hw-watchpoints 0\n" + walk + "kill\n"
				want := gdb(t, nil, native)
				sock := serveMachine(t, newMachine(rec), Options{})
				got := gdb(t, nil, preamble(exe, sock)+walk)
				compareWalks(t, want, got, n)
			})
		}
	}
}

func compareWalks(t *testing.T, want, got string, n int) {
	t.Helper()
	lines := func(s string) []string {
		var l []string
		for _, x := range strings.Split(s, "\n") {
			if num, _, ok := strings.Cut(x, " "); ok && num == fmt.Sprint(len(l)) {
				l = append(l, x)
			}
		}
		return l
	}
	w, g := lines(want), lines(got)
	if len(w) != n || len(g) != n {
		keep := filepath.Join(os.TempDir(), "walk")
		os.WriteFile(keep+".want", []byte(want), 0o644)
		os.WriteFile(keep+".got", []byte(got), 0o644)
		t.Fatalf("%d and %d lines, want %d; outputs are in %s.*", len(w), len(g), n, keep)
	}
	for i := range w {
		if w[i] != g[i] {
			t.Fatalf("after:\n%s\nwant: %s\ngot:  %s", strings.Join(w[max(0, i-5):i], "\n"), w[i], g[i])
		}
	}
}
