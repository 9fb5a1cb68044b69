package tui

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The guard is a process of ours that does nothing until the front-end ends. When
// that ends without a word, by a crash or SIGKILL, the guard gives the terminal its
// modes and its first screen back, and prints there what the crash said, which
// went to the screen that is gone.
//
// It is this program again, with the word GuardCommand; it reads a pipe that the
// Go runtime writes a crash to.

// GuardCommand is the command of this program that calls Guard.
const GuardCommand = "tui-guard"

// allWell is written by a front-end that has restored the terminal itself.
const allWell = "all is well"

// guard is our side of it; nil when there is none.
type guard struct {
	pipe   *os.File
	stderr int // a duplicate of the standard error, -1 when that was not touched
}

// startGuard starts the guard. Without one the front-end works as well. While
// there is one nothing is written to the standard error, which is the screen.
func startGuard(in, out *os.File) *guard {
	// The modes as they are before anything of ours changes them.
	was, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = in, out, []*os.File{r}
	// In a group of its own, it survives a kill of ours.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil
	}
	go cmd.Wait()
	if err := binary.Write(w, binary.LittleEndian, was); err != nil {
		w.Close()
		return nil
	}
	debug.SetCrashOutput(w, debug.CrashOptions{})
	g := &guard{pipe: w, stderr: -1}
	if null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0); err == nil {
		if fd, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			g.stderr = fd
			unix.Dup3(int(null.Fd()), 2, 0)
		}
		null.Close()
	}
	return g
}

// release tells the guard that it is not needed any more.
func (g *guard) release() {
	if g == nil {
		return
	}
	debug.SetCrashOutput(nil, debug.CrashOptions{})
	if g.stderr >= 0 {
		unix.Dup3(g.stderr, 2, 0)
		unix.Close(g.stderr)
	}
	g.pipe.WriteString(allWell)
	g.pipe.Close()
}

// restoreScreen leaves the second screen, shows the cursor, and ends the modes
// that a front-end may have set.
const restoreScreen = "\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[0m"

// Guard is the guard's process. Its standard input and output are the terminal,
// descriptor 3 is the pipe.
func Guard() error {
	signal.Ignore(unix.SIGTTOU, unix.SIGTTIN, unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGHUP, unix.SIGTERM)
	pipe := os.NewFile(3, "pipe")
	if pipe == nil {
		return fmt.Errorf("%s is for yore's own use", GuardCommand)
	}
	var was unix.Termios
	if err := binary.Read(pipe, binary.LittleEndian, &was); err != nil {
		return fmt.Errorf("%s is for yore's own use: %w", GuardCommand, err)
	}
	restored := false
	restore := func() {
		if !restored {
			restored = true
			unix.IoctlSetTermios(0, unix.TCSETSW, &was)
			os.Stdout.WriteString(restoreScreen)
		}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := pipe.Read(buf)
		text := string(buf[:n])
		if !restored && text == allWell {
			return nil
		}
		if n > 0 { // a crash begins
			restore()
			os.Stdout.WriteString(text)
		}
		if err != nil {
			break
		}
	}
	crashed := restored
	restore()
	if crashed {
		os.Stdout.WriteString("yore crashed; the lines above say where.\n")
	} else {
		os.Stdout.WriteString("yore was killed.\n")
	}
	return nil
}

// askBackground asks the terminal for its background colour, and for what every
// terminal answers, so that one that does not know the first costs no wait.
func askBackground(in, out *os.File, patience time.Duration) (dark, ok bool) {
	fd := int(in.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return false, false
	}
	raw := *was
	raw.Lflag &^= unix.ECHO | unix.ICANON
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 0, 0
	if unix.IoctlSetTermios(fd, unix.TCSETS, &raw) != nil {
		return false, false
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, was)
	out.WriteString("\x1b]11;?\x1b\\\x1b[c")
	var answer []byte
	buf := make([]byte, 256)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1); n <= 0 && err != unix.EINTR {
			break
		}
		n, err := unix.Read(fd, buf)
		if err == nil && n > 0 {
			answer = append(answer, buf[:n]...)
		}
		// The last answer is ESC [ ? … c.
		if i := bytes.LastIndex(answer, []byte("\x1b[?")); i >= 0 && bytes.IndexByte(answer[i:], 'c') >= 0 {
			break
		}
	}
	return background(string(answer))
}

// background reads an answer such as ESC ] 11 ; rgb:1e1e/1e1e/1e1e ESC \.
func background(s string) (dark, ok bool) {
	_, s, found := strings.Cut(s, "]11;rgb:")
	if !found {
		return false, false
	}
	sum := 0.0
	parts := strings.SplitN(s, "/", 3)
	if len(parts) != 3 {
		return false, false
	}
	for i, weight := range []float64{0.3, 0.59, 0.11} {
		digits := 0
		v := 0
		for _, r := range parts[i] {
			d := strings.IndexRune("0123456789abcdef", r|0x20)
			if d < 0 || digits == 4 {
				break
			}
			v = v<<4 | d
			digits++
		}
		if digits == 0 {
			return false, false
		}
		sum += weight * float64(v) / float64(int(1)<<(4*digits)-1)
	}
	return sum < 0.5, true
}
