package gdbserver

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveMachine serves a target on a socket for the test's duration and returns
// the socket and the log of packets.
func serveMachine(t testing.TB, target Target, opts Options) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "yore") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock := filepath.Join(dir, "s")
	l, err := ListenUnix(sock)
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	if opts.Log == nil {
		opts.Log = log
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(target, opts).ServeListener(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() && log.Len() > 0 {
			text := log.String()
			if len(text) > 20000 {
				text = text[len(text)-20000:]
			}
			t.Logf("packets:\n%s", text)
		}
	})
	return sock
}

// gdb runs stock gdb with these commands and returns what it printed.
func gdb(t testing.TB, args []string, commands string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cmds")
	if err := os.WriteFile(file, []byte(commands), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gdb", append(append([]string{"-nx", "-batch"}, args...), "-x", file)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "DEBUGINFOD_URLS=", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		t.Fatalf("gdb hangs:\n%s", out)
	}
	return string(out)
}

// preamble connects gdb to the server.
func preamble(exe, sock string) string {
	return "set pagination off\nset confirm off\nset width 0\nset sysroot /\nset breakpoint always-inserted on\n" +
		"set debuginfod enabled off\nset remotetimeout 30\nfile " + exe + "\ntarget extended-remote " + sock + "\n"
}

// sections splits output at lines "==NAME".
func sections(out string) map[string]string {
	m := map[string]string{}
	for _, part := range strings.Split("\n"+out, "\n==")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		m[name] = strings.TrimSpace(text)
	}
	return m
}
