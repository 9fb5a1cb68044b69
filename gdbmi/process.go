package gdbmi

// Starting gdb. The kernel sends a child's parent-death signal when the *thread*
// that made it ends, so gdb is started and awaited on a locked OS thread that
// stays until gdb is gone. Awaiting it there also keeps its exit status from
// any wait4(-1, __WNOTHREAD) of another thread.

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running gdb with its three pipes. exited is closed when gdb is
// gone and its state and error are set.
type process struct {
	pid            int
	stdin          io.WriteCloser
	stdout, stderr io.Reader
	exited         chan struct{}
	state          *os.ProcessState // set when exited
	err            error
}

// startProcess runs cmd in its own process group, to be killed when we die.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{exited: make(chan struct{})}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// Pipes of our own for output: the ones of package exec are closed by Wait,
	// which could drop what gdb wrote last.
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	p.stdout, p.stderr = outR, errR
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		outW.Close()
		errW.Close()
		if err != nil {
			outR.Close()
			errR.Close()
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		p.state = cmd.ProcessState
		close(p.exited)
		// A child that gdb left behind may hold the pipes open; do not wait for it.
		grace := time.Now().Add(time.Second)
		outR.SetReadDeadline(grace)
		errR.SetReadDeadline(grace)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}
