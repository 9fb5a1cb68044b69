package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yore/testprogs"
)

// Whatever ends yore, kill -9 included: the program, its checkpoints and gdb
// end with it.
func TestNothingOutlivesYore(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("skipped: gdb is not installed")
	}
	prog := testprogs.Build(t, "thr_spin")
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGHUP} {
		for _, c := range []struct {
			name     string
			commands []string // the last is answered by DONE, or runs on
			running  bool
		}{
			{"at the prompt", []string{"next"}, false},
			{"back in time", []string{"break runner", "continue", "checkpoint", "reverse-stepi", "goto start"}, false},
			{"while it runs", []string{"next"}, true},
		} {
			t.Run(fmt.Sprintf("%v %s", sig, c.name), func(t *testing.T) {
				mark := fmt.Sprintf("YORE_TEST_MARK=%d-%d", os.Getpid(), time.Now().UnixNano())
				cmd := yoreCommand(t, "run", "-nx", "-q", "--", prog, "100000000")
				cmd.Env = append(os.Environ(), mark)
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer cmd.Process.Kill()
				for _, line := range c.commands {
					io.WriteString(in, line+"\n")
				}
				io.WriteString(in, "echo DONE\\n\n")
				await(t, out, "DONE")
				if n := len(marked(t, mark)); n < 3 {
					t.Errorf("there are %d processes, want yore, gdb and the program at least", n)
				}
				if c.running {
					io.WriteString(in, "continue\n")
					await(t, out, "Continuing.")
				}
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, out)
				cmd.Wait()
				var left []string
				for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					if left = marked(t, mark); len(left) == 0 {
						return
					}
				}
				t.Errorf("after %v there are still:\n%s", sig, strings.Join(left, "\n"))
				for _, l := range left {
					pid, _ := strconv.Atoi(strings.Fields(l)[0])
					unix.Kill(pid, unix.SIGKILL)
				}
			})
		}
	}
}

// yoreCommand is yore, as this test binary.
func yoreCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "yore"
	return cmd
}

// await reads lines until one contains text, for a minute at most.
func await(t *testing.T, r io.Reader, text string) {
	t.Helper()
	found := make(chan error, 1)
	var seen bytes.Buffer
	go func() {
		b := bufio.NewReader(r)
		for {
			line, err := b.ReadString('\n')
			seen.WriteString(line)
			if err != nil || strings.Contains(line, text) {
				found <- err
				return
			}
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			t.Fatalf("%q did not come: %v\n%s", text, err, seen.String())
		}
	case <-time.After(time.Minute):
		t.Fatalf("%q did not come within a minute", text)
	}
}

// marked lists the living processes with mark in their environment: "PID NAME STATE".
func marked(t *testing.T, mark string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(mark)) {
			continue // gone, or not ours
		}
		dir := filepath.Dir(f)
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		state := "?"
		if i := bytes.LastIndexByte(stat, ')'); i >= 0 && i+2 < len(stat) {
			state = string(stat[i+2])
		}
		if state == "Z" || state == "X" {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %s", filepath.Base(dir), strings.TrimSpace(string(name)), state))
	}
	return out
}
