package live

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Relay carries the program's terminal to ours, where a gdb that knows nothing
// of it has the keyboard. What the program writes is printed as it comes. What
// is typed while it runs live is the program's: then our terminal is raw but for
// the keys that make signals, which gdb gets.
type Relay struct {
	master, in, out *os.File
	wake            [2]*os.File
	keyboard        bool // in is a terminal
	mu              sync.Mutex
	wg              sync.WaitGroup
	stop            chan struct{} // of the present forwarding, nil when there is none
	stopped         chan struct{}
}

// moment is how long the program must have run before the keyboard becomes its
// own: what is typed during a mere step is gdb's.
const moment = 100 * time.Millisecond

// NewRelay begins to print what the program writes.
func NewRelay(master, in, out *os.File) (*Relay, error) {
	r := &Relay{master: master, in: in, out: out, keyboard: term.IsTerminal(int(in.Fd()))}
	var err error
	if r.wake[0], r.wake[1], err = os.Pipe(); err != nil {
		return nil, err
	}
	r.resize()
	r.wg.Add(1)
	go r.print()
	return r, nil
}

// print copies output until the relay is closed. EIO only says that no process
// has the terminal open just now.
func (r *Relay) print() {
	defer r.wg.Done()
	buf := make([]byte, 16<<10)
	fds := []unix.PollFd{{Fd: int32(r.wake[0].Fd()), Events: unix.POLLIN}, {Fd: int32(r.master.Fd()), Events: unix.POLLIN}}
	for {
		fds[0].Revents, fds[1].Revents = 0, 0
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return
		}
		if fds[1].Revents&unix.POLLIN != 0 {
			if n, err := unix.Read(int(r.master.Fd()), buf); n > 0 {
				r.out.Write(buf[:n])
				continue
			} else if errors.Is(err, unix.EINTR) {
				continue
			}
		}
		if fds[0].Revents != 0 {
			return
		}
		if fds[1].Revents != 0 {
			return // hung up: history has ended, and nothing is written twice
		}
	}
}

// Live is told when the program begins (true) and ceases to run at the frontier.
func (r *Relay) Live(on bool) {
	if !r.keyboard {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if on == (r.stop != nil) {
		return
	}
	if !on {
		close(r.stop)
		<-r.stopped
		r.stop = nil
		return
	}
	r.stop, r.stopped = make(chan struct{}), make(chan struct{})
	go r.forward(r.stop, r.stopped)
}

// forward gives the keyboard to the program until stop is closed.
func (r *Relay) forward(stop, stopped chan struct{}) {
	defer close(stopped)
	select {
	case <-stop:
		return
	case <-time.After(moment):
	}
	fd := int(r.in.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	raw := *old
	raw.Iflag &^= unix.ICRNL | unix.INLCR | unix.IXON
	raw.Lflag &^= unix.ECHO | unix.ICANON | unix.IEXTEN
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if unix.IoctlSetTermios(fd, unix.TCSETSW, &raw) != nil {
		return
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETSW, old)
	r.resize()
	size := make(chan os.Signal, 1)
	signal.Notify(size, unix.SIGWINCH)
	defer signal.Stop(size)
	buf := make([]byte, 4096)
	for {
		select {
		case <-stop:
			return
		case <-size:
			r.resize()
		default:
		}
		// A short wait: the end of the program's run must not be missed for long.
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 20); n <= 0 || err != nil {
			continue
		}
		n, err := unix.Read(fd, buf)
		if n <= 0 && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return // the terminal is gone
		}
		if n > 0 {
			unix.Write(int(r.master.Fd()), buf[:n])
		}
	}
}

// resize gives the program's terminal our terminal's size.
func (r *Relay) resize() {
	if ws, err := unix.IoctlGetWinsize(int(r.out.Fd()), unix.TIOCGWINSZ); err == nil {
		unix.IoctlSetWinsize(int(r.master.Fd()), unix.TIOCSWINSZ, ws)
	}
}

// Close prints what is left and gives the keyboard back.
func (r *Relay) Close() {
	r.Live(false)
	r.wake[1].Write([]byte{0})
	r.wg.Wait()
	r.wake[0].Close()
	r.wake[1].Close()
}
