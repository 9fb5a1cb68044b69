package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"yore/cmd/yore/internal/inspect"
	"yore/engine/bundle"
	"yore/engine/pack"
	"yore/engine/timeline"
	"yore/engine/trace"
)

// packFlags are the flags of `pack`.
type packFlags struct {
	output    string
	note      string
	at        string
	from, to  string
	noSources bool
	noDebug   bool
	noEnv     bool
	redact    []string
}

func newPack() *cobra.Command {
	f := &packFlags{}
	cmd := &cobra.Command{
		Use:   "pack [FLAGS] [RECORDING]",
		Short: "put a recording into one file that opens anywhere",
		Long: "pack writes a bundle: the recording with the program, its libraries, separate debug files and the sources\n" +
			"that the debug information names. `yore replay FILE` opens it on another machine, without any of those there.\n" +
			"RECORDING is a directory or a name in the store; left out, it is the latest.\n\n" +
			"`yore info FILE` lists what a bundle gives away. --exclude-env and --redact concern the description alone: what\n" +
			"the program read, wrote and held in memory is in the bundle, since replay needs it.",
		Example:           "  yore pack\n  yore pack --from 4000 --to 5200\n  yore pack -o crash.yore.zip --note 'only with two workers' server-3",
		Args:              atMost(1),
		ValidArgsFunction: completeRecordings,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := recordingArg(args)
			if err != nil {
				return err
			}
			if st, err := os.Stat(dir); err == nil && !st.IsDir() {
				return usagef("%s is a bundle already", dir)
			}
			out := f.output
			if out == "" {
				out = filepath.Base(dir) + bundleSuffix
			}
			o, err := f.options(dir)
			if err != nil {
				return err
			}
			return packTo(cmd.OutOrStdout(), dir, out, o)
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "the bundle's `FILE`; by default the recording's name with "+bundleSuffix)
	cmd.Flags().StringVar(&f.note, "note", "", "a remark for whoever opens it, `TEXT`")
	cmd.Flags().StringVar(&f.at, "at", "", "it opens at `POS`, a position or an event, instead of the end")
	cmd.Flags().StringVar(&f.from, "from", "", "leave out what is before the last image that is before `POS`")
	cmd.Flags().StringVar(&f.to, "to", "", "leave out what is after `POS`; it opens there")
	cmd.Flags().BoolVar(&f.noSources, "no-sources", false, "leave the sources out")
	cmd.Flags().BoolVar(&f.noDebug, "no-debug", false, "leave separate debug files out")
	cmd.Flags().BoolVar(&f.noEnv, "exclude-env", false, "leave the environment out of the description")
	cmd.Flags().StringArrayVar(&f.redact, "redact", nil, "hide what matches `PATTERN`, a regular expression, in the description; repeatable")
	return cmd
}

// bundleSuffix is what bundles' names end in.
const bundleSuffix = ".yore.zip"

func (f *packFlags) options(dir string) (pack.Options, error) {
	session, part, err := f.places(dir)
	if err != nil {
		return pack.Options{}, err
	}
	patterns, err := pack.Patterns(f.redact)
	if err != nil {
		return pack.Options{}, usagef("--redact: %w", err)
	}
	return pack.Options{Yore: versionLine(), Note: f.note, NoSources: f.noSources, NoDebug: f.noDebug,
		NoEnv: f.noEnv, Redact: patterns, Session: session, Range: part}, nil
}

// places are where the bundle opens, and the part of history that it holds; nil for
// all.
func (f *packFlags) places(dir string) (session bundle.Session, part *pack.Range, err error) {
	if f.at == "" && f.from == "" && f.to == "" {
		return session, nil, nil
	}
	r, err := trace.OpenRecording(dir)
	if err != nil {
		return session, nil, recordingStatus(err)
	}
	first, last := r.Meta().First, r.Log.Len()-1
	r.Close()
	place := func(flag, text string, or int64) (timeline.Position, error) {
		if text == "" {
			return timeline.Position{Event: or}, nil
		}
		p, err := timeline.Parse(text)
		switch {
		case err != nil:
			return p, usagef("%s: %w", flag, err)
		case p.Event > last:
			return p, usagef("%s %s: history ends with event %d", flag, text, last)
		case p.Event < first:
			return p, usagef("%s %s: history begins with event %d", flag, text, first)
		}
		return p, nil
	}
	from, err := place("--from", f.from, first)
	if err != nil {
		return session, nil, err
	}
	to, err := place("--to", f.to, last)
	if err != nil {
		return session, nil, err
	}
	at, err := place("--at", f.at, to.Event)
	if err != nil {
		return session, nil, err
	}
	switch {
	case from.Event > to.Event:
		return session, nil, usagef("--from %s is after --to %s", f.from, f.to)
	case at.Event < from.Event || at.Event > to.Event:
		return session, nil, usagef("--at %s is outside of the part from %v to %v", f.at, from, to)
	case f.at != "":
		session.Position = at.String()
	case f.to != "":
		session.Position = to.String()
	}
	if f.from != "" || f.to != "" {
		part = &pack.Range{From: from.Event, To: to.Event}
	}
	return session, part, nil
}

// packTo packs a recording's directory and says what came of it.
func packTo(w io.Writer, dir, out string, o pack.Options) error {
	p, err := pack.Pack(dir, out, o)
	if err != nil {
		return recordingStatus(err)
	}
	_, err = io.WriteString(w, packedText(p))
	return err
}

// advised is the size of a bundle above which a person is told what makes it large.
const advised = 25 << 20

// packedText says what a bundle came to.
func packedText(p *pack.Packed) string {
	text := fmt.Sprintf("bundle: %s, %s\n", p.Path, inspect.Size(p.Size))
	for _, h := range p.Manifest.Hidden {
		text += "Hidden: " + h + ".\n"
	}
	if p.Size <= advised {
		return text
	}
	text += "It is larger than most trackers take (25 MB):\n"
	var names []string
	for name := range p.Parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(min(1, max(-1, p.Parts[b]-p.Parts[a]))) })
	for _, name := range names {
		if p.Parts[name] < 1<<20 {
			continue
		}
		text += fmt.Sprintf("  %8s  %s%s\n", inspect.Size(p.Parts[name]), name, smaller[name])
	}
	return text
}

// smaller says how a part is made smaller.
var smaller = map[string]string{
	pack.PartDebug:   ": --no-debug leaves them out; a receiver with DEBUGINFOD_URLS or --debug-dir has them",
	pack.PartSources: ": --no-sources leaves them out",
}
