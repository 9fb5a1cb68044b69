package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"yore/cmd/yore/internal/live"
	"yore/engine"
	"yore/engine/gdbserver"
	"yore/engine/timeline"
)

// Started under the name rr, yore is what Delve looks for to go backwards: `dlv
// replay RECORDING`, `dlv exec --backend=rr` and editors' Go "replay" mode start
// `rr replay --dbgport=0 DIR` and connect to the address in the command for gdb
// that it prints. Of rr's command line only what Delve uses is known here.

// rrVersion is one that Delve knows to speak rr's present dialect.
const rrVersion = "5.9.0"

func runAsRR(args []string) int {
	err := asRR(args, os.Stdout, os.Stderr)
	tell(os.Stderr, err, "yore help gdbserver")
	return statusOf(err)
}

const rrKnows = "this is yore in rr's place, for Delve; it knows `rr replay --dbgport=0 DIR`, `rr record` and `rr --version`"

func asRR(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usagef("rr: %s", rrKnows)
	}
	switch args[0] {
	case "--version", "version":
		fmt.Fprintf(stdout, "rr version %s\n", rrVersion)
		return nil
	case "record":
		return exited(run(args))
	case "replay":
		path, err := rrReplayArgs(args[1:])
		if err != nil {
			return err
		}
		return rrReplay(path, stderr)
	}
	return usagef("rr %s: %s", args[0], rrKnows)
}

// rrReplayArgs reads the arguments of `rr replay`: which recording.
func rrReplayArgs(args []string) (path string, err error) {
	served := false
	var rest []string
	for _, a := range args {
		switch name, value, _ := strings.Cut(a, "="); {
		case name == "--dbgport" && value == "0":
			served = true
		case strings.HasPrefix(a, "-"):
			return "", usagef("rr replay %s: %s", a, rrKnows)
		default:
			rest = append(rest, a)
		}
	}
	if !served || len(rest) > 1 {
		return "", usagef("rr replay: %s", rrKnows)
	}
	return recordingArg(rest)
}

// rrReplay serves a recording, from its start, to the Delve that reads stderr.
func rrReplay(path string, stderr io.Writer) error {
	var open closers
	defer open.close()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	rec, err := openPath(path)
	if err != nil {
		return err
	}
	open.add(rec.close)
	s, err := rec.open(ctx, engine.Options{})
	if err != nil {
		return recordingStatus(err)
	}
	open.add(func() { s.Close() })
	if _, err := s.SeekPosition(ctx, timeline.Start); err != nil {
		return err
	}
	s.PassSignals(gdbserver.ProgramSignals())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return withStatus(exitMachine, err)
	}
	fmt.Fprintf(stderr, "Launch debugger with\n  'gdb' '-l' '10000' '-ex' 'set sysroot /' '-ex' 'target extended-remote %s' '%s'\n",
		l.Addr(), rec.exe(s))
	return live.ServeOne(ctx, &live.Target{Session: s}, l, gdbserver.Options{RR: &rrTime{s: s}})
}

// rrTime is rr's commands about time, on a session. Checkpoints are numbered from 1,
// whatever the session's own numbers are.
type rrTime struct {
	s    *engine.Session
	made []int // the session's number of each checkpoint; 0 when deleted
}

var _ gdbserver.RR = (*rrTime)(nil)

// RRCommand is part of gdbserver.RR.
func (r *rrTime) RRCommand(ctx context.Context, name string, args []string) (string, error) {
	switch name {
	case "when":
		pos, err := r.s.Position(ctx)
		if err != nil {
			return "", err
		}
		return pos.String() + "\n", nil
	case "checkpoint":
		c, err := r.s.AddCheckpoint(ctx, oneField(strings.Join(args, " ")))
		if err != nil {
			return "", err
		}
		r.made = append(r.made, c.ID)
		return fmt.Sprintf("Checkpoint %d at %s\n", len(r.made), c.Name), nil
	case "info checkpoints":
		var b strings.Builder
		b.WriteString("ID\tWhen\tWhere\n")
		for _, c := range r.s.Checkpoints() {
			if i := slices.Index(r.made, c.ID); i >= 0 {
				fmt.Fprintf(&b, "%d\t%d\t%s\n", i+1, c.Event, c.Name)
			}
		}
		return b.String(), nil
	case "delete checkpoint":
		n, err := r.checkpoint(strings.Join(args, " "))
		if err != nil {
			return "", err
		}
		if err := r.s.DeleteCheckpoint(r.made[n-1]); err != nil {
			return "", err
		}
		r.made[n-1] = 0
		return fmt.Sprintf("Deleted checkpoint %d.\n", n), nil
	}
	return "", fmt.Errorf("rr's command %q is not known to yore", name)
}

// checkpoint reads the number of one that exists.
func (r *rrTime) checkpoint(text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= len(r.made) && r.made[n-1] != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("there is no checkpoint %s", text)
}

// RRRestart is part of gdbserver.RR.
func (r *rrTime) RRRestart(ctx context.Context, at string) error {
	if at == "" {
		_, err := r.s.SeekPosition(ctx, timeline.Start)
		return err
	}
	if number, ok := strings.CutPrefix(at, "c"); ok {
		n, err := r.checkpoint(number)
		if err == nil {
			_, err = r.s.SeekCheckpoint(ctx, r.made[n-1])
		}
		return err
	}
	pos, err := timeline.Parse(at)
	if err != nil {
		return fmt.Errorf("restart takes a checkpoint such as c1, an event or a position: %w", err)
	}
	_, err = r.s.SeekPosition(ctx, pos)
	return err
}

// oneField makes text fit a column of a table that tabs and newlines divide.
func oneField(text string) string { return strings.Join(strings.Fields(text), " ") }
