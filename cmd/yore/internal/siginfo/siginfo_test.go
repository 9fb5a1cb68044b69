package siginfo

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func next(t *testing.T, c <-chan Signal) Signal {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("no signal came")
	}
	return Signal{}
}

func TestCatch(t *testing.T) {
	c, err := Catch(unix.SIGTERM, unix.SIGINT)
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGTERM} {
		if err := unix.Kill(os.Getpid(), no); err != nil {
			t.Fatal(err)
		}
		if s := next(t, c); s.No != no || s.Code != 0 || s.FromTerminal() {
			t.Errorf("got %+v, want %v from kill", s, no)
		}
	}
	// Programs that we execute have the default action.
	out, err := exec.Command("sh", "-c", "kill -TERM $$; echo survived").Output()
	if err == nil || len(out) > 0 {
		t.Errorf("a child printed %q and ended with %v", out, err)
	}
}

// The handler may run while the heap is moved about and stacks grow.
func TestCatchUnderLoad(t *testing.T) {
	c, err := Catch(unix.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan bool)
	for range 4 {
		go func() {
			var keep [][]byte
			for {
				select {
				case <-stop:
					return
				default:
					keep = append(keep[max(0, len(keep)-20):], make([]byte, 1<<16))
				}
			}
		}()
	}
	defer close(stop)
	for range 300 {
		if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if s := next(t, c); s.No != unix.SIGTERM {
			t.Fatalf("got %+v", s)
		}
	}
}

func TestIgnoredStaysIgnored(t *testing.T) {
	if err := sigaction(unix.SIGHUP, &action{handler: sigIgn}, nil); err != nil {
		t.Fatal(err)
	}
	c, err := Catch(unix.SIGHUP, unix.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	unix.Kill(os.Getpid(), unix.SIGHUP)
	unix.Kill(os.Getpid(), unix.SIGTERM)
	if s := next(t, c); s.No != unix.SIGTERM {
		t.Errorf("got %+v", s)
	}
}
