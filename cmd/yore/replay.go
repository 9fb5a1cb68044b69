package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/cmd/yore/internal/live"
	"yore/debugger"
	"yore/debugger/repl"
	"yore/debugger/session"
	"yore/engine"
	"yore/engine/trace"
)

// replayer debugs a recording at yore's prompt.
type replayer struct {
	session sessionFlags
	prompt  promptFlags
	at      string
}

func newReplay() *cobra.Command {
	r := &replayer{}
	cmd := &cobra.Command{
		Use:   "replay [FLAGS] [RECORDING]",
		Short: "debug a recording",
		Long: "replay opens a recording at its end, with the prompt that `run` has: from there everything goes backwards,\n" +
			"and forwards again up to the end. RECORDING is a directory or a name in the store; left out, it is the latest.",
		Example:           "  yore replay\n  yore replay --at 1234 crash.rec",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := r.session.check(); err != nil {
				return err
			}
			path, err := recordingArg(args)
			if err != nil {
				return err
			}
			status, err := r.run(path)
			switch {
			case errors.Is(err, repl.ErrFailed):
				return exited(exitFailed)
			case err != nil:
				return err
			case r.prompt.Return:
				return exited(status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&r.at, "at", "", "begin at `POS` instead of the end: a position, an event, start, or what goto takes")
	r.session.registerReplay(cmd.Flags())
	r.prompt.register(cmd.Flags())
	return cmd
}

// run debugs a recording, or a bundle, and returns the recorded program's status.
func (r *replayer) run(path string) (status int, err error) {
	var open closers
	defer open.close()
	ctx, release := untilTerminated(open.close)
	defer release()
	rec, err := openPath(path)
	if err != nil {
		return 0, err
	}
	open.add(rec.close)
	s, err := rec.open(ctx, engine.Options{CheckpointMemory: int64(r.session.CheckpointMemory)})
	if err != nil {
		return 0, recordingStatus(err)
	}
	open.add(func() { s.Close() })
	target := &live.Target{Session: s}
	const begin = "\x00begin"
	prompt := repl.New(repl.Options{
		Steps: append([]repl.Step{{Line: begin}}, r.prompt.Commands.steps()...),
		Batch: r.prompt.Batch, Live: target.Live,
		HistoryFile: repl.DefaultHistory(os.Getenv),
	})
	open.add(prompt.Close)
	back, note, end, err := r.session.openBackend(ctx, target, rec.exe(s), r.prompt.backendOptions(prompt, rec.files(&r.session)))
	if err != nil {
		return 0, err
	}
	open.add(end)
	d, err := debugger.New(ctx, back, session.New(s), prompt, debugger.Options{Pack: packRecorded(rec)})
	if err != nil {
		return 0, err
	}
	open.add(d.Close)
	if !r.prompt.Quiet {
		prompt.Print(banner(rec, s))
	}
	if note != "" {
		prompt.Print(note)
	}
	err = prompt.Run(ctx, &beginning{d, begin, func(ctx context.Context) error {
		if rec.bundle != nil {
			saved := savedOf(rec.bundle.Manifest.Session)
			if r.at != "" {
				saved.Position = ""
			}
			if err := d.Restore(ctx, saved); err != nil {
				return err
			}
		}
		if r.at == "" {
			return nil
		}
		return d.Execute(ctx, "goto "+r.at)
	}})
	return statusAfter(s), err
}

// banner says what was recorded, and how it ended.
func banner(rec *recorded, s *engine.Session) string {
	m := s.Meta()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, recorded %s, %d events; %s.\n", rec.name(), inspect.Printable(inspect.Command(trace.Strings(m.Args))),
		m.Began.Local().Format("2006-01-02 15:04:05"), s.Events()+1, m.Ended)
	if rec.bundle != nil && rec.bundle.Manifest.Note != "" {
		for line := range strings.Lines(rec.bundle.Manifest.Note) {
			fmt.Fprintf(&b, "  %s\n", inspect.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	for _, c := range s.Cut() {
		fmt.Fprintf(&b, "The recording was cut short: %s.\n", c)
	}
	return b.String()
}
