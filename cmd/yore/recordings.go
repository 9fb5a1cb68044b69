package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/engine"
	"yore/engine/bundle"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// The commands about recordings that replay nothing.

func newLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "list the recordings of the store",
		Long: "ls lists the recordings of the store, oldest first.\n\n" +
			"The store is $YORE_DIR, or yore below $XDG_DATA_HOME, or ~/.local/share/yore.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			n, err := inspect.List(cmd.OutOrStdout(), store)
			if err == nil && n == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "yore: there is no recording in %s\n", store.Dir)
			}
			return err
		},
	}
}

func newRm() *cobra.Command {
	return &cobra.Command{
		Use:   "rm RECORDING...",
		Short: "remove recordings",
		Long:  "rm removes recordings, given by name in the store or by directory. It removes nothing else, and none that is in use.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("rm needs the name of a recording")
			}
			return nil
		},
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := newSniffer()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				dir, err := s.recording(name)
				if err == nil {
					err = s.Store.Remove(dir)
				}
				if err != nil {
					errs = append(errs, recordingStatus(fmt.Errorf("rm: %w", err)))
				}
			}
			if len(errs) == 0 {
				return nil
			}
			for _, err := range errs[1:] {
				tell(cmd.ErrOrStderr(), err, "")
			}
			return errs[0]
		},
	}
}

func newInfo() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info [RECORDING]",
		Short: "what a recording is, without starting it",
		Long: "info prints what a recording is: program, arguments, when and where it was recorded, events, threads,\n" +
			"size, how it ended; of a bundle also what it gives away. RECORDING is a directory, a bundle, or a name in the\n" +
			"store; left out, it is the latest.",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := recordingArg(args)
			if err != nil {
				return err
			}
			if st, err := os.Stat(dir); err == nil && !st.IsDir() {
				return recordingStatus(inspect.Bundle(cmd.OutOrStdout(), dir, asJSON))
			}
			return recordingStatus(inspect.Info(cmd.OutOrStdout(), dir, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func newDump() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "dump [RECORDING]",
		Short: "the events of a recording as text",
		Long: "dump prints a recording's events, a line each: the event's number and the event. Of a position such as\n" +
			"1234+17@0x401196 the event counts.",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, b := int64(0), int64(-1)
			for _, f := range []struct {
				name, text string
				event      *int64
			}{{"from", from, &a}, {"to", to, &b}} {
				if f.text == "" {
					continue
				}
				p, err := timeline.Parse(f.text)
				if err != nil {
					return usagef("--%s: %w", f.name, err)
				}
				*f.event = p.Event
			}
			r, err := openRecorded(args)
			if err != nil {
				return err
			}
			defer r.close()
			return recordingStatus(inspect.Dump(cmd.OutOrStdout(), r.dir, a, b))
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first position `POS`, from the start if left out")
	cmd.Flags().StringVar(&to, "to", "", "the last position `POS`, to the end if left out")
	return cmd
}

// recordingArg is the directory of the recording, or the bundle, that a command's
// only argument names.
func recordingArg(args []string) (string, error) {
	s, err := newSniffer()
	if err != nil {
		return "", err
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	dir, err := s.recording(name)
	return dir, recordingStatus(err)
}

// recordingStatus gives an error about a recording its exit status: 65 when
// what is there is damaged or foreign.
func recordingStatus(err error) error {
	var t *targetError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*statusError)):
		return err
	case engine.IsBadInput(err), bundle.IsBadInput(err), errors.As(err, &t) && t.Kind == problemForeign:
		return withStatus(exitData, err)
	}
	return withStatus(exitFailed, err)
}

// completeRecordings offers the names of the store.
func completeRecordings(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := openStore()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	entries, err := store.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, e := range entries {
		if e.Anonymous || e.Meta == nil {
			continue
		}
		names = append(names, e.Name+"\t"+inspect.Command(trace.Strings(e.Meta.Args)))
	}
	return names, cobra.ShellCompDirectiveDefault
}
