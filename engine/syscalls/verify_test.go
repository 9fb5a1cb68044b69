package syscalls

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"yore/testprogs"
)

// The table is held against the kernel: programs that use system calls widely
// run under plain ptrace, one thread at a time. All writable memory is read
// before and after each call, and a byte that changed outside what Outputs
// declares is an error. So is a call that waits although MayBlock said no, a
// write that a waiting call made before EnterOutputs says so, and a word
// written at a thread's death that is neither its child_tid nor in RobustWords.

func TestOutputsAgainstKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: runs programs under ptrace, not with -short")
	}
	progs, err := testprogs.All()
	if err != nil {
		t.Fatal(err)
	}
	total, left := map[string]int{}, map[string]int{}
	ran := 0
	for _, p := range progs {
		if !strings.HasPrefix(p.Name, "sys_") {
			continue
		}
		ran++
		t.Run(p.Name, func(t *testing.T) {
			v := verify(t, p, testprogs.Build(t, p.Name, "-static"))
			for k, n := range v.seen {
				total[k] += n
			}
			for k, n := range v.left {
				left[k] += n
			}
		})
	}
	t.Logf("%d programs; verified %d kinds of calls: %s", ran, len(total), counts(total))
	t.Logf("not verified: %s", counts(left))
}

// TestRedirectAgainstKernel runs the same programs with the outputs of calls
// that may block in scratch memory: the kernel may then write nothing of the
// program's own, and the programs must find everything where it belongs.
func TestRedirectAgainstKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: runs programs under ptrace, not with -short")
	}
	progs, err := testprogs.All()
	if err != nil {
		t.Fatal(err)
	}
	moved := map[string]int{}
	for _, p := range progs {
		if !strings.HasPrefix(p.Name, "sys_") {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			v := verify(t, p, testprogs.Build(t, p.Name, "-static"), func(v *verifier) { v.exchange = true })
			for k, n := range v.moved {
				moved[k] += n
			}
		})
	}
	t.Logf("redirected: %s", counts(moved))
	if t.Failed() {
		return
	}
	for _, name := range []string{"read", "pread64", "readv", "preadv2", "poll", "ppoll", "select", "pselect6", "recvfrom",
		"recvmsg", "recvmmsg", "accept", "accept4", "wait4", "waitid", "epoll_wait", "nanosleep", "clock_nanosleep",
		"msgrcv", "mq_timedreceive", "rt_sigtimedwait", "sendfile", "splice"} {
		if moved[name] == 0 {
			t.Errorf("%s was never redirected", name)
		}
	}
}

// TestVerifierNotices: declaring one byte less than the kernel writes is seen.
func TestVerifierNotices(t *testing.T) {
	p, err := testprogs.Find("sys_files")
	if err != nil {
		t.Fatal(err)
	}
	noticed := map[string]bool{}
	verify(t, p, testprogs.Build(t, p.Name, "-static"), func(v *verifier) {
		v.trim = 1
		v.wrong = func(format string, args ...any) {
			name, _, _ := strings.Cut(fmt.Sprintf(format, args...), "(")
			noticed[name] = true
		}
	})
	for _, name := range []string{"read", "pread64", "readv", "readlink", "name_to_handle_at"} {
		if !noticed[name] {
			t.Errorf("one byte less for %s went unnoticed", name)
		}
	}
}

func counts(m map[string]int) string {
	var s []string
	for k, n := range m {
		s = append(s, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(s)
	return strings.Join(s, ", ")
}
