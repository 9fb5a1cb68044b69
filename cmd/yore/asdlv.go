package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yore/debugger/dap"
)

// Started under the name dlv, yore is what editors' Go extensions look for: it
// answers `dlv dap` with an adapter that steps back, in the modes debug, test, exec
// and replay, and `dlv version`. Everything else is left to the next dlv on PATH.

// delveVersion is the version of Delve in go.mod, which a test holds.
const delveVersion = "1.27.2"

func runAsDelve(args []string) int {
	err := asDelve(args, os.Stdout)
	tell(os.Stderr, err, "yore help dap")
	return statusOf(err)
}

func asDelve(args []string, stdout io.Writer) error {
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	switch first {
	case "version", "--version":
		fmt.Fprintf(stdout, "Delve Debugger\nVersion: %s\nBuild: %s\n", delveVersion, versionLine())
		return nil
	case "dap":
		o, err := parseDelve(args[1:])
		if err != nil {
			return err
		}
		return o.serve(stdout)
	}
	if next := behindUs(os.Getenv("PATH"), "dlv"); next != "" {
		return withStatus(exitMachine, fmt.Errorf("%s: %w", next, unix.Exec(next, append([]string{"dlv"}, args...), os.Environ())))
	}
	return usagef("%s: this is yore in Delve's place; it knows `dlv dap` and `dlv version`, and there is no other dlv on PATH",
		strings.TrimSpace("dlv "+first))
}

// behindUs is the first program of that name that comes behind this one on path, ""
// when there is none. What comes before may be another yore, which would come here.
func behindUs(path, name string) (found string) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return ""
	}
	for _, dir := range filepath.SplitList(path) {
		p := filepath.Join(dir, name)
		st, err := os.Stat(p)
		switch {
		case err != nil:
		case os.SameFile(st, self):
			found = ""
		case found == "" && filepath.IsAbs(p) && st.Mode().IsRegular() && unix.Access(p, unix.X_OK) == nil:
			found = p
		}
	}
	return found
}

// delveFlags are the flags of `dlv dap` that mean something here.
type delveFlags struct {
	listen, client, logDest string
}

// parseDelve reads the flags of `dlv dap`. What asks for logs of Delve's parts or
// checks that it makes has no meaning here and is passed over.
func parseDelve(args []string) (o delveFlags, err error) {
	o.listen = "127.0.0.1:0"
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		to := map[string]*string{"listen": &o.listen, "l": &o.listen, "client-addr": &o.client, "log-dest": &o.logDest, "log-output": new(string)}[name]
		switch {
		case !strings.HasPrefix(args[i], "-"):
			return o, usagef("dlv dap %s: takes no arguments", args[i])
		case to == nil: // a boolean such as --log, --check-go-version, --only-same-user
			continue
		case !has:
			if i++; i == len(args) {
				return o, usagef("dlv dap --%s needs a value", name)
			}
			value = args[i]
		}
		*to = value
	}
	return o, nil
}

func (o delveFlags) serve(stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		self = ""
	}
	opts := dap.Options{Self: self, Open: func(ctx context.Context, l dap.Launch, front dap.Front) (*dap.Target, error) {
		return openDAP(ctx, sessionFlags{}, l, front)
	}}
	if o.client != "" {
		network, addr := "tcp", o.client
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			network, addr = "unix", path
		}
		conn, err := net.Dial(network, addr)
		if err != nil {
			return withStatus(exitMachine, err)
		}
		defer conn.Close()
		return notCancelled(dap.Serve(ctx, conn, conn, opts))
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return withStatus(exitMachine, err)
	}
	// Where Delve's log goes to a descriptor the message does, too.
	if fd, err := strconv.Atoi(o.logDest); err == nil && fd > 2 {
		f := os.NewFile(uintptr(fd), "log-dest")
		defer f.Close()
		stdout = f
	}
	fmt.Fprintf(stdout, "DAP server listening at: %s\n", l.Addr())
	return notCancelled(dap.Listen(ctx, l, true, opts))
}

func notCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
