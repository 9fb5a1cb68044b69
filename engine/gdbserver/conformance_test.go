package gdbserver

import (
	"fmt"
	"strings"
	"testing"

	"yore/engine/timeline"
)

// check says that a section of gdb's output holds a text.
type check struct{ section, want string }

func checkSections(t *testing.T, out string, checks []check) {
	t.Helper()
	s := sections(out)
	for _, c := range checks {
		if !strings.Contains(s[c.section], c.want) {
			t.Errorf("section %s lacks %q:\n%s", c.section, c.want, s[c.section])
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// Commands of each kind, forwards and backwards, on a program that is not at a
// fixed address.
func TestCommands(t *testing.T) {
	exe := buildC(t, "walk.c", "-fPIE", "-pie")
	m := newMachine(record(t, exe, 50000))
	sock := serveMachine(t, m, Options{})
	out := gdb(t, nil, preamble(exe, sock)+`
echo ==start\n
info threads
bt
echo ==tbreak\n
tbreak fact if n == 4
continue
bt
finish
echo ==until\n
finish
finish
advance push
up
info locals
down
finish
tbreak 46
continue
echo ==range\n
step
next
stepi
nexti
x/2i $pc
info registers rip eflags cs orig_rax fs_base
echo ==find\n
find /w &nodes, +sizeof(nodes), 49
find /w &nodes, +sizeof(nodes), 0x12345678
find 0x10000, +4096, 'A'
echo ==memory\n
print head->next->v
print *nodes@3
x/4xb &nodes[3].v
dump binary memory /dev/null &nodes (char*)&nodes+sizeof(nodes)
set var nodes[3].v = 4711
print nodes[3].v
set var $rax = 0x1234567890abcdef
print/x $rax
print/x $eax
set var $eflags = 0x246
print $eflags
echo ==forget\n
reverse-stepi
print nodes[3].v
echo ==edges\n
delete
continue
reverse-continue
reverse-stepi
echo ==exec\n
set exec-direction reverse
continue
set exec-direction forward
break addmul
continue
continue 3
info breakpoints
set exec-direction reverse
until
advance addmul
set exec-direction forward
echo ==hbreak\n
delete
hbreak compute
tbreak 43
continue
continue
reverse-continue
echo ==jump\n
delete
print $_siginfo
echo ==kill\n
kill
info threads
`)
	checkSections(t, out, []check{
		{"start", "Thread"}, {"start", `"walk<0>" main ()`}, {"start", "#0  main () at testdata/walk.c:41"},
		{"tbreak", "Temporary breakpoint 1, fact (n=4) at testdata/walk.c:17"},
		{"tbreak", "#2  0x"}, {"tbreak", "in fact (n=6) at testdata/walk.c:19"}, {"tbreak", "Value returned is $1 = 24"},
		{"until", "push (i=0) at testdata/walk.c:24"}, {"until", "x = 132"}, {"until", "f = 720"},
		{"until", "main () at testdata/walk.c:46"},
		{"range", "48\t\tg = x;"}, {"range", "=> 0x"}, {"range", "orig_rax       0xffffffffffffffff"},
		{"find", "1 pattern found."}, {"find", "Pattern not found."},
		{"memory", "= 64"}, {"memory", "{{v = 0, next = 0x0}, {v = 1, next = 0x"}, {"memory", ":\t0x09\t0x00\t0x00\t0x00"},
		{"memory", "= 4711"}, {"memory", "= 0x1234567890abcdef"}, {"memory", "= 0x90abcdef"}, {"memory", "[ PF ZF IF ]"},
		{"edges", "No more reverse-execution history."}, {"edges", "main () at testdata/walk.c:41"},
		{"exec", "Breakpoint"}, {"exec", "addmul (a=6, b=3)"}, {"exec", "already hit 4 times"},
		{"hbreak", "Hardware assisted breakpoint"}, {"hbreak", "compute (n=12)"}, {"hbreak", "main () at testdata/walk.c:43"},
	})
}

func TestWatchpoints(t *testing.T) {
	exe := buildC(t, "walk.c", "-no-pie")
	m := newMachine(record(t, exe, 50000))
	sock := serveMachine(t, m, Options{})
	out := gdb(t, nil, preamble(exe, sock)+`
watch g if g > 100
echo ==forward\n
continue
continue
echo ==back\n
reverse-continue
reverse-continue
reverse-continue
echo ==read\n
delete
rwatch g
awatch head
continue
continue
continue
reverse-continue
disable 3
continue
info watchpoints
echo ==array\n
delete
reverse-continue
watch big
continue
bt 1
reverse-continue
print/d big[150]
echo ==local\n
delete
tbreak compute
reverse-continue
next
watch s
set $_watch = $bpnum
continue
continue
echo ==scope\n
tbreak 38
condition $_watch s > 120
continue
continue
continue
`)
	checkSections(t, out, []check{
		{"forward", "Old value = 90\nNew value = 110"}, {"forward", "Old value = 110\nNew value = 132"},
		{"back", "Old value = 132\nNew value = 110"}, {"back", "No more reverse-execution history."},
		{"read", "Hardware access (read/write) watchpoint 3: head\n\nValue = (struct node *) 0x0\n"},
		{"read", "Old value = (struct node *) 0x0\nNew value = (struct node *) 0x"},
		{"read", "Hardware read watchpoint 2: g\n\nValue = 852\n"}, {"read", "breakpoint already hit"},
		{"array", "main () at testdata/walk.c:47"}, {"array", "= 0"},
		{"local", "Old value = "},
		{"scope", "which its expression is valid."},
	})
	// Everything of a whole array is one gdb watchpoint and four of the target's.
	if len(m.watches) != 0 {
		t.Errorf("left behind: %v", m.watches)
	}
}

// A condition that gdb passes is evaluated by the target: one motion, however
// often it is false.
func TestConditionIsTheTargets(t *testing.T) {
	exe := buildC(t, "walk.c", "-no-pie")
	m := newMachine(record(t, exe, 50000))
	sock := serveMachine(t, m, Options{})
	out := gdb(t, nil, preamble(exe, sock)+`
break addmul if a >= 90 && b != 3 && arr[2] == 6
info breakpoints
continue
echo ==back\n
tbreak 47
continue
reverse-continue
`)
	if !strings.Contains(out, "(target evals)") {
		t.Errorf("gdb evaluates the condition:\n%s", out)
	}
	if len(m.log) == 0 || !strings.Contains(out, "Breakpoint 1, addmul (a=90, b=10)") {
		t.Fatalf("not stopped as it should:\n%s", out)
	}
	if got := m.log[0]; got != fmt.Sprintf("%+v", Resume{}) || len(m.log) != 4 {
		t.Errorf("motions: %q", m.log)
	}
	if last := m.log[len(m.log)-1]; last != fmt.Sprintf("%+v", Resume{Dir: timeline.Backward}) {
		t.Errorf("last motion: %s", last)
	}
	if !strings.Contains(sections(out)["back"], "addmul (a=90, b=10)") {
		t.Errorf("backwards:\n%s", out)
	}
}

func TestVectorRegisters(t *testing.T) {
	flags := []string{"-march=native", "-fno-stack-protector"}
	exe := buildC(t, "vector.c", flags...)
	rec := record(t, exe, 100000)
	m := newMachine(rec)
	layout := LayoutOf(rec.snaps[rec.pid][0].xsave)
	t.Logf("features %#x, area of %d bytes", layout.Features, len(rec.snaps[rec.pid][0].xsave))
	sock := serveMachine(t, m, Options{})
	cmds := preamble(exe, sock) + "break here\ncontinue\n"
	var want []check
	ask := func(name, cmd, text string) {
		cmds += "echo \\n==" + name + "\\n\n" + cmd + "\n"
		want = append(want, check{name, text})
	}
	pattern := func(reg, size int) string {
		v := make([]string, size)
		for i := range v {
			v[i] = fmt.Sprintf("0x%x", byte(reg*7+i))
		}
		return strings.Join(v, ", ")
	}
	ask("xmm5", "output/x $xmm5.v16_int8", "{"+pattern(5, 16)+"}")
	ask("mxcsr", "output $mxcsr", "[ IM DM ZM OM UM PM ]")
	ask("st0", "output $st0", "1")
	ask("st1", "output $st1", "3.14159265358979323851")
	ask("float", "info float", "=>R6: Valid   0x3fff8000000000000000 +1")
	ask("ftag", "output/x $ftag", "0xfff")
	ask("fctrl", "output/x $fctrl", "0x37f")
	ask("setst", "set var $st0 = 2.5\noutput $st0", "2.5")
	ask("setxmm", "set var $xmm5.v4_int32[1] = 0x1234\noutput/x $xmm5.v4_int32[1]", "0x1234")
	if layout.has(compAVX) {
		ask("ymm7", "set print repeats unlimited\noutput/x $ymm7.v32_int8", "{"+pattern(7, 32)+"}")
		ask("setymm", "set var $ymm7.v8_int32[6] = 0x5678\noutput/x $ymm7.v8_int32", "0x5678")
	}
	if layout.has(compHi16) {
		ask("zmm3", "output/x $zmm3.v64_int8", "{"+pattern(3, 64)+"}")
		ask("zmm29", "output/x $zmm29.v64_int8", "{"+pattern(29, 64)+"}")
		ask("xmm17", "output/x $xmm17.v16_int8", "{"+pattern(17, 16)+"}")
		ask("ymm18", "output/x $ymm18.v32_int8", "{"+pattern(18, 32)+"}")
		ask("k3", "output/x $k3", "0x1234")
		ask("setk", "set var $k5 = 0xabcd\noutput/x $k5", "0xabcd")
		ask("setzmm", "set var $zmm20.v8_int64[7] = 77\noutput $zmm20.v8_int64[7]", "77")
		ask("zmm20", "output/x $zmm20.v16_int32[0]", fmt.Sprintf("0x%x%02x%02x%02x", 143, 142, 141, 140))
	}
	if layout.has(compPKRU) {
		ask("pkru", "output/x $pkru", "0x55555554")
	}
	// gdb lists the bases among neither its general nor all registers, for no
	// program (TestRegistersAsNative); by name they are there.
	user := rec.snaps[rec.pid][0].user
	ask("fs_base", "output/x $fs_base", fmt.Sprintf("%#x", user.Fs_base))
	ask("gs_base", "output/x $gs_base", fmt.Sprintf("%#x", user.Gs_base))
	checkSections(t, gdb(t, nil, cmds), want)
}

func TestThreadsAndSignals(t *testing.T) {
	exe := buildC(t, "threads.c", "-pthread")
	rec := record(t, exe, 100000)
	t.Logf("%d steps, threads %v", len(rec.steps), rec.order)
	m := newMachine(rec)
	sock := serveMachine(t, m, Options{})
	out := gdb(t, nil, preamble(exe, sock)+`
break worker
continue
echo ==threads\n
info threads
bt
echo ==tls\n
print mine
thread 1
print mine
print other[2]
print &mine == (int*)($fs_base - 32) || &mine < (int*)$fs_base
thread apply all -q print mine
echo ==locked\n
thread 2
next
next
print mine
echo ==other\n
thread 1
reverse-stepi
info threads
thread 2
reverse-stepi
print $_thread
echo ==signal\n
delete
continue
print $_siginfo.si_signo
print $_siginfo._sifields._kill.si_pid > 0
bt 1
echo ==handler\n
break on_usr1
continue
bt
finish
echo ==pass\n
delete
reverse-continue
handle SIGUSR1 nostop noprint pass
break on_usr1
continue
echo ==back\n
reverse-finish
reverse-stepi
`)
	checkSections(t, out, []check{
		{"threads", `"walk<0>"`}, {"threads", `* 2    Thread`}, {"threads", "worker (arg=0x"},
		{"tls", "$1 = 5\n"}, {"tls", "$2 = 7"}, {"tls", "$3 = 3"}, {"tls", "$4 = 1"}, {"tls", "$5 = 5\n$6 = 7"},
		{"locked", "= 42"},
		{"signal", "received signal SIGUSR1, User defined signal 1."}, {"signal", "= 10"}, {"signal", "= 1"},
		{"handler", "on_usr1 (sig=10)"}, {"handler", "<signal handler called>"}, {"handler", "main () at"},
		{"pass", "on_usr1 (sig=10)"},
	})
	if s := sections(out)["other"]; !strings.HasSuffix(s, "= 2") || strings.Contains(s, "SIGTRAP") {
		t.Errorf("a thread that was selected is not the one that steps back:\n%s", s)
	}
}
